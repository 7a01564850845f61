/** Callers over real connections that do not read what they are answered. */
import { constants } from "node:http2";
import { PassThrough } from "node:stream";
import { ServerInterceptingCall, status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Height } from "../../proto/brands.ts";
import { Level } from "../../proto/grpc/rollup-block.ts";
import { ROLLUP_SERVICE } from "../../proto/grpc/rollup-service.ts";
import type { Method } from "../../proto/grpc/wire.ts";
import { buildChain, testGenesis, testKeys } from "../../test/support/chain-builder.ts";
import { openDeafCall } from "../../test/support/deaf-caller.ts";
import { createManualClock, type ManualClock } from "../../test/support/manual-clock.ts";
import { ALPHA, dataItem, withManifest } from "../../test/support/sealed-chain.ts";
import { startStreamNode, STREAM_BLOCKS } from "../../test/support/stream-node.ts";
import { SLOW_READER_MS, UNREAD_ANSWER_MS } from "./limits.ts";
import { NULL_GRPC_METRICS } from "./metrics.ts";
import { createUnreadAnswers } from "./unread-answers.ts";

/** More than the windows of a connection hold. */
const ITEM_BYTES = 200_000;
const keys = testKeys(4);
const item = dataItem(ALPHA, "a".repeat(ITEM_BYTES));
const chain = buildChain(keys, 3, testGenesis(keys), () => withManifest([item]));
const block = (height: number) => ({
  rollupId: ALPHA,
  height: Height(height),
  level: Level.COMMITTED,
});
const blocksOf = (height: number) => ({
  rollupId: ALPHA,
  fromHeight: Height(height),
  untilHeight: Height(height),
  level: Level.COMMITTED,
});
const { getBlock, getBlocks } = ROLLUP_SERVICE;

let clock: ManualClock;
let node: Awaited<ReturnType<typeof startStreamNode>>;

beforeEach(() => {
  clock = createManualClock();
});

afterEach(() => node.stop());

describe("behavior: a call is reset when none of its answer is taken", () => {
  beforeEach(async () => {
    node = await startStreamNode(chain, { clock });
  });

  it("whose answer is one message", async () => {
    const call = openDeafCall(node.address, getBlock, block(1));
    await call.answered;
    await clock.advance(UNREAD_ANSWER_MS - 1);
    expect(node.counted.unreadCalls).toBe(0);
    await clock.advance(1);
    expect(node.counted.unreadCalls).toBe(1);
    expect(await call.closed).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    await vi.waitFor(() => expect(node.counted.unreadBytes).toBe(0));
  });

  it("whose answer is a stream, and that gives its slot back", async () => {
    const call = openDeafCall(node.address, STREAM_BLOCKS, blocksOf(1));
    await call.answered;
    await clock.advance(SLOW_READER_MS);
    expect(node.counted.open).toBe(1);
    await clock.advance(UNREAD_ANSWER_MS - SLOW_READER_MS);
    expect(await call.closed).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    await vi.waitFor(() => expect(node.counted.open).toBe(0));
  });

  it("and not when it has been taken", async () => {
    const call = openDeafCall(node.address, getBlock, block(1));
    await call.answered;
    await clock.advance(UNREAD_ANSWER_MS - 1);
    const { messages } = await call.readAll();
    expect(messages).toHaveLength(1);
    await clock.advance(UNREAD_ANSWER_MS);
    expect(node.counted.unreadCalls).toBe(0);
    expect(await call.closed).toBe(constants.NGHTTP2_NO_ERROR);
  });
});

describe("behavior: what is unread is bounded", () => {
  const ABOVE = 1 << 30;

  it.each([
    ["of one address", { bytesMax: ABOVE, bytesOfPeerMax: ITEM_BYTES }],
    ["in all", { bytesMax: ITEM_BYTES, bytesOfPeerMax: ABOVE }],
  ])(
    "%s: further calls are refused before they cost anything, until it is read",
    async (_, unread) => {
      node = await startStreamNode(chain, { clock, unread: { unread } });
      const call = openDeafCall(node.address, getBlock, block(1));
      await call.answered;
      expect(node.counted.unreadBytes).toBeGreaterThan(ITEM_BYTES);
      expect(await codeOf(getBlock, block(2))).toBe(status.RESOURCE_EXHAUSTED);
      expect(node.node.reads.has(2)).toBe(false);
      await call.readAll();
      await vi.waitFor(() => expect(node.counted.unreadBytes).toBe(0));
      expect(await codeOf(getBlock, block(2))).toBe(status.OK);
    },
  );

  it("also while an answer of many blocks is put together", async () => {
    const unread = { bytesMax: ABOVE, bytesOfPeerMax: ITEM_BYTES };
    node = await startStreamNode(chain, { clock, unread: { unread } });
    const request = { ...block(1), fromHeight: Height(1), toHeight: Height(2) };
    const codes = [codeOf(getBlocks, request), codeOf(getBlocks, request)];
    expect(await Promise.all(codes)).toEqual([status.OK, status.RESOURCE_EXHAUSTED]);
    expect(await codeOf(getBlocks, request)).toBe(status.OK);
    await vi.waitFor(() => expect(node.counted.unreadBytes).toBe(0));
  });

  it("also by streams, whose messages wait, with the status behind them", async () => {
    const unread = { bytesMax: ABOVE, bytesOfPeerMax: ITEM_BYTES };
    node = await startStreamNode(chain, { clock, unread: { unread } });
    // Both are let in; the first one's message fills what there is.
    const calls = [1, 2].map((height) =>
      openDeafCall(node.address, STREAM_BLOCKS, blocksOf(height)),
    );
    await Promise.all([calls[0]?.answered, vi.waitFor(() => expect(node.counted.open).toBe(2))]);
    await vi.waitFor(() => expect(node.counted.bytes).toBeGreaterThan(2 * ITEM_BYTES));
    expect(node.counted.unreadBytes).toBeLessThan(2 * ITEM_BYTES);
    const ends = await Promise.all(calls.map((call) => call.readAll()));
    expect(ends.map(({ messages }) => messages.length)).toEqual([1, 1]);
    expect(ends.map(({ trailers }) => Number(trailers["grpc-status"]))).toEqual([0, 0]);
    await vi.waitFor(() => expect(node.counted.unreadBytes).toBe(0));
  });

  function codeOf<Request, Response>(
    { path, requestSerialize, responseDeserialize }: Method<Request, Response>,
    request: Request,
  ): Promise<status> {
    return new Promise((resolve) => {
      node.client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error) =>
        resolve(error?.code ?? status.OK),
      );
    });
  }
});

it("behavior: what comes after a deadline has passed is not handed over", () => {
  const stream = Object.assign(new PassThrough(), { session: undefined, close: () => {} });
  const sent: unknown[] = [];
  class Lowest extends ServerInterceptingCall {
    readonly stream = stream;
    override getPeer = () => "10.0.0.1:1";
    override sendMetadata(): void {}
    override sendMessage(message: unknown): void {
      sent.push(message);
    }
  }
  const { interceptor } = createUnreadAnswers(
    { bytesMax: 1, bytesOfPeerMax: 1 },
    { clock, metrics: NULL_GRPC_METRICS },
  );
  const call = interceptor(
    STREAM_BLOCKS,
    new Lowest(Object.create(ServerInterceptingCall.prototype)),
  );
  call.sendMessage("in time", () => {});
  stream.end();
  call.sendMessage("late", () => {});
  expect(sent).toEqual(["in time"]);
});

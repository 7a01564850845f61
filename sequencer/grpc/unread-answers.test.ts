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
import { openDeafCall, openDeafConnection } from "../../test/support/deaf-caller.ts";
import { createManualClock, type ManualClock } from "../../test/support/manual-clock.ts";
import { ALPHA, dataItem, withManifest } from "../../test/support/sealed-chain.ts";
import { startStreamNode, STREAM_BLOCKS } from "../../test/support/stream-node.ts";
import { openStuckCalls } from "../../test/support/stuck-caller.ts";
import {
  SLOW_READER_MS,
  UNREAD_ANSWER_MS,
  UNREAD_BYTES_PER_SECOND_MIN,
  UNREAD_LOOK_MS,
} from "./limits.ts";
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

/** Of a call with a message of that size: its time, and the next look. */
const RESET_MS =
  UNREAD_LOOK_MS *
  (Math.floor(
    (UNREAD_ANSWER_MS + (ITEM_BYTES * 1_000) / UNREAD_BYTES_PER_SECOND_MIN) / UNREAD_LOOK_MS,
  ) +
    1);

describe("behavior: a call is reset when none of its answer is taken", () => {
  beforeEach(async () => {
    node = await startStreamNode(chain, { clock });
  });

  it("whose answer is one message", async () => {
    const call = openDeafCall(node.address, getBlock, block(1));
    await call.answered;
    await clock.advance(RESET_MS - UNREAD_LOOK_MS);
    expect(node.counted.unreadCalls).toBe(0);
    await clock.advance(UNREAD_LOOK_MS);
    expect(node.counted.unreadCalls).toBe(1);
    expect(await call.closed).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    await vi.waitFor(() => expect(node.counted.unreadBytes).toBe(0));
  });

  it("whose answer is a stream, and that gives its slot back", async () => {
    const call = openDeafCall(node.address, STREAM_BLOCKS, blocksOf(1));
    await call.answered;
    await clock.advance(SLOW_READER_MS);
    expect(node.counted.open).toBe(1);
    await clock.advance(RESET_MS - SLOW_READER_MS);
    expect(await call.closed).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    await vi.waitFor(() => expect(node.counted.open).toBe(0));
  });

  it("and not when it has been taken", async () => {
    const call = openDeafCall(node.address, getBlock, block(1));
    await call.answered;
    await clock.advance(UNREAD_ANSWER_MS);
    const { messages } = await call.readAll();
    expect(messages).toHaveLength(1);
    await clock.advance(RESET_MS);
    expect(node.counted.unreadCalls).toBe(0);
    expect(await call.closed).toBe(constants.NGHTTP2_NO_ERROR);
  });
});

describe("behavior: who leaves too much unread on a connection is given no more blocks on it", () => {
  const range = { ...block(1), fromHeight: Height(1), toHeight: Height(2) };

  beforeEach(async () => {
    node = await startStreamNode(chain, { clock, unreadBytesMax: ITEM_BYTES });
  });

  it("until it has read; its other calls, and other connections, are not concerned", async () => {
    const deaf = openDeafConnection(node.address);
    const call = deaf.call(getBlock, block(1));
    await call.answered;
    expect(node.counted.unreadBytes).toBeGreaterThan(ITEM_BYTES);
    for (const refused of [deaf.call(getBlock, block(2)), deaf.call(getBlocks, range)]) {
      expect((await refused.readAll()).trailers["grpc-status"]).toBe(
        `${status.RESOURCE_EXHAUSTED}`,
      );
    }
    expect(node.node.reads.has(2)).toBe(false);
    const set = await deaf.call(ROLLUP_SERVICE.getValidatorSet, { height: Height(1) }).readAll();
    expect(set.trailers["grpc-status"]).toBe(`${status.OK}`);
    expect(await codeOf(getBlock, block(2))).toBe(status.OK);
    await call.readAll();
    await vi.waitFor(() => expect(node.counted.unreadBytes).toBe(0));
    expect((await deaf.call(getBlock, block(2)).readAll()).messages).toHaveLength(1);
    deaf.close();
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

describe("behavior: when all connections together leave too much unread", () => {
  beforeEach(async () => {
    node = await startStreamNode(chain, { clock, allUnreadBytesMax: 2.5 * ITEM_BYTES });
  });

  it("those calls are reset of which nothing was taken for the longest", async () => {
    const calls = [];
    for (let i = 0; i < 2; i++) {
      const call = openDeafCall(node.address, getBlock, block(1));
      await call.answered;
      calls.push(call);
      await clock.advance(1);
    }
    expect(node.counted.unreadCalls).toBe(0);
    const last = openDeafCall(node.address, getBlock, block(1));
    await last.answered;
    expect(await calls[0]?.closed).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    expect(node.counted.unreadBytes).toBeLessThan(2.5 * ITEM_BYTES);
    expect(node.counted.unreadCalls).toBe(1);
    expect((await last.readAll()).messages).toHaveLength(1);
    expect((await calls[1]?.readAll())?.messages).toHaveLength(1);
    await vi.waitFor(() => expect(node.counted.unreadBytes).toBe(0));
  });
});

describe("behavior: what is on its way to a socket that is not read", () => {
  /** More than the system takes of a connection. */
  const STUCK_CALLS = 100;
  const STUCK_BYTES = STUCK_CALLS * ITEM_BYTES;

  it("counts for calls that are reset too, until the connection is closed", async () => {
    node = await startStreamNode(chain, { clock });
    const socket = openStuckCalls(node.address, getBlock, block(1), STUCK_CALLS);
    await vi.waitFor(() => expect(node.counted.unreadBytes).toBeGreaterThan(STUCK_BYTES));
    const startMs = clock.monotonicMs();
    await vi.waitFor(async () => {
      await clock.advance(UNREAD_LOOK_MS);
      await new Promise(setImmediate);
      expect(node.counted.unreadBytes).toBe(0);
    });
    expect(clock.monotonicMs() - startMs).toBeGreaterThan(UNREAD_ANSWER_MS);
    await vi.waitFor(() => expect(node.counted.connections).toBe(0));
    socket.destroy();
  });

  it("is let go of with its connection when there is too much of all", async () => {
    node = await startStreamNode(chain, { clock, allUnreadBytesMax: 1.5 * STUCK_BYTES });
    const first = openStuckCalls(node.address, getBlock, block(1), STUCK_CALLS);
    await vi.waitFor(() => expect(node.counted.unreadBytes).toBeGreaterThan(STUCK_BYTES));
    await clock.advance(1);
    const second = openStuckCalls(node.address, getBlock, block(1), STUCK_CALLS);
    await vi.waitFor(() => expect(node.counted.unreadCalls).toBeGreaterThan(0));
    await vi.waitFor(() => expect(node.counted.connections).toBe(1));
    await vi.waitFor(() => expect(node.counted.unreadBytes).toBeGreaterThan(STUCK_BYTES));
    expect(node.counted.unreadBytes).toBeLessThan(1.5 * STUCK_BYTES);
    first.destroy();
    second.destroy();
  });
});

it("behavior: a node stops though somebody does not read", async () => {
  node = await startStreamNode(chain, { clock });
  const socket = openStuckCalls(node.address, getBlock, block(1), 0);
  await vi.waitFor(() => expect(node.counted.connections).toBe(1));
  await node.stop();
  await vi.waitFor(() => expect(node.counted.connections).toBe(0));
  socket.destroy();
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
    { bytesMax: 1, allBytesMax: 1 },
    { clock, metrics: NULL_GRPC_METRICS, outgoing: () => undefined },
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

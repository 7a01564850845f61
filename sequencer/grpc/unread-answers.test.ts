/** Callers over real connections that do not read what they are answered. */
import { constants } from "node:http2";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Height } from "../../proto/brands.ts";
import { Level } from "../../proto/grpc/rollup-block.ts";
import { ROLLUP_SERVICE } from "../../proto/grpc/rollup-service.ts";
import { buildChain, testGenesis, testKeys } from "../../test/support/chain-builder.ts";
import { openDeafCall } from "../../test/support/deaf-caller.ts";
import { createManualClock, type ManualClock } from "../../test/support/manual-clock.ts";
import { ALPHA, dataItem, withManifest } from "../../test/support/sealed-chain.ts";
import { startStreamNode, STREAM_BLOCKS } from "../../test/support/stream-node.ts";
import { SLOW_READER_MS, UNREAD_ANSWER_MS } from "./limits.ts";

/** More than the windows of a connection hold. */
const ITEM_BYTES = 200_000;
const keys = testKeys(4);
const item = dataItem(ALPHA, "a".repeat(ITEM_BYTES));
const chain = buildChain(keys, 2, testGenesis(keys), () => withManifest([item]));
const ofBlock = { rollupId: ALPHA, height: Height(1), level: Level.COMMITTED };
const ofStream = { rollupId: ALPHA, fromHeight: Height(1), level: Level.COMMITTED };

let clock: ManualClock;
let node: Awaited<ReturnType<typeof startStreamNode>>;

beforeEach(async () => {
  clock = createManualClock();
  node = await startStreamNode(chain, { clock });
});

afterEach(() => node.stop());

describe("behavior: a call is reset when none of its answer is taken", () => {
  it("whose answer is one message", async () => {
    const call = openDeafCall(node.address, ROLLUP_SERVICE.getBlock, ofBlock);
    await call.answered;
    await clock.advance(UNREAD_ANSWER_MS - 1);
    expect(node.counted.unreadCalls).toBe(0);
    await clock.advance(1);
    expect(node.counted.unreadCalls).toBe(1);
    expect(await call.closed).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });

  it("whose answer is a stream, and that gives its slot back", async () => {
    const call = openDeafCall(node.address, STREAM_BLOCKS, ofStream);
    await call.answered;
    await clock.advance(SLOW_READER_MS);
    expect(node.counted.open).toBe(1);
    await clock.advance(UNREAD_ANSWER_MS - SLOW_READER_MS);
    expect(await call.closed).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    await vi.waitFor(() => expect(node.counted.open).toBe(0));
  });

  it("and not when it has been taken", async () => {
    const call = openDeafCall(node.address, ROLLUP_SERVICE.getBlock, ofBlock);
    await call.answered;
    await clock.advance(UNREAD_ANSWER_MS - 1);
    const { messages } = await call.readAll();
    expect(messages).toHaveLength(1);
    await clock.advance(UNREAD_ANSWER_MS);
    expect(node.counted.unreadCalls).toBe(0);
    expect(await call.closed).toBe(constants.NGHTTP2_NO_ERROR);
  });
});

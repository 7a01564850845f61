/** A reader that opens a stream over a real connection, and does not read. */
import { status } from "@grpc/grpc-js";
import { expect, it, vi } from "vitest";
import { Height } from "../../proto/brands.ts";
import { Level } from "../../proto/grpc/rollup-block.ts";
import { ROLLUP_SERVICE } from "../../proto/grpc/rollup-service.ts";
import { buildChain, testGenesis, testKeys } from "../../test/support/chain-builder.ts";
import { openDeafCall } from "../../test/support/deaf-caller.ts";
import { range } from "../../test/support/local-network.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { ALPHA, dataItem, withManifest } from "../../test/support/sealed-chain.ts";
import { readStream, startStreamNode, STREAM_BLOCKS } from "../../test/support/stream-node.ts";
import { SLOW_READER_MS, STREAM_UNREAD_MESSAGES_MAX } from "./limits.ts";

const HEIGHTS = 40;
/** The windows of the connection hold one of them. */
const ITEM_BYTES = 50_000;

it("behavior: a reader that does not read is dropped with the height to go on from, and others are served meanwhile", async () => {
  const keys = testKeys(4);
  const item = dataItem(ALPHA, "a".repeat(ITEM_BYTES));
  const chain = buildChain(keys, HEIGHTS, testGenesis(keys), () => withManifest([item]));
  const clock = createManualClock();
  const node = await startStreamNode(chain, { clock });
  const { address, client, counted } = node;
  const request = { rollupId: ALPHA, fromHeight: Height(1), level: Level.COMMITTED };
  const untilEnd = { ...request, untilHeight: Height(HEIGHTS) };
  try {
    const reader = openDeafCall(address, STREAM_BLOCKS, untilEnd);
    // As many as may wait unread.
    const unread = STREAM_UNREAD_MESSAGES_MAX * ITEM_BYTES;
    await vi.waitFor(() => expect(counted.bytes).toBeGreaterThan(unread));
    const all = await readStream(client, STREAM_BLOCKS, untilEnd);
    expect(all.blocks.map(({ height }) => height)).toEqual(range(1, HEIGHTS));
    await clock.advance(SLOW_READER_MS - 1);
    expect(counted.slow).toBe(0);
    await clock.advance(1);
    expect(counted.slow).toBe(1);

    const { messages, trailers } = await reader.readAll();
    expect(Number(trailers["grpc-status"])).toBe(status.RESOURCE_EXHAUSTED);
    const next = Number(trailers["weft-resume"]);
    // What it got and what it is told to ask for leave no height out.
    const heights = messages.map((bytes) =>
      Number(ROLLUP_SERVICE.streamBlocks.responseDeserialize(bytes).height),
    );
    expect(heights).toEqual(range(1, heights.length));
    expect(heights.length).toBeLessThan(HEIGHTS);
    expect(next).toBeGreaterThanOrEqual(1);
    expect(next).toBeLessThanOrEqual(heights.length + 1);
    const resumed = await readStream(client, STREAM_BLOCKS, {
      ...untilEnd,
      fromHeight: Height(next),
    });
    expect(resumed.blocks.map(({ height }) => height)).toEqual(range(next, HEIGHTS));
  } finally {
    await node.stop();
  }
});

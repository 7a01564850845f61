import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { buildChain, testGenesis, testKeys } from "../../test/support/chain-builder.ts";
import { createTestNode, testNodeId } from "../../test/support/engine-network.ts";
import { createEventBus, type EventBus } from "../engine/event-bus.ts";
import { RECENT_BLOCKS_BYTES_MAX, RECENT_BLOCKS_MAX } from "./limits.ts";
import { createRecentBlocks } from "./recent-blocks.ts";

const KEYS = testKeys(1);

function announce(events: EventBus, blocks: ReturnType<typeof buildChain>): void {
  for (const { block, blockId, response } of blocks) {
    events.publish({ kind: "NewBlock", block, blockId, result: response });
  }
}

test("the last blocks are kept, as many as the limit", () => {
  const events = createEventBus();
  const recent = createRecentBlocks(events);
  expect(recent.height()).toBe(0);
  const blocks = buildChain(KEYS, RECENT_BLOCKS_MAX + 2);
  announce(events, blocks);
  expect(recent.height()).toBe(RECENT_BLOCKS_MAX + 2);
  expect(recent.get(2)).toBeUndefined();
  expect(recent.get(3)?.block).toBe(blocks[2]?.block);
  expect(recent.get(3)?.results).toBe(blocks[2]?.response);
});

test("large blocks are kept up to their bytes", () => {
  const events = createEventBus();
  const recent = createRecentBlocks(events);
  const half = new Uint8Array(RECENT_BLOCKS_BYTES_MAX / 2);
  announce(
    events,
    buildChain(KEYS, 3, testGenesis(KEYS), () => [half]),
  );
  expect([1, 2, 3].map((height) => recent.get(height) !== undefined)).toEqual([false, true, true]);
});

test("when a block is announced, all that a stream sends of it can be read", async () => {
  const directory = await mkdtemp(join(tmpdir(), "weft-recent-"));
  const node = await createTestNode(testNodeId(0), {
    directory,
    genesis: testGenesis(KEYS),
    seed: sha256(utf8ToBytes("key 0")),
  });
  const { events, blockStore, stateStore } = node.engine;
  const recent = createRecentBlocks(events);
  try {
    const reads = new Promise<unknown[]>((resolve, reject) => {
      events.on((event) => {
        if (event.kind !== "NewBlock" || event.block.header.height < 3) return;
        const { height } = event.block.header;
        // Its own status says so only a moment later, too late for who was woken by the event.
        expect(recent.height()).toBe(height);
        Promise.all([
          blockStore.block(height),
          blockStore.seenCommit(height),
          stateStore.validators(height),
          stateStore.finalizeBlockResponse(height),
        ]).then(resolve, reject);
      });
    });
    await node.engine.start();
    expect(await reads).not.toContain(undefined);
  } finally {
    await node.close();
    await rm(directory, { recursive: true, force: true });
  }
});

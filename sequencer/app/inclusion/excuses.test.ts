import { expect, test } from "vitest";
import { AtomicWorld } from "../../../test/support/atomic-world.ts";
import { makeDue } from "../../../test/support/mev-chain.ts";
import { eventsOf } from "../../../test/support/sealed-app.ts";
import { shareBodies } from "../../../test/support/shared-bodies.ts";
import { ATOMIC_SENDER_OPEN_MAX } from "../atomic/limits.ts";
import { CODES, type CodeName, failure } from "../codes.ts";
import { isPassing } from "./excuses.ts";

test("behavior: whatever a later block may have room or time for is due again, everything else is not", () => {
  const names = Object.keys(CODES) as readonly CodeName[];
  const passing = names.filter((code) => isPassing(failure(code)));
  expect(passing.toSorted()).toEqual([
    "ATOMIC_FULL",
    "ATOMIC_ROLLUP",
    "ATOMIC_SENDER",
    "BID_EARLY",
    "BID_TOO_MANY",
    "BUNDLE_EARLY",
    "NONCE_GAP",
    "SEAL_COMMITS_FULL",
    "SEAL_FULL",
    "SEAL_LANE_OFF",
    "UNORDERED_FULL",
  ]);
});

test("behavior: a bundle whose sender has its part of a rollup's places stands in a block when they are free again", async () => {
  const world = await AtomicWorld.start({ validators: 4 });
  const { chain } = world;
  const legs = [{ rollup: "alpha" }];
  const { item } = world.bundle(0, {}, legs);
  await makeDue(chain, [item], 0, async (blocksLeft) => {
    if (blocksLeft !== 1) return;
    for (let n = 0; n < ATOMIC_SENDER_OPEN_MAX; n++) {
      await world.submit(world.bundle(0, {}, legs).item);
    }
  });
  shareBodies(chain);
  const excused = await chain.step(0);
  expect(eventsOf(excused, "obligation_excused")).toMatchObject([{ code: "ATOMIC_SENDER" }]);
  // The others end at their deadline, four blocks after theirs.
  const items: Uint8Array[] = [];
  for (let n = 0; n < 8; n++) items.push(...(await chain.step(0)).txs);
  expect(items).toContainEqual(item);
  for (const { watch } of chain.nodes) expect(watch.fallbacks).toBe(0);
  expect((await chain.replay()).read.appHash()).toEqual(chain.app.read.appHash());
});

/**
 * Three rollups whose bundles overlap in every way: each leg writes what every other leg of its rollup writes. A bundle
 * commits if all of its legs can. Whatever the order of bundles, somebody always goes on, each bundle is decided, and each
 * rollup has counted exactly the committed bundles that name it.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createAddressFromString } from "@ethereumjs/util";
import { AtomicOutcome, Verdict } from "../../proto/codec/atomic-tx.ts";
import { compareBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import type { PrepareBundleResponse } from "../../rollup-adapter/execution.ts";
import type { EvmExecutor } from "../../rollup-adapter/evm/executor.ts";
import {
  atomicGenesis,
  counterOf,
  decideRequest,
  deskTransaction,
  openDesk,
  prepare,
  stateOf,
} from "../support/atomic-evm.ts";
import {
  ALICE,
  BOB,
  execute,
  openExecutor,
  removeDirectory,
  temporaryDirectory,
} from "../support/evm-rollup.ts";
import { deskCall } from "../support/swap-desk.ts";

const ROLLUPS = 3;
const RUNS = 4;
/** Heights from a bundle to its decision, as a network takes them. */
const DELAY = 2;

/** Of each height: which rollups each of its bundles names. */
const story = fc.array(
  fc.array(fc.subarray([0, 1, 2], { minLength: 2, maxLength: 3 }), { maxLength: 3 }),
  { minLength: 3, maxLength: 6 },
);

interface Bundle {
  readonly name: string;
  readonly rollups: readonly number[];
  readonly answers: PrepareBundleResponse[];
}

test("bundles that overlap over three rollups are all decided, and commit on all of theirs or on none", async () => {
  await fc.assert(
    fc.asyncProperty(story, async (heights) => {
      const directories: string[] = [];
      const rollups: EvmExecutor[] = [];
      try {
        for (let i = 0; i < ROLLUPS; i++) {
          const directory = await temporaryDirectory();
          directories.push(directory);
          const executor = await openExecutor(directory, atomicGenesis());
          rollups.push(executor);
          await openDesk(executor);
        }
        const { stuck, undecided } = await play(rollups, heights);
        expect({ stuck, undecided }).toEqual({ stuck: [], undecided: 0 });
      } finally {
        for (const executor of rollups) await executor.close();
        for (const directory of directories) await removeDirectory(directory);
      }
    }),
    { numRuns: RUNS },
  );
}, 120_000);

async function play(
  rollups: readonly EvmExecutor[],
  heights: readonly (readonly (readonly number[])[])[],
): Promise<{ readonly stuck: readonly string[]; readonly undecided: number }> {
  const counts = rollups.map(() => 0);
  let waiting: { readonly height: number; readonly bundle: Bundle }[] = [];
  const stuck: string[] = [];
  let committed = 0;
  let placed = 0;
  for (let at = 0; at < heights.length + DELAY; at++) {
    const height = at + 2;
    const due = waiting.filter((one) => one.height + DELAY === height);
    waiting = waiting.filter((one) => !due.includes(one));
    const wasFree = waiting.length === 0;
    for (const { bundle } of due) {
      const isCommit = bundle.answers.every(({ verdict }) => verdict === Verdict.YES);
      const outcome = isCommit ? AtomicOutcome.COMMIT : AtomicOutcome.ABORT;
      if (isCommit) committed += 1;
      for (const index of bundle.rollups) {
        await rollups[index]?.decideBundle(decideRequest(height, bundle.name, outcome));
        if (isCommit) counts[index] = (counts[index] ?? 0) + 1;
      }
    }
    const placedHere = heights[at] ?? [];
    for (const [order, named] of placedHere.entries()) {
      const bundle: Bundle = { name: `${height}/${order}`, rollups: named, answers: [] };
      for (const index of named) {
        const executor = rollups[index];
        if (executor === undefined) throw new Error("there are three rollups");
        bundle.answers.push(await prepareCount(executor, height, bundle, order));
      }
      waiting.push({ height, bundle });
      placed += 1;
      // Nothing held anything: the first of the log has what it needs on all of its rollups, and so it commits.
      const isYes = bundle.answers.every(({ verdict }) => verdict === Verdict.YES);
      if (wasFree && order === 0 && !isYes) stuck.push(bundle.name);
    }
    for (const executor of rollups) await execute(executor, height, []);
  }
  for (const [index, executor] of rollups.entries()) {
    expect(Number(await counterOf(executor))).toBe(counts[index]);
    expect((await executor.getStatus()).openBundleCount).toBe(0);
  }
  expect(committed > 0).toBe(placed > 0);
  return { stuck, undecided: waiting.length };
}

/** Everybody's slot, written by Alice or by Bob in turn. */
async function prepareCount(
  executor: EvmExecutor,
  height: number,
  { name, rollups }: Bundle,
  order: number,
): Promise<PrepareBundleResponse> {
  const sender = order % 2 === 0 ? ALICE : BOB;
  const account = await stateOf(executor).getAccount(createAddressFromString(sender.address));
  const nonce = Number(account?.nonce ?? 0n);
  const siblings = rollups.slice(1).map((index) => sha256(Buffer.from(`rollup ${index}`)));
  const payload = await deskTransaction(sender, nonce, deskCall.count());
  return prepare(executor, height, name, [payload], {
    legs: rollups.length,
    siblingRollupIds: siblings.toSorted(compareBytes),
  });
}

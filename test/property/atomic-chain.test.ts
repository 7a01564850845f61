/**
 * Atomic bundles on an application with two validators: random executors that vote, contradict themselves, vote late or
 * not at all, report wrongly or not, ask their bonds back. After each block all nweft are somewhere, every rollup of a
 * bundle finds the same decision, and each bundle is decided by its deadline.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { deadlineOf } from "../../mev/atomic/decide.ts";
import { EMPTY_BYTES, fromHex, toHex } from "../../proto/bytes.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { verifyPresence } from "../../proto/verify/manifest.ts";
import { openCount, senderCount } from "../../sequencer/app/atomic/bundles.ts";
import { ATOMIC_OPEN, bundleOfKey } from "../../sequencer/app/state/tables.ts";
import { ATOMIC_OPEN_MAX } from "../../proto/codec/atomic-state.ts";
import { CODES } from "../../sequencer/app/codes.ts";
import { ATOMIC_SENDER_OPEN_MAX } from "../../sequencer/app/atomic/limits.ts";
import { AtomicWorld, EXECUTORS_OF_A_ROLLUP } from "../support/atomic-world.ts";
import { eventsOf, expectSupply } from "../support/sealed-app.ts";
import { type DecidedBlock, wallet } from "../support/weft-app.ts";

const NAMES = ["alpha", "beta", "gamma"];
/** nweft for each lock and block. */
const RENT = 7n;
const rollup = fc.nat(NAMES.length - 1);
const member = fc.nat(EXECUTORS_OF_A_ROLLUP - 1);
/** Counted from the last bundle backwards. */
const back = fc.nat(2);
const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("bundle" as const),
      legs: fc.uniqueArray(rollup, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 16,
    arbitrary: fc.record({
      kind: fc.constant("votes" as const),
      back,
      effects: fc.constantFrom("", "", "", "", "", "", "other"),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("vote" as const),
      back,
      rollup,
      member,
      no: fc.constantFrom(0, 0, 1, 2, 7),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("report" as const),
      back,
      rollup,
      member,
      effects: fc.constantFrom("", "", "", "other", undefined),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("bond" as const),
      what: fc.constantFrom("bondExecutor" as const, "unbondExecutor" as const),
      rollup,
      member,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("unjail" as const), rollup, member }),
  },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("block" as const) }) },
);
type Command = typeof command extends fc.Arbitrary<infer Value> ? Value : never;

/** Faults are the chain's to refuse: what the pool does not take is left out. */
async function run(world: AtomicWorld, placed: Uint8Array[], one: Command): Promise<void> {
  const { chain } = world;
  if (one.kind === "block") return;
  if (one.kind === "bundle") {
    const legs = one.legs.map((at) => ({ rollup: NAMES[at] ?? "", entries: [`${placed.length}`] }));
    const { item, id } = world.bundle(placed.length % 4, {}, legs);
    if ((await chain.submit(item)) === 0) placed.push(id);
    return;
  }
  if (one.kind === "bond" || one.kind === "unjail") {
    const rollupId = rollupIdOfName(NAMES[one.rollup] ?? "");
    const action =
      one.kind === "unjail"
        ? ({ kind: "unjailExecutor", rollupId } as const)
        : ({ kind: one.what, rollupId, amount: 1_000n } as const);
    await chain.submit(world.by(one.rollup, one.member, action));
    return;
  }
  const id = placed.at(-1 - one.back);
  if (id === undefined) return;
  if (one.kind === "votes") {
    for (const at of NAMES.keys()) {
      for (const executor of [0, 1]) {
        await chain.submit(world.by(at, executor, world.yes(id, at, { effects: one.effects })));
      }
    }
    return;
  }
  const action =
    one.kind === "report"
      ? world.report(id, one.rollup, one.effects)
      : one.no === 0
        ? world.yes(id, one.rollup)
        : world.no(id, one.rollup, one.no);
  await chain.submit(world.by(one.rollup, one.member, action));
}

/** What each rollup is told of bundles, verified as it does: by bundle, the outcomes in order of `NAMES`. */
async function told({ chain }: AtomicWorld, { txs, response }: DecidedBlock) {
  const slices = await chain.app.blockSlices(txs, response);
  const item = decodeItem(txs[0] ?? new Uint8Array());
  if (item.kind !== "manifest") throw new Error("item 0 is the manifest");
  const outcomes = new Map<string, Map<string, number>>();
  for (const name of NAMES) {
    const slice = slices.slice(rollupIdOfName(name));
    if (slice.kind === "absence") continue;
    expect(verifyPresence(item.manifest, rollupIdOfName(name), slice)).toBeUndefined();
    for (const { subject, outcome } of slice.decisions) {
      const of = outcomes.get(toHex(subject)) ?? new Map<string, number>();
      outcomes.set(toHex(subject), of.set(name, outcome));
    }
  }
  return outcomes;
}

test("property: bundles are decided in time and alike for all rollups, and all nweft are somewhere", async () => {
  const ends: Record<string, number> = {};
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 30, maxLength: 70 }), async (commands) => {
      const world = await AtomicWorld.start({
        names: NAMES,
        validators: 2,
        params: { atomic_lock_rent: String(RENT) },
      });
      const { chain } = world;
      const placed: Uint8Array[] = [];
      const decided = new Set<string>();

      async function step(): Promise<void> {
        // Each is proposed by one validator and checked by the other.
        const block = await chain.step(chain.height % 2);
        const events = eventsOf(block, "atomic_decided");
        const outcomes = await told(world, block);
        const bundles = events.map(({ bundle = "" }) => bundle);
        expect(new Set(outcomes.keys())).toEqual(new Set(bundles));
        for (const { bundle = "", outcome = "", height = "", rent } of events) {
          expect(decided.has(bundle), "decided once").toBe(false);
          decided.add(bundle);
          ends[outcome] = (ends[outcome] ?? 0) + 1;
          const state = world.state(fromHex(bundle));
          const locks = state?.terms.locks.reduce((sum, count) => sum + count, 0) ?? 0;
          expect(rent).toBe(String(RENT * BigInt(locks * (block.height - Number(height)))));
          const of = outcomes.get(bundle) ?? new Map<string, number>();
          expect(of.size).toBe(state?.legs.length);
          expect([...of.values()].every((one) => one === state?.outcome)).toBe(true);
        }
        ends["slashed"] = (ends["slashed"] ?? 0) + eventsOf(block, "executor_slashed").length;
        await check();
      }

      async function check(): Promise<void> {
        await expectSupply(chain);
        const supply = chain.app.read.supply();
        const reader = chain.app.read.staking();
        const open = reader.records.keys(ATOMIC_OPEN).map(bundleOfKey);
        const states = open.map((id) => world.state(fromHex(id)));
        for (const state of states) {
          const deadline = (state && deadlineOf(state)) ?? Number.POSITIVE_INFINITY;
          expect(chain.height).toBeLessThan(deadline);
        }
        const bonds = states.reduce((sum, state) => sum + (state?.bond ?? 0n), 0n);
        expect(supply.atomicBonds).toBe(bonds);
        let executors = 0n;
        for (const at of NAMES.keys()) {
          for (let n = 0; n < EXECUTORS_OF_A_ROLLUP; n++) executors += world.executor(at, n).bond;
          const id = toHex(rollupIdOfName(NAMES[at] ?? ""));
          const naming = states.filter((state) =>
            state?.legs.some(({ rollupId }) => toHex(rollupId) === id),
          );
          expect(openCount(reader, id)).toBe(naming.length);
          for (const sender of new Set(
            naming.map((state) => toHex(state?.sender ?? EMPTY_BYTES)),
          )) {
            const own = naming.filter((state) => toHex(state?.sender ?? EMPTY_BYTES) === sender);
            expect(senderCount(reader, id, sender)).toBe(own.length);
          }
        }
        expect(supply.executorBonds).toBe(executors);
      }

      for (const one of commands) {
        if (one.kind === "block") await step();
        else await run(world, placed, one);
      }
      for (let n = 0; n < 6; n++) await step();
      expect(chain.app.read.supply().atomicBonds).toBe(0n);
      // Until the last reports are due.
      for (let n = 0; n < 70; n++) await chain.step(0);
      await check();
      const jailed = NAMES.flatMap((_, at) => [0, 1, 2].map((n) => world.executor(at, n)));
      ends["jailed"] = (ends["jailed"] ?? 0) + jailed.filter((one) => one.jailedUntil > 0).length;
    }),
    { numRuns: 12 },
  );
  for (const end of ["COMMIT", "ABORT", "slashed", "jailed"]) {
    expect(ends[end] ?? 0, end).toBeGreaterThan(0);
  }
}, 120_000);

test("property: no sender has more than its part of a rollup's places; who has room left is taken while any is", async () => {
  const burst = fc.record({
    sender: fc.nat(5),
    legs: fc.uniqueArray(fc.nat(1), { minLength: 1, maxLength: 2 }),
    count: fc.integer({ min: 1, max: 24 }),
    voteBlocks: fc.integer({ min: 1, max: 6 }),
  });
  const refused = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(burst, { maxLength: 3 }), { minLength: 4, maxLength: 8 }),
      async (blocks) => {
        const names = NAMES.slice(0, 2);
        const world = await AtomicWorld.start({ names });
        const { chain } = world;
        const ids = names.map((name) => toHex(rollupIdOfName(name)));
        for (const bursts of blocks) {
          for (const { sender, legs, count, voteBlocks } of bursts) {
            const own = (at: number): number =>
              senderCount(chain.app.read.staking(), ids[at] ?? "", toHex(wallet(sender).address));
            const open = (at: number): number => openCount(chain.app.read.staking(), ids[at] ?? "");
            const isOut = legs.some((at) => own(at) >= ATOMIC_SENDER_OPEN_MAX);
            const isFull = legs.some((at) => open(at) >= ATOMIC_OPEN_MAX);
            for (let n = 0; n < count; n++) {
              const { item } = world.bundle(
                sender,
                { atomic: { voteBlocks, locks: legs.map(() => 1) } },
                legs.map((at) => ({ rollup: names[at] ?? "" })),
              );
              const code = await chain.submit(item);
              refused.set(code, (refused.get(code) ?? 0) + 1);
              const full: readonly number[] = [
                CODES.ATOMIC_FULL.number,
                CODES.ATOMIC_SENDER.number,
              ];
              expect(full.includes(code)).toBe(isOut || isFull);
            }
          }
          await chain.step(0);
          const reader = chain.app.read.staking();
          for (const id of ids) {
            let sum = 0;
            for (let sender = 0; sender < 6; sender++) {
              const count = senderCount(reader, id, toHex(wallet(sender).address));
              expect(count).toBeLessThanOrEqual(ATOMIC_SENDER_OPEN_MAX);
              sum += count;
            }
            expect(openCount(reader, id)).toBe(sum);
            expect(sum).toBeLessThanOrEqual(ATOMIC_OPEN_MAX);
          }
        }
      },
    ),
    { numRuns: 6 },
  );
  expect(refused.get(CODES.ATOMIC_SENDER.number) ?? 0).toBeGreaterThan(0);
}, 60_000);

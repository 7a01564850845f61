import { describe, expect, test } from "vitest";
import { Height } from "../../../proto/brands.ts";
import { compareBytes, EMPTY_BYTES, toHex } from "../../../proto/bytes.ts";
import { voteDigest } from "../../../mev/atomic/digest.ts";
import { createManifestBuilder } from "../../../mev/manifest.ts";
import {
  AbortReason,
  ATOMIC_DECISION_CODEC,
  type AtomicDecision,
  atomicDetailHash,
  LegVerdict,
} from "../../../proto/codec/atomic-decision.ts";
import { AtomicOutcome, NoReason } from "../../../proto/codec/atomic-tx.ts";
import { decodeItem } from "../../../proto/codec/weft-block.ts";
import { rollupIdOfName } from "../../../proto/codec/weft-tx.ts";
import { DecisionOutcome, verifyPresence } from "../../../proto/verify/manifest.ts";
import {
  AtomicWorld,
  atomicOptions,
  EXECUTOR_BOND,
  executorWallet,
  LOCK_BOND,
  rootOf,
} from "../../../test/support/atomic-world.ts";
import { bundleOf } from "../../../test/support/bundles.ts";
import { balanceOf, eventsOf, expectSupply } from "../../../test/support/sealed-app.ts";
import {
  type DecidedBlock,
  signedItem,
  START_BALANCE,
  TestChain,
  unordered,
  wallet,
} from "../../../test/support/weft-app.ts";
import { CODES } from "../codes.ts";
import { openCount, senderCount } from "./bundles.ts";
import { hiddenBlocksMax } from "./hidden.ts";
import { ATOMIC_SENDER_OPEN_MAX } from "./limits.ts";
import { ATOMIC, ATOMIC_COUNTS, ATOMIC_HEIGHTS, ATOMIC_OPEN } from "../state/tables.ts";

const codeOf = (name: keyof typeof CODES): number => CODES[name].number;
const [ALPHA, BETA] = ["alpha", "beta"].map(rollupIdOfName);
const BOND = LOCK_BOND * 4n;

/** The decision about the bundle in the slices of this block, by rollup; verified as rollups do. */
async function decisionsIn({ chain }: AtomicWorld, block: DecidedBlock, id: Uint8Array) {
  const slices = await chain.app.blockSlices(block.txs, block.response);
  return ["alpha", "beta", "plain"].map((name) => {
    const slice = slices.slice(rollupIdOfName(name));
    if (slice.kind === "absence") return "absent";
    const [manifest = EMPTY_BYTES] = block.txs;
    const item = decodeItem(manifest);
    if (item.kind !== "manifest") throw new Error("item 0 is the manifest");
    expect(verifyPresence(item.manifest, rollupIdOfName(name), slice)).toBeUndefined();
    return slice.decisions.find(({ subject }) => toHex(subject) === toHex(id))?.outcome;
  });
}

/** The block that the next proposer would make, with these items in place of its transactions; why it is refused. */
async function refusalOf({ chain }: AtomicWorld, ...items: readonly Uint8Array[]) {
  const made = await chain.prepare(0);
  const system = made.filter((tx) => decodeItem(tx).kind !== "tx");
  return chain.refusal([...system, ...items], 0);
}

/** The first block with such an event. */
async function stepUntil(chain: TestChain, type: string): Promise<DecidedBlock> {
  for (let n = 0; n < 50; n++) {
    const block = await chain.step(0);
    if (eventsOf(block, type).length > 0) return block;
  }
  throw new Error(`no ${type} within 50 blocks`);
}

describe("atomic bundles", () => {
  test("behavior: are in force in the block in which each rollup has a quorum of equal votes", async () => {
    const world = await AtomicWorld.start();
    const { chain } = world;
    const id = await world.place();
    expect(chain.app.read.supply().atomicBonds).toBe(BOND);
    expect(world.state(id)).toMatchObject({ filledHeight: chain.height, isSealed: false });
    await world.vote(0, [0, 1], world.yes(id, 0));
    await world.vote(1, [2], world.yes(id, 1));
    expect(await decisionsIn(world, await chain.step(0), id)).toEqual([
      "absent",
      "absent",
      "absent",
    ]);
    await world.vote(1, [0], world.yes(id, 1));
    const block = await chain.step(0);
    const { COMMIT } = DecisionOutcome;
    expect(await decisionsIn(world, block, id)).toEqual([COMMIT, COMMIT, "absent"]);
    expect(eventsOf(block, "atomic_decided")).toMatchObject([
      { bundle: toHex(id), outcome: "COMMIT", lost: "0" },
    ]);
    expect(chain.app.read.supply().atomicBonds).toBe(0n);
    expect(world.state(id)).toMatchObject({ outcome: 1, decidedHeight: chain.height, bond: 0n });
    await expectSupply(chain);
  });

  test("behavior: time out when not all legs have a quorum by their deadline; a rent goes to who was ready", async () => {
    const world = await AtomicWorld.start();
    const { chain } = world;
    const id = await world.place();
    const placed = chain.height;
    await world.vote(0, [0, 1, 2], world.yes(id, 0));
    for (let n = 1; n < 4; n++) {
      const block = await chain.step(0);
      expect(eventsOf(block, "atomic_decided"), `block ${n}`).toEqual([]);
    }
    const block = await chain.step(0);
    expect(block.height).toBe(placed + 4);
    expect(eventsOf(block, "atomic_decided")).toMatchObject([
      { outcome: "ABORT", reason: "TIMEOUT", lost: String(BOND / 10n) },
    ]);
    const { ABORT } = DecisionOutcome;
    expect(await decisionsIn(world, block, id)).toEqual([ABORT, ABORT, "absent"]);
    expect(eventsOf(block, "revenue").filter(({ source }) => source === "bond")).toMatchObject([
      { rollup: toHex(ALPHA ?? EMPTY_BYTES), gross: String(BOND / 10n) },
    ]);
    const late = world.by(1, 0, world.yes(id, 1));
    expect(await chain.submit(late)).toBe(codeOf("ATOMIC_STATE"));
    await expectSupply(chain);
  });

  test("behavior: a quorum that blames the sender costs its bond, which the rollups that were ready get", async () => {
    const world = await AtomicWorld.start();
    const { chain } = world;
    const before = balanceOf(chain, 0);
    const { item, id } = world.bundle(0);
    await world.submit(item);
    await chain.step(0);
    await world.vote(0, [0, 1], world.yes(id, 0));
    await world.vote(1, [0, 1], world.no(id, 1, NoReason.REVERTED));
    const block = await chain.step(0);
    expect(eventsOf(block, "atomic_decided")).toMatchObject([
      { outcome: "ABORT", reason: "REVERTED", lost: String(BOND) },
    ]);
    expect(eventsOf(block, "revenue").filter(({ source }) => source === "bond")).toMatchObject([
      { rollup: toHex(ALPHA ?? EMPTY_BYTES), gross: String(BOND) },
    ]);
    expect(balanceOf(chain, 0)).toBe(before - BOND - BigInt(item.length) * 2n);
    await expectSupply(chain);
  });

  test.each([
    ["COMMIT", [true, true], "0"],
    ["ABORT", [true, false], String(BOND / 10n)],
  ])(
    "behavior: %s costs a rent for each lock and block, which the rollup of the lock gets",
    async (outcome, ready, lost) => {
      const rent = 25n;
      const world = await AtomicWorld.start({ params: { atomic_lock_rent: String(rent) } });
      const { chain } = world;
      const before = balanceOf(chain, 0);
      const atomic = { voteBlocks: 4, locks: [1, 3] };
      const { item, id } = world.bundle(0, { atomic });
      await world.submit(item);
      await chain.step(0);
      // All of the rent that it may come to is held.
      expect(world.state(id)?.bond).toBe(BOND + 4n * 4n * rent);
      await chain.step(0);
      for (const rollup of [0, 1]) {
        if (ready[rollup] === true) await world.vote(rollup, [0, 1], world.yes(id, rollup));
      }
      const decided = await stepUntil(chain, "atomic_decided");
      const blocks = outcome === "COMMIT" ? 2n : 4n;
      const paid = 4n * blocks * rent;
      const rest = outcome === "COMMIT" ? 0n : (BOND + 4n * 4n * rent - paid) / 10n;
      expect(eventsOf(decided, "atomic_decided")).toMatchObject([
        { outcome, rent: String(paid), lost },
      ]);
      // Locks are of legs in order of their rollups' ids.
      const ids = [ALPHA, BETA].map((one) => toHex(one ?? EMPTY_BYTES));
      const ofRollup = (name: string): bigint => {
        const locks = BigInt(atomic.locks[ids.toSorted().indexOf(name)] ?? 0);
        return locks * blocks * rent + (name === ids[0] ? rest : 0n);
      };
      const revenue = eventsOf(decided, "revenue").filter(({ source }) => source === "bond");
      expect(new Map(revenue.map(({ rollup = "", gross }) => [rollup, gross]))).toEqual(
        new Map(ids.map((name) => [name, String(ofRollup(name))])),
      );
      const fee = BigInt(item.length) * 2n;
      expect(balanceOf(chain, 0)).toBe(before - fee - paid - rest);
      expect(chain.app.read.supply().atomicBonds).toBe(0n);
      await expectSupply(chain);
    },
  );

  test("behavior: mailboxes have to agree", async () => {
    const world = await AtomicWorld.start();
    const { chain } = world;
    const id = await world.place();
    const [to, from] = [
      { rollupId: BETA ?? EMPTY_BYTES, root: rootOf("sent") },
      { rollupId: ALPHA ?? EMPTY_BYTES, root: rootOf("received") },
    ];
    await world.vote(0, [0, 1], world.yes(id, 0, { outbox: [to] }));
    await world.vote(1, [0, 1], world.yes(id, 1, { inbox: [from] }));
    expect(eventsOf(await chain.step(0), "atomic_decided")).toMatchObject([
      { outcome: "ABORT", reason: "BOXES_DIFFER", lost: String(BOND) },
    ]);
  });

  test("are refused where a rollup has no quorum of executors with bonds, or too many are open", async () => {
    const chain = await TestChain.start(atomicOptions());
    const world = new AtomicWorld(chain, ["alpha", "beta"]);
    await chain.step(0);
    expect(await chain.submit(world.bundle(0).item)).toBe(codeOf("ATOMIC_ROLLUP"));
    expect(await refusalOf(world, world.bundle(0).item)).toMatch(/P8.*ATOMIC_ROLLUP/);
    await world.bondAll();
    const plain = world.bundle(0, { atomic: { voteBlocks: 4, locks: [1] } }, [{ rollup: "plain" }]);
    expect(await chain.submit(plain.item)).toBe(codeOf("ATOMIC_ROLLUP"));
    const items = Array.from(
      { length: 65 },
      (_, n) => world.bundle(n % 20, {}, [{ rollup: "alpha", entries: [`${n}`] }]).item,
    );
    expect(await refusalOf(world, ...items)).toMatch(/P8.*ATOMIC_FULL/);
    expect(await refusalOf(world, ...items.slice(0, 64))).toMatch(/P5 MANIFEST/);
  });

  test("behavior: a rollup is bundled with its partners only, where its policy names some", async () => {
    const world = await AtomicWorld.start({
      names: ["alpha", "beta", "gamma"],
      partners: { alpha: ["beta", "nobody"] },
    });
    const { chain } = world;
    const of = (...names: readonly string[]) =>
      world.bundle(
        0,
        {},
        names.map((rollup) => ({ rollup })),
      ).item;
    for (const strange of [of("alpha", "gamma"), of("alpha", "beta", "gamma")]) {
      expect(await chain.submit(strange)).toBe(codeOf("ATOMIC_PARTNER"));
      expect(await refusalOf(world, strange)).toMatch(/P8.*ATOMIC_PARTNER/);
    }
    // Of level 0 nothing is asked.
    const legs = [{ rollup: "alpha" }, { rollup: "gamma" }];
    await world.submit(signedItem(wallet(0), unordered(80), bundleOf(legs)));
    for (const known of [of("alpha"), of("alpha", "beta"), of("beta", "gamma")]) {
      await world.submit(known);
    }
    await chain.step(0);
    expect(openCount(chain.app.read.staking(), toHex(ALPHA ?? EMPTY_BYTES))).toBe(2);
  });

  test("behavior: one sender has a part of a rollup's places, others have the rest", async () => {
    const world = await AtomicWorld.start();
    const { chain } = world;
    const only = (sender: number, rollup: string) =>
      world.bundle(sender, {}, [{ rollup, entries: [rollup] }]).item;
    const part = Array.from({ length: ATOMIC_SENDER_OPEN_MAX }, () => only(0, "alpha"));
    const more = only(0, "alpha");
    expect(await refusalOf(world, ...part, more)).toMatch(/P8.*ATOMIC_SENDER/);
    for (const item of part) await world.submit(item);
    await chain.step(0);
    expect(await chain.submit(more)).toBe(codeOf("ATOMIC_SENDER"));
    expect(await refusalOf(world, more)).toMatch(/P8.*ATOMIC_SENDER/);
    await world.submit(only(1, "alpha"));
    await world.submit(only(0, "beta"));
    // At their deadline its places are free again.
    for (let n = 0; n < 4; n++) await chain.step(0);
    await world.submit(more);
    await chain.step(0);
    const alpha = toHex(ALPHA ?? EMPTY_BYTES);
    expect(senderCount(chain.app.read.staking(), alpha, toHex(wallet(0).address))).toBe(1);
  });

  test("are refused without their bond; the same content again is another bundle", async () => {
    const world = await AtomicWorld.start();
    const { chain } = world;
    const dear = { atomic: { voteBlocks: 4, locks: [1, 1] } };
    const legs = [{ rollup: "alpha", tip: START_BALANCE - LOCK_BOND }, { rollup: "beta" }];
    expect(await chain.submit(world.bundle(1, dear, legs).item)).toBe(codeOf("ATOMIC_FUNDS"));
    const id = await world.place();
    const again = await world.place(0);
    expect(toHex(again)).not.toBe(toHex(id));
    expect(world.state(again)).toMatchObject({ decidedHeight: 0 });
  });

  test("bundles of level 0 leave no trace of all this", async () => {
    const world = await AtomicWorld.start();
    const { chain } = world;
    const legs = [{ rollup: "alpha" }, { rollup: "plain" }];
    await world.submit(signedItem(wallet(0), unordered(80), bundleOf(legs)));
    await chain.step(0);
    const { records } = chain.app.read.staking();
    expect(records.keys(ATOMIC_OPEN)).toEqual([]);
    expect(records.get(ATOMIC_COUNTS, toHex(ALPHA ?? EMPTY_BYTES))).toBeUndefined();
  });
});

test("behavior: a proposer that alters, drops, adds or doubles a decision is refused", async () => {
  const world = await AtomicWorld.start({ validators: 2 });
  const { chain } = world;
  const id = await world.place();
  for (const rollup of [0, 1]) await world.vote(rollup, [0, 1], world.yes(id, rollup));
  const txs = await chain.prepare(0);
  const { COMMIT, ABORT } = DecisionOutcome;
  const rollups = [ALPHA, BETA].map((one) => one ?? EMPTY_BYTES);
  const effects = rollups.map((rollupId, at) => {
    const { effectsHash } = world.yes(id, at);
    const digest = voteDigest(world.yes(id, at));
    return { rollupId, verdict: LegVerdict.YES, digest, effectsHash };
  });
  const legs = effects.toSorted((a, b) => compareBytes(a.rollupId, b.rollupId));
  const commit = { outcome: AtomicOutcome.COMMIT, reason: 0, legs };
  const abort = { outcome: AtomicOutcome.ABORT, reason: AbortReason.TIMEOUT, legs };
  type Entry = Parameters<ReturnType<typeof createManifestBuilder>["addDecision"]>[1];
  const entryOf = (decision: AtomicDecision, subject = id): Entry => ({
    subject,
    outcome: decision.outcome === AtomicOutcome.COMMIT ? COMMIT : ABORT,
    height: Height(chain.height),
    detailHash: atomicDetailHash(ATOMIC_DECISION_CODEC.encode(decision)),
  });
  const refusedWith = (decisions: readonly (readonly [Uint8Array, Entry])[]) => {
    const builder = createManifestBuilder();
    for (const [rollupId, entry] of decisions) builder.addDecision(rollupId, entry);
    return chain.refusal([builder.build().item, ...txs.slice(1)], 1);
  };
  const [alpha = EMPTY_BYTES, beta = EMPTY_BYTES] = rollups;
  const honest = entryOf(commit);
  // What the block has to say, made here: it is the one that is accepted.
  expect(
    await refusedWith([
      [alpha, honest],
      [beta, honest],
    ]),
  ).toBeUndefined();
  const lies: readonly (readonly (readonly [Uint8Array, Entry])[])[] = [
    [],
    [[alpha, honest]],
    [
      [alpha, honest],
      [beta, entryOf(abort)],
    ],
    [
      [alpha, entryOf(abort)],
      [beta, entryOf(abort)],
    ],
    [
      [alpha, honest],
      [alpha, honest],
      [beta, honest],
    ],
    [
      [alpha, honest],
      [beta, honest],
      [rollupIdOfName("plain"), honest],
    ],
    [
      [alpha, honest],
      [beta, { ...honest, height: Height(chain.height + 1) }],
    ],
    [
      [alpha, honest],
      [beta, honest],
      [beta, entryOf(commit, rootOf("another bundle"))],
    ],
  ];
  for (const [at, lie] of lies.entries()) {
    expect(await refusedWith(lie), `lie ${at}`).toMatch(/^P5 MANIFEST: /);
  }
  expect(await chain.refusal(txs, 1)).toBeUndefined();
});

describe("votes of executors", () => {
  test("are taken once, from the committee of the bundle's block, about other rollups of the bundle", async () => {
    const world = await AtomicWorld.start();
    const { chain } = world;
    const id = await world.place();
    const stranger = { rollupId: rollupIdOfName("plain"), root: rootOf("x") };
    const own = { rollupId: ALPHA ?? EMPTY_BYTES, root: rootOf("x") };
    const cases: readonly [Uint8Array, keyof typeof CODES][] = [
      [world.by(1, 0, world.yes(id, 0)), "EXECUTOR_NOT_MEMBER"],
      [world.item(wallet(1), world.yes(id, 0)), "EXECUTOR_NOT_MEMBER"],
      [world.by(0, 0, world.yes(rootOf("no such"), 0)), "ATOMIC_UNKNOWN"],
      [
        world.by(0, 0, { ...world.yes(id, 0), rollupId: rollupIdOfName("plain") }),
        "ATOMIC_UNKNOWN",
      ],
      [world.by(0, 0, world.yes(id, 0, { outbox: [stranger] })), "EXECUTOR_BOXES"],
      [world.by(0, 0, world.yes(id, 0, { inbox: [own] })), "EXECUTOR_BOXES"],
      [world.by(0, 0, world.report(id, 0)), "ATOMIC_STATE"],
    ];
    for (const [item, code] of cases) {
      expect(await chain.submit(item), code).toBe(codeOf(code));
      expect(await refusalOf(world, item)).toMatch(new RegExp(`P8.*${code}`));
    }
    await world.vote(0, [0], world.yes(id, 0));
    await chain.step(0);
    expect(await chain.submit(world.by(0, 0, world.yes(id, 0)))).toBe(codeOf("EXECUTOR_DONE"));
  });

  test("behavior: who contradicts itself loses its bond and is out for good; neither vote counts", async () => {
    const world = await AtomicWorld.start();
    const { chain } = world;
    const id = await world.place();
    await world.vote(0, [0], world.yes(id, 0));
    await chain.step(0);
    const { burned } = chain.app.read.supply();
    await world.vote(0, [0], world.yes(id, 0, { effects: "other" }));
    const block = await chain.step(0);
    expect(eventsOf(block, "executor_slashed")).toMatchObject([
      { bundle: toHex(id), amount: String(EXECUTOR_BOND) },
    ]);
    expect(world.executor(0, 0)).toMatchObject({ bond: 0n, isTombstoned: true });
    expect(chain.app.read.supply().burned - burned).toBe(EXECUTOR_BOND);
    const again = world.by(0, 0, world.yes(id, 0));
    expect(await chain.submit(again)).toBe(codeOf("EXECUTOR_DONE"));
    // The other two are a quorum still.
    await world.vote(0, [1, 2], world.yes(id, 0));
    await world.vote(1, [0, 1], world.yes(id, 1));
    expect(eventsOf(await chain.step(0), "atomic_decided")).toMatchObject([{ outcome: "COMMIT" }]);
    const rollupId = ALPHA ?? EMPTY_BYTES;
    const bond = world.by(0, 0, { kind: "bondExecutor", rollupId, amount: 1n });
    expect(await chain.submit(bond)).toBe(codeOf("EXECUTOR_TOMBSTONED"));
    await expectSupply(chain);
  });

  test("behavior: a contradiction after the decision costs the bond, and the decision stands", async () => {
    const world = await AtomicWorld.start();
    const { chain } = world;
    const id = await world.place();
    for (const rollup of [0, 1]) await world.vote(rollup, [0, 1], world.yes(id, rollup));
    await chain.step(0);
    await world.vote(0, [1], world.no(id, 0, NoReason.OTHER));
    expect(eventsOf(await chain.step(0), "executor_slashed")).toHaveLength(1);
    expect(world.state(id)).toMatchObject({ outcome: 1 });
    await expectSupply(chain);
  });

  test("are not taken from executors that ask their bonds back", async () => {
    const world = await AtomicWorld.start();
    const { chain } = world;
    const id = await world.place();
    const rollupId = ALPHA ?? EMPTY_BYTES;
    await world.submit(world.by(0, 0, { kind: "unbondExecutor", rollupId, amount: 1n }));
    await chain.step(0);
    const vote = world.by(0, 0, world.yes(id, 0));
    expect(await chain.submit(vote)).toBe(codeOf("EXECUTOR_NOT_MEMBER"));
  });
});

describe("reports of executors", () => {
  async function committed() {
    const world = await AtomicWorld.start();
    const id = await world.place();
    await world.vote(0, [0, 1], world.yes(id, 0));
    await world.vote(0, [2], world.yes(id, 0, { effects: "other" }));
    await world.vote(1, [0, 1], world.yes(id, 1));
    await world.chain.step(0);
    expect(world.state(id)).toMatchObject({ outcome: 1 });
    return { world, id, chain: world.chain };
  }

  test("behavior: who voted and does not report is jailed until it asks to be let out", async () => {
    const { world, id, chain } = await committed();
    await world.vote(0, [0], world.report(id, 0, ""));
    for (const member of [0, 1]) await world.vote(1, [member], world.report(id, 1, ""));
    await chain.step(0);
    expect(await chain.submit(world.by(0, 0, world.report(id, 0, "")))).toBe(
      codeOf("EXECUTOR_DONE"),
    );
    expect(await chain.submit(world.by(1, 2, world.report(id, 1, "")))).toBe(
      codeOf("EXECUTOR_NO_VOTE"),
    );
    let jailed: readonly unknown[] = [];
    while (jailed.length === 0) jailed = eventsOf(await chain.step(0), "executor_jailed");
    expect(jailed).toHaveLength(1);
    expect(world.state(id)).toBeUndefined();
    expect(chain.app.read.staking().records.keys(ATOMIC_HEIGHTS)).toEqual([]);
    const { jailedUntil } = world.executor(0, 1);
    expect(jailedUntil).toBe(chain.height + 5);
    expect(world.executor(0, 0).jailedUntil).toBe(0);
    // One of three is left, another one is jailed and the third was slashed; two are needed.
    expect(await chain.submit(world.bundle(1).item)).toBe(codeOf("ATOMIC_ROLLUP"));
    const rollupId = ALPHA ?? EMPTY_BYTES;
    const unjail = () => world.by(0, 1, { kind: "unjailExecutor", rollupId });
    expect(await chain.submit(unjail())).toBe(codeOf("EXECUTOR_JAIL"));
    while (chain.height + 1 < jailedUntil) await chain.step(0);
    await world.submit(unjail());
    await chain.step(0);
    await world.place(1);
  });

  test("behavior: who has voted for other effects than those in force loses its bond, whatever it reports", async () => {
    const { world, id, chain } = await committed();
    expect(world.executor(0, 2)).toMatchObject({ bond: 0n, isTombstoned: true });
    const report = world.by(0, 2, world.report(id, 0, ""));
    expect(await chain.submit(report)).toBe(codeOf("EXECUTOR_DONE"));
    await expectSupply(chain);
  });

  test.each<[string, number, string | undefined]>([
    ["the decision", 0, undefined],
    ["the effects that were decided", 0, "other"],
  ])("behavior: one that contradicts %s costs the bond", async (_what, member, effects) => {
    const { world, id, chain } = await committed();
    await world.vote(0, [member], world.report(id, 0, effects));
    expect(eventsOf(await chain.step(0), "executor_slashed")).toHaveLength(1);
    expect(world.executor(0, member)).toMatchObject({ bond: 0n, isTombstoned: true });
    await expectSupply(chain);
  });
});

describe("bonds of executors", () => {
  test("behavior: are paid back after their delay, and can be slashed until then", async () => {
    const world = await AtomicWorld.start({ params: { executor_slash_bps: 2_500 } });
    const { chain } = world;
    const id = await world.place();
    await world.vote(0, [0], world.yes(id, 0));
    await chain.step(0);
    const rollupId = ALPHA ?? EMPTY_BYTES;
    const half = EXECUTOR_BOND / 2n;
    const unbond = (amount: bigint) => world.by(0, 0, { kind: "unbondExecutor", rollupId, amount });
    await world.submit(unbond(half));
    await chain.step(0);
    const asked = chain.height;
    expect(await chain.submit(unbond(EXECUTOR_BOND))).toBe(codeOf("EXECUTOR_FUNDS"));
    await world.vote(0, [0], world.no(id, 0, NoReason.OTHER));
    await chain.step(0);
    expect(world.executor(0, 0)).toMatchObject({
      bond: (EXECUTOR_BOND * 3n) / 4n,
      withdrawals: [{ amount: (half * 3n) / 4n }],
    });
    let paid: readonly unknown[] = [];
    while (paid.length === 0) paid = eventsOf(await chain.step(0), "executor_paid");
    // Longer than the parameter says: its vote could be contradicted until then.
    expect(chain.height).toBe(asked + 2 * hiddenBlocksMax(chain.app.read.staking()) + 32 + 10 + 1);
    expect(paid).toMatchObject([{ amount: String((half * 3n) / 4n) }]);
    expect(world.executor(0, 0)).toMatchObject({ bond: (half * 3n) / 4n, withdrawals: [] });
    await expectSupply(chain);
  });

  test("are for keys that the policy names", async () => {
    const world = await AtomicWorld.start();
    const amount = 5n;
    for (const [name, sender] of [
      ["alpha", executorWallet(1, 0)],
      ["plain", executorWallet(0, 0)],
      ["nobody", executorWallet(0, 0)],
    ] as const) {
      const rollupId = rollupIdOfName(name);
      const item = world.item(sender, { kind: "bondExecutor", rollupId, amount });
      expect(await world.chain.submit(item)).toBe(codeOf("EXECUTOR_UNKNOWN"));
    }
  });
});

test("records of bundles are forgotten with their reports", async () => {
  const world = await AtomicWorld.start();
  const id = await world.place();
  for (let n = 0; n < 75; n++) await world.chain.step(0);
  expect(world.chain.app.read.staking().records.get(ATOMIC, toHex(id))).toBeUndefined();
});

test("behavior: queries show votes, the deadline, what was decided, and bonds of executors", async () => {
  const world = await AtomicWorld.start();
  const { chain } = world;
  const id = await world.place();
  const ask = async (path: string) => {
    const request = { path, data: EMPTY_BYTES, height: Height(0), prove: true };
    const { code, info, proofOps } = await chain.app.query(request);
    expect(code).toBe(0);
    expect(proofOps).toHaveLength(1);
    const answer: unknown = JSON.parse(info);
    return answer;
  };
  await world.vote(0, [0, 2], world.yes(id, 0));
  await world.vote(1, [0], world.no(id, 1, NoReason.LOCKED));
  const placed = chain.height;
  await chain.step(0);
  const legs = [ALPHA, BETA].map((rollupId) => toHex(rollupId ?? EMPTY_BYTES));
  const open = await ask(`/mev/atomic/${toHex(id)}`);
  expect(open).toMatchObject({
    state: "PREPARED",
    deadline: placed + 4,
    bond: String(BOND),
    legs: expect.arrayContaining([
      { rollupId: legs[0], yes: 2, no: 0, quorum: 2, committee: 3, reported: 0 },
      { rollupId: legs[1], yes: 0, no: 1, quorum: 2, committee: 3, reported: 0 },
    ]),
  });
  await world.vote(1, [1], world.no(id, 1, NoReason.LOCKED));
  await chain.step(0);
  const decided = { state: "ABORTED", reason: "LOCKED", decidedHeight: chain.height, bond: "0" };
  expect(await ask(`/mev/atomic/${toHex(id)}`)).toMatchObject(decided);
  const key = toHex(executorWallet(0, 1).key.publicKey);
  expect(await ask(`/mev/executor/alpha/${key}`)).toMatchObject({
    bond: String(EXECUTOR_BOND),
    free: String(EXECUTOR_BOND),
    isTombstoned: false,
  });
  const unknown = { path: `/mev/atomic/${"00".repeat(32)}`, data: EMPTY_BYTES, height: Height(0) };
  expect((await chain.app.query({ ...unknown, prove: false })).code).toBe(
    codeOf("QUERY_NOT_FOUND"),
  );
});

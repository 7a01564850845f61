import { describe, expect, test } from "vitest";
import { isMevFault } from "../support/mev-faults.ts";
import { REGRESSION_SEEDS } from "./regressions.ts";
import { simulate } from "./simulation.ts";

/** Few, because `npm run check` waits for them; swarms run by `npm run sim`. */
const SEEDS = [1, 2, 3, 5, 13, 16, 22, 24];

/** The first about bundles and lists without sealed transactions, which take longer. */
const MEV_SEED = 27;

/** About atomic execution, with liars among the executors of both rollups. */
const ATOMIC_SEED = 62;

/** A seed takes half a second of a processor; the machine may be busy. */
describe("simulator", { timeout: 120_000 }, () => {
  test.each(SEEDS)("seed %i holds", async (seed) => {
    const { failure, height, options, txCount } = await simulate(seed);
    expect(failure, `again: npm run sim -- --seeds 1 --from ${seed} --log`).toBeUndefined();
    expect(height).toBeGreaterThanOrEqual(3);
    // Weft's blocks hold their manifest and the votes' lists; clients' transactions come on top.
    const systemItems = options.application === "weft" ? 2 * height - 1 : 0;
    expect(txCount).toBeGreaterThan(systemItems);
  });

  test("validators make keys, and what is sealed is read when its place is final, never before", async () => {
    const { failure, faults, options } = await simulate(23);
    expect(failure).toBeUndefined();
    expect(options.seals).toBeDefined();
    // A byzantine validator that reads what it can, and acts on it, is part of it.
    expect(options.byzantine.size).toBe(1);
    expect(faults.get("sealed transaction read after its order was final")).toBeGreaterThan(5);
    expect(faults.get("attempt to run in front came too late")).toBeGreaterThan(5);
  });

  test("blocks that cut bundles, swap lanes, blank lists or copy what is sealed are refused, and counted", async () => {
    const kinds = ["splitsBundles", "swapsLanes", "blanksTooMany", "dropsLegs", "copiesSealed"];
    const { failure, faults } = await simulate(
      MEV_SEED,
      {},
      { byzantine: new Map([[1, kinds.filter(isMevFault)]]) },
    );
    expect(failure).toBeUndefined();
    expect(faults.get("bundle included")).toBeGreaterThan(5);
    const refusals = [...faults].filter(([kind]) => kind.startsWith("refused: "));
    expect(refusals.length).toBeGreaterThan(1);
  });

  test("what all honest validators have is included in time, although nobody proposes it of himself", async () => {
    const { failure, faults, options } = await simulate(
      MEV_SEED,
      {},
      {
        mev: { bundlePercent: 20, isCensored: true, ordering: "priority_fee" },
        byzantine: new Map([[2, ["listsJunk", "blanksLists", "ignoresDue"].filter(isMevFault)]]),
      },
    );
    expect(failure).toBeUndefined();
    expect(options.powers).toHaveLength(4);
    expect(faults.get("unwanted transactions left out")).toBeGreaterThan(5);
    expect(faults.get("watched transaction included")).toBeGreaterThan(5);
  });

  test("bundles of level 1 are decided in time and alike for all, whatever executors and proposers do", async () => {
    const kinds = ["hidesDecisions", "forgesVotes", "hidesDecisions"].filter(isMevFault);
    const byzantine = new Map([[1, kinds]]);
    const { failure, faults } = await simulate(ATOMIC_SEED, {}, { byzantine });
    expect(failure).toBeUndefined();
    expect(faults.get("atomic decision: COMMIT")).toBeGreaterThan(3);
    const of = (start: string) => [...faults].filter(([kind]) => kind.startsWith(start)).length;
    // Aborted for several reasons; liars of more than one manner; forged votes and decisions that are hidden.
    expect(of("atomic decision: ")).toBeGreaterThan(3);
    expect(of("executor slashed: ")).toBeGreaterThan(1);
    for (const refusal of ["P8 ATOMIC_UNKNOWN", "P5 MANIFEST"]) {
      expect(faults.get(`refused: ${refusal}`), refusal).toBeGreaterThan(0);
    }
  });

  test.each(REGRESSION_SEEDS)("seed $seed holds, which failed: $fault", async (regression) => {
    const { failure } = await simulate(regression.seed, {}, regression.changes);
    expect(failure).toBeUndefined();
  });

  test("large transactions are named to who holds them, and sent to who does not", async () => {
    const { failure, faults } = await simulate(44);
    expect(failure).toBeUndefined();
    for (const outcome of ["sent", "rebuilt", "incomplete", "wanted"]) {
      expect(faults.get(`compact part ${outcome}`), outcome).toBeGreaterThan(0);
    }
  });

  test("a disk that only says that it has synced is found out", async () => {
    const { failure } = await simulate(1, {}, { doesDiskLie: true });
    expect(failure).toMatch(/^(log|signer) before send: node \d sends a vote/);
  });

  test("a network with half of its power silent is found out", async () => {
    const byzantine = new Map([
      [0, ["silent" as const]],
      [1, ["silent" as const]],
    ]);
    const { failure } = await simulate(1, {}, { byzantine, faultyMs: 3_000, livenessMs: 10_000 });
    expect(failure).toMatch(/^liveness: height 3 was not decided everywhere/);
  });

  test("nodes whose disks are emptied again and again join by snapshots", async () => {
    const { failure, faults } = await simulate(
      9,
      {},
      { fullNodes: 1, blockSync: { returnDistance: 2 }, wipeEveryMs: 2_500, snapshotInterval: 2 },
    );
    expect(failure).toBeUndefined();
    expect(faults.get("joined by a snapshot")).toBeGreaterThan(0);
  });

  test("a seed takes the same course wherever it is begun", async () => {
    const awaited = await simulate(22);
    const fromTheLoop = new Promise<string>((resolve, reject) => {
      setImmediate(() => {
        simulate(22).then(({ digest }) => resolve(digest), reject);
      });
    });
    expect(await fromTheLoop).toBe(awaited.digest);
  });

  test("the same seed takes the same course", async () => {
    const [first, second, other] = [await simulate(5), await simulate(5), await simulate(22)];
    expect(second).toEqual(first);
    expect(other?.digest).not.toBe(first?.digest);
  });
});

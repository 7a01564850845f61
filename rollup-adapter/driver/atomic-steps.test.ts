import { beforeEach, describe, expect, test } from "vitest";
import { Height, RollupId } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import { AtomicOutcome, Verdict } from "../../proto/codec/atomic-tx.ts";
import { WeftError } from "../../proto/errors.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import type { FilledBlock } from "../client/block-verifier.ts";
import type { AtomicLeg, VerifiedDecision } from "../client/executed.ts";
import type {
  ExecuteBlockResponse,
  ExecutionErrorInfo,
  Executor,
  PrepareBundleRequest,
  PrepareBundleResponse,
} from "../execution.ts";
import { createAtomicSteps } from "./atomic-steps.ts";
import { NULL_DRIVER_METRICS } from "./metrics.ts";
import type { Voter } from "./voter.ts";

const hash = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const ROLLUP = RollupId("ab".repeat(32));
const OWN = fromHex(ROLLUP);
const SIBLING = hash(0x10);
const PREPARED: PrepareBundleResponse = {
  verdict: Verdict.YES,
  reason: 0,
  preStateRoot: hash(1),
  effectsHash: hash(2),
  outbox: [],
  inbox: [],
};

function leg(id: number): AtomicLeg {
  return {
    bundleId: hash(id),
    leg: 1,
    legs: 2,
    revertMode: 0,
    rollupIds: [SIBLING, OWN],
    voteBlocks: 8,
    locksMax: 7,
    payloads: [Uint8Array.of(id)],
  };
}

function decision(id: number, outcome: AtomicOutcome, effectsHash = hash(2)): VerifiedDecision {
  const isCommit = outcome === AtomicOutcome.COMMIT;
  return {
    bundleId: hash(id),
    height: Height(4),
    decision: {
      outcome,
      reason: isCommit ? 0 : 18,
      legs: [
        { rollupId: SIBLING, verdict: Verdict.YES, digest: hash(8), effectsHash: hash(9) },
        { rollupId: OWN, verdict: Verdict.YES, digest: hash(7), effectsHash },
      ],
    },
  };
}

/** As much of a verified block as matters here. */
function block(
  height: number,
  atomicDecisions: readonly VerifiedDecision[],
  atomicLegs: readonly AtomicLeg[],
): FilledBlock {
  const header = { height: Height(height), time: { seconds: 5n, nanos: 6 } };
  const part = { header, hash: hash(height), atomicDecisions, atomicLegs };
  return part as unknown as FilledBlock;
}

let calls: string[];
let requests: PrepareBundleRequest[];
let executor: Executor;
let voter: Voter;

beforeEach(() => {
  calls = [];
  requests = [];
  executor = {
    init: () => Promise.reject(new Error("not asked for here")),
    setFinality: () => Promise.reject(new Error("not asked for here")),
    getStatus: () =>
      Promise.resolve({ nextSequencerHeight: Height(6) } as Awaited<
        ReturnType<Executor["getStatus"]>
      >),
    executeBlock: (request) => {
      calls.push(`execute ${request.sequencerHeight}`);
      return Promise.resolve({ hash: hash(0xee) } as unknown as ExecuteBlockResponse);
    },
    prepareBundle: (request) => {
      calls.push(`prepare ${request.bundleId[0]}`);
      requests.push(request);
      return Promise.resolve(PREPARED);
    },
    decideBundle: (request) => {
      const isCommit = request.outcome === AtomicOutcome.COMMIT;
      calls.push(`${isCommit ? "commit" : "abort"} ${request.bundleId[0]}`);
      return Promise.resolve({ prepared: PREPARED });
    },
  };
  voter = {
    vote: ({ bundleId, content }) => {
      calls.push(`vote ${bundleId[0]} ${content.verdict}`);
      return Promise.resolve();
    },
    decided: ({ bundleId, effectsHash }) => {
      calls.push(`due ${bundleId[0]} ${effectsHash.length}`);
      return Promise.resolve();
    },
    executed: (height, blockHash) => {
      calls.push(`report ${height} ${blockHash[0]}`);
      return Promise.resolve();
    },
    unexecuted: () => [],
    abandon: (height) => {
      calls.push(`abandon ${height}`);
      return Promise.resolve();
    },
    blockExecuted: () => {},
    pendingCount: () => 0,
    stop: () => Promise.resolve(),
  };
});

function steps(over: { readonly executor?: Executor; readonly isFollower?: boolean } = {}) {
  return createAtomicSteps(
    { rollupId: ROLLUP, startHeight: Height(3) },
    {
      executor: over.executor ?? executor,
      voter: over.isFollower === true ? undefined : voter,
      logger: NULL_LOGGER,
      metrics: NULL_DRIVER_METRICS,
    },
  );
}

describe("the atomic part of a height", () => {
  test("behavior: decisions in their order, then preparations with their votes, then reports of the block", async () => {
    const { COMMIT, ABORT } = AtomicOutcome;
    const both = block(5, [decision(1, COMMIT), decision(2, ABORT)], [leg(3), leg(4)]);
    const atomic = steps();
    await atomic.before(both, 1);
    await atomic.after(both, { hash: hash(0xaa) } as unknown as ExecuteBlockResponse);
    expect(calls).toEqual([
      "commit 1",
      "due 1 32",
      "abort 2",
      "due 2 0",
      "prepare 3",
      "vote 3 1",
      "prepare 4",
      "vote 4 1",
      "report 5 170",
    ]);
    expect(requests[0]).toMatchObject({
      siblingRollupIds: [SIBLING],
      leg: 1,
      legs: 2,
      locksMax: 7,
      timestamp: { seconds: 5n, nanos: 6 },
    });
  });

  test("behavior: nothing at a height without bundles, whatever the executor's level", async () => {
    await steps().before(block(5, [], []), 0);
    expect(calls).toEqual([]);
  });

  test("behavior: decisions about what was ordered before the rollup began are none of its own", async () => {
    const early = { ...decision(1, AtomicOutcome.ABORT), height: Height(2) };
    await steps().before(block(5, [early], []), 1);
    expect(calls).toEqual([]);
  });

  test("behavior: reports after a restart what was executed before it", async () => {
    voter.unexecuted = () => [
      { height: Height(5), sequencerBlockHash: hash(5), timestamp: { seconds: 1n, nanos: 0 } },
      { height: Height(6), sequencerBlockHash: hash(6), timestamp: { seconds: 1n, nanos: 0 } },
    ];
    await steps().resume();
    expect(calls).toEqual(["execute 5", "report 5 238"]);
  });

  test("behavior: goes on without a report whose height the executor has forgotten", async () => {
    voter.unexecuted = () => [
      { height: Height(5), sequencerBlockHash: hash(5), timestamp: { seconds: 1n, nanos: 0 } },
    ];
    executor.executeBlock = () =>
      Promise.reject(
        new WeftError<ExecutionErrorInfo>(
          { code: "EXECUTION_HEIGHT_FORGOTTEN", height: Height(5) },
          "too long ago",
        ),
      );
    await steps().resume();
    expect(calls).toEqual(["abandon 5"]);
  });

  test("behavior: one that only follows decides and prepares, and says nothing", async () => {
    await steps({ isFollower: true }).before(
      block(5, [decision(1, AtomicOutcome.COMMIT)], [leg(3)]),
      1,
    );
    expect(calls).toEqual(["commit 1", "prepare 3"]);
  });

  test("error: a leg for an executor of level 0 stops the driver", async () => {
    await expect(steps().before(block(5, [], [leg(3)]), 0)).rejects.toMatchObject({
      code: "DRIVER_ATOMIC_UNSUPPORTED",
    });
    const unused = (): Promise<never> => Promise.reject(new Error("not asked for here"));
    const level0: Executor = {
      init: unused,
      executeBlock: unused,
      setFinality: unused,
      getStatus: unused,
    };
    await expect(
      steps({ executor: level0 }).before(block(5, [], [leg(3)]), 1),
    ).rejects.toMatchObject({ code: "DRIVER_ATOMIC_UNSUPPORTED" });
    expect(calls).toEqual([]);
  });

  test("error: committed effects that this executor did not find stop the driver before the block", async () => {
    const wrong = decision(1, AtomicOutcome.COMMIT, hash(0x55));
    await expect(steps().before(block(5, [wrong], []), 1)).rejects.toMatchObject({
      code: "DRIVER_BUNDLE_DIVERGED",
    });
    expect(calls).toEqual(["commit 1"]);
    // An abort changes nothing: the quorum may well be wrong, this node goes on.
    await steps().before(block(5, [decision(2, AtomicOutcome.ABORT, hash(0x55))], []), 1);
    expect(calls).toEqual(["commit 1", "abort 2", "due 2 0"]);
  });
});

/** Rules of level 1, each broken in the way that people break it. */
import { Verdict } from "../../proto/codec/atomic-tx.ts";
import { randomBytes } from "node:crypto";
import type { Executor } from "../../rollup-adapter/execution.ts";
import type { PlainBundleRules } from "./plain-bundles.ts";
import type { PlainState } from "./plain-executor.ts";

export interface BundleMutant {
  /** The check that must find it. */
  readonly caughtBy: string;
  readonly bundles?: Partial<PlainBundleRules>;
  readonly wrap?: (executor: Executor, state: PlainState) => Executor;
  /** What a kill does to what is stored. */
  readonly kill?: (state: PlainState) => Promise<void> | void;
  /** Checks to make before that one. */
  readonly after?: readonly string[];
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** An answer YES with something else in it. */
function answering(
  changed: Partial<Awaited<ReturnType<NonNullable<Executor["prepareBundle"]>>>>,
): NonNullable<BundleMutant["wrap"]> {
  return (executor) => ({
    ...executor,
    prepareBundle: async (request) => {
      const answer = await executor.prepareBundle?.(request);
      if (answer === undefined) throw new Error("the plain executor offers level 1 here");
      return answer.verdict === Verdict.YES ? { ...answer, ...changed } : answer;
    },
  });
}

export const BUNDLE_MUTANTS: Readonly<Record<string, BundleMutant>> = {
  "refuses a leg for its payloads": {
    caughtBy: "leg-of-any-bytes",
    bundles: { isMalformedRefused: true },
  },
  "says level 1 and serves nothing of it": {
    caughtBy: "leg-of-any-bytes",
    wrap: (executor) => ({
      init: (request) => executor.init(request),
      executeBlock: (request) => executor.executeBlock(request),
      setFinality: (request) => executor.setFinality(request),
      getStatus: () => executor.getStatus(),
    }),
  },
  "runs legs on the genesis": {
    caughtBy: "prepare",
    bundles: { preStateRoot: () => new Uint8Array(32).fill(1) },
  },
  "answers YES without a hash of the effects": {
    caughtBy: "prepare",
    wrap: answering({ effectsHash: new Uint8Array(0) }),
  },
  "names a rollup in a box that has no leg": {
    caughtBy: "prepare",
    wrap: answering({ outbox: [{ rollupId: randomBytes(32), root: randomBytes(32) }] }),
  },
  "does not list open bundles": { caughtBy: "prepare", bundles: { isListed: false } },
  "executes a leg when it is prepared": {
    caughtBy: "abort",
    bundles: { isStagedBeside: false },
  },
  "keeps what an aborted leg has used up": {
    caughtBy: "abort",
    bundles: { isAbortTraceless: false },
  },
  "makes no block of a commit alone": {
    caughtBy: "commit",
    bundles: { makesBlockOfCommits: false },
  },
  "commits without effect": { caughtBy: "commit", bundles: { areCommitsApplied: false } },
  "puts committed legs last": { caughtBy: "commit-first", bundles: { areCommitsFirst: false } },
  "runs a leg beside the commits of its height": {
    caughtBy: "commits-in-order",
    bundles: { areCommitsSeenByLegs: false },
  },
  "stages a leg over another's locks": { caughtBy: "lock", bundles: { isLockSeenByLegs: false } },
  "lets payloads through locks": {
    caughtBy: "lock-in-blocks",
    bundles: { isLockSeenByPayloads: false },
  },
  "opens locks after the block": {
    caughtBy: "lock-released",
    bundles: { areLocksOpenFirst: false },
  },
  "locks whatever a leg wants": { caughtBy: "locks-max", bundles: { areLocksLimited: false } },
  "votes again when it is asked again": {
    caughtBy: "bundle-again",
    bundles: { isAnswerKept: false },
  },
  "forgets a decision with its block": {
    caughtBy: "bundle-again",
    wrap: (executor, { bundles }) => ({
      ...executor,
      executeBlock: async (request) => {
        const answer = await executor.executeBlock(request);
        bundles.settled.clear();
        return answer;
      },
    }),
  },
  "answers a bundle that is placed anew with the old vote": {
    caughtBy: "bundle-anew",
    bundles: { isPreparedAnew: false },
  },
  "does not look at the form of bundles": {
    caughtBy: "bundle-invalid",
    bundles: { isFormChecked: false },
  },
  "decides what it never prepared": {
    caughtBy: "bundle-unknown",
    bundles: { areUnknownDecided: true },
  },
  "prepares at any height": { caughtBy: "bundle-heights", bundles: { isHeightChecked: false } },
  "decides in any order": { caughtBy: "bundle-order", bundles: { isOrderChecked: false } },
  "takes another outcome": { caughtBy: "bundle-conflict", bundles: { isOutcomeChecked: false } },
  "takes bundles of a fork": { caughtBy: "bundle-conflict", bundles: { isForkChecked: false } },
  "commits what it answered NO": { caughtBy: "commit-of-no", bundles: { isNoCommitted: true } },
  "runs overlapping preparations each": {
    caughtBy: "concurrent-bundles",
    bundles: { isOneAtATime: false },
  },
  "forgets preparations when it is killed": {
    caughtBy: "bundle-restart",
    kill: ({ bundles }) => {
      bundles.open = bundles.open.filter(({ decision }) => decision !== undefined);
    },
  },
  "forgets decisions when it is killed": {
    caughtBy: "bundle-restart",
    kill: ({ bundles }) => {
      for (const bundle of bundles.decided) bundle.decision = undefined;
      bundles.decided = [];
    },
  },
  "stores a preparation and its locks one after the other": {
    caughtBy: "bundle-killed",
    wrap: (executor, { bundles }) => ({
      ...executor,
      prepareBundle: async (request) => {
        const answer = await executor.prepareBundle?.(request);
        if (answer === undefined) throw new Error("the plain executor offers level 1 here");
        bundles.underWay = request;
        await pause(5);
        bundles.underWay = undefined;
        return answer;
      },
    }),
    kill: async ({ bundles }) => {
      for (let waits = 0; bundles.underWay === undefined && waits < 50; waits++) await pause(1);
      if (bundles.underWay === undefined) return;
      // What was to be locked is changed, and nothing is prepared.
      const { payloads } = bundles.underWay;
      for (const [, key = 0, count = 0] of payloads)
        bundles.counters.set(key.toString(16).padStart(2, "0"), count);
      bundles.open.pop();
    },
  },
  "has effects of chance": {
    caughtBy: "deterministic",
    after: ["commit"],
    bundles: { effectsHash: () => randomBytes(32) },
  },
  "shows an open leg in the blocks beside it": {
    caughtBy: "deterministic",
    after: ["prepare"],
    wrap: (executor, { blocks, bundles }) => ({
      ...executor,
      executeBlock: async (request) => {
        const answer = await executor.executeBlock(request);
        const head = blocks.at(-1);
        const { length } = bundles.open;
        if (length === 0 || answer.outcome !== "block" || head === undefined) return answer;
        const stateRoot = new Uint8Array(32).fill(length);
        blocks[blocks.length - 1] = { ...head, stateRoot };
        return { ...answer, stateRoot };
      },
    }),
  },
};

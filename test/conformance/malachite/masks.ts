/**
 * Traces in which v0.38 does not do what the model does, each with the rule. The test holds that a
 * masked trace differs, and where, so that a mask cannot outlive its reason; with the rule granted,
 * the steps after the first difference are compared as well.
 */
import type { Grant } from "./runners.ts";

export interface Mask {
  /** As `traceId` names it. */
  readonly trace: string;
  readonly rule: keyof typeof RULES;
  /** First step, counted from 1, at which the two differ, and how. */
  readonly step: number;
  readonly what: string;
  /** With these the trace runs to its end; none: it cannot be followed further. */
  readonly grants: readonly Grant[];
}

/** Rules of v0.38 (spec §13.2, §13.3) that the model, which follows the paper, does not have. */
export const RULES = {
  LEAVES_BY_PRECOMMIT:
    "v0.38 passes through the precommit step before it leaves a round or decides: on +2/3 precommits, and " +
    "when the precommit timer ends, a validator that has not precommitted precommits nil first; on +2/3 for " +
    "a block it enters the commit step before it has the block. The paper has no rule for it (L47, L49, L65).",
  SKIPS_ON_TWO_THIRDS:
    "v0.38 enters a later round when +2/3 of the power has sent votes of one type for it; the paper's L55, " +
    "and the model, when more than a third has sent anything for it.",
  PREVOTES_ITS_LOCK:
    "v0.38's old unlock variant: a locked validator prevotes its locked block whatever is proposed, and unlocks " +
    "when it sees a later polka for something else. The paper prevotes nil for another value (L26) and for a " +
    "proof of lock that is older than the lock (L32).",
  PREVOTES_WITHOUT_PROOF_OF_LOCK:
    "v0.38 waits for the polka that a proposal names only until the propose timer ends; then it prevotes a valid " +
    "block without it, when it is not locked. The paper's L28 needs the polka, so the model prevotes nil (L57).",
} as const;

const NO_SKIP = "output: the model has SkipVKOutput 2, the core NoVKOutput";
const LATER_ROUND = "v4: round: the model has 1, the core 0";
const PRECOMMITS_NIL = "v4: messages: the model has none, the core Precommit 0 nil";

export const MASKS: readonly Mask[] = [
  {
    trace: "decideForPastRoundTest/decidePastTest",
    rule: "LEAVES_BY_PRECOMMIT",
    step: 30,
    what: PRECOMMITS_NIL,
    grants: ["precommits-to-leave"],
  },
  {
    trace: "heightLogicTest/fastProcessesDecidesAtHeight0SlowOneCatchesUpTest",
    rule: "LEAVES_BY_PRECOMMIT",
    step: 37,
    what: PRECOMMITS_NIL,
    grants: ["precommits-to-leave"],
  },
  {
    trace: "heightLogicTest/slowProcessAtHeight1Test",
    rule: "LEAVES_BY_PRECOMMIT",
    step: 97,
    what: PRECOMMITS_NIL,
    grants: ["precommits-to-leave"],
  },
  {
    trace: "line32Test/line32InvalidTest",
    rule: "LEAVES_BY_PRECOMMIT",
    step: 9,
    what: "v4: messages: the model has Prevote 0 nil, the core Prevote 0 nil, Precommit 0 nil",
    grants: ["precommits-to-leave"],
  },
  {
    trace: "someMultiRoundTest/DecideForFutureRoundPrecommitFirstTest",
    rule: "SKIPS_ON_TWO_THIRDS",
    step: 79,
    what: LATER_ROUND,
    grants: ["skips-on-two-thirds", "precommits-to-leave"],
  },
  {
    trace: "someMultiRoundTest/DecideFutureRoundTest",
    rule: "SKIPS_ON_TWO_THIRDS",
    step: 80,
    what: LATER_ROUND,
    grants: ["skips-on-two-thirds", "precommits-to-leave"],
  },
  {
    trace: "someMultiRoundTest/RoundswitchTest",
    rule: "SKIPS_ON_TWO_THIRDS",
    step: 79,
    what: LATER_ROUND,
    grants: ["skips-on-two-thirds"],
  },
  ...(
    [
      ["skipQuorumMixedVotesTwoValsTest", 3],
      ["skipQuorumSinglePrecommitTest", 2],
      ["skipQuorumSinglePrevoteTest", 2],
      ["skipSmallQuorumAllPrevotesTest", 3],
      ["skipSmallQuorumMixedVotesTwoValsTest", 3],
    ] as const
  ).map(
    ([name, step]): Mask => ({
      trace: `votekeeperTest/${name}`,
      rule: "SKIPS_ON_TWO_THIRDS",
      step,
      what: NO_SKIP,
      grants: ["skips-on-two-thirds"],
    }),
  ),
  {
    trace: "line26Test/line26Test",
    rule: "PREVOTES_ITS_LOCK",
    step: 46,
    what:
      "v1: messages: the model has Prevote 0 blue, Precommit 0 blue, Prevote 1 nil, " +
      "the core Prevote 0 blue, Precommit 0 blue, Prevote 1 blue",
    grants: [],
  },
  {
    trace: "line32Test/line32LockedTest",
    rule: "PREVOTES_ITS_LOCK",
    step: 45,
    what:
      "v4: messages: the model has Prevote 0 blue, Precommit 0 blue, Prevote 1 nil, " +
      "the core Prevote 0 blue, Precommit 0 blue, Prevote 1 blue",
    grants: [],
  },
  {
    trace: "hiddenLockTest/hiddenTest",
    rule: "PREVOTES_WITHOUT_PROOF_OF_LOCK",
    step: 54,
    what:
      "v1: messages: the model has Prevote 0 red, Precommit 0 nil, Prevote 1 nil, " +
      "the core Prevote 0 red, Precommit 0 nil, Prevote 1 blue",
    grants: [],
  },
];

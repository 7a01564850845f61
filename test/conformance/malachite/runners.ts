/** Steps through a trace of the model and our core side by side; the first difference is the result. */
import { Height, Round } from "../../../proto/brands.ts";
import { assert, assertNever } from "../../../proto/errors.ts";
import { SignedMsgType } from "../../../proto/types.ts";
import { blockIdsEqual } from "../../../sequencer/consensus/block-key.ts";
import { createElectorate as toElectorate } from "../../../sequencer/consensus/electorate.ts";
import { HeightVoteSet } from "../../../sequencer/consensus/height-vote-set.ts";
import { Step } from "../../../sequencer/consensus/step.ts";
import type { VoteSet } from "../../../sequencer/consensus/vote-set.ts";
import { createElectorate, type Electorate, ourHeight } from "./electorate.ts";
import { NodeUnderTest, outputSaid, outputTimer } from "./node-under-test.ts";
import type {
  KeeperTrace,
  MachineTrace,
  ModelProposal,
  ModelState,
  ModelVote,
  NetworkStep,
  NetworkTrace,
  Trace,
} from "./trace-format.ts";

/** Where the two first differ: the step, counted from 1, and what the model and the core say. */
export interface Difference {
  readonly step: number;
  readonly what: string;
}

/**
 * Rules of v0.38 that a run may grant the core (masks.ts tells why they differ), so that the steps
 * after the first difference are compared, too.
 */
export type Grant = "precommits-to-leave" | "skips-on-two-thirds";

/** Undefined when they agree at every step. */
export function runTrace(trace: Trace, grants: readonly Grant[] = []): Difference | undefined {
  switch (trace.kind) {
    case "network":
      return runNetwork(trace, grants);
    case "machine":
      return runMachine(trace);
    case "keeper":
      return runKeeper(trace, grants);
    default:
      return assertNever(trace, "trace");
  }
}

/** What the model has said and set at this height, beside the core of the same validator. */
interface Side {
  readonly node: NodeUnderTest;
  said: string[];
  timers: string[];
}

function runNetwork(trace: NetworkTrace, grants: readonly Grant[]): Difference | undefined {
  const electorate = createElectorate(trace.powers);
  const sides = new Map<string, Side>();
  for (const [index, step] of trace.steps.entries()) {
    const side = sides.get(step.validator) ?? {
      node: new NodeUnderTest(step.validator, electorate),
      said: [],
      timers: [],
    };
    sides.set(step.validator, side);
    const what = networkStep(side, step, electorate, grants);
    if (what !== undefined) return { step: index + 1, what: `${step.validator}: ${what}` };
  }
  return undefined;
}

function networkStep(
  side: Side,
  step: NetworkStep,
  electorate: Electorate,
  grants: readonly Grant[],
): string | undefined {
  const { node } = side;
  const { input, output, state } = step;
  if (input === undefined || output === undefined) {
    side.said = [];
    side.timers = [];
    return undefined;
  }
  if (step.preload !== undefined) {
    node.startHeight(state.height);
    for (const vote of step.preload.votes) node.receiveVote(vote);
    for (const votes of step.preload.certificates) node.receiveCertificate(votes);
  }
  feed(node, step);
  const said = outputSaid(output);
  if (said !== undefined) side.said.push(said);
  const timer = outputTimer(output);
  if (timer !== undefined) side.timers.push(timer);
  // Between a third and two thirds the model is in the next round already; nothing can be said then.
  const isBehind = state.round > node.core.view.round && state.step !== "CommitStep";
  if (grants.includes("skips-on-two-thirds") && isBehind) return undefined;
  return compareSaid(side, step.isQuiet, grants) ?? compareQuiet(side, step, electorate, grants);
}

function feed(node: NodeUnderTest, { input, preload, state }: NetworkStep): void {
  const [kind, value] = input ?? [""];
  switch (kind) {
    case "StartDInput":
      node.startRound();
      return;
    case "PendingDInput":
      // Only at the begin of a height is there something new in it: the votes that were waiting.
      if (preload !== undefined) node.startRound();
      return;
    case "ProposeValueDInput":
      node.proposeValue(String(value));
      return;
    case "ProposalDInput":
      node.receiveProposal(value as ModelProposal);
      return;
    case "VoteDInput":
      node.receiveVote(value as ModelVote);
      return;
    case "CertificateDInput":
      node.receiveCertificate(value as readonly ModelVote[]);
      return;
    case "TimeoutDInput":
      node.elapse(String(value), node.core.view.round);
      return;
    case "StepChangeDInput":
    case "NoDInput":
      return;
    default:
      throw new Error(`unknown input ${kind} at height ${state.height}`);
  }
}

/**
 * The model does one thing a step and keeps the rest pending; the core does all that follows from an
 * input at once. So the core may be ahead, on the same path, and must be level when the model rests.
 */
function compareSaid(
  { node, said }: Side,
  isQuiet: boolean,
  grants: readonly Grant[],
): string | undefined {
  const isGranted = (words: string): boolean =>
    grants.includes("precommits-to-leave") &&
    /^Precommit \d+ nil$/.test(words) &&
    !said.includes(words);
  const all = node.said.filter((words) => !isGranted(words));
  const ours = isQuiet ? all : all.slice(0, said.length);
  return difference("messages", said.join(", "), ours.join(", "));
}

function compareQuiet(
  side: Side,
  step: NetworkStep,
  electorate: Electorate,
  grants: readonly Grant[],
): string | undefined {
  const { node, timers } = side;
  const { state } = step;
  const decided = step.decided.length === node.decided.length;
  if (!decided && step.isQuiet)
    return difference("decisions", step.decided.length, node.decided.length);
  const equivocations = [...node.equivocations].sort().join(", ");
  // After its decision, and before a height that begins with one, the model is in no real round.
  const isOutside = state.step === "CommitStep" || state.step === "NoStep";
  if (!step.isQuiet || isOutside) return undefined;
  const { view } = node.core;
  const isAhead = view.round === state.round && view.step > (OUR_STEPS[state.step] ?? Step.COMMIT);
  if (grants.includes("precommits-to-leave") && isAhead) return undefined;
  return (
    compareState(state, node, electorate) ??
    difference("equivocations", step.equivocations.join(", "), equivocations) ??
    compareTimers(state, timers, node)
  );
}

function compareState(
  state: ModelState,
  node: NodeUnderTest,
  { blocks }: Electorate,
): string | undefined {
  const { view } = node.core;
  const valueOf = (id: typeof view.lockedBlockId) =>
    id === undefined ? "none" : blocks.nameOf(id);
  return (
    difference("round", state.round, view.round) ??
    difference("step", state.step, modelStep(view.step)) ??
    difference(
      "lock",
      `${state.lockedRound} ${state.lockedValue ?? "none"}`,
      `${view.lockedRound} ${valueOf(view.lockedBlockId)}`,
    ) ??
    difference(
      "valid value",
      `${state.validRound} ${state.validValue ?? "none"}`,
      `${view.validRound} ${valueOf(view.validBlockId)}`,
    )
  );
}

/** Timers that can still do something: of this round, and of this step or set for the whole round. */
function compareTimers(
  state: ModelState,
  timers: readonly string[],
  node: NodeUnderTest,
): string | undefined {
  const names = [
    ...(state.step === "ProposeStep" ? ["ProposeTimeout"] : []),
    ...(state.step === "PrevoteStep" ? ["PrevoteTimeout"] : []),
    "PrecommitTimeout",
  ].map((name) => `${name} ${state.round}`);
  const theirs = names.filter((name) => timers.includes(name)).join(", ");
  const ours = names.filter((name) => node.timers.has(name)).join(", ");
  return difference("timers", theirs, ours);
}

/** Our last step that is the model's. */
const OUR_STEPS: Readonly<Record<string, Step>> = {
  UnstartedStep: Step.NEW_ROUND,
  ProposeStep: Step.PROPOSE,
  PrevoteStep: Step.PREVOTE_WAIT,
  PrecommitStep: Step.PRECOMMIT_WAIT,
};

function modelStep(step: Step): string {
  switch (step) {
    case Step.NEW_HEIGHT:
      return "NoStep";
    case Step.NEW_ROUND:
    case Step.PROPOSE:
      return "ProposeStep";
    case Step.PREVOTE:
    case Step.PREVOTE_WAIT:
      return "PrevoteStep";
    case Step.PRECOMMIT:
    case Step.PRECOMMIT_WAIT:
      return "PrecommitStep";
    case Step.COMMIT:
      return "CommitStep";
    default:
      return assertNever(step, "step");
  }
}

function difference(what: string, model: unknown, core: unknown): string | undefined {
  return model === core
    ? undefined
    : `${what}: the model has ${text(model)}, the core ${text(core)}`;
}

function text(value: unknown): string {
  return value === "" ? "none" : String(value);
}

/** Inputs of the model's round machine are conditions; here are messages that bring each about. */
function runMachine(trace: MachineTrace): Difference | undefined {
  const powers = { v1: 1, v2: 1, v3: 1, v4: 1 };
  const [first] = trace.steps;
  assert(first !== undefined, "a trace has steps");
  const { height } = first.state;
  // v2 proposes round 0 of the model, v3 round 1.
  const own = first.input[0] === "NewRoundProposerCInput" ? "v2" : "v1";
  const electorate = createElectorate(powers);
  const node = new NodeUnderTest(own, electorate);
  const said: string[] = [];
  const timers: string[] = [];
  node.startHeight(height, height);
  for (const [index, { input, output, state }] of trace.steps.entries()) {
    machineStep(node, input[0], input[1] as readonly unknown[], electorate);
    const made = outputSaid(output);
    if (made !== undefined) said.push(made);
    const timer = outputTimer(output);
    if (timer !== undefined && !timers.includes(timer)) timers.push(timer);
    const isSkip = output[0] === "SkipRoundOutput";
    const what =
      compareSaid({ node, said, timers }, true, []) ??
      (isSkip
        ? difference("round", (output[1] as { readonly round: number }).round, node.core.view.round)
        : difference("timers", timers.join(", "), [...node.timers].join(", "))) ??
      (isSkip || state.step === "CommitStep" ? undefined : compareState(state, node, electorate));
    if (what !== undefined) return { step: index + 1, what };
  }
  return undefined;
}

function machineStep(
  node: NodeUnderTest,
  kind: string,
  values: readonly unknown[],
  electorate: Electorate,
): void {
  const { view } = node.core;
  const height = view.height - 1;
  const { round } = view;
  const others = ["v1", "v2", "v3", "v4"].filter((name) => name !== node.name);
  const vote = (type: ModelVote["type"], chosen: readonly (string | undefined)[]): void => {
    for (const [i, value] of chosen.entries()) {
      const from = others[i] ?? "";
      node.receiveVote({ type, from, height, round, ...(value === undefined ? {} : { value }) });
    }
  };
  const propose = (value: string): void => {
    const from = electorate.nameAt(
      electorate.set.validators.findIndex(
        ({ address }) => Buffer.compare(address, view.proposer) === 0,
      ),
    );
    node.receiveProposal({ from, height, round, value, validRound: -1 });
  };
  switch (kind) {
    case "NewRoundCInput":
    case "NewRoundProposerCInput":
      // A later round has begun with the timeout before it.
      if (round === 0) node.startRound();
      return;
    case "ProposeValueCInput":
      node.proposeValue(String(values[0]));
      return;
    case "ProposalCInput":
      propose(String(values[1]));
      return;
    case "ProposalInvalidCInput":
      propose("invalid");
      return;
    case "PolkaNilCInput":
      vote("Prevote", [undefined, undefined, undefined]);
      return;
    case "PolkaAnyCInput":
      vote("Prevote", [undefined, "one", "another"]);
      return;
    case "ProposalAndPolkaAndValidCInput": {
      const value = String(values[0]);
      vote("Prevote", [value, value, value]);
      return;
    }
    case "PrecommitAnyCInput":
      vote("Precommit", [undefined, "one", "another"]);
      return;
    case "ProposalAndCommitAndValidCInput": {
      const value = String(values[1]);
      vote("Precommit", [value, value, value]);
      return;
    }
    case "TimeoutProposeCInput":
      node.elapse("ProposeTimeout", Number(values[1]));
      return;
    case "TimeoutPrevoteCInput":
      node.elapse("PrevoteTimeout", Number(values[1]));
      return;
    case "TimeoutPrecommitCInput":
      node.elapse("PrecommitTimeout", Number(values[1]));
      return;
    default:
      throw new Error(`no messages are known for ${kind}`);
  }
}

/** The vote keeper alone: sums, voters, conflicts and the threshold that a vote reaches. */
function runKeeper(trace: KeeperTrace, grants: readonly Grant[]): Difference | undefined {
  const electorate = createElectorate(trace.powers);
  const [first] = trace.steps;
  const height = Height(ourHeight(first?.vote.height ?? 0));
  const votes = new HeightVoteSet(height, toElectorate(electorate.set), false);
  const emitted = new Set<string>();
  const equivocations = new Set<string>();
  for (const [index, step] of trace.steps.entries()) {
    const { vote } = step;
    votes.trackUpTo(step.currentRound + 1);
    const made = electorate.vote(vote);
    const outcome = votes.add(made, vote.from);
    if (outcome.first !== undefined) equivocations.add(`${vote.from}/${vote.type}/${vote.round}`);
    const set = votes.votes(vote.round, made.type);
    assert(set !== undefined, "the round of a vote is tracked");
    const threshold = thresholdOf(set, step.currentRound, vote, electorate);
    const output = emitted.has(threshold) ? "NoVKOutput" : threshold;
    emitted.add(threshold);
    const [kind, value] = step.output;
    const isGranted = grants.includes("skips-on-two-thirds") && kind === "SkipVKOutput";
    const theirs =
      kind === "NoVKOutput" || isGranted ? "NoVKOutput" : `${kind} ${[value].flat().join(" ")}`;
    const weights = Object.entries(step.weights).sort(([a], [b]) => (a < b ? -1 : 1));
    const ours = weights.map(([name]) => [name, powerFor(set, name, height, electorate)] as const);
    const voters = Array.from({ length: set.size }, (_, i) => i).filter((i) => set.voteAt(i));
    const what =
      difference("output", theirs, output) ??
      difference("power", weights.join(" "), ours.join(" ")) ??
      difference(
        "voters",
        step.voters.join(),
        voters
          .map((i) => electorate.nameAt(i))
          .sort()
          .join(),
      ) ??
      difference("equivocations", step.equivocations.join(), [...equivocations].sort().join());
    if (what !== undefined) return { step: index + 1, what };
  }
  return undefined;
}

function powerFor(set: VoteSet, name: string, height: number, electorate: Electorate): number {
  const wanted = electorate.blockId(height, name === "" ? undefined : name);
  const { validators } = electorate.set;
  return validators.reduce((sum, { votingPower }, i) => {
    const held = set.voteAt(i);
    return held !== undefined && blockIdsEqual(held.blockId, wanted)
      ? sum + Number(votingPower)
      : sum;
  }, 0);
}

/** What the rules of v0.38 see in a vote set (spec §13.3), by the model's names. */
function thresholdOf(
  set: VoteSet,
  currentRound: number,
  vote: ModelVote,
  electorate: Electorate,
): string {
  const round = Round(vote.round);
  if (round > currentRound && set.hasTwoThirdsAny()) return `SkipVKOutput ${round}`;
  const wanted = electorate.blockId(ourHeight(vote.height), vote.value);
  const majority = set.majority();
  const isPrevote = set.type === SignedMsgType.PREVOTE;
  if (majority !== undefined && blockIdsEqual(majority, wanted)) {
    if (vote.value !== undefined) {
      return `${isPrevote ? "PolkaValueVKOutput" : "PrecommitValueVKOutput"} ${round} ${vote.value}`;
    }
    return `${isPrevote ? "PolkaNilVKOutput" : "PrecommitAnyVKOutput"} ${round}`;
  }
  if (!set.hasTwoThirdsAny()) return "NoVKOutput";
  return `${isPrevote ? "PolkaAnyVKOutput" : "PrecommitAnyVKOutput"} ${round}`;
}

/** Where one height ends and the next begins, and what timers do (spec §13.4, §13.6). */
import { AssertionFailure, assert, assertNever } from "../../proto/errors.ts";
import { blockIdsEqual } from "./block-key.ts";
import type { ConsensusEffect } from "./effects.ts";
import { createElectorate } from "./electorate.ts";
import { createHeightState, type HeightState, ignore, moveTo, schedule } from "./height-state.ts";
import type { ConsensusInput, HeightContext } from "./inputs.ts";
import type { ConsensusCoreOptions } from "./options.ts";
import { enterNewRound, enterPrecommit, enterPrevote, enterPropose } from "./round-machine.ts";
import { Step } from "./step.ts";
import type { Ticker } from "./ticker.ts";
import { commitToVoteSet, type VoteSet } from "./vote-set.ts";

type Input<Kind extends ConsensusInput["kind"]> = Extract<ConsensusInput, { readonly kind: Kind }>;

/**
 * Begins a height. Its first round starts after the context's delay, or at once when there is none
 * or when all precommits of the last height are in and need not be waited for.
 */
export function startHeight(
  options: ConsensusCoreOptions,
  context: HeightContext,
  previous: HeightState | undefined,
  shared: { readonly ticker: Ticker; readonly effects: ConsensusEffect[] },
): HeightState {
  const lastCommit = lastCommitOf(context, previous);
  const state = createHeightState(options, context, lastCommit, shared);
  moveTo(state, Step.NEW_HEIGHT);
  const isSkipped = options.skipTimeoutCommit && lastCommit?.hasAll() === true;
  if (isSkipped || context.startDelayMs <= 0) enterNewRound(state, 0);
  else schedule(state, Step.NEW_HEIGHT, context.startDelayMs);
  return state;
}

/** A timer fired. One that is behind the round and step means nothing any more. */
export function handleTimeout(state: HeightState, input: Input<"timeoutElapsed">): void {
  const { height, round, step } = input;
  state.ticker.elapsed(height, round, step);
  const isBehind = round < state.round || (round === state.round && step < state.step);
  if (isBehind || round > state.round || state.step === Step.COMMIT) {
    ignore(state, "TIMEOUT_STALE", `${height}/${round}/${step}`);
    return;
  }
  switch (step) {
    case Step.NEW_HEIGHT:
      enterNewRound(state, 0);
      return;
    case Step.NEW_ROUND:
      enterPropose(state, 0);
      return;
    case Step.PROPOSE:
      enterPrevote(state, round);
      return;
    case Step.PREVOTE_WAIT:
      enterPrecommit(state, round);
      return;
    case Step.PRECOMMIT_WAIT:
      enterPrecommit(state, round);
      enterNewRound(state, round + 1);
      return;
    case Step.PREVOTE:
    case Step.PRECOMMIT:
    case Step.COMMIT:
      throw new AssertionFailure(`there is no timer for step ${step}`);
    default:
      assertNever(step, "step");
  }
}

/** There is something to order: round 0 need not wait any longer (spec §13.5). */
export function handleTxsAvailable(state: HeightState): void {
  state.areTxsAvailable = true;
  if (state.round === 0 && state.step === Step.NEW_ROUND) enterPropose(state, 0);
}

/**
 * The precommits of the last height: our own set when we decided it, because it may hold more than
 * the commit that was saved; otherwise the set that the saved commit makes.
 */
function lastCommitOf(
  context: HeightContext,
  previous: HeightState | undefined,
): VoteSet | undefined {
  const { height, initialHeight, lastCommit, lastValidators } = context;
  if (height === initialHeight) return undefined;
  assert(
    lastCommit !== undefined && lastValidators !== undefined && lastCommit.height === height - 1,
    `height ${height} needs the commit and the validators of height ${height - 1}`,
  );
  if (previous?.isCommitted === true && previous.context.height === height - 1) {
    const own = previous.votes.precommits(previous.commitRound);
    const majority = own.majority();
    assert(
      majority !== undefined && blockIdsEqual(majority, lastCommit.blockId),
      `height ${height} must follow the block that was decided`,
    );
    return own;
  }
  return commitToVoteSet(lastCommit, createElectorate(lastValidators), context.wasLastExtended);
}

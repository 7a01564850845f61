import { AssertionFailure, assert, assertNever } from "../../proto/errors.ts";
import { blockKey } from "./block-key.ts";
import type { ConsensusCore } from "./consensus-core.ts";
import { digestState } from "./digest.ts";
import type { ConsensusEffect } from "./effects.ts";
import { type HeightState, ignore } from "./height-state.ts";
import { handleTimeout, handleTxsAvailable, startHeight } from "./heights.ts";
import type { ConsensusInput } from "./inputs.ts";
import type { ConsensusCoreOptions } from "./options.ts";
import {
  handleBlockCreated,
  handlePart,
  handleProposal,
  handleProposalSigned,
} from "./proposals.ts";
import { continueValidated } from "./round-machine.ts";
import { SignedMsgType } from "../../proto/types.ts";
import { Ticker } from "./ticker.ts";
import { createView } from "./view.ts";
import { handleClaim, handleVote, handleVoteSigned } from "./votes.ts";

/**
 * The consensus of one node, before its first height. Nothing in it but `step` changes it, and what
 * `step` does follows from the options and the inputs alone.
 */
export function createConsensusCore(options: ConsensusCoreOptions): ConsensusCore {
  const ticker = new Ticker();
  const effects: ConsensusEffect[] = [];
  let state: HeightState | undefined;
  let haltReason: string | undefined;

  function start(input: Extract<ConsensusInput, { readonly kind: "heightStarted" }>): void {
    const { context } = input;
    const { height } = context;
    if (state !== undefined && height <= state.context.height) {
      ignore(state, "HEIGHT_MISMATCH", `height ${height} started already`);
      return;
    }
    state = startHeight(options, context, state, { ticker, effects });
  }

  function dispatch(current: HeightState, input: RoundInput): void {
    const { height } = current.context;
    const inputHeight = heightOf(input);
    if (inputHeight === height || isLateVote(height, input)) handle(current, input);
    else ignore(current, "HEIGHT_MISMATCH", `${input.kind} of height ${inputHeight}`);
  }

  return {
    step(input) {
      if (haltReason !== undefined) throw new AssertionFailure(haltReason);
      try {
        if (input.kind === "heightStarted") {
          start(input);
        } else {
          assert(state !== undefined, "the first input starts a height");
          dispatch(state, input);
        }
      } catch (error) {
        // Whatever went wrong, going on could mean to sign twice: this core is over (§13.7).
        haltReason = error instanceof Error ? error.message : "consensus failure";
        throw error;
      }
      return effects.splice(0);
    },
    view: createView(() => state),
    outstanding() {
      const timer = ticker.running();
      const requests = state === undefined ? [] : [...state.requests.values()];
      if (timer === undefined) return requests;
      return [...requests, { kind: "scheduleTimeout", ...timer }];
    },
    stateDigest: () => digestState(state, [ticker.describe()]),
  };
}

type RoundInput = Exclude<ConsensusInput, { readonly kind: "heightStarted" }>;

/** Handles an input of the current height, or a late precommit of the last. */
function handle(state: HeightState, input: RoundInput): void {
  switch (input.kind) {
    case "proposalReceived":
      handleProposal(state, input);
      return;
    case "partReceived":
      handlePart(state, input);
      return;
    case "voteReceived":
      handleVote(state, input.vote, input.origin);
      return;
    case "majorityClaimed":
      handleClaim(state, input);
      return;
    case "timeoutElapsed":
      handleTimeout(state, input);
      return;
    case "txsAvailable":
      handleTxsAvailable(state);
      return;
    case "blockCreated":
      handleBlockCreated(state, input);
      return;
    case "blockValidated":
      handleValidated(state, input);
      return;
    case "proposalSigned":
      handleProposalSigned(state, input);
      return;
    case "voteSigned":
      handleVoteSigned(state, input);
      return;
    default:
      assertNever(input, "consensus input");
  }
}

/** The first answer about a block holds for the height; a refusal for the round. */
function handleValidated(
  state: HeightState,
  input: Extract<ConsensusInput, { readonly kind: "blockValidated" }>,
): void {
  const key = blockKey(input.blockId);
  state.requests.delete(`validate ${key}`);
  if (state.validations.get(key) !== "pending") {
    ignore(state, "ANSWER_UNEXPECTED", `validation of ${key}`);
    return;
  }
  const { isValid, isAccepted, reason } = input;
  state.validations.set(key, { isValid, isAccepted, reason });
  continueValidated(state, key);
}

function heightOf(input: RoundInput): number {
  if (input.kind === "proposalReceived") return input.proposal.height;
  return input.kind === "voteReceived" ? input.vote.height : input.height;
}

/** A precommit of the last height, which may still join its commit. */
function isLateVote(height: number, input: RoundInput): boolean {
  if (input.kind === "voteReceived") {
    return input.vote.height + 1 === height && input.vote.type === SignedMsgType.PRECOMMIT;
  }
  return (
    input.kind === "voteSigned" &&
    input.height + 1 === height &&
    input.type === SignedMsgType.PRECOMMIT
  );
}

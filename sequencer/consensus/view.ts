import { Height, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import type { PartSet } from "../../proto/part-set.ts";
import type { ValidatorSet } from "../../proto/types.ts";
import { type HeightState, NO_ROUND } from "./height-state.ts";
import type { PartSetView, RoundStateView } from "./round-state.ts";
import { Step } from "./step.ts";

const NO_VALIDATORS: ValidatorSet = {
  validators: [],
  proposer: {
    address: EMPTY_BYTES,
    publicKey: { type: "ed25519", bytes: EMPTY_BYTES },
    votingPower: 0n,
    proposerPriority: 0n,
  },
  totalVotingPower: 0n,
};

/** A live view of whatever height the core is at. */
export function createView(current: () => HeightState | undefined): RoundStateView {
  return {
    get height() {
      return current()?.context.height ?? Height(0);
    },
    get initialHeight() {
      return current()?.context.initialHeight ?? Height(0);
    },
    get round() {
      return current()?.round ?? Round(0);
    },
    get step() {
      return current()?.step ?? Step.NEW_HEIGHT;
    },
    get validators() {
      return current()?.validators ?? NO_VALIDATORS;
    },
    get proposer() {
      return current()?.validators.proposer.address ?? EMPTY_BYTES;
    },
    get proposal() {
      return current()?.proposal;
    },
    get proposalBlock() {
      return current()?.proposalBlock?.block;
    },
    get proposalParts() {
      return viewOfParts(current()?.proposalParts);
    },
    get lockedRound() {
      return current()?.lockedRound ?? NO_ROUND;
    },
    get lockedBlockId() {
      return current()?.lockedBlock?.blockId;
    },
    get lockedBlock() {
      return current()?.lockedBlock?.block;
    },
    get lockedParts() {
      return viewOfParts(current()?.lockedBlock?.parts);
    },
    get validRound() {
      return current()?.validRound ?? NO_ROUND;
    },
    get validBlockId() {
      return current()?.validBlock?.blockId;
    },
    get validBlock() {
      return current()?.validBlock?.block;
    },
    get validParts() {
      return viewOfParts(current()?.validBlock?.parts);
    },
    get commitRound() {
      return current()?.commitRound ?? NO_ROUND;
    },
    get lastCommit() {
      return current()?.lastCommit;
    },
    get isExtended() {
      return current()?.context.isExtended ?? false;
    },
    get isPrecommitWaitTriggered() {
      return current()?.isPrecommitWaitTriggered ?? false;
    },
    votes: (round, type) => current()?.votes.votes(round, type),
  };
}

function viewOfParts(parts: PartSet | undefined): PartSetView | undefined {
  return (
    parts && {
      header: parts.header,
      count: parts.count,
      isComplete: parts.isComplete,
      bitArray: () => parts.bitArray(),
      partAt: (index) => parts.get(index),
    }
  );
}

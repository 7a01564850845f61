import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { blockKey } from "./block-key.ts";
import type { HeightState } from "./height-state.ts";

/** All state of a height that decides what later inputs do, hashed: 64 hex digits. */
export function digestState(state: HeightState | undefined, others: readonly string[]): string {
  const lines = state === undefined ? others : [...others, ...describeHeight(state)];
  return toHex(sha256(utf8ToBytes(lines.join("\n"))));
}

function describeHeight(state: HeightState): string[] {
  const { context, proposal, proposalParts } = state;
  const priorities = state.validators.validators.map((validator) => validator.proposerPriority);
  const validations = [...state.validations].map(([key, validation]) => {
    if (validation === "pending") return `${key} pending`;
    return `${key} ${validation.isValid} ${validation.isAccepted}`;
  });
  const flags = [state.isPrecommitWaitTriggered, state.areTxsAvailable, state.isCommitted];
  const rounds = [state.lockedRound, state.validRound, state.commitRound, state.announcedRound];
  const held = [
    state.proposalBlock,
    state.lockedBlock,
    state.validBlock,
    state.ownBlock,
    state.pendingPrevote,
    state.pendingPrecommit,
  ];
  return [
    `${context.height}/${state.round}/${state.step} ${state.lastVoteOrdinal}`,
    `${context.isExtended} ${toHex(state.validators.proposer.address)} ${priorities.join(" ")}`,
    proposal === undefined ? "" : `${proposal.polRound} ${blockKey(proposal.blockId)}`,
    `${proposalParts?.header.total} ${proposalParts?.bitArray().elems.join(" ")}`,
    held.map((known) => known?.key ?? "").join(" "),
    `${rounds.join(" ")} ${flags.join(" ")}`,
    ...validations,
    ...state.requests.keys(),
    state.votes.describe(),
    state.lastCommit?.describe() ?? "",
  ];
}

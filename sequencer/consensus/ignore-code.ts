/** Why an input was not used. A closed set: it labels a metric. */
export type IgnoreCode =
  /** The input belongs to a height that is over or not begun. */
  | "HEIGHT_MISMATCH"
  /** The input belongs to a round or step that is over or not begun. */
  | "ROUND_MISMATCH"
  /** A timer for a step that is over. */
  | "TIMEOUT_STALE"
  /** An answer nobody waits for, such as a second answer to one request. */
  | "ANSWER_UNEXPECTED"
  /** The signer refused to sign; it may have signed before a crash. */
  | "SIGNATURE_REFUSED"
  /** A proposal for this round is already here. */
  | "PROPOSAL_DUPLICATE"
  /** The proof-of-lock round is not below the proposal's round. */
  | "PROPOSAL_BAD_POL_ROUND"
  /** The proposal was not signed by the round's proposer. */
  | "PROPOSAL_WRONG_SIGNER"
  /** The proposal announces no part, or more parts than a block may have. */
  | "PROPOSAL_BAD_PART_COUNT"
  /** A part while no part set is expected. */
  | "PART_UNEXPECTED"
  /** A part that is already here. */
  | "PART_DUPLICATE"
  /** A part that does not prove that it belongs to the expected part set. */
  | "PART_INVALID"
  /** The parts hold more bytes than a block may have. */
  | "BLOCK_TOO_LARGE"
  /** Other bytes than the block encodes to: prevoted nil. */
  | "BLOCK_NOT_CANONICAL"
  /** The complete part set is not a block. */
  | "BLOCK_UNDECODABLE"
  /** This very vote is already here. */
  | "VOTE_DUPLICATE"
  /** No validator has the vote's index and address. */
  | "VOTE_UNKNOWN_VALIDATOR"
  /** Another signature of the same validator over the same vote. */
  | "VOTE_OTHER_SIGNATURE"
  /** An extension where none may be, or none where one must be. */
  | "VOTE_BAD_EXTENSION"
  /** A vote of a validator that voted otherwise; reported and not kept. */
  | "VOTE_CONFLICTING"
  /** Our own key signed two votes that exclude each other. */
  | "VOTE_OWN_CONFLICT"
  /** The peer has already opened its share of later rounds. */
  | "VOTE_UNWANTED_ROUND"
  /** The claim of a majority is not about a round we track, or there are too many claims. */
  | "CLAIM_NOT_TRACKED";

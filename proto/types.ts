/**
 * CometBFT's domain types, as plain read-only data (spec/cometbft-v0.38.md §3).
 * Bytes are `Uint8Array`; an absent hash is the empty array. Voting power and int64 amounts are
 * `bigint`; heights, rounds, counts and sizes are checked safe integers.
 */
import type { Height, Round } from "./brands.ts";

/** Seconds and nanoseconds since the Unix epoch, as protobuf's Timestamp. Never a JS `Date`. */
export interface Timestamp {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** Go's zero `time.Time`, 0001-01-01T00:00:00Z: what an absent signature carries (spec §2.8). */
export const ZERO_TIME: Timestamp = { seconds: -62135596800n, nanos: 0 };

export interface PartSetHeader {
  readonly total: number;
  readonly hash: Uint8Array;
}

export interface BlockId {
  readonly hash: Uint8Array;
  readonly partSetHeader: PartSetHeader;
}

/** The empty block id: what a nil vote votes for. */
export const NIL_BLOCK_ID: BlockId = {
  hash: new Uint8Array(0),
  partSetHeader: { total: 0, hash: new Uint8Array(0) },
};

export const SignedMsgType = { UNKNOWN: 0, PREVOTE: 1, PRECOMMIT: 2, PROPOSAL: 32 } as const;
export type VoteType = typeof SignedMsgType.PREVOTE | typeof SignedMsgType.PRECOMMIT;

export const BlockIdFlag = { UNKNOWN: 0, ABSENT: 1, COMMIT: 2, NIL: 3 } as const;
export type BlockIdFlag = (typeof BlockIdFlag)[keyof typeof BlockIdFlag];

export interface Vote {
  readonly type: VoteType;
  readonly height: Height;
  readonly round: Round;
  readonly blockId: BlockId;
  readonly timestamp: Timestamp;
  readonly validatorAddress: Uint8Array;
  readonly validatorIndex: number;
  readonly signature: Uint8Array;
  readonly extension: Uint8Array;
  readonly extensionSignature: Uint8Array;
}

export interface Proposal {
  readonly height: Height;
  readonly round: Round;
  /** Round of the proof of lock, -1 when there is none. */
  readonly polRound: Round;
  readonly blockId: BlockId;
  readonly timestamp: Timestamp;
  readonly signature: Uint8Array;
}

export interface CommitSig {
  readonly blockIdFlag: BlockIdFlag;
  readonly validatorAddress: Uint8Array;
  readonly timestamp: Timestamp;
  readonly signature: Uint8Array;
}

export interface Commit {
  readonly height: Height;
  readonly round: Round;
  readonly blockId: BlockId;
  readonly signatures: readonly CommitSig[];
}

export interface ExtendedCommitSig extends CommitSig {
  readonly extension: Uint8Array;
  readonly extensionSignature: Uint8Array;
}

export interface ExtendedCommit {
  readonly height: Height;
  readonly round: Round;
  readonly blockId: BlockId;
  readonly extendedSignatures: readonly ExtendedCommitSig[];
}

export interface ConsensusVersion {
  readonly block: bigint;
  readonly app: bigint;
}

export interface Header {
  readonly version: ConsensusVersion;
  readonly chainId: string;
  readonly height: Height;
  readonly time: Timestamp;
  readonly lastBlockId: BlockId;
  readonly lastCommitHash: Uint8Array;
  readonly dataHash: Uint8Array;
  readonly validatorsHash: Uint8Array;
  readonly nextValidatorsHash: Uint8Array;
  readonly consensusHash: Uint8Array;
  readonly appHash: Uint8Array;
  readonly lastResultsHash: Uint8Array;
  readonly evidenceHash: Uint8Array;
  readonly proposerAddress: Uint8Array;
}

/** A public key as CometBFT's oneof; the embedded engine accepts ed25519 validators only. */
export interface PublicKey {
  readonly type: "ed25519" | "secp256k1";
  readonly bytes: Uint8Array;
}

export interface Validator {
  /** SHA-256(public key)[0..20]. */
  readonly address: Uint8Array;
  readonly publicKey: PublicKey;
  readonly votingPower: bigint;
  readonly proposerPriority: bigint;
}

/** Validators in set order: power descending, then address ascending (spec §8.1). */
export interface ValidatorSet {
  readonly validators: readonly Validator[];
  readonly proposer: Validator;
  readonly totalVotingPower: bigint;
}

export interface DuplicateVoteEvidence {
  readonly kind: "duplicateVote";
  readonly voteA: Vote;
  readonly voteB: Vote;
  readonly totalVotingPower: bigint;
  readonly validatorPower: bigint;
  readonly timestamp: Timestamp;
}

export interface LightClientAttackEvidence {
  readonly kind: "lightClientAttack";
  readonly conflictingBlock: LightBlock;
  readonly commonHeight: Height;
  readonly byzantineValidators: readonly Validator[];
  readonly totalVotingPower: bigint;
  readonly timestamp: Timestamp;
}

export type Evidence = DuplicateVoteEvidence | LightClientAttackEvidence;

export interface Block {
  readonly header: Header;
  readonly txs: readonly Uint8Array[];
  readonly evidence: readonly Evidence[];
  readonly lastCommit: Commit;
}

export interface SignedHeader {
  readonly header: Header;
  readonly commit: Commit;
}

export interface LightBlock {
  readonly signedHeader: SignedHeader;
  readonly validatorSet: ValidatorSet;
}

/** A Merkle proof of one leaf (spec §4): aunts bottom-up, 32 bytes each. */
export interface MerkleProof {
  readonly total: number;
  readonly index: number;
  readonly leafHash: Uint8Array;
  readonly aunts: readonly Uint8Array[];
}

export interface Part {
  readonly index: number;
  readonly bytes: Uint8Array;
  readonly proof: MerkleProof;
}

export interface BlockMeta {
  readonly blockId: BlockId;
  readonly blockSizeBytes: number;
  readonly header: Header;
  readonly txCount: number;
}

export interface ConsensusParams {
  readonly block: { readonly maxBytes: bigint; readonly maxGas: bigint };
  readonly evidence: {
    readonly maxAgeBlocks: bigint;
    readonly maxAgeDurationNanos: bigint;
    readonly maxBytes: bigint;
  };
  readonly validator: { readonly publicKeyTypes: readonly string[] };
  readonly version: { readonly app: bigint };
  readonly abci: { readonly voteExtensionsEnableHeight: Height };
}

/** A bit per validator or part; bit i is `(elems[i >> 6] >> (i & 63)) & 1`. */
export interface BitArray {
  readonly bits: number;
  readonly elems: readonly bigint[];
}

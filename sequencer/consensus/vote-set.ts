import type { Height, Round } from "../../proto/brands.ts";
import { bytesEqual, EMPTY_BYTES } from "../../proto/bytes.ts";
import { assert } from "../../proto/errors.ts";
import type {
  BitArray,
  BlockId,
  ExtendedCommit,
  ExtendedCommitSig,
  Vote,
  VoteType,
} from "../../proto/types.ts";
import { BlockIdFlag, NIL_BLOCK_ID, SignedMsgType, ZERO_TIME } from "../../proto/types.ts";
import { BitSet, zeroBits } from "./bit-set.ts";
import { type BlockKey, blockIdsEqual, blockKey, isNil, NIL_KEY } from "./block-key.ts";
import type { Electorate } from "./electorate.ts";
import type { IgnoreCode } from "./ignore-code.ts";
import { MAJORITY_CLAIMS_MAX } from "./limits.ts";
import type { VoteSetView } from "./round-state.ts";

export interface VoteSetOptions {
  readonly height: Height;
  readonly round: Round;
  readonly type: VoteType;
  readonly electorate: Electorate;
  /** Precommits for a block must carry an extension signature; otherwise nothing may. */
  readonly isExtended: boolean;
}

/**
 * What became of a vote. `first` is the vote it excludes; it is given once per validator, so that
 * a flood of conflicting votes makes one report.
 */
export type VoteOutcome =
  | { readonly isAdded: true; readonly first: Vote | undefined }
  | { readonly isAdded: false; readonly first: Vote | undefined; readonly code: IgnoreCode };

/** Votes for one block id. */
interface Bucket {
  readonly blockId: BlockId;
  readonly key: BlockKey;
  readonly votes: (Vote | undefined)[];
  readonly bits: BitSet;
  sum: bigint;
  /** A peer said that this block id has a majority, so conflicting votes for it are kept. */
  isClaimed: boolean;
}

/**
 * The votes of one height, round and type (spec §9.4). One vote counts per validator; a second,
 * conflicting one is kept beside it only for a block id that a peer claims to have a majority.
 * Signatures were checked before.
 */
export class VoteSet implements VoteSetView {
  readonly height: Height;
  readonly round: Round;
  readonly type: VoteType;
  readonly #electorate: Electorate;
  readonly #isExtended: boolean;
  readonly #votes: (Vote | undefined)[];
  readonly #bits: BitSet;
  readonly #reported: BitSet;
  readonly #buckets = new Map<BlockKey, Bucket>();
  readonly #claims = new Map<string, BlockId>();
  #sum = 0n;
  #majority: Bucket | undefined;
  /** Bucket used last: most votes of a set are for one block id, whose key need not be made again. */
  #recent: Bucket | undefined;

  constructor(options: VoteSetOptions) {
    this.height = options.height;
    this.round = options.round;
    this.type = options.type;
    this.#electorate = options.electorate;
    this.#isExtended = options.isExtended;
    this.#votes = Array.from({ length: options.electorate.size });
    this.#bits = new BitSet(options.electorate.size);
    this.#reported = new BitSet(options.electorate.size);
  }

  get size(): number {
    return this.#electorate.size;
  }

  /** Power of all validators that voted. */
  get sum(): bigint {
    return this.#sum;
  }

  /** Adds a vote whose signature was checked. Height, round and type must be the set's. */
  add(vote: Vote): VoteOutcome {
    assert(
      vote.height === this.height && vote.round === this.round && vote.type === this.type,
      `a vote of ${this.height}/${this.round}/${this.type} is expected, ` +
        `got ${vote.height}/${vote.round}/${vote.type}`,
    );
    const index = vote.validatorIndex;
    const address = this.#electorate.addresses[index];
    if (address === undefined || !bytesEqual(address, vote.validatorAddress)) {
      return { isAdded: false, first: undefined, code: "VOTE_UNKNOWN_VALIDATOR" };
    }
    if (!this.#hasDueExtension(vote)) {
      return { isAdded: false, first: undefined, code: "VOTE_BAD_EXTENSION" };
    }
    const bucket = this.#findBucket(vote.blockId);
    const same = bucket?.votes[index];
    if (same !== undefined) {
      const code = bytesEqual(same.signature, vote.signature)
        ? "VOTE_DUPLICATE"
        : "VOTE_OTHER_SIGNATURE";
      return { isAdded: false, first: undefined, code };
    }
    return this.#insert(vote, bucket);
  }

  /**
   * A peer says that `blockId` has +2/3. Answers "conflict" when it said otherwise before, which an
   * honest peer does not, and "full" when no more claims are kept.
   */
  claimMajority(peer: string, blockId: BlockId): "accepted" | "conflict" | "full" {
    const earlier = this.#claims.get(peer);
    if (earlier !== undefined) return blockIdsEqual(earlier, blockId) ? "accepted" : "conflict";
    if (this.#claims.size >= MAJORITY_CLAIMS_MAX) return "full";
    this.#claims.set(peer, blockId);
    const bucket = this.#findBucket(blockId) ?? this.#openBucket(blockId);
    bucket.isClaimed = true;
    return "accepted";
  }

  majority(): BlockId | undefined {
    return this.#majority?.blockId;
  }

  /** Key of the block id with +2/3. */
  majorityKey(): BlockKey | undefined {
    return this.#majority?.key;
  }

  hasTwoThirdsAny(): boolean {
    return this.#sum >= this.#electorate.quorum;
  }

  hasAll(): boolean {
    return this.#sum === this.#electorate.total;
  }

  bitArray(): BitArray {
    return this.#bits.toBitArray();
  }

  bitArrayFor(blockId: BlockId): BitArray {
    return this.#findBucket(blockId)?.bits.toBitArray() ?? zeroBits(this.size);
  }

  voteAt(index: number): Vote | undefined {
    return this.#votes[index];
  }

  /**
   * The commit that these precommits make (spec §9.4): a vote for the majority is COMMIT, a nil vote
   * NIL, a vote for another block counts as ABSENT. There must be a majority for a block.
   */
  toExtendedCommit(): ExtendedCommit {
    const majority = this.#majority;
    assert(
      this.type === SignedMsgType.PRECOMMIT && majority !== undefined && !isNil(majority.blockId),
      "a commit is made of precommits with +2/3 for a block",
    );
    return {
      height: this.height,
      round: this.round,
      blockId: majority.blockId,
      extendedSignatures: this.#votes.map((vote) => voteToCommitSig(vote, majority.blockId)),
    };
  }

  /** All that decides what later votes do, in a fixed order. */
  describe(): string {
    const parts: string[] = [`${this.round}/${this.type}/${this.#sum}/${this.majorityKey() ?? ""}`];
    this.#votes.forEach((vote, index) => {
      if (vote !== undefined) parts.push(`${index}=${blockKey(vote.blockId)}`);
    });
    for (const bucket of this.#buckets.values()) {
      const held = bucket.votes.flatMap((vote, index) => (vote === undefined ? [] : [index]));
      parts.push(`${bucket.key}${bucket.isClaimed ? "!" : ""}${held.join(",")}`);
    }
    for (const [peer, blockId] of this.#claims) parts.push(`${peer}>${blockKey(blockId)}`);
    return parts.join(";");
  }

  #hasDueExtension(vote: Vote): boolean {
    const isDue = this.#isExtended && !isNil(vote.blockId);
    if (isDue) return vote.extensionSignature.length > 0;
    return vote.extension.length === 0 && vote.extensionSignature.length === 0;
  }

  #insert(vote: Vote, known: Bucket | undefined): VoteOutcome {
    const index = vote.validatorIndex;
    const existing = this.#votes[index];
    const power = this.#electorate.powers[index] ?? 0n;
    if (existing === undefined) {
      this.#votes[index] = vote;
      this.#bits.set(index);
      this.#sum += power;
      this.#addToBucket(known ?? this.#openBucket(vote.blockId), vote, power);
      return { isAdded: true, first: undefined };
    }
    const first = this.#reported.set(index) ? existing : undefined;
    if (known !== undefined && known === this.#majority) this.#votes[index] = vote;
    if (known === undefined || !known.isClaimed) {
      return { isAdded: false, first, code: "VOTE_CONFLICTING" };
    }
    this.#addToBucket(known, vote, power);
    return { isAdded: true, first };
  }

  #addToBucket(bucket: Bucket, vote: Vote, power: bigint): void {
    bucket.votes[vote.validatorIndex] = vote;
    bucket.bits.set(vote.validatorIndex);
    bucket.sum += power;
    // Only the first quorum counts: a second one takes more than a third of byzantine power.
    if (this.#majority !== undefined || bucket.sum < this.#electorate.quorum) return;
    this.#majority = bucket;
    bucket.votes.forEach((held, index) => {
      if (held !== undefined) this.#votes[index] = held;
    });
  }

  #findBucket(blockId: BlockId): Bucket | undefined {
    const recent = this.#recent;
    if (recent !== undefined && blockIdsEqual(recent.blockId, blockId)) return recent;
    const bucket = this.#buckets.get(isNil(blockId) ? NIL_KEY : blockKey(blockId));
    if (bucket !== undefined) this.#recent = bucket;
    return bucket;
  }

  #openBucket(blockId: BlockId): Bucket {
    const nil = isNil(blockId);
    const key = nil ? NIL_KEY : blockKey(blockId);
    const bucket: Bucket = {
      // A claim may put anything beside an empty hash; what we say of nil later must be nil.
      blockId: nil ? NIL_BLOCK_ID : blockId,
      key,
      votes: [],
      bits: new BitSet(this.size),
      sum: 0n,
      isClaimed: false,
    };
    this.#buckets.set(key, bucket);
    this.#recent = bucket;
    return bucket;
  }
}

/** The vote set that a stored commit was made from; the commit must hold +2/3 for its block. */
export function commitToVoteSet(
  commit: ExtendedCommit,
  electorate: Electorate,
  isExtended: boolean,
): VoteSet {
  const set = new VoteSet({
    height: commit.height,
    round: commit.round,
    type: SignedMsgType.PRECOMMIT,
    electorate,
    isExtended,
  });
  commit.extendedSignatures.forEach((sig, index) => {
    if (sig.blockIdFlag === BlockIdFlag.ABSENT) return;
    const outcome = set.add({
      type: SignedMsgType.PRECOMMIT,
      height: commit.height,
      round: commit.round,
      blockId: sig.blockIdFlag === BlockIdFlag.COMMIT ? commit.blockId : NIL_BLOCK_ID,
      timestamp: sig.timestamp,
      validatorAddress: sig.validatorAddress,
      validatorIndex: index,
      signature: sig.signature,
      extension: sig.extension,
      extensionSignature: sig.extensionSignature,
    });
    assert(outcome.isAdded, `signature ${index} of the last commit is not a vote of that height`);
  });
  const majority = set.majority();
  assert(
    majority !== undefined && blockIdsEqual(majority, commit.blockId),
    `the last commit of height ${commit.height} must hold +2/3 for its block`,
  );
  return set;
}

function voteToCommitSig(vote: Vote | undefined, majority: BlockId): ExtendedCommitSig {
  const flag = commitFlag(vote, majority);
  if (vote === undefined || flag === BlockIdFlag.ABSENT) return ABSENT_SIG;
  return {
    blockIdFlag: flag,
    validatorAddress: vote.validatorAddress,
    timestamp: vote.timestamp,
    signature: vote.signature,
    extension: vote.extension,
    extensionSignature: vote.extensionSignature,
  };
}

function commitFlag(vote: Vote | undefined, majority: BlockId): BlockIdFlag {
  if (vote === undefined) return BlockIdFlag.ABSENT;
  if (isNil(vote.blockId)) return BlockIdFlag.NIL;
  return blockIdsEqual(vote.blockId, majority) ? BlockIdFlag.COMMIT : BlockIdFlag.ABSENT;
}

const ABSENT_SIG: ExtendedCommitSig = {
  blockIdFlag: BlockIdFlag.ABSENT,
  validatorAddress: EMPTY_BYTES,
  timestamp: ZERO_TIME,
  signature: EMPTY_BYTES,
  extension: EMPTY_BYTES,
  extensionSignature: EMPTY_BYTES,
};

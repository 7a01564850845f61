/**
 * Misbehaviour that waits for a block, and the check of what others put into theirs
 * (spec/cometbft-v0.38.md §11). Kept on disk: a restart must not forgive.
 */
import { Height } from "../../proto/brands.ts";
import { bytesEqual, compareBytes, concatBytes, toHex } from "../../proto/bytes.ts";
import { decodeEvidence, encodeEvidence } from "../../proto/codec/block.ts";
import { evidenceId } from "../../proto/hashes.ts";
import { voteSignBytes } from "../../proto/sign-bytes.ts";
import { compareTime, timeToNanos } from "../../proto/time.ts";
import type {
  DuplicateVoteEvidence,
  Evidence,
  Timestamp,
  ValidatorSet,
  Vote,
} from "../../proto/types.ts";
import { blockIdKey } from "../../proto/validate-basic.ts";
import { validatorIndexByAddress } from "../../proto/validator-set.ts";
import type { SignatureVerifier } from "../../proto/verify/ed25519.ts";
import type { Logger } from "../ports/logger.ts";
import type { BlockStore } from "../store/block-store.ts";
import type { ChainState } from "../store/chain-state.ts";
import type { KeyValueStore, KeyValueWrite } from "../store/key-value-store.ts";
import { heightKey } from "../store/keys.ts";
import type { StateStore } from "../store/state-store.ts";
import { CONFLICTS_MAX, EVIDENCE_PRUNED_PER_BLOCK_MAX, EVIDENCE_READ_MAX } from "./limits.ts";

export interface EvidencePool {
  /** Evidence that no block holds yet, oldest first, of at most `bytesMax` bytes together. */
  pending(bytesMax: number): Promise<readonly Evidence[]>;
  /** Why a block with this evidence is invalid; undefined when all of it holds (§11.4). */
  check(state: ChainState, evidence: readonly Evidence[]): Promise<string | undefined>;
  /** After each block: marks what it held, forgets what expired, makes evidence of conflicts. */
  update(state: ChainState, committed: readonly Evidence[]): Promise<void>;
  /** Two votes that exclude each other; they become evidence with the next update (§11.5). */
  reportConflict(first: Vote, second: Vote): void;
}

export interface EvidencePoolDeps {
  readonly store: KeyValueStore;
  readonly blockStore: BlockStore;
  readonly stateStore: StateStore;
  readonly verifier: SignatureVerifier;
  readonly logger: Logger;
}

const PENDING = "p";
const COMMITTED = "c";
/** A piece inside a list takes its bytes, a tag and a length. */
const LIST_OVERHEAD_BYTES = 6;

export function createEvidencePool(deps: EvidencePoolDeps): EvidencePool {
  return new Pool(deps);
}

class Pool implements EvidencePool {
  readonly #deps: EvidencePoolDeps;
  #conflicts: { readonly first: Vote; readonly second: Vote }[] = [];
  /** Pending pieces on disk; undefined until counted. Spares a read per proposal. */
  #isEmpty: boolean | undefined;

  constructor(deps: EvidencePoolDeps) {
    this.#deps = deps;
  }

  async pending(bytesMax: number): Promise<readonly Evidence[]> {
    if (this.#isEmpty === true) return [];
    const found: Evidence[] = [];
    let bytes = 0;
    let count = 0;
    const range = { from: heightKey(PENDING, 0), to: heightKey(PENDING, Number.MAX_SAFE_INTEGER) };
    for await (const [, value] of this.#deps.store.entries({
      ...range,
      limit: EVIDENCE_READ_MAX,
    })) {
      count++;
      bytes += value.length + LIST_OVERHEAD_BYTES;
      if (bytes > bytesMax) break;
      found.push(decodeEvidence(value));
    }
    this.#isEmpty = count === 0;
    return found;
  }

  async check(state: ChainState, evidence: readonly Evidence[]): Promise<string | undefined> {
    const seen = new Set<string>();
    for (const piece of evidence) {
      const id = toHex(evidenceId(piece));
      if (seen.has(id)) return `evidence ${id} stands twice in the block`;
      seen.add(id);
      if ((await this.#deps.store.get(keyOf(COMMITTED, piece))) !== undefined) {
        return `evidence ${id} is in an earlier block`;
      }
      // Its age counts in any case: who has not deleted it yet must not judge otherwise than others.
      const isVerified = (await this.#deps.store.get(keyOf(PENDING, piece))) !== undefined;
      if (isVerified && !isExpired(state, heightOf(piece), piece.timestamp)) continue;
      const problem = await this.#problem(state, piece);
      if (problem !== undefined) return `evidence ${id}: ${problem}`;
    }
    return undefined;
  }

  async update(state: ChainState, committed: readonly Evidence[]): Promise<void> {
    const writes: KeyValueWrite[] = [];
    for (const piece of committed) {
      writes.push({ type: "put", key: keyOf(COMMITTED, piece), value: new Uint8Array(0) });
      writes.push({ type: "del", key: keyOf(PENDING, piece) });
    }
    for (const piece of await this.#evidenceOfConflicts(state)) {
      writes.push({ type: "put", key: keyOf(PENDING, piece), value: encodeEvidence(piece) });
    }
    writes.push(...(await this.#expired(state)));
    if (writes.length === 0) return;
    this.#isEmpty = undefined;
    await this.#deps.store.write(writes);
  }

  reportConflict(first: Vote, second: Vote): void {
    if (this.#conflicts.length < CONFLICTS_MAX) this.#conflicts.push({ first, second });
  }

  async #evidenceOfConflicts(state: ChainState): Promise<readonly Evidence[]> {
    const conflicts = this.#conflicts;
    this.#conflicts = [];
    const found: Evidence[] = [];
    for (const conflict of conflicts) {
      const { height } = conflict.first;
      if (height > state.lastBlockHeight) {
        // Its block's time is not known before it is committed.
        this.#conflicts.push(conflict);
        continue;
      }
      const context = await this.#contextOf(state, height);
      const piece = context && duplicateVotes(conflict.first, conflict.second, context);
      if (piece === undefined) continue;
      const isKnown =
        (await this.#deps.store.get(keyOf(COMMITTED, piece))) !== undefined ||
        (await this.#deps.store.get(keyOf(PENDING, piece))) !== undefined;
      if (isKnown) continue;
      this.#deps.logger.warn("evidence of a double vote", {
        height,
        validator: toHex(piece.voteA.validatorAddress),
      });
      found.push(piece);
    }
    return found;
  }

  /** Why a piece does not hold (§11.4). */
  async #problem(state: ChainState, piece: Evidence): Promise<string | undefined> {
    const height = heightOf(piece);
    const context = await this.#contextOf(state, height);
    if (context === undefined) return `block ${height} is not in our store`;
    if (compareTime(piece.timestamp, context.time) !== 0) {
      return `its time is not that of block ${height}`;
    }
    if (isExpired(state, height, piece.timestamp)) return "it is too old";
    if (piece.kind === "lightClientAttack") {
      return "evidence of attacks on light clients is not supported";
    }
    return this.#duplicateVoteProblem(state.chainId, piece, context);
  }

  async #duplicateVoteProblem(
    chainId: string,
    piece: DuplicateVoteEvidence,
    { validators }: HeightFacts,
  ): Promise<string | undefined> {
    const { voteA, voteB } = piece;
    const index = validatorIndexByAddress(validators, voteA.validatorAddress);
    const validator = validators.validators[index];
    if (validator === undefined) return "its signer was not a validator";
    if (
      voteA.height !== voteB.height ||
      voteA.round !== voteB.round ||
      voteA.type !== voteB.type ||
      !bytesEqual(voteA.validatorAddress, voteB.validatorAddress)
    ) {
      return "its votes are not of one height, round, type and validator";
    }
    if (bytesEqual(blockIdKey(voteA.blockId), blockIdKey(voteB.blockId))) {
      return "its votes are for the same block";
    }
    if (
      piece.validatorPower !== validator.votingPower ||
      piece.totalVotingPower !== validators.totalVotingPower
    ) {
      return "its powers are not those of the validator set";
    }
    const verdicts = await this.#deps.verifier.verifyBatch(
      [voteA, voteB].map((vote) => ({
        publicKey: validator.publicKey.bytes,
        message: voteSignBytes(chainId, vote),
        signature: vote.signature,
      })),
    );
    return verdicts.includes(false) ? "a signature does not verify" : undefined;
  }

  async #contextOf(state: ChainState, height: Height): Promise<HeightFacts | undefined> {
    if (height === state.lastBlockHeight && state.lastValidators !== undefined) {
      return { time: state.lastBlockTime, validators: state.lastValidators };
    }
    const meta = await this.#deps.blockStore.meta(height);
    const validators = await this.#deps.stateStore.validators(height);
    return meta && validators && { time: meta.header.time, validators };
  }

  /** Deletes what is too old, a bounded number at a time. */
  async #expired(state: ChainState): Promise<readonly KeyValueWrite[]> {
    const { maxAgeBlocks } = state.consensusParams.evidence;
    const oldest = state.lastBlockHeight - Number(maxAgeBlocks);
    if (oldest <= 0) return [];
    const writes: KeyValueWrite[] = [];
    for (const prefix of [PENDING, COMMITTED]) {
      const range = { from: heightKey(prefix, 0), to: heightKey(prefix, oldest) };
      const limit = EVIDENCE_PRUNED_PER_BLOCK_MAX;
      for await (const [key] of this.#deps.store.entries({ ...range, limit })) {
        const height = Height(Number(new DataView(key.buffer, key.byteOffset).getBigUint64(1)));
        const meta = await this.#deps.blockStore.meta(height);
        const isOld = meta === undefined || isExpired(state, height, meta.header.time);
        if (isOld) writes.push({ type: "del", key });
      }
    }
    return writes;
  }
}

/** What the evidence of a height is measured with. */
interface HeightFacts {
  readonly time: Timestamp;
  readonly validators: ValidatorSet;
}

/** Votes ordered by block key, as the hash of evidence wants them (§11.1). */
function duplicateVotes(
  first: Vote,
  second: Vote,
  { time, validators }: HeightFacts,
): DuplicateVoteEvidence | undefined {
  const index = validatorIndexByAddress(validators, first.validatorAddress);
  const validator = validators.validators[index];
  if (validator === undefined) return undefined;
  const isInOrder = compareBytes(blockIdKey(first.blockId), blockIdKey(second.blockId)) < 0;
  const [voteA, voteB] = isInOrder ? [first, second] : [second, first];
  return {
    kind: "duplicateVote",
    voteA,
    voteB,
    totalVotingPower: validators.totalVotingPower,
    validatorPower: validator.votingPower,
    timestamp: time,
  };
}

/** Both in blocks and in time (§11.3). */
function isExpired(state: ChainState, height: Height, time: Timestamp): boolean {
  const { maxAgeBlocks, maxAgeDurationNanos } = state.consensusParams.evidence;
  const ageBlocks = BigInt(state.lastBlockHeight - height);
  const ageNanos = timeToNanos(state.lastBlockTime) - timeToNanos(time);
  return ageBlocks > maxAgeBlocks && ageNanos > maxAgeDurationNanos;
}

function heightOf(piece: Evidence): Height {
  return piece.kind === "duplicateVote" ? piece.voteA.height : piece.commonHeight;
}

function keyOf(prefix: string, piece: Evidence): Uint8Array {
  return concatBytes(heightKey(prefix, heightOf(piece)), evidenceId(piece));
}

/**
 * Misbehaviour that waits for a block, and the check of what others put into theirs
 * (spec/cometbft-v0.38.md §11). Kept on disk: a restart must not forgive.
 *
 * Two rules live side by side. A block is judged exactly as CometBFT does, by its ids. What we keep,
 * send and propose ourselves is one piece for each offence (`offence.ts`).
 */
import { Height } from "../../../proto/brands.ts";
import { compareBytes, toHex } from "../../../proto/bytes.ts";
import { decodeEvidence, encodeEvidence } from "../../../proto/codec/block.ts";
import { faultOf } from "../../../proto/errors.ts";
import { evidenceId } from "../../../proto/hashes.ts";
import { voteExtensionSignBytes } from "../../../proto/sign-bytes.ts";
import type { DuplicateVoteEvidence, Evidence, ValidatorSet, Vote } from "../../../proto/types.ts";
import { blockIdKey, validateEvidence } from "../../../proto/validate-basic.ts";
import { validatorIndexByAddress } from "../../../proto/validator-set.ts";
import type { SignatureVerifier } from "../../../proto/verify/ed25519.ts";
import type { Logger } from "../../ports/logger.ts";
import type { BlockStore } from "../../store/block-store.ts";
import type { ChainState } from "../../store/chain-state.ts";
import type { KeyValueStore, KeyValueWrite } from "../../store/key-value-store.ts";
import { heightKey } from "../../store/keys.ts";
import type { StateStore } from "../../store/state-store.ts";
import type { EngineMetrics } from "../metrics.ts";
import { marksOf } from "./block-marks.ts";
import { CONFLICTS_MAX, EVIDENCE_PRUNED_PER_BLOCK_MAX } from "./limits.ts";
import { COMMITTED, committedKey, PENDING, pendingKey, PUNISHED } from "./evidence-keys.ts";
import {
  evidenceHeight,
  normalised,
  offenceKey,
  withKeptExtension,
  withoutExtension,
} from "./offence.ts";
import { PendingList, pendingPiece, type PendingEvidence } from "./pending-list.ts";
import {
  heightFacts,
  isExpired,
  judgeEvidence,
  judgeStrangers,
  type EvidenceVerdict,
  type HeightFacts,
} from "./verify-evidence.ts";

/** What became of a piece that was offered. */
export type EvidenceAnswer =
  /** Verified and kept: it goes to peers and into a block. */
  | { readonly kind: "added" }
  /** It, or another piece about the same offence, waits already or is in a block. */
  | { readonly kind: "known" }
  /** It breaks a rule that needs no chain. */
  | { readonly kind: "malformed"; readonly message: string }
  | Exclude<EvidenceVerdict, { readonly kind: "valid" }>
  /** The pool is full of others like it. */
  | { readonly kind: "full"; readonly message: string };

/** What is wrong with the evidence of a block. */
export interface EvidenceFault {
  readonly message: string;
  /** Only we may see it so: the block is not prevoted, but applied once +2/3 decided it. */
  readonly isTolerable: boolean;
}

export interface EvidencePool {
  /** Reads what waits from disk; before anything else is called. */
  open(): Promise<void>;
  /** Evidence that no block holds yet, oldest first, of at most `bytesMax` bytes together. */
  pending(bytesMax: number): readonly Evidence[];
  /** All that waits, oldest first: a live list. */
  waiting(): readonly PendingEvidence[];
  /** Why a block with this evidence is invalid; undefined when all of it holds (§11.4). */
  check(state: ChainState, evidence: readonly Evidence[]): Promise<EvidenceFault | undefined>;
  /** A piece of a peer or a client: verified against the chain, then kept. */
  add(state: ChainState, piece: Evidence): Promise<EvidenceAnswer>;
  /**
   * After each block, and of the last one at each start: marks what it held, forgets what expired, makes
   * evidence of conflicts.
   */
  update(state: ChainState, committed: readonly Evidence[]): Promise<void>;
  /** Two votes that exclude each other; they become evidence with the next update (§11.5). */
  reportConflict(first: Vote, second: Vote): void;
  /** Tells when something new waits; returns how to stop. */
  onAdded(listener: () => void): () => void;
}

export interface EvidencePoolDeps {
  readonly store: KeyValueStore;
  readonly blockStore: BlockStore;
  readonly stateStore: StateStore;
  /** For what stands in blocks. */
  readonly verifier: SignatureVerifier;
  /** For what strangers send, so that votes do not wait behind it. */
  readonly incomingVerifier: SignatureVerifier;
  readonly logger: Logger;
  readonly metrics: Pick<EngineMetrics, "evidencePending" | "evidencePendingBytes" | "evidence">;
}

export function createEvidencePool(deps: EvidencePoolDeps): EvidencePool {
  return new Pool(deps);
}

class Pool implements EvidencePool {
  readonly #deps: EvidencePoolDeps;
  readonly #list = new PendingList();
  readonly #listeners = new Set<() => void>();
  /** Pairs of votes by offence: one pair is enough. */
  #conflicts = new Map<string, readonly [Vote, Vote]>();
  /** Changes of list and disk, one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(deps: EvidencePoolDeps) {
    this.#deps = deps;
  }

  async open(): Promise<void> {
    const range = { from: heightKey(PENDING, 0), to: heightKey(PENDING, Number.MAX_SAFE_INTEGER) };
    for await (const [, value] of this.#deps.store.entries(range)) {
      const piece = pendingPiece(decodeEvidence(value));
      if (this.#list.noRoomFor(piece) !== undefined) continue;
      if (this.#list.sameOffence(piece.evidence) === undefined) this.#list.add(piece);
    }
    this.#measure();
  }

  pending(bytesMax: number): readonly Evidence[] {
    const found: Evidence[] = [];
    let bytes = 0;
    for (const { evidence, message } of this.#list.all()) {
      // A large piece does not keep smaller ones out, as it would in CometBFT.
      if (bytes + message.length > bytesMax) continue;
      bytes += message.length;
      found.push(evidence);
    }
    return found;
  }

  waiting(): readonly PendingEvidence[] {
    return this.#list.all();
  }

  onAdded(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async check(
    state: ChainState,
    evidence: readonly Evidence[],
  ): Promise<EvidenceFault | undefined> {
    const fault = (message: string, isTolerable = false) => ({ message, isTolerable });
    let tolerable: EvidenceFault | undefined;
    const seen = new Set<string>();
    for (const piece of evidence) {
      const id = toHex(evidenceId(piece));
      if (seen.has(id)) return fault(`evidence ${id} stands twice in the block`);
      seen.add(id);
      if (await this.#isMarked(committedKey(piece))) {
        return fault(`evidence ${id} is in an earlier block`);
      }
      if (this.#isVerified(state, piece, id)) continue;
      const verdict = await judgeEvidence(state, piece, this.#deps, this.#deps.verifier);
      if (verdict.kind === "invalid" || (verdict.kind === "unjudgeable" && !verdict.isTolerable)) {
        return fault(`evidence ${id}: ${verdict.message}`);
      }
      if (verdict.kind === "unjudgeable") {
        tolerable ??= fault(`evidence ${id}: ${verdict.message}`, true);
        continue;
      }
      // Whatever becomes of this block, the offence is known now.
      await this.#keep(state, piece, "in a proposed block", this.#deps.verifier);
    }
    return tolerable;
  }

  async add(state: ChainState, piece: Evidence): Promise<EvidenceAnswer> {
    const answer = await this.#add(state, piece);
    this.#deps.metrics.evidence.inc({ outcome: answer.kind });
    return answer;
  }

  update(state: ChainState, committed: readonly Evidence[]): Promise<void> {
    return this.#exclusive(async () => {
      const removed = new Set<PendingEvidence>();
      const writes: KeyValueWrite[] = [];
      let fresh = 0;
      for (const piece of committed) {
        // Told again at a start.
        if (!(await this.#isMarked(committedKey(piece)))) fresh += 1;
        const same = this.#list.sameOffence(piece);
        if (same !== undefined) removed.add(same);
      }
      writes.push(...marksOf(committed));
      for (const piece of this.#list.all()) {
        if (!isExpired(state, piece.height, piece.evidence.timestamp)) continue;
        removed.add(piece);
        this.#deps.metrics.evidence.inc({ outcome: "expired" });
        this.#deps.logger.warn("evidence expired before a block held it", { evidence: piece.id });
      }
      for (const { evidence } of removed) writes.push({ type: "del", key: pendingKey(evidence) });
      writes.push(...(await this.#expiredMarks(state)));
      if (writes.length > 0) await this.#deps.store.write(writes);
      for (const piece of removed) this.#list.remove(piece);
      if (fresh > 0) this.#deps.metrics.evidence.inc({ outcome: "committed" }, fresh);
      this.#measure();
      await this.#keepConflicts(state);
    });
  }

  reportConflict(first: Vote, second: Vote): void {
    const { height, round, type, validatorIndex } = first;
    const offence = `${height}/${round}/${type}/${validatorIndex}`;
    if (this.#conflicts.has(offence) || this.#conflicts.size >= CONFLICTS_MAX) return;
    this.#conflicts.set(offence, [withKeptExtension(first), withKeptExtension(second)]);
  }

  async #add(state: ChainState, piece: Evidence): Promise<EvidenceAnswer> {
    if (await this.#isKnown(piece)) return { kind: "known" };
    const { incomingVerifier } = this.#deps;
    const early = await judgeStrangers(state, piece, this.#deps, incomingVerifier);
    if (early.kind !== "valid") return early;
    const malformed = faultOf(() => validateEvidence(piece));
    if (malformed !== undefined) return { kind: "malformed", message: malformed };
    const verdict = await judgeEvidence(state, piece, this.#deps, incomingVerifier);
    return verdict.kind === "valid"
      ? this.#keep(state, piece, "offered", incomingVerifier)
      : verdict;
  }

  /**
   * Verified before, in every byte. An attack never is: two blocks may have one id. Age counts in any
   * case: who has not deleted a piece yet must not judge otherwise than others.
   */
  #isVerified(state: ChainState, piece: Evidence, id: string): boolean {
    if (piece.kind !== "duplicateVote" || !this.#list.has(id)) return false;
    return !isExpired(state, evidenceHeight(piece), piece.timestamp);
  }

  /** Takes a verified piece, in its one form. */
  async #keep(
    state: ChainState,
    piece: Evidence,
    source: string,
    verifier: SignatureVerifier,
  ): Promise<EvidenceAnswer> {
    const facts = await heightFacts(state, evidenceHeight(piece), this.#deps);
    const form =
      facts === undefined
        ? piece
        : await withSignedExtensions(
            state.chainId,
            normalised(piece, facts.validators),
            facts.validators,
            verifier,
          );
    return this.#exclusive(() => this.#insert(form, source));
  }

  async #insert(form: Evidence, source: string): Promise<EvidenceAnswer> {
    if (await this.#isKnown(form)) return { kind: "known" };
    const { logger, store } = this.#deps;
    const bytes = encodeEvidence(form);
    // Decoded from bytes of our own: what came in a message would keep the whole message alive.
    const piece = pendingPiece(decodeEvidence(bytes));
    const noRoom = this.#list.noRoomFor(piece);
    if (noRoom !== undefined) {
      logger.warn("evidence not kept, the pool is full", { evidence: piece.id, limit: noRoom });
      return { kind: "full", message: `the evidence pool is full (${noRoom})` };
    }
    await store.write([{ type: "put", key: pendingKey(form), value: bytes }]);
    this.#list.add(piece);
    this.#measure();
    logger.warn("evidence of misbehaviour", {
      evidence: piece.id,
      kind: form.kind,
      height: piece.height,
      validators: offenders(form),
      source,
    });
    for (const listener of this.#listeners) listener();
    return { kind: "added" };
  }

  async #keepConflicts(state: ChainState): Promise<void> {
    const conflicts = this.#conflicts;
    this.#conflicts = new Map();
    for (const [offence, votes] of conflicts) {
      const [first, second] = votes;
      if (first.height > state.lastBlockHeight) {
        // Its block's time is not known before it is committed.
        this.#conflicts.set(offence, votes);
        continue;
      }
      const facts = await heightFacts(state, first.height, this.#deps);
      const piece = facts && duplicateVotes(first, second, facts);
      if (piece === undefined) continue;
      const { kind } = await this.#insert(piece, "own observation");
      this.#deps.metrics.evidence.inc({ outcome: kind });
    }
  }

  async #isKnown(piece: Evidence): Promise<boolean> {
    return (
      this.#list.sameOffence(piece) !== undefined ||
      (await this.#isMarked(offenceKey(PUNISHED, piece))) ||
      (await this.#isMarked(committedKey(piece)))
    );
  }

  async #isMarked(key: Uint8Array): Promise<boolean> {
    return (await this.#deps.store.get(key)) !== undefined;
  }

  /** Marks of blocks that are too old to matter: a bounded number at a time, oldest first. */
  async #expiredMarks(state: ChainState): Promise<readonly KeyValueWrite[]> {
    const { maxAgeBlocks } = state.consensusParams.evidence;
    const oldest = state.lastBlockHeight - Number(maxAgeBlocks);
    if (oldest <= 0) return [];
    const writes: KeyValueWrite[] = [];
    for (const prefix of [COMMITTED, PUNISHED]) {
      const range = { from: heightKey(prefix, 0), to: heightKey(prefix, oldest) };
      const limit = EVIDENCE_PRUNED_PER_BLOCK_MAX;
      for await (const [key] of this.#deps.store.entries({ ...range, limit })) {
        const height = Height(Number(new DataView(key.buffer, key.byteOffset).getBigUint64(1)));
        const meta = await this.#deps.blockStore.meta(height);
        if (meta !== undefined && !isExpired(state, height, meta.header.time)) break;
        writes.push({ type: "del", key });
      }
    }
    return writes;
  }

  #measure(): void {
    const { evidencePending, evidencePendingBytes } = this.#deps.metrics;
    evidencePending.set(this.#list.size);
    evidencePendingBytes.set(this.#list.bytes);
  }

  #exclusive<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(task);
    // A failure is the caller's; the next task runs all the same.
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

/** Leaves out what somebody else put where an extension stands: it would make any number of pieces. */
async function withSignedExtensions(
  chainId: string,
  piece: Evidence,
  { validators }: ValidatorSet,
  verifier: SignatureVerifier,
): Promise<Evidence> {
  if (piece.kind === "lightClientAttack") return piece;
  const publicKey = validators[piece.voteA.validatorIndex]?.publicKey.bytes;
  if (publicKey === undefined) return piece;
  const form = async (vote: Vote): Promise<Vote> => {
    const { extensionSignature: signature } = vote;
    if (signature.length === 0) return vote;
    const message = voteExtensionSignBytes(chainId, vote);
    const [isSigned] = await verifier.verifyBatch([{ publicKey, message, signature }]);
    return isSigned === true ? vote : withoutExtension(vote);
  };
  return { ...piece, voteA: await form(piece.voteA), voteB: await form(piece.voteB) };
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

function offenders(piece: Evidence): readonly string[] {
  return piece.kind === "duplicateVote"
    ? [toHex(piece.voteA.validatorAddress)]
    : piece.byzantineValidators.map(({ address }) => toHex(address));
}

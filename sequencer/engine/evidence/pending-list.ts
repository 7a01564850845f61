/** The evidence that waits for a block, in memory: bounded, oldest first, one piece for each offence. */
import type { Height } from "../../../proto/brands.ts";
import { toHex } from "../../../proto/bytes.ts";
import { encodeEvidenceList } from "../../../proto/codec/block.ts";
import { evidenceId } from "../../../proto/hashes.ts";
import type { Evidence } from "../../../proto/types.ts";
import {
  EVIDENCE_PENDING_ATTACKS_MAX,
  EVIDENCE_PENDING_BYTES_MAX,
  EVIDENCE_PENDING_MAX,
  EVIDENCE_PENDING_PER_VALIDATOR_MAX,
} from "./limits.ts";
import { evidenceHeight, judgeableFrom, offenceKey, offenderOf } from "./offence.ts";

/** A verified piece that no block of ours holds yet. */
export interface PendingEvidence {
  /** CometBFT's id, hex. */
  readonly id: string;
  readonly evidence: Evidence;
  /** Height from which its age counts. */
  readonly height: Height;
  /** The last height that a node must have committed to judge it. */
  readonly judgeableFrom: number;
  /** A list of this one piece, as it travels between nodes. */
  readonly message: Uint8Array;
}

/** Why a piece cannot be taken. */
export type NoRoom = "count" | "bytes" | "offender";

export class PendingList {
  /** By height, then id, as CometBFT's keys sort. */
  readonly #pieces: PendingEvidence[] = [];
  readonly #ids = new Set<string>();
  readonly #offences = new Map<string, PendingEvidence>();
  readonly #perOffender = new Map<string, number>();
  #bytes = 0;

  get size(): number {
    return this.#pieces.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  all(): readonly PendingEvidence[] {
    return this.#pieces;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** What is kept about the same offence. */
  sameOffence(evidence: Evidence): PendingEvidence | undefined {
    return this.#offences.get(offenceId(evidence));
  }

  noRoomFor(piece: PendingEvidence): NoRoom | undefined {
    if (this.#pieces.length >= EVIDENCE_PENDING_MAX) return "count";
    if (this.#bytes + piece.message.length > EVIDENCE_PENDING_BYTES_MAX) return "bytes";
    const { evidence } = piece;
    const share =
      evidence.kind === "duplicateVote"
        ? EVIDENCE_PENDING_PER_VALIDATOR_MAX
        : EVIDENCE_PENDING_ATTACKS_MAX;
    return (this.#perOffender.get(offenderOf(evidence)) ?? 0) >= share ? "offender" : undefined;
  }

  add(piece: PendingEvidence): void {
    const at = this.#pieces.findIndex((other) => comparePieces(piece, other) < 0);
    this.#pieces.splice(at < 0 ? this.#pieces.length : at, 0, piece);
    this.#ids.add(piece.id);
    this.#offences.set(offenceId(piece.evidence), piece);
    this.#count(piece, 1);
  }

  remove(piece: PendingEvidence): void {
    const at = this.#pieces.indexOf(piece);
    if (at < 0) return;
    this.#pieces.splice(at, 1);
    this.#ids.delete(piece.id);
    this.#offences.delete(offenceId(piece.evidence));
    this.#count(piece, -1);
  }

  #count(piece: PendingEvidence, sign: 1 | -1): void {
    this.#bytes += sign * piece.message.length;
    const offender = offenderOf(piece.evidence);
    const count = (this.#perOffender.get(offender) ?? 0) + sign;
    if (count === 0) this.#perOffender.delete(offender);
    else this.#perOffender.set(offender, count);
  }
}

export function pendingPiece(evidence: Evidence): PendingEvidence {
  return {
    id: toHex(evidenceId(evidence)),
    evidence,
    height: evidenceHeight(evidence),
    judgeableFrom: judgeableFrom(evidence),
    message: encodeEvidenceList([evidence]),
  };
}

function offenceId(evidence: Evidence): string {
  return toHex(offenceKey("", evidence));
}

function comparePieces(a: PendingEvidence, b: PendingEvidence): number {
  if (a.height !== b.height) return a.height - b.height;
  return a.id < b.id ? -1 : 1;
}

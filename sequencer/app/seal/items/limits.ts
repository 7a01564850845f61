import { LISTS_BYTES_MAX } from "../../../../proto/codec/weft-block.ts";
import { EXTENSION_BYTES_MAX } from "../../../../proto/codec/weft-extension.ts";

/** Sealed items of one parity of height that may wait to be opened, whatever the set. */
export const SEALED_ITEMS_WAITING_MAX = 1_000;
/** Bytes of the sealed items of one block, which is one value of the state: far below a snapshot's largest chunk. */
export const SEALED_BATCH_BYTES_MAX: number = 8 << 20;
/** That number times the validators: shares of all of them reach everybody within a block. */
export const SHARES_RECEIVED_MAX = 11_000;
/** That number times the tickets of a member: what one validator computes within a block. */
export const SHARES_MADE_MAX = 1_500;
/** Heights after the first that could open an item, after which it expires; more with large sets. */
export const OPENING_BLOCKS_MIN = 16;
/** Bytes of the SHARES part of whoever holds most tickets; the rest is for LISTS, signatures and framing. */
export const ANSWER_BYTES_MAX: number = EXTENSION_BYTES_MAX - LISTS_BYTES_MAX - 1_024;
/**
 * Of a block, what the CONTROL lane has at least in three parts: evidence of shares holds the points, the answer
 * and the ask, or two answers, and has to fit the lane.
 */
export const EVIDENCE_BLOCK_PART = 60;
/** The rest of evidence of shares, in three parts: keys, signatures, hashes, and its transaction. */
export const EVIDENCE_OVERHEAD_BYTES = 512;
/** Number, proof and framing of one ticket's shares for a batch. */
export const TICKET_OVERHEAD_BYTES = 80;
/** Height and framing of a batch or a dispute. */
export const SUBJECT_OVERHEAD_BYTES = 24;
/** One ticket's share of a disputed item with its proof. */
export const DISPUTE_SHARE_BYTES = 112;
/** Single shares of disputed items that everybody makes together at one height, each with a proof: 0.2 s of arithmetic for who checks them. */
export const DISPUTE_SHARES_MAX = 1_500;
/** Batches, and again disputes, take at most this part of a block when they are opened. */
export const OPENINGS_BLOCK_PART = 16;
/** Blocks for which the hash of what was asked is kept, at most: as long as evidence counts. */
export const SEAL_EVIDENCE_BLOCKS_MAX = 10_000;
/** Opened items of the height under way that are remembered; above it the arithmetic is done again. */
export const OPENED_ITEMS_KEPT_MAX = 4_096;

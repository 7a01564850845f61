/**
 * What blocks and vote extensions hold of sealed transactions, `weft.block.v1` (docs/formats.md, "Sealed
 * transactions"): openings, and the content of SHARES parts.
 */
import type { Height } from "../brands.ts";

/** Disputed items that validators show single shares of in one extension, the oldest first. */
export const DISPUTES_ASKED_MAX = 16;

/** Item kind 3, lane REVEAL: at most one in a block, at item 2 (item 1 at no height: the first block has none). */
export interface Openings {
  /** By height, strictly ascending; at least one batch or one settled dispute. */
  readonly batches: readonly BatchOpening[];
  /** By height, then index, strictly ascending. */
  readonly disputes: readonly DisputeOpening[];
}

/** All items of a batch that were asked for as a whole and are still open, in their order. */
export interface BatchOpening {
  readonly height: Height;
  /** One point Z for each item; 32 zero bytes for one that is disputed. */
  readonly points: Uint8Array;
}

/** A disputed item with shares of at least t tickets, each proven by itself: what it opens to is settled. */
export interface DisputeOpening {
  readonly height: Height;
  /** Place in the batch, from 0. */
  readonly index: number;
  /** Tickets strictly ascending. */
  readonly shares: readonly TicketShare[];
}

export interface TicketShare {
  /** From 1. */
  readonly ticket: number;
  /** D, 32 bytes. */
  readonly point: Uint8Array;
  /** log_G X = log_U D, 64 bytes. */
  readonly proof: Uint8Array;
}

/** Content of a SHARES part: the answer to all of a `SealAsk` that concerns keys of which the validator holds tickets. */
export interface Shares {
  /** By height, strictly ascending. */
  readonly batches: readonly BatchShares[];
  /** By height, then index, strictly ascending. */
  readonly disputes: readonly DisputeShares[];
}

export interface BatchShares {
  readonly height: Height;
  /** The validator's tickets of the batch's key, strictly ascending, all of them. */
  readonly tickets: readonly SharesOfTicket[];
}

export interface SharesOfTicket {
  readonly ticket: number;
  /** One point D for each item that was asked. */
  readonly points: Uint8Array;
  /** 64 bytes. */
  readonly proof: Uint8Array;
}

export interface DisputeShares {
  readonly height: Height;
  readonly index: number;
  /** The validator's tickets, strictly ascending, all of them. */
  readonly shares: readonly TicketShare[];
}

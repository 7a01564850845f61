/**
 * What blocks and vote extensions hold of sealed transactions, `weft.block.v1` (docs/formats.md, "Sealed
 * transactions"): openings, and the content of SHARES parts.
 */
import type { Height } from "../brands.ts";
import { codecError } from "./errors.ts";
import {
  checkAscending,
  defineRecord,
  fixedBytes,
  height,
  list,
  type RecordCodec,
  uint32,
} from "./record.ts";
import {
  itemIndex,
  itemPoints,
  POINT_BYTES,
  SEAL_PROOF_BYTES,
  SEALED_ITEMS_MAX,
  TICKETS_MAX,
} from "./seal-tx.ts";

/**
 * Disputed items that validators show single shares of in one extension, the oldest first: so many that a
 * proposer who disputes a whole batch has it settled before any of it expires.
 */
export const DISPUTES_ASKED_MAX = 128;
/** Batches that are asked for at once: each has an item. */
export const BATCHES_ASKED_MAX: number = SEALED_ITEMS_MAX;

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

/** A disputed item with shares of exactly t tickets, each proven by itself: what it opens to is settled. */
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

const ticket = uint32(1, TICKETS_MAX);

const TICKET_SHARE = defineRecord<TicketShare>({
  ticket: [1, ticket],
  point: [2, fixedBytes(POINT_BYTES)],
  proof: [3, fixedBytes(SEAL_PROOF_BYTES)],
});

/** Of an opening and of an answer, which look alike and mean different things. */
const DISPUTE = defineRecord<DisputeOpening & DisputeShares>(
  { height: [1, height], index: [2, itemIndex], shares: [3, list(TICKET_SHARE, TICKETS_MAX, 1)] },
  ({ shares }) => checkTickets(shares),
);

/** Item kind 3. */
export const OPENINGS_CODEC: RecordCodec<Openings> = defineRecord<Openings>(
  {
    batches: [
      1,
      list(
        defineRecord<BatchOpening>({ height: [1, height], points: [2, itemPoints] }),
        BATCHES_ASKED_MAX,
      ),
    ],
    disputes: [2, list(DISPUTE, DISPUTES_ASKED_MAX)],
  },
  (openings) => {
    checkOrder(openings);
    if (openings.batches.length > 0 || openings.disputes.length > 0) return;
    throw codecError("CODEC_MISSING_FIELD", "openings: neither a batch nor a dispute");
  },
);

/** Content of a SHARES part. */
export const SHARES_CODEC: RecordCodec<Shares> = defineRecord<Shares>(
  {
    batches: [
      1,
      list(
        defineRecord<BatchShares>(
          {
            height: [1, height],
            tickets: [
              2,
              list(
                defineRecord<SharesOfTicket>({
                  ticket: [1, ticket],
                  points: [2, itemPoints],
                  proof: [3, fixedBytes(SEAL_PROOF_BYTES)],
                }),
                TICKETS_MAX,
                1,
              ),
            ],
          },
          ({ tickets }) => checkTickets(tickets),
        ),
        BATCHES_ASKED_MAX,
      ),
    ],
    disputes: [2, list(DISPUTE, DISPUTES_ASKED_MAX)],
  },
  checkOrder,
);

/** Order of disputed items: by height, then index. */
export function compareItemPlaces(a: ItemPlace, b: ItemPlace): number {
  return a.height - b.height || a.index - b.index;
}

interface ItemPlace {
  readonly height: Height;
  readonly index: number;
}

function checkOrder(message: {
  readonly batches: readonly { readonly height: Height }[];
  readonly disputes: readonly ItemPlace[];
}): void {
  checkAscending("batches", message.batches, (a, b) => a.height - b.height);
  checkAscending("disputes", message.disputes, compareItemPlaces);
}

function checkTickets(shares: readonly { readonly ticket: number }[]): void {
  checkAscending("tickets", shares, (a, b) => a.ticket - b.ticket);
}

/** How many sealed items a block may hold, and for how long they may wait (docs/adr/0013). */
import { ticketCount } from "../../../../mev/seal/dkg.ts";
import { isCiphertext } from "../../../../proto/codec/mev-tx.ts";
import { DISPUTES_ASKED_MAX } from "../../../../proto/codec/seal-block.ts";
import type { SealKeyState } from "../../../../proto/codec/seal-state.ts";
import { POINT_BYTES } from "../../../../proto/codec/seal-tx.ts";
import { type Failure, failure } from "../../codes.ts";
import type { DecodedTx } from "../../execution/decoded-tx.ts";
import type { StakingReader } from "../../staking/context.ts";
import { requireEpoch } from "../../staking/validator-records.ts";
import { keyInForce, maxTickets, sealedBatch, sealKey, unresolvedHeights } from "../reader.ts";
import {
  ANSWER_BYTES_MAX,
  DISPUTE_SHARE_BYTES,
  DISPUTE_SHARES_MAX,
  EVIDENCE_BLOCK_PART,
  EVIDENCE_OVERHEAD_BYTES,
  OPENING_BLOCKS_MIN,
  OPENINGS_BLOCK_PART,
  SEALED_BATCH_BYTES_MAX,
  SEALED_ITEMS_WAITING_MAX,
  SHARES_MADE_MAX,
  SHARES_RECEIVED_MAX,
  SUBJECT_OVERHEAD_BYTES,
  TICKET_OVERHEAD_BYTES,
} from "./limits.ts";

/** Validators of the larger one of the sets to come. */
function setSize(reader: StakingReader): number {
  const { nextSetSize, followingSetSize } = requireEpoch(reader);
  return Math.max(nextSetSize, followingSetSize, 1);
}

/** Faulty validators that a set of that size bears. */
function faultsOf(size: number): number {
  return Math.floor((size - 1) / 3);
}

/**
 * Blocks from the first that could open an item to the last: long enough for several honest proposers. Even,
 * as are the distances at which items can be opened.
 */
export function openingBlocks(reader: StakingReader): number {
  return protectedBlocks(reader, OPENING_BLOCKS_MIN);
}

/** A window in which several honest proposers have their turn: 2f + 4 blocks, and at least so many. */
export function protectedBlocks(reader: StakingReader, least: number): number {
  return Math.max(least, 2 * faultsOf(setSize(reader)) + 4);
}

/** What a block has room for of sealed items; takes them one by one. */
export class SealedRoom {
  #items: number;
  #bytes = SEALED_BATCH_BYTES_MAX;

  private constructor(items: number) {
    this.#items = items;
  }

  /**
   * Of the block under way, after its own openings. Blocks of one parity of height share the room, because
   * their items are asked for together: so an answer fits its extension and its time.
   */
  static of(reader: StakingReader, blockBytesMax: number): SealedRoom {
    const key = sealKey(reader, keyInForce(reader, reader.height));
    if (key === undefined) return new SealedRoom(0);
    let waiting = 0;
    let tickets = maxTickets(key);
    let settled = disputesAskedMax(key, blockBytesMax);
    for (const height of unresolvedHeights(reader)) {
      if ((reader.height - height) % 2 !== 0) continue;
      const batch = sealedBatch(reader, height);
      const batchKey = batch && sealKey(reader, batch.key);
      if (batch === undefined || batchKey === undefined) continue;
      waiting += batch.items.length;
      tickets = Math.max(tickets, maxTickets(batchKey));
      settled = Math.min(settled, disputesAskedMax(batchKey, blockBytesMax));
    }
    // Were all of them disputed, all could be settled in time: nobody lets items lapse by disputing others.
    const settledInTime = (settled * openingBlocks(reader)) / 2;
    const room = Math.min(itemsWaitingMax(setSize(reader), tickets, blockBytesMax), settledInTime);
    return new SealedRoom(room - waiting);
  }

  /** Why a sealed item, bundle or bid that would succeed may not stand in the block; undefined for other transactions. */
  fault({ item, tx }: DecodedTx): Failure | undefined {
    if (!isCiphertext(tx.body.action)) return undefined;
    if (this.#items >= 1 && item.length <= this.#bytes) return undefined;
    return failure("SEAL_FULL", `${this.itemsLeft} items and ${this.#bytes} bytes are left`);
  }

  get itemsLeft(): number {
    return Math.max(0, this.#items);
  }

  /** One without a fault that has succeeded. */
  take({ item, tx }: DecodedTx): void {
    if (!isCiphertext(tx.body.action)) return;
    this.#items--;
    this.#bytes -= item.length;
  }
}

/** Items that may wait at once, of one parity. `tickets`: most that one member holds. */
export function itemsWaitingMax(size: number, tickets: number, blockBytesMax: number): number {
  const held = Math.max(tickets, 1);
  const answered = Math.floor(
    ((answerBytesMax(blockBytesMax) - SUBJECT_OVERHEAD_BYTES) / held - TICKET_OVERHEAD_BYTES) /
      POINT_BYTES,
  );
  return Math.max(
    0,
    Math.min(
      SEALED_ITEMS_WAITING_MAX,
      Math.floor(SHARES_RECEIVED_MAX / size),
      Math.floor(SHARES_MADE_MAX / held),
      answered,
      Math.floor(openingBytesMax(blockBytesMax) / POINT_BYTES) - 1,
    ),
  );
}

/** Bytes of a block that batches may take in it, and again disputes. */
export function openingBytesMax(blockBytesMax: number): number {
  return Math.floor(blockBytesMax / OPENINGS_BLOCK_PART);
}

/** Disputed items of one key that a height asks for at most, when nothing else is asked. */
export function disputesAskedMax(
  key: Pick<SealKeyState, "members" | "threshold">,
  blockBytesMax: number,
): number {
  return Math.min(
    DISPUTES_ASKED_MAX,
    Math.floor(DISPUTE_SHARES_MAX / ticketCount(key.members)),
    Math.floor(answerBytesMax(blockBytesMax) / disputeAnswerBytes(key)),
    Math.floor(openingBytesMax(blockBytesMax) / disputeOpeningBytes(key)),
  );
}

/** Bytes of an answer for one disputed item, of whoever holds most tickets. */
export function disputeAnswerBytes(key: Pick<SealKeyState, "members">): number {
  return maxTickets(key) * DISPUTE_SHARE_BYTES + SUBJECT_OVERHEAD_BYTES;
}

/** Bytes in a block of what settles one disputed item. */
export function disputeOpeningBytes({ threshold }: Pick<SealKeyState, "threshold">): number {
  return threshold * DISPUTE_SHARE_BYTES + SUBJECT_OVERHEAD_BYTES;
}

/**
 * Bytes of the answer of whoever holds most tickets: it fits an extension, and what proves it wrong fits the
 * CONTROL lane of a block, so that nobody who answers wrongly goes free because there was much to answer.
 */
export function answerBytesMax(blockBytesMax: number): number {
  const provable = Math.floor(blockBytesMax / EVIDENCE_BLOCK_PART) - EVIDENCE_OVERHEAD_BYTES;
  return Math.max(0, Math.min(ANSWER_BYTES_MAX, provable));
}

/** Bytes of an answer for one batch, of whoever holds most tickets. */
export function batchAnswerBytes(key: SealKeyState, items: number): number {
  return maxTickets(key) * (items * POINT_BYTES + TICKET_OVERHEAD_BYTES) + SUBJECT_OVERHEAD_BYTES;
}

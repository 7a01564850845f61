/** What validators are asked for: written at the end of a block for the extensions of the next one. */
import { ticketCount } from "../../../../mev/seal/dkg.ts";
import { kemPoint } from "../../../../mev/seal/tdh2.ts";
import { Height } from "../../../../proto/brands.ts";
import { joinBytes } from "../../../../proto/bytes.ts";
import { DISPUTES_ASKED_MAX } from "../../../../proto/codec/seal-block.ts";
import type {
  AskedBatch,
  AskedDispute,
  SealAsk,
  SealedItemState,
  SealKeyState,
} from "../../../../proto/codec/seal-state.ts";
import { SEAL_ASK_CODEC } from "../../../../proto/codec/seal-state.ts";
import { POINT_BYTES } from "../../../../proto/codec/seal-tx.ts";
import { sha256 } from "../../../../proto/hash.ts";
import type { StakingContext, StakingReader } from "../../staking/context.ts";
import { numberKey, SEAL_ASK, SEAL_ASKED } from "../../state/tables.ts";
import { sealEvidenceBlocks } from "../evidence-window.ts";
import { sealedBatch, sealKey, unresolvedHeights } from "../reader.ts";
import { DISPUTE_SHARES_MAX, SUBJECT_OVERHEAD_BYTES } from "./limits.ts";
import { isDisputed } from "./records.ts";
import {
  answerBytesMax,
  batchAnswerBytes,
  disputeAnswerBytes,
  disputeOpeningBytes,
  openingBlocks,
  openingBytesMax,
} from "./room.ts";

/**
 * End of block h - 1: writes what extensions of block h answer, if anything is asked; what was asked two blocks before that
 * can be used no more.
 */
export function recordAsk(ctx: StakingContext, blockBytesMax: number): void {
  const height = ctx.height + 1;
  const ask = askFor(ctx, height, blockBytesMax);
  const isEmpty = ask.batches.length === 0 && ask.disputes.length === 0;
  if (!isEmpty) {
    ctx.records.set(SEAL_ASK, numberKey(height), ask);
    ctx.records.set(SEAL_ASKED, numberKey(height), { hash: sha256(SEAL_ASK_CODEC.encode(ask)) });
  }
  for (const key of ctx.records.keys(SEAL_ASK, "", { max: 2 })) {
    if (Number(key) <= height - 2) ctx.records.set(SEAL_ASK, key, undefined);
  }
  const kept = sealEvidenceBlocks(ctx);
  for (const key of ctx.records.keys(SEAL_ASKED, "", { max: 2 })) {
    if (Number(key) < height - kept) ctx.records.set(SEAL_ASKED, key, undefined);
  }
}

/**
 * A batch is asked for one block after its own and every second block from there, as long as an answer can
 * open it in time; a disputed item likewise after the block that disputed it. The oldest first, as
 * far as every validator's answer fits an extension and what opens them fits a block.
 */
export function askFor(reader: StakingReader, height: number, blockBytesMax: number): SealAsk {
  const lastDistance = openingBlocks(reader);
  const isAsked = (from: number): boolean =>
    (height - from) % 2 === 1 && height - from <= lastDistance;
  const batches: AskedBatch[] = [];
  const waiting: {
    readonly height: number;
    readonly key: SealKeyState;
    readonly item: SealedItemState;
  }[] = [];
  const openingMax = openingBytesMax(blockBytesMax);
  const answerMax = answerBytesMax(blockBytesMax);
  let answerBytes = 0;
  let batchBytes = 0;
  for (const from of unresolvedHeights(reader)) {
    const batch = sealedBatch(reader, from);
    const key = batch && sealKey(reader, batch.key);
    if (batch === undefined || key === undefined) continue;
    const open = batch.items.filter((item) => !isDisputed(item));
    for (const item of batch.items) {
      if (isDisputed(item) && isAsked(item.disputedHeight))
        waiting.push({ height: from, key, item });
    }
    if (open.length === 0 || !isAsked(from)) continue;
    const bytes = batchAnswerBytes(key, open.length);
    const opening = open.length * POINT_BYTES + SUBJECT_OVERHEAD_BYTES;
    if (answerBytes + bytes > answerMax || batchBytes + opening > openingMax) continue;
    answerBytes += bytes;
    batchBytes += opening;
    const points = joinBytes(open.map(({ kem }) => kemPoint(kem)));
    batches.push({ height: Height(from), key: batch.key, points });
  }
  const disputes: AskedDispute[] = [];
  let disputeBytes = 0;
  let disputeShares = 0;
  for (const { height: from, key, item } of waiting) {
    if (disputes.length === DISPUTES_ASKED_MAX) break;
    const answer = disputeAnswerBytes(key);
    const opening = disputeOpeningBytes(key);
    disputeShares += ticketCount(key.members);
    if (answerBytes + answer > answerMax) break;
    if (disputeBytes + opening > openingMax || disputeShares > DISPUTE_SHARES_MAX) break;
    answerBytes += answer;
    disputeBytes += opening;
    disputes.push({
      height: Height(from),
      index: item.index,
      key: key.number,
      point: kemPoint(item.kem),
    });
  }
  return { batches, disputes };
}

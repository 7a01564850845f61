/** Keys that are final: when they are in force, whether blocks take what is sealed for them, when they go. */
import { quorumTickets } from "../../../../mev/seal/tickets.ts";
import { Height } from "../../../../proto/brands.ts";
import { toHex } from "../../../../proto/bytes.ts";
import { assert } from "../../../../proto/errors.ts";
import type { StakingContext, StakingReader } from "../../staking/context.ts";
import { requireEpoch } from "../../staking/validator-records.ts";
import {
  numberKey,
  SEAL,
  SEAL_DEALINGS,
  SEAL_KEYS,
  SEALED,
  VALIDATORS,
} from "../../state/tables.ts";
import { sealEvidenceBlocks } from "../evidence-window.ts";
import { sealKey, sealState } from "../reader.ts";
import { openEvent } from "./events.ts";
import { removeDealings } from "./generation.ts";
import { KEY_LAST_SHARES_BLOCKS } from "./limits.ts";

/**
 * End of a block, once the set of the next blocks is known: puts the next key in force, and looks anew whether
 * a quorum of validators always holds enough tickets.
 */
export function updateKeys(ctx: StakingContext, hasPowerChanged: boolean): void {
  const before = sealState(ctx);
  const isReplaced = before.nextKey !== 0 && ctx.height + 1 >= before.nextKeyHeight;
  if (!isReplaced && !(hasPowerChanged && before.activeKey !== 0)) return;
  if (isReplaced) retire(ctx, before.activeKey);
  const activeKey = isReplaced ? before.nextKey : before.activeKey;
  const isOpen = isCovered(ctx, activeKey);
  if (!isReplaced && isOpen === before.isOpen) return;
  const waiting = isReplaced ? { nextKey: 0, nextKeyHeight: Height(0) } : {};
  ctx.records.set(SEAL, "", { ...before, ...waiting, activeKey, isOpen });
  if (isOpen !== before.isOpen || isReplaced) ctx.emit(openEvent(activeKey, isOpen));
}

/**
 * End of a block: lets go of what nobody can need any more. Of a key that is replaced, the dealings when no
 * item is left that it opens, so that its secrets do not outlive their use; the key itself when no evidence of
 * its shares counts any more. One key in each block: they come more slowly.
 */
export function forgetKeys(ctx: StakingContext): void {
  const [dealing] = ctx.records.keys(SEAL_DEALINGS, "", { max: 1 });
  if (dealing !== undefined) {
    const number = Number(dealing.slice(0, numberKey(0).length));
    if (isRetired(ctx, number) && !hasUnresolved(ctx, number)) removeDealings(ctx, number);
  }
  const [first] = ctx.records.keys(SEAL_KEYS, "", { max: 1 });
  if (first === undefined) return;
  const number = Number(first);
  const kept = KEY_LAST_SHARES_BLOCKS + sealEvidenceBlocks(ctx);
  const retiredHeight = sealKey(ctx, number)?.retiredHeight ?? 0;
  if (retiredHeight === 0 || ctx.height < retiredHeight + kept) return;
  if (!hasUnresolved(ctx, number)) ctx.records.set(SEAL_KEYS, first, undefined);
}

function retire(ctx: StakingContext, number: number): void {
  const key = sealKey(ctx, number);
  if (key === undefined) return;
  const retiredHeight = Height(ctx.height + 1);
  ctx.records.set(SEAL_KEYS, numberKey(number), { ...key, retiredHeight });
}

function isRetired(reader: StakingReader, number: number): boolean {
  const key = sealKey(reader, number);
  return key !== undefined && key.retiredHeight > 0 && key.retiredHeight <= reader.height;
}

/** Batches stand by height, and later ones are for later keys. */
function hasUnresolved(reader: StakingReader, number: number): boolean {
  const [first] = reader.records.keys(SEALED, "", { max: 1 });
  const batch = first === undefined ? undefined : reader.records.get(SEALED, first);
  return batch !== undefined && batch.key <= number;
}

/** Whether every coalition of more than two thirds of the power, as it is now, can open what the key seals. */
function isCovered(reader: StakingReader, number: number): boolean {
  const key = sealKey(reader, number);
  assert(key !== undefined, "a key that is in force is kept");
  const { activePower } = requireEpoch(reader);
  if (activePower === 0n) return false;
  const holders = key.members.map(({ validator, tickets }) => {
    const power = reader.records.get(VALIDATORS, toHex(validator))?.power ?? 0n;
    return { power, tickets };
  });
  return quorumTickets(holders, activePower) >= key.threshold;
}

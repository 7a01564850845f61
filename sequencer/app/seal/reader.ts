/** What others ask of the state of sealed transactions: keys, what is asked of validators, items that wait. */
import { bytesEqual } from "../../../proto/bytes.ts";
import { Height } from "../../../proto/brands.ts";
import type {
  SealAsk,
  SealedBatchState,
  SealedItemState,
  SealKeyState,
  SealState,
} from "../../../proto/codec/seal-state.ts";
import type { Records } from "../state/records.ts";
import { numberKey, SEAL, SEAL_ASK, SEAL_COMMITS, SEAL_KEYS, SEALED } from "../state/tables.ts";

/** The committed state (`CommittedState.staking`) and a block under way both offer it. */
export interface SealReader {
  readonly records: Records;
}

/** Before the first key generation. */
export const NO_SEAL_STATE: SealState = {
  activeKey: 0,
  nextKey: 0,
  nextKeyHeight: Height(0),
  isOpen: false,
  lastGeneration: 0,
  generationEpoch: 0,
  generationAttempts: 0,
};

export function sealState(reader: SealReader): SealState {
  return reader.records.get(SEAL, "") ?? NO_SEAL_STATE;
}

/** Number of the key that sealed items of the block at `height` are for; 0: none. */
export function keyInForce(reader: SealReader, height: number): number {
  const { activeKey, nextKey, nextKeyHeight } = sealState(reader);
  return nextKey !== 0 && height >= nextKeyHeight ? nextKey : activeKey;
}

/** The key of that number; undefined when it was never final, or nobody can need it any more. */
export function sealKey(reader: SealReader, number: number): SealKeyState | undefined {
  return reader.records.get(SEAL_KEYS, numberKey(number));
}

/**
 * What extensions of the block at `height` answer; undefined: nothing. Known from the state after
 * `height - 1` on, for as long as a block can use the answers.
 */
export function askAt(reader: SealReader, height: number): SealAsk | undefined {
  return reader.records.get(SEAL_ASK, numberKey(height));
}

/** Items of the block at `height` that are not resolved; undefined: none. */
export function sealedBatch(reader: SealReader, height: number): SealedBatchState | undefined {
  return reader.records.get(SEALED, numberKey(height));
}

/** The item of that transaction id, if it waits to be opened. */
export function sealedItem(
  reader: SealReader,
  height: number,
  id: Uint8Array,
): SealedItemState | undefined {
  return sealedBatch(reader, height)?.items.find((item) => bytesEqual(item.id, id));
}

/** Heights of blocks with unresolved items, ascending. */
export function unresolvedHeights(reader: SealReader): readonly number[] {
  return reader.records.keys(SEALED).map(Number);
}

/**
 * First height with sealed items or commits that are not resolved, undefined without any: rollups are given
 * that block once they are, so that it must not be pruned before.
 */
export function oldestUnresolved({ records }: SealReader): number | undefined {
  const first = [
    ...records.keys(SEALED, "", { max: 1 }),
    ...records.keys(SEAL_COMMITS, "", { max: 1 }),
  ];
  return first.length === 0 ? undefined : Math.min(...first.map(Number));
}

/** Most tickets that one member holds. */
export function maxTickets({ members }: Pick<SealKeyState, "members">): number {
  return members.reduce((most, { tickets }) => Math.max(most, tickets), 0);
}

/**
 * What became of the sealed entries of a block (docs/formats.md, "Manifest"): every entry of kind SEALED, SHUFFLED or BID is
 * filled exactly once, by one later block, whose manifest commits to that. Whoever checks has verified the
 * entries, the headers of the filling blocks, and with `verifyRollupFills` their fills.
 */
import type { Height } from "../brands.ts";
import { bytesEqual } from "../bytes.ts";
import { payloadHash } from "../codec/weft-tx.ts";
import { type Refusal, refusal } from "../refusal.ts";
import { isHidden } from "./execution-order.ts";
import { type DeliveredEntry, type FillEntry, FillStatus, type RollupFills } from "./manifest.ts";

/** All fills of one block for a rollup. */
export interface FillingBlock extends RollupFills {
  readonly height: Height;
}

/** Content of an opened entry. */
export interface Content {
  /** Index among the rollup's ordered entries of the block. */
  readonly position: number;
  /** In the form of the payload of rollup data. */
  readonly payload: Uint8Array;
}

/** An entry whose outcome is known. */
export type FilledEntry = DeliveredEntry & {
  /** Undefined for an entry that was never sealed: `payload` is what is executed. */
  readonly fill: FillEntry | undefined;
  /** What is executed at this place; undefined for one that is INVALID, EXPIRED, VOID or LOST. */
  readonly content: Uint8Array | undefined;
};

export type FillRefusalCode =
  /** A sealed entry has no fill. */
  | "FILL_MISSING"
  /** An entry has two fills. */
  | "FILL_TWICE"
  /** Blocks that fill do not come by height. */
  | "FILL_BLOCK_ORDER"
  /** A fill is for a place of this block where no sealed entry stands. */
  | "FILL_UNEXPECTED"
  /** A block was sent that fills nothing of this block. */
  | "FILL_BLOCK_UNUSED"
  /** An opened entry came without its content. */
  | "FILL_CONTENT_MISSING"
  /** Contents came for an entry that was not opened, twice, or not in order. */
  | "FILL_CONTENT_UNEXPECTED"
  /** A content does not hash to what the fill says. */
  | "FILL_CONTENT_DIFFERS";

export type FillRefusal = Refusal<FillRefusalCode>;

/** Whether a block's entries wait for later blocks. */
export function hasSealedEntries(entries: readonly DeliveredEntry[]): boolean {
  return entries.some(isHidden);
}

/** The entries of block `height` with what the verified fills of later blocks and the contents make of them. */
export function fillEntries(
  height: Height,
  entries: readonly DeliveredEntry[],
  blocks: readonly Pick<FillingBlock, "fills" | "height">[],
  contents: readonly Content[],
): readonly FilledEntry[] | FillRefusal {
  const fills = new Map<number, FillEntry>();
  for (const block of blocks) {
    const own = block.fills.filter((fill) => fill.height === height);
    if (own.length === 0) {
      return refusal("FILL_BLOCK_UNUSED", `block ${block.height} fills nothing of block ${height}`);
    }
    for (const fill of own) {
      const entry = entries[fill.position];
      if (entry === undefined || !isHidden(entry)) {
        return refusal("FILL_UNEXPECTED", `place ${fill.position} has a fill and is not sealed`);
      }
      if (fills.has(fill.position)) {
        return refusal("FILL_TWICE", `place ${fill.position} is filled twice`);
      }
      fills.set(fill.position, fill);
    }
  }
  const filled: FilledEntry[] = [];
  let used = 0;
  for (const [position, entry] of entries.entries()) {
    if (!isHidden(entry)) {
      filled.push({ ...entry, fill: undefined, content: entry.payload });
      continue;
    }
    const fill = fills.get(position);
    if (fill === undefined) return refusal("FILL_MISSING", `place ${position} has no fill`);
    if (fill.status !== FillStatus.OPENED) {
      filled.push({ ...entry, fill, content: undefined });
      continue;
    }
    const content = contents[used];
    if (content?.position !== position) {
      return refusal("FILL_CONTENT_MISSING", `the content of place ${position} did not come`);
    }
    if (!bytesEqual(payloadHash(content.payload), fill.contentHash)) {
      return refusal(
        "FILL_CONTENT_DIFFERS",
        `the content of place ${position} is not what its fill commits to`,
      );
    }
    used += 1;
    filled.push({ ...entry, fill, content: content.payload });
  }
  if (used === contents.length) return filled;
  return refusal(
    "FILL_CONTENT_UNEXPECTED",
    `${contents.length} contents came, ${used} places were opened`,
  );
}

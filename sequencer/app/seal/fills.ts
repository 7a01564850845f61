/**
 * What a block makes known of sealed and committed entries of earlier blocks (docs/formats.md, "Manifest").
 * Fills are part of the block's manifest. Beside them a block event says what opens each one: with that and
 * the block of the entry, a node that serves rollups has the contents without any state of that time.
 */
import type { RollupPlace } from "../../../proto/codec/seal-state.ts";
import { Height } from "../../../proto/brands.ts";
import { EMPTY_BYTES } from "../../../proto/bytes.ts";
import { assert } from "../../../proto/errors.ts";
import { sha256 } from "../../../proto/hash.ts";
import {
  compareFills,
  FILL_ENTRY_BYTES,
  type FillEntry,
  FillStatus,
  writeFillEntry,
} from "../../../proto/verify/manifest.ts";
import type { AbciEvent } from "../../abci/application.ts";
import { event, plain } from "../abci-event.ts";

/** Where the content of an entry comes from. */
export type FillOpener =
  /** There is none: INVALID, EXPIRED, VOID. */
  | { readonly kind: "none" }
  /** Z of the sealed item, 32 bytes. */
  | { readonly kind: "point"; readonly point: Uint8Array }
  /** Its seed, 32 bytes, as its sender showed it. */
  | { readonly kind: "seed"; readonly seed: Uint8Array }
  /** The `Reveal` of that commit, which stands in the block that fills. */
  | { readonly kind: "reveal" };

export interface ResolvedFill {
  /** 32 bytes. */
  readonly rollupId: Uint8Array;
  readonly fill: FillEntry;
  readonly opener: FillOpener;
}

/** Takes the fills of the block under way, in any order. */
export interface FillSink {
  addFill(resolved: ResolvedFill): void;
}

/** Type of the block event, and its one attribute: the records of all fills in base64. */
export const FILLS_EVENT = "seal_fills";
const FILLS_ATTRIBUTE = "fills";
const ID_BYTES = 32;
const SECRET_BYTES = 32;
/** Rollup id ‖ fill entry ‖ u8 kind of opener ‖ point, seed or zeros. */
const RECORD_BYTES = ID_BYTES + FILL_ENTRY_BYTES + 1 + SECRET_BYTES;
const OPENER_KINDS = ["none", "point", "seed", "reveal"] as const;

/** Fills of an item that was opened: `payloads` has one for each place, as `OpenedItem` gives them. */
export function openedFills(
  height: Height,
  places: readonly RollupPlace[],
  payloads: readonly Uint8Array[],
  opener: Exclude<FillOpener, { readonly kind: "none" }>,
): readonly ResolvedFill[] {
  return hashedFills(height, places, payloads.map(sha256), opener);
}

/** The same by the SHA-256 of each payload. */
export function hashedFills(
  height: Height,
  places: readonly RollupPlace[],
  contentHashes: readonly Uint8Array[],
  opener: Exclude<FillOpener, { readonly kind: "none" }>,
): readonly ResolvedFill[] {
  return places.map(({ rollupId, position }, index) => {
    const contentHash = contentHashes[index];
    assert(
      contentHash !== undefined && contentHashes.length === places.length,
      "an opened item has one payload for each rollup",
    );
    const fill = { height, position, status: FillStatus.OPENED, contentHash };
    return { rollupId, fill, opener };
  });
}

/** Fills of an item that is void for its rollups. */
export function unopenedFills(
  height: Height,
  places: readonly RollupPlace[],
  status: Exclude<FillStatus, typeof FillStatus.OPENED>,
): readonly ResolvedFill[] {
  const contentHash = sha256(EMPTY_BYTES);
  return places.map(({ rollupId, position }) => ({
    rollupId,
    fill: { height, position, status, contentHash },
    opener: { kind: "none" },
  }));
}

/** The block event of these fills; none for a block without. */
export function fillsEvents(fills: readonly ResolvedFill[]): readonly AbciEvent[] {
  if (fills.length === 0) return [];
  const out = new Uint8Array(fills.length * RECORD_BYTES);
  const sorted = [...fills].sort((a, b) => compareFills(a.fill, b.fill));
  for (const [index, { rollupId, fill, opener }] of sorted.entries()) {
    const at = index * RECORD_BYTES;
    out.set(rollupId, at);
    writeFillEntry(out, at + ID_BYTES, fill);
    out[at + ID_BYTES + FILL_ENTRY_BYTES] = OPENER_KINDS.indexOf(opener.kind);
    out.set(secretOf(opener), at + ID_BYTES + FILL_ENTRY_BYTES + 1);
  }
  return [event(FILLS_EVENT, [plain(FILLS_ATTRIBUTE, Buffer.from(out).toString("base64"))])];
}

/** The fills among a block's own events. They come from this node's store: others are a bug. */
export function readFillsEvents(events: readonly AbciEvent[]): readonly ResolvedFill[] {
  return events.flatMap((found) => {
    if (found.type !== FILLS_EVENT) return [];
    const value = found.attributes.find(({ key }) => key === FILLS_ATTRIBUTE)?.value ?? "";
    const bytes = Buffer.from(value, "base64");
    assert(bytes.length % RECORD_BYTES === 0, "the event holds whole records of fills");
    return Array.from({ length: bytes.length / RECORD_BYTES }, (_, index) =>
      readRecord(new Uint8Array(bytes.subarray(index * RECORD_BYTES, (index + 1) * RECORD_BYTES))),
    );
  });
}

function secretOf(opener: FillOpener): Uint8Array {
  switch (opener.kind) {
    case "point":
      return opener.point;
    case "seed":
      return opener.seed;
    case "none":
    case "reveal":
      return EMPTY_BYTES;
  }
}

function readRecord(record: Uint8Array): ResolvedFill {
  const view = new DataView(record.buffer);
  const status = Object.values(FillStatus).find((known) => known === record[ID_BYTES + 12]);
  const kind = OPENER_KINDS[record[ID_BYTES + FILL_ENTRY_BYTES] ?? -1];
  assert(status !== undefined && kind !== undefined, "a record of a fill is of a known kind");
  const secret = record.subarray(ID_BYTES + FILL_ENTRY_BYTES + 1);
  return {
    rollupId: record.subarray(0, ID_BYTES),
    fill: {
      height: Height(Number(view.getBigUint64(ID_BYTES))),
      position: view.getUint32(ID_BYTES + 8),
      status,
      contentHash: record.subarray(ID_BYTES + 13, ID_BYTES + FILL_ENTRY_BYTES),
    },
    opener:
      kind === "point"
        ? { kind, point: secret }
        : kind === "seed"
          ? { kind, seed: secret }
          : { kind },
  };
}

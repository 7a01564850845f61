import { laneOf } from "../../mev/lanes.ts";
import { createManifestBuilder, rollupEntriesOf } from "../../mev/manifest.ts";
import { openBareContent } from "../../mev/seal/content.ts";
import { sealedContent } from "../../mev/seal/sealed-content.ts";
import { bytesEqual, EMPTY_BYTES, toHex } from "../../proto/bytes.ts";
import { type HiddenAction, hiddenPayload } from "../../proto/codec/mev-tx.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { type Action, payloadHash, type TxBody, txId } from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import { merkleProof } from "../../proto/merkle.ts";
import type { Content } from "../../proto/verify/fills.ts";
import type { ProvenEntry } from "../../proto/verify/inclusion.ts";
import {
  type Absence,
  type DeliveredEntry,
  encodeOrderedEntry,
  FillStatus,
  type OrderedEntry,
  type Presence,
} from "../../proto/verify/manifest.ts";
import type { BlockOutcome } from "../abci/application.ts";
import { readDecisions } from "./atomic/block-events.ts";
import { BlockSiblings } from "./block-siblings.ts";
import type { DecodedTx } from "./execution/decoded-tx.ts";
import { isObligated } from "./execution/events.ts";
import { readEntryTerms } from "./ordering/entry-terms.ts";
import { readOrders } from "./ordering/events.ts";
import { type FillOpener, readFillsEvents, type ResolvedFill } from "./seal/fills.ts";
import type { YieldToLoop } from "../ports/yield-to-loop.ts";

/** A committed block as rollups get it. */
export interface BlockSlices {
  /** Ids of the rollups that the block holds something for, ascending. */
  readonly rollupIds: readonly Uint8Array[];
  /** Bytes that the contents of its sealed entries have at most; they are kept once they are opened. */
  readonly sealedBytes: number;
  /** What the block holds for a rollup, with its proof to item 0; or the proof that it holds nothing. */
  slice(rollupId: Uint8Array): Presence | Absence;
  /** One entry of the rollup with its way up to item 0, and its payload; undefined when it has fewer. */
  proveEntry(rollupId: Uint8Array, position: number): Promise<EntryWithProof | undefined>;
  /** Where rollups have entries of a transaction, ascending by rollup. */
  placesOf(itemId: Uint8Array): readonly PlaceOfEntry[];
  /** What the block makes known of the rollup's entries of the block at `height`, by position. */
  fills(rollupId: Uint8Array, height: number): readonly ResolvedFill[];
  /** The order in which the rollup executes its shuffled entries of the block at `height`, if this block decides it. */
  order(rollupId: Uint8Array, height: number): readonly number[] | undefined;
  /** Contents of those entries of this block that `fills`, of the later block `filling`, say are opened. */
  contents(
    fills: readonly ResolvedFill[],
    filling: Pick<BlockSlices, "revealed">,
  ): Promise<readonly Content[]>;
  /** The content that the block's `Reveal` of a commit (transaction id) shows. */
  revealed(id: Uint8Array): Uint8Array | undefined;
}

export interface EntryWithProof {
  readonly proven: ProvenEntry;
  readonly payload: Uint8Array;
}

export interface PlaceOfEntry {
  readonly rollupId: Uint8Array;
  readonly position: number;
}

/** Items taken apart between two turns of the event loop: 1 ms, of sealed ones 3. */
const ITEMS_PER_SLICE = 128;
/** Sealed items opened between two turns: about 1 ms. */
const OPENED_PER_SLICE = 32;

/** A transaction whose content its block does not show. */
interface SealedTx {
  readonly body: TxBody;
  readonly action: HiddenAction;
  /** Rollups in whose lists it has an entry, ascending. */
  readonly rollupIds: readonly Uint8Array[];
  /** One for each of them, once it was opened. */
  payloads: readonly Uint8Array[] | undefined;
}

/**
 * Takes a stored block apart again: a pure function of its items and what they did, which says whose
 * action failed and so added nothing. Payloads are views into `txs`. The first `slice` hashes the tree of
 * leaves; keep the result for all readers of a height. Anybody may ask for any height, so that the work is
 * done in slices; what was decoded before, item by item, is not decoded and hashed again.
 */
export async function blockSlices(
  chainId: string,
  txs: readonly Uint8Array[],
  { txResults: results, events }: BlockOutcome,
  yieldToLoop: YieldToLoop,
  decoded: readonly (DecodedTx | undefined)[] = [],
): Promise<BlockSlices> {
  assert(txs.length === results.length, "a block has one result for each item");
  const builder = createManifestBuilder();
  const delivered = new Map<string, DeliveredEntry[]>();
  const sealed = new Map<string, SealedTx>();
  const terms = readEntryTerms(chainId, events);
  const reveals = new Map<string, Uint8Array>();
  const siblings = new BlockSiblings();
  let sealedBytes = 0;
  for (const [index, bytes] of txs.entries()) {
    if (index % ITEMS_PER_SLICE === ITEMS_PER_SLICE - 1) await yieldToLoop();
    if (results[index]?.code !== 0) continue;
    const found = decoded[index] ?? decodeEntries(chainId, bytes);
    if (found === undefined) continue;
    const { body } = found.tx;
    const { action } = body;
    if (action.kind === "reveal") reveals.set(toHex(action.id), action.content);
    const entries = found.entries(isObligated(results[index]?.events ?? []), terms);
    const rollupIds = entries.map(({ rollupId }) => rollupId);
    const tx = isHiding(action) ? { body, action, rollupIds, payloads: undefined } : undefined;
    const hidden = tx === undefined ? EMPTY_BYTES : hiddenPayload(tx.action);
    sealedBytes += hidden.length;
    const positions: number[] = [];
    for (const { rollupId, entry } of entries) {
      const payload = tx === undefined ? payloadOf(action, entry) : hidden;
      positions.push(builder.add(rollupId, entry));
      const key = toHex(rollupId);
      const { kind, lane, itemId, bundleId, leg, legs } = entry;
      const list = delivered.get(key) ?? [];
      list.push({ kind, lane, itemId, bundleId, leg, legs, payload });
      delivered.set(key, list);
      if (tx !== undefined) sealed.set(toHex(itemId), tx);
    }
    const [first] = entries;
    if (first !== undefined) siblings.add(first.entry.itemId, action, positions);
  }
  const fills = new Map<string, ResolvedFill[]>();
  for (const resolved of readFillsEvents(events)) {
    builder.addFill(resolved.rollupId, resolved.fill);
    const key = toHex(resolved.rollupId);
    const list = fills.get(key);
    if (list === undefined) fills.set(key, [resolved]);
    else list.push(resolved);
  }
  const orders = readOrders(events);
  for (const { rollupId, decision } of orders) builder.addDecision(rollupId, decision);
  for (const { rollupIds, decision, detail } of readDecisions(events)) {
    for (const rollupId of rollupIds) builder.addDecision(rollupId, decision, detail);
  }
  const built = builder.build();
  const manifest = txs[0];
  assert(
    manifest !== undefined && bytesEqual(manifest, built.item),
    "the block's items and results make its manifest",
  );

  await siblings.prove((rollupId) => built.prove(rollupId), yieldToLoop);

  /** The content of one entry for its rollup. */
  function open(
    { fill, opener, rollupId }: ResolvedFill,
    filling: Pick<BlockSlices, "revealed">,
  ): Content {
    const entry = delivered.get(toHex(rollupId))?.[fill.position];
    const tx = entry === undefined ? undefined : sealed.get(toHex(entry.itemId));
    assert(entry !== undefined && tx !== undefined, "a fill is for a sealed entry of its block");
    tx.payloads ??= openTx(chainId, tx, opener, () => filling.revealed(entry.itemId));
    const payload = tx.payloads[tx.rollupIds.findIndex((id) => bytesEqual(id, rollupId))];
    assert(
      payload !== undefined && bytesEqual(payloadHash(payload), fill.contentHash),
      "an opened entry has the content that its fill commits to",
    );
    return { position: fill.position, payload };
  }

  function withSiblings(entry: DeliveredEntry, rollupId: Uint8Array): DeliveredEntry {
    if (entry.bundleId === undefined) return entry;
    const bundle = siblings.proofOf(entry.itemId, rollupId);
    return bundle === undefined ? entry : { ...entry, bundle };
  }

  return {
    rollupIds: built.rollupIds,
    sealedBytes,
    slice(rollupId) {
      const proof = built.prove(rollupId);
      if (proof.kind === "absence") return proof;
      const entries = delivered.get(toHex(rollupId)) ?? [];
      return { ...proof, entries: entries.map((entry) => withSiblings(entry, rollupId)) };
    },
    async proveEntry(rollupId, position) {
      const list = built.prove(rollupId);
      const payload = delivered.get(toHex(rollupId))?.[position]?.payload;
      if (list.kind === "absence" || payload === undefined) return undefined;
      const encoded = list.entries.map(encodeOrderedEntry);
      const entry = encoded[position];
      assert(entry !== undefined, "what was delivered is in the manifest");
      await yieldToLoop();
      const entryProof = merkleProof(encoded, position);
      return { proven: { leaf: list.leaf, leafProof: list.proof, entry, entryProof }, payload };
    },
    placesOf(itemId) {
      return built.rollupIds.flatMap((rollupId) => {
        const list = delivered.get(toHex(rollupId)) ?? [];
        const position = list.findIndex((entry) => bytesEqual(entry.itemId, itemId));
        return position < 0 ? [] : [{ rollupId, position }];
      });
    },
    fills: (rollupId, height) =>
      (fills.get(toHex(rollupId)) ?? []).filter(({ fill }) => fill.height === height),
    order: (rollupId, height) =>
      orders.find((one) => one.decision.height === height && bytesEqual(one.rollupId, rollupId))
        ?.positions,
    async contents(of, filling) {
      const opened = of.filter(({ fill }) => fill.status === FillStatus.OPENED);
      const contents: Content[] = [];
      for (const [index, resolved] of opened.entries()) {
        if (index % OPENED_PER_SLICE === OPENED_PER_SLICE - 1) await yieldToLoop();
        contents.push(open(resolved, filling));
      }
      return contents;
    },
    revealed: (id) => reveals.get(toHex(id)),
  };
}

/** What a transaction holds for each of its rollups whose block did not show it. */
function openTx(
  chainId: string,
  { body, action, rollupIds }: SealedTx,
  opener: FillOpener,
  revealed: () => Uint8Array | undefined,
): readonly Uint8Array[] {
  const opened =
    action.kind === "sealCommit"
      ? openBareContent(revealed() ?? EMPTY_BYTES, rollupIds)
      : opener.kind === "point" || opener.kind === "seed"
        ? sealedContent(chainId, body, action, opener, rollupIds)
        : undefined;
  assert(opened?.kind === "content", "what a block opened opens again");
  return opened.payloads;
}

function isHiding(action: Action): action is HiddenAction {
  const { kind } = action;
  return kind === "sealed" || kind === "sealCommit" || kind === "sealedBundle" || kind === "bid";
}

/** What the payload hash of an entry covers that its transaction shows. */
function payloadOf(action: Action, { leg }: Pick<OrderedEntry, "leg">): Uint8Array {
  if (action.kind === "rollupData") return action.payload;
  const payload = action.kind === "bundle" ? action.legs[leg]?.payload : undefined;
  assert(payload !== undefined, `${action.kind} has no entry of that leg`);
  return payload;
}

/** What a transaction adds, or shows of one before; undefined for any other item. */
function decodeEntries(
  chainId: string,
  bytes: Uint8Array,
): Pick<DecodedTx, "tx" | "entries"> | undefined {
  const item = decodeItem(bytes);
  if (item.kind !== "tx") return undefined;
  const { tx } = item;
  const { action } = tx.body;
  const isOfRollups = action.kind === "rollupData" || action.kind === "bundle" || isHiding(action);
  if (action.kind !== "reveal" && !isOfRollups) return undefined;
  const id = txId(chainId, tx.bodyBytes);
  return {
    tx,
    entries: (isDue, terms) => rollupEntriesOf(tx, id, laneOf(item, isDue), terms),
  };
}

/**
 * Openings of a block: which may stand in it and which have to, whether they hold, and what they do
 * (spec/encrypted-mempool.md B.4, design.md §6, docs/adr/0013).
 */
import type { InjectedLists } from "../../../../mev/injected-commit.ts";
import type { SealCompute } from "../../../../mev/seal/compute.ts";
import { ticketsOfMember } from "../../../../mev/seal/dkg.ts";
import { kemPoint } from "../../../../mev/seal/tdh2.ts";
import { Height } from "../../../../proto/brands.ts";
import { bytesEqual, joinBytes, toHex } from "../../../../proto/bytes.ts";
import type { Openings } from "../../../../proto/codec/seal-block.ts";
import type { SealAsk, SealedItemState, SealKeyState } from "../../../../proto/codec/seal-state.ts";
import { POINT_BYTES } from "../../../../proto/codec/seal-tx.ts";
import { assert } from "../../../../proto/errors.ts";
import type { StakingContext } from "../../staking/context.ts";
import { askAt, sealedBatch, sealKey, type SealReader } from "../reader.ts";
import { type FalseDisputes, fineFalseDisputes } from "./false-disputes.ts";
import type { HashedItem, OpenedBatches } from "./opened-batches.ts";
import { changeItems, isDisputed } from "./records.ts";
import { emitDisputed, type Resolution, resolveItem } from "./resolve.ts";
import { settleDisputes } from "./settle-disputes.ts";

/** What the openings of a block may be about: what was asked of the height before and is still open. */
export interface OpeningPlan {
  readonly chainId: string;
  /** The height that was voted on, whose extensions hold the shares. */
  readonly sharesHeight: Height;
  readonly batches: readonly PlannedBatch[];
  readonly disputes: readonly PlannedDispute[];
}

export interface PlannedBatch {
  readonly height: Height;
  readonly key: SealKeyState;
  /** U of everything that was asked, more than `items` if some were revealed since. */
  readonly asked: Uint8Array;
  readonly items: readonly SealedItemState[];
  /** It has to be opened, or disputed item by item, in this block. */
  readonly isDue: boolean;
}

export interface PlannedDispute {
  readonly height: Height;
  readonly key: SealKeyState;
  readonly item: SealedItemState;
  /** It has to be settled in this block. */
  readonly isDue: boolean;
}

/** The outcome of one item, and the Z that gave it. */
export interface ItemOutcome {
  readonly item: SealedItemState;
  readonly point: Uint8Array;
  readonly opened: HashedItem | "disputed";
}

/** Openings that hold. */
export interface VerifiedOpenings {
  readonly batches: readonly { readonly height: Height; readonly items: readonly ItemOutcome[] }[];
  readonly disputes: readonly { readonly height: Height; readonly outcome: ItemOutcome }[];
}

/** What is computed and remembered of openings. */
export interface OpeningWork {
  readonly opened: OpenedBatches;
  readonly seal: Pick<SealCompute, "combine" | "verifyShares">;
}

/** Of the first block. */
export const NOTHING_TO_OPEN: OpeningPlan = {
  chainId: "",
  sharesHeight: Height(0),
  batches: [],
  disputes: [],
};

export const NO_OPENINGS: VerifiedOpenings = { batches: [], disputes: [] };

/**
 * From the state before the block. `lists`: the LISTS parts that the block brings. A key's batches and
 * disputes are due when members with t of its tickets say that they have given their shares.
 */
export function planOpenings(
  reader: SealReader & { readonly chainId: string },
  sharesHeight: Height,
  lists: readonly InjectedLists[],
): OpeningPlan {
  const { chainId } = reader;
  const ask = askAt(reader, sharesHeight);
  if (ask === undefined) return { chainId, sharesHeight, batches: [], disputes: [] };
  const dueKeys = new Map<number, boolean>();
  const isDue = (key: SealKeyState): boolean => {
    let due = dueKeys.get(key.number);
    if (due === undefined)
      dueKeys.set(key.number, (due = givenTickets(key, lists) >= key.threshold));
    return due;
  };
  return { chainId, sharesHeight, ...openOf(reader, ask, isDue) };
}

function openOf(
  reader: SealReader,
  ask: SealAsk,
  isDue: (key: SealKeyState) => boolean,
): Pick<OpeningPlan, "batches" | "disputes"> {
  const batches = ask.batches.flatMap(({ height, key: number, points }): PlannedBatch[] => {
    const key = sealKey(reader, number);
    const items = sealedBatch(reader, height)?.items.filter((item) => !isDisputed(item)) ?? [];
    if (key === undefined || items.length === 0) return [];
    return [{ height, key, asked: points, items, isDue: isDue(key) }];
  });
  const disputes = ask.disputes.flatMap(({ height, index, key: number }): PlannedDispute[] => {
    const key = sealKey(reader, number);
    const item = sealedBatch(reader, height)?.items.find((one) => one.index === index);
    if (key === undefined || item === undefined) return [];
    return [{ height, key, item, isDue: isDue(key) }];
  });
  return { batches, disputes };
}

/** Tickets of members whose injected LISTS name a SHARES part. */
function givenTickets(key: SealKeyState, lists: readonly InjectedLists[]): number {
  let given = 0;
  for (const { address, lists: part } of lists) {
    if (part.shares.kind === "root") given += ticketsOfMember(key.members, address)?.count ?? 0;
  }
  return given;
}

/** Z of the items that are still open, out of one Z for each that was asked. */
export function stillOpenPoints({ asked, items }: PlannedBatch, points: Uint8Array): Uint8Array {
  assert(points.length === asked.length, "a batch has one point for each item that was asked");
  const kept: Uint8Array[] = [];
  for (let at = 0; at < asked.length; at += POINT_BYTES) {
    const item = items[kept.length];
    if (item === undefined) break;
    if (!bytesEqual(asked.subarray(at, at + POINT_BYTES), kemPoint(item.kem))) continue;
    kept.push(points.subarray(at, at + POINT_BYTES));
  }
  assert(kept.length === items.length, "open items were asked for, in their order");
  return joinBytes(kept);
}

/** Whether the openings of a block are allowed and complete, and hold; why not, as text. */
export async function verifyOpenings(
  plan: OpeningPlan,
  openings: Openings | undefined,
  { opened, seal }: OpeningWork,
): Promise<VerifiedOpenings | string> {
  const missing = missingOpening(plan, openings);
  if (missing !== undefined) return missing;
  if (openings === undefined) return NO_OPENINGS;
  const batches: VerifiedOpenings["batches"][number][] = [];
  for (const { height, points } of openings.batches) {
    const planned = plan.batches.find((one) => one.height === height);
    if (planned === undefined) return `openings: batch ${height} was not asked for, or is resolved`;
    const { items } = planned;
    if (points.length !== items.length * POINT_BYTES) {
      return `openings: batch ${height} has ${items.length} open items, got ${points.length} bytes of points`;
    }
    const outcomes = await opened.open(planned, points);
    const failed = outcomes.find(
      (one) => one.opened !== "disputed" && one.opened.kind === "failed",
    );
    if (failed !== undefined) {
      return `openings: the point of item ${failed.item.index} of batch ${height} does not open it`;
    }
    batches.push({ height, items: outcomes });
  }
  const disputes = await settleDisputes(plan, openings.disputes, { opened, seal });
  return typeof disputes === "string" ? disputes : { batches, disputes };
}

function missingOpening(plan: OpeningPlan, openings: Openings | undefined): string | undefined {
  for (const { height, isDue } of plan.batches) {
    if (!isDue || openings?.batches.some((one) => one.height === height) === true) continue;
    return `openings: batch ${height} has to be opened, its shares were given`;
  }
  for (const { height, item, isDue } of plan.disputes) {
    const { index } = item;
    const isThere = openings?.disputes.some((one) => one.height === height && one.index === index);
    if (!isDue || isThere === true) continue;
    return `openings: the dispute of item ${index} of batch ${height} has to be settled, its shares were given`;
  }
  return undefined;
}

/** As `SealCompute.open` takes it. */
export function itemToOpen({ label, kem, body, places, kind }: SealedItemState) {
  return { label, kem, body, kind, rollupIds: places.map(({ rollupId }) => rollupId) };
}

/** Changes the state by openings that hold. `proposer`: of the block. */
export function applyOpenings(
  ctx: StakingContext,
  { batches, disputes }: VerifiedOpenings,
  proposer: Uint8Array,
): void {
  for (const { height, items } of batches) {
    const byIndex = new Map(items.map((outcome) => [outcome.item.index, outcome]));
    changeItems(ctx, height, (item) => {
      const outcome = byIndex.get(item.index);
      if (outcome === undefined) return item;
      const { opened, point } = outcome;
      if (opened === "disputed") return dispute(ctx, height, item, proposer);
      resolveItem(ctx, height, item, resolutionOf(opened, point, "committee"));
      return undefined;
    });
  }
  const falseDisputes = new Map<string, FalseDisputes>();
  for (const { height, outcome } of disputes) {
    const { index, disputedBy, disputedHeight } = outcome.item;
    const { opened, point } = outcome;
    assert(opened !== "disputed", "single shares settle a dispute");
    changeItems(ctx, height, (item) => {
      if (item.index !== index) return item;
      resolveItem(ctx, height, item, resolutionOf(opened, point, "dispute"));
      return undefined;
    });
    if (opened.kind === "failed") continue;
    const validator = toHex(disputedBy);
    const by = `${disputedHeight}/${validator}`;
    const count = (falseDisputes.get(by)?.count ?? 0) + 1;
    falseDisputes.set(by, { validator, height: disputedHeight, count });
  }
  for (const one of falseDisputes.values()) fineFalseDisputes(ctx, one);
}

function dispute(
  ctx: StakingContext,
  height: Height,
  item: SealedItemState,
  proposer: Uint8Array,
): SealedItemState {
  const disputed = { ...item, disputedHeight: Height(ctx.height), disputedBy: proposer };
  emitDisputed(ctx, height, disputed);
  return disputed;
}

function resolutionOf(
  opened: HashedItem,
  point: Uint8Array,
  by: "committee" | "dispute",
): Resolution {
  const pointOf = () => point;
  switch (opened.kind) {
    case "opened": {
      const { kind, payloads, contentHashes, amount } = opened;
      const opener = { kind: "point", point } as const;
      return { kind, payloads, contentHashes, amount, opener, by, pointOf };
    }
    case "invalid":
      return { kind: "invalid", reason: opened.reason, by, pointOf };
    case "failed":
      return { kind: "garbage", pointOf };
  }
}

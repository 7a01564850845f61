/**
 * Where a bundle, a bid or any other transaction is, in the words of `weft.mev.v1`: from what this node knows of the
 * transaction, of the block that holds it and of the lists of validators. Facts of the order only.
 */
import { idOfBundle } from "../../mev/manifest.ts";
import { listingPrefix } from "../../mev/inclusion/keys.ts";
import { Height } from "../../proto/brands.ts";
import { bytesEqual, compareBytes, toHex } from "../../proto/bytes.ts";
import { rollupIdsOfLegs } from "../../proto/codec/mev-tx.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import type { Action } from "../../proto/codec/weft-tx.ts";
import {
  AtomicProgress,
  BundleState,
  type BundleStatus,
  type LegPlace,
} from "../../proto/grpc/mev-service.ts";
import { atomicReport } from "../app/atomic/report.ts";
import { CODES } from "../app/codes.ts";
import type { SealProgress } from "../app/seal/progress.ts";
import { LISTINGS } from "../app/state/tables.ts";
import type { TransactionStatus } from "../app/weft-application.ts";
import { grpcError } from "./grpc-error.ts";
import type { GrpcApplication, GrpcBlocks } from "./ports.ts";
import type { RollupBlockSource } from "./rollup-block-source.ts";

type Told = Pick<BundleStatus, "state" | "reason"> & Partial<BundleStatus>;
type InBlock = Extract<TransactionStatus, { readonly state: "committed" | "failed" }>;
type Dropped = Extract<TransactionStatus, { readonly state: "rejected" | "expired" | "evicted" }>;

const REPLACED: ReadonlySet<number> = new Set([
  CODES.BUNDLE_SUPERSEDED.number,
  CODES.POOL_REPLACED.number,
]);
/** No block can hold it any more, or none that this node would make. */
const EXPIRED: ReadonlySet<number> = new Set([
  CODES.UNORDERED_EXPIRED.number,
  CODES.SEAL_TOO_LATE.number,
  CODES.SEAL_KEY_OLD.number,
  CODES.BUNDLE_LATE.number,
  CODES.BID_LATE.number,
  CODES.POOL_TIMED_OUT.number,
]);

export interface BundleStatusDependencies {
  readonly application: Pick<GrpcApplication, "read" | "transactionStatus">;
  readonly blocks: Pick<GrpcBlocks, "height" | "base">;
  readonly source: Pick<RollupBlockSource, "build" | "item">;
}

/**
 * @param id transaction id, 32 bytes
 * @throws GRPC_NOT_FOUND when this node does not know it
 */
export async function bundleStatus(
  id: Uint8Array,
  deps: BundleStatusDependencies,
): Promise<BundleStatus> {
  const { application, blocks } = deps;
  const atHeight = blocks.height();
  const told = await tell(id, application.transactionStatus(id), deps);
  return {
    id,
    code: 0,
    height: Height(0),
    index: 0,
    legs: [],
    resolvedHeight: Height(0),
    price: 0n,
    dueHeight: Height(0),
    level: 0,
    atomic: undefined,
    ...told,
    atHeight,
  };
}

async function tell(
  id: Uint8Array,
  known: TransactionStatus,
  deps: BundleStatusDependencies,
): Promise<Told> {
  switch (known.state) {
    case "unknown":
      throw grpcError(
        "GRPC_NOT_FOUND",
        "this node has not seen the transaction, or has forgotten it; ask the node that it was sent to",
      );
    case "pending":
      return inPool(id, known.reason, deps);
    case "failed":
      return {
        state: BundleState.INVALID,
        reason: known.reason,
        code: known.code,
        height: known.height,
        index: known.index,
      };
    case "committed":
      return inBlock(id, known, deps);
    case "rejected":
    case "expired":
    case "evicted":
      return dropped(known);
  }
}

function inPool(
  id: Uint8Array,
  waitsFor: string | undefined,
  { application }: BundleStatusDependencies,
): Told {
  const { records } = application.read.staking();
  const dueHeights = records.keys(LISTINGS, listingPrefix(id)).map((key) => {
    return records.get(LISTINGS, key)?.dueHeight ?? Height(0);
  });
  const waits = waitsFor ?? "it may be in the next block";
  if (dueHeights.length === 0) {
    return { state: BundleState.RECEIVED, reason: `in this node's pool; ${waits}` };
  }
  const due = dueHeights.filter((height) => height > 0).sort((a, b) => a - b);
  const [dueHeight = Height(0)] = due;
  const duty =
    dueHeight === 0
      ? "with more than two thirds of the power it has to be included"
      : `it has to be included from block ${dueHeight} on`;
  return {
    state: BundleState.LISTED,
    reason: `validators list it: ${duty}; ${waits}`,
    dueHeight,
  };
}

function dropped({ state, code, reason }: Dropped): Told {
  const end = REPLACED.has(code)
    ? BundleState.REPLACED
    : code === CODES.BUNDLE_CANCELLED.number
      ? BundleState.CANCELLED
      : state === "expired" || EXPIRED.has(code)
        ? BundleState.EXPIRED
        : BundleState.INVALID;
  return { state: end, reason, code };
}

async function inBlock(
  id: Uint8Array,
  known: InBlock,
  deps: BundleStatusDependencies,
): Promise<Told> {
  const { height, index, sealing } = known;
  const action = await actionAt(known, deps);
  const legs = await placesOf(id, action, height, deps);
  const place = { height, index, legs, ...executionOf(id, action, deps) };
  if (sealing === undefined) {
    return {
      ...place,
      state: BundleState.INCLUDED,
      reason: `at its place in block ${height}`,
    };
  }
  return { ...place, ...ofContent(sealing, height, action?.kind === "bid") };
}

/** The level of a bundle, and how far the execution of one of level 1 has come; nothing of others. */
function executionOf(
  id: Uint8Array,
  action: Action | undefined,
  { application: { read } }: BundleStatusDependencies,
): Partial<BundleStatus> {
  if (action?.kind !== "bundle" && action?.kind !== "sealedBundle") return {};
  if (action.atomic === undefined) return {};
  const reader = read.staking();
  const bundleId = action.kind === "bundle" ? idOfBundle(reader.chainId, action, id) : id;
  const report = atomicReport(reader, toHex(bundleId));
  if (report === undefined) return { level: 1 };
  const { state, deadline, decidedHeight, reason } = report;
  const legs = report.legs.map(({ rollupId, yes, no, quorum, committee }) => ({
    rollupId,
    yes,
    no,
    quorum,
    committee,
  }));
  const atomic = { state: AtomicProgress[state], deadline, decidedHeight, reason, legs };
  return { level: 1, atomic };
}

/** What became of the content of what stands in block `height`. */
function ofContent(
  { state, reason, height: at, price = 0n }: SealProgress,
  height: Height,
  isBid: boolean,
): Told {
  switch (state) {
    case "sealed":
    case "disputed":
      return { state: BundleState.SEALED, reason: `in block ${height}, ${reason}` };
    case "opened":
      return isBid
        ? {
            state: BundleState.REVEALED,
            reason: "opened; the auction waits for other bids of its block",
            resolvedHeight: at,
          }
        : {
            state: BundleState.INCLUDED,
            reason: `opened by block ${at}; its rollups have it at its place in block ${height}`,
            resolvedHeight: at,
          };
    case "won":
      return {
        state: BundleState.INCLUDED,
        reason: `won in block ${at}; its rollups have it at the top of block ${height}`,
        resolvedHeight: at,
        price,
      };
    case "lost":
      return { state: BundleState.LOST_AUCTION, reason, resolvedHeight: at };
    case "invalid":
      return { state: BundleState.INVALID, reason, resolvedHeight: at };
    case "expired":
    case "void":
      return { state: BundleState.EXPIRED, reason, resolvedHeight: at };
  }
}

/** Undefined where the block is not at hand any more. Read once for all who ask, a few at a time. */
async function actionAt(
  { height, index }: InBlock,
  { blocks, source }: BundleStatusDependencies,
): Promise<Action | undefined> {
  if (height < blocks.base()) return undefined;
  const item = await source.item(height, index);
  if (item === undefined) return undefined;
  const decoded = decodeItem(item);
  return decoded.kind === "tx" ? decoded.tx.body.action : undefined;
}

async function placesOf(
  id: Uint8Array,
  action: Action | undefined,
  height: Height,
  { application, source }: BundleStatusDependencies,
): Promise<readonly LegPlace[]> {
  const places: LegPlace[] = [];
  for (const rollupId of rollupsOf(action, application)) {
    const { slice } = (await source.build(height, rollupId)).message;
    if (slice.kind === "absence") continue;
    const position = slice.entries.findIndex(({ itemId }) => bytesEqual(itemId, id));
    if (position >= 0) places.push({ rollupId, position });
  }
  return places;
}

/** Rollups in whose lists of the block the action may stand. */
function rollupsOf(
  action: Action | undefined,
  { read }: BundleStatusDependencies["application"],
): readonly Uint8Array[] {
  if (action === undefined) return [];
  if ("legs" in action) return rollupIdsOfLegs(action.legs);
  if ("rollupIds" in action) return action.rollupIds;
  if (action.kind === "rollupData") return [action.rollupId];
  if (action.kind !== "bid") return [];
  // As its policy is now; a member that has left since has no list to look it up in.
  const members = read.rollup(action.group)?.policy.auctionMembers ?? [];
  return [action.group, ...members].toSorted(compareBytes);
}

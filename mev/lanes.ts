/**
 * Lanes: where an item stands in its block, and how much of the block it may take.
 * All of it is a pure function of the item, the committed state and the items before it.
 */
import { compareBytes, toHex } from "../proto/bytes.ts";
import type { Item } from "../proto/codec/weft-block.ts";
import type { Action, SignedTx } from "../proto/codec/weft-tx.ts";
import { varintSize } from "../proto/codec/writer.ts";
import { assert, assertNever } from "../proto/errors.ts";
import { type Refusal, refusal } from "../proto/refusal.ts";

/** Sections of a block, contiguous, in this order. */
export const Lane = {
  SYS: 0,
  REVEAL: 1,
  CONTROL: 2,
  FORCED: 3,
  OBLIGATED: 4,
  SEALED: 5,
  ATOMIC: 6,
  DEFAULT: 7,
} as const;
export type Lane = (typeof Lane)[keyof typeof Lane];

/** In the order of the block. */
export const LANES: readonly Lane[] = Object.values(Lane);

/** Shares are basis points of `blockBytesMax`; what a lane leaves over flows to the lanes after it. */
export interface LaneParams {
  /** `block.max_bytes` of the committed consensus parameters, in bytes. */
  readonly blockBytesMax: number;
  readonly controlShareBps: number;
  readonly forcedShareBps: number;
  readonly obligatedShareBps: number;
  readonly sealedShareBps: number;
  readonly atomicShareBps: number;
  /** Most transactions of one account in the CONTROL lane of one block. */
  readonly controlPerSignerMax: number;
  /** Most of one shared lane's bytes that one rollup may take: this share, or the floor if greater. */
  readonly rollupQuotaBps: number;
  readonly rollupQuotaBytesFloor: number;
}

export type LaneRefusalCode =
  /** Item 0 is not the manifest, item 1 not the injected commit, or either occurs again. */
  | "LANE_SYSTEM_ITEMS"
  /** A second item with openings. */
  | "LANE_REVEAL_ITEMS"
  /** An item of an earlier lane after one of a later lane. */
  | "LANE_ORDER"
  /** Anything in lane FORCED: there is no inbox yet that it could have come from. */
  | "LANE_FORCED"
  /** CONTROL items not in canonical order. */
  | "LANE_CONTROL_ORDER"
  /** Too many CONTROL items of one account. */
  | "LANE_CONTROL_SIGNER_CAP"
  /** A lane and those before it exceed their share of the block. */
  | "LANE_SHARE"
  /** One rollup exceeds its quota in a shared lane. */
  | "LANE_ROLLUP_QUOTA";

/** What the rules need to know of an item. */
export interface LaneUse {
  readonly kind: Item["kind"];
  readonly lane: Lane;
  /** Length of the encoded item. */
  readonly itemBytes: number;
  /** Ids of the rollups whose quota it takes from, as lower-case hex. */
  readonly rollupKeys: readonly string[];
  /** What it takes from the quota of each of them; absent: all its bytes from each. */
  readonly rollupBytes?: readonly number[];
  /** Present for transactions. */
  readonly control: ControlKey | undefined;
}

/** What orders the CONTROL lane: account, then its nonces, then its unordered transactions by id. */
export interface ControlKey {
  /** ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly nonce: bigint | undefined;
  readonly id: Uint8Array;
}

/**
 * The lane of an item. `isDue`: the inclusion list of the committed state says that this transaction is
 * due; it is read for transactions only.
 */
export function laneOf(item: Item, isDue: boolean): Lane {
  switch (item.kind) {
    case "manifest":
    case "injectedCommit":
      return Lane.SYS;
    case "openings":
      return Lane.REVEAL;
    case "excused":
      return Lane.OBLIGATED;
    case "tx":
      return isDue ? Lane.OBLIGATED : laneOfAction(item.tx.body.action);
    default:
      return assertNever(item, "item kind");
  }
}

/** The lane of a transaction that is not due. */
export function laneOfAction(action: Action): Lane {
  return LANES_OF_ACTIONS[action.kind] ?? Lane.DEFAULT;
}

/** Actions that do not stand in the DEFAULT lane. */
const LANES_OF_ACTIONS: { readonly [Kind in Action["kind"]]?: Lane } = {
  submitEvidence: Lane.CONTROL,
  sealed: Lane.SEALED,
  sealCommit: Lane.SEALED,
  bundle: Lane.ATOMIC,
  sealedBundle: Lane.SEALED,
  bid: Lane.SEALED,
  cancelBundles: Lane.CONTROL,
  executorVote: Lane.CONTROL,
  executorReport: Lane.CONTROL,
  registerSealKey: Lane.CONTROL,
  deal: Lane.CONTROL,
  complain: Lane.CONTROL,
  selfReveal: Lane.CONTROL,
  reveal: Lane.CONTROL,
};

/**
 * What `createLaneRules` needs to know of an item; `id` is the transaction's id, `rollupKey` the id of the
 * rollup that its data is for as text, where somebody has that already.
 */
export function laneUse(
  item: Item,
  itemBytes: number,
  id: Uint8Array,
  isDue: boolean,
  rollupKey?: string,
): LaneUse {
  const lane = laneOf(item, isDue);
  if (item.kind !== "tx") {
    return { kind: item.kind, lane, itemBytes, rollupKeys: NO_ROLLUPS, control: undefined };
  }
  const { action } = item.tx.body;
  const use: LaneUse = {
    kind: "tx",
    lane,
    itemBytes,
    rollupKeys: rollupKeysOf(action, rollupKey),
    control: controlKey(item.tx, id),
  };
  // Legs are in the clear: each takes from its own rollup's quota what it holds for that rollup.
  if (action.kind !== "bundle") return use;
  return { ...use, rollupBytes: action.legs.map(({ payload }) => payload.length) };
}

function rollupKeysOf(action: Action, rollupKey: string | undefined): readonly string[] {
  if (action.kind === "rollupData") return [rollupKey ?? toHex(action.rollupId)];
  if (action.kind === "bid") return [toHex(action.group)];
  if ("legs" in action) return action.legs.map(({ rollupId }) => toHex(rollupId));
  return "rollupIds" in action ? action.rollupIds.map(toHex) : NO_ROLLUPS;
}

const NO_ROLLUPS: readonly string[] = [];

export function controlKey(tx: SignedTx, id: Uint8Array): ControlKey {
  const { publicKey, replay } = tx.body;
  return { publicKey, nonce: replay.kind === "nonce" ? replay.value : undefined, id };
}

/** Canonical order of the CONTROL lane: nobody gains anything by being its proposer. */
export function compareControl(a: ControlKey, b: ControlKey): number {
  const byAccount = compareBytes(a.publicKey, b.publicKey);
  if (byAccount !== 0) return byAccount;
  if (a.nonce !== b.nonce) {
    if (a.nonce === undefined) return 1;
    if (b.nonce === undefined) return -1;
    return a.nonce < b.nonce ? -1 : 1;
  }
  return compareBytes(a.id, b.id);
}

/** The CONTROL items of a proposal: canonical order, each account's surplus left out. */
export function orderControl<T extends { readonly control: ControlKey }>(
  candidates: readonly T[],
  perSignerMax: number,
): readonly T[] {
  const sorted = [...candidates].sort((a, b) => compareControl(a.control, b.control));
  let previous: Uint8Array | undefined;
  let count = 0;
  return sorted.filter(({ control }) => {
    count = previous !== undefined && isSame(previous, control.publicKey) ? count + 1 : 1;
    previous = control.publicKey;
    return count <= perSignerMax;
  });
}

/** The rules over the items of one block, taken in block order. */
export interface LaneRules {
  /**
   * Takes the next item, or says why it may not stand here; then nothing has changed, and a proposer
   * may try another item. ProcessProposal refuses the block instead.
   */
  take(use: LaneUse): Refusal<LaneRefusalCode> | undefined;
  /** After the last item: what a block must have and this one lacks. */
  finish(): Refusal<LaneRefusalCode> | undefined;
}

/**
 * One set of rules for building and for checking. `isInitialHeight`: the block has no injected commit.
 *
 * Shares bound the sum of a lane and the lanes before it (SYS and REVEAL aside, which must always fit),
 * so a lane that is not used leaves its share to those after it, and no lane can be crowded out by a
 * later one. DEFAULT takes what is left: the engine bounds the block as a whole.
 */
export function createLaneRules(params: LaneParams, isInitialHeight: boolean): LaneRules {
  checkLaneParams(params);
  const systemItems: readonly Item["kind"][] = isInitialHeight
    ? ["manifest"]
    : ["manifest", "injectedCommit"];
  let count = 0;
  let lane: Lane = Lane.SYS;
  let laneBytes = 0;
  let sharedBytes = 0;
  let lastControl: ControlKey | undefined;
  let controlOfSigner = 0;
  const rollupBytes = new Map<string, number>();
  // The same for every item of the block.
  const laneMax = LANES.map((of) => laneBytesMax(params, of));
  const quota = rollupBytesMax(params);

  function take(use: LaneUse): Refusal<LaneRefusalCode> | undefined {
    const expected = systemItems[count];
    if (expected !== undefined || use.lane === Lane.SYS) {
      if (use.kind !== expected) {
        const wanted = expected ?? "no system item";
        return refusal("LANE_SYSTEM_ITEMS", `item ${count}: expected ${wanted}, got ${use.kind}`);
      }
      count++;
      return undefined;
    }
    if (use.lane === Lane.FORCED) {
      return refusal("LANE_FORCED", `item ${count}: lane FORCED is empty`);
    }
    if (use.lane < lane) {
      return refusal("LANE_ORDER", `item ${count}: lane ${use.lane} after lane ${lane}`);
    }
    if (use.lane === Lane.REVEAL && lane === Lane.REVEAL) {
      return refusal("LANE_REVEAL_ITEMS", `item ${count}: a block has one item of openings`);
    }
    const entersLane = use.lane > lane;
    const inLane = entersLane ? 0 : laneBytes;
    const bytes = itemBlockBytes(use.itemBytes);
    const fault =
      (use.lane === Lane.CONTROL ? controlFault(use) : undefined) ??
      shareFault(use.lane, bytes) ??
      quotaFault(use, bytes, entersLane);
    if (fault !== undefined) return fault;

    if (entersLane) rollupBytes.clear();
    lane = use.lane;
    laneBytes = inLane + bytes;
    if (lane !== Lane.REVEAL) sharedBytes += bytes;
    let at = 0;
    for (const key of rollupKeys(use)) {
      rollupBytes.set(key, (rollupBytes.get(key) ?? 0) + quotaBytes(use, at++, bytes));
    }
    if (lane === Lane.CONTROL && use.control !== undefined) {
      controlOfSigner = isSameSigner(use.control) ? controlOfSigner + 1 : 1;
      lastControl = use.control;
    }
    count++;
    return undefined;
  }

  function finish(): Refusal<LaneRefusalCode> | undefined {
    const missing = systemItems[count];
    if (missing === undefined) return undefined;
    return refusal("LANE_SYSTEM_ITEMS", `item ${count}: expected ${missing}, got the block's end`);
  }

  function controlFault(use: LaneUse): Refusal<LaneRefusalCode> | undefined {
    assert(use.control !== undefined, "CONTROL items are transactions");
    if (lastControl !== undefined && compareControl(lastControl, use.control) >= 0) {
      return refusal("LANE_CONTROL_ORDER", `item ${count} is not after the item before it`);
    }
    if (isSameSigner(use.control) && controlOfSigner >= params.controlPerSignerMax) {
      return refusal(
        "LANE_CONTROL_SIGNER_CAP",
        `item ${count}: over ${params.controlPerSignerMax} items of one account`,
      );
    }
    return undefined;
  }

  function shareFault(target: Lane, bytes: number): Refusal<LaneRefusalCode> | undefined {
    const allowed = laneMax[target];
    if (target === Lane.REVEAL || allowed === undefined || sharedBytes + bytes <= allowed) {
      return undefined;
    }
    return refusal(
      "LANE_SHARE",
      `item ${count}: lanes up to ${target} take ${sharedBytes + bytes} bytes, at most ${allowed}`,
    );
  }

  function quotaFault(
    use: LaneUse,
    bytes: number,
    entersLane: boolean,
  ): Refusal<LaneRefusalCode> | undefined {
    let at = 0;
    for (const key of rollupKeys(use)) {
      const before = entersLane ? 0 : (rollupBytes.get(key) ?? 0);
      const taken = before + quotaBytes(use, at++, bytes);
      if (taken > quota) {
        return refusal(
          "LANE_ROLLUP_QUOTA",
          `item ${count}: rollup ${key} takes ${taken} bytes of the lane, at most ${quota}`,
        );
      }
    }
    return undefined;
  }

  function isSameSigner(control: ControlKey): boolean {
    return lastControl !== undefined && isSame(lastControl.publicKey, control.publicKey);
  }

  return { take, finish };
}

/** Bytes an item takes in a block: CometBFT's `Data.txs` puts a tag and a length around it. */
export function itemBlockBytes(itemBytes: number): number {
  return 1 + varintSize(itemBytes) + itemBytes;
}

/**
 * Most bytes that the CONTROL lane and the lanes up to this one may take together; undefined for lanes
 * without such a bound.
 */
export function laneBytesMax(params: LaneParams, lane: Lane): number | undefined {
  const shares: readonly (readonly [Lane, number])[] = [
    [Lane.CONTROL, params.controlShareBps],
    [Lane.FORCED, params.forcedShareBps],
    [Lane.OBLIGATED, params.obligatedShareBps],
    [Lane.SEALED, params.sealedShareBps],
    [Lane.ATOMIC, params.atomicShareBps],
  ];
  if (lane < Lane.CONTROL || lane === Lane.DEFAULT) return undefined;
  let bps = 0;
  for (const [of, share] of shares) if (of <= lane) bps += share;
  return share(params.blockBytesMax, bps);
}

/** Most bytes that one rollup may take of one shared lane. */
export function rollupBytesMax(params: LaneParams): number {
  return Math.max(params.rollupQuotaBytesFloor, share(params.blockBytesMax, params.rollupQuotaBps));
}

/** Parameters come from the state, where they are checked when they change. */
function checkLaneParams(params: LaneParams): void {
  const shares = [
    params.controlShareBps,
    params.forcedShareBps,
    params.obligatedShareBps,
    params.sealedShareBps,
    params.atomicShareBps,
  ];
  const numbers = [
    ...shares,
    params.blockBytesMax,
    params.controlPerSignerMax,
    params.rollupQuotaBps,
    params.rollupQuotaBytesFloor,
  ];
  assert(
    numbers.every((n) => Number.isSafeInteger(n) && n >= 0),
    "lane parameters are safe integers >= 0",
  );
  assert(shares.reduce((sum, n) => sum + n, 0) <= 10_000, "lane shares exceed the block");
}

function share(bytes: number, bps: number): number {
  return Number((BigInt(bytes) * BigInt(bps)) / 10_000n);
}

/** What an item of `bytes` takes from the quota of its rollup `at`. */
function quotaBytes({ rollupBytes }: LaneUse, at: number, bytes: number): number {
  return rollupBytes?.[at] ?? bytes;
}

/** The quota holds in lanes that rollups share by their own traffic, not where the state puts items. */
function rollupKeys(use: LaneUse): readonly string[] {
  return use.lane >= Lane.SEALED ? use.rollupKeys : NO_ROLLUPS;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return compareBytes(a, b) === 0;
}

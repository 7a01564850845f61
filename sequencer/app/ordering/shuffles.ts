/**
 * Sealed entries of rollups that shuffle (policy SEALED_RANDOM): which of a block they are, what their order
 * waits for, and what it is once the last of them is resolved (docs/adr/0021). All of a block is collected and
 * written once at its end, because a batch of a thousand is resolved item by item.
 */
import { SHUFFLED_MIN, shuffleOrder } from "../../../mev/ordering/shuffle.ts";
import { Height } from "../../../proto/brands.ts";
import { compareBytes, copyBytes, EMPTY_BYTES, fromHex, toHex } from "../../../proto/bytes.ts";
import type { ShuffleState } from "../../../proto/codec/mev-state.ts";
import type { RollupPlace } from "../../../proto/codec/seal-state.ts";
import { assert } from "../../../proto/errors.ts";
import { type DecisionEntry, DecisionOutcome, orderHash } from "../../../proto/verify/manifest.ts";
import type { StakingContext } from "../staking/context.ts";
import { heightKey, SHUFFLES } from "../state/tables.ts";

type Slot = ShuffleState["slots"][number];

/** The order of a rollup's shuffled entries of one block, as a later one decides it. */
export interface DecidedOrder {
  /** 32 bytes. */
  readonly rollupId: Uint8Array;
  /** What the manifest says. */
  readonly decision: DecisionEntry;
  /** Positions in the order of execution: what the decision's hash is of. */
  readonly positions: readonly number[];
}

/** What one block does to shuffled entries: collected while it runs. */
export class BlockShuffles {
  /** Entries of this block, by rollup id in hex. */
  readonly placed = new Map<string, Slot[]>();
  /** Z, or nothing, by `heightKey` and position: entries of earlier blocks. */
  readonly resolved = new Map<string, Map<number, Uint8Array>>();
  /** Of this block, once `decideOrders` has run; by rollup, then height. */
  decided: readonly DecidedOrder[] = [];

  /** An entry of this block takes its place; positions of a rollup come in ascending order. */
  place(rollupId: string, position: number, sender: Uint8Array): void {
    const slots = this.placed.get(rollupId);
    const slot = { position, sender, isResolved: false, point: EMPTY_BYTES };
    if (slots === undefined) this.placed.set(rollupId, [slot]);
    else slots.push(slot);
  }
}

/**
 * An item of the block at `height` is resolved. `pointOf`: Z, whatever it opened to; undefined if nobody has shown
 * it in time. Its places in rollups that do not shuffle are none of this.
 */
export function onShuffledResolved(
  ctx: Pick<StakingContext, "records" | "shuffles">,
  height: number,
  places: readonly RollupPlace[],
  pointOf: (() => Uint8Array) | undefined,
): void {
  const ofHeight = heightKey(height, "");
  if (ctx.records.keys(SHUFFLES, ofHeight, { max: 1 }).length === 0) return;
  const { resolved } = ctx.shuffles;
  const point = pointOf === undefined ? EMPTY_BYTES : copyBytes(pointOf());
  for (const { rollupId, position } of places) {
    const key = ofHeight + toHex(rollupId);
    let ofRollup = resolved.get(key);
    if (ofRollup === undefined) resolved.set(key, (ofRollup = new Map()));
    ofRollup.set(position, point);
  }
}

/**
 * After everything that resolves items: entries of this block begin to wait, and each order that waited for what
 * this block has resolved is decided.
 */
export function decideOrders(
  ctx: Pick<StakingContext, "chainId" | "height" | "records" | "shuffles">,
): readonly DecidedOrder[] {
  const { shuffles } = ctx;
  for (const [rollupId, slots] of shuffles.placed) {
    if (slots.length < SHUFFLED_MIN) continue;
    ctx.records.set(SHUFFLES, heightKey(ctx.height, rollupId), { slots });
  }
  const decided: DecidedOrder[] = [];
  for (const [key, points] of shuffles.resolved) {
    const waiting = ctx.records.get(SHUFFLES, key);
    if (waiting === undefined) continue;
    const slots = waiting.slots.map((slot): Slot => {
      const point = points.get(slot.position);
      return point === undefined ? slot : { ...slot, isResolved: true, point };
    });
    if (slots.some(({ isResolved }) => !isResolved)) {
      ctx.records.set(SHUFFLES, key, { slots });
      continue;
    }
    ctx.records.set(SHUFFLES, key, undefined);
    decided.push(decide(ctx.chainId, key, slots));
  }
  decided.sort(
    (a, b) => compareBytes(a.rollupId, b.rollupId) || a.decision.height - b.decision.height,
  );
  shuffles.decided = decided;
  return decided;
}

function decide(chainId: string, key: string, slots: readonly Slot[]): DecidedOrder {
  const [number = "", id = ""] = key.split("/");
  const height = Height(Number(number));
  const rollupId = fromHex(id);
  const { seed, positions } = shuffleOrder(chainId, height, rollupId, slots);
  assert(positions.length >= SHUFFLED_MIN, "a record holds what there is to shuffle");
  const detailHash = orderHash(positions);
  const decision = { subject: seed, outcome: DecisionOutcome.ORDER, height, detailHash };
  return { rollupId, decision, positions };
}

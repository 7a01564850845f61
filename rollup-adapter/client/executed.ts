/** What of a verified block its rollup executes, and how: payloads, legs of bundles, and what is decided about earlier ones. */
import { compareBytes } from "../../proto/bytes.ts";
import type { Height } from "../../proto/brands.ts";
import type { AtomicDecision } from "../../proto/codec/atomic-decision.ts";
import type { RevertMode } from "../../proto/codec/mev-tx.ts";
import { rollupDataEntries } from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import type { SiblingLeg } from "../../proto/verify/bundle.ts";
import type { FilledEntry } from "../../proto/verify/fills.ts";
import {
  decodeAtomicDecision,
  DecisionOutcome,
  type DeliveredDecision,
} from "../../proto/verify/manifest.ts";
import type { PayloadLeg } from "../execution.ts";

/** A leg of a bundle of level 1: prepared when its block is executed, in force or dropped when it is decided. */
export interface AtomicLeg {
  readonly bundleId: Uint8Array;
  readonly leg: number;
  readonly legs: number;
  readonly revertMode: RevertMode;
  /** Of all legs, in their order; this rollup's own among them. */
  readonly rollupIds: readonly Uint8Array[];
  /** Blocks after the bundle is filled in which executors may vote. */
  readonly voteBlocks: number;
  /** The most that this leg may lock. */
  readonly locksMax: number;
  readonly payloads: readonly Uint8Array[];
}

/** What a block says of a bundle of level 1 that names the rollup. */
export interface VerifiedDecision {
  readonly bundleId: Uint8Array;
  /** Block that holds the bundle. */
  readonly height: Height;
  /** Outcome, reason, and what a quorum of each leg has voted. */
  readonly decision: AtomicDecision;
}

export interface ExecutedPayloads {
  readonly payloads: readonly Uint8Array[];
  readonly legs: readonly PayloadLeg[];
  readonly atomicLegs: readonly AtomicLeg[];
}

/** Of a block whose hidden entries wait. */
export const NOT_FILLED = {
  payloads: undefined,
  legs: undefined,
  atomicLegs: undefined,
} as const;

/** Payloads in the order of execution, which of them are legs of bundles, and legs of level 1 apart from them. */
export function executedOf(
  rollupId: Uint8Array,
  filled: readonly FilledEntry[],
  order: readonly number[],
): ExecutedPayloads {
  const payloads: Uint8Array[] = [];
  const legs: PayloadLeg[] = [];
  const atomicLegs: AtomicLeg[] = [];
  for (const position of order) {
    const entry = filled[position];
    if (entry?.content === undefined) continue;
    const { bundleId, bundle, leg, legs: count } = entry;
    const own = rollupDataEntries(entry.content);
    if (bundleId === undefined || bundle === undefined) {
      payloads.push(...own);
      continue;
    }
    const { revertMode, siblings, atomic } = bundle;
    const of = { bundleId, leg, legs: count, revertMode };
    if (atomic === undefined) {
      legs.push({ ...of, first: payloads.length, count: own.length });
      payloads.push(...own);
      continue;
    }
    const locksMax = atomic.locks[leg];
    assert(locksMax !== undefined, "verified terms have a count for each leg");
    const { voteBlocks } = atomic;
    const rollupIds = rollupIdsOf(rollupId, siblings);
    atomicLegs.push({ ...of, rollupIds, voteBlocks, locksMax, payloads: own });
  }
  return { payloads, legs, atomicLegs };
}

/** Decisions about bundles, of verified ones. */
export function decidedBundles(
  decisions: readonly DeliveredDecision[],
): readonly VerifiedDecision[] {
  return decisions.flatMap(({ outcome, subject, height, detail }) => {
    if (outcome === DecisionOutcome.ORDER) return [];
    const decision = decodeAtomicDecision(detail);
    assert(decision !== undefined, "a verified decision has its detail");
    return [{ bundleId: subject, height, decision }];
  });
}

function rollupIdsOf(own: Uint8Array, siblings: readonly SiblingLeg[]): readonly Uint8Array[] {
  // Legs ascend by rollup, and verified siblings are all but this one.
  return [...siblings.map(({ rollupId }) => rollupId), own].sort(compareBytes);
}

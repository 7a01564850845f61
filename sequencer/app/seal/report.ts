/** What senders ask before they seal: the key, whether it is taken, what it costs. */
import { toHex } from "../../../proto/bytes.ts";
import type { SealKeyState } from "../../../proto/codec/seal-state.ts";
import type { StakingReader } from "../staking/context.ts";
import { dealingOf, generationOf } from "./keys/generation.ts";
import { keyInForce, sealedBatch, sealKey, sealState, unresolvedHeights } from "./reader.ts";

export interface SealKeyReport {
  /** Whether the next block takes transactions that are sealed for `key`; otherwise there is commit and reveal. */
  readonly isOpen: boolean;
  /** Why not; empty when it does. */
  readonly reason: string;
  /** Undefined when there is none, or none of the number that was asked for. */
  readonly key: SealKeyState | undefined;
  /** Final and not in force yet. */
  readonly next: SealKeyState | undefined;
  /** nweft held for each sealed transaction, and for the first commit of an account. */
  readonly bond: bigint;
  readonly commitBond: bigint;
  /** Blocks in which a commit may be revealed, if a large set does not have more. */
  readonly revealBlocks: number;
}

/** @param number 0: the key that the next block takes */
export function sealKeyReport(reader: StakingReader, number = 0): SealKeyReport {
  const { isOpen, nextKey, nextKeyHeight } = sealState(reader);
  const inForce = keyInForce(reader, reader.height);
  const key = sealKey(reader, number === 0 ? inForce : number);
  const reason = closedReason(number === 0 ? inForce : number, inForce, isOpen);
  return {
    isOpen: reason === "" && key !== undefined,
    reason:
      key !== undefined && key.number === nextKey && nextKey !== inForce
        ? `key ${nextKey} is taken from block ${nextKeyHeight} on`
        : reason,
    key,
    next: nextKey === inForce ? undefined : sealKey(reader, nextKey),
    bond: reader.params.sealBond,
    commitBond: reader.params.sealCommitBond,
    revealBlocks: reader.params.sealRevealBlocks,
  };
}

function closedReason(asked: number, inForce: number, isOpen: boolean): string {
  if (inForce === 0) return "there is no key yet: validators make one at the begin of an epoch";
  if (asked !== inForce) return `the key in force is ${inForce}`;
  return isOpen ? "" : "the validators that hold the key have too little of the power";
}

/** How far the key generation under way is. */
export interface GenerationProgress {
  readonly step: "dealing" | "complaints";
  /** Last height of that step; dealing ends early once all have dealt. */
  readonly until: number;
  /** Members whose dealing is not on the chain, by address. */
  readonly silent: readonly Uint8Array[];
}

/** As the next block finds it; undefined when none is under way. */
export function generationProgress(reader: StakingReader): GenerationProgress | undefined {
  const generation = generationOf(reader);
  if (generation === undefined) return undefined;
  const { key, members, dealHeight, complainHeight } = generation;
  const isDealing = reader.height <= dealHeight;
  return {
    step: isDealing ? "dealing" : "complaints",
    until: isDealing ? dealHeight : complainHeight,
    silent: members
      .map(({ validator }) => validator)
      .filter((validator) => dealingOf(reader, key, toHex(validator)) === undefined),
  };
}

/** A sealed item that is ordered and not resolved. */
export interface PendingItem {
  /** Block that ordered it. */
  readonly height: number;
  readonly key: number;
  /** Transaction id, 32 bytes, and the account that sent it, 20 bytes. */
  readonly id: Uint8Array;
  readonly sender: Uint8Array;
  /** Block that disputed it; 0: none. */
  readonly disputedHeight: number;
}

/** Sealed items that wait to be opened, the oldest first, at most `max`. */
export function pendingItems(reader: StakingReader, max: number): readonly PendingItem[] {
  const found: PendingItem[] = [];
  for (const height of unresolvedHeights(reader)) {
    const batch = sealedBatch(reader, height);
    for (const { id, sender, disputedHeight } of batch?.items ?? []) {
      if (found.length === max) return found;
      found.push({ height, key: batch?.key ?? 0, id, sender, disputedHeight });
    }
  }
  return found;
}

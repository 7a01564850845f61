/** Slashing values of the state, `weft.state.v1`; conventions as in `staking-state.ts`. */
import type { Height } from "../brands.ts";
import { ADDRESS_BYTES } from "../limits.ts";
import {
  amount,
  defineRecord,
  fixedBytes,
  height,
  list,
  optionalBytes,
  type RecordCodec,
  text,
  uint,
  uint32,
} from "./record.ts";
import { BASIS_POINTS } from "./weft-basics.ts";

/** Bytes of a chunk of missed blocks. */
export const MISSED_CHUNK_BYTES = 128;
/** Bytes of the name of an evidence route. */
export const ROUTE_BYTES_MAX = 64;
/** Slashes of one validator that are remembered at once. */
export const SLASHED_ENTRIES_MAX: number = 1 << 16;

/** `signing/<validator>`: liveness of a validator in the set. */
export interface SigningState {
  /** First height that counts: where it first voted, since it was last jailed or its window changed. */
  readonly startHeight: Height;
  /** Missed blocks within the window; equals the bits that are set. */
  readonly missed: number;
  /** Blocks of the window that the bits are laid out by: the parameter when it began. */
  readonly window: number;
}

/**
 * `missed/<validator>/<chunk, 4 digits>`: bits of 1,024 heights of the window, 1 = missed; there when one
 * is set.
 */
export interface MissedChunkState {
  /** 128 bytes. */
  readonly bits: Uint8Array;
}

/** `evidence/<hash>`: a fault that was punished or refused as too old never counts twice. */
export interface EvidenceState {
  /** Name of the route: "duplicate-vote", "light-client-attack", "duplicate-proposal", ... */
  readonly route: string;
  /** Consensus address, 20 bytes. */
  readonly validator: Uint8Array;
  /** Of the infraction. */
  readonly height: Height;
  /** Block in which it was punished. */
  readonly punishedHeight: Height;
  /** nweft burned, the reward not included. */
  readonly burned: bigint;
  /** nweft to who reported it. */
  readonly reward: bigint;
  /** Account that reported it, 20 bytes; empty for evidence that consensus brought. */
  readonly reporter: Uint8Array;
}

/** `slashed/<validator>`: what its stake lost within the unbonding time, oldest first. */
export interface SlashedState {
  readonly entries: readonly SlashedEntry[];
}

export interface SlashedEntry {
  /** Block time. */
  readonly seconds: number;
  /** Part of the power at the infraction. */
  readonly fractionBps: number;
  /** End of the jail that came with it, block time; faults within it do not add up (spec staking C4). */
  readonly jailedUntilSeconds: number;
}

/**
 * `time/<n, 16 digits>`: block time of block 100 * n, as far back as evidence reaches: dates a fault, which
 * says its height alone.
 */
export interface HeightTimeState {
  readonly seconds: number;
  /** Lowest n that is kept. */
  readonly oldest: number;
}

export const SIGNING_CODEC: RecordCodec<SigningState> = defineRecord<SigningState>({
  startHeight: [1, height],
  missed: [2, uint32()],
  window: [3, uint32()],
});

export const MISSED_CODEC: RecordCodec<MissedChunkState> = defineRecord<MissedChunkState>({
  bits: [1, fixedBytes(MISSED_CHUNK_BYTES)],
});

export const EVIDENCE_CODEC: RecordCodec<EvidenceState> = defineRecord<EvidenceState>({
  route: [1, text(ROUTE_BYTES_MAX, 1)],
  validator: [2, fixedBytes(ADDRESS_BYTES)],
  height: [3, height],
  punishedHeight: [4, height],
  burned: [5, amount],
  reward: [6, amount],
  reporter: [7, optionalBytes(ADDRESS_BYTES)],
});

const SLASHED_ENTRY_CODEC = defineRecord<SlashedEntry>({
  seconds: [1, uint],
  fractionBps: [2, uint32(0, BASIS_POINTS)],
  jailedUntilSeconds: [3, uint],
});

export const SLASHED_CODEC: RecordCodec<SlashedState> = defineRecord<SlashedState>({
  entries: [1, list(SLASHED_ENTRY_CODEC, SLASHED_ENTRIES_MAX, 1)],
});

export const HEIGHT_TIME_CODEC: RecordCodec<HeightTimeState> = defineRecord<HeightTimeState>({
  seconds: [1, uint],
  oldest: [2, uint],
});

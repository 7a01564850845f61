/** Slashing values of the state, `weft.state.v1`; conventions as in `staking-state.ts`. */
import type { Height } from "../brands.ts";

/** `signing/<validator>`: liveness of a validator in the set. */
export interface SigningState {
  /** First height that counts: where it joined, or was last unjailed or had its window reset. */
  readonly startHeight: Height;
  /** Missed blocks within the window; equals the bits that are set. */
  readonly missed: number;
}

/** `missed/<validator>/<chunk, 4 digits>`: bits of 1,024 heights of the window, 1 = missed; no record = all 0. */
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

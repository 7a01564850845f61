/** What searchers ask of a gateway, read from whatever they speak and not checked against any state. */
import type { RevertMode } from "../../../proto/codec/mev-tx.ts";

/** What one rollup is to execute, in this order. */
export interface RequestedLeg {
  /** 32 bytes. */
  readonly rollupId: Uint8Array;
  /** At least one. */
  readonly txs: readonly Uint8Array[];
}

export interface RequestedBundleLeg extends RequestedLeg {
  readonly revertMode: RevertMode;
  /** nweft. */
  readonly tip: bigint;
}

/** Heights of the sequencer; left out: the gateway's default. */
export interface RequestedWindow {
  readonly minHeight: number | undefined;
  readonly maxHeight: number | undefined;
}

export interface RequestedReplacement {
  readonly uuid: string;
  /** Left out: the next one. */
  readonly sequence: bigint | undefined;
}

export interface BundleRequest extends RequestedWindow {
  readonly legs: readonly RequestedBundleLeg[];
  readonly replacement: RequestedReplacement | undefined;
  readonly isEncrypted: boolean;
}

export interface BidRequest extends RequestedWindow {
  readonly legs: readonly RequestedLeg[];
  /** nweft. */
  readonly amount: bigint;
}

/** Who asks: address of the X-Flashbots-Signature header, 20 bytes; empty without one. */
export type Requester = Uint8Array;

/** What a gateway answers to what it has sent. */
export interface Sent {
  /** Transaction id, 32 bytes: statuses are asked for by it. */
  readonly id: Uint8Array;
  /** What the entries of a bundle carry, 32 bytes; empty for what is no bundle. */
  readonly bundleId: Uint8Array;
  /** That its replacement key has now; undefined without one. */
  readonly sequence: bigint | undefined;
}

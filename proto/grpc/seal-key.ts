/** The key that transactions are sealed for, and what became of sealed ones, for the generated codecs. */
import { weft } from "#proto-gen/weft.js";
import type { Height } from "../brands.ts";
import { messageCodec, toBigint, toBytes, toHeight, toNumber, toUint64 } from "./wire.ts";

const v1 = weft.rollup.v1;

export interface GetSealKeyRequest {
  /** 0: the key that the next block takes. */
  readonly number: number;
}

export interface GetSealKeyResponse {
  /** Whether the next block takes transactions that are sealed for `key`. */
  readonly open: boolean;
  /** Why not; empty when it does. */
  readonly reason: string;
  readonly key: SealKeyInfo | undefined;
  /** Final and not in force yet. */
  readonly next: SealKeyInfo | undefined;
  /** nweft. */
  readonly bond: bigint;
  readonly commitBond: bigint;
  readonly revealBlocks: number;
  readonly height: Height;
}

export interface SealKeyInfo {
  readonly number: number;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Tickets whose holders can open together. */
  readonly threshold: number;
  readonly activeHeight: Height;
  /** 0 while that is unknown. */
  readonly retiredHeight: Height;
  readonly holders: readonly { readonly validator: Uint8Array; readonly tickets: number }[];
}

export const SealingState = {
  UNSPECIFIED: 0,
  SEALED: 1,
  DISPUTED: 2,
  OPENED: 3,
  INVALID: 4,
  EXPIRED: 5,
  VOID: 6,
  LOST: 7,
} as const;
export type SealingState = (typeof SealingState)[keyof typeof SealingState];

/** What became of the content of a sealed transaction or a commit that has its place. */
export interface Sealing {
  readonly state: SealingState;
  /** Block that says so. */
  readonly height: Height;
  readonly reason: string;
}

export const getSealKeyRequest = messageCodec(
  v1.GetSealKeyRequest,
  (value: GetSealKeyRequest) => value,
  (wire) => ({ number: toNumber(wire.number) }),
);

export const getSealKeyResponse = messageCodec(
  v1.GetSealKeyResponse,
  (value: GetSealKeyResponse): weft.rollup.v1.GetSealKeyResponse.$Properties => ({
    ...value,
    key: value.key === undefined ? null : toWireKey(value.key),
    next: value.next === undefined ? null : toWireKey(value.next),
    bond: toUint64(value.bond),
    commitBond: toUint64(value.commitBond),
  }),
  (wire): GetSealKeyResponse => ({
    open: wire.open,
    reason: wire.reason,
    key: fromWireKey(wire.key),
    next: fromWireKey(wire.next),
    bond: toBigint(wire.bond),
    commitBond: toBigint(wire.commitBond),
    revealBlocks: wire.revealBlocks,
    height: toHeight(wire.height),
  }),
);

/** To the generated enum, by number. */
const WIRE_SEALING_STATES = [
  v1.SealingState.SEALING_STATE_UNSPECIFIED,
  v1.SealingState.SEALING_STATE_SEALED,
  v1.SealingState.SEALING_STATE_DISPUTED,
  v1.SealingState.SEALING_STATE_OPENED,
  v1.SealingState.SEALING_STATE_INVALID,
  v1.SealingState.SEALING_STATE_EXPIRED,
  v1.SealingState.SEALING_STATE_VOID,
  v1.SealingState.SEALING_STATE_LOST,
] as const;

export function toWireSealing(
  sealing: Sealing | undefined,
): weft.rollup.v1.Sealing.$Properties | null {
  if (sealing === undefined) return null;
  return { ...sealing, state: WIRE_SEALING_STATES[sealing.state] };
}

export function fromWireSealing(
  wire: weft.rollup.v1.Sealing.$Properties | null | undefined,
): Sealing | undefined {
  if (wire === null || wire === undefined) return undefined;
  const state = toSealingState(wire.state ?? 0);
  return { state, height: toHeight(wire.height ?? 0), reason: wire.reason ?? "" };
}

/** States of a later version are none that this one knows. */
function toSealingState(wire: number): SealingState {
  return Object.values(SealingState).find((state) => state === wire) ?? SealingState.UNSPECIFIED;
}

function toWireKey(key: SealKeyInfo): weft.rollup.v1.SealKeyInfo.$Properties {
  return { ...key, holders: key.holders.map((holder) => ({ ...holder })) };
}

function fromWireKey(
  wire: weft.rollup.v1.SealKeyInfo.$Properties | null | undefined,
): SealKeyInfo | undefined {
  if (wire === null || wire === undefined) return undefined;
  return {
    number: toNumber(wire.number ?? 0),
    publicKey: toBytes(wire.publicKey),
    threshold: wire.threshold ?? 0,
    activeHeight: toHeight(wire.activeHeight ?? 0),
    retiredHeight: toHeight(wire.retiredHeight ?? 0),
    holders: (wire.holders ?? []).map(({ validator, tickets }) => ({
      validator: toBytes(validator),
      tickets: tickets ?? 0,
    })),
  };
}

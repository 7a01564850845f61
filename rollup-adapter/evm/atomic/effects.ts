/** What a leg would do to the state: found out by running it, hashed for the vote, written when it commits. */
import { RLP } from "@ethereumjs/rlp";
import { Account, Address, bigIntToUnpaddedBytes, unpadBytes } from "@ethereumjs/util";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesEqual, utf8ToBytes } from "../../../proto/bytes.ts";
import { type StoredReceipt, receiptFields } from "../records.ts";
import type { StateView } from "../virtual-machine.ts";
import type { Lock } from "./locks.ts";

export const EffectKind = { NONCE: 0, BALANCE: 1, SLOT: 2 } as const;
export type EffectKind = (typeof EffectKind)[keyof typeof EffectKind];

/** One new value. Sorted by address, kind and slot; each at most once. */
export interface Effect {
  /** 20 bytes. */
  readonly address: Uint8Array;
  readonly kind: EffectKind;
  /** 32 bytes of a slot, else empty. */
  readonly slot: Uint8Array;
  /** Big-endian without leading zeros; empty for zero. */
  readonly value: Uint8Array;
}

/** A transaction of a leg, with the receipt that it has in the block that commits it. */
export interface StagedTransaction {
  /** Canonical encoding. */
  readonly raw: Uint8Array;
  /** Gas that it counts for in a block. */
  readonly blockGas: bigint;
  /** `cumulativeGasUsed` is that of its block once there is one; 0 here. */
  readonly receipt: StoredReceipt;
}

/** All that committing a leg takes. */
export interface StagedLeg {
  readonly effects: readonly Effect[];
  /** Wei for the fee recipient, whoever that makes rich in between. */
  readonly tip: bigint;
  readonly transactions: readonly StagedTransaction[];
  readonly locks: readonly Lock[];
}

/** What the vote commits to: new values, tip, and the receipts. */
export function effectsHash(leg: Omit<StagedLeg, "locks">): Uint8Array {
  return keccak_256(
    RLP.encode([
      utf8ToBytes("weft/evm/effects/v1"),
      leg.effects.map(({ address, kind, slot, value }) => [address, kind, slot, value]),
      leg.tip,
      leg.transactions.map(({ blockGas, receipt }) => [blockGas, receiptFields(receipt)]),
    ]),
  );
}

/** What differs of the locked between two states, in order. */
export async function differences(
  locks: readonly Lock[],
  before: StateView,
  after: StateView,
): Promise<Effect[]> {
  const effects: Effect[] = [];
  const put = (
    address: Uint8Array,
    kind: EffectKind,
    slot: Uint8Array,
    value: Uint8Array,
  ): void => {
    effects.push({ address, kind, slot, value });
  };
  // By name of lock: an account stands before its slots.
  for (const { key, isExclusive } of locks) {
    if (!isExclusive) continue;
    const [address, slot] = [key.slice(0, 20), key.slice(20)];
    const at = new Address(address);
    if (slot.length > 0) {
      const value = unpadBytes(await after.getStorage(at, slot));
      if (!bytesEqual(value, unpadBytes(await before.getStorage(at, slot)))) {
        put(address, EffectKind.SLOT, slot, value);
      }
      continue;
    }
    const was = (await before.getAccount(at)) ?? new Account();
    const is = (await after.getAccount(at)) ?? new Account();
    if (is.nonce !== was.nonce) {
      put(address, EffectKind.NONCE, slot, bigIntToUnpaddedBytes(is.nonce));
    }
    if (is.balance !== was.balance) {
      put(address, EffectKind.BALANCE, slot, bigIntToUnpaddedBytes(is.balance));
    }
  }
  return effects;
}

/** Writes them. What they change is locked since they were found, so they are still what the leg would do. */
export async function applyLeg(
  state: StateView,
  leg: Pick<StagedLeg, "effects" | "tip">,
  feeRecipient: Uint8Array,
): Promise<void> {
  for (const { address, kind, slot, value } of leg.effects) {
    const at = new Address(address);
    if (kind === EffectKind.SLOT) {
      await state.putStorage(at, slot, value);
      continue;
    }
    const account = (await state.getAccount(at)) ?? new Account();
    const number = toBigInt(value);
    if (kind === EffectKind.NONCE) account.nonce = number;
    else account.balance = number;
    await state.putAccount(at, account);
  }
  if (leg.tip === 0n) return;
  const at = new Address(feeRecipient);
  const account = (await state.getAccount(at)) ?? new Account();
  account.balance += leg.tip;
  await state.putAccount(at, account);
}

function toBigInt(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

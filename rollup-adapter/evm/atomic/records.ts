/** What the database holds of atomic bundles, and its bytes (RLP). */
import { RLP } from "@ethereumjs/rlp";
import { AtomicOutcome, type Box, Verdict, VoteReason } from "../../../proto/codec/atomic-tx.ts";
import { Height } from "../../../proto/brands.ts";
import { assert } from "../../../proto/errors.ts";
import type { PrepareBundleResponse } from "../../execution.ts";
import { type Item, blob, list, receiptFields, receiptOfFields, uint } from "../records.ts";
import { EffectKind, type StagedLeg } from "./effects.ts";

/** A bundle that was prepared here. While it is open it holds what committing it takes. */
export interface BundleRecord {
  readonly bundleId: Uint8Array;
  /** Where it was prepared. */
  readonly height: Height;
  readonly blockHash: Uint8Array;
  /** Of those prepared at this height, from 0. */
  readonly order: number;
  /** Gas limits of those of its transactions that were run when it was prepared. */
  readonly gas: bigint;
  readonly prepared: PrepareBundleResponse;
  /** Undefined when the answer was NO, and once it is decided. */
  readonly staged: StagedLeg | undefined;
  /** Hashes of the leg's transactions, as far as its payloads are any. */
  readonly transactionHashes: readonly Uint8Array[];
  readonly decision: BundleDecision | undefined;
}

export interface BundleDecision {
  readonly height: Height;
  readonly blockHash: Uint8Array;
  /** Of those decided at this height, from 0. */
  readonly order: number;
  readonly outcome: AtomicOutcome;
  readonly reason: number;
}

export function encodeBundle(record: BundleRecord): Uint8Array {
  const { prepared, staged, decision } = record;
  return RLP.encode([
    record.bundleId,
    record.height,
    record.blockHash,
    record.order,
    [
      prepared.verdict,
      prepared.reason,
      prepared.preStateRoot,
      prepared.effectsHash,
      prepared.outbox.map(boxFields),
      prepared.inbox.map(boxFields),
    ],
    staged === undefined ? [] : stagedFields(staged),
    [...record.transactionHashes],
    decision === undefined
      ? []
      : [decision.height, decision.blockHash, decision.order, decision.outcome, decision.reason],
    record.gas,
  ]);
}

export function decodeBundle(bytes: Uint8Array): BundleRecord {
  const row = list(RLP.decode(bytes));
  const answer = list(row[4]);
  const staged = list(row[5]);
  const decision = list(row[7]);
  return {
    bundleId: blob(row[0]),
    height: heightOf(row[1]),
    blockHash: blob(row[2]),
    order: numberOf(row[3]),
    gas: uint(row[8]),
    prepared: {
      verdict: known(Verdict, answer[0]),
      reason: known(VoteReason, answer[1]),
      preStateRoot: blob(answer[2]),
      effectsHash: blob(answer[3]),
      outbox: list(answer[4]).map(boxOf),
      inbox: list(answer[5]).map(boxOf),
    },
    staged: staged.length === 0 ? undefined : stagedOf(staged),
    transactionHashes: list(row[6]).map(blob),
    decision:
      decision.length === 0
        ? undefined
        : {
            height: heightOf(decision[0]),
            blockHash: blob(decision[1]),
            order: numberOf(decision[2]),
            outcome: known(AtomicOutcome, decision[3]),
            reason: numberOf(decision[4]),
          },
  };
}

function stagedFields({ effects, tip, transactions, locks }: StagedLeg) {
  return [
    effects.map(({ address, kind, slot, value }) => [address, kind, slot, value]),
    tip,
    transactions.map(({ raw, blockGas, receipt }) => [raw, blockGas, receiptFields(receipt)]),
    locks.map(({ key, isExclusive }) => [key, isExclusive ? 1 : 0]),
  ];
}

function stagedOf(row: readonly Item[]): StagedLeg {
  return {
    effects: list(row[0]).map((item) => {
      const [address, kind, slot, value] = list(item);
      return {
        address: blob(address),
        kind: known(EffectKind, kind),
        slot: blob(slot),
        value: blob(value),
      };
    }),
    tip: uint(row[1]),
    transactions: list(row[2]).map((item) => {
      const [raw, blockGas, receipt] = list(item);
      return { raw: blob(raw), blockGas: uint(blockGas), receipt: receiptOfFields(receipt) };
    }),
    locks: list(row[3]).map((item) => {
      const [key, isExclusive] = list(item);
      return { key: blob(key), isExclusive: uint(isExclusive) === 1n };
    }),
  };
}

function boxFields({ rollupId, root }: Box): Uint8Array[] {
  return [rollupId, root];
}

function boxOf(item: Item): Box {
  const [rollupId, root] = list(item);
  return { rollupId: blob(rollupId), root: blob(root) };
}

function heightOf(item: Item | undefined): Height {
  return Height(numberOf(item));
}

function numberOf(item: Item | undefined): number {
  return Number(uint(item));
}

function known<Value extends number>(
  values: Readonly<Record<string, Value>>,
  item: Item | undefined,
): Value {
  const found = Object.values(values).find((value) => value === numberOf(item));
  assert(found !== undefined, "a bundle's record holds known numbers");
  return found;
}

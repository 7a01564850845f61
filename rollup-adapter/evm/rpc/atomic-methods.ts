/** What the rollup itself knows of atomic bundles: levels, states, and why (docs/rollups.md, "Atomic execution"). */
import { AtomicOutcome, Verdict } from "../../../proto/codec/atomic-tx.ts";
import { bytesToHex } from "../../json-rpc/hex.ts";
import type { Json, Method } from "../../json-rpc/method.ts";
import { hashParam } from "../../json-rpc/params.ts";
import type { BundleRecord } from "../atomic/records.ts";
import type { EvmChain } from "../executor.ts";

export function atomicMethods(chain: EvmChain): Record<string, Method> {
  if (!chain.genesis.atomic) return {};
  return {
    weft_getAtomicBundle: ([id]) => {
      const record = chain.bundles.find(hashParam(id, "bundle id"));
      return record === undefined ? null : formatBundle(record);
    },
  };
}

/** For the receipt of a transaction that a bundle brought: the bundle, and its level; undefined for every other. */
export function bundleOfReceipt(chain: EvmChain, hash: Uint8Array | undefined): Json | undefined {
  if (hash === undefined) return undefined;
  const committed = chain.genesis.atomic ? committedLeg(chain, hash) : undefined;
  if (committed !== undefined) return committed;
  const id = chain.store.includedBundleOfTransaction(hash);
  return id === undefined ? undefined : { bundleId: bytesToHex(id), level: 0, state: "INCLUDED" };
}

function committedLeg(chain: EvmChain, hash: Uint8Array): Json | undefined {
  const id = chain.store.bundleOfTransaction(hash);
  const record = id === undefined ? undefined : chain.bundles.find(id);
  // One that was aborted did not bring it: its sender may have sent it again by itself.
  if (record?.decision?.outcome !== AtomicOutcome.COMMIT) return undefined;
  return {
    bundleId: bytesToHex(record.bundleId),
    level: 1,
    state: stateOf(record),
    preparedHeight: record.height,
    decidedHeight: record.decision.height,
  };
}

function formatBundle(record: BundleRecord): Json {
  const { prepared, decision } = record;
  const isYes = prepared.verdict === Verdict.YES;
  return {
    bundleId: bytesToHex(record.bundleId),
    level: 1,
    state: stateOf(record),
    preparedHeight: record.height,
    verdict: isYes ? "YES" : "NO",
    noReason: prepared.reason,
    effectsHash: isYes ? bytesToHex(prepared.effectsHash) : null,
    decidedHeight: decision?.height ?? null,
    abortReason: decision?.reason ?? null,
    transactions: record.transactionHashes.map((hash) => bytesToHex(hash)),
  };
}

function stateOf({ decision }: BundleRecord): string {
  if (decision === undefined) return "PREPARED";
  return decision.outcome === AtomicOutcome.COMMIT ? "COMMITTED" : "ABORTED";
}

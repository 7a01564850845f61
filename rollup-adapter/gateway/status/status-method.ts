/** `weft_getTransactionStatus`: where a wallet's transaction is, how firm that is, and the proof of its place. */
import { toHex } from "../../../proto/bytes.ts";
import type { RollupId } from "../../../proto/brands.ts";
import { isWeftError } from "../../../proto/errors.ts";
import type { EntryProof } from "../../../proto/grpc/block-queries.ts";
import type { MerkleProof } from "../../../proto/types.ts";
import type { SubmitClient } from "../../client/failover-client.ts";
import type { TransactionStatus } from "../../client/sequencer-client.ts";
import { limitExceeded, RPC_CODE, RpcError } from "../../json-rpc/errors.ts";
import { bytesToHex, quantity } from "../../json-rpc/hex.ts";
import type { Json, Method } from "../../json-rpc/method.ts";
import { booleanParam, hashParam, objectParam } from "../../json-rpc/params.ts";
import type { Placement } from "../journal/placement-record.ts";
import type { PendingPool } from "../pool/pending-pool.ts";
import type { Submitter } from "../submitter.ts";
import { STATUS_QUESTIONS_MAX } from "./limits.ts";
import type { Placements } from "./placements.ts";

/** What the rollup's own chain says. */
export interface StatusChain {
  /** The block that holds the transaction. */
  blockOf(
    hash: Uint8Array,
  ): Promise<{ readonly number: number; readonly hash: Uint8Array } | undefined>;
  /** Number of the newest block that is final by the deployment's own rule. */
  finalizedNumber(): Promise<number>;
}

export interface StatusDependencies {
  readonly rollupId: RollupId;
  readonly placements: Placements;
  readonly pool: () => Pick<PendingPool, "get" | "lostReason">;
  readonly submitter: Pick<Submitter, "submissionOf">;
  readonly client: Pick<SubmitClient, "entryProof" | "transactionStatus">;
  readonly chain: () => StatusChain;
}

export function statusMethods(dependencies: StatusDependencies): Record<string, Method> {
  const { rollupId, placements, submitter, client } = dependencies;
  let underWay = 0;

  /** Strangers' curiosity must not use up the nodes that carry submissions. */
  async function question<T>(ask: () => Promise<T>): Promise<T> {
    if (underWay >= STATUS_QUESTIONS_MAX) {
      throw limitExceeded("too many questions about transactions are under way; try again later");
    }
    underWay += 1;
    try {
      return await ask();
    } finally {
      underWay -= 1;
    }
  }

  async function ofPlaced(hash: Uint8Array, placement: Placement): Promise<Json> {
    const { height, position, index, itemId, isSealed, outcome, reason } = placement;
    const chain = dependencies.chain();
    const block = await chain.blockOf(hash);
    // Executed at another place than the one noted, of which a crash took the note.
    if (outcome === "skipped" && block !== undefined) return await ofUnplaced(hash, undefined);
    const isFinal = block !== undefined && block.number <= (await chain.finalizedNumber());
    return {
      state: block === undefined ? outcome : "executed",
      // The driver executes at level FILLED only.
      level: isFinal ? "final" : "filled",
      weftTransaction: `0x${itemId}`,
      height: quantity(height),
      position: quantity(position),
      index: quantity(index),
      isSealed,
      block:
        block === undefined
          ? null
          : { number: quantity(block.number), hash: bytesToHex(block.hash) },
      reason: reason ?? null,
    };
  }

  /** Of one that is neither placed nor pending: executed before what is kept, given up, or never seen. */
  async function ofUnplaced(hash: Uint8Array, lost: string | undefined): Promise<Json> {
    const chain = dependencies.chain();
    const block = await chain.blockOf(hash);
    if (block === undefined) return unknownStatus(lost);
    const isFinal = block.number <= (await chain.finalizedNumber());
    return {
      ...NOWHERE,
      state: "executed",
      level: isFinal ? "final" : "filled",
      block: { number: quantity(block.number), hash: bytesToHex(block.hash) },
      // Just executed, its place is noted a moment later.
      reason: "its place in the order is not noted here yet, or not any more",
    };
  }

  /** Of one that is not executed here: what its submission's node says. */
  async function ofPending(raw: Uint8Array): Promise<Json> {
    const id = submitter.submissionOf(raw)?.id;
    const waiting = { ...NOWHERE, state: "waiting" };
    if (id === undefined) {
      return { ...waiting, reason: "it waits for its predecessor, or for its submission" };
    }
    const submitted = { ...NOWHERE, state: "submitted", weftTransaction: `0x${id}` };
    const status = await nodeStatus(Buffer.from(id, "hex"));
    if (status?.state !== "committed") {
      return { ...submitted, reason: status?.reason === "" ? null : (status?.reason ?? null) };
    }
    return { ...submitted, state: "ordered", level: "committed", height: quantity(status.height) };
  }

  async function nodeStatus(id: Uint8Array): Promise<TransactionStatus | undefined> {
    try {
      return await question(() => client.transactionStatus(id));
    } catch (error) {
      if (isWeftError(error) && error.code === "SEQUENCER_CALL_FAILED") return undefined;
      throw error;
    }
  }

  async function proofOf({ height, position }: Placement): Promise<Json> {
    try {
      const proof = await question(() => client.entryProof(rollupId, height, position));
      return formatProof(proof, position);
    } catch (error) {
      if (!isWeftError(error) || error.code !== "SEQUENCER_CALL_FAILED") throw error;
      throw new RpcError(
        RPC_CODE.RESOURCE_NOT_FOUND,
        `no node gives the proof of block ${height} now; it may have been pruned`,
      );
    }
  }

  return {
    weft_getTransactionStatus: async ([value, options]) => {
      const hash = hashParam(value, "transaction hash");
      const fields = options === undefined ? {} : objectParam(options, "options");
      const isProven = booleanParam(fields["proof"], "options.proof");
      const key = toHex(hash);
      const placement = placements.of(key);
      if (placement !== undefined) {
        const status = await ofPlaced(hash, placement);
        if (!isProven) return { hash: `0x${key}`, ...asObject(status), proof: null };
        return { hash: `0x${key}`, ...asObject(status), proof: await proofOf(placement) };
      }
      const pool = dependencies.pool();
      const pending = pool.get(hash);
      const status =
        pending === undefined
          ? await ofUnplaced(hash, pool.lostReason(hash))
          : await ofPending(pending.raw);
      return { hash: `0x${key}`, ...asObject(status), proof: null };
    },
  };
}

const NOWHERE = {
  state: "unknown",
  level: null,
  weftTransaction: null,
  height: null,
  position: null,
  index: null,
  isSealed: null,
  block: null,
  reason: null,
} as const;

function unknownStatus(lost: string | undefined): Json {
  if (lost !== undefined) return { ...NOWHERE, state: "dropped", reason: lost };
  return { ...NOWHERE, reason: "this node has not seen it in the order, or has forgotten it" };
}

function asObject(value: Json): { readonly [key: string]: Json } {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  return value as { readonly [key: string]: Json };
}

/** As `transactionProofFromJson` reads it. */
function formatProof(proof: EntryProof, position: number): Json {
  const { leaf, leafProof, entry, entryProof } = proof.proven;
  return {
    height: quantity(proof.height),
    position: quantity(position),
    signedHeader: bytesToHex(proof.signedHeader),
    validatorSet: bytesToHex(proof.validatorSet),
    manifest: bytesToHex(proof.manifest),
    manifestProof: formatMerkleProof(proof.manifestProof),
    leaf: bytesToHex(leaf),
    leafProof: formatMerkleProof(leafProof),
    entry: bytesToHex(entry),
    entryProof: formatMerkleProof(entryProof),
    payload: bytesToHex(proof.payload),
  };
}

function formatMerkleProof({ total, index, leafHash, aunts }: MerkleProof): Json {
  return { total, index, leafHash: bytesToHex(leafHash), aunts: aunts.map(bytesToHex) };
}

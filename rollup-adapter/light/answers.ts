/** Parts of CometBFT's RPC answers that no block holds, and the errors of verifying answers. */
import { WeftError } from "../../proto/errors.ts";
import type { HashedTxResult } from "../../proto/hashes.ts";
import { type Json, merkleProofFromJson } from "../../proto/json.ts";
import type { JsonNode } from "../../proto/json-reader.ts";
import type { MerkleProof } from "../../proto/types.ts";

export type VerifiedRpcErrorInfo =
  /** The answer is not what verified headers commit to: the node lies or is broken. */
  | { readonly code: "VERIFY_ANSWER"; readonly method: string; readonly provider: string }
  /** No header commits to what was asked for, so that it cannot be verified. */
  | { readonly code: "VERIFY_NOT_PROVABLE"; readonly method: string }
  /** The node says that it has no such thing; that it has none cannot be verified. */
  | { readonly code: "VERIFY_NOT_FOUND"; readonly method: string };

export type VerifiedRpcError = WeftError<VerifiedRpcErrorInfo>;

export function verifiedRpcError(
  info: VerifiedRpcErrorInfo,
  message: string,
  cause?: unknown,
): VerifiedRpcError {
  return new WeftError<VerifiedRpcErrorInfo>(info, message, { cause });
}

/** The part of a transaction's result that headers commit to. */
export function hashedResultFromJson(node: JsonNode): HashedTxResult {
  return {
    code: node.get("code").count(),
    data: node.get("data").base64(),
    gasWanted: node.get("gas_wanted").bigint(),
    gasUsed: node.get("gas_used").bigint(),
  };
}

/** A whole result, of which headers commit to code, data and gas. */
export function txResultJson(node: JsonNode): Json {
  const { code, gasWanted, gasUsed } = hashedResultFromJson(node);
  return {
    code,
    data: node.get("data").raw as Json,
    log: node.get("log").text(),
    info: node.get("info").text(),
    gas_wanted: String(gasWanted),
    gas_used: String(gasUsed),
    events: node.get("events").raw as Json,
    codespace: node.get("codespace").text(),
  };
}

/** Members of a result that nothing commits to. */
export const UNVERIFIED_OF_RESULT: readonly string[] = ["log", "info", "events", "codespace"];

export interface TxAnswer {
  readonly height: number;
  readonly index: number;
  readonly tx: Uint8Array;
  readonly result: HashedTxResult;
  readonly proof: MerkleProof;
}

export function txAnswerFromJson(node: JsonNode): TxAnswer {
  return {
    height: node.get("height").height(),
    index: node.get("index").count(),
    tx: node.get("tx").base64(),
    result: hashedResultFromJson(node.get("tx_result")),
    proof: merkleProofFromJson(node.get("proof").get("proof")),
  };
}

export interface QueryAnswer {
  readonly code: number;
  readonly log: string;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly height: number;
  readonly proofOps: readonly {
    readonly type: string;
    readonly key: Uint8Array;
    readonly data: Uint8Array;
  }[];
}

export function queryAnswerFromJson(node: JsonNode): QueryAnswer {
  const proof = node.get("proofOps");
  const ops = proof.isAbsent ? [] : proof.get("ops").items();
  return {
    code: node.get("code").count(),
    log: node.get("log").text(),
    key: node.get("key").base64(),
    value: node.get("value").base64(),
    height: node.get("height").height(),
    proofOps: ops.map((op) => ({
      type: op.get("type").string(),
      key: op.get("key").base64(),
      data: op.get("data").base64(),
    })),
  };
}

/**
 * An answer whose `unverified` member names what nobody vouches for: paths of members, `*` for all of
 * it. Clients of CometBFT ignore members that they do not know.
 */
export function marked(result: unknown, unverified: readonly string[]): Json {
  if (typeof result !== "object" || result === null || Array.isArray(result)) {
    return { value: result as Json, unverified };
  }
  return { ...(result as Readonly<Record<string, Json>>), unverified };
}

/** What gRPC is given under either engine: the application behind it, and answers that no engine gives. */
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import type { CheckTxResponse } from "../abci/application.ts";
import { failure } from "../app/codes.ts";
import { checkResult } from "../app/execution/events.ts";
import type { WeftApplication } from "../app/weft-application.ts";
import type { Genesis } from "../engine/genesis.ts";
import type { GrpcApplication, GrpcNodeInfo } from "../grpc/ports.ts";
import { VERSION } from "./version.ts";

/** What a client submits: checked, kept and passed on to peers. */
export type SubmitTx = (tx: Uint8Array) => Promise<CheckTxResponse>;

export function createGrpcApplication(
  application: WeftApplication,
  submitTx: SubmitTx,
): GrpcApplication {
  return {
    read: application.read,
    checkTx: submitTx,
    bodies: application.listed.held,
    transactionStatus: (id) => application.transactionStatus(id),
    onProposed: (listener) => application.onProposed(listener),
    blockSlices: (txs, outcome) => application.blockSlices(txs, outcome),
  };
}

export function grpcNodeInfo(
  { chainId, initialHeight }: Pick<Genesis, "chainId" | "initialHeight">,
  isCatchingUp: () => boolean,
): GrpcNodeInfo {
  return { chainId, initialHeight, version: VERSION.weft, isCatchingUp };
}

/** The answer to a transaction that may be submitted again, here or elsewhere. */
export function refusedForNow(tx: Uint8Array, reason: string): CheckTxResponse {
  return checkResult(EMPTY_BYTES, tx.length, failure("POOL_BUSY", reason));
}

/**
 * The answer to bytes that no peer would take, empty or too many: as the application refuses others, with
 * a code and a reason.
 */
export function refusedForSize(tx: Uint8Array, reason: string): CheckTxResponse {
  const code = tx.length === 0 ? "TX_MALFORMED" : "TX_TOO_LARGE";
  return checkResult(EMPTY_BYTES, tx.length, failure(code, reason));
}

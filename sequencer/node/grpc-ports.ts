/** What gRPC is given under either engine: the application behind it, and answers that no engine gives. */
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import { isWeftError, WeftError } from "../../proto/errors.ts";
import type { CheckTxResponse } from "../abci/application.ts";
import { failure } from "../app/codes.ts";
import { checkResult } from "../app/execution/events.ts";
import type { WeftApplication } from "../app/weft-application.ts";
import type { Genesis } from "../engine/genesis.ts";
import type { GrpcErrorInfo } from "../grpc/grpc-error.ts";
import type { GrpcApplication, GrpcBlocks, GrpcNodeInfo } from "../grpc/ports.ts";
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

/** CometBFT's blocks. While it restarts, whoever asks for them is told to try again. */
export function createCometGrpcBlocks(blocks: GrpcBlocks): GrpcBlocks {
  async function orUnavailable<T>(reading: Promise<T>): Promise<T> {
    try {
      return await reading;
    } catch (cause) {
      if (!isWeftError(cause) || cause.code !== "COMET_RPC_UNREACHABLE") throw cause;
      throw new WeftError<GrpcErrorInfo>(
        { code: "GRPC_UNAVAILABLE" },
        "this node's CometBFT is starting or stopping; try again, or ask another node",
        { cause },
      );
    }
  }
  return {
    base: () => blocks.base(),
    height: () => blocks.height(),
    block: (height) => orUnavailable(blocks.block(height)),
    header: (height) => orUnavailable(blocks.header(height)),
    seenCommit: (height) => orUnavailable(blocks.seenCommit(height)),
    validators: (height) => orUnavailable(blocks.validators(height)),
    hashedValidators: (height) => orUnavailable(blocks.hashedValidators(height)),
    results: (height) => orUnavailable(blocks.results(height)),
    onBlock: (listener) => blocks.onBlock(listener),
  };
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

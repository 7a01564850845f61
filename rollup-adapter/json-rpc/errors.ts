/** Errors as Ethereum clients expect them: JSON-RPC 2.0 and EIP-1474 codes, geth's words. */

import type { Json } from "./method.ts";

export const RPC_CODE = {
  PARSE_ERROR: -32_700,
  INVALID_REQUEST: -32_600,
  METHOD_NOT_FOUND: -32_601,
  INVALID_PARAMS: -32_602,
  INTERNAL: -32_603,
  /** "Missing or invalid parameters" of EIP-1474; geth uses it for every refusal. */
  SERVER: -32_000,
  RESOURCE_NOT_FOUND: -32_001,
  /** What is needed for an answer is away, or not up to date yet: ask again. */
  RESOURCE_UNAVAILABLE: -32_002,
  TRANSACTION_REJECTED: -32_003,
  LIMIT_EXCEEDED: -32_005,
  /** A call that the contract reverted; `data` holds what it said. */
  REVERTED: 3,
} as const;

/** What a method throws to answer with an error; anything else becomes INTERNAL. */
export class RpcError extends Error {
  readonly code: number;
  readonly data: Json | undefined;

  constructor(code: number, message: string, data?: Json) {
    super(message);
    this.name = "RpcError";
    this.code = code;
    this.data = data;
  }
}

export function invalidParams(message: string): RpcError {
  return new RpcError(RPC_CODE.INVALID_PARAMS, message);
}

export function serverError(message: string): RpcError {
  return new RpcError(RPC_CODE.SERVER, message);
}

/** geth's answer to a price below the block's; both in wei for a unit of gas. */
export function feeBelowBaseFee(address: string, maxFeePerGas: bigint, baseFee: bigint): RpcError {
  return serverError(
    `max fee per gas less than block base fee: address ${address}, maxFeePerGas: ${maxFeePerGas}, baseFee: ${baseFee}`,
  );
}

export function limitExceeded(message: string): RpcError {
  return new RpcError(RPC_CODE.LIMIT_EXCEEDED, message);
}

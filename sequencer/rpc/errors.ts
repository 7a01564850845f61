import { isWeftError, WeftError } from "../../proto/errors.ts";

/** Every way a call fails; the JSON-RPC number of each is in `JSON_RPC_CODES`. */
export type RpcErrorInfo =
  /** The body is not JSON. */
  | { readonly code: "RPC_PARSE" }
  /** JSON, but no JSON-RPC request, or one we do not take (size, batch, path). */
  | { readonly code: "RPC_INVALID_REQUEST" }
  /** No such method, or a WebSocket method over HTTP. */
  | { readonly code: "RPC_METHOD_NOT_FOUND" }
  /** Arguments of the wrong type or number. */
  | { readonly code: "RPC_INVALID_PARAMS" }
  /** The method ran and failed: unknown height, bad query, refused transaction. */
  | { readonly code: "RPC_INTERNAL" }
  /** A subscription ended: slow client, node stopping. */
  | { readonly code: "RPC_SERVER" };

export class RpcError extends WeftError<RpcErrorInfo> {}

/** Numbers and messages as `rpc/jsonrpc/types/types.go` has them. */
export const JSON_RPC_CODES: Readonly<
  Record<RpcErrorInfo["code"], { readonly code: number; readonly message: string }>
> = {
  RPC_PARSE: { code: -32700, message: "Parse error. Invalid JSON" },
  RPC_INVALID_REQUEST: { code: -32600, message: "Invalid Request" },
  RPC_METHOD_NOT_FOUND: { code: -32601, message: "Method not found" },
  RPC_INVALID_PARAMS: { code: -32602, message: "Invalid params" },
  RPC_INTERNAL: { code: -32603, message: "Internal error" },
  RPC_SERVER: { code: -32000, message: "Server error" },
};

export interface JsonRpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: string;
}

/** A failure of a method: `message` reaches the client as `data`, in CometBFT's words. */
export function methodFailure(message: string, cause?: unknown): RpcError {
  return new RpcError({ code: "RPC_INTERNAL" }, message, { cause });
}

export function invalidParams(message: string): RpcError {
  return new RpcError({ code: "RPC_INVALID_PARAMS" }, message);
}

export function invalidRequest(message: string): RpcError {
  return new RpcError({ code: "RPC_INVALID_REQUEST" }, message);
}

/** An error object of a response. Operating errors keep their text, a bug shows none of its own. */
export function errorToJson(error: unknown): JsonRpcError {
  if (error instanceof RpcError) {
    const known = JSON_RPC_CODES[error.code];
    return error.message === "" ? known : { ...known, data: error.message };
  }
  const data = isWeftError(error) ? error.message : "unexpected failure, see the log of the node";
  return { ...JSON_RPC_CODES.RPC_INTERNAL, data };
}

import { WeftError } from "../../proto/errors.ts";

export type EngineApiErrorInfo =
  /** Nobody answers at the client's address. */
  | { readonly code: "ENGINE_API_UNREACHABLE" }
  /** No answer came in time. */
  | { readonly code: "ENGINE_API_TIMEOUT" }
  /** The client refuses the token: another secret, or clocks more than 60 s apart. */
  | { readonly code: "ENGINE_API_UNAUTHORIZED" }
  /** An HTTP status other than 200. */
  | { readonly code: "ENGINE_API_HTTP_STATUS"; readonly status: number }
  /** An answer that is not JSON-RPC, lacks a field, or is too large. */
  | { readonly code: "ENGINE_API_BAD_ANSWER" }
  /** The client answered with an error. */
  | { readonly code: "ENGINE_API_CALL_FAILED"; readonly rpcCode: number }
  /** The client does not know the block that it is asked to build on, or says that a block is not valid. */
  | { readonly code: "ENGINE_API_NOT_VALID"; readonly status: string }
  /** The client lacks methods that this driver calls. */
  | { readonly code: "ENGINE_API_UNSUPPORTED"; readonly missing: readonly string[] }
  /** A genesis.json that is none, or of a chain that this driver cannot feed. */
  | { readonly code: "ENGINE_API_GENESIS_INVALID" }
  /** The JWT secret file cannot be read or is not 32 bytes in hex. */
  | { readonly code: "ENGINE_API_SECRET_INVALID"; readonly path: string };

export function engineError(
  info: EngineApiErrorInfo,
  message: string,
  cause?: unknown,
): WeftError<EngineApiErrorInfo> {
  return new WeftError(info, message, cause === undefined ? undefined : { cause });
}

/** JSON-RPC code of "Invalid payload attributes" (execution-apis, src/engine/common.md, "Errors"). */
export const RPC_INVALID_ATTRIBUTES = -38_003;

/** The message of the client's refusal to build from the attributes that it got; undefined for any other failure. */
export function attributesRefusal(error: unknown): string | undefined {
  if (!(error instanceof WeftError)) return undefined;
  const { code, rpcCode }: { readonly code: string; readonly rpcCode?: number } = error.info;
  const isRefusal = code === "ENGINE_API_CALL_FAILED" && rpcCode === RPC_INVALID_ATTRIBUTES;
  return isRefusal ? error.message : undefined;
}

/** Whether the client answered, and said no. */
export function isCallFailure(error: unknown): boolean {
  return error instanceof WeftError && error.code === "ENGINE_API_CALL_FAILED";
}

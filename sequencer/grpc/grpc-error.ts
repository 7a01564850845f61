/** Errors of the services as gRPC statuses; the one table of this folder. */
import { Metadata, status, type StatusObject } from "@grpc/grpc-js";
import type { Height } from "../../proto/brands.ts";
import { isWeftError, WeftError } from "../../proto/errors.ts";

export type GrpcErrorInfo = GrpcErrorCode & {
  /** What a program reads: the height that a stream goes on from, the first one that the node has. */
  readonly trailers?: Readonly<Partial<Record<"weft-resume" | "weft-earliest", string>>>;
};

type GrpcErrorCode =
  /** A field has the wrong length or an unknown value. */
  | { readonly code: "GRPC_INVALID_ARGUMENT" }
  /** No such rollup, height or account. */
  | { readonly code: "GRPC_NOT_FOUND" }
  /** The height was pruned or is above the head. */
  | { readonly code: "GRPC_OUT_OF_RANGE" }
  /** A level that this node does not serve. */
  | { readonly code: "GRPC_UNIMPLEMENTED" }
  /** Too many streams, or a reader that is too slow. */
  | { readonly code: "GRPC_RESOURCE_EXHAUSTED" }
  /** Starting, stopping, or its data is not at hand yet. */
  | { readonly code: "GRPC_UNAVAILABLE" };

const STATUS: Readonly<Record<GrpcErrorCode["code"], status>> = {
  GRPC_INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  GRPC_NOT_FOUND: status.NOT_FOUND,
  GRPC_OUT_OF_RANGE: status.OUT_OF_RANGE,
  GRPC_UNIMPLEMENTED: status.UNIMPLEMENTED,
  GRPC_RESOURCE_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  GRPC_UNAVAILABLE: status.UNAVAILABLE,
};

export function grpcError(
  code: GrpcErrorCode["code"],
  message: string,
  trailers: GrpcErrorInfo["trailers"] = {},
): WeftError<GrpcErrorInfo> {
  return new WeftError<GrpcErrorInfo>({ code, trailers }, message);
}

/** Where somebody goes on who needs a height that is gone here. */
export function prunedError(height: Height, earliest: Height): WeftError<GrpcErrorInfo> {
  return grpcError(
    "GRPC_OUT_OF_RANGE",
    `height ${height} is pruned here; the first one held is ${earliest}: ask an archive node, or start there from a trusted hash`,
    { "weft-earliest": String(earliest) },
  );
}

/** Why a stream ends; of what passes, with the height that it goes on from. */
export function endOfStream(error: unknown, resume: Height): unknown {
  if (!isWeftError(error) || error.code !== "GRPC_UNAVAILABLE") return error;
  return new WeftError<GrpcErrorInfo>(
    { code: "GRPC_UNAVAILABLE", trailers: { "weft-resume": String(resume) } },
    error.message,
    { cause: error },
  );
}

/** The status a caller gets; anything unforeseen is INTERNAL without its details. */
export function statusOf(error: unknown): StatusObject {
  const metadata = new Metadata();
  const code = isWeftError(error)
    ? (STATUS as Readonly<Record<string, status>>)[error.code]
    : undefined;
  if (code === undefined || !isWeftError(error)) {
    return {
      code: status.INTERNAL,
      details: "the node failed to answer; its log says why",
      metadata,
    };
  }
  const info: { readonly code: string } & Pick<GrpcErrorInfo, "trailers"> = error.info;
  for (const [key, value] of Object.entries(info.trailers ?? {})) metadata.set(key, value);
  return { code, details: error.message, metadata };
}

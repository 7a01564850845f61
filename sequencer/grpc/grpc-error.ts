/** Errors of the services as gRPC statuses; the one table of this folder. */
import { Metadata, status, type StatusObject } from "@grpc/grpc-js";
import { isWeftError, WeftError } from "../../proto/errors.ts";

export type GrpcErrorInfo =
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

const STATUS: Readonly<Record<GrpcErrorInfo["code"], status>> = {
  GRPC_INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  GRPC_NOT_FOUND: status.NOT_FOUND,
  GRPC_OUT_OF_RANGE: status.OUT_OF_RANGE,
  GRPC_UNIMPLEMENTED: status.UNIMPLEMENTED,
  GRPC_RESOURCE_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  GRPC_UNAVAILABLE: status.UNAVAILABLE,
};

export function grpcError(code: GrpcErrorInfo["code"], message: string): WeftError<GrpcErrorInfo> {
  return new WeftError<GrpcErrorInfo>({ code }, message);
}

/** The status a caller gets; anything unforeseen is INTERNAL without its details. */
export function statusOf(error: unknown): StatusObject {
  const code = isWeftError(error)
    ? (STATUS as Readonly<Record<string, status>>)[error.code]
    : undefined;
  if (code === undefined || !isWeftError(error)) {
    return {
      code: status.INTERNAL,
      details: "the node failed to answer; its log says why",
      metadata: new Metadata(),
    };
  }
  return { code, details: error.message, metadata: new Metadata() };
}

/**
 * Requests whose bytes are none. gRPC answers INTERNAL where reading throws, and tells nobody: here a mark takes the place of
 * such a request, which the method's own handler refuses, counts and logs as any other.
 */
import type { ServiceDefinition } from "@grpc/grpc-js";
import { isWeftError } from "../../proto/errors.ts";
import { grpcError } from "./grpc-error.ts";

class UnreadableRequest {
  readonly cause: unknown;

  constructor(cause: unknown) {
    this.cause = cause;
  }
}

/** The service, with marks for requests that cannot be read. */
export function markingUnreadable(service: ServiceDefinition): ServiceDefinition {
  const methods = Object.entries(service).map(([name, method]) => [
    name,
    {
      ...method,
      requestDeserialize: (bytes: Buffer): unknown => {
        try {
          return method.requestDeserialize(bytes);
        } catch (error) {
          // It is thrown again where the request is checked.
          return new UnreadableRequest(error);
        }
      },
    },
  ]);
  return Object.fromEntries(methods) as ServiceDefinition;
}

/** @throws GRPC_INVALID_ARGUMENT for a request that could not be read */
export function checkReadable(request: unknown): void {
  if (!(request instanceof UnreadableRequest)) return;
  const { cause } = request;
  if (!isWeftError(cause)) throw cause;
  throw grpcError("GRPC_INVALID_ARGUMENT", `the request cannot be read: ${cause.message}`);
}

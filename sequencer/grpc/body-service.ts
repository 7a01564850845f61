/** `GetBodies` of `weft.mev.v1.MevService`: listed transactions by id. */
import type { GetBodiesRequest, GetBodiesResponse } from "../../proto/grpc/mev-service.ts";
import { HASH_BYTES } from "../../proto/limits.ts";
import type { HeldBodies } from "../ports/body-source.ts";
import type { Clock } from "../ports/clock.ts";
import { grpcError } from "./grpc-error.ts";
import {
  BODY_BYTES_MAX,
  BODY_BYTES_PER_SECOND,
  BODY_BYTES_PER_SECOND_OF_CALLER,
  BODY_CALLERS_MAX,
  BODY_IDS_MAX,
} from "./limits.ts";

/** Bytes that may be given, as of `atMs`. */
interface Budget {
  readonly bytes: number;
  readonly atMs: number;
}

/**
 * A function of the request and the caller's address; what the node has no rate left for is left out, as what it
 * does not hold.
 */
export function createGetBodies(
  bodies: Pick<HeldBodies, "item">,
  clock: Pick<Clock, "monotonicMs">,
): (request: GetBodiesRequest, caller: string) => GetBodiesResponse {
  let ofAll: Budget | undefined;
  /** By address, the one that has called the longest ago first. */
  const ofCallers = new Map<string, Budget>();
  return ({ ids }, caller) => {
    if (ids.length === 0 || ids.length > BODY_IDS_MAX) {
      throw grpcError(
        "GRPC_INVALID_ARGUMENT",
        `expected 1 to ${BODY_IDS_MAX} ids, got ${ids.length}`,
      );
    }
    const wrong = ids.find(({ length }) => length !== HASH_BYTES);
    if (wrong !== undefined) {
      throw grpcError(
        "GRPC_INVALID_ARGUMENT",
        `a transaction id has ${HASH_BYTES} bytes, got ${wrong.length}`,
      );
    }
    const atMs = clock.monotonicMs();
    const left = bytesLeft(ofAll, BODY_BYTES_PER_SECOND, atMs);
    const leftOfCaller = bytesLeft(ofCallers.get(caller), BODY_BYTES_PER_SECOND_OF_CALLER, atMs);
    const items: Uint8Array[] = [];
    let bytes = 0;
    for (const id of ids) {
      const item = Math.min(left, leftOfCaller) <= bytes ? undefined : bodies.item(id);
      if (item === undefined) continue;
      if (items.length > 0 && bytes + item.length > BODY_BYTES_MAX) break;
      items.push(item);
      bytes += item.length;
    }
    ofAll = { bytes: left - bytes, atMs };
    ofCallers.delete(caller);
    ofCallers.set(caller, { bytes: leftOfCaller - bytes, atMs });
    for (const oldest of ofCallers.keys()) {
      if (ofCallers.size <= BODY_CALLERS_MAX) break;
      ofCallers.delete(oldest);
    }
    return { items };
  };
}

function bytesLeft(budget: Budget | undefined, perSecond: number, nowMs: number): number {
  if (budget === undefined) return perSecond;
  return Math.min(perSecond, budget.bytes + ((nowMs - budget.atMs) / 1_000) * perSecond);
}

/** `GetBodies` of `weft.mev.v1.MevService`: listed transactions by id. */
import type { GetBodiesRequest, GetBodiesResponse } from "../../proto/grpc/mev-service.ts";
import { HASH_BYTES } from "../../proto/limits.ts";
import type { HeldBodies } from "../ports/body-source.ts";
import type { Clock } from "../ports/clock.ts";
import { grpcError } from "./grpc-error.ts";
import { BODY_BYTES_MAX, BODY_BYTES_PER_SECOND, BODY_IDS_MAX } from "./limits.ts";

/** A function of the request; what the node has no rate left for is left out, as what it does not hold. */
export function createGetBodies(
  bodies: Pick<HeldBodies, "item">,
  clock: Pick<Clock, "monotonicMs">,
): (request: GetBodiesRequest) => GetBodiesResponse {
  let budget = BODY_BYTES_PER_SECOND;
  let budgetMs = clock.monotonicMs();
  return ({ ids }) => {
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
    const nowMs = clock.monotonicMs();
    const gained = ((nowMs - budgetMs) / 1_000) * BODY_BYTES_PER_SECOND;
    budget = Math.min(BODY_BYTES_PER_SECOND, budget + gained);
    budgetMs = nowMs;
    const items: Uint8Array[] = [];
    let bytes = 0;
    for (const id of ids) {
      const item = budget <= bytes ? undefined : bodies.item(id);
      if (item === undefined) continue;
      if (items.length > 0 && bytes + item.length > BODY_BYTES_MAX) break;
      items.push(item);
      bytes += item.length;
    }
    budget -= bytes;
    return { items };
  };
}

import type { PublicKey } from "../../proto/types.ts";
import type { Engine } from "../engine/engine.ts";
import type { RpcConsensus } from "./ports.ts";

/**
 * The engine as the RPC server sees it. `fallbackKey` stands in the status of a node that has no
 * validator key.
 */
export function createRpcConsensus(
  engine: Pick<Engine, "status" | "view">,
  deps: { readonly fallbackKey: PublicKey },
): RpcConsensus {
  let hasBegun = false;
  return {
    get publicKey() {
      return engine.status().publicKey ?? deps.fallbackKey;
    },
    isCatchingUp: () => engine.status().catchingUp,
    roundState() {
      // There is a view from the first height on, also while later ones are fetched.
      hasBegun ||= !engine.status().catchingUp;
      return hasBegun ? engine.view() : undefined;
    },
    heightStartTime: () => engine.status().heightStartTime,
  };
}

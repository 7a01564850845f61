import type { PublicKey, Timestamp } from "../../proto/types.ts";
import type { Engine } from "../engine/engine.ts";
import type { Clock } from "../ports/clock.ts";
import type { RpcConsensus } from "./ports.ts";

/** The engine as the RPC server sees it. `publicKey` is the key this node signs with. */
export function createRpcConsensus(
  engine: Pick<Engine, "status" | "view" | "roundStep">,
  deps: { readonly publicKey: PublicKey; readonly clock: Clock },
): RpcConsensus {
  let hasStarted = false;
  return {
    publicKey: deps.publicKey,
    isCatchingUp: () => engine.status().catchingUp,
    roundState() {
      // The view exists from the end of the start on, and stays.
      hasStarted ||= !engine.status().catchingUp;
      return hasStarted ? engine.view() : undefined;
    },
    heightStartTime(): Timestamp {
      const { seconds } = deps.clock.now();
      return { seconds: seconds - BigInt(engine.roundStep().secondsSinceStartTime), nanos: 0 };
    },
  };
}

import { addMs } from "../../proto/time.ts";
import type { PublicKey } from "../../proto/types.ts";
import type { Engine } from "../engine/engine.ts";
import type { RpcConsensus } from "./ports.ts";

/** The engine as the RPC server sees it. */
export function createRpcConsensus(
  engine: Pick<Engine, "status" | "view">,
  deps: {
    /** Stands in the status of a node that has no validator key. */
    readonly fallbackKey: PublicKey;
    /** Default: what the engine says, which knows nothing of heights that peers have reached. */
    readonly isCatchingUp?: () => boolean;
    /** The engine's pause after a block. */
    readonly timeoutCommitMs: number;
  },
): RpcConsensus {
  let hasBegun = false;
  return {
    get publicKey() {
      return engine.status().publicKey ?? deps.fallbackKey;
    },
    isCatchingUp: deps.isCatchingUp ?? (() => engine.status().catchingUp),
    roundState() {
      // There is a view from the first height on, also while later ones are fetched.
      hasBegun ||= !engine.status().catchingUp;
      return hasBegun ? engine.view() : undefined;
    },
    heightStartTime: () => engine.status().heightStartTime,
    commitTime: () => addMs(engine.status().heightStartTime, -deps.timeoutCommitMs),
  };
}

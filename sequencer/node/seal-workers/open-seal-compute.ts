import { availableParallelism } from "node:os";
import type { SealCompute } from "../../../mev/seal/compute.ts";
import { createGroup, type Group } from "../../../mev/seal/group/group.ts";
import { createLocalCompute } from "../../../mev/seal/local-compute.ts";
import { createTdh2, type Tdh2 } from "../../../mev/seal/tdh2.ts";
import type { Logger } from "../../ports/logger.ts";
import { yieldToLoop } from "../../ports/yield-to-loop.ts";
import { SEAL_WORKERS_MAX } from "../limits.ts";
import { createSealWorkers } from "./seal-workers.ts";

/** The arithmetic of sealed transactions in a node. */
export interface SealLanes {
  /** For blocks and votes. */
  readonly compute: SealCompute;
  /** For what is submitted; see `SealWorkers.incoming`. */
  readonly incoming: SealCompute;
  /** On the main loop, for what is short and rare. */
  readonly group: Group;
  readonly tdh2: Tdh2;
  stop(): Promise<void>;
}

/** As many threads as there are cores beside the main loop's, at most `SEAL_WORKERS_MAX`; begun when needed. */
export function openSealCompute({ logger }: { readonly logger: Logger }): SealLanes {
  const group = createGroup();
  const tdh2 = createTdh2(group);
  const threads = Math.max(1, Math.min(SEAL_WORKERS_MAX, availableParallelism() - 1));
  const workers = createSealWorkers(
    { threads },
    {
      local: createLocalCompute(tdh2, yieldToLoop),
      logger: logger.child({ module: "seal" }),
    },
  );
  return { ...workers, group, tdh2 };
}

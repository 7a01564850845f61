import { ListRoots } from "../../../mev/list-roots.ts";
import type { SealCompute } from "../../../mev/seal/compute.ts";
import type { Logger } from "../../ports/logger.ts";
import { OpenAhead } from "../seal/items/open-ahead.ts";
import { OpenedBatches } from "../seal/items/opened-batches.ts";
import { planOpenings } from "../seal/items/openings.ts";
import type { SealMetrics } from "../seal/metrics.ts";
import type { CommittedState } from "../state/committed-state.ts";

export interface KeptWorkDependencies {
  readonly committed: CommittedState;
  readonly seal: SealCompute;
  readonly logger: Logger;
  readonly metrics: SealMetrics;
}

/** What all blocks of a height need and is computed once: whatever stands in them, and nothing that decides it. */
export class KeptWork {
  readonly opened: OpenedBatches;
  readonly ahead: OpenAhead;
  readonly listRoots: ListRoots = new ListRoots();

  constructor({ committed, seal, logger, metrics }: KeptWorkDependencies) {
    this.opened = new OpenedBatches({ compute: seal, metrics });
    this.ahead = new OpenAhead({
      opened: this.opened,
      seal,
      planAt: (sharesHeight) => planOpenings(committed.staking, sharesHeight, []),
      nextHeight: () => committed.nextHeight(),
      logger: logger.child({ module: "seal" }),
    });
  }

  /** When a block is committed. */
  committed(): void {
    this.opened.committed();
    this.ahead.committed();
    this.listRoots.clear();
  }
}

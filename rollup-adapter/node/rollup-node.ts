/** A rollup's process, as whoever started it sees it. */
import type { DriverStatus } from "../driver/driver.ts";
import type { RollupReadiness } from "./readiness.ts";

/** One that follows the sequencer, whatever else it does. */
export interface FollowingNode {
  status(): DriverStatus;
  /** Whether it follows the sequencer, and what keeps it from that. */
  readiness(): RollupReadiness;
  /** Resolves when the first block since the start has verified. */
  readonly following: Promise<void>;
  /** Settles when the driver ends for a reason that trying again cannot mend. */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
}

/** One with a gateway. */
export interface RollupNode extends FollowingNode {
  /** Where the JSON-RPC listens. */
  readonly rpcUrl: string;
  status(): DriverStatus & { readonly gatewayPending: number };
}

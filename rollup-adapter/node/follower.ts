/** The driver of a node, as its configuration says, and what others learn from it: readiness, a fatal end. */
import { join } from "node:path";
import { Height, type RollupId } from "../../proto/brands.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import type { Clock } from "../../sequencer/ports/clock.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import type { SequencerClient } from "../client/sequencer-client.ts";
import { catchingUpText } from "../driver/catch-up.ts";
import {
  createDriver,
  type Driver,
  type DriverDependencies,
  type DriverStatus,
} from "../driver/driver.ts";
import type { DriverMetrics } from "../driver/metrics.ts";
import { createFileTrustStore } from "../driver/trust-store.ts";
import type { Readiness } from "../json-rpc/http-handler.ts";
import type { Opened } from "./opened.ts";
import { readiness, type RollupReadiness } from "./readiness.ts";
import { configuredTrust, type RollupConfig } from "./rollup-config.ts";
import type { FollowingNode } from "./rollup-node.ts";

export interface FollowerOptions {
  readonly config: RollupConfig;
  readonly rollupId: RollupId;
  /** The trusted state is in it. */
  readonly dataDirectory: string;
}

export interface FollowerDependencies {
  /** Nodes to follow, tried in turn. */
  readonly clients: readonly SequencerClient[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: DriverMetrics;
  /** Why the node does not do its work, whatever the driver does; left out: nothing beside it can fail. */
  readonly fault?: (() => string | undefined) | undefined;
}

/** What a started driver tells. */
export type Following = Pick<FollowingNode, "following" | "failed"> & {
  readonly status: () => DriverStatus;
};

export interface Follower {
  /** `syncing` until it is started. */
  readonly readiness: () => RollupReadiness;
  /** The same, as a JSON-RPC server asks for it. */
  readonly rpcReadiness: () => Promise<Readiness>;
  /** How far the state is behind the order, in words; undefined: at its head, for all that is known. */
  readonly catchingUp: () => string | undefined;
  /** Begins to follow the sequencer. Call once. */
  start(
    parts: Pick<DriverDependencies, "executor" | "voter" | "onExecuted">,
    opened: Opened,
  ): Following;
}

export function createFollower(options: FollowerOptions, deps: FollowerDependencies): Follower {
  const { config, rollupId, dataDirectory } = options;
  const { clients, clock, logger, metrics, fault } = deps;
  const silenceMs = config.sequencer.silence_seconds * 1_000;
  let driver: Driver | undefined;

  return {
    readiness: () => readiness(driver?.status(), silenceMs, fault?.()),
    rpcReadiness() {
      const status = driver?.status();
      // Failures name addresses of nodes: those are for the operator's own port.
      const now = readiness(status && { ...status, lastError: undefined }, silenceMs, fault?.());
      const detail = now.status === "ready" ? {} : { detail: now.reason };
      return Promise.resolve({ isReady: now.status === "ready", ...detail });
    },
    catchingUp() {
      const behind = driver?.status().catchingUp;
      return behind && catchingUpText(behind);
    },
    start(parts, opened) {
      const started = createDriver(
        {
          rollupId,
          startHeight: Height(config.sequencer.start_height),
          trust: configuredTrust(config),
        },
        {
          ...parts,
          clients,
          trustStore: createFileTrustStore(join(dataDirectory, "trust.json")),
          signatures: createEd25519Verifier(),
          clock,
          logger: logger.child({ module: "driver" }),
          metrics,
        },
      );
      driver = started;
      opened.add(() => started.stop());
      const failed = new Promise<never>((_, reject) => {
        started.run().catch(reject);
      });
      // Whoever awaits `failed` learns of it; nobody doing so must not end the process by accident.
      failed.catch(() => {});
      return { status: () => started.status(), following: started.following, failed };
    },
  };
}

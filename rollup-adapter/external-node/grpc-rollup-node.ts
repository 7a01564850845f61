/**
 * One process of a rollup whose executor serves `weft.execution.v1` elsewhere, in whatever language: the driver alone.
 * What people want ordered they submit themselves (`weft tx rollup-data`, or the client library); what they want to read
 * is for the executor's own interface.
 */
import { join } from "node:path";
import { Height, RollupId } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import type { Clock } from "../../sequencer/ports/clock.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import { createGrpcSequencerClient } from "../client/grpc-sequencer-client.ts";
import { createDriver, type DriverStatus } from "../driver/driver.ts";
import { createGrpcExecutor } from "../driver/grpc-executor.ts";
import { createFileTrustStore } from "../driver/trust-store.ts";
import { type EvmRollupNode, readiness } from "../evm-node/evm-rollup-node.ts";
import {
  configuredTrust,
  type GrpcExecutorSection,
  type RollupConfig,
} from "../evm-node/rollup-config.ts";
import type { AdapterMetrics } from "../metrics.ts";

export interface GrpcRollupNodeOptions {
  readonly config: RollupConfig;
  readonly executor: GrpcExecutorSection;
  /** The trusted state. */
  readonly dataDirectory: string;
}

export interface GrpcRollupNodeDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: AdapterMetrics;
}

/** Like a node with an executor and a gateway of its own, as far as it has the parts. */
export interface GrpcRollupNode extends Omit<EvmRollupNode, "rpcUrl" | "status"> {
  /** Where the executor is called. */
  readonly executorAddress: string;
  status(): DriverStatus;
}

/** Begins to follow the sequencer, and to feed the executor as soon as it answers. */
export function startGrpcRollupNode(
  { config, executor: section, dataDirectory }: GrpcRollupNodeOptions,
  { clock, logger, metrics }: GrpcRollupNodeDependencies,
): GrpcRollupNode {
  const silenceMs = config.sequencer.silence_seconds * 1_000;
  const clients = config.sequencer.nodes.map(createGrpcSequencerClient);
  const executor = createGrpcExecutor(section.address);
  const driver = createDriver(
    {
      rollupId: RollupId(toHex(rollupIdOfName(section.rollup))),
      startHeight: Height(config.sequencer.start_height),
      trust: configuredTrust(config),
    },
    {
      clients,
      executor,
      trustStore: createFileTrustStore(join(dataDirectory, "trust.json")),
      signatures: createEd25519Verifier(),
      clock,
      logger: logger.child({ module: "driver" }),
      metrics: metrics.driver,
      onExecuted: () => {},
    },
  );
  const failed = new Promise<never>((_, reject) => {
    driver.run().catch(reject);
  });
  // Whoever awaits `failed` learns of it; nobody doing so must not end the process by accident.
  failed.catch(() => {});
  return {
    executorAddress: section.address,
    status: () => driver.status(),
    readiness: () => readiness(driver.status(), silenceMs),
    following: driver.following,
    failed,
    async stop() {
      await driver.stop();
      executor.close();
      for (const client of clients) client.close();
    },
  };
}

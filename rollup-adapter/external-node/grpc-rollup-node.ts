/**
 * One process of a rollup whose executor serves `weft.execution.v1` elsewhere, in whatever language: the driver alone.
 * What people want ordered they submit themselves (`weft tx rollup-data`, or the client library); what they want to read
 * is for the executor's own interface.
 */
import { RollupId } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import type { Clock } from "../../sequencer/ports/clock.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import { createGrpcSequencerClient } from "../client/grpc-sequencer-client.ts";
import { createGrpcExecutor } from "../driver/grpc-executor.ts";
import type { AdapterMetrics } from "../metrics.ts";
import { createFollower } from "../node/follower.ts";
import { createOpened } from "../node/opened.ts";
import type { GrpcExecutorSection, RollupConfig } from "../node/rollup-config.ts";
import type { FollowingNode } from "../node/rollup-node.ts";

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

export interface GrpcRollupNode extends FollowingNode {
  /** Where the executor is called. */
  readonly executorAddress: string;
}

/** Begins to follow the sequencer, and to feed the executor as soon as it answers. */
export function startGrpcRollupNode(
  { config, executor: section, dataDirectory }: GrpcRollupNodeOptions,
  { clock, logger, metrics }: GrpcRollupNodeDependencies,
): GrpcRollupNode {
  const opened = createOpened();
  const clients = config.sequencer.nodes.map((node) =>
    opened.keep(createGrpcSequencerClient(node)),
  );
  const executor = opened.keep(createGrpcExecutor(section.address));
  const rollupId = RollupId(toHex(rollupIdOfName(section.rollup)));
  const follower = createFollower(
    { config, rollupId, dataDirectory },
    { clients, clock, logger, metrics: metrics.driver },
  );
  return {
    executorAddress: section.address,
    readiness: follower.readiness,
    ...follower.start({ executor, onExecuted: () => {} }, opened),
    stop: () => opened.close(),
  };
}

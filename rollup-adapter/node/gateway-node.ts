/**
 * What every node with a gateway is, beside what executes its blocks and the RPC that it serves: the order's gateway,
 * searchers, and the driver that tells both what was executed.
 */
import type { Clock } from "../../sequencer/ports/clock.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import type { TxSigner } from "../client/signed-tx.ts";
import type { DriverDependencies } from "../driver/driver.ts";
import type { DriverMetrics } from "../driver/metrics.ts";
import type { SearcherPort } from "../evm/rpc/mev-methods.ts";
import type { GatewayMetrics } from "../gateway/metrics.ts";
import { createFollower, type Follower } from "./follower.ts";
import type { Opened } from "./opened.ts";
import { openOrderGateway, type OrderGateway, type OrderGatewayOptions } from "./order-gateway.ts";
import type { RollupNode } from "./rollup-node.ts";
import { openSearchers } from "./searchers.ts";

export interface GatewayNodeDependencies {
  /** The account that pays for ordering what wallets and searchers send here. */
  readonly key: TxSigner;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: { readonly driver: DriverMetrics; readonly gateway: GatewayMetrics };
}

export interface GatewayNodeParts extends Pick<DriverDependencies, "executor" | "voter"> {
  /** Where the JSON-RPC listens. */
  readonly rpcUrl: string;
  /** Told after gateway and searchers, once per height, in order. */
  readonly onExecuted?: DriverDependencies["onExecuted"];
}

export interface GatewayNode {
  readonly order: OrderGateway;
  readonly searchers: SearcherPort;
  readonly follower: Pick<Follower, "rpcReadiness" | "catchingUp">;
  /** Begins to follow the sequencer. Call once, when everything else is open. */
  start(parts: GatewayNodeParts): RollupNode;
}

/** Opens the data of gateway and searchers. */
export async function openGatewayNode(
  home: OrderGatewayOptions,
  { key, clock, logger, metrics }: GatewayNodeDependencies,
  opened: Opened,
): Promise<GatewayNode> {
  const paying = { key, clock, logger, metrics: metrics.gateway };
  const order = await openOrderGateway(home, paying, opened);
  const searchers = await openSearchers(home, { ...paying, order }, opened);
  const { clients, submitter, fault } = order;
  const follower = createFollower(home, {
    clients,
    clock,
    logger,
    metrics: metrics.driver,
    fault,
  });
  return {
    order,
    searchers: searchers.port,
    follower,
    start({ rpcUrl, executor, voter, onExecuted }) {
      const { status, ...following } = follower.start(
        {
          executor,
          voter,
          onExecuted(block, answer) {
            order.blockExecuted(block, answer);
            searchers.blockOrdered(
              block.header.height,
              block.entries.map((entry) => entry.itemId),
            );
            onExecuted?.(block, answer);
          },
        },
        opened,
      );
      return {
        rpcUrl,
        status: () => ({ ...status(), gatewayPending: submitter.pendingCount() }),
        readiness: follower.readiness,
        ...following,
        async stop() {
          // First: whoever waits for a submission is told, and does not keep the RPC open.
          submitter.stop();
          await opened.close();
        },
      };
    },
  };
}

/** What every node with a gateway has of it: the journal, the submitter, and the places of transactions in the order. */
import { join } from "node:path";
import type { RollupId } from "../../proto/brands.ts";
import type { Clock } from "../../sequencer/ports/clock.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import type { FilledBlock } from "../client/block-verifier.ts";
import { createFailoverClient, type SubmitClient } from "../client/failover-client.ts";
import { createGrpcSequencerClient } from "../client/grpc-sequencer-client.ts";
import { createNodeTurn, type NodeTurn } from "../client/node-turn.ts";
import type { SequencerClient } from "../client/sequencer-client.ts";
import type { TxSigner } from "../client/signed-tx.ts";
import type { ExecuteBlockResponse } from "../execution.ts";
import { requesterQuota } from "../gateway/gateway-config.ts";
import { createJournal } from "../gateway/journal/journal.ts";
import { createMemoryJournalStore, openJournalStore } from "../gateway/journal/journal-store.ts";
import type { GatewayMetrics } from "../gateway/metrics.ts";
import { createKeptTransactions } from "../gateway/pool/kept-transactions.ts";
import type { PoolQuota, Restoring, SubmitPort } from "../gateway/pool/pending-pool.ts";
import { createOrderPrice, type OrderPrice } from "../gateway/price.ts";
import { createSealer, type Sealer } from "../gateway/sealer.ts";
import { createPlacements } from "../gateway/status/placements.ts";
import type { StatusDependencies } from "../gateway/status/status-method.ts";
import { createSubmitter, type Submitter } from "../gateway/submitter.ts";
import type { Opened } from "./opened.ts";
import type { RollupConfig } from "./rollup-config.ts";

export interface OrderGatewayOptions {
  readonly config: RollupConfig;
  readonly rollupId: RollupId;
  /** The journal is in it. */
  readonly dataDirectory: string;
}

export interface OrderGatewayDependencies {
  /** The account that pays for ordering what wallets send here. */
  readonly key: TxSigner;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: GatewayMetrics;
}

export interface OrderGateway {
  /** One for each configured node. */
  readonly clients: readonly SequencerClient[];
  /** All of them as one. */
  readonly client: SubmitClient;
  /** Whose turn it is, for further clients of the same nodes. */
  readonly turn: NodeTurn;
  /** What the order of something costs. */
  readonly price: OrderPrice;
  /** Seals, whether or not wallets' transactions are sealed. */
  readonly sealer: Sealer;
  readonly submitter: Submitter;
  /** Why nothing is accepted until the node is started again; undefined while all is well. */
  readonly fault: () => string | undefined;
  /** What a pool of wallets' transactions needs. */
  readonly pool: {
    readonly submit: SubmitPort;
    readonly restoring: Restoring;
    readonly quota: PoolQuota;
  };
  /** What answers where a transaction is. */
  readonly status: Omit<StatusDependencies, "chain" | "pool">;
  /** Tells what the driver has fed and the executor answered; call once per height, in order. */
  blockExecuted(block: FilledBlock, answer: ExecuteBlockResponse): void;
}

/** Opens the journal, and takes up what it holds. */
export async function openOrderGateway(
  { config, rollupId, dataDirectory }: OrderGatewayOptions,
  { key, clock, logger, metrics }: OrderGatewayDependencies,
  opened: Opened,
): Promise<OrderGateway> {
  const { gateway } = config;
  const store = gateway.durable
    ? await openJournalStore(join(dataDirectory, "gateway"))
    : createMemoryJournalStore();
  const journal = opened.keep(createJournal(store, metrics, logger));
  // Closed before the journal: no answer of a node comes when nothing can be noted any more.
  const clients = config.sequencer.nodes.map((node) =>
    opened.keep(createGrpcSequencerClient(node)),
  );
  const turn = createNodeTurn(clients);
  const client = createFailoverClient(clients, turn);
  const sealer = createSealer({ keys: () => client.sealKey() });
  const submitter = createSubmitter(
    {
      rollupId,
      coalesceMs: gateway.coalesce_ms,
      expiryBlocks: gateway.expiry_blocks,
      tipPerByte: BigInt(gateway.tip_per_byte),
    },
    { client, key, sealer: gateway.seal ? sealer : undefined, journal, logger, metrics },
  );
  opened.add(() => submitter.stop());
  await submitter.restore();
  const price = createOrderPrice(
    { rollupId, tipPerByte: BigInt(gateway.tip_per_byte) },
    { client, monotonicMs: () => clock.monotonicMs() },
  );
  const placements = createPlacements(rollupId, { client, journal, logger });
  await placements.restore();

  return {
    clients,
    client,
    turn,
    price,
    sealer,
    submitter,
    fault: () => journal.failure(),
    pool: {
      submit: (payload, how) => submitter.submit(payload, how),
      restoring: {
        kept: createKeptTransactions(journal),
        reconciled: submitter.reconciled,
        isSubmitted: (payload) => submitter.submissionOf(payload) !== undefined,
      },
      quota: {
        of: requesterQuota("transactions", config, () => clock.monotonicMs()),
        costOf: (bytes) => price.costOf(bytes, gateway.seal),
      },
    },
    status: { rollupId, placements, submitter, client },
    blockExecuted(block, answer) {
      turn.verified(block.header.height);
      placements.blockExecuted(block, answer);
      submitter.blockOrdered({
        height: block.header.height,
        itemIds: block.entries.map((entry) => entry.itemId),
        unopenedIds: block.filled
          .filter(({ content }) => content === undefined)
          .map((entry) => entry.itemId),
      });
    },
  };
}

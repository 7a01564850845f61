import { bytesToDigest } from "../../../proto/hash.ts";
import type { AbciEvent } from "../../abci/application.ts";
import type { BodySource, HeldBodies } from "../../ports/body-source.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { DecodedTx } from "../execution/decoded-tx.ts";
import type { ExecutedBlock } from "../execution/execute-block.ts";
import type { VerifiedTxs } from "../execution/verified-txs.ts";
import type { AppMetrics } from "../metrics.ts";
import type { TxAdmission } from "../pool/tx-admission.ts";
import type { BodyStore } from "../proposal/body-store.ts";
import type { CommittedState } from "../state/committed-state.ts";
import { DUE } from "../state/tables.ts";
import type { KeyValueStore, KeyValueWrite } from "../state-tree/key-value-store.ts";
import type { Digest } from "../state-tree/node.ts";
import { BodyFetcher } from "./body-fetcher.ts";
import { InclusionGauges } from "./inclusion-gauges.ts";
import { OrderWatch } from "./order-watch.ts";

export interface ListedTxsDependencies {
  readonly committed: CommittedState;
  readonly bodies: BodyStore;
  readonly admission: TxAdmission;
  readonly verified: VerifiedTxs;
  /** A validator as metrics name it; `validator`: consensus address, in hex. */
  readonly labelOf: (validator: string) => string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: AppMetrics;
}

/** What a node does about listed transactions beside the rules: holds them, gets them, gives them to others. */
export class ListedTxs {
  readonly held: HeldBodies;
  readonly bodies: BodyStore;
  readonly #dependencies: ListedTxsDependencies;
  readonly #fetcher: BodyFetcher;
  readonly #gauges: InclusionGauges;
  readonly #orders: OrderWatch;

  constructor(dependencies: ListedTxsDependencies) {
    const { committed, bodies, metrics } = dependencies;
    this.#dependencies = dependencies;
    this.bodies = bodies;
    this.#fetcher = new BodyFetcher(dependencies);
    this.#gauges = new InclusionGauges(committed, bodies, metrics);
    this.#orders = new OrderWatch(
      () => (committed.terms === undefined ? [] : committed.recordKeys(DUE.prefix, "", {})),
      () => committed.terms?.chain.blockBytesMax ?? 0,
      metrics,
      dependencies.labelOf,
    );
    this.held = {
      item: (id) => {
        const item = bodies.find(bytesToDigest(id))?.item;
        if (item !== undefined) metrics.bodiesServed.inc();
        return item;
      },
      idOf: (item) => (committed.terms === undefined ? undefined : this.#txOf(item)?.id),
    };
  }

  /** What this node has listed and a crash left on disk. */
  async load(database: KeyValueStore): Promise<void> {
    await this.#dependencies.bodies.load(database, this.#dependencies.committed);
  }

  /** When the state was read anew. */
  reset(): void {
    this.#gauges.reset();
    this.#orders.reset();
  }

  /** See `WeftApplication.useBodies`. */
  use(source: BodySource | undefined): void {
    this.#fetcher.use(source);
  }

  /** Resolves when what is due in the next block is here, or will not be in time. */
  waitForDue(): Promise<void> {
    return this.#fetcher.waitForDue();
  }

  /** With the commit of a block: what is not kept any more; the writes are the caller's. */
  forget({ input, txs, working }: ExecutedBlock): readonly KeyValueWrite[] {
    return this.#dependencies.bodies.forget(input.height, txs, working.records);
  }

  /** The committed state is that after the block. */
  advance(block: ExecutedBlock, events: Iterable<readonly AbciEvent[]>): void {
    this.#gauges.advance(block.input.height, events);
    this.#orders.advance(block);
  }

  /** After a commit. */
  fetch(): void {
    this.#fetcher.committed();
  }

  /** Nothing is asked for any more; resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#fetcher.use(undefined);
    await this.#fetcher.idle();
  }

  /** Ids of the transactions among items of a block. */
  idsIn(items: readonly Uint8Array[]): ReadonlySet<Digest> {
    return idsOf(items.map((item) => this.#txOf(item)));
  }

  #txOf(item: Uint8Array): DecodedTx | undefined {
    const { verified, committed } = this.#dependencies;
    const known = verified.get(item);
    if (known !== undefined) return known;
    const decoded = committed.txDecoder.decode(item);
    return "code" in decoded ? undefined : decoded.decoded;
  }
}

export function idsOf(txs: Iterable<DecodedTx | undefined>): ReadonlySet<Digest> {
  const ids = new Set<Digest>();
  for (const tx of txs) if (tx !== undefined) ids.add(tx.idKey);
  return ids;
}

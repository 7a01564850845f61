/** The executor as others see it: what it is made of, and what readers of the chain get. */
import type { Common } from "@ethereumjs/common";
import type { Logger } from "../../sequencer/ports/logger.ts";
import type { OpenBundles } from "./atomic/open-bundles.ts";
import type { ChainStore } from "./chain-store.ts";
import type { BlockEnvironment, EnvironmentSource } from "./environment.ts";
import type { EvmGenesis } from "./genesis.ts";
import type { EvmMetrics } from "./metrics.ts";
import type { PayloadDecoder } from "./payload.ts";
import type { StoredBlock, StoredReceipt } from "./records.ts";
import type { StateDb } from "./state-db.ts";

/** A block as it becomes visible, with what was left out of it. */
export interface ExecutedBlockEvent {
  readonly block: StoredBlock;
  readonly receipts: readonly StoredReceipt[];
  /** Payloads that were left out, with their bytes. */
  readonly skipped: readonly { readonly payload: Uint8Array; readonly reason: string }[];
}

export interface EvmExecutorOptions {
  /** Directory of the rollup's database; made when it does not exist. */
  readonly dataDirectory: string;
  readonly genesis: EvmGenesis;
  /** Default: derived from the sequencer block. */
  readonly environmentSource?: EnvironmentSource;
}

export interface EvmExecutorDependencies {
  readonly logger: Logger;
  readonly metrics: EvmMetrics;
}

/** What readers of the chain (the JSON-RPC server) need of the executor. */
export interface EvmChain {
  readonly common: Common;
  readonly genesis: EvmGenesis;
  readonly store: ChainStore;
  readonly db: StateDb;
  readonly decoder: PayloadDecoder;
  /** Atomic bundles, open and decided. */
  readonly bundles: Pick<OpenBundles, "find">;
  head(): StoredBlock;
  /** Number of the oldest block: 0, or that of the anchor. */
  firstNumber(): number;
  safe(): StoredBlock;
  finalized(): StoredBlock;
  blockHash(number: number): Uint8Array | undefined;
  /** Environment that a block made now on top of the head would have. */
  nextEnvironment(nowSeconds: bigint): BlockEnvironment;
  /** Called after a block is stored; returns what ends it. */
  onBlock(listener: (event: ExecutedBlockEvent) => void): () => void;
}

/** The evidence pool of a node that holds a chain. */
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import {
  createEvidencePool,
  type EvidencePool,
} from "../../sequencer/engine/evidence/evidence-pool.ts";
import { NULL_ENGINE_METRICS } from "../../sequencer/engine/metrics.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import type { BlockStore } from "../../sequencer/store/block-store.ts";
import type { KeyValueStore } from "../../sequencer/store/key-value-store.ts";
import { openBlockStore } from "../../sequencer/store/level-block-store.ts";
import { createStateStore } from "../../sequencer/store/level-state-store.ts";
import type { StateStore } from "../../sequencer/store/state-store.ts";
import type { BuiltBlock } from "./chain-builder.ts";
import { memoryStore } from "./memory-store.ts";

export interface StoredChain {
  readonly blockStore: BlockStore;
  readonly stateStore: StateStore;
}

/** The blocks and the states around them, in memory. */
export async function storeChain(chain: readonly BuiltBlock[]): Promise<StoredChain> {
  const blockStore = await openBlockStore(memoryStore());
  const stateStore = createStateStore(memoryStore());
  const [first] = chain;
  if (first === undefined) throw new Error("there is no block");
  await stateStore.save(first.stateBefore);
  for (const record of chain) {
    await blockStore.save(record);
    await stateStore.save(record.stateAfter);
  }
  return { blockStore, stateStore };
}

export async function openEvidencePool(
  { blockStore, stateStore }: StoredChain,
  store: KeyValueStore = memoryStore(),
): Promise<EvidencePool> {
  const pool = createEvidencePool({
    store,
    blockStore,
    stateStore,
    verifier: createEd25519Verifier(),
    incomingVerifier: createEd25519Verifier(),
    logger: NULL_LOGGER,
    metrics: NULL_ENGINE_METRICS,
  });
  await pool.open();
  return pool;
}

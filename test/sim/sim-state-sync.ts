/** State sync of simulated nodes: production code, with what honest nodes store in the place of a light client. */
import { Height } from "../../proto/brands.ts";
import type { Application, SnapshotApplication } from "../../sequencer/abci/application.ts";
import { NULL_STATE_SYNC_METRICS } from "../../sequencer/engine/metrics.ts";
import { StateSyncError } from "../../sequencer/engine/state-sync/errors.ts";
import type { TrustedChain } from "../../sequencer/engine/state-sync/ports.ts";
import { createStateSync, type SyncedChain } from "../../sequencer/engine/state-sync/state-sync.ts";
import type { StateSyncReactor } from "../../sequencer/p2p/statesync/statesync-reactor.ts";
import type { Clock } from "../../sequencer/ports/clock.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import type { BlockStore } from "../../sequencer/store/block-store.ts";
import type { StateStore } from "../../sequencer/store/state-store.ts";

const OPTIONS = {
  softwareVersion: "sim",
  discoveryTimeMs: 500,
  chunkRequestTimeoutMs: 1_000,
  chunkFetchers: 4,
};

/** What a node serves that takes none. */
export const NO_SNAPSHOTS = {
  listSnapshots: () => Promise.resolve([]),
  loadSnapshotChunk: () => Promise.resolve(new Uint8Array()),
};

/** Before the engine starts; what is counted of it. */
export async function joinBySnapshot(parts: {
  readonly application: Application;
  readonly snapshots: SnapshotApplication;
  readonly reactor: StateSyncReactor;
  readonly blockStore: BlockStore;
  readonly stateStore: StateStore;
  readonly trusted: TrustedChain;
  readonly clock: Clock;
  readonly logger: Logger;
}): Promise<"joined by a snapshot" | "found no snapshot"> {
  const { application, snapshots, reactor, blockStore, stateStore } = parts;
  const stateSync = createStateSync(OPTIONS, {
    ...parts,
    application: {
      info: (request) => application.info(request),
      offerSnapshot: (request) => snapshots.offerSnapshot(request),
      applySnapshotChunk: (request) => snapshots.applySnapshotChunk(request),
    },
    network: reactor,
    metrics: NULL_STATE_SYNC_METRICS,
  });
  reactor.attach(stateSync);
  try {
    const { state, commit } = await stateSync.run();
    await blockStore.bootstrap(commit);
    await stateStore.bootstrap(state);
    return "joined by a snapshot";
  } catch (error) {
    // Nobody has one: its operator goes on without.
    const isNone = error instanceof StateSyncError && error.code === "STATE_SYNC_NO_SNAPSHOT";
    if (!isNone) throw error;
    return "found no snapshot";
  } finally {
    reactor.attach(undefined);
  }
}

/** The chain after `height`, as a light client would verify it; undefined without the two blocks above. */
export async function chainInStores(
  stores: { readonly blockStore: BlockStore; readonly stateStore: StateStore },
  initialHeight: Height,
  height: Height,
): Promise<SyncedChain | undefined> {
  const { blockStore, stateStore } = stores;
  const [next, afterNext] = [Height(height + 1), Height(height + 2)];
  const last = await blockStore.meta(height);
  const header = (await blockStore.meta(next))?.header;
  const commit = await blockStore.commit(height);
  const lastValidators = await stateStore.validators(height);
  const validators = await stateStore.validators(next);
  const nextValidators = await stateStore.validators(afterNext);
  const consensusParams = await stateStore.consensusParams(next);
  if (blockStore.height() < afterNext || last === undefined || header === undefined) return;
  if (commit === undefined || consensusParams === undefined) return undefined;
  if (lastValidators === undefined || validators === undefined) return undefined;
  if (nextValidators === undefined) return undefined;
  return {
    commit,
    state: {
      version: header.version,
      chainId: header.chainId,
      initialHeight,
      lastBlockHeight: height,
      lastBlockId: last.blockId,
      lastBlockTime: last.header.time,
      lastValidators,
      validators,
      nextValidators,
      lastHeightValidatorsChanged: afterNext,
      consensusParams,
      lastHeightConsensusParamsChanged: next,
      lastResultsHash: header.lastResultsHash,
      appHash: header.appHash,
    },
  };
}

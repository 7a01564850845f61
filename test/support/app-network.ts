/**
 * Engines with Weft's application, all in this process: as many validators as one likes. Consensus, log and
 * signers are the real ones; databases live in memory, messages go by an in-memory gossip, and a signature is
 * checked once for all nodes.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { MemoryLevel } from "memory-level";
import { Height } from "../../proto/brands.ts";
import { concatBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import type { LightBlock } from "../../proto/types.ts";
import {
  createEd25519Verifier,
  type Ed25519KeyPair,
  signEd25519,
  type SignatureVerifier,
} from "../../proto/verify/ed25519.ts";
import type { LightBlockProvider } from "../../proto/verify/light/provider.ts";
import { providerError } from "../../proto/verify/light/provider.ts";
import { createApplication } from "../../sequencer/app/application.ts";
import { NULL_APP_METRICS } from "../../sequencer/app/metrics.ts";
import { openKeyValueStore } from "../../sequencer/app/state-tree/key-value-store.ts";
import type { WeftApplication } from "../../sequencer/app/weft-application.ts";
import { createEngine, type Engine } from "../../sequencer/engine/engine.ts";
import type { Genesis } from "../../sequencer/engine/genesis.ts";
import { NULL_ENGINE_METRICS } from "../../sequencer/engine/metrics.ts";
import { createFilePrivValidator } from "../../sequencer/engine/privval/file-priv-validator.ts";
import { keyFromBytes } from "../../sequencer/engine/privval/key-file.ts";
import { openSignStateFile } from "../../sequencer/engine/privval/sign-state.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { NODE_FILE_SYSTEM } from "../../sequencer/ports/node-file-system.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { yieldToLoop } from "../../sequencer/ports/yield-to-loop.ts";
import type { BlockStore } from "../../sequencer/store/block-store.ts";
import { openBlockStore } from "../../sequencer/store/level-block-store.ts";
import { createStateStore } from "../../sequencer/store/level-state-store.ts";
import type { StateStore } from "../../sequencer/store/state-store.ts";
import { FAST_TIMEOUTS, MemoryGossip, testNodeId } from "./engine-network.ts";
import { memoryStore } from "./memory-store.ts";

export interface AppNode {
  readonly engine: Engine;
  readonly application: WeftApplication;
  readonly blockStore: BlockStore;
  readonly stateStore: StateStore;
}

export interface AppNodeKeys {
  readonly consensus: Ed25519KeyPair;
  readonly application: Ed25519KeyPair;
}

export interface AppNetwork {
  readonly nodes: readonly AppNode[];
  /** Light blocks as the node would serve them. */
  provider(index: number): LightBlockProvider;
  close(): Promise<void>;
}

/** Starts one node for each pair of keys; those that genesis does not name follow until they are elected. */
export async function startAppNetwork(
  root: string,
  genesis: Genesis,
  keys: readonly AppNodeKeys[],
): Promise<AppNetwork> {
  const gossip = new MemoryGossip();
  const verifier = checkedOnce();
  const closers: (() => Promise<void>)[] = [];
  const nodes: AppNode[] = [];
  for (const [index, pair] of keys.entries()) {
    const id = testNodeId(index);
    const directory = join(root, String(index));
    await mkdir(join(directory, "cs.wal"), { recursive: true });
    const signState = await openSignStateFile(
      join(directory, "priv_validator_state.json"),
      true,
      NODE_FILE_SYSTEM,
    );
    const privValidator = createFilePrivValidator(
      keyFromBytes(pair.consensus.privateKey),
      signState,
    );
    const blockStore = await openBlockStore(memoryStore());
    const stateStore = createStateStore(memoryStore());
    const level = new MemoryLevel<string, Uint8Array>({ valueEncoding: "view" });
    const application = await createApplication(
      { version: "test" },
      {
        database: await openKeyValueStore(level, yieldToLoop),
        verify: (checks) => verifier.verifyBatch(checks),
        signer: {
          publicKey: pair.application.publicKey,
          sign: async (bytes) => signEd25519(pair.application, bytes),
        },
        clock: createSystemClock(),
        logger: NULL_LOGGER,
        metrics: NULL_APP_METRICS,
        yieldToLoop,
      },
    );
    const engine = createEngine(
      {
        genesis,
        softwareVersion: "test",
        walDirectory: join(directory, "cs.wal"),
        onWalCorruption: "refuse",
        timeouts: {
          ...FAST_TIMEOUTS,
          proposeMs: PATIENCE_MS,
          prevoteMs: PATIENCE_MS,
          precommitMs: PATIENCE_MS,
        },
        timeoutCommitMs: PACE_MS,
        skipTimeoutCommit: false,
        createEmptyBlocks: true,
        createEmptyBlocksIntervalMs: 0,
        blockTimeToleranceMs: 60_000,
        doubleSignCheckHeight: 0,
      },
      {
        blockStore,
        stateStore,
        evidenceStore: memoryStore(),
        privValidator,
        application,
        gossip: gossip.sink(id),
        verifier,
        clock: createSystemClock(),
        yieldToLoop,
        fileSystem: NODE_FILE_SYSTEM,
        logger: NULL_LOGGER,
        metrics: NULL_ENGINE_METRICS,
        hasTxs: () => application.poolSize().count > 0,
        onCrashPoint: undefined,
      },
    );
    gossip.attach(id, engine);
    nodes.push({ engine, application, blockStore, stateStore });
    closers.push(async () => {
      await gossip.detach(id);
      await engine.stop();
      await privValidator.close();
    });
  }
  for (const { engine } of nodes) await engine.start();
  let isClosing = false;
  const pulling = (async () => {
    // What a node was told before it had come that far, it has to be told again.
    for (let turn = 0; !isClosing; turn++) {
      await gossip.pullStalled(turn);
      await new Promise((resolve) => {
        setTimeout(resolve, PULL_MS);
      });
    }
  })();
  return {
    nodes,
    provider: (index) => storeProvider(nodes, index),
    async close() {
      isClosing = true;
      await pulling;
      for (const close of closers) await close();
    },
  };
}

/** Nobody is slow here but the machine. */
const PATIENCE_MS = 20_000;
const PULL_MS = 50;
/** A set of one would decide faster than a hundred nodes of one process can execute. */
const PACE_MS = 300;

function storeProvider(nodes: readonly AppNode[], index: number): LightBlockProvider {
  const name = `node ${index}`;
  return {
    name,
    async lightBlock(wanted): Promise<LightBlock> {
      const node = nodes[index];
      if (node === undefined) throw new RangeError(`there is no node ${index}`);
      const { blockStore, stateStore } = node;
      // The one below the last: its commit stands in a block.
      const height = wanted === "latest" ? Height(blockStore.height() - 1) : wanted;
      const [meta, commit, validatorSet] = await Promise.all([
        blockStore.meta(height),
        blockStore.commit(height),
        stateStore.validators(height),
      ]);
      if (meta === undefined || commit === undefined || validatorSet === undefined) {
        throw providerError("PROVIDER_HEIGHT_TOO_HIGH", name, `no height ${height} yet`);
      }
      return { signedHeader: { header: meta.header, commit }, validatorSet };
    },
    reportEvidence: () => Promise.reject(new Error("nobody attacks here")),
  };
}

/** One verifier for all nodes that remembers its verdicts: each signature is checked once, not by each node. */
function checkedOnce(): SignatureVerifier {
  const verifier = createEd25519Verifier();
  const verdicts = new Map<string, boolean>();
  type Item = Parameters<SignatureVerifier["verifyBatch"]>[0][number];
  const keyOf = ({ publicKey, prefix, message, signature }: Item): string =>
    Buffer.from(
      sha256(concatBytes(publicKey, signature, prefix ?? new Uint8Array(0), message)),
    ).toString("latin1");
  const verifyBatch = async (items: readonly Item[]): Promise<readonly boolean[]> => {
    const keys = items.map(keyOf);
    const unknown = items.filter((_, i) => !verdicts.has(keys[i] ?? ""));
    if (unknown.length > 0) {
      const found = await verifier.verifyBatch(unknown);
      for (const [i, item] of unknown.entries()) verdicts.set(keyOf(item), found[i] === true);
    }
    return keys.map((key) => verdicts.get(key) === true);
  };
  return {
    verifySync: (publicKey, message, signature) => {
      const key = keyOf({ publicKey, message, signature });
      const known = verdicts.get(key);
      if (known !== undefined) return known;
      const verdict = verifier.verifySync(publicKey, message, signature);
      verdicts.set(key, verdict);
      return verdict;
    },
    async verify(publicKey, message, signature) {
      const [isValid] = await verifyBatch([{ publicKey, message, signature }]);
      return isValid === true;
    },
    verifyBatch,
  };
}

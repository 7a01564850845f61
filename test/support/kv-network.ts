/**
 * Nodes of both kinds under the key-value application, whose transactions change the validator set. Ours run
 * in this process on real sockets; CometBFT's are processes that call the application over ABCI.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Height } from "../../proto/brands.ts";
import { EMPTY_BYTES, toHex } from "../../proto/bytes.ts";
import { BlockIdFlag } from "../../proto/types.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { createAbciServer } from "../../sequencer/abci/abci-server.ts";
import type { SnapshotApplication } from "../../sequencer/abci/application.ts";
import { NULL_ABCI_METRICS } from "../../sequencer/abci/metrics.ts";
import { freePorts } from "../../sequencer/cli/free-ports.ts";
import { writeCometBftConfig } from "../../sequencer/cometbft/config-file.ts";
import { createBlockSync } from "../../sequencer/engine/block-sync/block-sync.ts";
import { type Genesis, saveGenesis } from "../../sequencer/engine/genesis.ts";
import { createGossipRelay } from "../../sequencer/engine/gossip-sink.ts";
import { NULL_BLOCK_SYNC_METRICS } from "../../sequencer/engine/metrics.ts";
import {
  createKeyFile,
  keyFromBytes,
  type ValidatorKey,
} from "../../sequencer/engine/privval/key-file.ts";
import { openSignStateFile } from "../../sequencer/engine/privval/sign-state.ts";
import { loadConfig } from "../../sequencer/node/config.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { createBlockSyncReactor } from "../../sequencer/p2p/blocksync/blocksync-reactor.ts";
import { createConsensusReactor } from "../../sequencer/p2p/consensus/consensus-reactor.ts";
import { createEvidenceReactor } from "../../sequencer/p2p/evidence/evidence-reactor.ts";
import { createMempoolReactor } from "../../sequencer/p2p/mempool/mempool-reactor.ts";
import { NULL_P2P_METRICS } from "../../sequencer/p2p/metrics.ts";
import { loadOrCreateNodeKey, type NodeKey } from "../../sequencer/p2p/node-key.ts";
import { createSwitch } from "../../sequencer/p2p/switch.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import { NODE_FILE_SYSTEM } from "../../sequencer/ports/node-file-system.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { yieldToLoop } from "../../sequencer/ports/yield-to-loop.ts";
import { type RunningChild, startChild } from "./child-process.ts";
import { cometBft } from "./cometbft.ts";
import { createTestNode, FAST_TIMEOUTS } from "./engine-network.ts";
import { KvApplication } from "./kv-application.ts";
import type { EngineKind } from "./mixed-network.ts";
import { rpc, until } from "./local-network.ts";

export interface KvNode {
  readonly name: string;
  readonly kind: EngineKind;
  /** Of its validator key, whether the set holds it or not. */
  readonly key: ValidatorKey;
  readonly application: KvApplication;
  height(): Promise<number>;
  /** What it holds at a height. */
  block(height: number): Promise<KvBlock>;
  submit(text: string): Promise<void>;
  close(): Promise<void>;
}

/** Lower-case hex. Equal block hashes are equal headers: validators, results and state included. */
export interface KvBlock {
  readonly hash: string;
  readonly partsHash: string;
  readonly appHash: string;
  readonly nextValidatorsHash: string;
  /** Addresses that signed the commit of this height for the block. */
  readonly signers: readonly string[];
  readonly round: number;
}

export interface KvNodeOptions {
  readonly root: string;
  readonly genesis: Genesis;
  /** Every node has a validator key, of this seed; the genesis says whose count. */
  readonly nodes: readonly { readonly kind: EngineKind; readonly seed: Uint8Array }[];
  readonly logger: Logger;
}

/** Starts them all; each knows all others. */
export async function startKvNodes(options: KvNodeOptions): Promise<readonly KvNode[]> {
  const ports = await freePorts(options.nodes.length * 2);
  const places = options.nodes.map(({ kind, seed }, i) => {
    const name = `${kind}-${i}`;
    const directory = join(options.root, name);
    mkdirSync(join(directory, "config"), { recursive: true });
    mkdirSync(join(directory, "data"));
    const nodeKey = loadOrCreateNodeKey(homeAt(directory).nodeKeyFile);
    const p2pPort = ports[2 * i] ?? 0;
    const rpcPort = ports[2 * i + 1] ?? 0;
    return { name, kind, seed, directory, nodeKey, p2pPort, rpcPort };
  });
  const started: KvNode[] = [];
  try {
    for (const place of places) {
      const peers = places
        .filter((other) => other !== place)
        .map(({ nodeKey, p2pPort }) => `${nodeKey.id}@127.0.0.1:${p2pPort}`);
      const start = place.kind === "weft" ? startOurs : startGo;
      started.push(await start({ ...place, peers, options }));
    }
  } catch (error) {
    for (const node of started) await node.close();
    throw error;
  }
  return started;
}

interface Place {
  readonly name: string;
  readonly seed: Uint8Array;
  readonly directory: string;
  readonly nodeKey: NodeKey;
  readonly p2pPort: number;
  readonly rpcPort: number;
  readonly peers: readonly string[];
  readonly options: KvNodeOptions;
}

async function startOurs(place: Place): Promise<KvNode> {
  const { name, seed, nodeKey, options } = place;
  const clock = createSystemClock();
  const logger = options.logger.child({ node: name });
  const relay = createGossipRelay();
  const node = await createTestNode(nodeKey.id, {
    directory: place.directory,
    genesis: options.genesis,
    seed,
    engine: { startsSuspended: true, timeouts: FAST_TIMEOUTS, timeoutCommitMs: 50 },
    gossip: () => relay,
    logger,
  });
  const { engine, application } = node;
  const { blockStore } = node.home;
  const shared = { clock, yieldToLoop, logger, metrics: NULL_P2P_METRICS };
  const mempool = createMempoolReactor(
    { txBytesMax: 1 << 20, isBroadcasting: true },
    { checkTxs: (txs) => engine.checkTxs(txs), ...shared },
  );
  const consensus = createConsensusReactor({
    consensus: engine,
    blocks: blockStore,
    txs: mempool,
    ...shared,
    onPeerHeight: (peer, height) => {
      blockSync.peerHeightSeen(peer, height);
      evidence.peerHeightSeen(peer);
    },
  });
  relay.attach(consensus.gossip);
  const blockSyncReactor = createBlockSyncReactor({ blocks: blockStore, ...shared });
  const evidence = createEvidenceReactor({
    evidence: engine,
    peerHeight: (peer) => consensus.peerRound(peer)?.height,
    ...shared,
  });
  const peers = createSwitch(
    {
      listenAddress: `127.0.0.1:${place.p2pPort}`,
      network: options.genesis.chainId,
      moniker: name,
      version: "0.38.25",
      persistentPeers: place.peers,
      allowsDuplicateIp: true,
    },
    {
      nodeKey,
      verifySignature: createEd25519Verifier().verifySync,
      reactors: [consensus, mempool, blockSyncReactor, evidence],
      clock,
      logger,
      metrics: NULL_P2P_METRICS,
      random: Math.random,
    },
  );
  await engine.start();
  engine.events.on((event) => {
    if (event.kind === "NewBlock") mempool.committed(event.block.txs, event.result.txResults);
  });
  const blockSync = createBlockSync(
    { returnDistance: 10, expectedPeers: place.peers.length },
    {
      target: engine.syncTarget(),
      network: blockSyncReactor,
      verifier: createEd25519Verifier(),
      clock,
      yieldToLoop,
      logger,
      metrics: NULL_BLOCK_SYNC_METRICS,
      onCaughtUp: () => {},
    },
  );
  blockSyncReactor.attach(blockSync);
  consensus.start();
  evidence.start();
  await peers.start();
  blockSync.start();

  return {
    name,
    kind: "weft",
    key: keyFromBytes(seed),
    application,
    height: async () => engine.status().height,
    async block(height) {
      const at = Height(height);
      const meta = await blockStore.meta(at);
      const commit = (await blockStore.commit(at)) ?? (await blockStore.seenCommit(at));
      if (meta === undefined || commit === undefined) throw new Error(`${name} has no ${height}`);
      return {
        hash: toHex(meta.blockId.hash),
        partsHash: toHex(meta.blockId.partSetHeader.hash),
        appHash: toHex(meta.header.appHash),
        nextValidatorsHash: toHex(meta.header.nextValidatorsHash),
        signers: commit.signatures
          .filter(({ blockIdFlag }) => blockIdFlag === BlockIdFlag.COMMIT)
          .map(({ validatorAddress }) => toHex(validatorAddress)),
        round: commit.round,
      };
    },
    async submit(text) {
      await mempool.submit(new TextEncoder().encode(text));
    },
    async close() {
      await blockSync.stop();
      evidence.stop();
      blockSyncReactor.stop();
      mempool.stop();
      consensus.stop();
      await peers.stop();
      await node.close();
    },
  };
}

async function startGo(place: Place): Promise<KvNode> {
  const { name, seed, directory, options } = place;
  const home = homeAt(directory);
  const { path: program } = await cometBft();
  await saveGenesis(home.genesisFile, options.genesis);
  createKeyFile(home.validatorKeyFile, seed);
  await (await openSignStateFile(home.validatorStateFile, true, NODE_FILE_SYSTEM)).close();
  const application = await new KvApplication({ path: join(directory, "app.json") }).load();
  const server = createAbciServer(
    { address: `unix://${join(directory, "abci.sock")}` },
    {
      application: withoutSnapshots(application),
      clock: createSystemClock(),
      logger: options.logger.child({ node: name }),
      metrics: NULL_ABCI_METRICS,
    },
  );
  await server.start();
  const config = loadConfig(
    undefined,
    {
      moniker: name,
      "rpc.laddr": `tcp://127.0.0.1:${place.rpcPort}`,
      "p2p.laddr": `tcp://127.0.0.1:${place.p2pPort}`,
      "p2p.persistent_peers": place.peers.join(","),
      "p2p.allow_duplicate_ip": true,
      "p2p.addr_book_strict": false,
      "p2p.pex": false,
      "consensus.timeout_commit": "50ms",
      "consensus.timeout_propose": "1s",
    },
    {},
  );
  const files = await writeCometBftConfig(home, config, {
    proxyApp: server.address(),
    prometheus: undefined,
    logFormat: "json",
  });
  const logFile = join(directory, "cometbft.log");
  const child: RunningChild = startChild(program, ["start", "--home", files.root], { logFile });
  const at = { rpc: `http://127.0.0.1:${place.rpcPort}` };
  await until(`${name} answers`, async () => {
    if (!child.isRunning()) throw new Error(child.tail());
    await rpc(at, "status");
    return true;
  });

  return {
    name,
    kind: "cometbft",
    key: keyFromBytes(seed),
    application,
    async height() {
      const { sync_info: info } = await rpc<{
        sync_info: { latest_block_height: string };
      }>(at, "status");
      return Number(info.latest_block_height);
    },
    async block(height) {
      const { signed_header: told } = await rpc<CommitAnswer>(at, "commit", {
        height: String(height),
      });
      const { header, commit } = told;
      return {
        hash: commit.block_id.hash.toLowerCase(),
        partsHash: commit.block_id.parts.hash.toLowerCase(),
        appHash: header.app_hash.toLowerCase(),
        nextValidatorsHash: header.next_validators_hash.toLowerCase(),
        signers: commit.signatures
          .filter(({ block_id_flag: flag }) => flag === 2)
          .map(({ validator_address: address }) => address.toLowerCase()),
        round: commit.round,
      };
    },
    async submit(text) {
      const tx = Buffer.from(text).toString("base64");
      await rpc(at, "broadcast_tx_sync", { tx });
    },
    async close() {
      child.signal("SIGTERM");
      await child.ended;
      await server.stop();
    },
  };
}

interface CommitAnswer {
  readonly signed_header: {
    readonly header: { readonly app_hash: string; readonly next_validators_hash: string };
    readonly commit: {
      readonly round: number;
      readonly block_id: { readonly hash: string; readonly parts: { readonly hash: string } };
      readonly signatures: readonly {
        readonly block_id_flag: number;
        readonly validator_address: string;
      }[];
    };
  };
}

/** The key-value application takes no snapshots. */
function withoutSnapshots(application: KvApplication): KvApplication & SnapshotApplication {
  return Object.assign(application, {
    listSnapshots: () => Promise.resolve([]),
    loadSnapshotChunk: () => Promise.resolve(EMPTY_BYTES),
    offerSnapshot: () => Promise.resolve("reject" as const),
    applySnapshotChunk: () =>
      Promise.reject(new Error("no snapshot of the key-value application was offered")),
  });
}

/**
 * The composition root of a node: everything is constructed here, in readable order, from the disk
 * up; started in that order and stopped in the reverse one.
 */
import { join } from "node:path";
import type { Application, SnapshotApplication } from "../abci/application.ts";
import type { WeftApplication } from "../app/weft-application.ts";
import { type BlockSync, createBlockSync } from "../engine/block-sync/block-sync.ts";
import { createEngine, type Engine } from "../engine/engine.ts";
import { openEngineHome } from "../engine/engine-home.ts";
import { type Genesis, genesisToJson, loadGenesis } from "../engine/genesis.ts";
import { createGossipRelay } from "../engine/gossip-sink.ts";
import type { PrivValidator } from "../engine/privval/priv-validator.ts";
import { createGrpcServer } from "../grpc/server.ts";
import { createEngineHealth } from "../metrics/engine-health.ts";
import { isServing } from "../metrics/health.ts";
import { createNodeMetrics } from "../metrics/metrics.ts";
import { createBodiesReactor } from "../p2p/bodies/bodies-reactor.ts";
import { createBlockSyncReactor } from "../p2p/blocksync/blocksync-reactor.ts";
import { createConsensusReactor } from "../p2p/consensus/consensus-reactor.ts";
import { createEvidenceReactor } from "../p2p/evidence/evidence-reactor.ts";
import { createMempoolReactor } from "../p2p/mempool/mempool-reactor.ts";
import { createStateSyncReactor } from "../p2p/statesync/statesync-reactor.ts";
import { loadOrCreateNodeKey } from "../p2p/node-key.ts";
import type { Reactor } from "../p2p/reactor.ts";
import { createSwitch } from "../p2p/switch.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { NODE_FILE_SYSTEM } from "../ports/node-file-system.ts";
import { yieldToLoop } from "../ports/yield-to-loop.ts";
import { openLevelKeyValueStore } from "../store/level-key-value-store.ts";
import { createIndexerService } from "../rpc/indexer/indexer-service.ts";
import { openChainIndex } from "../rpc/indexer/level-index.ts";
import { createRpcServer } from "../rpc/rpc-server.ts";
import { type Config, splitList } from "./config-schema.ts";
import { durationMs, stallAfterMs } from "./config.ts";
import { useBodySources } from "./body-sources.ts";
import { createClosers } from "./closers.ts";
import { consensusOptions } from "./consensus-options.ts";
import { createFoundEvidence } from "./found-evidence.ts";
import { genesisWait, untilGenesis } from "./genesis-wait.ts";
import type { Home } from "./home.ts";
import { checkHomeEngine, claimHome } from "./home-engine.ts";
import { listenAddress } from "./listen-address.ts";
import { listeningAt } from "./listening.ts";
import { metricsIdentity, serveMetrics } from "./metrics-page.ts";
import { appliedBlock, type BlockSummary, createNotifier } from "./notifier.ts";
import {
  checkUpgrade,
  openApplication,
  openSignatureLanes,
  upgradeNeeded,
} from "./open-application.ts";
import { openPeerExchange, switchOptions } from "./peers.ts";
import { createRetention } from "./retention.ts";
import { openSealDuties } from "./open-seal-duties.ts";
import { openSealCompute } from "./seal-workers/open-seal-compute.ts";
import { createStallWatch } from "./stall-watch.ts";
import { isEmptyHome, startStateSync } from "./state-sync.ts";
import { createSyncState } from "./sync-state.ts";
import { UPGRADE_GRACE_MS } from "./limits.ts";
import { checkRole, holdsValidatorKey, roleOf } from "./validator-role.ts";
import { createGrpcApplication, grpcNodeInfo } from "./grpc-ports.ts";
import { createCheckTxs, createEngineBlocks, createRpcPorts, createSubmitTx } from "./wiring.ts";
import { connectRemoteSigner, hasRemoteSigner } from "./validator-signer.ts";
import { VERSION } from "./version.ts";

export interface NodeOptions {
  readonly home: Home;
  readonly config: Config;
  /** Told of each applied block. */
  readonly onBlock: (summary: BlockSummary) => void;
}

/** A node under either engine. */
export interface RunningNode {
  /** Resolves with why, when the node cannot go on and has to be stopped: the process is of no more use. */
  readonly failed: Promise<Error>;
  /** Resolves when everything listens and consensus runs. */
  start(): Promise<void>;
  /** Stops everything in reverse order; what was committed is on disk. */
  stop(): Promise<void>;
}

export interface NodeDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * Stands between the reactors and their peers. No command gives one, and no configuration names one:
   * tests make a correct node misbehave here.
   */
  readonly middleware?: (reactors: readonly Reactor[]) => readonly Reactor[];
  /** Stands between the engine and the application, for tests as well. */
  readonly applicationMiddleware?: (application: WeftApplication) => WholeApplication;
}

/** All that an engine calls. */
type WholeApplication = Application & SnapshotApplication;

export interface Node extends RunningNode {
  readonly engine: Engine;
  readonly application: WeftApplication;
}

/** Opens the home directory and builds the node; nothing listens yet. */
export async function createNode(options: NodeOptions, deps: NodeDependencies): Promise<Node> {
  const { home, config } = options;
  const { clock, logger, middleware = (reactors) => reactors } = deps;
  const { applicationMiddleware = (application) => application } = deps;
  const closers = createClosers(logger);
  return await closers.guard(assemble);

  async function assemble(): Promise<Node> {
    // What the node is: genesis, keys, metrics.
    const genesis = await loadGenesis(home.genesisFile);
    const nodeKey = loadOrCreateNodeKey(home.nodeKeyFile);
    const lanes = await openSignatureLanes(config, { logger });
    closers.push(() => lanes.stop());
    const seal = openSealCompute({ logger });
    closers.push(() => seal.stop());
    const { verifier, incomingVerifier } = lanes;

    const metrics = createNodeMetrics(metricsIdentity(home, config, genesis), {
      health: () => health.report(),
    });

    // Disk: one lock, the engine's stores, the application's state.
    const isSignedElsewhere = hasRemoteSigner(config);
    const owner = await checkHomeEngine(home, "embedded");
    const disk = await openEngineHome({
      dataDirectory: home.dataDir,
      privValidatorKeyPath:
        !isSignedElsewhere && holdsValidatorKey(home) ? home.validatorKeyFile : undefined,
    });
    closers.push(() => disk.close());
    const claim = await claimHome(home, owner, "embedded");
    const privValidator = isSignedElsewhere ? await connectSigner() : disk.privValidator;

    /** Nothing else listens before the validator's key is known. */
    async function connectSigner(): Promise<PrivValidator> {
      const signer = await connectRemoteSigner(
        { config, chainId: genesis.chainId, keyFile: home.validatorKeyFile },
        {
          connectionKey: nodeKey,
          clock,
          logger: logger.child({ module: "privval" }),
          metrics: metrics.remoteSigner,
        },
      );
      closers.push(() => signer.close());
      return signer;
    }

    // The state machine and the engine that drives it.
    const opened = await openApplication(
      { home, config, genesis },
      {
        lanes,
        seal,
        clock,
        logger,
        metrics: metrics.app,
        // The parameters are the genesis' own: no application of this version changes them.
        retainHeight: createRetention(
          {
            retainBlocks: config.storage.retain_blocks,
            evidence: genesis.consensusParams.evidence,
          },
          disk.blockStore,
        ),
      },
    );
    closers.push(() => opened.close());
    const { application } = opened;
    checkUpgrade(application);
    const gossip = createGossipRelay();
    // Block sync resumes it, at once where a validator is alone; where there is none, the genesis time does.
    const startsSuspended =
      config.blocksync.enable || genesisWait(genesis.genesisTime, clock) !== undefined;
    const settings = { ...engineOptions(genesis, config, disk.walDirectory), startsSuspended };
    const engine: Engine = createEngine(settings, {
      application: applicationMiddleware(application),
      blockStore: disk.blockStore,
      stateStore: disk.stateStore,
      evidenceStore: disk.evidenceStore,
      privValidator,
      gossip,
      verifier,
      incomingVerifier,
      clock,
      yieldToLoop,
      fileSystem: NODE_FILE_SYSTEM,
      logger: logger.child({ module: "consensus" }),
      metrics: metrics.engine,
      hasTxs: () => application.poolSize().count > 0,
    });

    // Peers.
    let hasEngineStarted = false;
    let blockSync: BlockSync | undefined;
    const mempoolReactor = createMempoolReactor(
      { txBytesMax: config.mempool.max_tx_bytes, isBroadcasting: config.mempool.broadcast },
      {
        checkTxs: createCheckTxs(engine, () => hasEngineStarted),
        clock,
        yieldToLoop,
        logger,
        metrics: metrics.p2p,
      },
    );
    application.onPoolDropped((item) => mempoolReactor.dropped(item));
    const consensusReactor = createConsensusReactor({
      consensus: engine,
      blocks: disk.blockStore,
      txs: config.mempool.broadcast ? mempoolReactor : undefined,
      clock,
      logger,
      metrics: metrics.p2p,
      onPeerHeight: (peer, height) => {
        blockSync?.peerHeightSeen(peer, height);
        evidenceReactor.peerHeightSeen(peer);
      },
    });
    gossip.attach(consensusReactor.gossip);
    const blockSyncReactor = createBlockSyncReactor({
      blocks: disk.blockStore,
      clock,
      logger,
      metrics: metrics.p2p,
    });
    const evidenceReactor = createEvidenceReactor({
      evidence: engine,
      peerHeight: (peer) => consensusReactor.peerRound(peer)?.height,
      clock,
      yieldToLoop,
      logger,
      metrics: metrics.p2p,
    });
    const stateSyncReactor = createStateSyncReactor({
      snapshots: application,
      clock,
      logger,
      metrics: metrics.p2p,
    });
    const bodiesReactor = createBodiesReactor({ bodies: application.listed.held, clock, logger });
    useBodySources(
      { config, peers: [bodiesReactor] },
      { application, isCatchingUp: () => isCatchingUp(), closers, logger },
    );
    const submitTx = createSubmitTx((tx) => mempoolReactor.submit(tx));
    const foundEvidence = createFoundEvidence({ directory: home.foundEvidenceDir }, { logger });
    const sealDuties = openSealDuties(opened, {
      seal,
      submit: submitTx,
      foundEvidence,
      isCatchingUp: () => isCatchingUp(),
      clock,
      logger,
    });
    const { bans, pex, book } = await openPeerExchange(
      { home, config, ownId: nodeKey.id },
      { clock, random: Math.random, logger, metrics: metrics.p2p },
    );
    const peers = createSwitch(switchOptions(genesis, config), {
      nodeKey,
      verifySignature: verifier.verifySync,
      reactors: middleware([
        consensusReactor,
        mempoolReactor,
        blockSyncReactor,
        evidenceReactor,
        stateSyncReactor,
        bodiesReactor,
        ...(pex === undefined ? [] : [pex]),
      ]),
      bans,
      clock,
      logger,
      metrics: metrics.p2p,
      random: Math.random,
    });
    pex?.attach(peers);

    // How far the node is, for whoever asks.
    const lastBlock = await disk.blockStore.meta(disk.blockStore.height());
    const syncState = createSyncState(lastBlock?.header.time, {
      height: () => engine.status().height,
      peerHeights: () =>
        peers.peers().flatMap(({ id }) => consensusReactor.peerRound(id)?.height ?? []),
      clock,
    });
    const isCatchingUp = () => engine.status().catchingUp || syncState.isBehind();
    const isHalted = () =>
      application.standstill()?.kind === "halted" || engine.status().haltReason !== undefined;
    const stallWatch = createStallWatch(
      { afterMs: stallAfterMs(config) },
      {
        view: () => (isCatchingUp() || isHalted() ? undefined : engine.view()),
        genesis,
        peers: () => peers.peers().length,
        unreached: () => peers.unreached(),
        lastBlockTime: () => lastBlock?.header.time,
        // Whoever picks nodes by their health may find one that sees more.
        onStalled: () => grpc?.setServing(false),
        clock,
        logger: logger.child({ module: "consensus" }),
      },
    );
    const health = createEngineHealth({
      status: () => ({ ...engine.status(), catchingUp: isCatchingUp() }),
      stall: () => stallWatch.description(),
      loneliness: () => stallWatch.loneliness(),
      halt: () => application.standstill()?.reason,
      waits: () => genesisWait(genesis.genesisTime, clock),
    });

    // Who asks from outside.
    const indexStore =
      config.tx_index.indexer === "kv"
        ? await openLevelKeyValueStore(join(home.dataDir, "tx_index.db"))
        : undefined;
    if (indexStore !== undefined) closers.push(() => indexStore.close());
    const index =
      indexStore === undefined
        ? undefined
        : await openChainIndex(
            { isPrunable: config.storage.retain_blocks > 0 },
            { store: indexStore, blocks: disk.blockStore },
          );
    const indexer =
      index === undefined
        ? undefined
        : createIndexerService({
            index,
            blocks: disk.blockStore,
            states: disk.stateStore,
            events: engine.events,
            clock,
            logger,
            metrics: metrics.rpc,
          });
    const rpcAddress = listenAddress(config.rpc.laddr);
    const rpc =
      rpcAddress === undefined
        ? undefined
        : createRpcServer(
            {
              ...rpcAddress,
              corsOrigins: config.rpc.cors_allowed_origins,
              connectionsMax: config.rpc.max_open_connections,
              subscriptionClientsMax: config.rpc.max_subscription_clients,
              subscriptionsPerClientMax: config.rpc.max_subscriptions_per_client,
              broadcastCommitTimeoutMs: durationMs(config.rpc.timeout_broadcast_tx_commit),
              bodyBytesMax: config.rpc.max_body_bytes,
              isUnsafe: config.rpc.unsafe,
              headerBytesMax: config.rpc.max_header_bytes,
              batchRequestsMax: config.rpc.max_request_batch_size,
              corsMethods: config.rpc.cors_allowed_methods,
              corsHeaders: config.rpc.cors_allowed_headers,
              closesSlowClients: config.rpc.experimental_close_on_slow_client,
            },
            {
              ...createRpcPorts({
                engine,
                application,
                peers,
                exchange: { pex, book },
                submitTx,
                // CometBFT's status has a validator key always; a node without one shows its own.
                validatorKey: { type: "ed25519", bytes: nodeKey.publicKey },
                isCatchingUp,
                peerState: (peer) => consensusReactor.peerState(peer),
                timeoutCommitMs: durationMs(config.consensus.timeout_commit),
                logger,
                version: VERSION,
              }),
              blocks: disk.blockStore,
              states: disk.stateStore,
              events: engine.events,
              evidence: engine,
              genesis: { json: genesisToJson(genesis) },
              index,
              clock,
              logger,
              metrics: metrics.rpc,
            },
          );
    const grpcAddress = listenAddress(config.grpc.laddr);
    const grpc =
      grpcAddress === undefined
        ? undefined
        : createGrpcServer(
            {
              ...grpcAddress,
              streamsMax: config.grpc.max_streams,
              streamsOfPeerMax: config.grpc.max_streams_per_peer,
              connectionsMax: config.grpc.max_open_connections,
              connectionsOfPeerMax: config.grpc.max_open_connections_per_peer,
            },
            {
              node: grpcNodeInfo(genesis, isCatchingUp),
              blocks: createEngineBlocks(engine),
              application: createGrpcApplication(application, submitTx),
              clock,
              logger: logger.child({ module: "grpc" }),
              metrics: metrics.grpc,
            },
          );

    let end: (reason: Error) => void = () => {};
    const failed = new Promise<Error>((resolve) => (end = resolve));
    let arePeersStarted = false;
    async function startPeers(): Promise<void> {
      if (arePeersStarted) return;
      arePeersStarted = true;
      closers.push(() => peers.stop());
      await listeningAt("p2p.laddr", config.p2p.laddr, () => peers.start());
      if (pex === undefined) return;
      pex.start();
      closers.push(() => pex.stop());
    }

    /** Peers connect before the engine starts: the other reactors wait for it. */
    async function restoreSnapshot(): Promise<void> {
      if (!(await isEmptyHome(disk, logger))) return;
      health.restoring();
      await startPeers();
      const restore = startStateSync(
        { config: config.statesync, genesis, softwareVersion: VERSION.cometbft },
        {
          application,
          blockStore: disk.blockStore,
          stateStore: disk.stateStore,
          reactor: stateSyncReactor,
          verifier,
          clock,
          logger,
          metrics: metrics.stateSync,
        },
      );
      await closers.wait(
        () => restore.done,
        () => restore.stop(),
      );
    }

    async function waitForGenesis(): Promise<void> {
      const reason = genesisWait(genesis.genesisTime, clock);
      if (reason === undefined) return;
      logger.info("genesis time is in the future; waiting until then", { reason });
      const waiting = new AbortController();
      await closers.wait(
        () => untilGenesis(genesis.genesisTime, clock, waiting.signal),
        () => waiting.abort(new Error("the node was stopped before its genesis time")),
      );
    }

    async function startAll(): Promise<void> {
      const { registry } = metrics;
      await serveMetrics(
        { config, command: "weft start" },
        { registry, health: () => health.report(), clock, logger, closers },
      );
      if (config.statesync.enable) await restoreSnapshot();
      closers.push(
        () => claim.giveBack({ hasBlocks: disk.blockStore.height() > 0, isSignedElsewhere }),
        () => engine.stop(),
      );
      await claim.take();
      await engine.start();
      hasEngineStarted = true;
      // Replay may have come as far as that.
      checkUpgrade(application);
      health.started();
      checkRole(roleOf(engine), { application, logger }, home.applicationKeyFile);
      const notify = createNotifier({
        peers: () => peers.peers().length,
        pool: () => application.poolSize().count,
      });
      closers.push(
        () => foundEvidence.idle(),
        () => sealDuties.idle(),
        stopper(
          engine.events.on((event) => {
            if (event.kind === "Halted") grpc?.setServing(false);
            if (event.kind === "ConflictingProposals") foundEvidence.proposedTwice(event);
            if (event.kind !== "NewBlock") return;
            syncState.applied(event.block.header.time);
            stallWatch.progressed();
            const needed = upgradeNeeded(application);
            if (needed !== undefined) clock.after(UPGRADE_GRACE_MS, () => end(needed));
            grpc?.setServing(isServing(health.report()));
            mempoolReactor.committed(event.block.txs, event.result.txResults);
            sealDuties.look();
            options.onBlock(notify(appliedBlock(event.block, event.result)));
          }),
        ),
      );
      if (config.blocksync.enable) {
        blockSync = createBlockSync(
          {
            returnDistance: config.blocksync.return_distance,
            expectedPeers: splitList(config.p2p.persistent_peers).length,
          },
          {
            target: engine.syncTarget(),
            network: blockSyncReactor,
            verifier,
            clock,
            yieldToLoop,
            logger,
            metrics: metrics.blockSync,
            onCaughtUp: () => grpc?.setServing(isServing(health.report())),
          },
        );
        blockSyncReactor.attach(blockSync);
      }
      sealDuties.look();
      consensusReactor.start();
      evidenceReactor.start();
      closers.push(
        stopper(() => stallWatch.stop()),
        stopper(() => consensusReactor.stop()),
        stopper(() => mempoolReactor.stop()),
        stopper(() => blockSyncReactor.stop()),
        stopper(() => evidenceReactor.stop()),
        stopper(() => stateSyncReactor.stop()),
        stopper(() => bodiesReactor.stop()),
      );
      await waitForGenesis();
      stallWatch.start();
      await startPeers();
      if (blockSync === undefined) {
        if (startsSuspended) await engine.syncTarget().resume();
      } else {
        const follower = blockSync;
        closers.push(() => follower.stop());
        follower.start();
      }
      if (indexer !== undefined) {
        indexer.start();
        closers.push(() => indexer.stop());
      }
      if (grpc !== undefined) {
        closers.push(() => grpc.stop());
        await listeningAt("grpc.laddr", config.grpc.laddr, () => grpc.start());
        grpc.setServing(isServing(health.report()));
      }
      if (rpc !== undefined) {
        closers.push(() => rpc.stop());
        await listeningAt("rpc.laddr", config.rpc.laddr, () => rpc.start());
      }
      logger.info("node started", {
        version: VERSION.weft,
        network: genesis.chainId,
        node: nodeKey.id,
        height: engine.status().height,
        p2p: peers.listenAddress(),
      });
    }

    return {
      // Half a node would be a validator that peers see and nobody can reach.
      start: () => closers.guard(startAll),
      stop: () => closers.closeAll(),
      failed,
      engine,
      application,
    };
  }
}

function engineOptions(genesis: Genesis, config: Config, walDirectory: string) {
  return {
    genesis,
    softwareVersion: VERSION.cometbft,
    walDirectory,
    onWalCorruption: "refuse",
    ...consensusOptions(config),
    timeoutCommitMs: durationMs(config.consensus.timeout_commit),
    blockTimeToleranceMs: durationMs(config.consensus.block_time_tolerance),
    doubleSignCheckHeight: 0,
  } as const;
}

function stopper(stop: () => void): () => Promise<void> {
  return () => {
    stop();
    return Promise.resolve();
  };
}

/**
 * The composition root of a node whose engine is CometBFT: the application on this side of a socket,
 * CometBFT as a child on the other, and around them what a node offers with either engine. CometBFT itself
 * serves peers and the JSON-RPC.
 */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { bytesEqual } from "../../proto/bytes.ts";
import { isWeftError } from "../../proto/errors.ts";
import { validatorAddress } from "../../proto/validator-set.ts";
import { createAbciServer } from "../abci/abci-server.ts";
import { findCometBft } from "../cometbft/binary.ts";
import { createCometBlockSource } from "../cometbft/block-source.ts";
import { createCometChain, type CometStatus } from "../cometbft/chain-reader.ts";
import { cometBftHomeAt, writeCometBftConfig } from "../cometbft/config-file.ts";
import { CometBftError } from "../cometbft/errors.ts";
import { createHandover } from "../cometbft/handover.ts";
import { mergeMetricsPages, readMetricsPage } from "../cometbft/metrics-page.ts";
import { observeApplication } from "../cometbft/observed-application.ts";
import { openSocketDirectory } from "../cometbft/socket-directory.ts";
import { lastLoggedVote } from "../cometbft/stores/last-signed.ts";
import { createSupervisor } from "../cometbft/supervisor.ts";
import { loadGenesis } from "../engine/genesis.ts";
import { checkGenesis } from "../engine/handshake.ts";
import { PrivValidatorError } from "../engine/privval/errors.ts";
import { openFilePrivValidator } from "../engine/privval/file-priv-validator.ts";
import { SIGN_STATE_REMEDY } from "../engine/privval/sign-state.ts";
import { createGrpcServer } from "../grpc/server.ts";
import { createEngineHealth } from "../metrics/engine-health.ts";
import { isServing } from "../metrics/health.ts";
import { createCometBftNodeMetrics } from "../metrics/metrics.ts";
import { loadOrCreateNodeKey } from "../p2p/node-key.ts";
import { createCometRpcClient } from "../ports/comet-rpc/client.ts";
import { NODE_FILE_SYSTEM } from "../ports/node-file-system.ts";
import { lockHome } from "../store/home-lock.ts";
import { useBodySources } from "./body-sources.ts";
import { createClosers } from "./closers.ts";
import {
  cometBftLogLevel,
  cometBftSource,
  namingTakenPort,
  namingTrustConflict,
} from "./comet-settings.ts";
import { createCometWatch } from "./comet-watch.ts";
import { stallAfterMs } from "./config.ts";
import {
  createCometGrpcBlocks,
  createGrpcApplication,
  grpcNodeInfo,
  refusedForNow,
  refusedForSize,
} from "./grpc-ports.ts";
import { createFoundEvidence } from "./found-evidence.ts";
import { genesisWait } from "./genesis-wait.ts";
import { checkHomeEngine, claimHome } from "./home-engine.ts";
import { listenAddress } from "./listen-address.ts";
import { freeLoopbackPort, listeningAt } from "./listening.ts";
import { metricsIdentity, serveMetrics } from "./metrics-page.ts";
import type { NodeDependencies, NodeOptions, RunningNode } from "./node.ts";
import { createNotifier } from "./notifier.ts";
import {
  checkUpgrade,
  openApplication,
  openSignatureLanes,
  upgradeNeeded,
} from "./open-application.ts";
import { createHeightRetention } from "./retention.ts";
import { openSealDuties } from "./open-seal-duties.ts";
import { openSealCompute } from "./seal-workers/open-seal-compute.ts";
import { createStallWatch } from "./stall-watch.ts";
import { createSyncState } from "./sync-state.ts";
import { UPGRADE_GRACE_MS } from "./limits.ts";
import { checkRole, holdsValidatorKey } from "./validator-role.ts";
import { hasRemoteSigner } from "./validator-signer.ts";
import { VERSION } from "./version.ts";

export interface CometBftNodeOptions extends NodeOptions {
  /** Where the program is looked for: `WEFT_COMETBFT`, `PATH`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Opens the home directory and builds the node; nothing listens and CometBFT does not run yet. */
export async function createCometBftNode(
  options: CometBftNodeOptions,
  deps: Pick<NodeDependencies, "clock" | "logger" | "applicationMiddleware">,
): Promise<RunningNode> {
  const { home, config } = options;
  const { clock, logger, applicationMiddleware = (application) => application } = deps;
  const closers = createClosers(logger);
  return await closers.guard(assemble);

  async function assemble(): Promise<RunningNode> {
    // What the node is.
    const binary = await findCometBft({ environment: options.environment });
    const genesis = await loadGenesis(home.genesisFile);
    const nodeKey = loadOrCreateNodeKey(home.nodeKeyFile);
    const owner = await checkHomeEngine(home, "cometbft");
    const lock = await lockHome(home.dataDir);
    closers.push(() => lock.release());
    const claim = await claimHome(home, owner, "cometbft");
    const cometHome = cometBftHomeAt(home);
    const hasBlocks = existsSync(join(cometHome.dataDir, "blockstore.db"));
    const isSignedElsewhere = hasRemoteSigner(config);
    const signsHere = !isSignedElsewhere && holdsValidatorKey(home);
    if (signsHere) await checkSignerFiles();

    /** CometBFT opens key and state itself; what is wrong with them is told in our words, and a first state is made. */
    async function checkSignerFiles(): Promise<void> {
      const signer = await openFilePrivValidator({
        keyPath: home.validatorKeyFile,
        statePath: home.validatorStateFile,
        isFresh: !hasBlocks,
      });
      try {
        const log = join(cometHome.dataDir, "cs.wal");
        if (!existsSync(log)) return;
        const address = validatorAddress(await signer.publicKey());
        const logged = await lastLoggedVote(log, address, NODE_FILE_SYSTEM);
        const { height } = signer.lastSigned;
        if (logged === undefined || height >= logged.height) return;
        throw new PrivValidatorError(
          { code: "PRIVVAL_STATE_FILE", path: home.validatorStateFile },
          `the signer's state ${home.validatorStateFile} is at height ${height}, CometBFT's log says that this validator voted at height ${logged.height}: signing now could contradict that and be slashed. ${SIGN_STATE_REMEDY}`,
        );
      } finally {
        await signer.close();
      }
    }

    const metrics = createCometBftNodeMetrics(metricsIdentity(home, config, genesis), {
      health: () => health.report(),
    });
    metrics.cometbft.up.set(0);
    const lanes = await openSignatureLanes(config, { logger });
    closers.push(() => lanes.stop());
    const seal = openSealCompute({ logger });
    closers.push(() => seal.stop());
    const opened = await openApplication(
      { home, config, genesis },
      {
        lanes,
        seal,
        clock,
        logger,
        metrics: metrics.app,
        retainHeight: createHeightRetention({
          retainBlocks: config.storage.retain_blocks,
          evidence: genesis.consensusParams.evidence,
        }),
      },
    );
    closers.push(() => opened.close());
    const { application } = opened;
    checkUpgrade(application);
    useBodySources(
      { config, peers: [] },
      { application, isCatchingUp: () => isCatchingUp(), closers, logger },
    );
    const begun = application.read.chain();
    if (begun !== undefined) checkGenesis(genesis, begun);
    const height = application.read.lastBlock()?.height ?? 0;
    if (height > 0 && !hasBlocks) {
      throw new CometBftError(
        { code: "COMETBFT_BLOCKS_MISSING", height },
        `the application of ${home.root} is at height ${height} and CometBFT has no blocks in ${cometHome.dataDir}: an application that ran under weft abci goes on there, or bring the data folder of its CometBFT here`,
      );
    }

    // The two sides of the socket, and what is read over CometBFT's own RPC, on a socket that no client has.
    const sockets = openSocketDirectory(join(home.cometbftDir, "run"));
    closers.push(() => sockets.close());
    const rpcSocket = sockets.path("rpc.sock");
    const client = createCometRpcClient(`unix://${rpcSocket}`);
    closers.push(() => client.close());
    const chain = createCometChain(client);
    const cometLogger = logger.child({ module: "cometbft" });
    const blocks = createCometBlockSource({ chain, clock, logger: cometLogger });
    closers.push(() => blocks.stop());
    const source = cometBftSource(config, { rpcSocket, cometRoot: cometHome.root });
    const handover = createHandover(
      {
        batchMax: source.rpc.max_request_batch_size,
        bodyBytesMax: source.rpc.max_body_bytes,
      },
      {
        client,
        checkTx: (request) => application.checkTx(request),
        clock,
        logger: cometLogger,
        metrics: metrics.cometbft,
      },
    );
    /** Whether CometBFT answers. */
    let isUp = false;
    let haltReason: string | undefined;
    let applicationFault: unknown;
    const notify = createNotifier({
      peers: () => watch.peers(),
      pool: () => application.poolSize().count,
    });
    const abci = createAbciServer(
      { address: `unix://${sockets.path("abci.sock")}` },
      {
        application: observeApplication(applicationMiddleware(application), {
          checkTx: (request) => handover.checkTx(request),
          onApplied(block) {
            blocks.applied(block);
            syncState.applied(block.time);
            stallWatch.progressed();
            watch.progressed();
            const needed = upgradeNeeded(application);
            if (needed !== undefined) clock.after(UPGRADE_GRACE_MS, () => end(needed));
            // What is replayed before CometBFT is up was told when it was new.
            if (!isUp) return;
            sealDuties.look();
            options.onBlock(notify(block));
          },
          onFault(error) {
            applicationFault ??= error;
            halt(`the application cannot go on: ${String(error)}`);
          },
        }),
        clock,
        logger,
        metrics: metrics.abci,
      },
    );

    let end: (reason: Error) => void = () => {};
    const ended = new Promise<Error>((resolve) => (end = resolve));

    function halt(reason: string): void {
      if (haltReason !== undefined) return;
      haltReason = reason;
      metrics.cometbft.up.set(0);
      logger.error("the node has halted; see the reason, and mend it before a restart", { reason });
      showHealth();
    }

    // How far the node is, for whoever asks.
    const watch = createCometWatch({ chain, clock, logger: cometLogger, onStatus });
    const syncState = createSyncState(application.read.lastBlock()?.time, {
      height: () => blocks.height(),
      // CometBFT tells of no peer's height in passing; that it fetches blocks it says itself.
      peerHeights: () => [],
      clock,
    });
    const isCatchingUp = (): boolean => watch.status()?.isCatchingUp ?? true;
    const stallWatch = createStallWatch(
      { afterMs: stallAfterMs(config) },
      {
        view: () => (isUp && application.standstill() === undefined ? watch.place() : undefined),
        genesis,
        peers: () => watch.peers(),
        lastBlockTime: () => application.read.lastBlock()?.time,
        onStalled: () => grpc?.setServing(false),
        clock,
        logger: cometLogger,
      },
    );
    const health = createEngineHealth({
      status: () => ({ height: blocks.height(), catchingUp: isCatchingUp(), haltReason }),
      isUp: () => isUp,
      isRestoring: () => config.statesync.enable && blocks.height() === 0,
      stall: () => stallWatch.description(),
      loneliness: () => stallWatch.loneliness(),
      halt: () => application.standstill()?.reason,
      waits: () => genesisWait(genesis.genesisTime, clock),
    });
    const showHealth = (): void => grpc?.setServing(isServing(health.report()));

    let isRoleChecked = false;
    /** Why a validator of this chain may not run here. */
    let roleFault: Error | undefined;
    function onStatus(status: CometStatus): void {
      blocks.rebase(status.earliestHeight);
      // While a snapshot is restored there is no state that could know a validator.
      if (!isRoleChecked && (!status.isCatchingUp || !config.statesync.enable)) {
        isRoleChecked = true;
        const publicKey = signsHere || isSignedElsewhere ? status.validatorKey : undefined;
        // Before the first block CometBFT knows no set yet, and tells a power of 0.
        const isInGenesis =
          publicKey !== undefined &&
          blocks.height() === 0 &&
          genesis.validators.some((one) => bytesEqual(one.publicKey.bytes, publicKey.bytes));
        const role = { publicKey, isValidator: isInGenesis || status.votingPower > 0n };
        try {
          checkRole(role, { application, logger }, home.applicationKeyFile);
        } catch (error) {
          if (!isWeftError(error)) throw error;
          roleFault = error;
          end(error);
        }
      }
      showHealth();
    }

    // CometBFT.
    let prometheus: { readonly host: string; readonly port: number } | undefined;
    const supervisor = createSupervisor(
      {
        binary: binary.path,
        homeDirectory: cometHome.root,
        pidFile: join(cometHome.root, "cometbft.pid"),
      },
      {
        clock,
        logger: cometLogger,
        metrics: metrics.cometbft,
        async prepare() {
          await rm(rpcSocket, { force: true });
          prometheus = config.instrumentation.prometheus
            ? { host: "127.0.0.1", port: await freeLoopbackPort() }
            : undefined;
          await writeCometBftConfig(home, source, {
            proxyApp: abci.address(),
            prometheus,
            logFormat: "json",
            logLevel: cometBftLogLevel(config.log_level),
          });
        },
        async isReady() {
          await chain.status();
          return true;
        },
        async onUp() {
          const status = await watch.start();
          if (roleFault !== undefined) throw roleFault;
          blocks.up(status.earliestHeight, status.height);
          isUp = true;
          handover.up(application.poolItems(config.mempool.size));
          health.started();
          showHealth();
        },
        onDown(reason) {
          isUp = false;
          watch.stop();
          blocks.down();
          handover.down();
          showHealth();
          logger.debug("CometBFT is down", { reason });
        },
        onConsensusFailure: halt,
        mayRestart: () => haltReason === undefined,
      },
    );

    // Who asks from outside.
    async function submitTx(tx: Uint8Array) {
      const { max_tx_bytes: bytesMax } = config.mempool;
      if (tx.length > bytesMax) {
        const reason = `expected a transaction of 1 to ${bytesMax} bytes, got ${tx.length}`;
        return refusedForSize(tx, reason);
      }
      if (!isUp) return refusedForNow(tx, "the node's engine starts; submit to another");
      return (
        (await handover.submit(tx)) ??
        refusedForNow(tx, "too many transactions wait for the engine; submit again, or to another")
      );
    }
    const foundEvidence = createFoundEvidence({ directory: home.foundEvidenceDir }, { logger });
    const sealDuties = openSealDuties(opened, {
      seal,
      submit: submitTx,
      foundEvidence,
      isCatchingUp,
      clock,
      logger,
    });
    closers.push(
      () => foundEvidence.idle(),
      () => sealDuties.idle(),
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
              blocks: createCometGrpcBlocks(blocks),
              application: createGrpcApplication(application, submitTx),
              clock,
              logger: logger.child({ module: "grpc" }),
              metrics: metrics.grpc,
            },
          );

    async function metricsText(): Promise<string> {
      const ours = await metrics.registry.text();
      if (prometheus === undefined || !isUp) return ours;
      try {
        return mergeMetricsPages(ours, await readMetricsPage(prometheus));
      } catch (error) {
        // Half a page tells more than none; `weft_cometbft_up` and the log say what is amiss.
        cometLogger.warn("no metrics of CometBFT", { error: String(error) });
        return ours;
      }
    }

    async function startAll(): Promise<void> {
      const registry = { text: metricsText, contentType: metrics.registry.contentType };
      await serveMetrics(
        { config, command: "weft start" },
        { registry, health: () => health.report(), clock, logger, closers },
      );
      closers.push(() => abci.stop());
      await abci.start();
      abci.failed.catch((error: unknown) => halt(`the application cannot go on: ${String(error)}`));
      stallWatch.start();
      const hasBlocks = (): boolean => application.read.lastBlock() !== undefined;
      closers.push(
        () => stallWatch.stop(),
        () => watch.stop(),
        () => claim.giveBack({ hasBlocks: hasBlocks(), isSignedElsewhere }),
        () => supervisor.stop(),
      );
      await claim.take();
      try {
        await closers.wait(
          () => supervisor.start(),
          () => supervisor.stop(),
        );
      } catch (error) {
        // CometBFT ends with what the application says, and wraps it in words of its own.
        throw applicationFault ?? namingTrustConflict(namingTakenPort(error, config), config);
      }
      if (grpc !== undefined) {
        closers.push(() => grpc.stop());
        await listeningAt("grpc.laddr", config.grpc.laddr, () => grpc.start());
        showHealth();
      }
      logger.info("node started", {
        version: VERSION.weft,
        engine: `cometbft ${binary.version}`,
        network: genesis.chainId,
        node: nodeKey.id,
        height: blocks.height(),
        p2p: config.p2p.laddr,
      });
    }

    async function stop(): Promise<void> {
      supervisor.expectEnd();
      await closers.closeAll();
    }

    return {
      start: () => closers.guard(startAll),
      stop,
      failed: Promise.race([supervisor.failed, ended]),
    };
  }
}

/** The process of `weft abci`: the application on its home, behind an ABCI socket. */
import { createAbciServer } from "../abci/abci-server.ts";
import type { CheckTxRequest } from "../abci/application.ts";
import { createDutySubmission } from "../cometbft/duty-submission.ts";
import { observeApplication } from "../cometbft/observed-application.ts";
import { loadGenesis } from "../engine/genesis.ts";
import type { HealthReport } from "../metrics/health.ts";
import { createApplicationMetrics } from "../metrics/metrics.ts";
import { useBodySources } from "../node/body-sources.ts";
import { createClosers } from "../node/closers.ts";
import { loadConfig } from "../node/config.ts";
import { growHeapBetweenCollections } from "../node/heap-growth.ts";
import { createFoundEvidence } from "../node/found-evidence.ts";
import { homeAt } from "../node/home.ts";
import { checkHomeEngine, claimHome } from "../node/home-engine.ts";
import { metricsIdentity, serveMetrics } from "../node/metrics-page.ts";
import { checkUpgrade, openApplication, openSignatureLanes } from "../node/open-application.ts";
import { createHeightRetention } from "../node/retention.ts";
import { openSealDuties } from "../node/open-seal-duties.ts";
import { openSealCompute } from "../node/seal-workers/open-seal-compute.ts";
import { createCometRpcClient } from "../ports/comet-rpc/client.ts";
import { createPinoLogger } from "../ports/pino-logger.ts";
import { createSystemClock } from "../ports/system-clock.ts";
import { lockHome } from "../store/home-lock.ts";
import type { AbciCommandOptions } from "./commands/abci.ts";
import type { CommandContext } from "./context.ts";
import { parseSettings, resumeConfig } from "./options.ts";
import { printResult } from "./output.ts";
import { stopInTime, untilStopped } from "./stop-signal.ts";

/** Serves until it is told to stop, or the application breaks an assertion of its own. */
export async function runAbci(
  options: AbciCommandOptions,
  { context, isJson }: { readonly context: CommandContext; readonly isJson: boolean },
): Promise<void> {
  const home = homeAt(options.home);
  const settings = { ...parseSettings(options.set), ...resumeConfig(options.resumeAfterHalt) };
  const config = loadConfig(home.configFile, settings, context.environment);
  const genesis = await loadGenesis(home.genesisFile);
  const isJsonLog = isJson || config.log_format === "json";
  const logger = createPinoLogger({
    level: config.log_level,
    format: isJsonLog ? "json" : "plain",
  });
  growHeapBetweenCollections();
  const clock = createSystemClock();
  const closers = createClosers(logger);
  try {
    const lock = await lockHome(home.dataDir);
    closers.push(() => lock.release());
    // The embedded engine's blocks are in this home: another engine would decide its heights anew.
    const owner = await checkHomeEngine(home, "cometbft");
    const claim = await claimHome(home, owner, "cometbft");
    const lanes = await openSignatureLanes(config, { logger });
    closers.push(() => lanes.stop());
    const seal = openSealCompute({ logger });
    closers.push(() => seal.stop());
    const metrics = createApplicationMetrics(metricsIdentity(home, config, genesis), { health });
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
      { application, isCatchingUp: () => false, closers, logger },
    );
    const client = createCometRpcClient(config.engine_rpc);
    closers.push(() => client.close());
    const checkTx = (request: CheckTxRequest) => application.checkTx(request);
    const submit = createDutySubmission({
      client,
      chainId: genesis.chainId,
      checkTx: (tx) => checkTx({ tx, type: "new" }),
      logger,
    });
    const foundEvidence = createFoundEvidence({ directory: home.foundEvidenceDir }, { logger });
    const sealDuties = openSealDuties(opened, { seal, submit, foundEvidence, clock, logger });
    closers.push(
      () => foundEvidence.idle(),
      () => sealDuties.idle(),
    );
    const server = createAbciServer(
      { address: options.address ?? config.proxy_app },
      {
        application: observeApplication(application, {
          checkTx,
          onApplied: () => sealDuties.look(),
          // The server ends with it, and says why.
          onFault: () => {},
        }),
        clock,
        logger,
        metrics: metrics.abci,
      },
    );

    function health(): HealthReport {
      const height = application.read.lastBlock()?.height ?? 0;
      const halt = application.standstill();
      if (halt !== undefined) return { status: "halted", height, reason: halt.reason };
      if (server.connections() > 0) return { status: "ready", height };
      return { status: "starting", height, reason: "no engine is connected" };
    }

    const { registry } = metrics;
    await serveMetrics(
      { config, command: "weft abci" },
      { registry, health, clock, logger, closers },
    );
    const hasBlocks = (): boolean => application.read.lastBlock() !== undefined;
    closers.push(
      // The signer's state is CometBFT's own, wherever that runs.
      () => claim.giveBack({ hasBlocks: hasBlocks(), isSignedElsewhere: false }),
      () => server.stop(),
    );
    // Until now there was nothing to stop in order.
    const stopped = untilStopped();
    await claim.take();
    await server.start();
    const { height } = health();
    printResult({ address: server.address(), chainId: genesis.chainId, height }, isJson);
    const reason = await Promise.race([stopped, server.failed]);
    logger.info("stopping", { reason });
  } finally {
    await stopInTime(() => closers.closeAll());
  }
}

import { dirname, resolve } from "node:path";
import { signEd25519 } from "../../proto/verify/ed25519.ts";
import { startEvmRollupNode } from "../../rollup-adapter/evm-node/evm-rollup-node.ts";
import { loadRollupConfig, type RollupConfig } from "../../rollup-adapter/node/rollup-config.ts";
import { startExternalRollupNode } from "../../rollup-adapter/external-node/external-rollup-node.ts";
import { startGrpcRollupNode } from "../../rollup-adapter/external-node/grpc-rollup-node.ts";
import { createAdapterMetrics } from "../../rollup-adapter/metrics.ts";
import { createMetricsServer } from "../metrics/http-server.ts";
import { readKeyFile } from "../ports/key-file.ts";
import { listening, namingListener } from "../node/listening.ts";
import { VERSION } from "../node/version.ts";
import { createPinoLogger } from "../ports/pino-logger.ts";
import { createPrometheusRegistry } from "../ports/prometheus.ts";
import { createSystemClock } from "../ports/system-clock.ts";
import { toJson } from "./output.ts";
import { rollupHomeAt } from "./rollup-files.ts";
import { stopInTime, untilStopped } from "./stop-signal.ts";

/** Runs a rollup node until it is told to stop. */
export async function startRollup(
  root: string,
  level: "error" | "warn" | "info" | "debug",
  isJson: boolean,
): Promise<void> {
  const home = rollupHomeAt(root);
  const config = loadRollupConfig(home.configFile);
  const executor =
    config.atomic === undefined
      ? undefined
      : readKeyFile(resolve(dirname(home.configFile), config.atomic.key_file));
  const logger = createPinoLogger({ level, format: isJson ? "json" : "plain" });
  const clock = createSystemClock();
  const registry = createPrometheusRegistry();
  const metrics = createAdapterMetrics(registry);
  const node = await startNode().catch((error: unknown) => {
    throw namingRollupListener(error, config);
  });
  const server =
    config.metrics === undefined
      ? undefined
      : createMetricsServer(config.metrics, {
          registry,
          health: () => ({ ...node.readiness(), height: node.status().sequencerHeight }),
          clock,
          logger,
        });
  async function startNode() {
    const options = {
      config,
      dataDirectory: home.dataDir,
      clientVersion: `weft/${VERSION.weft}`,
    };
    if (config.executor?.kind === "grpc") {
      return startGrpcRollupNode(
        { ...options, executor: config.executor },
        { clock, logger, metrics },
      );
    }
    const key = readKeyFile(home.gatewayKeyFile);
    const deps = {
      gatewayKey: {
        publicKey: key.publicKey,
        sign: (message: Uint8Array) => signEd25519(key, message),
      },
      clock,
      logger,
      metrics,
    };
    if (config.executor !== undefined) {
      return startExternalRollupNode(
        { ...options, executor: config.executor, configDirectory: dirname(home.configFile) },
        deps,
      );
    }
    return startEvmRollupNode(options, {
      ...deps,
      executorKey: executor && {
        publicKey: executor.publicKey,
        sign: (message) => signEd25519(executor, message),
      },
    });
  }

  const at = "rpcUrl" in node ? { rpc: node.rpcUrl } : { executor: node.executorAddress };
  function sayReady(): void {
    const text = "rpcUrl" in node ? `JSON-RPC ${node.rpcUrl}` : `executor ${node.executorAddress}`;
    process.stdout.write(isJson ? `${toJson(at)}\n` : `rollup ready  ${text}\n`);
  }
  try {
    const { metrics: listener } = config;
    if (server !== undefined && listener !== undefined) {
      await listening(
        {
          name: "the metrics server",
          key: "metrics.port",
          address: `${listener.host}:${listener.port}`,
          remedy: "metrics.port in config/rollup.json",
        },
        () => server.start(),
      );
    }
    logger.info("rollup listens, waiting for the first block that verifies", {
      ...at,
      sequencer: config.sequencer.nodes.join(", "),
    });
    const stopped = untilStopped();
    await Promise.race([stopped, node.failed, node.following.then(sayReady)]);
    const reason = await Promise.race([stopped, node.failed]);
    logger.info("stopping", { reason });
  } finally {
    await stopInTime(async () => {
      await server?.stop();
      await node.stop();
    });
    logger.info("stopped");
  }
}

/** Which listener of rollup.json it was that could not have its address. */
function namingRollupListener(error: unknown, config: RollupConfig): unknown {
  const port: unknown = error instanceof Error && "port" in error ? error.port : undefined;
  const isExecution = config.execution !== undefined && port !== config.rpc.port;
  const at = isExecution && config.execution !== undefined ? config.execution : config.rpc;
  const key = isExecution ? "execution.port" : "rpc.port";
  return namingListener(
    {
      name: isExecution ? "the execution service" : "the Ethereum JSON-RPC",
      key,
      address: `${at.host}:${at.port}`,
      remedy: `${key} in config/rollup.json`,
    },
    error,
  );
}

import { signEd25519 } from "../../proto/verify/ed25519.ts";
import { startEvmRollupNode } from "../../rollup-adapter/evm-node/evm-rollup-node.ts";
import { loadRollupConfig } from "../../rollup-adapter/evm-node/rollup-config.ts";
import { createAdapterMetrics } from "../../rollup-adapter/metrics.ts";
import { createMetricsServer } from "../metrics/http-server.ts";
import { readKeyFile } from "../ports/key-file.ts";
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
  const key = readKeyFile(home.gatewayKeyFile);
  const logger = createPinoLogger({ level, format: isJson ? "json" : "plain" });
  const clock = createSystemClock();
  const registry = createPrometheusRegistry();
  const metrics = createAdapterMetrics(registry);
  const node = await startEvmRollupNode(
    { config, dataDirectory: home.dataDir, clientVersion: `weft/${VERSION.weft}` },
    {
      gatewayKey: { publicKey: key.publicKey, sign: (message) => signEd25519(key, message) },
      clock,
      logger,
      metrics,
    },
  );
  const server =
    config.metrics === undefined
      ? undefined
      : createMetricsServer(config.metrics, {
          registry,
          health: () => ({ ...node.readiness(), height: node.status().sequencerHeight }),
          clock,
          logger,
        });
  function sayReady(): void {
    const ready = { rpc: node.rpcUrl };
    process.stdout.write(isJson ? `${toJson(ready)}\n` : `rollup ready  JSON-RPC ${node.rpcUrl}\n`);
  }
  try {
    await server?.start();
    logger.info("rollup listens, waiting for the first block that verifies", {
      rpc: node.rpcUrl,
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
  }
}

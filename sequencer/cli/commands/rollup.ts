import type { Command } from "commander";
import { formatAddress } from "../../../proto/address.ts";
import { accountAddress } from "../../../proto/codec/weft-tx.ts";
import { signEd25519 } from "../../../proto/verify/ed25519.ts";
import { startEvmRollupNode } from "../../../rollup-adapter/evm-node/evm-rollup-node.ts";
import { createRollupMetrics } from "../../../rollup-adapter/evm-node/prometheus-metrics.ts";
import { loadRollupConfig } from "../../../rollup-adapter/evm-node/rollup-config.ts";
import { loadGenesis } from "../../engine/genesis.ts";
import { createMetricsServer } from "../../metrics/http-server.ts";
import { readKeyFile } from "../../node/key-file.ts";
import { VERSION } from "../../node/version.ts";
import { createPinoLogger } from "../../ports/pino-logger.ts";
import { createSystemClock } from "../../ports/system-clock.ts";
import type { GlobalOptions } from "../context.ts";
import { parseAmount, parseHostPort, parsePort } from "../options.ts";
import { printResult, toJson } from "../output.ts";
import { createGatewayKey, createRollupFiles, rollupHomeAt } from "../rollup-files.ts";
import { untilStopped } from "../stop-signal.ts";

export function registerRollup(program: Command): void {
  const rollup = program.command("rollup").description("run an EVM rollup that Weft sequences");
  rollup
    .command("init")
    .description("write a rollup node's home; register the rollup with: weft tx register-rollup")
    .argument("<name>", "name of the rollup, as it is registered")
    .requiredOption("--home <dir>", "home directory of the rollup node")
    .requiredOption("--sequencer-genesis <file>", "genesis.json of the sequencer network")
    .option(
      "--sequencer <host:port>",
      "gRPC address of a sequencer node",
      parseHostPort,
      "127.0.0.1:9090",
    )
    .option("--chain-id <n>", "EIP-155 chain id of the rollup", parseAmount, 4_242n)
    .option("--rpc-port <port>", "Ethereum JSON-RPC port", parsePort, 8545)
    .option("--fund <address>", "address that starts with 1,000,000 ether")
    .action(
      async (
        name: string,
        options: {
          home: string;
          sequencerGenesis: string;
          sequencer: string;
          chainId: bigint;
          rpcPort: number;
          fund?: string;
        },
        command: Command,
      ) => {
        const home = rollupHomeAt(options.home);
        createRollupFiles({
          home,
          name,
          evmChainId: options.chainId,
          sequencerGenesis: await loadGenesis(options.sequencerGenesis),
          sequencerNodes: [options.sequencer],
          rpcPort: options.rpcPort,
          metricsPort: undefined,
          alloc: options.fund === undefined ? {} : { [options.fund]: 10n ** 24n },
        });
        const payer = formatAddress(accountAddress(createGatewayKey(home)));
        printResult(
          {
            home: home.root,
            config: home.configFile,
            gateway: payer,
            next: `fund ${payer} with nweft, then: weft rollup start --home ${home.root}`,
          },
          command.optsWithGlobals<GlobalOptions>().json,
        );
      },
    );
  rollup
    .command("start")
    .description("run a rollup node: executor, JSON-RPC, driver and gateway in one process")
    .requiredOption("--home <dir>", "home directory of the rollup node")
    .option("--log-level <level>", "error, warn, info or debug", "info")
    .action(async (options: { home: string; logLevel: string }, command: Command) => {
      await startRollup(
        options.home,
        parseLevel(options.logLevel),
        command.optsWithGlobals<GlobalOptions>().json,
      );
    });
}

async function startRollup(
  root: string,
  level: "error" | "warn" | "info" | "debug",
  isJson: boolean,
): Promise<void> {
  const home = rollupHomeAt(root);
  const config = loadRollupConfig(home.configFile);
  const key = readKeyFile(home.gatewayKeyFile);
  const logger = createPinoLogger({ level, format: isJson ? "json" : "plain" });
  const clock = createSystemClock();
  const metrics = createRollupMetrics();
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
          registry: metrics.registry,
          health: () => {
            const { isStreaming, lastError, sequencerHeight: height } = node.status();
            return isStreaming
              ? { status: "ready", height }
              : { status: "syncing", height, reason: lastError ?? "not streaming yet" };
          },
          clock,
          logger,
        });
  await server?.start();
  const ready = { rpc: node.rpcUrl };
  process.stdout.write(isJson ? `${toJson(ready)}\n` : `rollup ready  JSON-RPC ${node.rpcUrl}\n`);
  try {
    const reason = await Promise.race([untilStopped(), node.failed]);
    logger.info("stopping", { reason });
  } finally {
    await server?.stop();
    await node.stop();
  }
}

function parseLevel(text: string): "error" | "warn" | "info" | "debug" {
  return text === "error" || text === "warn" || text === "debug" ? text : "info";
}

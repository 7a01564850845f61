import type { Command } from "commander";
import { formatAddress } from "../../../proto/address.ts";
import { accountAddress } from "../../../proto/codec/weft-tx.ts";
import { loadGenesis } from "../../engine/genesis.ts";
import type { GlobalOptions } from "../context.ts";
import { amountOption, parseHostPort, parsePort } from "../options.ts";
import { printResult } from "../output.ts";
import { createGatewayKey, createRollupFiles, rollupHomeAt } from "../rollup-files.ts";

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
    .addOption(amountOption("--chain-id <n>", "EIP-155 chain id of the rollup", 4_242n))
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
      // The EVM and its libraries load only where a rollup runs.
      const { startRollup } = await import("../start-rollup.ts");
      await startRollup(
        options.home,
        parseLevel(options.logLevel),
        command.optsWithGlobals<GlobalOptions>().json,
      );
    });
}

function parseLevel(text: string): "error" | "warn" | "info" | "debug" {
  return text === "error" || text === "warn" || text === "debug" ? text : "info";
}

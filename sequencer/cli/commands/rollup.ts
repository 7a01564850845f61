import { type Command, InvalidArgumentError, Option } from "commander";
import { formatAddress } from "../../../proto/address.ts";
import { toHex } from "../../../proto/bytes.ts";
import { accountAddress } from "../../../proto/codec/weft-tx.ts";
import { loadGenesis } from "../../engine/genesis.ts";
import { cliError } from "../cli-error.ts";
import type { GlobalOptions } from "../context.ts";
import type { EngineRollupOptions } from "../engine-rollup-files.ts";
import {
  parseEvmAddress,
  parseHostPort,
  parsePort,
  parseRollupName,
  parseRpcUrl,
} from "../options.ts";
import { ALREADY_THERE, printResult } from "../output.ts";
import {
  createExecutorKey,
  createGatewayKey,
  createRollupFiles,
  rollupHomeAt,
} from "../rollup-files.ts";
import { registerConformance } from "./rollup-conformance.ts";
import { shellWord } from "../../ports/shell-word.ts";

export function registerRollup(program: Command): void {
  const rollup = program.command("rollup").description("run a rollup that Weft sequences");
  rollup
    .command("init")
    .description(
      "write a rollup node's home: rollup.json and the key of the gateway account, which pays for ordering",
    )
    .argument("<name>", "name of the rollup, as it is registered", parseRollupName)
    .requiredOption("--home <dir>", "home directory of the rollup node")
    .requiredOption("--sequencer-genesis <file>", "genesis.json of the sequencer network")
    .option(
      "--sequencer <host:port>",
      "gRPC address of a sequencer node",
      parseHostPort,
      "127.0.0.1:9090",
    )
    .addOption(
      new Option("--chain-id <n>", "EIP-155 chain id of the rollup, 1 to 2^52")
        .argParser(parseEvmChainId)
        .default(4_242n, "4242"),
    )
    .option("--rpc-port <port>", "Ethereum JSON-RPC port", parsePort, 8545)
    .option("--metrics-port <port>", "port of /metrics, /health and /readyz", parsePort, 26700)
    .option("--no-metrics", "serve no metrics")
    .option(
      "--seal",
      "seal what wallets send here, so that nobody reads it before its place is final",
    )
    .option(
      "--atomic",
      "execute legs of bundles atomically, and vote about them with a key that this makes",
    )
    .option("--fund <address>", "address that starts with 1,000,000 ether", parseEvmAddress)
    .addOption(
      new Option(
        "--executor <kind>",
        "what executes: the EVM of the node, an OP Stack client of your own, or whatever serves weft.execution.v1",
      )
        .choices(["evm", "engine", "grpc"])
        .default("evm"),
    )
    .option(
      "--engine-url <url>",
      "authenticated port of the client (--executor engine)",
      parseRpcUrl,
      "http://127.0.0.1:9551",
    )
    .option(
      "--genesis <file>",
      "the client's genesis.json, such as op-deployer's (--executor engine); left out: one is made",
    )
    .option(
      "--jwt <file>",
      "the secret that the client has (--executor engine); left out: one is made",
    )
    .option(
      "--rpc-url <url>",
      "JSON-RPC of the client, for what is passed on (--executor engine)",
      parseRpcUrl,
      "http://127.0.0.1:9545",
    )
    .option(
      "--executor-address <host:port>",
      "where the executor is called (--executor grpc)",
      parseHostPort,
    )
    .option("--ws-url <url>", "WebSocket of the client, for subscriptions (--executor engine)")
    .action(
      async (
        name: string,
        options: {
          home: string;
          sequencerGenesis: string;
          sequencer: string;
          chainId: bigint;
          rpcPort: number;
          metricsPort: number;
          metrics: boolean;
          fund?: string;
          seal?: boolean;
          atomic?: boolean;
          executor: "evm" | "engine" | "grpc";
          executorAddress?: string;
          engineUrl: string;
          genesis?: string;
          jwt?: string;
          rpcUrl: string;
          wsUrl?: string;
        },
        command: Command,
      ) => {
        const home = rollupHomeAt(options.home);
        const { executorAddress: address } = options;
        const isGrpc = options.executor === "grpc";
        if (isGrpc !== (address !== undefined)) {
          throw cliError("USAGE", "--executor grpc and --executor-address go together");
        }
        // Its node has no gateway, and its genesis is its own.
        const isForeign = options.seal === true || options.atomic === true;
        if (isGrpc && (isForeign || options.fund !== undefined)) {
          throw cliError("USAGE", "--seal, --atomic and --fund are not for --executor grpc");
        }
        if (options.genesis !== undefined) {
          if (options.executor !== "engine" || options.fund !== undefined) {
            throw cliError(
              "USAGE",
              "--genesis is for --executor engine, and says itself who is funded",
            );
          }
        }
        const sequencerGenesis = await loadGenesis(options.sequencerGenesis);
        const alloc = options.fund === undefined ? {} : { [options.fund]: 10n ** 24n };
        const engine: EngineRollupOptions = {
          home,
          name,
          chainId: options.chainId,
          genesisFile: options.genesis,
          sequencerGenesis,
          alloc,
          engineUrl: options.engineUrl,
          rpcUrl: options.rpcUrl,
          wsUrl: options.wsUrl,
          jwtFile: options.jwt,
        };
        // Its libraries load only where they are needed.
        const files =
          options.executor === "engine" ? await import("../engine-rollup-files.ts") : undefined;
        const plan = await files?.planEngineRollup(engine);
        const isChainIdGiven = command.getOptionValueSource("chainId") === "cli";
        if (plan !== undefined && isChainIdGiven && plan.genesis.chainId !== options.chainId) {
          throw cliError(
            "USAGE",
            `${options.genesis ?? ""} has chain id ${plan.genesis.chainId}, --chain-id says ${options.chainId}`,
          );
        }
        const { isUnchanged } = createRollupFiles({
          home,
          name,
          evmChainId: options.chainId,
          sequencerGenesis,
          sequencerNodes: [options.sequencer],
          rpcPort: options.rpcPort,
          metricsPort: options.metrics ? options.metricsPort : undefined,
          alloc,
          seal: options.seal ?? false,
          atomic: options.atomic ?? false,
          ...(plan === undefined ? {} : { executor: plan.section }),
          ...(address === undefined
            ? {}
            : { executor: { kind: "grpc" as const, rollup: name, address } }),
        });
        const client = plan === undefined ? [] : (files?.writeEngineFiles(engine, plan) ?? []);
        const executor = options.atomic === true ? createExecutorKey(home) : undefined;
        const payer = isGrpc ? undefined : formatAddress(accountAddress(createGatewayKey(home)));
        printResult(
          {
            home: home.root,
            config: home.configFile,
            ...(payer === undefined ? {} : { gateway: payer }),
            ...(executor === undefined
              ? {}
              : {
                  executor: formatAddress(accountAddress(executor)),
                  executorKey: toHex(executor),
                }),
            ...(isUnchanged ? { unchanged: ALREADY_THERE } : {}),
            next: [
              `weft tx register-rollup ${name}${executor === undefined ? "" : ` --executor-key ${toHex(executor)} --executor-quorum 1`} --from OWNER_KEY --node ${shellWord(options.sequencer)}`,
              ...(payer === undefined
                ? []
                : [
                    `weft tx transfer ${payer} 100000000000 --from OWNER_KEY --node ${shellWord(options.sequencer)}`,
                  ]),
              ...(executor === undefined
                ? []
                : executorSteps(executor, home.root, { name, ...options })),
              ...client,
              `weft rollup start --home ${shellWord(home.root)}`,
            ],
          },
          command.optsWithGlobals<GlobalOptions>().json,
        );
      },
    );
  rollup
    .command("start")
    .description(
      "run a rollup node: executor (or the driver of one elsewhere), JSON-RPC and gateway in one process; of an executor of kind grpc the driver alone",
    )
    .requiredOption("--home <dir>", "home directory of the rollup node")
    .addOption(
      new Option("--log-level <level>", "least severity that is logged")
        .choices(LOG_LEVELS)
        .default("info"),
    )
    .action(async (options: { home: string; logLevel: LogLevel }, command: Command) => {
      // The EVM and its libraries load only where a rollup runs.
      const { startRollup } = await import("../start-rollup.ts");
      await startRollup(
        options.home,
        options.logLevel,
        command.optsWithGlobals<GlobalOptions>().json,
      );
    });
  registerConformance(rollup);
}

/** What an executor of atomic bundles needs beside a node and its name in the policy. */
function executorSteps(
  key: Uint8Array,
  root: string,
  { name, sequencer }: { readonly name: string; readonly sequencer: string },
): readonly string[] {
  const node = `--node ${shellWord(sequencer)}`;
  return [
    `weft tx transfer ${formatAddress(accountAddress(key))} 10000000000 --from OWNER_KEY ${node}`,
    `weft tx executor bond ${name} 1000000000 --from ${shellWord(`${root}/config/executor_key.json`)} ${node}`,
  ];
}

type LogLevel = "error" | "warn" | "info" | "debug";
const LOG_LEVELS: LogLevel[] = ["error", "warn", "info", "debug"];

/** As `parseEvmGenesis` takes it. */
function parseEvmChainId(text: string): bigint {
  if (!/^\d{1,16}$/.test(text) || BigInt(text) < 1n || BigInt(text) > 1n << 52n) {
    throw new InvalidArgumentError("expected a whole number from 1 to 2^52");
  }
  return BigInt(text);
}

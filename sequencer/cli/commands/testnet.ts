import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { Command } from "commander";
import { formatAddress } from "../../../proto/address.ts";
import { accountAddress } from "../../../proto/codec/weft-tx.ts";
import { readOrCreateKeyFile } from "../../node/key-file.ts";
import { createSystemClock } from "../../ports/system-clock.ts";
import type { GlobalOptions } from "../context.ts";
import { GENESIS_BALANCE_DEFAULT, TESTNET_VALIDATORS_MAX } from "../limits.ts";
import { DEFAULT_PORTS, validatorPlaces } from "../network-layout.ts";
import { amountOption, parseCount, parsePort } from "../options.ts";
import { printResult } from "../output.ts";
import { accountKeyFile, createTestnet } from "../testnet-files.ts";

export function registerTestnet(program: Command): void {
  program
    .command("testnet")
    .description(
      "write the home directories of a network: keys, genesis and configuration of every validator",
    )
    .option("--validators <n>", "number of validators", parseCount(1, TESTNET_VALIDATORS_MAX), 4)
    .option("--output <dir>", "folder for the homes", "./testnet")
    .option("--chain-id <id>", "chain id, at most 50 characters", "weft-testnet")
    .option(
      "--hosts <hosts...>",
      "host of each validator, as peers dial it; default: 127.0.0.1 for all",
    )
    .option(
      "--base-p2p-port <port>",
      "p2p port of the first validator",
      parsePort,
      DEFAULT_PORTS.p2p,
    )
    .option(
      "--base-rpc-port <port>",
      "RPC port of the first validator",
      parsePort,
      DEFAULT_PORTS.rpc,
    )
    .option(
      "--base-grpc-port <port>",
      "gRPC port of the first validator",
      parsePort,
      DEFAULT_PORTS.grpc,
    )
    .option(
      "--base-metrics-port <port>",
      "metrics port of the first validator",
      parsePort,
      DEFAULT_PORTS.metrics,
    )
    .option("--rollup <names...>", "rollups registered at genesis", [])
    .addOption(
      amountOption("--balance <nweft>", "balance of the funded account", GENESIS_BALANCE_DEFAULT),
    )
    .action(
      async (
        options: {
          validators: number;
          output: string;
          chainId: string;
          hosts?: string[];
          baseP2pPort: number;
          baseRpcPort: number;
          baseGrpcPort: number;
          baseMetricsPort: number;
          rollup: string[];
          balance: bigint;
        },
        command: Command,
      ) => {
        const places = validatorPlaces(options.output, options.validators, {
          p2p: options.baseP2pPort,
          rpc: options.baseRpcPort,
          grpc: options.baseGrpcPort,
          metrics: options.baseMetricsPort,
          rollupRpc: DEFAULT_PORTS.rollupRpc,
        });
        const keyFile = accountKeyFile(options.output, "owner");
        mkdirSync(dirname(keyFile), { recursive: true, mode: 0o700 });
        const owner = readOrCreateKeyFile(keyFile);
        await createTestnet({
          chainId: options.chainId,
          genesisTime: createSystemClock().now(),
          validators: places,
          accounts: [{ address: accountAddress(owner.publicKey), balance: options.balance }],
          rollups: options.rollup.map((name) => ({ name, ownerKey: owner.publicKey })),
          config: {},
          host: (i) => options.hosts?.[i] ?? "127.0.0.1",
        });
        printResult(
          {
            chainId: options.chainId,
            homes: places.map((place) => place.home),
            account: { address: formatAddress(accountAddress(owner.publicKey)), keyFile },
          },
          command.optsWithGlobals<GlobalOptions>().json,
        );
      },
    );
}

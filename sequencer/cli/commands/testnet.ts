import { dirname } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { formatAddress } from "../../../proto/address.ts";
import { accountAddress } from "../../../proto/codec/weft-tx.ts";
import { isHostPort } from "../../../proto/host-port.ts";
import type { ParamsState } from "../../../proto/codec/weft-state.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "../../engine/consensus-params.ts";
import { readOrCreateKeyFile } from "../../ports/key-file.ts";
import { shellWord } from "../../ports/shell-word.ts";
import { createSystemClock } from "../../ports/system-clock.ts";
import { cliError } from "../cli-error.ts";
import type { GlobalOptions } from "../context.ts";
import {
  GENESIS_BALANCE_DEFAULT,
  PORT_OFFSET_MAX,
  TESTNET_POWER_MAX,
  TESTNET_VALIDATORS_MAX,
} from "../limits.ts";
import { makeFolder } from "../make-folder.ts";
import { DEFAULT_PORTS, findSharedPort, portsFrom, validatorPlaces } from "../network-layout.ts";
import type { EngineName } from "../../node/home-engine.ts";
import {
  amountOption,
  engineConfig,
  engineOption,
  genesisParams,
  paramsOption,
  parseChainId,
  parseCount,
  parsePort,
  rollupNamesOption,
} from "../options.ts";
import { ALREADY_THERE, printResult } from "../output.ts";
import { accountKeyFile, createTestnet } from "../testnet-files.ts";

/** Of the networks that this command makes. */
const EVIDENCE_MAX_AGE_SECONDS = Number(
  DEFAULT_CONSENSUS_PARAMS.evidence.maxAgeDurationNanos / 1_000_000_000n,
);

export function registerTestnet(program: Command): void {
  program
    .command("testnet")
    .description(
      "write the home directories of a network: keys, genesis and configuration of every validator",
    )
    .option(
      "--validators <n>",
      "number of validators; of 4 one may be away, of 3 none",
      parseCount(1, TESTNET_VALIDATORS_MAX),
      4,
    )
    .option(
      "--powers <list>",
      "voting power of each validator, such as 10,20,30,40; default: 10 each",
      parsePowers,
    )
    .option("--output <dir>", "folder for the homes", "./testnet")
    .option("--chain-id <id>", "chain id, at most 50 characters", parseChainId, "weft-testnet")
    .option(
      "--hosts <hosts...>",
      "host of each validator, as peers dial it, one for each; p2p then listens on all interfaces; default: 127.0.0.1 for all",
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
    .option(
      "--port-offset <n>",
      "add this to every port, for a second network beside the first",
      parseCount(0, PORT_OFFSET_MAX),
      0,
    )
    .addOption(rollupNamesOption("--rollups <names...>", "rollups registered at genesis", []))
    .addOption(
      amountOption("--balance <nweft>", "balance of the funded account", GENESIS_BALANCE_DEFAULT),
    )
    .addOption(paramsOption())
    .addOption(engineOption())
    .action(
      async (
        options: {
          validators: number;
          output: string;
          powers?: bigint[];
          chainId: string;
          hosts?: string[];
          baseP2pPort: number;
          baseRpcPort: number;
          baseGrpcPort: number;
          baseMetricsPort: number;
          portOffset: number;
          rollups: string[];
          balance: bigint;
          param?: Partial<ParamsState>;
          engine?: EngineName;
        },
        command: Command,
      ) => {
        const { validators, hosts } = options;
        if (hosts !== undefined && hosts.length !== validators) {
          throw cliError(
            "USAGE",
            `--hosts names ${hosts.length}, but there are ${validators} validators: name one host for each`,
          );
        }
        const bad = hosts?.find((host) => !isHostPort(`${host}:1`));
        if (bad !== undefined) {
          throw cliError(
            "USAGE",
            `--hosts: ${JSON.stringify(bad)} is no host as peers dial it: expected a name, an IPv4 address or an IPv6 address in brackets, such as [::1]`,
          );
        }
        const { powers } = options;
        if (powers !== undefined && powers.length !== validators) {
          throw cliError(
            "USAGE",
            `--powers names ${powers.length}, but there are ${validators} validators: name one power for each`,
          );
        }
        const ports = portsFrom(options.portOffset, {
          p2p: options.baseP2pPort,
          rpc: options.baseRpcPort,
          grpc: options.baseGrpcPort,
          metrics: options.baseMetricsPort,
          rollupRpc: DEFAULT_PORTS.rollupRpc,
        });
        const places = validatorPlaces(options.output, validators, ports, hosts);
        const shared = findSharedPort(places, hosts);
        if (shared !== undefined) {
          throw cliError("USAGE", `${shared}; choose base ports that keep their distance`);
        }
        const keyFile = accountKeyFile(options.output, "owner");
        makeFolder(dirname(keyFile));
        const owner = readOrCreateKeyFile(keyFile);
        const { isUnchanged } = await createTestnet({
          chainId: options.chainId,
          genesisTime: createSystemClock().now(),
          validators: places,
          accounts: [{ address: accountAddress(owner.publicKey), balance: options.balance }],
          rollups: options.rollups.map((name) => ({ name, ownerKey: owner.publicKey })),
          config: engineConfig(options.engine),
          host: (i) => hosts?.[i] ?? "127.0.0.1",
          comparesHosts: true,
          ...(options.param === undefined
            ? {}
            : { params: genesisParams(options.param, EVIDENCE_MAX_AGE_SECONDS) }),
          ...(powers === undefined ? {} : { powers }),
        });
        printResult(
          {
            chainId: options.chainId,
            homes: places.map((place) => place.home),
            account: { address: formatAddress(accountAddress(owner.publicKey)), keyFile },
            ...(isUnchanged ? { unchanged: ALREADY_THERE } : {}),
            next: places.map(({ home }, i) =>
              hosts === undefined
                ? `weft start --home ${shellWord(home)}`
                : `copy ${home} to ${hosts[i]}, for its user alone, and there: weft start --home ${shellWord(home)}`,
            ),
          },
          command.optsWithGlobals<GlobalOptions>().json,
        );
      },
    );
}

function parsePowers(text: string): bigint[] {
  return text.split(",").map((part) => {
    const power = /^[1-9]\d{0,18}$/.test(part) ? BigInt(part) : 0n;
    if (power >= 1n && power <= TESTNET_POWER_MAX) return power;
    throw new InvalidArgumentError(
      `expected whole numbers from 1 to ${TESTNET_POWER_MAX} with commas between them`,
    );
  });
}

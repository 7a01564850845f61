import { dirname } from "node:path";
import type { Command } from "commander";
import { formatAddress } from "../../../proto/address.ts";
import { accountAddress } from "../../../proto/codec/weft-tx.ts";
import { readOrCreateKeyFile } from "../../ports/key-file.ts";
import type { EngineName } from "../../node/home-engine.ts";
import { shellWord } from "../../ports/shell-word.ts";
import { createSystemClock } from "../../ports/system-clock.ts";
import { cliError } from "../cli-error.ts";
import type { CommandContext, GlobalOptions } from "../context.ts";
import { createFollowerFiles } from "../follower-files.ts";
import { GENESIS_BALANCE_DEFAULT, PORT_OFFSET_MAX } from "../limits.ts";
import { makeFolder } from "../make-folder.ts";
import { abciSettings, portsFrom, validatorPlaces } from "../network-layout.ts";
import {
  addPeer,
  amountOption,
  engineConfig,
  engineOption,
  homeOption,
  parseChainId,
  parseCount,
} from "../options.ts";
import { ALREADY_THERE, printResult } from "../output.ts";
import { accountKeyFile, createTestnet } from "../testnet-files.ts";

interface InitOptions {
  readonly home: string;
  readonly chainId: string;
  readonly moniker: string;
  readonly balance: bigint;
  readonly portOffset: number;
  readonly engine?: EngineName;
  readonly genesis?: string;
  readonly peers?: readonly string[];
}

export function registerInit(program: Command, context: CommandContext): void {
  program
    .command("init")
    .description(
      "write a home directory: a network of one validator, or, with --genesis, a node that joins a network",
    )
    .addOption(homeOption(context))
    .option("--moniker <name>", "name of the node", "weft")
    .option(
      "--chain-id <id>",
      "chain id of the new network, at most 50 characters",
      parseChainId,
      "weft-local",
    )
    .addOption(
      amountOption("--balance <nweft>", "balance of the funded account", GENESIS_BALANCE_DEFAULT),
    )
    .option(
      "--port-offset <n>",
      "add this to every default port, for a second node on one machine",
      parseCount(0, PORT_OFFSET_MAX),
      0,
    )
    .addOption(engineOption())
    .option("--genesis <file>", "genesis.json of the network to join; the node follows it")
    .option("--peers <id@host:port...>", "nodes of that network to connect to", addPeer)
    .action(async (options: InitOptions, command: Command) => {
      const result =
        options.genesis === undefined
          ? await createValidator(options)
          : await join(options, options.genesis, command);
      printResult(result, command.optsWithGlobals<GlobalOptions>().json);
    });
}

async function createValidator(options: InitOptions) {
  if (options.peers !== undefined) {
    throw cliError("USAGE", "--peers belongs to --genesis: a new network of one has no peers");
  }
  const [place] = validatorPlaces(options.home, 1, portsFrom(options.portOffset));
  if (place === undefined) throw new RangeError("expected one place");
  const keyFile = accountKeyFile(options.home, "owner");
  makeFolder(dirname(keyFile));
  const owner = readOrCreateKeyFile(keyFile);
  const { isUnchanged } = await createTestnet({
    chainId: options.chainId,
    genesisTime: createSystemClock().now(),
    validators: [{ ...place, name: options.moniker, home: options.home }],
    accounts: [{ address: accountAddress(owner.publicKey), balance: options.balance }],
    rollups: [],
    config: engineConfig(options.engine),
    host: () => "127.0.0.1",
  });
  return {
    home: options.home,
    chainId: options.chainId,
    account: { address: formatAddress(accountAddress(owner.publicKey)), keyFile },
    ...(isUnchanged ? { unchanged: ALREADY_THERE } : {}),
    next: `weft start --home ${shellWord(options.home)}`,
  };
}

async function join(options: InitOptions, genesisFile: string, command: Command) {
  for (const name of ["chainId", "balance"]) {
    if (command.getOptionValueSource(name) !== "default") {
      throw cliError(
        "USAGE",
        "--chain-id and --balance are of a new network; with --genesis they stand in that file",
      );
    }
  }
  const peers = options.peers ?? [];
  const { genesis, nodeId } = await createFollowerFiles({
    home: options.home,
    genesisFile,
    config: {
      moniker: options.moniker,
      "p2p.persistent_peers": peers.join(","),
      ...engineConfig(options.engine),
      ...(options.portOffset === 0 ? {} : listeners(options.portOffset)),
    },
  });
  const start = `weft start --home ${shellWord(options.home)}`;
  return {
    home: options.home,
    chainId: genesis.chainId,
    nodeId,
    next:
      peers.length > 0
        ? start
        : `name peers in config/config.toml (p2p.persistent_peers = "id@host:port,..."), then: ${start}`,
  };
}

function listeners(portOffset: number): Readonly<Record<string, string>> {
  const { p2p, rpc, grpc, metrics } = portsFrom(portOffset);
  return {
    "p2p.laddr": `tcp://0.0.0.0:${p2p}`,
    ...abciSettings(rpc),
    "rpc.laddr": `tcp://127.0.0.1:${rpc}`,
    "grpc.laddr": `tcp://127.0.0.1:${grpc}`,
    "instrumentation.prometheus_listen_addr": `tcp://127.0.0.1:${metrics}`,
  };
}

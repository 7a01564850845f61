import { existsSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { createSystemClock } from "../../ports/system-clock.ts";
import { callRpc } from "../clients.ts";
import { cliError } from "../cli-error.ts";
import { engineOfStatus } from "../engine-of-node.ts";
import { exitCodeName } from "../exit-codes.ts";
import type { CommandContext, GlobalOptions } from "../context.ts";
import {
  DEV_SNAPSHOT_INTERVAL,
  DEV_START_TIMEOUT_MS,
  DEV_STOP_GRACE_MS,
  PORT_OFFSET_MAX,
  TESTNET_VALIDATORS_MAX,
} from "../limits.ts";
import {
  checkPorts,
  EVM_DEV_ACCOUNTS,
  holdsNetwork,
  networkPlaces,
  type LocalNetwork,
  prepareLocalNetwork,
  untilAnswers,
} from "../local-network.ts";
import { portsFrom } from "../network-layout.ts";
import type { EngineName } from "../../node/home-engine.ts";
import { engineConfig, engineOption, parseCount, rollupNamesOption } from "../options.ts";
import { printResult } from "../output.ts";
import { untilStopped } from "../stop-signal.ts";

interface DevOptions {
  readonly home: string;
  readonly validators: number;
  readonly rollups: string[];
  readonly portOffset: number;
  readonly reset: boolean;
  readonly seal: boolean;
  readonly engine?: EngineName;
}

export function registerDev(program: Command, context: CommandContext): void {
  program
    .command("dev")
    .description(
      "run a whole network here: validators, EVM rollups with their JSON-RPC, a funded account; Ctrl-C stops it, the same command goes on",
    )
    .option(
      "--home <dir>",
      "folder of the network",
      context.environment["WEFT_HOME"] ?? "./.weft/dev",
    )
    .option(
      "--validators <n>",
      "number of validators; of 4 one may be away, of 3 none",
      parseCount(1, TESTNET_VALIDATORS_MAX),
      4,
    )
    .addOption(
      rollupNamesOption("--rollups <names...>", "names of the EVM rollups", ["alpha", "beta"]),
    )
    .option(
      "--port-offset <n>",
      "add this to every port, for a second network beside the first (with another --home)",
      parseCount(0, PORT_OFFSET_MAX),
      0,
    )
    .addOption(engineOption())
    .option("--seal", "have the rollups seal what wallets send, from now on", false)
    .option("--reset", "begin with an empty network: removes its keys and chains", false)
    .action(async (options: DevOptions, command: Command) => {
      await dev(options, context, command.optsWithGlobals<GlobalOptions>().json);
    });
}

async function dev(options: DevOptions, context: CommandContext, isJson: boolean): Promise<void> {
  const root = resolve(options.home);
  const stopped = untilStopped();
  let isReady = false;
  const place = {
    root,
    validators: options.validators,
    rollups: options.rollups,
    ports: portsFrom(options.portOffset),
  };
  const isNew = options.reset || !holdsNetwork(root);
  // Before anything is written or removed: whoever meets a taken port chooses others for the same folder.
  if (isNew) await checkPorts(networkPlaces(place), root);
  if (options.reset) removeNetwork(root);
  const network = await prepareLocalNetwork(
    {
      ...place,
      chainId: "weft-dev",
      // So that a node can be tried that joins by state sync.
      config: {
        "storage.snapshot_interval": DEV_SNAPSHOT_INTERVAL,
        ...engineConfig(options.engine),
      },
      ...(options.engine === undefined ? {} : { engine: options.engine }),
      seal: options.seal,
      auction: true,
      entry: context.entry,
      onStatusLine: (validator, line) => {
        if (isReady && validator === "validator-0" && !isJson) process.stdout.write(`${line}\n`);
      },
      onEnded: ({ name, reason, restart }) => {
        // The rest goes on without it: that is what the network is for.
        if (isReady) process.stderr.write(`${name} ${reason}; start it again with: ${restart}\n`);
      },
    },
    createSystemClock(),
  );
  // Of a network that is there it was just made sure that these are its ports.
  if (!isNew) await checkPorts(network, root);
  for (const i of network.validators.keys()) network.startValidator(i);
  for (const i of network.rollups.keys()) network.startRollup(i);
  // Whatever comes first: all is up, a process ended, or somebody wants to stop already.
  const failed = network.processes.failed.then(({ name, reason, exitCode }) => {
    throw cliError(
      exitCodeName(exitCode) ?? "UNEXPECTED",
      `${name} ${reason}\nits log is under ${root}; the others are stopped`,
    );
  });
  // After the start a lost process is news, not the end; `onEnded` tells of it.
  failed.catch(() => {});
  // Whoever still asks for answers when it is over must not keep this process alive.
  const over = new AbortController();
  try {
    const first = await Promise.race([untilUp(network, over.signal), stopped, failed]);
    if (first === undefined) {
      printResult(await summary(network, root), isJson);
      isReady = true;
      await stopped;
    }
    if (!isJson) process.stdout.write("stopping\n");
  } finally {
    over.abort();
    await network.processes.stop(DEV_STOP_GRACE_MS);
  }
  if (!isJson) process.stdout.write("stopped\n");
}

/** Removes what `weft dev` makes, and nothing else that may stand in the folder, such as a validator's keys. */
export function removeNetwork(root: string): void {
  // The accounts of a home that is no network are its owner's.
  const names = holdsNetwork(root)
    ? /^(keys|validator-\d+|rollup-.+)$/
    : /^(validator-\d+|rollup-.+)$/;
  for (const name of existsSync(root) ? readdirSync(root) : []) {
    if (names.test(name)) rmSync(join(root, name), { recursive: true, force: true });
  }
}

/** Every validator commits blocks and every rollup answers. */
async function untilUp(network: LocalNetwork, signal: AbortSignal): Promise<undefined> {
  for (const place of network.validators) {
    await untilAnswers(place.name, { timeoutMs: DEV_START_TIMEOUT_MS, signal }, async () => {
      const status = await callRpc(`http://127.0.0.1:${place.rpcPort}`, "status", {});
      const { sync_info: sync } = status as {
        readonly sync_info?: { readonly latest_block_height?: string };
      };
      return Number(sync?.latest_block_height ?? 0) > 0;
    });
  }
  for (const place of network.rollups) {
    const what = `rollup ${place.name}`;
    await untilAnswers(what, { timeoutMs: DEV_START_TIMEOUT_MS, signal }, async () => {
      const response = await fetch(`http://127.0.0.1:${place.rpcPort}/readyz`, { signal });
      return response.ok;
    });
  }
  return undefined;
}

async function summary(
  network: LocalNetwork,
  root: string,
): Promise<Readonly<Record<string, unknown>>> {
  const [first] = network.validators;
  const rpc = `http://127.0.0.1:${first?.rpcPort ?? 0}`;
  return {
    network: `${network.validators.length} validators in ${root}`,
    engine: engineOfStatus(await callRpc(rpc, "status", {})),
    rpc,
    grpc: `127.0.0.1:${first?.grpcPort ?? 0}`,
    metrics: `http://127.0.0.1:${first?.metricsPort ?? 0}/metrics`,
    rollups: network.rollups.map(({ name, rpcPort, metricsPort, evmChainId }) => ({
      name,
      jsonRpc: `http://127.0.0.1:${rpcPort}`,
      chainId: evmChainId,
      metrics: `http://127.0.0.1:${metricsPort}/metrics`,
    })),
    ownerKey: network.ownerKeyFile,
    evmAccounts: EVM_DEV_ACCOUNTS.map(({ address, privateKey }) => ({ address, privateKey })),
    logs: join(root, "*", "*.log"),
    processes: network.processes.pids(),
  };
}

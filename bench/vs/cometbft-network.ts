/** CometBFT validators as processes of this machine, tuned for speed, with its key-value application or with ours. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ValidatorPlace } from "../../sequencer/cli/network-layout.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { type CometBftSettings, writeCometBftHomes } from "../cometbft-homes.ts";
import { ENTRY, placesIn, writeHomes } from "../homes.ts";
import { type NodeProcess, startProcess, untilHeight } from "../node-process.ts";
import { freePorts } from "../ports.ts";
import { heightOf } from "./comet-rpc.ts";
import type { ComparedNetwork } from "./compared-network.ts";

/**
 * Its best honest configuration for throughput and latency on one machine; printed with every result.
 * What a network of it does stays: gossip of transactions, its log, the signing of votes.
 */
export const COMETBFT_SETTINGS: CometBftSettings = {
  db_backend: "goleveldb",
  log_level: "error",
  "p2p.flush_throttle_timeout": "2ms",
  "p2p.send_rate": 1_000_000_000,
  "p2p.recv_rate": 1_000_000_000,
  "mempool.size": 400_000,
  "mempool.cache_size": 400_000,
  "mempool.max_txs_bytes": 1 << 30,
  "mempool.recheck": false,
  "consensus.timeout_commit": "0s",
  "consensus.peer_gossip_sleep_duration": "2ms",
  "storage.discard_abci_responses": true,
  "tx_index.indexer": "null",
  "instrumentation.prometheus": false,
};

/** What CometBFT validators are run with. */
export interface CometBftNetworkOptions {
  readonly binary: string;
  readonly validators: number;
  readonly isVerbose: boolean;
}

/** The application is in CometBFT's process, and keeps its state in memory. */
export async function startKvstoreNetwork(
  options: CometBftNetworkOptions,
): Promise<ComparedNetwork> {
  const root = mkdtempSync(join(tmpdir(), "weft-bench-vs-"));
  return await startNetwork(options, { root, places: [] });
}

/** The application is `weft abci`, a process of its own for each validator, called through a socket. */
export async function startCometWeftNetwork(
  options: CometBftNetworkOptions,
): Promise<ComparedNetwork> {
  const root = mkdtempSync(join(tmpdir(), "weft-bench-vs-"));
  const names = Array.from({ length: options.validators }, (_, i) => `application-${i}`);
  const places = await placesIn(root, names);
  await writeHomes(places, {});
  return await startNetwork(options, { root, places });
}

/** @param places homes of applications of ours, one for each validator; none: the key-value application */
async function startNetwork(
  { binary, validators, isVerbose }: CometBftNetworkOptions,
  { root, places }: { readonly root: string; readonly places: readonly ValidatorPlace[] },
): Promise<ComparedNetwork> {
  const ports = await freePorts(validators * 2);
  const p2p = (i: number): number => ports[i * 2] ?? 0;
  const rpc = (i: number): number => ports[i * 2 + 1] ?? 0;
  const applications = places.map(({ name, home }) => ({
    name,
    home: homeAt(home),
    address: `unix://${join(home, "abci.sock")}`,
  }));
  const homes = writeCometBftHomes({
    binary,
    root,
    validators,
    firstAddress: "127.0.0.1",
    settings(index, nodeIds) {
      const application = applications[index];
      return {
        ...COMETBFT_SETTINGS,
        moniker: `validator-${index}`,
        "rpc.laddr": `tcp://127.0.0.1:${rpc(index)}`,
        "p2p.laddr": `tcp://127.0.0.1:${p2p(index)}`,
        "p2p.persistent_peers": nodeIds
          .map((id, i) => `${id}@127.0.0.1:${p2p(i)}`)
          .filter((_, i) => i !== index)
          .join(","),
        ...(application === undefined
          ? { proxy_app: "kvstore" }
          : {
              proxy_app: application.address,
              genesis_file: application.home.genesisFile,
              priv_validator_key_file: application.home.validatorKeyFile,
            }),
      };
    },
  });
  const start = (name: string, home: string, command: readonly string[]): NodeProcess => {
    const node = startProcess({ name, command, logFile: join(home, "node.log") }, { isVerbose });
    node.stdout.resume();
    return node;
  };
  // CometBFT tries until its application listens.
  const applicationProcesses = applications.map(({ name, home, address }) =>
    start(name, home.root, [
      process.execPath,
      ENTRY,
      "abci",
      "--home",
      home.root,
      "--address",
      address,
    ]),
  );
  const nodes = homes.map((home, i) =>
    start(`validator-${i}`, home, [binary, "start", "--home", home]),
  );
  const all = [...nodes, ...applicationProcesses];
  const failed = Promise.race(all.map((one) => one.failed));
  failed.catch(() => {});
  const stop = async (): Promise<void> => {
    // The engine first: it takes a socket that closes for a failure.
    await Promise.all(nodes.map((node) => node.stop()));
    await Promise.all(applicationProcesses.map((one) => one.stop()));
    rmSync(root, { recursive: true, force: true });
  };
  try {
    const up = homes.map((_, i) => untilHeight(`port ${rpc(i)}`, () => heightAt(rpc(i))));
    await Promise.race([Promise.all(up), failed]);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    validators: nodes.map((node, i) => ({
      name: `validator-${i}`,
      pids: [node, applicationProcesses[i]].flatMap((one) => (one === undefined ? [] : [one.pid])),
      rpc: `127.0.0.1:${rpc(i)}`,
      grpc: undefined,
    })),
    failed,
    stop,
  };
}

async function heightAt(port: number): Promise<number> {
  return heightOf(await (await fetch(`http://127.0.0.1:${port}/status`)).text());
}

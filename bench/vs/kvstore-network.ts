/** CometBFT validators with its own key-value application, as processes of this machine, tuned for speed. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CometBftSettings, writeCometBftHomes } from "../cometbft-homes.ts";
import { startProcess, untilHeight } from "../node-process.ts";
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

export async function startKvstoreNetwork(options: {
  readonly binary: string;
  readonly validators: number;
  readonly isVerbose: boolean;
}): Promise<ComparedNetwork> {
  const { binary, validators } = options;
  const root = mkdtempSync(join(tmpdir(), "weft-bench-vs-"));
  const ports = await freePorts(validators * 2);
  const p2p = (i: number): number => ports[i * 2] ?? 0;
  const rpc = (i: number): number => ports[i * 2 + 1] ?? 0;
  const homes = writeCometBftHomes({
    binary,
    root,
    validators,
    firstAddress: "127.0.0.1",
    settings: (index, nodeIds) => ({
      ...COMETBFT_SETTINGS,
      moniker: `validator-${index}`,
      "rpc.laddr": `tcp://127.0.0.1:${rpc(index)}`,
      "p2p.laddr": `tcp://127.0.0.1:${p2p(index)}`,
      "p2p.persistent_peers": nodeIds
        .map((id, i) => `${id}@127.0.0.1:${p2p(i)}`)
        .filter((_, i) => i !== index)
        .join(","),
    }),
  });
  const nodes = homes.map((home, i) =>
    startProcess(
      {
        name: `validator-${i}`,
        command: [binary, "start", "--home", home, "--proxy_app", "kvstore"],
        logFile: join(home, "node.log"),
      },
      options,
    ),
  );
  for (const node of nodes) node.stdout.resume();
  const failed = Promise.race(nodes.map((node) => node.failed));
  failed.catch(() => {});
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()));
    rmSync(root, { recursive: true, force: true });
  };
  try {
    const up = Promise.all(
      homes.map((_, i) => untilHeight(`port ${rpc(i)}`, () => heightAt(rpc(i)))),
    );
    await Promise.race([up, failed]);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    validators: nodes.map((node, i) => ({
      name: `validator-${i}`,
      pids: [node.pid],
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

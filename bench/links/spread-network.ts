/** Validators of ours in namespaces of their own. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accountAddress } from "../../proto/codec/weft-tx.ts";
import { generateEd25519KeyPair } from "../../proto/verify/ed25519.ts";
import { DEFAULT_PORTS } from "../../sequencer/cli/network-layout.ts";
import { createTestnet } from "../../sequencer/cli/testnet-files.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { BALANCE, ENTRY, GENESIS_PARAMS } from "../homes.ts";
import { benchAccount, ROLLUP_NAMES } from "../load/shape.ts";
import { inNamespace, type NodeNamespace, nodeAddress } from "./namespaces.ts";
import { type NodeProcesses, startNodes } from "./node-processes.ts";

export const LINKS_CHAIN_ID = "weft-links";

export interface SpreadNetwork extends NodeProcesses {
  /** A node's metrics page. */
  metrics(node: number): Promise<string>;
}

export async function startSpreadNetwork(options: {
  readonly nodes: readonly NodeNamespace[];
  /** Configuration beside the defaults of a node, for every node. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly isVerbose: boolean;
}): Promise<SpreadNetwork> {
  const { nodes } = options;
  const root = mkdtempSync(join(tmpdir(), "weft-links-"));
  const places = nodes.map((_, i) => ({
    name: `validator-${i}`,
    home: join(root, `validator-${i}`),
    p2pPort: DEFAULT_PORTS.p2p,
    rpcPort: DEFAULT_PORTS.rpc,
    grpcPort: DEFAULT_PORTS.grpc,
    metricsPort: DEFAULT_PORTS.metrics,
  }));
  const owner = generateEd25519KeyPair();
  await createTestnet({
    chainId: LINKS_CHAIN_ID,
    genesisTime: createSystemClock().now(),
    validators: places,
    accounts: [{ address: accountAddress(benchAccount(0).publicKey), balance: BALANCE }],
    rollups: ROLLUP_NAMES.map((name) => ({ name, ownerKey: owner.publicKey })),
    params: GENESIS_PARAMS,
    config: {
      // Each has its namespace: the same ports everywhere, reachable for whoever measures.
      "p2p.laddr": `tcp://0.0.0.0:${DEFAULT_PORTS.p2p}`,
      "rpc.laddr": `tcp://0.0.0.0:${DEFAULT_PORTS.rpc}`,
      "grpc.laddr": `tcp://0.0.0.0:${DEFAULT_PORTS.grpc}`,
      "instrumentation.prometheus_listen_addr": `tcp://0.0.0.0:${DEFAULT_PORTS.metrics}`,
      "p2p.allow_duplicate_ip": false,
      "p2p.send_rate": 5_120_000,
      "p2p.recv_rate": 5_120_000,
      ...options.config,
    },
    host: nodeAddress,
  });

  const processes = await startNodes({
    root,
    isVerbose: options.isVerbose,
    nodes: nodes.map((node, i) => {
      const home = places[i]?.home ?? "";
      const args = [ENTRY, "--json", "start", "--home", home];
      return {
        name: `validator-${i}`,
        command: inNamespace(node.name, process.execPath, args),
        logFile: join(home, "node.log"),
      };
    }),
    parse(line) {
      const { height, round } = JSON.parse(line) as { height: number; round: number };
      return { height, round };
    },
  });
  const fetchText = async (node: number, port: number, path: string): Promise<string> => {
    const answer = await fetch(`http://${nodes[node]?.controlAddress ?? ""}:${port}${path}`);
    return await answer.text();
  };
  return {
    ...processes,
    metrics: (node) => fetchText(node, DEFAULT_PORTS.metrics, "/metrics"),
  };
}

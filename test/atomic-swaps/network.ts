/** Validators as processes, and two rollups with atomic execution whose executors run here. */
import { join } from "node:path";
import { hexToBytes, keccak256, toHex as toPrefixedHex } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { compareBytes } from "../../proto/bytes.ts";
import { PLAIN_POLICY } from "../../proto/codec/rollup-policy.ts";
import {
  accountAddress,
  type Action,
  rollupData,
  rollupIdOfName,
} from "../../proto/codec/weft-tx.ts";
import { type Ed25519KeyPair, signEd25519 } from "../../proto/verify/ed25519.ts";
import { startEvmRollupNode } from "../../rollup-adapter/evm-node/evm-rollup-node.ts";
import { createAdapterMetrics } from "../../rollup-adapter/metrics.ts";
import { loadRollupConfig } from "../../rollup-adapter/node/rollup-config.ts";
import type { RollupNode } from "../../rollup-adapter/node/rollup-node.ts";
import {
  createExecutorKey,
  createRollupFiles,
  rollupHomeAt,
} from "../../sequencer/cli/rollup-files.ts";
import { loadGenesis } from "../../sequencer/engine/genesis.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createPrometheusRegistry } from "../../sequencer/ports/prometheus.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import {
  createTestNetwork,
  type TestNetwork,
  until,
  untilHeight,
} from "../support/local-network.ts";
import { deskAddress, deskCall, SWAP_DESK_CODE } from "../support/swap-desk.ts";
import { sendOne, signerOf } from "../support/traffic.ts";

export type Hex = `0x${string}`;

export const EXECUTORS = 3;
export const QUORUM = 2;
const BOND = 10_000_000n;
const FUNDS = 10_000_000_000n;
/** Tokens that each trader starts with on each rollup. */
export const TOKENS = 1_000_000n;
const DEPLOYER = privateKeyToAccount(keccak256(toPrefixedHex("deployer of desks")));

/** One executor of a rollup: its node, which may be stopped, and its key. */
export interface Executor {
  readonly key: Ed25519KeyPair;
  node: RollupNode | undefined;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface SwapRollup {
  readonly name: string;
  /** 0x and 64 digits. */
  readonly id: Hex;
  readonly chainId: number;
  readonly desk: Hex;
  readonly executors: readonly Executor[];
}

export interface SwapNetwork {
  readonly sequencer: TestNetwork;
  readonly rollups: readonly [SwapRollup, SwapRollup];
  /** Each holds tokens on both rollups. */
  readonly traders: readonly PrivateKeyAccount[];
  /** Submits and waits for its block. */
  commit(key: Ed25519KeyPair, action: Action, patienceMs?: number): Promise<void>;
  close(): Promise<void>;
}

export async function createSwapNetwork(traderCount: number, seed: number): Promise<SwapNetwork> {
  const sequencer = await createTestNetwork({
    params: { executor_bond_min: BOND.toString(), atomic_lock_bond: "1000" },
    // Six rollup nodes in one process follow: fewer blocks leave more of the machine to them.
    config: { signature_workers: 0, "consensus.timeout_commit": "250ms" },
  });
  const rollups: SwapRollup[] = [];
  const traders = Array.from({ length: traderCount }, (_, i) =>
    privateKeyToAccount(keccak256(toPrefixedHex(`trader ${seed}/${i}`))),
  );
  const commit: SwapNetwork["commit"] = async (key, action, patienceMs = 60_000) => {
    const clients = sequencer.validators.map(({ client }) => client);
    await sendOne({ clients, key, patienceMs }, 0, action);
  };
  const network = (): SwapNetwork => {
    const [alpha, beta] = rollups;
    if (alpha === undefined || beta === undefined) throw new Error("there are two rollups");
    return {
      sequencer,
      rollups: [alpha, beta],
      traders,
      commit,
      async close() {
        for (const executor of rollups.flatMap(({ executors }) => executors)) await executor.stop();
        await sequencer.close();
      },
    };
  };
  try {
    sequencer.start();
    await untilHeight(sequencer.validators, 1);
    for (const [at, name] of ["alpha", "beta"].entries()) {
      rollups.push(await createRollup(sequencer, name, 7_100 + at, traders, commit));
    }
    return network();
  } catch (error) {
    for (const executor of rollups.flatMap(({ executors }) => executors)) await executor.stop();
    await sequencer.close();
    throw error;
  }
}

async function createRollup(
  sequencer: TestNetwork,
  name: string,
  chainId: number,
  traders: readonly PrivateKeyAccount[],
  commit: SwapNetwork["commit"],
): Promise<SwapRollup> {
  const rich = [DEPLOYER, ...traders].map(({ address }) => [address, 10n ** 21n] as const);
  const alloc = Object.fromEntries(rich);
  const executors: Executor[] = [];
  for (let i = 0; i < EXECUTORS; i++) {
    executors.push(await createExecutor(sequencer, name, chainId, i, alloc));
  }
  const keys = executors.map(({ key }) => key.publicKey).toSorted(compareBytes);
  await commit(sequencer.owner, {
    kind: "registerRollup",
    name,
    ownerKey: sequencer.owner.publicKey,
    policy: { ...PLAIN_POLICY, executorKeys: keys, executorQuorum: QUORUM },
  });
  const rollupId = rollupIdOfName(name);
  await Promise.all(
    executors.map(async ({ key }) => {
      const to = accountAddress(key.publicKey);
      await commit(sequencer.owner, { kind: "transfer", to, amount: FUNDS });
      await commit(key, { kind: "bondExecutor", rollupId, amount: BOND });
    }),
  );
  await Promise.all(executors.map((executor) => executor.start()));
  await commit(sequencer.owner, rollupData(rollupId, await deskPayloads(chainId, traders)));
  return {
    name,
    id: toPrefixedHex(rollupId),
    chainId,
    desk: deskAddress(DEPLOYER.address),
    executors,
  };
}

async function createExecutor(
  sequencer: TestNetwork,
  name: string,
  chainId: number,
  index: number,
  alloc: Readonly<Record<string, bigint>>,
): Promise<Executor> {
  const home = rollupHomeAt(join(sequencer.root, "executors", `${name}-${index}`));
  const [first] = sequencer.validators;
  if (first === undefined) throw new Error("no validators");
  createRollupFiles({
    home,
    name,
    evmChainId: BigInt(chainId),
    sequencerGenesis: await loadGenesis(homeAt(first.home).genesisFile),
    sequencerNodes: sequencer.validators.map(({ grpcPort }) => `127.0.0.1:${grpcPort}`),
    rpcPort: 0,
    metricsPort: undefined,
    alloc,
    atomic: true,
  });
  createExecutorKey(home);
  const key = readKeyFile(join(home.root, "config", "executor_key.json"));
  const gateway = readKeyFile(home.gatewayKeyFile);
  const self: Executor = {
    key,
    node: undefined,
    async start() {
      self.node ??= await startEvmRollupNode(
        {
          config: loadRollupConfig(home.configFile),
          dataDirectory: home.dataDir,
          clientVersion: "weft/swaps",
        },
        {
          gatewayKey: signerOf(gateway),
          executorKey: { publicKey: key.publicKey, sign: (message) => signEd25519(key, message) },
          clock: createSystemClock(),
          logger: NULL_LOGGER,
          metrics: createAdapterMetrics(createPrometheusRegistry()),
        },
      );
    },
    async stop() {
      const { node } = self;
      self.node = undefined;
      await node?.stop();
    },
  };
  return self;
}

/** The desk, and tokens for everybody. */
async function deskPayloads(
  chainId: number,
  traders: readonly PrivateKeyAccount[],
): Promise<Uint8Array[]> {
  const fees = { type: "eip1559", chainId, maxFeePerGas: 2_000_000_000n } as const;
  const make = await DEPLOYER.signTransaction({
    ...fees,
    nonce: 0,
    gas: 3_000_000n,
    data: SWAP_DESK_CODE,
  });
  const payloads = [hexToBytes(make)];
  for (const [i, { address }] of traders.entries()) {
    const data = deskCall.mint(address, TOKENS);
    const to = deskAddress(DEPLOYER.address);
    const text = await DEPLOYER.signTransaction({ ...fees, nonce: i + 1, gas: 100_000n, to, data });
    payloads.push(hexToBytes(text));
  }
  return payloads;
}

/** Any executor of the rollup that runs. */
export function runningNode({ name, executors }: SwapRollup): RollupNode {
  const node = executors.find((executor) => executor.node !== undefined)?.node;
  if (node === undefined) throw new Error(`no executor of ${name} runs`);
  return node;
}

/** Waits until the desks of both rollups are there. */
export async function untilDesks({ rollups, traders }: SwapNetwork): Promise<void> {
  const [trader] = traders;
  if (trader === undefined) throw new Error("no traders");
  for (const rollup of rollups) {
    for (const { node } of rollup.executors) {
      if (node === undefined) continue;
      await until(`${rollup.name} has a desk`, async () => {
        const call = { to: rollup.desk, data: deskCall.balanceOf(trader.address) };
        const held = await jsonRpc<Hex>(node.rpcUrl, "eth_call", [call, "latest"]);
        return held !== "0x" && BigInt(held) > 0n;
      });
    }
  }
}

export async function jsonRpc<T>(url: string, method: string, params: unknown[]): Promise<T> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const { result, error } = (await response.json()) as { result: T; error?: { message: string } };
  if (error !== undefined) throw new Error(`${method}: ${error.message}`);
  return result;
}

/** Validators, and two rollups with atomic execution, whose executors are processes each. */
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
import type { Ed25519KeyPair } from "../../proto/verify/ed25519.ts";
import {
  createMevFailover,
  createFailoverClient,
} from "../../rollup-adapter/client/failover-client.ts";
import { createNodeTurn } from "../../rollup-adapter/client/node-turn.ts";
import { createGrpcMevClient } from "../../rollup-adapter/client/grpc-mev-client.ts";
import type { MevClient } from "../../rollup-adapter/client/mev-client.ts";
import type { VoterClient } from "../../rollup-adapter/driver/voter.ts";
import {
  createExecutorKey,
  createRollupFiles,
  rollupHomeAt,
} from "../../sequencer/cli/rollup-files.ts";
import { loadGenesis } from "../../sequencer/engine/genesis.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import {
  createTestNetwork,
  type TestNetwork,
  until,
  untilHeight,
} from "../support/local-network.ts";
import { deskAddress, deskCall, SWAP_DESK_CODE } from "../support/swap-desk.ts";
import { sendOne } from "../support/traffic.ts";
import { createExecutorProcess, type Executor } from "./executor-process.ts";
import type { SwapsOptions } from "./run.ts";

export type Hex = `0x${string}`;

export const EXECUTORS = 3;
export const QUORUM = 2;
export const BOND = 10_000_000n;
/** Ten processes share the machine: fewer blocks leave more of it to each. */
const BLOCK_MS = 400;
const FUNDS = 10_000_000_000n;
/** Tokens that each trader starts with on each rollup. */
export const TOKENS = 1_000_000n;
const DEPLOYER = privateKeyToAccount(keccak256(toPrefixedHex("deployer of desks")));

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
  /** Of whichever validator answers. */
  readonly client: VoterClient;
  readonly mev: Pick<MevClient, "bundleStatus">;
  /** Processes that ended though nobody wanted it. */
  readonly deaths: readonly string[];
  /** Submits and waits for its block. */
  commit(key: Ed25519KeyPair, action: Action, patienceMs?: number): Promise<void>;
  close(): Promise<void>;
}

export async function createSwapNetwork(
  traderCount: number,
  options: Pick<SwapsOptions, "seed" | "controlPerSigner" | "blockMs">,
): Promise<SwapNetwork> {
  const { seed, controlPerSigner, blockMs = BLOCK_MS } = options;
  const sequencer = await createTestNetwork({
    params: {
      executor_bond_min: BOND.toString(),
      atomic_lock_bond: "1000",
      ...(controlPerSigner === undefined ? {} : { control_per_signer_max: controlPerSigner }),
    },
    config: { signature_workers: 0, "consensus.timeout_commit": `${blockMs}ms` },
  });
  const rollups: SwapRollup[] = [];
  const traders = Array.from({ length: traderCount }, (_, i) =>
    privateKeyToAccount(keccak256(toPrefixedHex(`trader ${seed}/${i}`))),
  );
  const commit: SwapNetwork["commit"] = async (key, action, patienceMs = 60_000) => {
    const clients = sequencer.validators.map(({ client }) => client);
    await sendOne({ clients, key, patienceMs }, 0, action);
  };
  const deaths: string[] = [];
  const mevClients = sequencer.validators.map(({ grpc }) => createGrpcMevClient(grpc));
  const close = async (): Promise<void> => {
    const executors = rollups.flatMap((rollup) => rollup.executors);
    await Promise.all(executors.map((executor) => executor.stop()));
    for (const client of mevClients) client.close();
    await sequencer.close();
  };
  const network = (): SwapNetwork => {
    const [alpha, beta] = rollups;
    if (alpha === undefined || beta === undefined) throw new Error("there are two rollups");
    const clients = sequencer.validators.map(({ client }) => client);
    const turn = createNodeTurn(clients);
    return {
      sequencer,
      rollups: [alpha, beta],
      traders,
      client: createFailoverClient(clients, turn),
      mev: createMevFailover(mevClients, turn),
      deaths,
      commit,
      close,
    };
  };
  try {
    sequencer.start();
    await untilHeight(sequencer.validators, 1);
    const onDeath = (report: string): void => {
      deaths.push(report);
    };
    const parts = { sequencer, traders, commit, onDeath };
    for (const [at, name] of ["alpha", "beta"].entries()) {
      rollups.push(await createRollup(parts, name, 7_100 + at));
    }
    await Promise.all(rollups.map((rollup) => openRollup(parts, rollup)));
    return network();
  } catch (error) {
    await close();
    throw error;
  }
}

interface Parts extends Pick<SwapNetwork, "sequencer" | "traders" | "commit"> {
  readonly onDeath: (report: string) => void;
}

async function createRollup(
  { sequencer, traders, onDeath }: Parts,
  name: string,
  chainId: number,
): Promise<SwapRollup> {
  const rich = [DEPLOYER, ...traders].map(({ address }) => [address, 10n ** 21n] as const);
  const alloc = Object.fromEntries(rich);
  const executors: Executor[] = [];
  for (let i = 0; i < EXECUTORS; i++) {
    executors.push(await createExecutor(sequencer, name, chainId, i, alloc, onDeath));
  }
  return {
    name,
    id: toPrefixedHex(rollupIdOfName(name)),
    chainId,
    desk: deskAddress(DEPLOYER.address),
    executors,
  };
}

/** Registers it, bonds and starts its executors, and has its desk made. */
async function openRollup(
  { sequencer, traders, commit }: Parts,
  { name, chainId, executors }: SwapRollup,
): Promise<void> {
  const keys = executors.map(({ key }) => key.publicKey).toSorted(compareBytes);
  await commit(sequencer.owner, {
    kind: "registerRollup",
    name,
    ownerKey: sequencer.owner.publicKey,
    policy: { ...PLAIN_POLICY, executorKeys: keys, executorQuorum: QUORUM },
  });
  const rollupId = rollupIdOfName(name);
  await Promise.all([
    commit(sequencer.owner, rollupData(rollupId, await deskPayloads(chainId, traders))),
    ...executors.map((executor) => executor.start()),
    ...executors.map(async ({ key }) => {
      const to = accountAddress(key.publicKey);
      await commit(sequencer.owner, { kind: "transfer", to, amount: FUNDS });
      await commit(key, { kind: "bondExecutor", rollupId, amount: BOND });
    }),
  ]);
}

async function createExecutor(
  sequencer: TestNetwork,
  name: string,
  chainId: number,
  index: number,
  alloc: Readonly<Record<string, bigint>>,
  onDeath: Parts["onDeath"],
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
  return createExecutorProcess({ name: `${name}-${index}`, home, key }, onDeath);
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

/** Waits until the desks of both rollups are there. */
export async function untilDesks({ rollups, traders }: SwapNetwork): Promise<void> {
  const [trader] = traders;
  if (trader === undefined) throw new Error("no traders");
  for (const rollup of rollups) {
    for (const executor of rollup.executors) {
      await until(`${executor.name} has a desk`, async () => {
        const call = { to: rollup.desk, data: deskCall.balanceOf(trader.address) };
        const held = await jsonRpc<Hex>(urlOf(executor), "eth_call", [call, "latest"]);
        return held !== "0x" && BigInt(held) > 0n;
      });
    }
  }
}

export function urlOf({ name, rpcUrl }: Executor): string {
  if (rpcUrl === undefined) throw new Error(`${name} does not answer`);
  return rpcUrl;
}

export async function jsonRpc<T>(url: string, method: string, params: unknown[]): Promise<T> {
  const [result] = await jsonRpcs<T>(url, [[method, params]]);
  return result as T;
}

/** Many calls, with their answers in order; throws the first error. */
export async function jsonRpcs<T>(
  url: string,
  calls: readonly (readonly [method: string, params: readonly unknown[]])[],
): Promise<T[]> {
  const results: T[] = [];
  for (let at = 0; at < calls.length; at += BATCH) {
    const batch = calls.slice(at, at + BATCH);
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(
        batch.map(([method, params], id) => ({ jsonrpc: "2.0", id, method, params })),
      ),
      // One that is killed, or frozen, meanwhile.
      signal: AbortSignal.timeout(10_000),
    });
    const answers = (await response.json()) as readonly RpcAnswer<T>[];
    for (const { id, result, error } of answers) {
      if (error !== undefined) throw new Error(`${batch[id]?.[0]}: ${error.message}`);
      results[at + id] = result;
    }
  }
  return results;
}

interface RpcAnswer<T> {
  readonly id: number;
  readonly result: T;
  readonly error?: { readonly message: string };
}

/** Calls in one request. */
const BATCH = 50;

/** What a rollup's node says of a bundle. */
export interface BundleAnswer {
  readonly state: "PREPARED" | "COMMITTED" | "ABORTED";
  readonly abortReason: number | null;
  readonly preparedHeight: number;
  readonly decidedHeight: number | null;
  /** Hashes of its leg's. */
  readonly transactions: readonly Hex[];
}

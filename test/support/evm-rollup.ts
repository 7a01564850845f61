/** A rollup in a temporary directory, and accounts that can pay on it. For tests of the EVM rollup. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { Height } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import type {
  ExecuteBlockRequest,
  ExecuteBlockResponse,
  Executor,
} from "../../rollup-adapter/execution.ts";
import { type EvmRollup, createEvmRollup } from "../../rollup-adapter/evm/evm-rollup.ts";
import { EvmExecutor } from "../../rollup-adapter/evm/executor.ts";
import {
  type EvmGenesis,
  genesisRollupId,
  parseEvmGenesis,
} from "../../rollup-adapter/evm/genesis.ts";
import { type EvmMetrics, NULL_EVM_METRICS } from "../../rollup-adapter/evm/metrics.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";

export const TEST_CHAIN_ID = 7_001;
const GENESIS_SECONDS = 1_700_000_000;

/** Accounts with 1000 ether each. */
export const ALICE: PrivateKeyAccount = privateKeyToAccount(`0x${"a1".repeat(32)}`);
export const BOB: PrivateKeyAccount = privateKeyToAccount(`0x${"b0".repeat(32)}`);
/** An account that has nothing. */
export const PAUPER: PrivateKeyAccount = privateKeyToAccount(`0x${"99".repeat(32)}`);

export function testGenesis(overrides: Record<string, unknown> = {}): EvmGenesis {
  const rich = { balance: "1000000000000000000000" };
  return parseEvmGenesis({
    rollup: "test",
    chainId: TEST_CHAIN_ID,
    timestamp: GENESIS_SECONDS,
    feeRecipient: `0x${"fe".repeat(20)}`,
    alloc: { [ALICE.address]: rich, [BOB.address]: rich },
    ...overrides,
  });
}

export async function temporaryDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), "weft-evm-"));
}

export async function removeDirectory(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
}

export async function openExecutor(
  directory: string,
  genesis: EvmGenesis = testGenesis(),
  metrics: EvmMetrics = NULL_EVM_METRICS,
): Promise<EvmExecutor> {
  const executor = await EvmExecutor.open(
    { dataDirectory: directory, genesis },
    { logger: NULL_LOGGER, metrics },
  );
  await executor.init({
    rollupId: executor.rollupId,
    sequencerChainId: "test-network",
    sequencerStartHeight: Height(1),
  });
  return executor;
}

/** The sequencer block of `height`, one second after the one before. */
export function blockRequest(
  height: number,
  payloads: readonly Uint8Array[],
  seed = "",
): ExecuteBlockRequest {
  return {
    sequencerBlockHash: sha256(Buffer.from(`${seed}${height}`)),
    sequencerHeight: Height(height),
    timestamp: { seconds: BigInt(GENESIS_SECONDS + height), nanos: 500_000_000 },
    payloads,
  };
}

export async function execute(
  executor: Executor,
  height: number,
  payloads: readonly Uint8Array[],
): Promise<ExecuteBlockResponse> {
  return executor.executeBlock(blockRequest(height, payloads));
}

export interface TransferFields {
  readonly nonce: number;
  readonly to?: `0x${string}`;
  readonly value?: bigint;
  readonly gas?: bigint;
  readonly maxFeePerGas?: bigint;
  readonly maxPriorityFeePerGas?: bigint;
  readonly chainId?: number;
  readonly data?: `0x${string}`;
}

/** A signed EIP-1559 transaction, by default a transfer of 1 wei to nobody. */
export async function signed(
  account: PrivateKeyAccount,
  fields: TransferFields,
): Promise<Uint8Array> {
  const text = await account.signTransaction({
    type: "eip1559",
    chainId: TEST_CHAIN_ID,
    to: `0x${"11".repeat(20)}`,
    value: 1n,
    gas: 21_000n,
    maxFeePerGas: 2_000_000_000n,
    maxPriorityFeePerGas: 1_000_000n,
    ...fields,
  });
  return fromHex(text.slice(2));
}

/** A rollup that serves JSON-RPC, fed by a sequencer that orders at once whatever is submitted. */
export interface InstantRollup {
  readonly rollup: EvmRollup;
  /** Has these payloads ordered as the next sequencer block. */
  order(payloads: readonly Uint8Array[]): Promise<ExecuteBlockResponse>;
  /** Resolves when everything submitted so far has been executed. */
  settled(): Promise<void>;
  /** While held, submitted payloads wait. */
  hold(isHeld: boolean): void;
  /** Payloads that wait, in the order in which they were submitted. */
  readonly waiting: Uint8Array[];
  /** Makes the next submissions fail with this reason, until undefined. */
  refuse(reason: string | undefined): void;
  close(): Promise<void>;
}

export async function startInstantRollup(
  directory: string,
  genesis: EvmGenesis = testGenesis(),
): Promise<InstantRollup> {
  const waiting: Uint8Array[] = [];
  const state: { isHeld: boolean; refusal: string | undefined } = {
    isHeld: false,
    refusal: undefined,
  };
  let tail: Promise<unknown> = Promise.resolve();
  let height = 0;

  const order = (payloads: readonly Uint8Array[]): Promise<ExecuteBlockResponse> => {
    const turn = tail.then(() => {
      height += 1;
      return execute(rollup.executor, height, payloads);
    });
    tail = turn.catch(() => undefined);
    return turn;
  };
  const drain = (): void => {
    if (!state.isHeld && waiting.length > 0) void order(waiting.splice(0));
  };
  const rollup = await createEvmRollup(
    { dataDirectory: directory, genesis, rpc: { port: 0 } },
    {
      submit: async (raw) => {
        if (state.refusal !== undefined) throw new Error(state.refusal);
        waiting.push(raw);
        setImmediate(drain);
      },
      clock: createSystemClock(),
      logger: NULL_LOGGER,
      metrics: NULL_EVM_METRICS,
    },
  );
  await rollup.executor.init({
    rollupId: genesisRollupId(genesis),
    sequencerChainId: "test-network",
    sequencerStartHeight: Height(1),
  });
  return {
    rollup,
    order,
    waiting,
    settled: async () => {
      while (waiting.length > 0 && !state.isHeld) await new Promise((done) => setImmediate(done));
      await tail;
    },
    hold: (value) => {
      state.isHeld = value;
      drain();
    },
    refuse: (value) => {
      state.refusal = value;
    },
    close: async () => {
      await tail;
      await rollup.close();
    },
  };
}

/** Payloads of a sequencer block, the same in every life of a process: every third has none. */
export async function scriptedPayloads(height: number): Promise<readonly Uint8Array[]> {
  if (height % 3 === 0) return [];
  const nonce = height - 1 - Math.floor((height - 1) / 3);
  return [
    Uint8Array.of(height & 0xff, 1, 2),
    await signed(ALICE, { nonce, to: PAUPER.address, value: BigInt(height) }),
  ];
}

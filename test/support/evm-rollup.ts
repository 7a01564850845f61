/** A rollup in a temporary directory, and accounts that can pay on it. For tests of the EVM rollup. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { Height } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import type { ExecuteBlockRequest, ExecuteBlockResponse } from "../../rollup-adapter/execution.ts";
import { EvmExecutor } from "../../rollup-adapter/evm/executor.ts";
import { type EvmGenesis, parseEvmGenesis } from "../../rollup-adapter/evm/genesis.ts";
import { NULL_EVM_METRICS } from "../../rollup-adapter/evm/metrics.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";

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
): Promise<EvmExecutor> {
  const executor = await EvmExecutor.open(
    { dataDirectory: directory, genesis },
    { logger: NULL_LOGGER, metrics: NULL_EVM_METRICS },
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
  executor: EvmExecutor,
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

/** An EVM rollup with atomic execution and one desk on it, fed by hand. For tests. */
import { AtomicOutcome } from "../../proto/codec/atomic-tx.ts";
import { toHex } from "../../proto/bytes.ts";
import { Height } from "../../proto/brands.ts";
import { sha256 } from "../../proto/hash.ts";
import type {
  DecideBundleRequest,
  PrepareBundleRequest,
  PrepareBundleResponse,
} from "../../rollup-adapter/execution.ts";
import type { EvmExecutor } from "../../rollup-adapter/evm/executor.ts";
import { type EvmGenesis, parseEvmGenesis } from "../../rollup-adapter/evm/genesis.ts";
import { createPacer } from "../../rollup-adapter/evm/pacer.ts";
import { StateView } from "../../rollup-adapter/evm/virtual-machine.ts";
import { createAddressFromString, hexToBytes, setLengthLeft } from "@ethereumjs/util";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { ALICE, BOB, blockRequest, execute, signed, TEST_CHAIN_ID } from "./evm-rollup.ts";
import { deskAddress, deskCall, SWAP_DESK_CODE } from "./swap-desk.ts";

type Hex = `0x${string}`;

export const DESK: Hex = deskAddress(ALICE.address);
/** Another rollup of a bundle. */
export const SIBLING = sha256(Buffer.from("sibling"));

export function atomicGenesis(overrides: Record<string, unknown> = {}): EvmGenesis {
  const rich = { balance: "1000000000000000000000" };
  return parseEvmGenesis({
    rollup: "test",
    chainId: TEST_CHAIN_ID,
    timestamp: 1_700_000_000,
    feeRecipient: `0x${"fe".repeat(20)}`,
    atomic: true,
    alloc: { [ALICE.address]: rich, [BOB.address]: rich },
    ...overrides,
  });
}

/** Height 1: the desk, with 1,000 for Alice and for Bob. */
export async function openDesk(executor: EvmExecutor): Promise<void> {
  const answer = await execute(executor, 1, await deskPayloads());
  if (answer.included !== 3) {
    throw new Error(`the desk was not made: ${JSON.stringify(answer.skipped)}`);
  }
}

/** What makes the desk, by Alice's first three transactions. */
export async function deskPayloads(): Promise<readonly Uint8Array[]> {
  const gas = 5_000_000n;
  const make = await ALICE.signTransaction({
    type: "eip1559",
    chainId: TEST_CHAIN_ID,
    nonce: 0,
    gas,
    maxFeePerGas: 2_000_000_000n,
    data: SWAP_DESK_CODE,
  });
  return [
    hexToBytes(make),
    await deskTransaction(ALICE, 1, deskCall.mint(ALICE.address, 1_000n)),
    await deskTransaction(ALICE, 2, deskCall.mint(BOB.address, 1_000n)),
  ];
}

export function deskTransaction(
  account: typeof ALICE,
  nonce: number,
  data: Hex,
  to: Hex = DESK,
): Promise<Uint8Array> {
  return signed(account, { nonce, to, value: 0n, gas: 200_000n, data });
}

export function bundleId(name: string): Uint8Array {
  return sha256(Buffer.from(name));
}

export function prepareRequest(
  height: number,
  name: string,
  payloads: readonly Uint8Array[],
  changes: Partial<PrepareBundleRequest> = {},
): PrepareBundleRequest {
  const { sequencerBlockHash, timestamp } = blockRequest(height, []);
  return {
    sequencerBlockHash,
    sequencerHeight: Height(height),
    timestamp,
    bundleId: bundleId(name),
    leg: 0,
    legs: 2,
    siblingRollupIds: [SIBLING],
    payloads,
    locksMax: 16,
    ...changes,
  };
}

export function decideRequest(
  height: number,
  name: string,
  outcome: AtomicOutcome,
): DecideBundleRequest {
  return {
    sequencerBlockHash: blockRequest(height, []).sequencerBlockHash,
    sequencerHeight: Height(height),
    bundleId: bundleId(name),
    outcome,
    reason: outcome === AtomicOutcome.COMMIT ? 0 : 1,
  };
}

export function prepare(
  executor: EvmExecutor,
  height: number,
  name: string,
  payloads: readonly Uint8Array[],
  changes: Partial<PrepareBundleRequest> = {},
): Promise<PrepareBundleResponse> {
  return executor.prepareBundle(prepareRequest(height, name, payloads, changes));
}

/** State at the head, or at a root. */
export function stateOf(executor: EvmExecutor, root = executor.head().header.stateRoot): StateView {
  const { common, db } = executor;
  return new StateView({ common, db, root, pacer: createPacer(Number.POSITIVE_INFINITY) });
}

/** A holder's tokens at the desk. */
export async function tokensOf(executor: EvmExecutor, holder: Hex): Promise<bigint> {
  return readSlot(executor, tokenSlot(holder));
}

export async function counterOf(executor: EvmExecutor): Promise<bigint> {
  return readSlot(executor, setLengthLeft(Uint8Array.of(2), 32));
}

export function tokenSlot(holder: Hex): Uint8Array {
  return keccak_256(Buffer.concat([setLengthLeft(hexToBytes(holder), 32), new Uint8Array(32)]));
}

async function readSlot(executor: EvmExecutor, slot: Uint8Array): Promise<bigint> {
  const value = await stateOf(executor).getStorage(createAddressFromString(DESK), slot);
  return value.length === 0 ? 0n : BigInt(`0x${toHex(value)}`);
}

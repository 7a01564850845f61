/** What the pool of pending transactions needs of the rollup that executes them, wherever that runs. */
import type { Common } from "@ethereumjs/common";
import type { Address } from "@ethereumjs/util";
import type { PayloadDecoder } from "../../evm/payload.ts";

export interface PoolAccount {
  readonly nonce: bigint;
  /** wei */
  readonly balance: bigint;
}

/** What a block made on top of the head would allow. */
export interface NextBlockTerms {
  readonly gasLimit: bigint;
  readonly baseFeePerGas: bigint;
}

/** What became of payloads in one executed block. */
export interface PoolBlock {
  /** Keccak-256 of the transactions that became part of it, and who sent them (20 bytes). */
  readonly included: readonly { readonly hash: Uint8Array; readonly sender: Uint8Array }[];
  /** Payloads that were left out, with their bytes. */
  readonly skipped: readonly { readonly payload: Uint8Array; readonly reason: string }[];
  /** Whether these are all of the block. */
  readonly isComplete: boolean;
  /** Where they are not: payloads that were ordered and that a later block tells of; left out: none. */
  readonly waiting?: readonly Uint8Array[];
}

export interface PoolChain {
  readonly common: Common;
  readonly decoder: PayloadDecoder;
  /** At the head. */
  account(sender: Address): Promise<PoolAccount>;
  /** At the head: whether its transactions are not the only ones that move its money (EIP-7702). */
  hasCode(sender: Address): Promise<boolean>;
  next(): Promise<NextBlockTerms>;
  /** Whether a block holds the transaction of this hash. */
  isIncluded(hash: Uint8Array): Promise<boolean>;
  /** Called after each executed block; returns what ends it. */
  onBlock(listener: (block: PoolBlock) => void): () => void;
}

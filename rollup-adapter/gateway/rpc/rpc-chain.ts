/**
 * A rollup that another process executes, as the pool of pending transactions sees it: accounts and fees read from its
 * RPC, blocks told by the driver.
 */
import { LruMap } from "../../evm/lru.ts";
import { createEvmCommon } from "../../evm/genesis.ts";
import { createPayloadDecoder, type PayloadDecoder } from "../../evm/payload.ts";
import { RPC_CODE, RpcError } from "../../json-rpc/errors.ts";
import { bytesToHex } from "../../json-rpc/hex.ts";
import { bytesParam } from "../../json-rpc/params.ts";
import type { Json } from "../../json-rpc/method.ts";
import type { StatusChain } from "../status/status-method.ts";
import type { NextBlockTerms, PoolAccount, PoolBlock, PoolChain } from "../pool/pool-chain.ts";
import { ACCOUNTS_CACHED, NEXT_BLOCK_AGE_MS } from "./limits.ts";
import type { Upstream } from "./upstream.ts";

export interface RpcChainOptions {
  /** EIP-155. */
  readonly chainId: bigint;
  /** By whose rules transactions are decoded. */
  readonly hardfork: "cancun" | "prague";
  /** Most gas that one transaction may ask for, where the executor takes less than a whole block. */
  readonly transactionGasMax?: bigint;
  /** By the same rules; left out: one of its own, which knows no senders that the executor has found. */
  readonly decoder?: PayloadDecoder | undefined;
}

export interface RpcChain extends PoolChain, StatusChain {
  /** Number of the executor's newest block. */
  headNumber(): Promise<number>;
  /** Tells what became of the payloads of a block that the executor has made. */
  executed(block: PoolBlock): void;
}

/** @param monotonicMs a clock that never goes back */
export function createRpcChain(
  options: RpcChainOptions,
  upstream: Upstream,
  monotonicMs: () => number,
): RpcChain {
  const common = createEvmCommon(options);
  const rules = { blobTransactions: false, unprotectedTransactions: false };
  const listeners = new Set<(block: PoolBlock) => void>();
  let accounts = new LruMap<string, Promise<PoolAccount>>(ACCOUNTS_CACHED);
  let next: Promise<NextBlockTerms> | undefined;
  let nextMs = Number.NEGATIVE_INFINITY;

  async function readAccount(address: string): Promise<PoolAccount> {
    const [nonce, balance] = await Promise.all([
      upstream.call("eth_getTransactionCount", [address, "latest"]),
      upstream.call("eth_getBalance", [address, "latest"]),
    ]);
    return { nonce: toBigint(nonce), balance: toBigint(balance) };
  }

  async function readNext(): Promise<NextBlockTerms> {
    const [head, fees] = await Promise.all([
      upstream.call("eth_getBlockByNumber", ["latest", false]),
      upstream.call("eth_feeHistory", ["0x1", "latest", []]),
    ]);
    const baseFees = field(fees, "baseFeePerGas");
    // Of that block, and of the one after it.
    const baseFee = Array.isArray(baseFees) ? baseFees.at(-1) : undefined;
    const block = toBigint(field(head, "gasLimit"));
    const { transactionGasMax: most = block } = options;
    return { gasLimit: most < block ? most : block, baseFeePerGas: toBigint(baseFee) };
  }

  return {
    common,
    decoder: options.decoder ?? createPayloadDecoder({ common, rules }),
    account(sender) {
      const address = sender.toString();
      const known = accounts.get(address);
      if (known !== undefined) return known;
      const asked = readAccount(address);
      accounts.set(address, asked);
      // Asked for again by the next one.
      asked.catch(() => accounts.delete(address));
      return asked;
    },
    async hasCode(sender) {
      const code = await upstream.call("eth_getCode", [sender.toString(), "latest"]);
      return code !== "0x";
    },
    next() {
      if (next === undefined || monotonicMs() > nextMs + NEXT_BLOCK_AGE_MS) {
        nextMs = monotonicMs();
        next = readNext();
        next.catch(() => {
          next = undefined;
        });
      }
      return next;
    },
    isIncluded: async (hash) =>
      (await upstream.call("eth_getTransactionReceipt", [bytesToHex(hash)])) !== null,
    async blockOf(hash) {
      const receipt = await upstream.call("eth_getTransactionReceipt", [bytesToHex(hash)]);
      if (receipt === null) return undefined;
      const number = Number(toBigint(field(receipt, "blockNumber")));
      return { number, hash: bytesParam(field(receipt, "blockHash"), "blockHash", 32) };
    },
    headNumber: async () => Number(toBigint(await upstream.call("eth_blockNumber", []))),
    async finalizedNumber() {
      // An executor that has finalized nothing yet has no such block.
      const block = await upstream
        .call("eth_getBlockByNumber", ["finalized", false])
        .catch(() => null);
      return block === null ? -1 : Number(toBigint(field(block, "number")));
    },
    onBlock(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    executed(block) {
      accounts = new LruMap(ACCOUNTS_CACHED);
      next = undefined;
      for (const listener of listeners) listener(block);
    },
  };
}

function field(value: Json | undefined, name: string): Json | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return (value as { readonly [key: string]: Json })[name];
}

function toBigint(value: Json | undefined): bigint {
  if (typeof value === "string" && /^0x[0-9a-fA-F]{1,64}$/.test(value)) return BigInt(value);
  throw new RpcError(RPC_CODE.INTERNAL, "the rollup's executor answered what is no quantity");
}

/** What an EVM rollup starts from: its rules and its first state. */
import { Common, type ParamsDict, createCustomCommon, Mainnet } from "@ethereumjs/common";
import { paramsBlock } from "@ethereumjs/block";
import { RLP } from "@ethereumjs/rlp";
import { paramsEVM } from "@ethereumjs/evm";
import { paramsTx } from "@ethereumjs/tx";
import { bytesToHex, hexToBytes, type PrefixedHexString } from "@ethereumjs/util";
import { paramsVM } from "@ethereumjs/vm";
import { z } from "zod";
import { RollupId } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { WeftError } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import {
  MAILBOX_ADDRESS,
  MAILBOX_CODE,
  REGISTRY_ADDRESS,
  REGISTRY_CODE,
} from "./atomic/predeploys.ts";
import type { BaseFeeRule } from "./environment.ts";
import { createKzg } from "./kzg.ts";
import {
  BEACON_ROOTS_ADDRESS,
  BEACON_ROOTS_CODE,
  BLOCK_HASHES_ADDRESS,
  BLOCK_HASHES_CODE,
} from "./predeploys.ts";

/** 0x-prefixed lower-case hex. */
export type Hex = PrefixedHexString;

/** Rule sets a rollup may run; each includes those before it. */
export const EVM_HARDFORKS = ["cancun", "prague", "osaka", "bpo1", "bpo2"] as const;
export type EvmHardfork = (typeof EVM_HARDFORKS)[number];

/** Which payloads may become transactions beyond what the EVM itself says. */
export interface PayloadRules {
  /** EIP-4844 transactions; only replays of other chains have a use for them. */
  readonly blobTransactions: boolean;
  /** Legacy transactions without a chain id, which anyone may replay from another chain. */
  readonly unprotectedTransactions: boolean;
}

export interface GenesisAccount {
  /** 20 bytes. */
  readonly address: Hex;
  readonly balance: bigint;
  readonly nonce: bigint;
  readonly code: Hex;
  /** Key and value, 32 bytes each; no zero values. */
  readonly storage: readonly (readonly [key: Hex, value: Hex])[];
}

export interface EvmGenesis {
  /** The name it is registered under; the rollup id is its SHA-256. */
  readonly rollupName: string;
  /** EIP-155 chain id, 1 to 2^52. */
  readonly chainId: bigint;
  readonly hardfork: EvmHardfork;
  readonly timestampSeconds: bigint;
  readonly gasLimit: bigint;
  readonly baseFee: BaseFeeRule;
  /** Receives the tips, 20 bytes. */
  readonly feeRecipient: Hex;
  readonly rules: PayloadRules;
  /** Whether legs of bundles are executed atomically (level 1), and the contracts for it are there. */
  readonly atomic: boolean;
  readonly alloc: readonly GenesisAccount[];
  /**
   * Set when the chain goes on after a block of another chain instead of starting at 0: number and
   * hash of that block, of whose header nothing else is known.
   */
  readonly anchor?: { readonly number: number; readonly hash: Hex };
}

export type GenesisErrorInfo =
  /** The genesis document breaks its schema; the message lists every fault with its path. */
  { readonly code: "GENESIS_INVALID" };

export const DEFAULT_GAS_LIMIT = 60_000_000n;
export const DEFAULT_BASE_FEE: BaseFeeRule = {
  initial: 1_000_000_000n,
  minimum: 7n,
  elasticity: 2n,
  changeDenominator: 8n,
};
const CHAIN_ID_MAX = 1n << 52n;
const ZERO_ADDRESS: Hex = `0x${"00".repeat(20)}`;

export function genesisRollupId(genesis: Pick<EvmGenesis, "rollupName">): RollupId {
  return RollupId(toHex(sha256(utf8ToBytes(genesis.rollupName))));
}

/**
 * SHA-256 over everything in the genesis. It stands in the genesis block's extra data, so that two
 * nodes with different rules have different genesis hashes, and so different chains.
 */
export function genesisDigest(genesis: EvmGenesis): Uint8Array {
  const { baseFee, rules, anchor } = genesis;
  const sorted = genesis.alloc.toSorted((a, b) => (a.address < b.address ? -1 : 1));
  return sha256(
    RLP.encode([
      "weft.evm.genesis.v1",
      genesis.rollupName,
      genesis.chainId,
      genesis.hardfork,
      genesis.timestampSeconds,
      genesis.gasLimit,
      [baseFee.initial, baseFee.minimum, baseFee.elasticity, baseFee.changeDenominator],
      hexToBytes(genesis.feeRecipient),
      [rules.blobTransactions ? 1 : 0, rules.unprotectedTransactions ? 1 : 0],
      sorted.map((account) => [
        hexToBytes(account.address),
        account.balance,
        account.nonce,
        hexToBytes(account.code),
        account.storage
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, value]) => [hexToBytes(key), hexToBytes(value)]),
      ]),
      anchor === undefined ? [] : [anchor.number, hexToBytes(anchor.hash)],
      ...(genesis.atomic ? [1] : []),
    ]),
  );
}

/** The library's view of the chain's rules, with all parameters loaded once. */
export function createEvmCommon(genesis: Pick<EvmGenesis, "chainId" | "hardfork">): Common {
  const customCrypto = { kzg: createKzg() };
  const common =
    genesis.chainId === 1n
      ? new Common({ chain: Mainnet, hardfork: genesis.hardfork, customCrypto })
      : createCustomCommon({ chainId: Number(genesis.chainId), name: "weft" }, Mainnet, {
          hardfork: genesis.hardfork,
          customCrypto,
        });
  common.updateParams(paramsTx);
  common.updateParams(paramsBlock);
  common.updateParams(paramsEVM);
  common.updateParams(paramsVM);
  return common;
}

/** Options with which the library takes the parameters as they are in `common`: 3x faster. */
export function evmOptions(common: Common): {
  readonly common: Common;
  readonly params: ParamsDict;
} {
  return { common, params: {} };
}

const quantity = z.union([
  z.int().nonnegative(),
  z.string().regex(/^(0x[0-9a-fA-F]+|[0-9]+)$/, "a decimal or 0x number"),
]);
const toBigInt = quantity.transform((value) => BigInt(value));
const hexBytes = z
  .string()
  .regex(/^0x([0-9a-fA-F]{2})*$/, "0x and an even number of hex digits")
  .transform((text): Hex => bytesToHex(hexToBytes(text as Hex)));
const address = hexBytes.refine((text) => text.length === 42, "an address has 20 bytes");
const word = z
  .string()
  .regex(/^0x[0-9a-fA-F]{1,64}$/, "0x and up to 64 hex digits")
  .transform((text): Hex => `0x${text.slice(2).toLowerCase().padStart(64, "0")}`);

const genesisSchema = z.strictObject({
  rollup: z.string().regex(/^[a-z0-9-]{1,64}$/, "a rollup's name: [a-z0-9-]{1,64}"),
  chainId: toBigInt.refine((id) => id >= 1n && id <= CHAIN_ID_MAX, "1 to 2^52"),
  hardfork: z.enum(EVM_HARDFORKS).default("prague"),
  timestamp: toBigInt.default(0n),
  gasLimit: toBigInt
    .refine((gas) => gas >= 5_000n && gas < 1n << 63n, "5000 to 2^63 - 1")
    .default(DEFAULT_GAS_LIMIT),
  baseFee: z
    .strictObject({
      initial: toBigInt.default(DEFAULT_BASE_FEE.initial),
      minimum: toBigInt.default(DEFAULT_BASE_FEE.minimum),
      elasticity: toBigInt
        .refine((value) => value > 0n, "at least 1")
        .default(DEFAULT_BASE_FEE.elasticity),
      changeDenominator: toBigInt
        .refine((value) => value > 0n, "at least 1")
        .default(DEFAULT_BASE_FEE.changeDenominator),
    })
    .default(DEFAULT_BASE_FEE),
  feeRecipient: address.default(ZERO_ADDRESS),
  unprotectedTransactions: z.boolean().default(false),
  atomic: z.boolean().default(false),
  alloc: z
    .record(
      address,
      z.strictObject({
        balance: toBigInt.default(0n),
        nonce: toBigInt.default(0n),
        code: hexBytes.default("0x"),
        storage: z.record(word, word).default({}),
      }),
    )
    .default({}),
});

/** The JSON form of a genesis: quantities as numbers, decimal or 0x strings. */
export type EvmGenesisDocument = z.input<typeof genesisSchema>;

/**
 * Reads a genesis document. The contracts that the rules expect (EIP-4788, EIP-2935) are added when
 * `alloc` does not name them. Throws GENESIS_INVALID with every fault and its path.
 */
export function parseEvmGenesis(document: unknown): EvmGenesis {
  const parsed = genesisSchema.safeParse(document);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new WeftError<GenesisErrorInfo>(
      { code: "GENESIS_INVALID" },
      `the EVM genesis has ${faults.length} faults: ${faults.join("; ")}`,
    );
  }
  const { data } = parsed;
  const alloc = new Map<Hex, GenesisAccount>(
    systemContracts(data.hardfork, data.atomic).map((account) => [account.address, account]),
  );
  for (const [key, account] of Object.entries(data.alloc)) {
    alloc.set(key as Hex, {
      address: key as Hex,
      balance: account.balance,
      nonce: account.nonce,
      code: account.code,
      storage: Object.entries(account.storage)
        .filter(([, value]) => BigInt(value) !== 0n)
        .map(([slot, value]) => [slot as Hex, value]),
    });
  }
  return {
    rollupName: data.rollup,
    chainId: data.chainId,
    hardfork: data.hardfork,
    timestampSeconds: data.timestamp,
    gasLimit: data.gasLimit,
    baseFee: data.baseFee,
    feeRecipient: data.feeRecipient,
    rules: {
      blobTransactions: false,
      unprotectedTransactions: data.unprotectedTransactions,
    },
    atomic: data.atomic,
    alloc: [...alloc.values()],
  };
}

function systemContracts(hardfork: EvmHardfork, isAtomic: boolean): GenesisAccount[] {
  const contracts: [Hex, Hex][] = [[BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE]];
  if (hardfork !== "cancun") contracts.push([BLOCK_HASHES_ADDRESS, BLOCK_HASHES_CODE]);
  if (isAtomic) {
    contracts.push([REGISTRY_ADDRESS, REGISTRY_CODE], [MAILBOX_ADDRESS, MAILBOX_CODE]);
  }
  return contracts.map(([at, code]) => ({
    address: at,
    balance: 0n,
    nonce: 1n,
    code,
    storage: [],
  }));
}

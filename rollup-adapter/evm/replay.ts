/**
 * A known block of another chain as a fixture: its transactions as raw bytes to be ordered by the
 * network, its environment, and the state it read, so that executing it again can be compared with
 * what its own chain says came out.
 */
import { readFile } from "node:fs/promises";
import { createBlockHeader, createBlockHeaderFromRPC } from "@ethereumjs/block";
import type { JSONRPCBlock } from "@ethereumjs/block";
import { Common, Mainnet } from "@ethereumjs/common";
import { createTx } from "@ethereumjs/tx";
import { bytesToHex, hexToBytes } from "@ethereumjs/util";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { z } from "zod";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { WeftError } from "../../proto/errors.ts";
import {
  type BlockEnvironment,
  type EnvironmentSource,
  createPinnedEnvironmentSource,
} from "./environment.ts";
import type { EvmChain } from "./executor.ts";
import {
  DEFAULT_BASE_FEE,
  EVM_HARDFORKS,
  type EvmGenesis,
  type EvmHardfork,
  type GenesisAccount,
  type Hex,
  createEvmCommon,
  evmOptions,
} from "./genesis.ts";

export type ReplayErrorInfo =
  /** The file is not what a node answers, or lacks a field. */
  | { readonly code: "REPLAY_FIXTURE_INVALID" }
  /** What was made from the file's fields does not have the hash that the file states. */
  | { readonly code: "REPLAY_HASH_MISMATCH" }
  /** The block needs what a rollup does not have, such as consensus layer requests. */
  | { readonly code: "REPLAY_UNSUPPORTED" };

/** What the block's own chain says came out. */
export interface ExpectedResult {
  readonly gasUsed: bigint;
  readonly receiptsRoot: Uint8Array;
  readonly logsBloom: Uint8Array;
  readonly transactionHashes: readonly Uint8Array[];
}

export interface BlockFixture {
  readonly number: number;
  readonly hash: Uint8Array;
  /** Canonical encodings in block order: the payloads to have ordered. */
  readonly transactions: readonly Uint8Array[];
  readonly environment: BlockEnvironment;
  /** A chain that goes on after the block's parent, with the state that the block read. */
  readonly genesis: EvmGenesis;
  readonly expected: ExpectedResult;
}

/** SHA-256 of nothing: the requests hash of a block without consensus layer requests (EIP-7685). */
const NO_REQUESTS_HASH = "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const hex = z.string().regex(/^0x[0-9a-fA-F]*$/, "0x hex");
const bytesHex = hex.transform((text) => text.toLowerCase() as Hex);
const quantity = hex.transform((text) => BigInt(text));

const blockSchema = z.looseObject({
  hash: bytesHex,
  parentHash: bytesHex,
  miner: bytesHex,
  number: quantity,
  timestamp: quantity,
  gasLimit: quantity,
  gasUsed: quantity,
  baseFeePerGas: quantity,
  mixHash: bytesHex,
  extraData: bytesHex,
  receiptsRoot: bytesHex,
  logsBloom: bytesHex,
  excessBlobGas: quantity.default(0n),
  parentBeaconBlockRoot: bytesHex,
  requestsHash: bytesHex.default(NO_REQUESTS_HASH),
  withdrawals: z
    .array(
      z.looseObject({
        index: quantity,
        validatorIndex: quantity,
        address: bytesHex,
        amount: quantity,
      }),
    )
    .default([]),
  transactions: z.array(
    z.looseObject({ hash: bytesHex, type: bytesHex.default("0x0"), chainId: bytesHex.optional() }),
  ),
});
type BlockDocument = z.output<typeof blockSchema>;

const stateSchema = z.looseObject({
  accounts: z.record(bytesHex, z.looseObject({ nonce: quantity, balance: quantity }).nullable()),
  code: z.record(bytesHex, bytesHex),
  storage: z.record(bytesHex, z.record(bytesHex, bytesHex)),
});
type StateDocument = z.output<typeof stateSchema>;

/**
 * Reads a block as `eth_getBlockByNumber` with full transactions answers, and the state it read:
 * `accounts` (null: does not exist yet), `code`, `storage`, as recorded at first access.
 */
export async function loadBlockFixture(
  blockJsonPath: string,
  stateJsonPath: string,
): Promise<BlockFixture> {
  const block: unknown = JSON.parse(await readFile(blockJsonPath, "utf8"));
  const state: unknown = JSON.parse(await readFile(stateJsonPath, "utf8"));
  return parseBlockFixture(block, state);
}

/** As `loadBlockFixture`, from documents at hand. Every hash in them is checked. */
export function parseBlockFixture(blockJson: unknown, stateJson: unknown): BlockFixture {
  const block = parse(blockSchema, blockJson, "block");
  const state = parse(stateSchema, stateJson, "state");
  if (block.requestsHash !== NO_REQUESTS_HASH) {
    throw failure(
      "REPLAY_UNSUPPORTED",
      `block ${block.number} carries consensus layer requests; a rollup has no consensus layer`,
    );
  }
  const hardfork = mainnetHardfork(block.number, block.timestamp);
  const common = createEvmCommon({ chainId: 1n, hardfork });
  const options = { ...evmOptions(common), skipConsensusFormatValidation: true };
  const header = createBlockHeaderFromRPC(blockJson as JSONRPCBlock, options);
  if (bytesToHex(createBlockHeader(header, options).hash()) !== block.hash) {
    throw failure("REPLAY_HASH_MISMATCH", `the header's fields do not hash to ${block.hash}`);
  }
  const transactions = block.transactions.map((fields, index) =>
    toRawTransaction(fields, index, common),
  );
  return {
    number: Number(block.number),
    hash: hexToBytes(block.hash),
    transactions,
    environment: toEnvironment(block),
    genesis: toGenesis(block, state, hardfork),
    expected: {
      gasUsed: block.gasUsed,
      receiptsRoot: hexToBytes(block.receiptsRoot),
      logsBloom: hexToBytes(block.logsBloom),
      transactionHashes: block.transactions.map((fields) => hexToBytes(fields.hash)),
    },
  };
}

/**
 * Has the fixture's transactions made into its block as soon as all of them are there, over however
 * many sequencer blocks they came, and whatever else was posted between them.
 */
export function createReplayEnvironmentSource(fixture: BlockFixture): EnvironmentSource {
  const wanted = new Set(fixture.expected.transactionHashes.map(toHex));
  return createPinnedEnvironmentSource({
    environment: fixture.environment,
    isComplete: (payloads) => {
      const present = new Set<string>();
      for (const payload of payloads) {
        const hash = toHex(keccak_256(payload));
        if (wanted.has(hash)) present.add(hash);
      }
      return present.size === wanted.size;
    },
  });
}

/** What differs between the block that was executed and the one its own chain made; empty: nothing. */
export function compareReplay(fixture: BlockFixture, chain: EvmChain): readonly string[] {
  const { expected, number } = fixture;
  const block = chain.store.block(number);
  if (block === undefined) return [`block ${number} was not executed`];
  const { header } = block;
  const hashes = (chain.store.receipts(number) ?? []).map((receipt) => receipt.transactionHash);
  const pairs: readonly (readonly [what: string, got: string, want: string])[] = [
    ["transactions", String(hashes.length), String(expected.transactionHashes.length)],
    ["gas used", String(header.gasUsed), String(expected.gasUsed)],
    ["receipts root", toHex(header.receiptTrie), toHex(expected.receiptsRoot)],
    ["logs bloom", toHex(header.logsBloom), toHex(expected.logsBloom)],
    ...expected.transactionHashes.map(
      (hash, i) =>
        [`transaction ${i}`, toHex(hashes[i] ?? new Uint8Array(0)), toHex(hash)] as const,
    ),
  ];
  return pairs
    .filter(([, got, want]) => got !== want)
    .map(([what, got, want]) => `${what}: got ${got}, the block says ${want}`);
}

function toRawTransaction(
  fields: BlockDocument["transactions"][number],
  index: number,
  common: Common,
): Uint8Array {
  const json = fields as Record<string, unknown>;
  const transaction = createTx(
    { ...json, gasLimit: json["gas"], data: json["input"], to: json["to"] ?? undefined } as never,
    evmOptions(common),
  );
  if (!bytesEqual(transaction.hash(), hexToBytes(fields.hash))) {
    throw failure(
      "REPLAY_HASH_MISMATCH",
      `transaction ${index} hashes to ${bytesToHex(transaction.hash())}, the file says ${fields.hash}`,
    );
  }
  return transaction.serialize();
}

function toEnvironment(block: BlockDocument): BlockEnvironment {
  return {
    number: Number(block.number),
    timestampSeconds: block.timestamp,
    feeRecipient: hexToBytes(block.miner),
    gasLimit: block.gasLimit,
    baseFeePerGas: block.baseFeePerGas,
    prevRandao: hexToBytes(block.mixHash),
    parentBeaconBlockRoot: hexToBytes(block.parentBeaconBlockRoot),
    excessBlobGas: block.excessBlobGas,
    extraData: hexToBytes(block.extraData),
    withdrawals: block.withdrawals.map((w) => ({
      index: w.index,
      validatorIndex: w.validatorIndex,
      address: hexToBytes(w.address),
      amountGwei: w.amount,
    })),
  };
}

function toGenesis(block: BlockDocument, state: StateDocument, hardfork: EvmHardfork): EvmGenesis {
  return {
    rollupName: `replay-${block.number}`,
    chainId: 1n,
    hardfork,
    timestampSeconds: block.timestamp - 1n,
    gasLimit: block.gasLimit,
    baseFee: { ...DEFAULT_BASE_FEE, initial: block.baseFeePerGas },
    feeRecipient: block.miner,
    rules: { blobTransactions: true, unprotectedTransactions: true },
    atomic: false,
    alloc: toAlloc(state),
    anchor: { number: Number(block.number) - 1, hash: block.parentHash },
  };
}

/**
 * The recording holds what was read first, whenever that was: an account recorded as null came into
 * being inside the block, so code and slots recorded for it later are not part of the state before.
 * An account whose code or slots alone were read exists; as a contract its nonce is at least 1.
 */
function toAlloc(state: StateDocument): GenesisAccount[] {
  const addresses = new Set<string>([
    ...Object.keys(state.accounts),
    ...Object.keys(state.code),
    ...Object.keys(state.storage),
  ]);
  const alloc: GenesisAccount[] = [];
  for (const address of addresses) {
    const account = state.accounts[address as Hex];
    const code = state.code[address as Hex] ?? "0x";
    if (account === null || (account === undefined && code === "0x")) continue;
    const slots = Object.entries(state.storage[address as Hex] ?? {});
    alloc.push({
      address: address as Hex,
      balance: account?.balance ?? 0n,
      nonce: account?.nonce ?? 1n,
      code,
      storage: slots
        .filter(([, value]) => value !== "0x" && BigInt(value) !== 0n)
        .map(([key, value]) => [word(key), word(value)]),
    });
  }
  return alloc;
}

/** The rules mainnet had at that block. */
function mainnetHardfork(number: bigint, timestamp: bigint): EvmHardfork {
  const name = new Common({ chain: Mainnet }).getHardforkBy({ blockNumber: number, timestamp });
  const hardfork = EVM_HARDFORKS.find((candidate) => candidate === name);
  if (hardfork === undefined) {
    throw failure("REPLAY_UNSUPPORTED", `block ${number} is of ${name}, before what is supported`);
  }
  return hardfork;
}

function word(text: string): Hex {
  return `0x${text.slice(2).padStart(64, "0")}`;
}

function parse<S extends z.ZodType>(schema: S, document: unknown, what: string): z.output<S> {
  const parsed = schema.safeParse(document);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw failure(
    "REPLAY_FIXTURE_INVALID",
    `the ${what} file is not usable: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`,
  );
}

function failure(code: ReplayErrorInfo["code"], message: string): WeftError<ReplayErrorInfo> {
  return new WeftError<ReplayErrorInfo>({ code }, message);
}

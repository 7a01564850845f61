/** The rows of the rollup's database, and their bytes (RLP). */
import { type BlockHeader, createBlockHeaderFromRLP } from "@ethereumjs/block";
import type { Common } from "@ethereumjs/common";
import { RLP } from "@ethereumjs/rlp";
import { Height } from "../../proto/brands.ts";
import { utf8ToBytes } from "../../proto/bytes.ts";
import { assert } from "../../proto/errors.ts";
import type { ExecutedBlock, ExecuteBlockResponse, SkippedPayload } from "../execution.ts";
import type { Withdrawal } from "./environment.ts";
import { evmOptions } from "./genesis.ts";

export interface StoredBlock {
  readonly number: number;
  /** Hash of the header, except for an anchor, whose header is not known. */
  readonly hash: Uint8Array;
  readonly header: BlockHeader;
  /** Canonical encodings, in block order. */
  readonly transactions: readonly Uint8Array[];
  readonly withdrawals: readonly Withdrawal[];
  /** The sequencer block that this one came from (the last of them); 0 and empty for genesis. */
  readonly sequencerHeight: number;
  readonly sequencerBlockHash: Uint8Array;
  /** Bytes of the block in Ethereum's encoding. */
  readonly size: number;
}

export interface StoredLog {
  readonly address: Uint8Array;
  readonly topics: readonly Uint8Array[];
  readonly data: Uint8Array;
}

export interface StoredReceipt {
  readonly isSuccess: boolean;
  readonly cumulativeGasUsed: bigint;
  readonly gasUsed: bigint;
  readonly logs: readonly StoredLog[];
  readonly sender: Uint8Array;
  /** The contract that the transaction made; empty when none. */
  readonly contractAddress: Uint8Array;
  readonly transactionHash: Uint8Array;
  readonly transactionType: number;
  readonly effectiveGasPrice: bigint;
  readonly blobGasUsed: bigint;
  readonly blobGasPrice: bigint;
}

/** What a sequencer block came to, kept to answer the same request again. */
export interface SequencerRecord {
  readonly height: Height;
  readonly blockHash: Uint8Array;
  readonly outcome: ExecuteBlockResponse["outcome"];
  /** The rollup block it produced, or the head that it left as it was. */
  readonly rollupNumber: number;
  readonly included: number;
  readonly skipped: readonly SkippedPayload[];
}

const OUTCOMES = ["block", "none", "gathered"] as const;

export type Item = Uint8Array | readonly Item[];

export function encodeBlock(block: StoredBlock): Uint8Array {
  return RLP.encode([
    block.hash,
    block.header.serialize(),
    [...block.transactions],
    block.withdrawals.map((w) => [w.index, w.validatorIndex, w.address, w.amountGwei]),
    block.sequencerHeight,
    block.sequencerBlockHash,
    block.size,
  ]);
}

export function decodeBlock(bytes: Uint8Array, common: Common): StoredBlock {
  const row = list(RLP.decode(bytes));
  const header = createBlockHeaderFromRLP(blob(row[1]), {
    ...evmOptions(common),
    skipConsensusFormatValidation: true,
  });
  return {
    number: Number(header.number),
    hash: blob(row[0]),
    header,
    transactions: list(row[2]).map(blob),
    withdrawals: list(row[3]).map((item) => {
      const fields = list(item);
      return {
        index: uint(fields[0]),
        validatorIndex: uint(fields[1]),
        address: blob(fields[2]),
        amountGwei: uint(fields[3]),
      };
    }),
    sequencerHeight: Number(uint(row[4])),
    sequencerBlockHash: blob(row[5]),
    size: Number(uint(row[6])),
  };
}

export function encodeReceipts(receipts: readonly StoredReceipt[]): Uint8Array {
  return RLP.encode(receipts.map(receiptFields));
}

export function decodeReceipts(bytes: Uint8Array): readonly StoredReceipt[] {
  return list(RLP.decode(bytes)).map(receiptOfFields);
}

/** A receipt as a list of RLP. */
export function receiptFields(receipt: StoredReceipt) {
  return [
    receipt.isSuccess ? 1 : 0,
    receipt.cumulativeGasUsed,
    receipt.gasUsed,
    receipt.logs.map((log) => [log.address, [...log.topics], log.data]),
    receipt.sender,
    receipt.contractAddress,
    receipt.transactionHash,
    receipt.transactionType,
    receipt.effectiveGasPrice,
    receipt.blobGasUsed,
    receipt.blobGasPrice,
  ];
}

export function receiptOfFields(item: Item | undefined): StoredReceipt {
  const row = list(item);
  return {
    isSuccess: uint(row[0]) === 1n,
    cumulativeGasUsed: uint(row[1]),
    gasUsed: uint(row[2]),
    logs: list(row[3]).map((entry) => {
      const fields = list(entry);
      return {
        address: blob(fields[0]),
        topics: list(fields[1]).map(blob),
        data: blob(fields[2]),
      };
    }),
    sender: blob(row[4]),
    contractAddress: blob(row[5]),
    transactionHash: blob(row[6]),
    transactionType: Number(uint(row[7])),
    effectiveGasPrice: uint(row[8]),
    blobGasUsed: uint(row[9]),
    blobGasPrice: uint(row[10]),
  };
}

export function encodeSequencerRecord(record: SequencerRecord): Uint8Array {
  return RLP.encode([
    record.height,
    record.blockHash,
    OUTCOMES.indexOf(record.outcome),
    record.rollupNumber,
    record.included,
    record.skipped.map(({ index, reason }) => [index, utf8ToBytes(reason)]),
  ]);
}

export function decodeSequencerRecord(bytes: Uint8Array): SequencerRecord {
  const row = list(RLP.decode(bytes));
  const outcome = OUTCOMES[Number(uint(row[2]))];
  assert(outcome !== undefined, "a sequencer record names a known outcome");
  return {
    height: Height(Number(uint(row[0]))),
    blockHash: blob(row[1]),
    outcome,
    rollupNumber: Number(uint(row[3])),
    included: Number(uint(row[4])),
    skipped: list(row[5]).map((item) => {
      const [index, reason] = list(item);
      return { index: Number(uint(index)), reason: Buffer.from(blob(reason)).toString("utf8") };
    }),
  };
}

export function toExecutedBlock(block: StoredBlock): ExecutedBlock {
  const { header } = block;
  return {
    number: block.number,
    hash: block.hash,
    parentHash: header.parentHash,
    stateRoot: header.stateRoot,
    receiptsRoot: header.receiptTrie,
    timestampSeconds: header.timestamp,
    gasUsed: header.gasUsed,
  };
}

/** Rows of small numbers and hashes, for the database's own bookkeeping. */
export function encodeRow(row: readonly (Uint8Array | number | string)[]): Uint8Array {
  return RLP.encode(row.map((cell) => (typeof cell === "string" ? utf8ToBytes(cell) : cell)));
}

export function decodeRow(bytes: Uint8Array): readonly Uint8Array[] {
  return list(RLP.decode(bytes)).map(blob);
}

export function rowNumber(cell: Uint8Array | undefined): number {
  return Number(uint(cell));
}

export function list(item: Item | undefined): readonly Item[] {
  assert(item !== undefined && !(item instanceof Uint8Array), "a stored row holds a list here");
  return item;
}

export function blob(item: Item | undefined): Uint8Array {
  assert(item instanceof Uint8Array, "a stored row holds bytes here");
  return item;
}

export function uint(item: Item | undefined): bigint {
  const bytes = blob(item);
  return bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

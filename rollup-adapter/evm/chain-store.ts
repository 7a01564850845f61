/**
 * The rollup's database: one LevelDB directory, one writer. A rollup block and everything that
 * belongs to it go down in one synced batch. Rows that only say "nothing happened" are written
 * without a sync: LevelDB keeps the order of its writes, so after a crash the database is as it was
 * at some moment, and what is missing can only be sequencer blocks that changed nothing.
 */
import type { Common } from "@ethereumjs/common";
import { ClassicLevel } from "classic-level";
import { Height } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import { WeftError } from "../../proto/errors.ts";
import type { ExecutionErrorInfo } from "../execution.ts";
import { type BundleRecord, decodeBundle, encodeBundle } from "./atomic/records.ts";
import { BLOCK_BYTES_CACHED, RECEIPT_BYTES_CACHED, SEQUENCER_RECORDS_KEPT } from "./limits.ts";
import type { IncludedLeg } from "./included-legs.ts";
import { LruMap } from "./lru.ts";
import {
  type SequencerRecord,
  type StoredBlock,
  type StoredReceipt,
  decodeBlock,
  decodeReceipts,
  decodeRow,
  decodeSequencerRecord,
  encodeBlock,
  encodeReceipts,
  encodeRow,
  encodeSequencerRecord,
  rowNumber,
} from "./records.ts";

/** The sequencer network that the rollup was bound to by `init`. */
export interface Binding {
  readonly sequencerChainId: string;
  readonly sequencerStartHeight: Height;
}

export interface Cursor {
  readonly height: Height;
  readonly blockHash: Uint8Array;
}

export interface Finality {
  readonly safe: number;
  readonly finalized: number;
}

export interface TransactionLocation {
  readonly blockNumber: number;
  readonly index: number;
}

/** A block with all that has to appear together with it. */
export interface BlockCommit {
  readonly block: StoredBlock;
  readonly receipts: readonly StoredReceipt[];
  /** State nodes and codes by hex key. */
  readonly nodes: ReadonlyMap<string, Uint8Array>;
  readonly record: SequencerRecord;
  /** Gathered payloads that became part of the block, so that their rows go. */
  readonly gatheredCount: number;
  /** Atomic bundles that were decided at its sequencer height. */
  readonly settled: readonly BundleRecord[];
  /** Transactions of it that were legs of bundles of level 0. */
  readonly legs: readonly IncludedLeg[];
}

type Level = ClassicLevel<Uint8Array, Uint8Array>;
type Put = { type: "put"; key: Uint8Array; value: Uint8Array };
type Operation = Put | { type: "del"; key: Uint8Array };

const SCHEMA = 1;
const META = {
  schema: metaKey("schema"),
  genesis: metaKey("genesis"),
  binding: metaKey("binding"),
  head: metaKey("head"),
  cursor: metaKey("cursor"),
  finality: metaKey("finality"),
} as const;

export class ChainStore {
  readonly #db: Level;
  readonly #common: Common;
  readonly #blocks = new LruMap<number, StoredBlock>(BLOCK_BYTES_CACHED, weighBlock);
  readonly #receipts = new LruMap<number, readonly StoredReceipt[]>(
    RECEIPT_BYTES_CACHED,
    weighReceipts,
  );

  private constructor(db: Level, common: Common) {
    this.#db = db;
    this.#common = common;
  }

  /** Opens or creates the directory. Throws EXECUTION_INTERNAL when it is in use or damaged. */
  static async open(directory: string, common: Common): Promise<ChainStore> {
    const db: Level = new ClassicLevel(directory, { keyEncoding: "view", valueEncoding: "view" });
    try {
      await db.open();
    } catch (cause) {
      throw internal(
        `the rollup's database in ${directory} cannot be opened; is another process using it?`,
        cause,
      );
    }
    const store = new ChainStore(db, common);
    const schema = store.#get(META.schema);
    if (schema === undefined) await db.put(META.schema, encodeRow([SCHEMA]), { sync: true });
    else if (rowNumber(decodeRow(schema)[0]) !== SCHEMA) {
      await db.close();
      throw internal(
        `the rollup's database in ${directory} has a layout that this version cannot read`,
      );
    }
    return store;
  }

  async close(): Promise<void> {
    await this.#db.close();
  }

  readonly readNode = (keyHex: string): Uint8Array | undefined => this.#get(nodeKey(keyHex));

  genesisDigest(): Uint8Array | undefined {
    return this.#get(META.genesis);
  }

  binding(): Binding | undefined {
    const bytes = this.#get(META.binding);
    if (bytes === undefined) return undefined;
    const [chainId, start] = decodeRow(bytes);
    return {
      sequencerChainId: Buffer.from(chainId ?? []).toString("utf8"),
      sequencerStartHeight: Height(rowNumber(start)),
    };
  }

  headNumber(): number | undefined {
    const bytes = this.#get(META.head);
    return bytes === undefined ? undefined : rowNumber(decodeRow(bytes)[0]);
  }

  cursor(): Cursor | undefined {
    const bytes = this.#get(META.cursor);
    if (bytes === undefined) return undefined;
    const [height, blockHash] = decodeRow(bytes);
    return { height: Height(rowNumber(height)), blockHash: blockHash ?? new Uint8Array(0) };
  }

  finality(): Finality | undefined {
    const bytes = this.#get(META.finality);
    if (bytes === undefined) return undefined;
    const [safe, finalized] = decodeRow(bytes);
    return { safe: rowNumber(safe), finalized: rowNumber(finalized) };
  }

  block(number: number): StoredBlock | undefined {
    if (!Number.isSafeInteger(number) || number < 0) return undefined;
    const held = this.#blocks.get(number);
    if (held !== undefined) return held;
    const bytes = this.#get(numberKey("B", number));
    if (bytes === undefined) return undefined;
    const block = decodeBlock(bytes, this.#common);
    this.#blocks.set(number, block);
    return block;
  }

  blockNumber(hash: Uint8Array): number | undefined {
    const bytes = this.#get(hashKey("H", hash));
    return bytes === undefined ? undefined : rowNumber(decodeRow(bytes)[0]);
  }

  receipts(number: number): readonly StoredReceipt[] | undefined {
    const held = this.#receipts.get(number);
    if (held !== undefined) return held;
    const bytes = this.#get(numberKey("R", number));
    if (bytes === undefined) return undefined;
    const receipts = decodeReceipts(bytes);
    this.#receipts.set(number, receipts);
    return receipts;
  }

  transactionLocation(hash: Uint8Array): TransactionLocation | undefined {
    const bytes = this.#get(hashKey("T", hash));
    if (bytes === undefined) return undefined;
    const [blockNumber, index] = decodeRow(bytes);
    return { blockNumber: rowNumber(blockNumber), index: rowNumber(index) };
  }

  /** The answer that was given at `height`, while it is kept. */
  sequencerRecord(height: number): SequencerRecord | undefined {
    const bytes = this.#get(recordKey(height));
    if (bytes === undefined) return undefined;
    const record = decodeSequencerRecord(bytes);
    return record.height === height ? record : undefined;
  }

  /** Atomic bundles that are not settled, in no order. */
  async openBundles(): Promise<BundleRecord[]> {
    const rows = await this.#db.values({ gte: Buffer.from("O"), lt: Buffer.from("P") }).all();
    return rows.map((row) => decodeBundle(new Uint8Array(row)));
  }

  /** An atomic bundle that was decided, without what was staged. */
  settledBundle(bundleId: Uint8Array): BundleRecord | undefined {
    const bytes = this.#get(hashKey("A", bundleId));
    return bytes === undefined ? undefined : decodeBundle(bytes);
  }

  /** Id of the atomic bundle that a transaction was a leg of, once it is decided. */
  bundleOfTransaction(hash: Uint8Array): Uint8Array | undefined {
    return this.#get(hashKey("X", hash));
  }

  /** Id of the bundle of level 0 that brought a transaction. */
  includedBundleOfTransaction(hash: Uint8Array): Uint8Array | undefined {
    return this.#get(hashKey("L", hash));
  }

  /** A bundle as it was prepared, or with its decision: from now on that survives a crash. */
  async commitOpenBundle(record: BundleRecord): Promise<void> {
    await this.#write([put(hashKey("O", record.bundleId), encodeBundle(record))]);
  }

  /** Payloads that wait, in order. */
  async gathered(): Promise<Uint8Array[]> {
    return this.#db
      .values({ gte: numberKey("G", 0), lte: numberKey("G", Number.MAX_SAFE_INTEGER) })
      .all();
  }

  async commitGenesis(
    digest: Uint8Array,
    block: StoredBlock,
    nodes: ReadonlyMap<string, Uint8Array>,
  ): Promise<void> {
    await this.#write([
      ...nodePuts(nodes),
      ...blockPuts(block, []),
      put(META.genesis, digest),
      put(META.head, encodeRow([block.number])),
      put(META.finality, encodeRow([block.number, block.number])),
    ]);
  }

  async commitBinding(binding: Binding): Promise<void> {
    const row = encodeRow([binding.sequencerChainId, binding.sequencerStartHeight]);
    await this.#write([put(META.binding, row)]);
  }

  async commitBlock(commit: BlockCommit): Promise<void> {
    const { block, receipts } = commit;
    const operations: Operation[] = [
      ...nodePuts(commit.nodes),
      ...blockPuts(block, receipts),
      ...recordPuts(commit.record),
      ...commit.settled.flatMap(settledOperations),
      ...commit.legs.map((leg) => put(hashKey("L", leg.transactionHash), leg.bundleId)),
      put(META.head, encodeRow([block.number])),
    ];
    for (let i = 0; i < commit.gatheredCount; i++) {
      operations.push({ type: "del", key: numberKey("G", i) });
    }
    await this.#write(operations);
    this.#blocks.set(block.number, block);
    this.#receipts.set(block.number, receipts);
  }

  /** Payloads that wait from now on, numbered from `first`. */
  async commitGathered(
    record: SequencerRecord,
    first: number,
    payloads: readonly Uint8Array[],
  ): Promise<void> {
    await this.#write([
      ...recordPuts(record),
      ...payloads.map((payload, i) => put(numberKey("G", first + i), payload)),
    ]);
  }

  /** A sequencer block that changed nothing: not synced, see above. */
  async noteEmpty(record: SequencerRecord): Promise<void> {
    await this.#db.batch(recordPuts(record));
  }

  /** A sequencer block that only aborted bundles. */
  async commitSettled(record: SequencerRecord, settled: readonly BundleRecord[]): Promise<void> {
    await this.#write([...recordPuts(record), ...settled.flatMap(settledOperations)]);
  }

  async commitFinality(finality: Finality): Promise<void> {
    await this.#write([put(META.finality, encodeRow([finality.safe, finality.finalized]))]);
  }

  async #write(operations: Operation[]): Promise<void> {
    await this.#db.batch(operations, { sync: true });
  }

  #get(key: Uint8Array): Uint8Array | undefined {
    const value = this.#db.getSync(key);
    // Plain arrays only: a Buffer's slices would alias what is cached.
    return value === undefined ? undefined : new Uint8Array(value);
  }
}

/** The row of an open bundle makes way for that of a decided one, which the transactions lead to. */
function settledOperations(record: BundleRecord): Operation[] {
  const { bundleId, transactionHashes } = record;
  return [
    { type: "del", key: hashKey("O", bundleId) },
    put(hashKey("A", bundleId), encodeBundle({ ...record, staged: undefined })),
    ...transactionHashes.map((hash) => put(hashKey("X", hash), bundleId)),
  ];
}

/** Rough bytes in memory. */
function weighBlock(block: StoredBlock): number {
  return 4_096 + block.size + 128 * block.transactions.length;
}

function weighReceipts(receipts: readonly StoredReceipt[]): number {
  let bytes = 256;
  for (const { logs } of receipts) {
    bytes += 512;
    for (const log of logs) bytes += 512 + log.data.length;
  }
  return bytes;
}

function blockPuts(block: StoredBlock, receipts: readonly StoredReceipt[]): Put[] {
  return [
    put(numberKey("B", block.number), encodeBlock(block)),
    put(numberKey("R", block.number), encodeReceipts(receipts)),
    put(hashKey("H", block.hash), encodeRow([block.number])),
    ...receipts.map((receipt, index) =>
      put(hashKey("T", receipt.transactionHash), encodeRow([block.number, index])),
    ),
  ];
}

function recordPuts(record: SequencerRecord): Put[] {
  return [
    put(recordKey(record.height), encodeSequencerRecord(record)),
    put(META.cursor, encodeRow([record.height, record.blockHash])),
  ];
}

function nodePuts(nodes: ReadonlyMap<string, Uint8Array>): Put[] {
  return Array.from(nodes, ([keyHex, value]) => put(nodeKey(keyHex), value));
}

function put(key: Uint8Array, value: Uint8Array): Put {
  return { type: "put", key, value };
}

function metaKey(name: string): Uint8Array {
  return Buffer.from(`M${name}`);
}

function nodeKey(keyHex: string): Uint8Array {
  return Buffer.concat([Buffer.from("S"), fromHex(keyHex)]);
}

function hashKey(prefix: "H" | "T" | "O" | "A" | "X" | "L", hash: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(prefix), hash]);
}

function numberKey(prefix: "B" | "R" | "G" | "Q", number: number): Uint8Array {
  const key = Buffer.alloc(9);
  key.write(prefix);
  key.writeBigUInt64BE(BigInt(number), 1);
  return key;
}

function recordKey(height: number): Uint8Array {
  return numberKey("Q", height % SEQUENCER_RECORDS_KEPT);
}

function internal(message: string, cause?: unknown): WeftError<ExecutionErrorInfo> {
  return new WeftError<ExecutionErrorInfo>({ code: "EXECUTION_INTERNAL" }, message, { cause });
}

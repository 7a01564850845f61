/**
 * Sequences of replacement keys that a gateway has given to bundles in its own account: each is higher than all
 * before it, also after a restart, so that what a searcher sent last is what counts, whatever arrives first.
 */
import { ClassicLevel } from "classic-level";
import { sha256 } from "../../../proto/hash.ts";
import { joinBytes, utf8ToBytes } from "../../../proto/bytes.ts";
import { REPLACEMENT_KEY_BYTES } from "../../../proto/codec/mev-tx.ts";
import { AMOUNT_LIMIT } from "../../../proto/codec/weft-basics.ts";
import { WeftError } from "../../../proto/errors.ts";
import { createTurns } from "../../turns.ts";
import { bundleError } from "./errors.ts";
import { KEY_KEPT_BLOCKS, KEYS_KEPT_MAX } from "./limits.ts";

/** The last sequence of a key, and the last block that a bundle with it may be in. */
export interface KeyRecord {
  readonly sequence: bigint;
  readonly height: number;
}

/** Where the records outlive the process. */
export interface SequenceStore {
  /** All of them, by key. */
  load(): Promise<ReadonlyMap<string, KeyRecord>>;
  /** Durable when it resolves. */
  put(key: string, record: KeyRecord): Promise<void>;
  delete(keys: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

export interface Sequences {
  /**
   * The sequence for a bundle of `key`, or for a cancellation: the one asked for, if it is above all before it, or
   * the next. Kept before it is told. @throws WeftError<BundleErrorInfo> STALE_SEQ, RATE_LIMITED
   */
  take(key: string, asked: bigint | undefined, height: number): Promise<bigint>;
  /** The last one that was given; undefined for a key that this gateway does not know, or any more. */
  last(key: string): bigint | undefined;
  /** Forgets keys of which nothing can be in force any more after block `height`. */
  advance(height: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * The replacement key on the chain of what somebody calls `uuid`: H(lp(signer) ‖ uuid), its first 16 bytes. Senders
 * of one gateway share its account, so the signer (address of the X-Flashbots-Signature header, 20 bytes, or
 * nothing) keeps one from replacing another's bundles.
 */
export function replacementKey(signer: Uint8Array, uuid: string): Uint8Array {
  const bytes = joinBytes([Uint8Array.of(signer.length), signer, utf8ToBytes(uuid)]);
  return sha256(bytes).slice(0, REPLACEMENT_KEY_BYTES);
}

export async function openSequences(store: SequenceStore): Promise<Sequences> {
  const records = new Map(await store.load());
  /** One after the other: a store may finish writes of one key in any order, and the last one has to stay. */
  const writes = createTurns();

  return {
    async take(key, asked, height) {
      const before = records.get(key);
      const last = before?.sequence ?? 0n;
      if (asked !== undefined && asked <= last) {
        throw bundleError(
          "STALE_SEQ",
          `sequence ${asked} is not above ${last}, the last one of this replacement key`,
        );
      }
      const sequence = asked ?? last + 1n;
      if (sequence >= AMOUNT_LIMIT) {
        throw bundleError("STALE_SEQ", "no sequence is above the last one: use another uuid");
      }
      if (before === undefined && records.size >= KEYS_KEPT_MAX) {
        throw bundleError(
          "RATE_LIMITED",
          `this gateway keeps ${KEYS_KEPT_MAX} replacement keys already; try again later`,
        );
      }
      const record = { sequence, height: Math.max(height, before?.height ?? 0) };
      // Before anybody waits: two requests at once get two sequences.
      records.set(key, record);
      await writes.take(() => store.put(key, record));
      return sequence;
    },
    last: (key) => records.get(key)?.sequence,
    async advance(height) {
      const old: string[] = [];
      for (const [key, record] of records) {
        if (record.height + KEY_KEPT_BLOCKS < height) old.push(key);
      }
      for (const key of old) records.delete(key);
      if (old.length > 0) await writes.take(() => store.delete(old));
    },
    async close() {
      await writes.done();
      await store.close();
    },
  };
}

export type SequenceStoreErrorInfo =
  /** The folder is another process's, or damaged. */
  { readonly code: "GATEWAY_SEQUENCES_LOCKED"; readonly path: string };

/**
 * @param directory made when it is not there
 * @throws WeftError<SequenceStoreErrorInfo>
 */
export async function openSequenceStore(directory: string): Promise<SequenceStore> {
  const level = new ClassicLevel<string>(directory);
  await level.open().catch((cause: unknown) => {
    throw new WeftError<SequenceStoreErrorInfo>(
      { code: "GATEWAY_SEQUENCES_LOCKED", path: directory },
      `the gateway's database in ${directory} cannot be opened; is another process using it?`,
      { cause },
    );
  });
  return {
    async load() {
      const records = new Map<string, KeyRecord>();
      for await (const [key, value] of level.iterator()) {
        const [sequence = "", height = ""] = value.split(" ");
        records.set(key, { sequence: BigInt(sequence), height: Number(height) });
      }
      return records;
    },
    put: (key, { sequence, height }) => level.put(key, `${sequence} ${height}`, { sync: true }),
    delete: (keys) => level.batch(keys.map((key) => ({ type: "del", key }))),
    close: () => level.close(),
  };
}

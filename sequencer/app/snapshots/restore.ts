/**
 * Restores the state from a snapshot's chunks. The database says so from before the first chunk until
 * the whole state has the trusted hash: what a crash leaves in between is removed at the next start.
 */
import { bytesEqual, EMPTY_BYTES, utf8ToBytes } from "../../../proto/bytes.ts";
import { decodeLastBlock } from "../../../proto/codec/weft-state.ts";
import { isWeftError } from "../../../proto/errors.ts";
import { sha256 } from "../../../proto/hash.ts";
import type {
  ApplySnapshotChunkRequest,
  ApplySnapshotChunkResponse,
  OfferSnapshotRequest,
  OfferSnapshotResult,
  Snapshot,
} from "../../abci/application.ts";
import type { Logger } from "../../ports/logger.ts";
import { RESTORE_BATCH_BYTES } from "../limits.ts";
import { LAST_BLOCK_KEY } from "../state/keys.ts";
import type { KeyValueStore, KeyValueWrite } from "../state-tree/key-value-store.ts";
import { clearState, type StateStore } from "../state-tree/state-store.ts";
import { chunkHashesOf, decodeChunk, SNAPSHOT_FORMAT } from "./format.ts";

/** Key of the mark in the application's database; the state tree uses k, m, t and v, own extensions x. */
const MARK_KEY = "r";
const UNDER_WAY = utf8ToBytes("under way");
const DONE = utf8ToBytes("done");

interface Target {
  readonly snapshot: Snapshot;
  readonly appHash: Uint8Array;
  readonly chunkHashes: readonly Uint8Array[];
  nextIndex: number;
  lastKey: string;
  /** Entries that wait to be put into the state, and the bytes of their chunks. */
  pending: Map<string, Uint8Array>;
  pendingBytes: number;
}

/** Before the state is opened: removes what an unfinished restore left. True when there was one. */
export async function clearUnfinishedRestore(database: KeyValueStore): Promise<boolean> {
  const mark = database.get(MARK_KEY);
  if (mark === undefined || bytesEqual(mark, DONE)) return false;
  await clearState(database);
  await database.write([{ key: MARK_KEY, value: undefined }]);
  return true;
}

/** Removes the state for good; what a crash leaves in between is removed at the next start. */
export async function removeState(database: KeyValueStore): Promise<void> {
  await database.write([{ key: MARK_KEY, value: UNDER_WAY }]);
  await clearUnfinishedRestore(database);
}

export class Restore {
  readonly #database: KeyValueStore;
  readonly #store: StateStore;
  readonly #logger: Logger;
  readonly #onChanged: () => Promise<void>;
  #target: Target | undefined;
  /** The state is a restored one that no block was executed on. */
  #isFresh: boolean;

  /** @param deps.onChanged the committed state is another now, empty or restored: read it anew */
  constructor(
    store: StateStore,
    deps: {
      readonly database: KeyValueStore;
      readonly logger: Logger;
      readonly onChanged: () => Promise<void>;
    },
  ) {
    this.#store = store;
    this.#database = deps.database;
    this.#logger = deps.logger;
    this.#onChanged = deps.onChanged;
    this.#isFresh = deps.database.get(MARK_KEY) !== undefined;
  }

  async offer({ snapshot, appHash }: OfferSnapshotRequest): Promise<OfferSnapshotResult> {
    const { height, format } = snapshot;
    if (this.#store.version.height > 0 && !this.#isFresh) {
      this.#logger.error("snapshot refused: the application has executed blocks", {
        applicationHeight: this.#store.version.height,
      });
      return "abort";
    }
    if (format !== SNAPSHOT_FORMAT) return "rejectFormat";
    const chunkHashes = chunkHashesOf(snapshot);
    if (chunkHashes === undefined || height === 0) return "reject";
    await this.#clear([{ key: MARK_KEY, value: UNDER_WAY }]);
    this.#isFresh = true;
    this.#target = {
      snapshot,
      appHash,
      chunkHashes,
      nextIndex: 0,
      lastKey: "",
      pending: new Map(),
      pendingBytes: 0,
    };
    return "accept";
  }

  /** Chunks come in order. One that is not what was announced is fetched again from somebody else. */
  async apply(request: ApplySnapshotChunkRequest): Promise<ApplySnapshotChunkResponse> {
    const { index, chunk, sender } = request;
    const target = this.#target;
    if (target === undefined) return answer("abort");
    // Begin again: the caller lost count.
    if (index !== target.nextIndex) return this.#giveUp("retrySnapshot");
    const expected = target.chunkHashes[index];
    if (expected === undefined || !bytesEqual(sha256(chunk), expected)) {
      return {
        result: "retry",
        refetchChunks: [index],
        rejectSenders: sender === "" ? [] : [sender],
      };
    }
    const entries = decodeChunk(chunk, target.lastKey);
    if (entries === undefined) return this.#giveUp("rejectSnapshot", "a chunk is none");
    // Copies: a view would keep the whole chunk in memory.
    for (const [key, value] of entries) target.pending.set(key, value.slice());
    target.pendingBytes += chunk.length;
    target.nextIndex += 1;
    target.lastKey = entries.at(-1)?.[0] ?? target.lastKey;
    const isLast = target.nextIndex === target.chunkHashes.length;
    if (!isLast && target.pendingBytes < RESTORE_BATCH_BYTES) return answer("accept");
    const staged = await this.#store.stage(target.pending);
    target.pending = new Map();
    target.pendingBytes = 0;
    if (!isLast) {
      await this.#store.commit(staged, 0);
      return answer("accept");
    }
    const { height } = target.snapshot;
    if (!bytesEqual(staged.root, target.appHash)) {
      return this.#giveUp("rejectSnapshot", "its state has another app hash than the chain");
    }
    // What the state says of itself, for the trusted hash may be given for another height.
    const last = staged.changes.get(LAST_BLOCK_KEY) ?? this.#store.get(LAST_BLOCK_KEY);
    if (stateHeight(last) !== height) {
      return this.#giveUp("rejectSnapshot", "its state is that of another height");
    }
    await this.#store.commit(staged, height, { alsoWrite: [{ key: MARK_KEY, value: DONE }] });
    this.#target = undefined;
    await this.#onChanged();
    return answer("accept");
  }

  /** The first block on a restored state is about to be committed: what to write along with it. */
  blockCommitted(): readonly KeyValueWrite[] {
    if (!this.#isFresh) return [];
    this.#isFresh = false;
    return [{ key: MARK_KEY, value: undefined }];
  }

  async #giveUp(
    result: "retrySnapshot" | "rejectSnapshot",
    reason?: string,
  ): Promise<ApplySnapshotChunkResponse> {
    const height = this.#target?.snapshot.height;
    this.#target = undefined;
    if (reason !== undefined) this.#logger.warn("snapshot rejected", { height, reason });
    await this.#clear([]);
    await this.#database.write([{ key: MARK_KEY, value: undefined }]);
    this.#isFresh = false;
    return answer(result);
  }

  async #clear(before: readonly KeyValueWrite[]): Promise<void> {
    if (before.length > 0) await this.#database.write(before);
    await this.#store.clear();
    await this.#onChanged();
  }
}

function stateHeight(lastBlock: Uint8Array | undefined): number | undefined {
  try {
    return decodeLastBlock(lastBlock ?? EMPTY_BYTES).height;
  } catch (error) {
    // A verdict about a snapshot; anything else is a bug and goes on.
    if (!isWeftError(error)) throw error;
    return undefined;
  }
}

function answer(result: ApplySnapshotChunkResponse["result"]): ApplySnapshotChunkResponse {
  return { result, refetchChunks: [], rejectSenders: [] };
}

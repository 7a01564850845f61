/**
 * Messages of streams as bytes. Each (content, heights) is assembled and encoded once, and compressed once;
 * all its readers are given the same bytes. What the readers of a height differ in is what they have had before: the
 * validator set, and headers that follow.
 */
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { Height } from "../../proto/brands.ts";
import { bytesEqual } from "../../proto/bytes.ts";
import type { Clock } from "../ports/clock.ts";
import {
  COMPRESSED_BYTES_MIN,
  COMPRESSION_LEVEL,
  ENCODED_BLOCKS_MAX,
  ENCODED_BYTES_MAX,
} from "./limits.ts";
import type { GrpcMetrics } from "./metrics.ts";
import type { GrpcBlocks } from "./ports.ts";
import { asCompressed } from "./precompressed.ts";
import type { MessageUp, Missing, StreamContent, StreamMessage } from "./stream-content.ts";

/** One message, whoever reads it. */
export interface BlockKey {
  readonly content: StreamContent;
  /** The first height that it speaks of, and the last one that it may. */
  readonly from: Height;
  readonly last: Height;
}

/** What a reader has had in earlier messages of its stream. */
export interface SentBefore {
  /** Of the last message; undefined before the first. */
  readonly validatorsHash: Uint8Array | undefined;
  /** Last header that came, as a block's own or as one that follows. */
  readonly lastHeader: number;
  readonly isCompressed: boolean;
}

export interface EncodedBlock {
  /** Shared by its readers; never changed. */
  readonly bytes: Buffer;
  /** The last height that it speaks of. */
  readonly height: Height;
  /** What a reader has had after it. */
  readonly validatorsHash: Uint8Array;
  readonly lastHeader: number;
}

export interface EncodedBlocks {
  /** What is at hand. */
  peek(key: BlockKey, before: SentBefore): EncodedBlock | undefined;
  /**
   * Reads and makes it; or says what it waits for, which comes with a block.
   * @throws GRPC_OUT_OF_RANGE, GRPC_UNAVAILABLE, GRPC_RESOURCE_EXHAUSTED
   */
  load(key: BlockKey, before: SentBefore): Promise<EncodedBlock | Missing>;
}

interface Entry {
  built: StreamMessage | undefined;
  building: Promise<StreamMessage | Missing> | undefined;
  up: MessageUp | undefined;
  /** What it waited for last, and the head of the chain then. */
  missing: Missing;
  waitedAt: number;
  readonly encoded: Map<string, EncodedBlock>;
  readonly encoding: Map<string, Promise<EncodedBlock>>;
  bytes: number;
}

const compress = promisify(gzip);

export function createEncodedBlocks({
  blocks,
  clock,
  metrics,
}: {
  readonly blocks: Pick<GrpcBlocks, "height">;
  readonly clock: Clock;
  readonly metrics: GrpcMetrics;
}): EncodedBlocks {
  const entries = new Map<string, Entry>();
  let bytesHeld = 0;

  function entryOf(key: BlockKey): Entry {
    const id = idOf(key);
    let entry = entries.get(id);
    if (entry === undefined) {
      entry = {
        built: undefined,
        building: undefined,
        up: undefined,
        missing: "block",
        waitedAt: -1,
        encoded: new Map(),
        encoding: new Map(),
        bytes: 0,
      };
    } else {
      entries.delete(id);
    }
    entries.set(id, entry);
    evict();
    return entry;
  }

  /** The one used the longest ago goes first; whoever waits for it keeps it. */
  function evict(): void {
    for (const [id, { bytes }] of entries) {
      if (entries.size <= ENCODED_BLOCKS_MAX && bytesHeld <= ENCODED_BYTES_MAX) return;
      entries.delete(id);
      bytesHeld -= bytes;
    }
  }

  /** One at a time, however many readers wait for the same message. */
  function build(
    entry: Entry,
    { content, from, last }: BlockKey,
  ): Promise<StreamMessage | Missing> {
    if (entry.built !== undefined) return Promise.resolve(entry.built);
    if (entry.building === undefined) {
      const head = blocks.height();
      if (entry.waitedAt === head) return Promise.resolve(entry.missing);
      entry.up ??= content.begin(from, last);
      entry.building = entry.up
        .complete()
        .then((built) => {
          if (typeof built === "string") {
            entry.missing = built;
            entry.waitedAt = head;
          } else {
            entry.built = built;
            entry.up = undefined;
          }
          return built;
        })
        .finally(() => {
          entry.building = undefined;
        });
    }
    return entry.building;
  }

  async function encode(
    entry: Entry,
    key: BlockKey,
    id: string,
    message: StreamMessage,
    { isSameSet, lastHeader, isCompressed }: Variant,
  ): Promise<EncodedBlock> {
    const startMs = clock.monotonicMs();
    const plain = message.encode(isSameSet, lastHeader);
    metrics.encodeSeconds.observe((clock.monotonicMs() - startMs) / 1_000);
    const bytes =
      isCompressed && plain.length >= COMPRESSED_BYTES_MIN
        ? asCompressed(await compress(plain, { level: COMPRESSION_LEVEL }))
        : plain;
    const block: EncodedBlock = {
      bytes,
      height: message.height,
      validatorsHash: message.validatorsHash,
      lastHeader: message.lastHeader,
    };
    entry.encoded.set(id, block);
    // Pushed out meanwhile: then it is for those who wait for it alone.
    if (entries.get(idOf(key)) !== entry) return block;
    // The message itself is held too: about as many bytes, in views.
    const held = bytes.length + plain.length;
    entry.bytes += held;
    bytesHeld += held;
    evict();
    return block;
  }

  return {
    peek(key, before) {
      const entry = entries.get(idOf(key));
      if (entry?.built === undefined) return undefined;
      return entry.encoded.get(variantId(variantOf(entry.built, before)));
    },
    async load(key, before) {
      const entry = entryOf(key);
      const built = await build(entry, key);
      if (typeof built === "string") return built;
      const variant = variantOf(built, before);
      const id = variantId(variant);
      const known = entry.encoded.get(id);
      if (known !== undefined) return known;
      let encoding = entry.encoding.get(id);
      if (encoding === undefined) {
        encoding = encode(entry, key, id, built, variant).finally(() => entry.encoding.delete(id));
        entry.encoding.set(id, encoding);
      }
      return await encoding;
    },
  };
}

/** In which of its forms a reader needs a message. */
interface Variant {
  readonly isSameSet: boolean;
  /** Headers up to there are left out; the block's own height when none are. */
  readonly lastHeader: number;
  readonly isCompressed: boolean;
}

function variantOf(
  { height, validatorsHash, lastHeader }: StreamMessage,
  before: SentBefore,
): Variant {
  return {
    isSameSet:
      before.validatorsHash !== undefined && bytesEqual(before.validatorsHash, validatorsHash),
    lastHeader: Math.max(height, Math.min(before.lastHeader, lastHeader)),
    isCompressed: before.isCompressed,
  };
}

function variantId({ isSameSet, lastHeader, isCompressed }: Variant): string {
  return `${isSameSet ? 1 : 0}/${lastHeader}/${isCompressed ? 1 : 0}`;
}

function idOf({ content, from, last }: BlockKey): string {
  return `${content.id}/${from}/${last}`;
}

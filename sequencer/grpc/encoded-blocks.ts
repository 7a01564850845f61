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
import type { Frame } from "./frames.ts";
import {
  COMPRESSED_BYTES_MIN,
  COMPRESSION_LEVEL,
  ENCODED_BLOCKS_MAX,
  ENCODED_BYTES_MAX,
  NEW_HEIGHTS,
  OMITTED_HEIGHTS,
} from "./limits.ts";
import type { GrpcMetrics } from "./metrics.ts";
import type { GrpcBlocks } from "./ports.ts";
import type { ReaderTurns } from "./reader-turns.ts";
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

/** Its bytes are shared by its readers and never changed. */
export interface EncodedBlock extends Frame {
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
  readonly content: string;
  readonly place: number;
  built: StreamMessage | undefined;
  building: Promise<StreamMessage | Missing> | undefined;
  up: MessageUp | undefined;
  /** What it waited for last, and the head of the chain then. */
  missing: Missing;
  waitedAt: number;
  /** A few: a reader's first message, and those of readers that have had the one before. */
  readonly encoded: { readonly variant: Variant; readonly block: EncodedBlock }[];
  readonly encoding: Map<string, Promise<EncodedBlock>>;
  bytes: number;
}

const compress = promisify(gzip);

export function createEncodedBlocks({
  blocks,
  clock,
  metrics,
  turns,
}: {
  readonly turns: Pick<ReaderTurns, "turn">;
  readonly blocks: Pick<GrpcBlocks, "height">;
  readonly clock: Clock;
  readonly metrics: GrpcMetrics;
}): EncodedBlocks {
  /** By content, then by the heights that a message may speak of: looked up for every message of every reader. */
  const contents = new Map<string, Map<number, Entry>>();
  /** The one used the longest ago first. */
  const used = new Set<Entry>();
  let bytesHeld = 0;

  function find(content: string, place: number): Entry | undefined {
    return contents.get(content)?.get(place);
  }

  function entryOf({ content: { id }, from, last }: BlockKey): Entry {
    const place = placeOf(from, last);
    let entry = find(id, place);
    if (entry === undefined) {
      entry = {
        content: id,
        place,
        built: undefined,
        building: undefined,
        up: undefined,
        missing: "block",
        waitedAt: -1,
        encoded: [],
        encoding: new Map(),
        bytes: 0,
      };
      const places = contents.get(id) ?? new Map<number, Entry>();
      contents.set(id, places.set(place, entry));
    } else {
      used.delete(entry);
    }
    used.add(entry);
    evict();
    return entry;
  }

  /** Whoever waits for one that goes keeps it. */
  function evict(): void {
    for (const entry of used) {
      if (used.size <= ENCODED_BLOCKS_MAX && bytesHeld <= ENCODED_BYTES_MAX) return;
      used.delete(entry);
      bytesHeld -= entry.bytes;
      const places = contents.get(entry.content);
      places?.delete(entry.place);
      if (places?.size === 0) contents.delete(entry.content);
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
    message: StreamMessage,
    variant: Variant,
  ): Promise<EncodedBlock> {
    const { isSameSet, lastHeader, isCompressed } = variant;
    const startMs = clock.monotonicMs();
    const plain = message.encode(isSameSet, lastHeader);
    metrics.encodeSeconds.observe((clock.monotonicMs() - startMs) / 1_000);
    const isSmaller = isCompressed && plain.length >= COMPRESSED_BYTES_MIN;
    const bytes = isSmaller ? await compress(plain, { level: COMPRESSION_LEVEL }) : plain;
    const block: EncodedBlock = {
      bytes,
      isCompressed: isSmaller,
      height: message.height,
      validatorsHash: message.validatorsHash,
      lastHeader: message.lastHeader,
    };
    entry.encoded.push({ variant, block });
    // Pushed out meanwhile: then it is for those who wait for it alone.
    if (!used.has(entry)) return block;
    // The message itself is held too: about as many bytes, in views.
    const held = bytes.length + plain.length;
    entry.bytes += held;
    bytesHeld += held;
    evict();
    return block;
  }

  return {
    peek({ content, from, last }, before) {
      const entry = find(content.id, placeOf(from, last));
      if (entry?.built === undefined) return undefined;
      return known(entry, variantOf(entry.built, before));
    },
    async load(key, before) {
      // What is not at hand yet is waited for in the source, which takes a turn of its own then.
      await turns.turn(key.last + NEW_HEIGHTS > blocks.height() ? "live" : "history");
      const entry = entryOf(key);
      const built = await build(entry, key);
      if (typeof built === "string") return built;
      const variant = variantOf(built, before);
      const found = known(entry, variant);
      if (found !== undefined) return found;
      const id = variantId(variant);
      let encoding = entry.encoding.get(id);
      if (encoding === undefined) {
        encoding = encode(entry, built, variant).finally(() => entry.encoding.delete(id));
        entry.encoding.set(id, encoding);
      }
      return await encoding;
    },
  };
}

function known({ encoded }: Entry, { isSameSet, lastHeader, isCompressed }: Variant) {
  return encoded.find(
    ({ variant }) =>
      variant.isSameSet === isSameSet &&
      variant.lastHeader === lastHeader &&
      variant.isCompressed === isCompressed,
  )?.block;
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

/** One number for both: `last` is less than OMITTED_HEIGHTS above `from`. */
function placeOf(from: Height, last: Height): number {
  return from * OMITTED_HEIGHTS + (last - from);
}

/**
 * Messages of StreamBlocks as bytes. Each (rollup, level, height) is assembled and encoded once, and compressed once;
 * all its readers are given the same bytes. What the readers of a height differ in is what they have had before: the
 * validator set, and headers that follow.
 */
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { Height } from "../../proto/brands.ts";
import { bytesEqual } from "../../proto/bytes.ts";
import { Level, rollupBlock } from "../../proto/grpc/rollup-block.ts";
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
import {
  type BuiltRollupBlock,
  type FillingUp,
  type RollupBlockSource,
  withoutHeaders,
  withoutValidatorSet,
} from "./rollup-block-source.ts";

/** One message, whoever reads it. */
export interface BlockKey {
  readonly rollupId: Uint8Array;
  /** The same in hex. */
  readonly rollupKey: string;
  readonly level: Level;
  readonly height: Height;
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
  /** What a reader has had after it. */
  readonly validatorsHash: Uint8Array;
  readonly lastHeader: number;
}

export interface EncodedBlocks {
  /** What is at hand. */
  peek(key: BlockKey, before: SentBefore): EncodedBlock | undefined;
  /**
   * Reads and makes it; undefined while a block at level FILLED waits for blocks to come.
   * @throws GRPC_OUT_OF_RANGE, GRPC_UNAVAILABLE, GRPC_RESOURCE_EXHAUSTED
   */
  load(key: BlockKey, before: SentBefore): Promise<EncodedBlock | undefined>;
}

interface Entry {
  built: BuiltRollupBlock | undefined;
  building: Promise<BuiltRollupBlock | undefined> | undefined;
  fillingUp: FillingUp | undefined;
  /** Head of the chain when it was not filled last. */
  waitedAt: number;
  readonly encoded: Map<string, EncodedBlock>;
  readonly encoding: Map<string, Promise<EncodedBlock>>;
  bytes: number;
}

const compress = promisify(gzip);

export function createEncodedBlocks({
  blocks,
  source,
  clock,
  metrics,
}: {
  readonly blocks: Pick<GrpcBlocks, "height">;
  readonly source: RollupBlockSource;
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
        fillingUp: undefined,
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
  function build(entry: Entry, key: BlockKey): Promise<BuiltRollupBlock | undefined> {
    if (entry.built !== undefined) return Promise.resolve(entry.built);
    const { rollupId, level, height } = key;
    if (entry.building === undefined) {
      const head = blocks.height();
      if (entry.waitedAt === head) return Promise.resolve(undefined);
      entry.building = (
        level === Level.FILLED
          ? (entry.fillingUp ??= source.fillUp(height, rollupId)).complete()
          : source.build(height, rollupId)
      )
        .then((built) => {
          entry.built = built;
          if (built === undefined) entry.waitedAt = head;
          else entry.fillingUp = undefined;
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
    { message, validatorsHash }: BuiltRollupBlock,
    { isSameSet, lastHeader, isCompressed }: Variant,
  ): Promise<EncodedBlock> {
    const startMs = clock.monotonicMs();
    const first = withoutHeaders(message, lastHeader);
    const plain = rollupBlock.encode(isSameSet ? withoutValidatorSet(first) : first);
    metrics.encodeSeconds.observe((clock.monotonicMs() - startMs) / 1_000);
    const bytes =
      isCompressed && plain.length >= COMPRESSED_BYTES_MIN
        ? asCompressed(await compress(plain, { level: COMPRESSION_LEVEL }))
        : plain;
    const block: EncodedBlock = {
      bytes,
      validatorsHash,
      lastHeader: message.height + (message.filling?.headers.length ?? 0),
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
      if (built === undefined) return undefined;
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

function variantOf({ message, validatorsHash }: BuiltRollupBlock, before: SentBefore): Variant {
  const { height, filling } = message;
  const ahead = height + (filling?.headers.length ?? 0);
  return {
    isSameSet:
      before.validatorsHash !== undefined && bytesEqual(before.validatorsHash, validatorsHash),
    lastHeader: Math.max(height, Math.min(before.lastHeader, ahead)),
    isCompressed: before.isCompressed,
  };
}

function variantId({ isSameSet, lastHeader, isCompressed }: Variant): string {
  return `${isSameSet ? 1 : 0}/${lastHeader}/${isCompressed ? 1 : 0}`;
}

function idOf({ rollupKey, level, height }: BlockKey): string {
  return `${rollupKey}/${level}/${height}`;
}

/**
 * Makes the messages of StreamBlocks and GetBlock from stored blocks. What all readers of a height
 * share (header, commit, proof of the manifest, leaves) is made once and kept for a while.
 */
import { Height } from "../../proto/brands.ts";
import { bytesEqual, EMPTY_BYTES } from "../../proto/bytes.ts";
import { encodeHeader, encodeSignedHeader } from "../../proto/codec/block.ts";
import { encodeValidatorSet } from "../../proto/codec/types.ts";
import { assert } from "../../proto/errors.ts";
import {
  type Filling,
  type FollowingHeader,
  Level,
  type OmittedBlock,
  type RollupBlock,
} from "../../proto/grpc/rollup-block.ts";
import { digestToBytes } from "../../proto/hash.ts";
import { txHashes } from "../../proto/hashes.ts";
import { merkleProofOfFirst } from "../../proto/merkle.ts";
import type { MerkleProof } from "../../proto/types.ts";
import type { Content, FillingBlock } from "../../proto/verify/fills.ts";
import { isHidden } from "../../proto/verify/execution-order.ts";
import type { Absence } from "../../proto/verify/manifest.ts";
import type { BlockSlices } from "../app/block-slices.ts";
import { yieldToLoop } from "../ports/yield-to-loop.ts";
import { createLoads } from "./block-loads.ts";
import { grpcError, prunedError } from "./grpc-error.ts";
import {
  BLOCK_LOADS_MAX,
  BLOCKS_CACHED_BYTES_MAX,
  BLOCKS_CACHED_MAX,
  HISTORY_LOADS_MAX,
  NEW_HEIGHTS,
} from "./limits.ts";
import type { GrpcApplication, GrpcBlocks } from "./ports.ts";

interface SharedParts {
  /** Encoded. */
  readonly header: Uint8Array;
  /** Whether the next block has another validator set. */
  readonly isLastOfSet: boolean;
  readonly signedHeader: Uint8Array;
  readonly validatorSet: Uint8Array;
  /** Hex-free identity of the set: equal sets have equal hashes in the header. */
  readonly validatorsHash: Uint8Array;
  readonly manifest: Uint8Array;
  readonly manifestProof: MerkleProof;
  readonly slices: BlockSlices;
  readonly items: readonly Uint8Array[];
  readonly bytes: number;
}

interface CachedParts {
  readonly parts: Promise<SharedParts>;
  /** 0 until they are read. */
  bytes: number;
}

export interface BuiltRollupBlock {
  readonly message: RollupBlock;
  readonly validatorsHash: Uint8Array;
}

/** A block as proofs of single things refer to it. */
export interface BlockProofs extends Pick<RollupBlock, "signedHeader" | "validatorSet"> {
  readonly manifest: Uint8Array;
  readonly manifestProof: MerkleProof;
  readonly slices: Pick<BlockSlices, "proveEntry" | "placesOf">;
  /** The items of the block, with their proofs to data_hash. */
  readonly items: readonly Uint8Array[];
}

/** A block that is on its way to level FILLED. */
export interface FillingUp {
  /**
   * The block with what became of its sealed entries, and all headers that follow it up to there; undefined
   * while some of them wait for blocks to come. Looks at each block once, however often it is asked.
   * @throws GRPC_OUT_OF_RANGE, GRPC_UNAVAILABLE
   */
  complete(): Promise<BuiltRollupBlock | undefined>;
}

/** Blocks of rollups for whoever asks. */
export interface RollupBlockReads {
  /** The block at level COMMITTED, validator set included. @throws GRPC_OUT_OF_RANGE, GRPC_UNAVAILABLE */
  build(height: Height, rollupId: Uint8Array): Promise<BuiltRollupBlock>;
  /** The block at level FILLED, when it gets there. */
  fillUp(height: Height, rollupId: Uint8Array): FillingUp;
  /** Blocks from `from` on that hold nothing for the rollups, up to the one that ends them. */
  passEmpty(from: Height, last: Height, rollupIds: readonly Uint8Array[]): EmptyRun;
}

export interface RollupBlockSource extends RollupBlockReads {
  /** What signs and orders the block, for proofs of single things in it. @throws as `build` */
  proofs(height: Height): Promise<BlockProofs>;
  /** The item at `index` of the block; undefined when it has fewer. @throws as `build` */
  item(height: Height, index: number): Promise<Uint8Array | undefined>;
  /** For many who wait for one block: when it has been read they go on one after the other, each when `turn` resolves. */
  inTurns(turn: (height: Height) => Promise<void>): RollupBlockReads;
}

/** Blocks without anything for the rollups of a stream, and the block of the message that shows them. */
export interface EmptyRun {
  /**
   * Undefined while the run goes on with blocks to come: its end is a block that holds something, the last one of its
   * validator set, or `last`. Looks at each block once. @throws GRPC_OUT_OF_RANGE, GRPC_UNAVAILABLE
   */
  complete(): Promise<
    { readonly omitted: readonly OmittedBlock[]; readonly height: Height } | undefined
  >;
}

export function createRollupBlockSource(
  blocks: GrpcBlocks,
  application: GrpcApplication,
): RollupBlockSource {
  const cache = new Map<number, CachedParts>();
  let cachedBytes = 0;
  const historyLoads = createLoads(HISTORY_LOADS_MAX);
  const newLoads = createLoads(BLOCK_LOADS_MAX - HISTORY_LOADS_MAX);

  /** One read per height, however many streams ask at once. */
  function shared(height: Height): Promise<SharedParts> {
    const known = cache.get(height);
    if (known !== undefined) {
      cache.delete(height);
      cache.set(height, known);
      return known.parts;
    }
    const entry: CachedParts = { parts: loadInTurn(height), bytes: 0 };
    cache.set(height, entry);
    void entry.parts.then(
      ({ bytes }) => {
        // Pushed out while it was read: then it is its readers' alone.
        if (cache.get(height) !== entry) return;
        entry.bytes = bytes;
        cachedBytes += bytes;
        evict();
      },
      () => {
        if (cache.get(height) === entry) cache.delete(height);
      },
    );
    evict();
    return entry.parts;
  }

  function evict(): void {
    for (const [height, { bytes }] of cache) {
      if (cache.size <= BLOCKS_CACHED_MAX && cachedBytes <= BLOCKS_CACHED_BYTES_MAX) return;
      cache.delete(height);
      cachedBytes -= bytes;
    }
  }

  /**
   * A few blocks at a time: readers at many heights must not hold as many blocks in memory. Those who read history wait for
   * each other, and not those who follow the chain for them.
   */
  function loadInTurn(height: Height): Promise<SharedParts> {
    const isNew = height + NEW_HEIGHTS > blocks.height();
    return (isNew ? newLoads : historyLoads).run(height, () => load(height));
  }

  async function load(height: Height): Promise<SharedParts> {
    if (height < blocks.base()) {
      throw prunedError(height, blocks.base());
    }
    const [block, commit, validators, results] = await Promise.all([
      blocks.block(height),
      blocks.seenCommit(height),
      blocks.hashedValidators(height),
      blocks.results(height),
    ]);
    if (
      block === undefined ||
      commit === undefined ||
      validators === undefined ||
      results === undefined
    ) {
      throw grpcError("GRPC_UNAVAILABLE", `height ${height} is not at hand yet; try again`);
    }
    const manifest = block.txs[0];
    assert(manifest !== undefined, "every block has a manifest as item 0");
    // A full block takes long enough to be noticed by consensus: others run in between.
    const slices = await application.blockSlices(block.txs, results);
    await yieldToLoop();
    const hashes = txHashes(block.txs).map(digestToBytes);
    await yieldToLoop();
    return {
      header: encodeHeader(block.header),
      isLastOfSet: !bytesEqual(block.header.validatorsHash, block.header.nextValidatorsHash),
      signedHeader: encodeSignedHeader({ header: block.header, commit }),
      validatorSet: encodeValidatorSet(validators),
      validatorsHash: block.header.validatorsHash,
      manifest,
      manifestProof: merkleProofOfFirst(hashes),
      slices,
      items: block.txs,
      bytes: block.txs.reduce((sum, tx) => sum + tx.length, slices.sealedBytes),
    };
  }

  function message(parts: SharedParts, height: Height, rollupId: Uint8Array): RollupBlock {
    return {
      height,
      level: Level.COMMITTED,
      signedHeader: parts.signedHeader,
      validatorSet: parts.validatorSet,
      manifest: parts.manifest,
      manifestProof: parts.manifestProof,
      slice: parts.slices.slice(rollupId),
      filling: undefined,
      omitted: [],
      more: [],
    };
  }

  /** What the blocks `filledBy` say of the sealed entries of the block at `height`. */
  async function fillingOf(
    partsOf: PartsOf,
    { slices }: SharedParts,
    height: Height,
    rollupId: Uint8Array,
    filledBy: readonly Height[],
  ): Promise<Pick<Filling, "blocks" | "contents" | "order">> {
    const filled: FillingBlock[] = [];
    const contents: Content[] = [];
    let order: readonly number[] = [];
    for (const at of filledBy) {
      const later = await partsOf(at);
      const slice = later.slices.slice(rollupId);
      assert(slice.kind === "presence", "a block that fills an entry of a rollup has its leaf");
      const { manifest, manifestProof } = later;
      const { leaf, proof, fills, decisions } = slice;
      filled.push({ height: at, manifest, manifestProof, leaf, proof, fills, decisions });
      contents.push(...(await slices.contents(later.slices.fills(rollupId, height), later.slices)));
      order = later.slices.order(rollupId, height) ?? order;
    }
    contents.sort((x, y) => x.position - y.position);
    return { blocks: filled, contents, order };
  }

  function fillUp(partsOf: PartsOf, height: Height, rollupId: Uint8Array): FillingUp {
    // Blocks are read again at the end rather than held while a reader waits.
    let waiting: Set<number> | undefined;
    let below: Uint8Array | undefined;
    let last = height;
    const headers: FollowingHeader[] = [];
    const filledBy: Height[] = [];
    return {
      async complete() {
        if (waiting === undefined) {
          const { slices, validatorsHash } = await partsOf(height);
          waiting = hiddenPositions(slices.slice(rollupId));
          below = validatorsHash;
        }
        while (waiting.size > 0) {
          if (last >= blocks.height()) return undefined;
          const at = Height(last + 1);
          const { slices, signedHeader, validatorSet, validatorsHash } = await partsOf(at);
          const isSameSet = below !== undefined && bytesEqual(below, validatorsHash);
          headers.push({ signedHeader, validatorSet: isSameSet ? EMPTY_BYTES : validatorSet });
          const fills = slices.fills(rollupId, height);
          for (const { fill } of fills) waiting.delete(fill.position);
          if (fills.length > 0) filledBy.push(at);
          [below, last] = [validatorsHash, at];
        }
        const parts = await partsOf(height);
        const block = { ...message(parts, height, rollupId), level: Level.FILLED };
        const { validatorsHash } = parts;
        if (filledBy.length === 0) return { message: block, validatorsHash };
        const filling = {
          headers,
          ...(await fillingOf(partsOf, parts, height, rollupId, filledBy)),
        };
        return { message: { ...block, filling }, validatorsHash };
      },
    };
  }

  function passEmpty(
    partsOf: PartsOf,
    from: Height,
    last: Height,
    rollupIds: readonly Uint8Array[],
  ): EmptyRun {
    const omitted: OmittedBlock[] = [];
    return {
      async complete() {
        for (;;) {
          const height = Height(from + omitted.length);
          if (height > blocks.height()) return undefined;
          if (height === last) return { omitted, height };
          const parts = await partsOf(height);
          const absences = parts.isLastOfSet ? undefined : absencesOf(parts, rollupIds);
          if (absences === undefined) return { omitted, height };
          const { header, manifest, manifestProof } = parts;
          // A copy: the block need not stay for its first item.
          omitted.push({ header, manifest: Uint8Array.from(manifest), manifestProof, absences });
        }
      },
    };
  }

  function readsOf(partsOf: PartsOf): RollupBlockReads {
    return {
      async build(height, rollupId) {
        const parts = await partsOf(height);
        return {
          message: message(parts, height, rollupId),
          validatorsHash: parts.validatorsHash,
        };
      },
      fillUp: (height, rollupId) => fillUp(partsOf, height, rollupId),
      passEmpty: (from, last, rollupIds) => passEmpty(partsOf, from, last, rollupIds),
    };
  }

  return {
    ...readsOf(shared),
    proofs: (height) => shared(height),
    item: async (height, index) => (await shared(height)).items[index],
    inTurns: (turn) =>
      readsOf(async (height) => {
        const isAtHand = (cache.get(height)?.bytes ?? 0) > 0;
        const parts = await shared(height);
        if (!isAtHand) await turn(height);
        return parts;
      }),
  };
}

type PartsOf = (height: Height) => Promise<SharedParts>;

/** Undefined when the block holds something for one of them. */
function absencesOf(
  { slices }: SharedParts,
  rollupIds: readonly Uint8Array[],
): readonly Absence[] | undefined {
  const absences: Absence[] = [];
  for (const rollupId of rollupIds) {
    const slice = slices.slice(rollupId);
    if (slice.kind === "presence") return undefined;
    absences.push(slice);
  }
  return absences;
}

/**
 * Places of a rollup's entries that later blocks fill. With the last of those that are shuffled their order is
 * decided.
 */
function hiddenPositions(slice: RollupBlock["slice"]): Set<number> {
  const entries = slice.kind === "presence" ? slice.entries : [];
  return new Set(entries.flatMap((entry, position) => (isHidden(entry) ? [position] : [])));
}

/**
 * What one reader is sent: the first message with the validator set, later ones where it changes, and no header that
 * follows twice.
 */
export function createMessageTrim(): (built: BuiltRollupBlock) => RollupBlock {
  let lastSet: Uint8Array | undefined;
  let lastHeader = 0;
  return ({ message, validatorsHash }) => {
    const isSameSet = lastSet !== undefined && bytesEqual(lastSet, validatorsHash);
    lastSet = validatorsHash;
    const first = withoutHeaders(message, lastHeader);
    lastHeader = Math.max(lastHeader, lastHeaderOf(message));
    return isSameSet ? withoutValidatorSet(first) : first;
  };
}

/** The same message without its validator set, for a reader that has it. */
export function withoutValidatorSet(message: RollupBlock): RollupBlock {
  return { ...message, validatorSet: EMPTY_BYTES };
}

/** Height of the last header that the message shows, its own or one that follows. */
export function lastHeaderOf({ height, filling, more }: RollupBlock): number {
  const ahead = [filling, ...more.map((part) => part.filling)];
  return height + Math.max(...ahead.map((one) => one?.headers.length ?? 0));
}

/** The same message without following headers up to `height`, for a reader that has them, and none of them twice. */
export function withoutHeaders(message: RollupBlock, height: number): RollupBlock {
  let had = Math.max(0, height - message.height);
  const trim = (filling: Filling | undefined): Filling | undefined => {
    if (filling === undefined) return undefined;
    const headers = filling.headers.slice(had);
    had = Math.max(had, filling.headers.length);
    return { ...filling, headers };
  };
  return {
    ...message,
    filling: trim(message.filling),
    more: message.more.map(({ slice, filling }) => ({ slice, filling: trim(filling) })),
  };
}

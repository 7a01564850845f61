/**
 * Blocks by height: meta, bytes, the commit for them and the commit we saw
 * (spec/cometbft-v0.38.md §19.1). Everything of one height becomes durable in one step.
 */
import type { Height } from "../../proto/brands.ts";
import type { Block, BlockId, BlockMeta, Commit, ExtendedCommit, Part } from "../../proto/types.ts";

/** All that is kept of one height. */
export interface BlockRecord {
  readonly block: Block;
  readonly blockId: BlockId;
  /** The complete part set, in order. */
  readonly parts: readonly Part[];
  /** The precommits that decided this block, as we saw them. */
  readonly seenCommit: Commit;
  /** The same with extensions; present exactly when extensions are enabled at this height. */
  readonly extendedCommit: ExtendedCommit | undefined;
}

export interface BlockStore {
  /** First height held; 0 when empty. Never falls. */
  base(): Height;
  /** Last height held; 0 when empty. */
  height(): Height;
  /**
   * What state sync knows of the last block, which is not here: its seen commit. Only while empty; the
   * next block to be saved is the one after it. Durable when it resolves.
   */
  bootstrap(seenCommit: Commit): Promise<void>;
  /** Appends the next height (any height when empty). Durable when it resolves. */
  save(record: BlockRecord): Promise<void>;
  meta(height: Height): Promise<BlockMeta | undefined>;
  block(height: Height): Promise<Block | undefined>;
  /** The block's canonical bytes. */
  blockBytes(height: Height): Promise<Uint8Array | undefined>;
  part(height: Height, index: number): Promise<Part | undefined>;
  heightByHash(blockHash: Uint8Array): Promise<Height | undefined>;
  /** The canonical commit for a height: `lastCommit` of the block above it. */
  commit(height: Height): Promise<Commit | undefined>;
  /** The commit we saw ourselves; held for every height, not only the last. */
  seenCommit(height: Height): Promise<Commit | undefined>;
  extendedCommit(height: Height): Promise<ExtendedCommit | undefined>;
  /** Removes heights below `retainHeight`, at most PRUNE_BLOCKS_PER_STEP_MAX; returns how many. */
  prune(retainHeight: Height): Promise<number>;
  /** Removes the last height, which must not be the only one. Durable when it resolves. */
  removeLast(): Promise<void>;
  close(): Promise<void>;
}

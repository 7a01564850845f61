/** One summary per block: what an operator sees go by. */
import type { Height, Round } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import type { Block, Timestamp } from "../../proto/types.ts";
import { timeToMs } from "../../proto/time.ts";
import type { FinalizeBlockResponse } from "../abci/application.ts";

export interface BlockSummary {
  readonly height: number;
  /** Transactions, without what the proposer puts in. */
  readonly txs: number;
  /** Bytes of all items. */
  readonly bytes: number;
  /**
   * Block time less that of the block before, in ms. Undefined for the first one seen, and for the
   * second of the chain: the first has the genesis' time.
   */
  readonly intervalMs: number | undefined;
  /** Round that decided the block below this one, as its commit says. */
  readonly round: number;
  readonly peers: number;
  /** Transactions waiting in the pool. */
  readonly pool: number;
  /** Lower-case hex. */
  readonly appHash: string;
}

/** What a summary is made of, under either engine. */
export interface AppliedBlock {
  readonly height: Height;
  readonly time: Timestamp;
  readonly txs: readonly Uint8Array[];
  readonly appHash: Uint8Array;
  /** Round that decided the block below. */
  readonly lastCommitRound: Round;
  /** The first of the chain has no commit of a block below. */
  readonly isFirst: boolean;
}

export function appliedBlock(block: Block, { appHash }: FinalizeBlockResponse): AppliedBlock {
  return {
    height: block.header.height,
    time: block.header.time,
    txs: block.txs,
    appHash,
    lastCommitRound: block.lastCommit.round,
    isFirst: block.lastCommit.signatures.length === 0,
  };
}

/** Turns applied blocks into summaries. */
export function createNotifier(counts: {
  readonly peers: () => number;
  readonly pool: () => number;
}): (block: AppliedBlock) => BlockSummary {
  let lastTimeMs: number | undefined;
  return ({ height, time, txs, appHash, lastCommitRound, isFirst }) => {
    const timeMs = timeToMs(time);
    const intervalMs = lastTimeMs === undefined ? undefined : timeMs - lastTimeMs;
    lastTimeMs = isFirst ? undefined : timeMs;
    // Item 0 is the manifest; above the first height item 1 is the injected commit.
    const made = isFirst ? 1 : 2;
    return {
      height,
      txs: Math.max(0, txs.length - made),
      bytes: txs.reduce((sum, tx) => sum + tx.length, 0),
      intervalMs,
      round: Math.max(0, lastCommitRound),
      peers: counts.peers(),
      pool: counts.pool(),
      appHash: toHex(appHash),
    };
  };
}

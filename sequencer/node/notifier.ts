/** One summary per block: what an operator sees go by. */
import type { Block } from "../../proto/types.ts";
import { toHex } from "../../proto/bytes.ts";
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

/** Turns applied blocks into summaries. */
export function createNotifier(counts: {
  readonly peers: () => number;
  readonly pool: () => number;
}): (block: Block, result: FinalizeBlockResponse) => BlockSummary {
  let lastTimeMs: number | undefined;
  return (block, result) => {
    const timeMs = timeToMs(block.header.time);
    const intervalMs = lastTimeMs === undefined ? undefined : timeMs - lastTimeMs;
    const isFirst = block.lastCommit.signatures.length === 0;
    lastTimeMs = isFirst ? undefined : timeMs;
    // Item 0 is the manifest; above the first height item 1 is the injected commit.
    const made = isFirst ? 1 : 2;
    return {
      height: block.header.height,
      txs: Math.max(0, block.txs.length - made),
      bytes: block.txs.reduce((sum, tx) => sum + tx.length, 0),
      intervalMs,
      round: Math.max(0, block.lastCommit.round),
      peers: counts.peers(),
      pool: counts.pool(),
      appHash: toHex(result.appHash),
    };
  };
}

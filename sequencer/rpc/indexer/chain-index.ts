import type { Height } from "../../../proto/brands.ts";
import type { Query } from "../query/query.ts";

/** Where a transaction stands. */
export interface TxPosition {
  readonly height: Height;
  readonly index: number;
}

/** Finds transactions and blocks by hash and by the events they caused. */
export interface ChainIndex {
  /** Last height that is indexed whole; 0 before the first. */
  indexedHeight(): Height;
  txByHash(hash: Uint8Array): Promise<TxPosition | undefined>;
  /**
   * Positions that match, ascending.
   * @throws RpcError when the query is too wide or names a hash that is none
   */
  searchTxs(query: Query): Promise<readonly TxPosition[]>;
  /** Heights whose block events match, ascending. */
  searchBlocks(query: Query): Promise<readonly Height[]>;
}

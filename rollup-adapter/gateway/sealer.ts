/**
 * Seals what a gateway submits, for the key that the next blocks may hold (docs/rollups.md): nobody, this
 * network's validators included, reads a wallet's transaction before its place is final.
 */
import { createGroup } from "../../mev/seal/group/group.ts";
import {
  type BidTerms,
  type BundleTerms,
  sealBid,
  sealBundle,
  sealContent,
  type SealTerms,
} from "../../mev/seal/sealed-content.ts";
import { createTdh2, type Tdh2 } from "../../mev/seal/tdh2.ts";
import type { Height } from "../../proto/brands.ts";
import type { Bid, SealedBundle } from "../../proto/codec/mev-tx.ts";
import type { Sealed } from "../../proto/codec/seal-tx.ts";
import { WeftError } from "../../proto/errors.ts";
import type { GetSealKeyResponse, SealKeyInfo } from "../../proto/grpc/seal-key.ts";
import { keyEnd, sealRandomness } from "../client/seal-transaction.ts";
import { CHAIN_INFO_AGE_MS } from "../limits.ts";

export type SealerErrorInfo =
  /** No key is in force, or the lane of sealed transactions is closed. */
  { readonly code: "GATEWAY_SEAL_CLOSED" };

/** The key to seal for. */
export interface SealingKey {
  readonly number: number;
  /** Y, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** First block that may hold what is sealed for it. */
  readonly fromHeight: Height;
  /** First block that may not hold it any more; undefined while that is unknown. */
  readonly endHeight: Height | undefined;
}

export interface Sealer {
  /**
   * The key of the next block, as of at most CHAIN_INFO_AGE_MS ago; asked now while there was none. `isFresh`: asked now.
   * @throws WeftError<SealerErrorInfo>, and what asking the node throws
   */
  key(isFresh?: boolean): Promise<SealingKey>;
  /** Throws `CodecError` when the content does not fit. */
  seal(terms: SealTerms): Sealed;
  /** As `seal`. */
  sealBundle(terms: BundleTerms): SealedBundle;
  /** As `seal`. */
  sealBid(terms: BidTerms): Bid;
}

/** @param deps `keys`: what a node answers to `GetSealKey` */
export function createSealer(deps: { readonly keys: () => Promise<GetSealKeyResponse> }): Sealer {
  let known: GetSealKeyResponse | undefined;
  let knownMs = Number.NEGATIVE_INFINITY;
  // A few milliseconds and a memory of its own: not for a gateway that never seals.
  let tdh2: Tdh2 | undefined;

  async function keys(isFresh: boolean): Promise<GetSealKeyResponse> {
    // That nothing can be sealed may have ended with the block that has just come.
    const isUsable = known?.open === true && performance.now() <= knownMs + CHAIN_INFO_AGE_MS;
    if (isFresh || known === undefined || !isUsable) {
      known = await deps.keys();
      knownMs = performance.now();
    }
    return known;
  }

  function arithmetic(): Tdh2 {
    tdh2 ??= createTdh2(createGroup());
    return tdh2;
  }

  return {
    async key(isFresh = false) {
      const { open, reason, key, next } = await keys(isFresh);
      if (key !== undefined && open) return sealingKey(key, next);
      throw new WeftError<SealerErrorInfo>(
        { code: "GATEWAY_SEAL_CLOSED" },
        `this node submits sealed transactions only, and the network takes none now: ${reason}; try again later, or send it through a node that does not seal (gateway.seal in rollup.json)`,
      );
    },
    seal: (terms) => sealContent(arithmetic(), terms, sealRandomness()),
    sealBundle: (terms) => sealBundle(arithmetic(), terms, sealRandomness()),
    sealBid: (terms) => sealBid(arithmetic(), terms, sealRandomness()),
  };
}

function sealingKey(key: SealKeyInfo, next: SealKeyInfo | undefined): SealingKey {
  const { number, publicKey, activeHeight } = key;
  return { number, publicKey, fromHeight: activeHeight, endHeight: keyEnd(key, next) };
}

import { utf8ToBytes } from "../../proto/bytes.ts";
import { startSignBytes } from "../../proto/codec/weft-basics.ts";
import { assert } from "../../proto/errors.ts";
import { sha256Concat } from "../../proto/hash.ts";
import { HASH_BYTES } from "../../proto/limits.ts";
import { u64 } from "../seal/hashes.ts";

const SEED_TAG = utf8ToBytes("weft/auction/v1");

/**
 * What breaks ties of an auction: H(lp("weft/auction/v1") ‖ lp(chain id) ‖ u64 height of the bids ‖ group ‖ Z of
 * all opened bids, in order of the batch). Nobody knows it before the bids are open, and nobody chooses it: there is one
 * Z for a ciphertext, whoever shows it.
 */
export function auctionSeed(
  chainId: string,
  height: number,
  group: Uint8Array,
  points: readonly Uint8Array[],
): Uint8Array {
  assert(group.length === HASH_BYTES, "a group is named by the id of its leader");
  const { out: head } = startSignBytes(SEED_TAG, chainId, 0);
  return sha256Concat(head, u64(BigInt(height)), group, ...points);
}

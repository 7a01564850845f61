/**
 * The order of a rollup that shuffles (policy SEALED_RANDOM): its sealed entries of a block are executed in an
 * order that follows from what they turned out to be, so that nobody knows it before their places are final
 * (design.md §6, docs/adr/0021).
 */
import type { Height } from "../../proto/brands.ts";
import { joinBytes, utf8ToBytes } from "../../proto/bytes.ts";
import { checkLength, startSignBytes } from "../../proto/codec/weft-basics.ts";
import type { ShuffleState } from "../../proto/codec/mev-state.ts";
import { POINT_BYTES } from "../../proto/codec/seal-tx.ts";
import { assert } from "../../proto/errors.ts";
import { sha256, sha256Latin1 } from "../../proto/hash.ts";
import { ADDRESS_BYTES, HASH_BYTES } from "../../proto/limits.ts";

const SEED_TAG = utf8ToBytes("weft/order-seed/v1");
const ORDER_TAG = utf8ToBytes("weft/order/v1");
/** lp(tag). */
const ORDER_HEAD = Uint8Array.of(ORDER_TAG.length, ...ORDER_TAG);

/** Below two entries there is nothing to shuffle, and no decision. */
export const SHUFFLED_MIN = 2;

export interface ShuffledOrder {
  /** 32 bytes: the subject of the decision. */
  readonly seed: Uint8Array;
  /** Positions of the entries in the order of execution. */
  readonly positions: readonly number[];
}

/**
 * The order of all shuffled entries of a block for one rollup, all resolved, by position.
 *
 *     seed = H(lp("weft/order-seed/v1") ‖ lp(chain id) ‖ u64 height ‖ rollup id ‖ Z or 32 zeros of each)
 *
 * ascending by H(lp("weft/order/v1") ‖ seed ‖ sender), then position: entries of one sender stay together and in
 * their order. Z is unique for its ciphertext, whoever shows it and however, so that neither a dispute nor a
 * sender that reveals first changes the seed.
 */
export function shuffleOrder(
  chainId: string,
  height: Height,
  rollupId: Uint8Array,
  slots: ShuffleState["slots"],
): ShuffledOrder {
  const seed = orderSeed(chainId, height, rollupId, slots);
  const input = joinBytes([ORDER_HEAD, seed, new Uint8Array(ADDRESS_BYTES)]);
  const keyed = slots.map(({ position, sender }) => {
    checkLength("sender", sender, ADDRESS_BYTES);
    input.set(sender, input.length - ADDRESS_BYTES);
    // A character is a byte, and strings compare by them.
    return { position, key: sha256Latin1(input) };
  });
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.position - b.position));
  return { seed, positions: keyed.map(({ position }) => position) };
}

function orderSeed(
  chainId: string,
  height: Height,
  rollupId: Uint8Array,
  slots: ShuffleState["slots"],
): Uint8Array {
  checkLength("rollup id", rollupId, HASH_BYTES);
  const rest = 8 + HASH_BYTES + slots.length * POINT_BYTES;
  const { out, at } = startSignBytes(SEED_TAG, chainId, rest);
  new DataView(out.buffer).setBigUint64(at, BigInt(height));
  out.set(rollupId, at + 8);
  for (const [index, { position, isResolved, point }] of slots.entries()) {
    const before = slots[index - 1];
    assert(before === undefined || before.position < position, "slots ascend by position");
    assert(isResolved, "the order waits for all of its entries");
    out.set(point, at + 8 + HASH_BYTES + index * POINT_BYTES);
  }
  return sha256(out);
}

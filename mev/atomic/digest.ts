import { joinBytes, utf8ToBytes } from "../../proto/bytes.ts";
import type { Box, VoteContent } from "../../proto/codec/atomic-tx.ts";
import { assert } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import { HASH_BYTES } from "../../proto/limits.ts";

const VOTE_TAG = utf8ToBytes("weft/atomic/vote/v1");

/**
 * What votes of YES have to agree on: H(lp("weft/atomic/vote/v1") ‖ pre-state root ‖ effects hash ‖ outbox ‖ inbox),
 * where a box list is u8 count ‖ for each, by rollup: rollup id ‖ root.
 */
export function voteDigest(
  vote: Pick<VoteContent, "preStateRoot" | "effectsHash" | "outbox" | "inbox">,
): Uint8Array {
  const { preStateRoot, effectsHash, outbox, inbox } = vote;
  assert(
    preStateRoot.length === HASH_BYTES && effectsHash.length === HASH_BYTES,
    "a vote of YES has both roots",
  );
  return sha256(
    joinBytes([
      Uint8Array.of(VOTE_TAG.length),
      VOTE_TAG,
      preStateRoot,
      effectsHash,
      ...boxParts(outbox),
      ...boxParts(inbox),
    ]),
  );
}

function boxParts(boxes: readonly Box[]): readonly Uint8Array[] {
  return [Uint8Array.of(boxes.length), ...boxes.flatMap(({ rollupId, root }) => [rollupId, root])];
}

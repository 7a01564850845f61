/** What the hash of a commit covers (docs/formats.md, "Sealed transactions"). */
import { utf8ToBytes } from "../../proto/bytes.ts";
import { checkLength, startSignBytes } from "../../proto/codec/weft-basics.ts";
import { sha256 } from "../../proto/hash.ts";
import { ADDRESS_BYTES, HASH_BYTES } from "../../proto/limits.ts";

const COMMIT_TAG = utf8ToBytes("weft/seal/commit/v1");
/** Bytes of the salt that hides a content until it is revealed. */
export const COMMIT_SALT_BYTES: number = HASH_BYTES;

/**
 * H(lp("weft/seal/commit/v1") ‖ lp(chain id) ‖ sender (20) ‖ salt (32) ‖ content). The sender is in it, so that
 * nobody else can take over a hash; the salt has to be random, or whoever guesses the content knows it.
 */
export function commitHash(
  chainId: string,
  sender: Uint8Array,
  salt: Uint8Array,
  content: Uint8Array,
): Uint8Array {
  checkLength("sender", sender, ADDRESS_BYTES);
  checkLength("salt", salt, COMMIT_SALT_BYTES);
  const rest = ADDRESS_BYTES + COMMIT_SALT_BYTES + content.length;
  const { out, at } = startSignBytes(COMMIT_TAG, chainId, rest);
  out.set(sender, at);
  out.set(salt, at + ADDRESS_BYTES);
  out.set(content, at + ADDRESS_BYTES + COMMIT_SALT_BYTES);
  return sha256(out);
}

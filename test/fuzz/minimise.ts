import { concatBytes } from "../../proto/bytes.ts";
import { MINIMISE_TRIES_MAX } from "./limits.ts";

/** The input without what it does not need to show the same: halves, then ever smaller stretches. */
export async function minimise(
  input: Uint8Array,
  isSame: (bytes: Uint8Array) => Promise<boolean>,
): Promise<Uint8Array> {
  let best = input;
  let tries = 0;
  for (let size = Math.ceil(best.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < best.length && tries < MINIMISE_TRIES_MAX; tries++) {
      const less = concatBytes(best.subarray(0, at), best.subarray(at + size));
      if (less.length < best.length && (await isSame(less))) best = less;
      else at += size;
    }
  }
  return best;
}

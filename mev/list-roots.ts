import { sha256Latin1 } from "../proto/hash.ts";
import { LIST_ROOTS_KEPT_MAX } from "./limits.ts";

/**
 * Merkle roots of lists of a manifest, by what the lists hold: whoever proposes a block makes its manifest, and
 * makes it again to see what every other validator will. To hash a list as one string of bytes costs a
 * thirtieth of hashing its tree. When full, all is forgotten.
 */
export class ListRoots {
  readonly #known = new Map<string, Uint8Array>();

  /** `entries`: of so many bytes each, one after the other. */
  of(entries: Uint8Array, entryBytes: number, root: () => Uint8Array): Uint8Array {
    const key = `${entryBytes}/${sha256Latin1(entries)}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const made = root();
    if (this.#known.size >= LIST_ROOTS_KEPT_MAX) this.#known.clear();
    this.#known.set(key, made);
    return made;
  }

  /** When a block is committed. */
  clear(): void {
    this.#known.clear();
  }
}

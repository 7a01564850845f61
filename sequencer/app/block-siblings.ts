/** What rollups are given with legs of bundles: proofs that the other legs stand in the same block. */
import type { ManifestProof } from "../../mev/manifest.ts";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import type { RevertMode } from "../../proto/codec/mev-tx.ts";
import type { Action } from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import { merkleProofs } from "../../proto/merkle.ts";
import type { MerkleProof } from "../../proto/types.ts";
import type { LegProof, SiblingLeg } from "../../proto/verify/bundle.ts";
import { encodeOrderedEntry, type ProvenLeaf } from "../../proto/verify/manifest.ts";

interface PlacedLeg {
  readonly rollupId: Uint8Array;
  /** Among the ordered entries of its rollup. */
  readonly position: number;
  readonly revertMode: RevertMode;
}

/** All entries of a rollup, encoded, each with its proof to the ordered root. */
interface ProvenList extends ProvenLeaf {
  readonly entries: readonly Uint8Array[];
  readonly entryProofs: readonly MerkleProof[];
}

/** Bundles of one block. Lists are hashed when somebody asks, once for each rollup that a bundle names. */
export class BlockSiblings {
  /** By transaction id, in hex. */
  readonly #bundles = new Map<string, readonly PlacedLeg[]>();
  readonly #lists = new Map<string, ProvenList>();

  /** A bundle has its places. `positions`: one for each leg. Others: nothing happens. */
  add(itemId: Uint8Array, action: Action, positions: readonly number[]): void {
    if (action.kind !== "bundle" && action.kind !== "sealedBundle") return;
    const legs = action.legs.map(({ rollupId, revertMode }, at) => {
      const position = positions[at];
      assert(position !== undefined, "every leg of a bundle that succeeded has its place");
      return { rollupId, revertMode, position };
    });
    this.#bundles.set(toHex(itemId), legs);
  }

  /** Undefined for an entry of no bundle. `prove`: of the block's manifest. */
  proofOf(
    itemId: Uint8Array,
    rollupId: Uint8Array,
    prove: (rollupId: Uint8Array) => ManifestProof,
  ): LegProof | undefined {
    const legs = this.#bundles.get(toHex(itemId));
    const own = legs?.find((leg) => bytesEqual(leg.rollupId, rollupId));
    if (legs === undefined || own === undefined) return undefined;
    const siblings = legs
      .filter((leg) => leg !== own)
      .map((leg): SiblingLeg => {
        const { entries, entryProofs, leaf, proof } = this.#listOf(leg.rollupId, prove);
        const [entry, entryProof] = [entries[leg.position], entryProofs[leg.position]];
        assert(entry !== undefined && entryProof !== undefined, "legs stand in their lists");
        const { revertMode } = leg;
        return { rollupId: leg.rollupId, entry, entryProof, leaf, leafProof: proof, revertMode };
      });
    return { revertMode: own.revertMode, siblings };
  }

  #listOf(rollupId: Uint8Array, prove: (rollupId: Uint8Array) => ManifestProof): ProvenList {
    const key = toHex(rollupId);
    let list = this.#lists.get(key);
    if (list === undefined) {
      const proven = prove(rollupId);
      assert(proven.kind === "presence", "the block holds a leg for that rollup");
      const { leaf, proof } = proven;
      const entries = proven.entries.map(encodeOrderedEntry);
      list = { leaf, proof, entries, entryProofs: merkleProofs(entries).proofs };
      this.#lists.set(key, list);
    }
    return list;
  }
}

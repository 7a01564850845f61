/** What rollups are given with legs of bundles: proofs that the other legs stand in the same block. */
import type { ManifestProof } from "../../mev/manifest.ts";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import type { AtomicTerms, RevertMode } from "../../proto/codec/mev-tx.ts";
import type { Action } from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import { merkleProofs } from "../../proto/merkle.ts";
import type { MerkleProof } from "../../proto/types.ts";
import type { LegProof, SiblingLeg } from "../../proto/verify/bundle.ts";
import { encodeOrderedEntry, type ProvenLeaf } from "../../proto/verify/manifest.ts";
import type { YieldToLoop } from "../ports/yield-to-loop.ts";

interface PlacedLeg {
  readonly rollupId: Uint8Array;
  /** Among the ordered entries of its rollup. */
  readonly position: number;
  readonly revertMode: RevertMode;
}

interface PlacedBundle {
  readonly legs: readonly PlacedLeg[];
  readonly atomic: AtomicTerms | undefined;
}

/** All entries of a rollup, encoded, each with its proof to the ordered root. */
interface ProvenList extends ProvenLeaf {
  readonly entries: readonly Uint8Array[];
  readonly entryProofs: readonly MerkleProof[];
}

/** Bundles of one block. Lists are hashed once for each rollup that a bundle with siblings names. */
export class BlockSiblings {
  /** By transaction id, in hex. */
  readonly #bundles = new Map<string, PlacedBundle>();
  readonly #lists = new Map<string, ProvenList>();

  /** A bundle has its places. `positions`: one for each leg. Others: nothing happens. */
  add(itemId: Uint8Array, action: Action, positions: readonly number[]): void {
    if (action.kind !== "bundle" && action.kind !== "sealedBundle") return;
    const legs = action.legs.map(({ rollupId, revertMode }, at) => {
      const position = positions[at];
      assert(position !== undefined, "every leg of a bundle that succeeded has its place");
      return { rollupId, revertMode, position };
    });
    this.#bundles.set(toHex(itemId), { legs, atomic: action.atomic });
  }

  /** When the block's manifest is made; before anybody asks. A full lane takes milliseconds for each rollup. */
  async prove(
    proofOf: (rollupId: Uint8Array) => ManifestProof,
    yieldToLoop: YieldToLoop,
  ): Promise<void> {
    for (const { legs } of this.#bundles.values()) {
      if (legs.length === 1) continue;
      for (const { rollupId } of legs) {
        const key = toHex(rollupId);
        if (this.#lists.has(key)) continue;
        this.#lists.set(key, provenList(proofOf(rollupId)));
        await yieldToLoop();
      }
    }
  }

  /** Undefined for an entry of no bundle. */
  proofOf(itemId: Uint8Array, rollupId: Uint8Array): LegProof | undefined {
    const bundle = this.#bundles.get(toHex(itemId));
    const own = bundle?.legs.find((leg) => bytesEqual(leg.rollupId, rollupId));
    if (bundle === undefined || own === undefined) return undefined;
    const { legs, atomic } = bundle;
    const siblings = legs
      .filter((leg) => leg !== own)
      .map((leg): SiblingLeg => {
        const { rollupId: id, position, revertMode } = leg;
        const list = this.#lists.get(toHex(id));
        const entry = list?.entries[position];
        const entryProof = list?.entryProofs[position];
        assert(list !== undefined && entry !== undefined, "the lists of all legs are proven");
        assert(entryProof !== undefined, "each entry of a list has its proof");
        const { leaf, proof: leafProof } = list;
        return { rollupId: id, entry, entryProof, leaf, leafProof, revertMode };
      });
    return { revertMode: own.revertMode, siblings, atomic };
  }
}

function provenList(proven: ManifestProof): ProvenList {
  assert(proven.kind === "presence", "the block holds a leg for that rollup");
  const { leaf, proof } = proven;
  const entries = proven.entries.map(encodeOrderedEntry);
  return { leaf, proof, entries, entryProofs: merkleProofs(entries).proofs };
}

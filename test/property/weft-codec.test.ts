/**
 * Canonical or refused: whatever bytes the decoders accept, they are what the encoders write. Bytes are
 * made by mutating valid messages, so that most mutants get past the first field.
 */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isCodecError } from "../../proto/codec/errors.ts";
import { decodeItem, encodeItem, encodeTxItem } from "../../proto/codec/weft-block.ts";
import {
  decodeLists,
  decodeVoteExtension,
  encodeLists,
  encodeVoteExtension,
} from "../../proto/codec/weft-extension.ts";
import {
  decodeTxBody,
  encodeTxBody,
  rollupData,
  rollupDataEntries,
} from "../../proto/codec/weft-tx.ts";
import {
  decodeManifestLeaf,
  encodeManifestLeaf,
  MANIFEST_LEAF_BYTES,
} from "../../proto/verify/manifest.ts";
import { ATOMIC_CODECS } from "../support/atomic-arbitraries.ts";
import { MEV_CODECS } from "../support/mev-arbitraries.ts";
import { SEAL_CODECS } from "../support/seal-arbitraries.ts";
import { STAKE_CODECS } from "../support/stake-arbitraries.ts";
import {
  bodies,
  extensions,
  listsParts,
  systemItems,
  txItems,
} from "../support/weft-arbitraries.ts";

/** A change of a byte, an insertion, a removal, a repeated or swapped stretch, a cut. */
const mutation = fc.record({
  kind: fc.constantFrom("set", "flip", "insert", "remove", "repeat", "cut"),
  at: fc.nat(),
  to: fc.nat(),
  value: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x80, 0x12, 0x0a, 0x1a)),
});
function mutate(
  input: Uint8Array,
  change: typeof mutation extends fc.Arbitrary<infer T> ? T : never,
) {
  const list = [...input];
  const at = change.at % (list.length + 1);
  const stretch = list.slice(at, at + 1 + (change.to % 8));
  if (change.kind === "set") list[at] = change.value;
  else if (change.kind === "flip") list[at] = (list[at] ?? 0) ^ (1 << (change.to % 8));
  else if (change.kind === "insert") list.splice(at, 0, change.value);
  else if (change.kind === "remove") list.splice(at, stretch.length);
  else if (change.kind === "repeat") list.splice(at, 0, ...stretch);
  else list.length = at;
  return new Uint8Array(list);
}

/** Decodes; undefined when refused with a codec error, which is the only error allowed. */
function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (isCodecError(error)) return undefined;
    throw error;
  }
}

/** How many mutants were accepted; each of them was its own canonical encoding. */
function acceptedMutants(
  valid: fc.Arbitrary<Uint8Array>,
  reencode: (input: Uint8Array) => Uint8Array,
): number {
  let accepted = 0;
  fc.assert(
    fc.property(valid, fc.array(mutation, { maxLength: 3 }), (input, mutations) => {
      const mutant = mutations.reduce(mutate, input);
      const again = attempt(() => reencode(mutant));
      if (again === undefined) return;
      accepted++;
      expect(again).toEqual(mutant);
    }),
    { numRuns: 800 },
  );
  return accepted;
}

describe("property: accepted bytes are their own canonical encoding", () => {
  test("transactions", () => {
    const accepted = acceptedMutants(txItems, (input) => {
      const item = decodeItem(input);
      if (item.kind !== "tx") return encodeItem(item);
      const bodyBytes = encodeTxBody(item.tx.body);
      expect(bodyBytes).toEqual(item.tx.bodyBytes);
      return encodeTxItem({ bodyBytes, signature: item.tx.signature });
    });
    expect(accepted).toBeGreaterThan(50);
  });

  test("bodies, whose signature is checked only later", () => {
    const accepted = acceptedMutants(bodies.map(encodeTxBody), (input) => {
      const decoded = decodeTxBody(input);
      if (decoded.action.kind !== "rollupData") return encodeTxBody(decoded);
      const entries = rollupDataEntries(decoded.action.payload);
      const rebuilt = rollupData(decoded.action.rollupId, entries);
      expect(rebuilt).toEqual(decoded.action);
      return encodeTxBody({ ...decoded, action: rebuilt });
    });
    expect(accepted).toBeGreaterThan(50);
  });

  test.each([...STAKE_CODECS, ...SEAL_CODECS, ...MEV_CODECS, ...ATOMIC_CODECS])(
    "$name",
    ({ bytes: valid, again }) => {
      expect(acceptedMutants(valid, again)).toBeGreaterThan(50);
    },
  );

  test("system items", () => {
    const accepted = acceptedMutants(systemItems.map(encodeItem), (input) =>
      encodeItem(decodeItem(input)),
    );
    expect(accepted).toBeGreaterThan(50);
  });

  test("vote extensions", () => {
    const accepted = acceptedMutants(extensions, (input) =>
      encodeVoteExtension(decodeVoteExtension(input)),
    );
    expect(accepted).toBeGreaterThan(50);
  });

  test("LISTS parts", () => {
    const accepted = acceptedMutants(listsParts.map(encodeLists), (input) =>
      encodeLists(decodeLists(input)),
    );
    expect(accepted).toBeGreaterThan(50);
  });

  test("manifest leaves", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: MANIFEST_LEAF_BYTES, maxLength: MANIFEST_LEAF_BYTES }),
        (input) => {
          for (const at of [64, 104, 144]) input[at] = input[at + 1] = 0;
          const leaf = decodeManifestLeaf(input);
          expect(leaf === undefined ? undefined : encodeManifestLeaf(leaf)).toEqual(input);
        },
      ),
    );
  });
});

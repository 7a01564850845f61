import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import * as fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { fromHex, utf8ToBytes } from "../../../proto/bytes.ts";
import {
  ed25519KeyPairFromSeed,
  signEd25519,
  type SignedItem,
  verifyEd25519Sync,
} from "../../../proto/verify/ed25519.ts";
import { SIGNATURE_VECTORS } from "../../../proto/verify/self-test.ts";
import { NATIVE_BATCH_MIN } from "../limits.ts";
import { areAcceptedAtOnce, loadNativeBatch, type NativeBatch } from "./native-batch.ts";
import { packItems } from "./packing.ts";

const directory = mkdtempSync(path.join(tmpdir(), "weft-native-"));
afterAll(() => rmSync(directory, { recursive: true }));

const keys = Array.from({ length: 8 }, (_, i) =>
  ed25519KeyPairFromSeed(new Uint8Array(32).fill(i)),
);

function signed(i: number): SignedItem {
  const key = keys[i % keys.length] ?? ed25519KeyPairFromSeed(new Uint8Array(32));
  const message = utf8ToBytes(`message ${i}`.repeat(1 + (i % 9)));
  return { publicKey: key.publicKey, message, signature: signEd25519(key, message) };
}

const vectors = SIGNATURE_VECTORS.map(({ publicKey, message, signature }) => ({
  publicKey: fromHex(publicKey),
  message: fromHex(message),
  signature: fromHex(signature),
}));

describe("the module of an installation", () => {
  test("is absent where it was not built, and named where it does not load", () => {
    expect(loadNativeBatch(path.join(directory, "none.node"))).toBeUndefined();
    const bad = path.join(directory, "bad.node");
    writeFileSync(bad, "no shared object");
    expect(() => loadNativeBatch(bad)).toThrow("npm run ed25519-batch");
  });

  test("a few, and what is not packable, are not its business", () => {
    const native: NativeBatch = { areAllValid: () => true };
    const few = Array.from({ length: NATIVE_BATCH_MIN - 1 }, (_, i) => signed(i));
    expect(areAcceptedAtOnce(native, few)).toBe(false);
    expect(
      areAcceptedAtOnce(native, [...few, { ...signed(3), signature: new Uint8Array(3) }]),
    ).toBe(false);
    expect(areAcceptedAtOnce(undefined, [...few, signed(3)])).toBe(false);
  });
});

/** None on a machine without Rust, where there is nothing to test: `npm run ed25519-batch` builds it. */
const built = [loadNativeBatch()].filter((native) => native !== undefined);

describe.each(built)("the module that was built here", (native) => {
  const all = (items: readonly SignedItem[]): boolean => native.areAllValid(packItems(items));

  test("ZIP-215: valid edge cases alone, together and among others; none with an invalid one", () => {
    const others = Array.from({ length: 20 }, (_, i) => signed(i));
    const valid = vectors.filter((_, i) => SIGNATURE_VECTORS[i]?.isValid === true);
    expect(all(valid)).toBe(true);
    expect(all([...valid, ...others, ...valid])).toBe(true);
    for (const [i, vector] of vectors.entries()) {
      const isValid = SIGNATURE_VECTORS[i]?.isValid === true;
      expect(all([vector])).toBe(isValid);
      expect(all([...others, vector, ...valid])).toBe(isValid);
    }
  });

  test("true exactly when every one is valid by itself, whatever byte of whichever is changed", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            i: fc.nat(40),
            part: fc.constantFrom("publicKey", "message", "signature", "none", "none", "none"),
            at: fc.nat(200),
            bit: fc.nat(7),
          }),
          { minLength: 1, maxLength: 30 },
        ),
        (changes) => {
          const items = changes.map(({ i, part, at, bit }): SignedItem => {
            const item = signed(i);
            if (part === "none") return item;
            const bytes = item[part].slice();
            const place = at % bytes.length;
            bytes[place] = (bytes[place] ?? 0) ^ (1 << bit);
            return { ...item, [part]: bytes };
          });
          const eachAlone = items.every(({ publicKey, message, signature }) =>
            verifyEd25519Sync(publicKey, message, signature),
          );
          expect(all(items)).toBe(eachAlone);
        },
      ),
      { numRuns: 150 },
    );
  });

  test("two errors that cancel each other out do not pass together", () => {
    const [a, b] = [signed(1), signed(9)];
    const swapped = (item: SignedItem, with_: SignedItem): SignedItem => ({
      ...item,
      signature: Uint8Array.from([...item.signature.slice(0, 32), ...with_.signature.slice(32)]),
    });
    // The sum of both S is the same as before.
    expect(all([swapped(a, b), swapped(b, a), signed(2), signed(3)])).toBe(false);
  });

  test("a buffer that ends early or goes on is refused, an empty batch holds", () => {
    const packed = packItems([signed(1), signed(2)]);
    expect(native.areAllValid(packItems([]))).toBe(true);
    for (let end = 0; end < packed.length; end++) {
      expect(() => native.areAllValid(packed.subarray(0, end))).toThrow("packed batch");
    }
    expect(() => native.areAllValid(Uint8Array.from([...packed, 0]))).toThrow("packed batch");
    const lying = packed.slice();
    lying.fill(255, 0, 4);
    expect(() => native.areAllValid(lying)).toThrow("packed batch");
  });
});

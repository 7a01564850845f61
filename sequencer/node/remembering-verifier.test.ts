import { beforeEach, describe, expect, test } from "vitest";
import { concatBytes, utf8ToBytes } from "../../proto/bytes.ts";
import {
  createEd25519Verifier,
  generateEd25519KeyPair,
  signEd25519,
  type SignatureVerifier,
  type SignedItem,
} from "../../proto/verify/ed25519.ts";
import { REMEMBERED_MESSAGE_BYTES_MAX } from "./limits.ts";
import { createRememberingVerifier } from "./remembering-verifier.ts";

const KEY = generateEd25519KeyPair();
const OTHER_KEY = generateEd25519KeyPair();

function signed(text: string, prefix?: string): SignedItem {
  const message = utf8ToBytes(text);
  const signature = signEd25519(KEY, utf8ToBytes(`${prefix ?? ""}${text}`));
  const item = { publicKey: KEY.publicKey, message, signature };
  return prefix === undefined ? item : { ...item, prefix: utf8ToBytes(prefix) };
}

describe("a verifier that remembers", () => {
  /** Signatures that were checked. */
  let asked = 0;
  let inner: SignatureVerifier;
  beforeEach(() => {
    asked = 0;
    const real = createEd25519Verifier();
    inner = {
      ...real,
      verifyBatch: (items) => {
        asked += items.length;
        return real.verifyBatch(items);
      },
    };
  });

  test("accepts what it accepted without checking it again, in the order asked for", async () => {
    const verifier = createRememberingVerifier(inner);
    const [one, two] = [signed("one"), signed("two", "domain ")];
    const bad = { ...signed("three"), message: utf8ToBytes("four") };
    expect(await verifier.verifyBatch([one, bad])).toEqual([true, false]);
    expect(await verifier.verifyBatch([bad, two, one])).toEqual([false, true, true]);
    expect(asked).toBe(4);
    const joined = { ...two, prefix: undefined, message: utf8ToBytes("domain two") };
    expect(await verifier.verifyBatch([two, joined])).toEqual([true, true]);
    expect(await verifier.verify(one.publicKey, one.message, one.signature)).toBe(true);
    expect(asked).toBe(4);
  });

  test("asks anew about another key, message, prefix or signature", async () => {
    const verifier = createRememberingVerifier(inner);
    const item = signed("said", "domain ");
    await verifier.verifyBatch([item]);
    const changed = item.signature.slice();
    changed[63] = (changed[63] ?? 0) ^ 1;
    const others: readonly SignedItem[] = [
      { ...item, publicKey: OTHER_KEY.publicKey },
      { ...item, message: utf8ToBytes("sail") },
      { ...item, prefix: utf8ToBytes("another") },
      { ...item, prefix: undefined },
      { ...item, prefix: utf8ToBytes("domain"), message: utf8ToBytes("said") },
      { ...item, message: concatBytes(item.message, Uint8Array.of(0)) },
      { ...item, signature: changed },
    ];
    expect(await verifier.verifyBatch(others)).toEqual(others.map(() => false));
    expect(asked).toBe(1 + others.length);
    // What was refused is not remembered either way.
    expect(await verifier.verifyBatch(others)).toEqual(others.map(() => false));
    expect(asked).toBe(1 + 2 * others.length);
  });

  test("keeps nothing that its caller may change, and no large message", async () => {
    const verifier = createRememberingVerifier(inner);
    const item = signed("mutable");
    await verifier.verifyBatch([item]);
    item.message[0] = 0;
    expect(await verifier.verifyBatch([item])).toEqual([false]);
    const large = signed("x".repeat(REMEMBERED_MESSAGE_BYTES_MAX + 1));
    await verifier.verifyBatch([large]);
    await verifier.verifyBatch([large]);
    expect(asked).toBe(4);
  });

  test("forgets the older half when it is full", async () => {
    const verifier = createRememberingVerifier(inner, 2);
    const items = ["a", "b", "c", "d", "e"].map((text) => signed(text));
    for (const item of items) await verifier.verifyBatch([item]);
    expect(asked).toBe(5);
    await verifier.verifyBatch(items.slice(2));
    expect(asked).toBe(5);
    await verifier.verifyBatch(items.slice(0, 1));
    expect(asked).toBe(6);
  });
});

import { setImmediate as atNextTurn } from "node:timers";
import { describe, expect, test } from "vitest";
import { prefixedItems } from "../../test/support/prefixed-signatures.ts";
import { concatBytes, EMPTY_BYTES, fromHex, toHex } from "../bytes.ts";
import {
  createEd25519Verifier,
  ed25519Address,
  ed25519KeyPairFromPrivateKey,
  ed25519KeyPairFromSeed,
  generateEd25519KeyPair,
  nodeIdOfPublicKey,
  signEd25519,
  verifyEd25519Sync,
} from "./ed25519.ts";
import { runSignatureSelfTest, SIGNATURE_VECTORS } from "./self-test.ts";

const message = new Uint8Array([1, 2, 3]);

describe("ed25519", () => {
  test("signs and verifies on both paths, and refuses every changed bit of a signature", async () => {
    const key = generateEd25519KeyPair();
    const signature = signEd25519(key, message);
    expect(verifyEd25519Sync(key.publicKey, message, signature)).toBe(true);
    const verifier = createEd25519Verifier();
    expect(await verifier.verify(key.publicKey, message, signature)).toBe(true);
    const damaged = Array.from({ length: 16 }, (_, i) => {
      const copy = signature.slice();
      copy[i * 4] = (copy[i * 4] ?? 0) ^ (1 << (i % 8));
      return { publicKey: key.publicKey, message, signature: copy };
    });
    const verdicts = await verifier.verifyBatch([
      ...damaged,
      { publicKey: key.publicKey, message, signature },
    ]);
    expect(verdicts).toEqual([...damaged.map(() => false), true]);
  });

  test("wrong lengths are invalid signatures, not exceptions", async () => {
    const key = generateEd25519KeyPair();
    const signature = signEd25519(key, message);
    expect(verifyEd25519Sync(key.publicKey, message, signature.subarray(1))).toBe(false);
    expect(verifyEd25519Sync(key.publicKey.subarray(1), message, signature)).toBe(false);
    const verifier = createEd25519Verifier();
    expect(await verifier.verify(key.publicKey, message, new Uint8Array(0))).toBe(false);
  });

  test("a flood of checks leaves turns of the loop to others, and answers in order", async () => {
    const key = generateEd25519KeyPair();
    const signature = signEd25519(key, message);
    const item = { publicKey: key.publicKey, message, signature };
    const verifier = createEd25519Verifier();
    const order: string[] = [];
    const flood = Array.from({ length: 4 }, (_, i) =>
      verifier.verifyBatch(Array.from({ length: 50 }, () => item)).then((verdicts) => {
        order.push(`batch ${i}`);
        return verdicts;
      }),
    );
    // 200 checks take at least four turns; this comes after one.
    atNextTurn(() => order.push("another task"));
    const verdicts = await Promise.all(flood);
    expect(verdicts.flat()).toEqual(Array.from({ length: 200 }, () => true));
    expect(order.filter((entry) => entry !== "another task")).toEqual(
      [0, 1, 2, 3].map((i) => `batch ${i}`),
    );
    expect(order.indexOf("another task")).toBeLessThan(4);
    // Its own lane: nothing here waited for the flood.
    const later = createEd25519Verifier().verify(key.publicKey, message, signature);
    await expect(later).resolves.toBe(true);
  });

  test("the ZIP-215 edge cases come out as pinned", async () => {
    const verifier = createEd25519Verifier();
    await expect(runSignatureSelfTest(verifier)).resolves.toBeUndefined();
    expect(SIGNATURE_VECTORS.map((vector) => vector.isValid)).toEqual(
      [1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1].map(Boolean),
    );
  });

  test("all 196 pairs of small-order points with S = 0 are valid, as ZIP-215's own vectors are", async () => {
    // The eight torsion points, then their encodings that are not canonical.
    const edge = (first: string, middle: string, last: string) =>
      fromHex(first + middle.repeat(30) + last);
    const points = [
      fromHex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
      fromHex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
      fromHex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
      fromHex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"),
      ...["00", "80"].map((last) => edge("00", "00", last)),
      ...["00", "80"].map((last) => edge("01", "00", last)),
      ...["ec", "ed", "ee"].flatMap((first) => [edge(first, "ff", "7f"), edge(first, "ff", "ff")]),
    ];
    expect(points.length).toBe(14);
    const items = points.flatMap((publicKey) =>
      points.map((r) => ({
        publicKey,
        message: new TextEncoder().encode("Zcash"),
        signature: new Uint8Array([...r, ...new Uint8Array(32)]),
      })),
    );
    const atOnce = items.map((i) => verifyEd25519Sync(i.publicKey, i.message, i.signature));
    expect(atOnce).not.toContain(false);
    expect(await createEd25519Verifier().verifyBatch(items)).not.toContain(false);
  });

  test("a prefix counts as if it were joined to the message, ZIP-215's own cases and megabytes included", async () => {
    const items = prefixedItems();
    const joined = items.map(({ publicKey, prefix, message, signature }) =>
      verifyEd25519Sync(publicKey, concatBytes(prefix ?? EMPTY_BYTES, message), signature),
    );
    expect(joined).toContain(true);
    expect(joined).toContain(false);
    expect(await createEd25519Verifier().verifyBatch(items)).toEqual(joined);
    // Interleaved calls of one lane share its scratch space; none may see another's message.
    const verifier = createEd25519Verifier();
    const some = items.flatMap((item, i) => (i % 4 === 1 ? [{ item, verdict: joined[i] }] : []));
    const calls = some.map(({ item }) => verifier.verifyBatch([item, ...items.slice(0, 2)]));
    const expected = some.map(({ verdict }) => [verdict, ...joined.slice(0, 2)]);
    expect(await Promise.all(calls)).toEqual(expected);
  });

  test("messages over the budget of a turn are answered one a turn, others get theirs between", async () => {
    const key = generateEd25519KeyPair();
    const prefix = new Uint8Array(40).fill(1);
    const message = new Uint8Array(3 << 20).fill(2);
    const signature = signEd25519(key, concatBytes(prefix, message));
    const item = { publicKey: key.publicKey, prefix, message, signature };
    let turns = 0;
    let isDone = false;
    const countTurn = () => {
      turns += 1;
      if (!isDone) atNextTurn(countTurn);
    };
    atNextTurn(countTurn);
    expect(await createEd25519Verifier().verifyBatch([item, item, item, item])).toEqual(
      [1, 1, 1, 1].map(Boolean),
    );
    isDone = true;
    expect(turns).toBeGreaterThanOrEqual(3);
  });

  test("the self-test stops a verifier that follows another rule", async () => {
    const strict = createEd25519Verifier();
    const broken = { ...strict, verifySync: () => true };
    await expect(runSignatureSelfTest(broken)).rejects.toThrow(/ZIP-215/);
  });

  test("address and node id of a known seed", () => {
    // spec/cometbft-v0.38.md §22.2
    const { publicKey } = ed25519KeyPairFromSeed(new Uint8Array(32).fill(1));
    expect(toHex(ed25519Address(publicKey)).slice(0, 8)).toBe("34750f98");
    expect(nodeIdOfPublicKey(publicKey).startsWith("34750f98")).toBe(true);
  });

  test("a key file whose halves do not belong together is refused", () => {
    const key = generateEd25519KeyPair();
    expect(ed25519KeyPairFromPrivateKey(key.privateKey)).toEqual(key);
    const mixed = key.privateKey.slice();
    mixed.set(generateEd25519KeyPair().publicKey, 32);
    expect(() => ed25519KeyPairFromPrivateKey(mixed)).toThrow(/damaged/);
    expect(() => ed25519KeyPairFromSeed(fromHex("00"))).toThrow(/32 bytes/);
  });
});

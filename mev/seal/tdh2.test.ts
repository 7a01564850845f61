import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { joinBytes, utf8ToBytes } from "../../proto/bytes.ts";
import { createGroup } from "./group/group.ts";
import { type Ciphertext, createTdh2, kemPoint } from "./tdh2.ts";

const group = createGroup();
const tdh2 = createTdh2(group);

/** Bytes that depend on the name alone. */
function bytes(name: string, length: number): Uint8Array {
  return new Uint8Array(createHash("shake256", { outputLength: length }).update(name).digest());
}

function secretOf(name: string): Uint8Array {
  return group.scalars.reduceWide(bytes(name, 64));
}

/** A key shared among `tickets`, `threshold` of which open. */
function committee(threshold: number, tickets: number) {
  const coefficients = joinBytes(
    Array.from({ length: threshold }, (_, i) => secretOf(`coefficient ${i}`)),
  );
  const shares = Array.from({ length: tickets }, (_, i) => {
    const secret = group.scalars.evaluate(coefficients, i + 1);
    return { ticket: i + 1, secret, publicShare: group.mulBase(secret) };
  });
  return { publicKey: group.mulBase(coefficients.subarray(0, 32)), shares };
}

const { publicKey, shares } = committee(3, 4);

function sealed(name: string): Ciphertext & { readonly seed: Uint8Array } {
  const label = utf8ToBytes(`label of ${name}`);
  const seed = bytes(`seed ${name}`, 32);
  const nonce = bytes(`nonce ${name}`, 64);
  const plaintext = utf8ToBytes(`plaintext of ${name}`);
  return { label, seed, ...tdh2.encrypt(publicKey, label, plaintext, { seed, nonce }) };
}

describe("a batch of ciphertexts", () => {
  const items = Array.from({ length: 20 }, (_, i) => sealed(`tx ${i}`));
  const points = joinBytes(items.map(({ kem }) => kemPoint(kem)));
  const context = utf8ToBytes("block 7");
  const vectors = shares.map(({ ticket, secret, publicShare }) => {
    const made = tdh2.makeShares(secret, points);
    const proof = tdh2.proveShares(context, secret, publicShare, points, made);
    return { ticket, publicShare, points: made, proof };
  });

  it("is checked, shared, proved, combined, opened and decrypted", () => {
    expect(tdh2.checkCiphertexts(items)).toEqual(items.map(() => true));
    for (const { publicShare, points: made, proof } of vectors) {
      expect(tdh2.verifyShares(context, publicShare, points, made, proof)).toBe(true);
    }
    const z = tdh2.combine(vectors.slice(0, 3), 3);
    for (const subset of [
      [0, 1, 3],
      [3, 2, 0],
      [1, 2, 3],
    ]) {
      expect(
        tdh2.combine(
          subset.flatMap((i) => vectors[i] ?? []),
          3,
        ),
      ).toEqual(z);
    }
    const seeds = tdh2.open(publicKey, items, z);
    expect(seeds).toEqual(items.map(({ seed }) => seed));
    items.forEach(({ label, kem, body, seed }, i) => {
      const plaintext = tdh2.decrypt(label, kem, seed, body);
      expect(plaintext).toEqual(utf8ToBytes(`plaintext of tx ${i}`));
      expect(tdh2.openWithSeed(publicKey, { label, kem }, seed)).toEqual(
        z.slice(32 * i, 32 * i + 32),
      );
    });
  });
});

import { describe, expect, test } from "vitest";
import { fromHex, toHex, utf8ToBytes } from "./bytes.ts";
import {
  merkleInnerHash,
  merkleLeafHash,
  merkleProof,
  merkleProofs,
  merkleRoot,
  merkleRootOfHashes,
  rootOfMerkleProof,
  verifyMerkleProof,
} from "./merkle.ts";
import { sha256 } from "./hash.ts";

const items = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => utf8ToBytes(`item ${i}`.repeat(i % 5)));

/** The definition of RFC 6962, word by word. */
function slowRoot(list: readonly Uint8Array[]): Uint8Array {
  const [first] = list;
  if (first === undefined) return sha256(new Uint8Array(0));
  if (list.length === 1) return merkleLeafHash(first);
  let split = 1;
  while (split * 2 < list.length) split *= 2;
  return merkleInnerHash(slowRoot(list.slice(0, split)), slowRoot(list.slice(split)));
}

describe("Merkle trees", () => {
  test.each([
    [[], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    [["010203"], "054edec1d0211f624fed0cbca9d4f9400b0e491c43742af2c5b0abebf0c990d8"],
    [[""], "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"],
    [["010203", "040506"], "82e6cfce00453804379b53962939eaa7906b39904be0813fcadd31b100773c4b"],
    [
      ["0102", "0304", "0506", "0708", "090a"],
      "f326493eceab4f2d9ffbc78c59432a0a005d6ea98392045c74df5d14a113be18",
    ],
  ])("TestHashFromByteSlices of CometBFT: %j", (list, root) => {
    expect(toHex(merkleRoot(list.map(fromHex)))).toBe(root);
  });

  test("RFC 6962 leaf and node", () => {
    expect(toHex(merkleLeafHash(utf8ToBytes("L123456")))).toBe(
      "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56",
    );
    expect(toHex(merkleInnerHash(utf8ToBytes("N123"), utf8ToBytes("N456")))).toBe(
      "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb",
    );
  });

  test("the fast root is the definition, for every size up to 70", () => {
    for (let count = 0; count <= 70; count++) {
      const list = items(count);
      expect(toHex(merkleRoot(list)), `${count} items`).toBe(toHex(slowRoot(list)));
      const hashes = toHex(slowRoot(list.map(sha256)));
      expect(toHex(merkleRootOfHashes(list)), `${count} hashes`).toBe(hashes);
    }
  });

  test("every proof verifies for its own item and for nothing else", () => {
    for (const count of [1, 2, 3, 5, 8, 13, 33]) {
      const list = items(count);
      const { root, proofs } = merkleProofs(list);
      expect(toHex(root)).toBe(toHex(merkleRoot(list)));
      proofs.forEach((proof, i) => {
        const item = list[i] ?? new Uint8Array(0);
        const at = `item ${i} of ${count}`;
        expect(verifyMerkleProof(proof, root, item), at).toBe(true);
        expect(merkleProof(list, i), at).toEqual(proof);
        expect(verifyMerkleProof(proof, root, utf8ToBytes("other")), at).toBe(false);
        // In a tree of one or a perfect pair a wrong index may need the same aunts; the side differs.
        const wrongIndex = { ...proof, index: (i + 1) % count };
        expect(count > 1 && verifyMerkleProof(wrongIndex, root, item), at).toBe(false);
        const short = { ...proof, aunts: proof.aunts.slice(1) };
        expect(count > 1 && verifyMerkleProof(short, root, item), at).toBe(false);
        const long = { ...proof, aunts: [...proof.aunts, root] };
        expect(verifyMerkleProof(long, root, item), at).toBe(false);
      });
    }
  });

  test("a malformed proof leads nowhere", () => {
    const [proof] = merkleProofs(items(3)).proofs;
    const good = proof ?? { total: 0, index: 0, leafHash: new Uint8Array(0), aunts: [] };
    expect(rootOfMerkleProof(good)).toBeDefined();
    for (const bad of [
      { ...good, index: -1 },
      { ...good, index: 3 },
      { ...good, total: 0 },
      { ...good, total: Number.MAX_SAFE_INTEGER },
      { ...good, leafHash: new Uint8Array(31) },
      { ...good, aunts: [new Uint8Array(33), ...good.aunts.slice(1)] },
      { ...good, aunts: Array.from({ length: 101 }, () => new Uint8Array(32)) },
    ]) {
      expect(rootOfMerkleProof(bad), JSON.stringify(bad).slice(0, 80)).toBeUndefined();
    }
  });
});

/**
 * Golden vectors of sealed transactions (docs/formats.md). The file is what a second implementation,
 * `test/support/seal-reference.ts`, makes of the inputs that stand in it; WEFT_WRITE_VECTORS=1 writes it
 * anew. It changes only with an architecture decision.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { createGroup, scalarFromBigint } from "../../mev/seal/group/group.ts";
import { createTdh2 } from "../../mev/seal/tdh2.ts";
import { fromHex, joinBytes, toHex } from "../../proto/bytes.ts";
import { namedBytes } from "../support/named-bytes.ts";
import { type ReferenceInput, referenceRun } from "../support/seal-reference.ts";

const FILE = new URL("seal.json", import.meta.url);
const text = z.string().regex(/^([0-9a-f]{2})*$/);
const vectorsSchema = z.strictObject({
  input: z.strictObject({
    coefficients: z.array(text),
    tickets: z.int(),
    context: text,
    items: z.array(z.strictObject({ label: text, plaintext: text, seed: text, nonce: text })),
  }),
  output: z.strictObject({
    publicKey: text,
    gbar: text,
    ciphertexts: z.array(z.strictObject({ kem: text, body: text, z: text })),
    shares: z.array(
      z.strictObject({
        secret: text,
        publicShare: text,
        points: text,
        proof: text,
        dleq: text,
        possession: text,
      }),
    ),
  }),
});
type Vectors = z.infer<typeof vectorsSchema>;

if (process.env["WEFT_WRITE_VECTORS"] === "1") {
  const input = newInput();
  const vectors: Vectors = { input, output: referenceRun(referenceInput(input)) };
  writeFileSync(FILE, `${JSON.stringify(vectors, null, 2)}\n`);
}

const { input, output } = vectorsSchema.parse(JSON.parse(readFileSync(FILE, "utf8")));
const tdh2 = createTdh2(createGroup());
const publicKey = fromHex(output.publicKey);
const context = fromHex(input.context);
const items = input.items.map(({ label, plaintext, seed, nonce }) => ({
  label: fromHex(label),
  plaintext: fromHex(plaintext),
  seed: fromHex(seed),
  nonce: fromHex(nonce),
}));
const ciphertexts = output.ciphertexts.map(({ kem, body }, i) => ({
  label: items[i]?.label ?? new Uint8Array(0),
  kem: fromHex(kem),
  body: fromHex(body),
}));
const points = joinBytes(ciphertexts.map(({ kem }) => kem.slice(0, 32)));
const z32 = joinBytes(output.ciphertexts.map(({ z: point }) => fromHex(point)));

describe("vectors of sealed transactions", () => {
  test("are what the second implementation makes", () => {
    expect(referenceRun(referenceInput(input))).toEqual(output);
    expect(output.ciphertexts.length).toBeGreaterThanOrEqual(5);
  });

  test("ciphertexts, byte for byte", () => {
    items.forEach(({ label, plaintext, seed, nonce }, i) => {
      const { kem, body } = tdh2.encrypt(publicKey, label, plaintext, { seed, nonce });
      expect({ kem: toHex(kem), body: toHex(body) }).toEqual({
        kem: output.ciphertexts[i]?.kem,
        body: output.ciphertexts[i]?.body,
      });
    });
    expect(tdh2.checkCiphertexts(ciphertexts)).toEqual(ciphertexts.map(() => true));
  });

  test("shares and proofs, byte for byte", () => {
    const base2 = points.slice(0, 32);
    for (const share of output.shares) {
      const [secret, publicShare] = [fromHex(share.secret), fromHex(share.publicShare)];
      const made = tdh2.makeShares(secret, points);
      expect(toHex(made)).toBe(share.points);
      const proof = tdh2.proveShares(context, secret, publicShare, points, made);
      expect(toHex(proof)).toBe(share.proof);
      expect(tdh2.verifyShares(context, publicShare, points, made, proof)).toBe(true);
      const statement = { base2, publicShare, result: made.slice(0, 32) };
      const dleq = tdh2.proveDleq(context, secret, statement);
      expect(toHex(dleq)).toBe(share.dleq);
      expect(tdh2.verifyDleq(context, statement, dleq)).toBe(true);
      const possession = tdh2.provePossession(context, secret, publicShare);
      expect(toHex(possession)).toBe(share.possession);
      expect(tdh2.verifyPossession(context, publicShare, possession)).toBe(true);
    }
  });

  test("openings and plaintexts", () => {
    const shares = output.shares.map((share, i) => ({
      ticket: i + 1,
      points: fromHex(share.points),
    }));
    expect(tdh2.combine(shares, input.coefficients.length)).toEqual(z32);
    const seeds = tdh2.open(publicKey, ciphertexts, z32);
    ciphertexts.forEach(({ label, kem, body }, i) => {
      const seed = seeds[i] ?? new Uint8Array(32);
      expect(seed).toEqual(items[i]?.seed);
      expect(tdh2.openWithSeed(publicKey, { label, kem }, seed)).toEqual(
        z32.slice(32 * i, 32 * i + 32),
      );
      expect(tdh2.decrypt(label, kem, seed, body)).toEqual(items[i]?.plaintext);
    });
  });
});

function referenceInput(from: Vectors["input"]): ReferenceInput {
  const little = (hex: string): bigint => BigInt(`0x${toHex(fromHex(hex).toReversed())}`);
  return {
    coefficients: from.coefficients.map(little),
    tickets: from.tickets,
    context: fromHex(from.context),
    items: from.items.map((item) => ({
      label: fromHex(item.label),
      plaintext: fromHex(item.plaintext),
      seed: fromHex(item.seed),
      nonce: fromHex(item.nonce),
    })),
  };
}

/** Inputs out of hashes of their names: nobody chose them. */
function newInput(): Vectors["input"] {
  const bytes = (name: string, length: number): string =>
    toHex(namedBytes(`weft vector ${name}`, length));
  const coefficients = [0, 1, 2].map((i) => {
    const wide = BigInt(`0x${bytes(`coefficient ${i}`, 31)}`);
    return toHex(scalarFromBigint(wide));
  });
  const sizes = [0, 1, 256, 512, 300, 4_096];
  const items = sizes.map((size, i) => ({
    label: bytes(`label ${i}`, 40 + i),
    plaintext: bytes(`plaintext ${i}`, size),
    seed: bytes(`seed ${i}`, 32),
    nonce: bytes(`nonce ${i}`, 64),
  }));
  return { coefficients, tickets: 4, context: bytes("context", 50), items };
}

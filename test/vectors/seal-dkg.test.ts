/**
 * Golden vectors of key generations (docs/formats.md). The file is what a second implementation,
 * `test/support/seal-dkg-reference.ts`, makes of the inputs that stand in it; WEFT_WRITE_VECTORS=1 writes it
 * anew. It changes only with an architecture decision.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { createSealArithmetic } from "../../mev/seal/arithmetic.ts";
import { type Dealing, encryptionKeyContext, type KeyTerms } from "../../mev/seal/dkg.ts";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { namedBytes } from "../support/named-bytes.ts";
import { referenceDkg } from "../support/seal-dkg-reference.ts";
import { littleEndian } from "../support/seal-reference.ts";

const FILE = new URL("seal-dkg.json", import.meta.url);
const text = z.string().regex(/^([0-9a-f]{2})*$/);
const vectorsSchema = z.strictObject({
  input: z.strictObject({
    chainId: z.string(),
    key: z.int(),
    threshold: z.int(),
    members: z.array(
      z.strictObject({ validator: text, secret: text, tickets: z.int(), seed: text }),
    ),
  }),
  output: z.strictObject({
    registrations: z.array(z.strictObject({ encryptionKey: text, possession: text })),
    dealings: z.array(
      z.strictObject({ commitments: text, ephemeral: text, shares: text, possession: text }),
    ),
    complaints: z.array(z.strictObject({ sharedKey: text, proof: text })),
    publicKey: text,
    publicShares: text,
    secrets: z.array(text),
  }),
});
type Vectors = z.infer<typeof vectorsSchema>;

if (process.env["WEFT_WRITE_VECTORS"] === "1") {
  const input = newInput();
  const vectors: Vectors = { input, output: referenceDkg(referenceInput(input)) };
  writeFileSync(FILE, `${JSON.stringify(vectors, null, 2)}\n`);
}

const { input, output } = vectorsSchema.parse(JSON.parse(readFileSync(FILE, "utf8")));
const { tdh2, dkg } = createSealArithmetic();
const terms: KeyTerms = {
  ...input,
  members: input.members.map(({ validator, tickets }, i) => ({
    validator: fromHex(validator),
    encryptionKey: fromHex(output.registrations[i]?.encryptionKey ?? ""),
    tickets,
  })),
};
const dealings: readonly Dealing[] = output.dealings.map((dealing, i) => ({
  key: input.key,
  dealer: fromHex(input.members[i]?.validator ?? ""),
  commitments: fromHex(dealing.commitments),
  ephemeral: fromHex(dealing.ephemeral),
  shares: fromHex(dealing.shares),
  possession: fromHex(dealing.possession),
}));
const secretOf = (at: number) => fromHex(input.members[at]?.secret ?? "");
const addressOf = (at: number) => fromHex(input.members[at]?.validator ?? "");

describe("vectors of key generations", () => {
  test("are what the second implementation makes", () => {
    expect(referenceDkg(referenceInput(input))).toEqual(output);
    expect(output.secrets.length).toBeGreaterThan(input.threshold);
  });

  test("registrations, byte for byte", () => {
    for (const [i, { encryptionKey, possession }] of output.registrations.entries()) {
      const context = encryptionKeyContext(input.chainId, addressOf(i));
      const point = fromHex(encryptionKey);
      expect(toHex(tdh2.provePossession(context, secretOf(i), point))).toBe(possession);
      expect(tdh2.verifyPossession(context, point, fromHex(possession))).toBe(true);
    }
  });

  test("dealings, byte for byte", () => {
    for (const [i, dealing] of dealings.entries()) {
      expect(dkg.deal(terms, addressOf(i), fromHex(input.members[i]?.seed ?? ""))).toEqual(dealing);
      expect(dkg.dealingFault(terms, dealing)).toBeUndefined();
    }
  });

  test("complaints, byte for byte, and what they say of a dealing that is right", () => {
    for (const [i, { sharedKey, proof }] of output.complaints.entries()) {
      const dealing = dealings[i];
      if (dealing === undefined) throw new RangeError("as many complaints as dealings");
      const complaint = dkg.complain(terms, dealing, addressOf(0), 1, secretOf(0));
      expect([toHex(complaint.sharedKey), toHex(complaint.proof)]).toEqual([sharedKey, proof]);
      expect(dkg.judge(terms, dealing, complaint)).toBe("member");
    }
  });

  test("the key and the secrets of all tickets", () => {
    const made = dkg.makeKey(terms, dealings);
    expect(made && toHex(made.publicKey)).toBe(output.publicKey);
    expect(made && toHex(made.publicShares)).toBe(output.publicShares);
    const finished = { ...terms, publicShares: fromHex(output.publicShares) };
    const secrets = terms.members.flatMap(
      ({ validator }, i) =>
        dkg.sharesOfMember(finished, dealings, validator, secretOf(i))?.map((one) => one.secret) ??
        [],
    );
    expect(secrets.map(toHex)).toEqual(output.secrets);
  });
});

function referenceInput(from: Vectors["input"]) {
  return {
    ...from,
    members: from.members.map(({ validator, secret, tickets, seed }) => ({
      validator: fromHex(validator),
      secret: littleEndian(fromHex(secret)),
      tickets,
      seed: fromHex(seed),
    })),
  };
}

/** Inputs that depend on nothing but their names. */
function newInput(): Vectors["input"] {
  const bytes = (name: string, length: number) => namedBytes(`weft dkg vectors ${name}`, length);
  return {
    chainId: "weft-vectors",
    key: 7,
    threshold: 5,
    members: [1, 3, 2].map((tickets, i) => {
      const secret = bytes(`secret ${i}`, 32);
      // Below the order, whatever it is.
      secret[31] = (secret[31] ?? 0) & 15;
      const validator = bytes(`validator ${i}`, 20);
      validator[0] = i;
      const seed = bytes(`seed ${i}`, 32);
      return {
        validator: toHex(validator),
        secret: toHex(secret),
        tickets,
        seed: toHex(seed),
      };
    }),
  };
}

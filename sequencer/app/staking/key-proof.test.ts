import { expect, test } from "vitest";
import { creation, keyNumber } from "../../../test/support/staking-fixtures.ts";
import { applicationKeySignBytes } from "../../../proto/codec/staking-tx.ts";
import {
  ed25519Address,
  ed25519KeyPairFromSeed,
  signEd25519,
  verifyEd25519Sync,
} from "../../../proto/verify/ed25519.ts";
import { applicationKeyProof } from "./key-proof.ts";

const key = ed25519KeyPairFromSeed(new Uint8Array(32).fill(7));

/** Proof for validator number `n` on `chain`. */
function proofFor(chain: string, n: number): Uint8Array {
  const address = ed25519Address(keyNumber(n, "consensus"));
  return signEd25519(key, applicationKeySignBytes(chain, address, key.publicKey));
}

function holds(chain: string, applicationKeyProofOf: Uint8Array): boolean {
  const check = applicationKeyProof(
    chain,
    creation(1, { applicationKey: key.publicKey, applicationKeyProof: applicationKeyProofOf }),
  );
  return verifyEd25519Sync(check.publicKey, check.message, check.signature);
}

test("behavior: a key is proven for one validator on one chain", () => {
  expect(holds("weft-1", proofFor("weft-1", 1))).toBe(true);
  expect(holds("weft-2", proofFor("weft-1", 1))).toBe(false);
  expect(holds("weft-1", proofFor("weft-1", 2))).toBe(false);
  expect(holds("weft-1", new Uint8Array(64))).toBe(false);
});

test("behavior: the proof of a rotation is one of a creation", () => {
  const check = applicationKeyProof("weft-1", {
    kind: "rotateApplicationKey",
    validator: ed25519Address(keyNumber(1, "consensus")),
    applicationKey: key.publicKey,
    applicationKeyProof: proofFor("weft-1", 1),
  });
  expect(verifyEd25519Sync(check.publicKey, check.message, check.signature)).toBe(true);
});

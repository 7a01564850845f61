/** The pinned edge cases are those of novifinancial/ed25519-speccheck (cases.json, Apache-2.0). */
import { beforeEach, describe, expect, test } from "vitest";
import { parseJson } from "../../proto/json-reader.ts";
import { SIGNATURE_VECTORS } from "../../proto/verify/self-test.ts";
import { needVectors, vectorText } from "../support/vectors.ts";

describe("ed25519 speccheck", () => {
  beforeEach(needVectors);

  test("our transcription is the file, and ZIP-215 takes 0 to 5 and 9 to 11", () => {
    const cases = parseJson(vectorText("ed25519", "speccheck-cases.json")).items();
    const accepted = new Set([0, 1, 2, 3, 4, 5, 9, 10, 11]);
    expect(SIGNATURE_VECTORS).toEqual(
      cases.map((node, i) => ({
        publicKey: node.get("pub_key").string(),
        message: node.get("message").string(),
        signature: node.get("signature").string(),
        isValid: accepted.has(i),
      })),
    );
  });
});

import { describe, expect, test } from "vitest";
import { RollupId } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { RevertMode } from "../../proto/codec/mev-tx.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { ALPHA, buildBundleBlock, withLegAlone } from "../../test/support/bundle-block.ts";
import { createBlockVerifier } from "./block-verifier.ts";

async function blockWithBundle() {
  const { message, trust } = await buildBundleBlock();
  const verifier = createBlockVerifier(RollupId(toHex(ALPHA)), trust, createEd25519Verifier());
  return { message, verifier };
}

describe("bundles as the adapter takes them", () => {
  test("behavior: executors are told which payloads are a leg, and what its sender wants", async () => {
    const { message, verifier } = await blockWithBundle();
    const { payloads, legs, entries } = await verifier.verifyFilled(message);
    expect(payloads).toEqual(["one", "two", "zero"].map(utf8ToBytes));
    const bundleId = entries[0]?.bundleId;
    expect(legs).toMatchObject([
      { legs: 2, revertMode: RevertMode.FAIL, first: 0, count: 2, bundleId },
    ]);
  });

  test("behavior: refuses a block whose leg comes alone, and executes nothing of it", async () => {
    const { message, verifier } = await blockWithBundle();
    await expect(verifier.verifyFilled(withLegAlone(message))).rejects.toMatchObject({
      info: { code: "VERIFY_BUNDLE", refusal: "BUNDLE_SIBLING_COUNT" },
    });
    expect(verifier.trusted().height).toBe(0);
  });
});

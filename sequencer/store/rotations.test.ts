import { describe, expect, test } from "vitest";
import { incrementProposerPriority } from "../../proto/validator-set.ts";
import { testGenesis, testKeys, testState } from "../../test/support/chain-builder.ts";
import { ROTATION_HEIGHTS } from "./limits.ts";
import { Rotations } from "./rotations.ts";

describe("the set of a height far above its change", () => {
  // Unequal powers, and priorities that have to be scaled first.
  const { validators } = testState(testGenesis(testKeys(7)));
  const unequal = {
    ...validators,
    validators: validators.validators.map((one, i) => ({
      ...one,
      votingPower: BigInt(1 + i * i),
      proposerPriority: BigInt((i - 3) * 1_000),
    })),
    totalVotingPower: 98n,
  };

  test("is that of one long rotation, in whatever order heights are asked for", async () => {
    let yields = 0;
    const rotations = new Rotations(() => Promise.resolve(void (yields += 1)));
    const distances = [1, 999, 1_000, 1_001, 4_500, 3_999, 4_501, 2, 12_345];
    for (const distance of distances) {
      expect(await rotations.advance(unequal, 77, 77 + distance), `${distance}`).toEqual(
        incrementProposerPriority(unequal, distance),
      );
    }
    expect(yields).toBe(Math.floor(12_345 / ROTATION_HEIGHTS));
    expect(await rotations.advance(unequal, 77, 77)).toBe(unequal);
  });

  test("is worked out from where a question came near it, for each stored set by itself", async () => {
    let pieces = 0;
    const rotations = new Rotations(() => Promise.resolve(void (pieces += 1)));
    await rotations.advance(unequal, 1, 50_001);
    expect(pieces).toBe(50);
    await rotations.advance(unequal, 1, 49_990);
    await rotations.advance(unequal, 1, 51_005);
    expect(pieces).toBe(51);
    const other = incrementProposerPriority(unequal, 3);
    expect(await rotations.advance(other, 2, 2_002)).toEqual(
      incrementProposerPriority(other, 2_000),
    );
  });
});

/**
 * Evidence is accepted exactly when it was built from a real offence: who signs how much decides, and no
 * other value in any field is let through. The duplicate votes are CometBFT's table
 * (`evidence/verify_test.go`, TestVerifyDuplicateVoteEvidence, v0.38.25).
 */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  alteredAttacks,
  doubleVoteCases,
  forwardCases,
  GOOD_ATTACK,
  isAccepted,
  lunaticCases,
  secpCases,
  twoBlockCases,
  type EvidenceCase,
} from "../support/evidence-cases.ts";

/** The cases whose verdict is not the one they were built for; none, unless a property is broken. */
async function misjudged(cases: fc.Arbitrary<EvidenceCase>, numRuns: number): Promise<string[]> {
  const names: string[] = [];
  for (const { name, piece, isProof } of fc.sample(cases, numRuns)) {
    if ((await isAccepted(piece)) !== isProof) names.push(name);
  }
  return names;
}

describe("evidence", () => {
  test("lunatic: accepted exactly when over a third of the old and two thirds of its own set signed", async () => {
    expect(await misjudged(lunaticCases, 60)).toEqual([]);
  });

  test("equivocation: accepted exactly when over two thirds signed again in the same round", async () => {
    expect(await misjudged(twoBlockCases, 60)).toEqual([]);
  });

  test("phantoms with secp256k1 keys: accepted exactly when their signatures hold too", async () => {
    expect(await misjudged(secpCases, 30)).toEqual([]);
  });

  test("blocks above the last height are never taken", async () => {
    expect(await misjudged(forwardCases, 10)).toEqual([]);
  });

  test("no field of an attack can be altered", async () => {
    expect(await isAccepted(GOOD_ATTACK)).toBe(true);
    expect(await misjudged(alteredAttacks, 150)).toEqual([]);
  });

  test("duplicate votes: CometBFT's table", async () => {
    for (const { name, piece, isProof } of doubleVoteCases) {
      expect(await isAccepted(piece), name).toBe(isProof);
    }
  });
});

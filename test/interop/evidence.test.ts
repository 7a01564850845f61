/** CometBFT's own evidence pool and ours judge the same pieces against the same chain: no verdict may differ. */
import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../proto/bytes.ts";
import { encodeEvidence, encodeHeader } from "../../proto/codec/block.ts";
import { encodeValidatorSet } from "../../proto/codec/types.ts";
import { encodeCommit } from "../../proto/codec/votes.ts";
import { TEST_CHAIN_ID } from "../support/chain-builder.ts";
import {
  alteredAttacks,
  doubleVoteCases,
  EVIDENCE_CHAIN,
  forwardCases,
  GOOD_ATTACK,
  isAccepted,
  lunaticCases,
  secpCases,
  twoBlockCases,
  type EvidenceCase,
} from "../support/evidence-cases.ts";

const JUDGE = fileURLToPath(new URL("./evidence-judge", import.meta.url));
const hasGo = spawnSync("go", ["version"]).status === 0;
/** Which cases are drawn; any number will do. */
const SEED = 38;

function chainJson(): string {
  const { evidence } = EVIDENCE_CHAIN[0]?.stateBefore.consensusParams ?? {};
  return JSON.stringify({
    chainId: TEST_CHAIN_ID,
    maxAgeBlocks: Number(evidence?.maxAgeBlocks),
    maxAgeNanos: Number(evidence?.maxAgeDurationNanos),
    heights: EVIDENCE_CHAIN.map(({ block, stateBefore }, i) => {
      const above = EVIDENCE_CHAIN[i + 1];
      return {
        header: toHex(encodeHeader(block.header)),
        validators: toHex(encodeValidatorSet(stateBefore.validators)),
        // The commit for a height stands in the block above it.
        commit: above === undefined ? null : toHex(encodeCommit(above.block.lastCommit)),
      };
    }),
  });
}

function verdictsOfGo(cases: readonly EvidenceCase[]): readonly string[] {
  const lines = [chainJson(), ...cases.map(({ piece }) => toHex(encodeEvidence(piece)))];
  const input = `${lines.join("\n")}\n`;
  const output = execFileSync("go", ["run", "."], { cwd: JUDGE, input, encoding: "utf8" });
  return output.trim().split("\n");
}

describe.skipIf(!hasGo && process.env["CI"] === undefined)("evidence, judged by CometBFT", () => {
  test("interop: every verdict on attacks and double votes is ours", async () => {
    const draw = (cases: fc.Arbitrary<EvidenceCase>, count: number) =>
      fc.sample(cases, { seed: SEED, numRuns: count });
    const cases = [
      { name: "a lunatic attack", piece: GOOD_ATTACK, isProof: true },
      ...draw(lunaticCases, 80),
      ...draw(secpCases, 40),
      ...draw(twoBlockCases, 80),
      ...draw(forwardCases, 20),
      ...draw(alteredAttacks, 200),
      ...doubleVoteCases,
    ];
    const theirs = verdictsOfGo(cases);
    expect(theirs.length).toBe(cases.length);
    const differing: string[] = [];
    for (const [i, { name, piece }] of cases.entries()) {
      const verdict = theirs[i] ?? "";
      const isOurs = await isAccepted(piece);
      if (isOurs !== (verdict === '"valid"')) differing.push(`${name}: ${isOurs}, Go: ${verdict}`);
    }
    expect(differing).toEqual([]);
    expect(theirs.filter((verdict) => verdict === '"valid"').length).toBeGreaterThan(30);
  });
});

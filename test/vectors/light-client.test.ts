/**
 * Model-based cases of the light client: informalsystems/tendermint-rs
 * light-client/tests/support/model_based/single_step (Apache-2.0), 41 files with 99 verdicts.
 */
import { beforeEach, describe, expect, test } from "vitest";
import { commitFromJson, headerFromJson, validatorFromJson } from "../../proto/json.ts";
import { type JsonNode, parseJson } from "../../proto/json-reader.ts";
import { BlockIdFlag, type SignedHeader, type ValidatorSet, ZERO_TIME } from "../../proto/types.ts";
import { compareValidators } from "../../proto/validator-set.ts";
import { ONE_THIRD } from "../../proto/verify/commit.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { type TrustedState, verifyLightBlock } from "../../proto/verify/light/step.ts";
import { needVectors, vectorFiles, vectorText } from "../support/vectors.ts";

function signedHeader(node: JsonNode): SignedHeader {
  const commit = commitFromJson(node.get("commit"));
  // The generator stamps absent entries with a time; the types that it feeds cannot hold one.
  const signatures = commit.signatures.map((sig) =>
    sig.blockIdFlag === BlockIdFlag.ABSENT ? { ...sig, timestamp: ZERO_TIME } : sig,
  );
  return { header: headerFromJson(node.get("header")), commit: { ...commit, signatures } };
}

/** The files list validators in any order, and some sets are empty. */
function validatorSet(node: JsonNode): ValidatorSet {
  const validators = node.get("validators").items().map(validatorFromJson);
  validators.sort(compareValidators);
  const totalVotingPower = validators.reduce((sum, v) => sum + v.votingPower, 0n);
  const [first] = validators;
  const proposer = first ?? validatorFromJson(node.get("proposer"));
  return { validators, proposer, totalVotingPower };
}

const VERDICTS = {
  verified: "SUCCESS",
  notEnoughTrust: "NOT_ENOUGH_TRUST",
  expired: "INVALID",
  invalid: "INVALID",
} as const;

describe("light client, model-based", () => {
  beforeEach(needVectors);

  test("all 99 verdicts of 41 files", async () => {
    const verifier = createEd25519Verifier();
    const files = vectorFiles("light-client");
    expect(files.length).toBe(41);
    let steps = 0;
    for (const file of files) {
      const node = parseJson(vectorText("light-client", file));
      const initial = node.get("initial");
      let trusted: TrustedState = {
        header: signedHeader(initial.get("signed_header")).header,
        validators: validatorSet(initial.get("next_validator_set")),
      };
      const options = {
        trustLevel: ONE_THIRD,
        trustingPeriodNanos: initial.get("trusting_period").bigint(),
        maxClockDriftNanos: 0n,
      };
      for (const [i, step] of node.get("input").items().entries()) {
        const block = step.get("block");
        const untrusted = {
          signedHeader: signedHeader(block.get("signed_header")),
          validatorSet: validatorSet(block.get("validator_set")),
        };
        const now = step.get("now").time();
        const verdict = await verifyLightBlock(trusted, untrusted, now, options, verifier);
        const expected = step.get("verdict").string();
        expect(VERDICTS[verdict.kind], `${file} step ${i}: ${JSON.stringify(verdict)}`).toBe(
          expected,
        );
        steps++;
        if (verdict.kind !== "verified") continue;
        const validators = validatorSet(block.get("next_validator_set"));
        trusted = { header: untrusted.signedHeader.header, validators };
      }
    }
    expect(steps).toBe(99);
  });
});

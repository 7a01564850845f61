/**
 * CometBFT's own cases (`evidence/verify_test.go`, v0.38.25: TestVerifyLightClientAttack_*), on sets of
 * our keys: the tables are theirs, what they build at random is built from fixed seeds.
 */
import { describe, expect, test } from "vitest";
import {
  testKeys,
  buildChain,
  testGenesis,
  TEST_CHAIN_ID,
} from "../../test/support/chain-builder.ts";
import { forge, lightBlockOf, setOf } from "../../test/support/forks.ts";
import { Height } from "../brands.ts";
import { utf8ToBytes } from "../bytes.ts";
import { sha256 } from "../hash.ts";
import { addMs } from "../time.ts";
import type { LightBlock, LightClientAttackEvidence, Validator, ValidatorSet } from "../types.ts";
import { validateEvidence } from "../validate-basic.ts";
import { createEd25519Verifier } from "./ed25519.ts";
import {
  classifyAttack,
  findAttackFault,
  makeLightClientAttackEvidence,
} from "./light-client-attack.ts";

const KEYS = testKeys(20);
const COMMON_KEYS = KEYS.slice(0, 10);
const PHANTOM_KEYS = KEYS.slice(10);
const CHAIN = buildChain(COMMON_KEYS, 10, testGenesis(COMMON_KEYS));
const VERIFIER = createEd25519Verifier();
const FORGED = { appHash: sha256(utf8ToBytes("never executed")) };

function blockAt(height: number): LightBlock {
  const built = CHAIN[height - 1];
  if (built === undefined) throw new Error(`there is no block ${height}`);
  return lightBlockOf(built);
}

function faultOf(
  evidence: LightClientAttackEvidence,
  common: LightBlock,
  trusted: LightBlock,
  commonValidators: ValidatorSet = common.validatorSet,
): Promise<string | undefined> {
  const { height: commonHeight } = common.signedHeader.header;
  const chain = {
    chainId: TEST_CHAIN_ID,
    commonHeight,
    commonValidators,
    trusted: trusted.signedHeader,
  };
  return findAttackFault(evidence, chain, VERIFIER);
}

/** Phantoms with `byzantine` of the common validators commit a forged block at `height`. */
function lunatic(byzantine: number, height = 10, time = blockAt(10).signedHeader.header.time) {
  const common = blockAt(4);
  const trusted = blockAt(Math.min(height, 10));
  const members = [...COMMON_KEYS.slice(0, byzantine), ...PHANTOM_KEYS.slice(0, 10 - byzantine)];
  const header = { ...FORGED, height: Height(height), time };
  const conflicting = forge(trusted, { signers: members, validators: setOf(members), header });
  return { evidence: makeLightClientAttackEvidence(conflicting, trusted, common), common, trusted };
}

/** All but one of the common validators commit two blocks at height 10. */
function twoBlocks(round: number) {
  const trusted = blockAt(10);
  const signers = COMMON_KEYS.slice(0, 9);
  const conflicting = forge(trusted, { signers, validators: trusted.validatorSet, round });
  return { evidence: makeLightClientAttackEvidence(conflicting, trusted, blockAt(4)), trusted };
}

describe("attacks on light clients, CometBFT's cases", () => {
  test("lunatic: holds; not our own block, not another total power, not without a third of power", async () => {
    const { evidence, common, trusted } = lunatic(4);
    expect(() => validateEvidence(evidence)).not.toThrow();
    expect(await faultOf(evidence, common, trusted)).toBeUndefined();
    expect(evidence).toMatchObject({ commonHeight: 4, totalVotingPower: 100n });
    expect(evidence.timestamp).toEqual(common.signedHeader.header.time);
    expect(evidence.byzantineValidators.length).toBe(4);

    const own = await faultOf(evidence, common, evidence.conflictingBlock);
    expect(own).toMatch(/is ours/);
    const otherPower = { ...evidence, totalVotingPower: 10n };
    expect(await faultOf(otherPower, common, trusted)).toMatch(/expected total power 100, got 10/);
    const few = lunatic(3);
    expect(await faultOf(few.evidence, few.common, few.trusted)).toMatch(/expected more than 33/);
  });

  test("lunatic: byzantine validators are all that signed, with their own powers and keys", async () => {
    const { evidence, common, trusted } = lunatic(4);
    const [first, ...rest] = evidence.byzantineValidators;
    if (first === undefined) throw new Error("nobody is blamed");
    const phantom = PHANTOM_KEYS[0];
    if (phantom === undefined) throw new Error("there is no phantom");
    const lists: readonly [readonly Validator[], RegExp][] = [
      [[first], /expected 4 byzantine validators, got 1/],
      [[], /expected 4 byzantine validators, got 0/],
      [[...rest, first], /expected byzantine validator .* at place 0/],
      [[{ ...first, votingPower: 11n }, ...rest], /expected power 10/],
      // ABCI is told the address of the key: blame would go to another validator.
      [[{ ...first, publicKey: phantom.publicKey }, ...rest], /is another validator's/],
    ];
    for (const [byzantineValidators, message] of lists) {
      const altered = { ...evidence, byzantineValidators };
      expect(await faultOf(altered, common, trusted)).toMatch(message);
    }
    // The priority of a blamed validator is nobody's statement.
    const byzantineValidators = [{ ...first, proposerPriority: 7n }, ...rest];
    expect(await faultOf({ ...evidence, byzantineValidators }, common, trusted)).toBeUndefined();
  });

  test("forward lunatic: holds when its time contradicts our last block, not when it is later", async () => {
    const last = blockAt(10).signedHeader.header.time;
    const earlier = lunatic(5, 12, addMs(last, -1));
    expect(await faultOf(earlier.evidence, earlier.common, earlier.trusted)).toBeUndefined();
    const later = lunatic(5, 12, addMs(last, 1));
    expect(await faultOf(later.evidence, later.common, later.trusted)).toMatch(/higher and later/);
  });

  test("equivocation: who signed both of one round; our own block and a forged one are none", async () => {
    const { evidence, trusted } = twoBlocks(0);
    expect(evidence.byzantineValidators.length).toBe(9);
    expect(evidence.commonHeight).toBe(10);
    expect(await faultOf(evidence, trusted, trusted)).toBeUndefined();
    expect(await faultOf(evidence, trusted, evidence.conflictingBlock)).toMatch(/is ours/);
    const header = { nextValidatorsHash: sha256(utf8ToBytes("others")) };
    const { validatorSet } = trusted;
    const conflicting = forge(trusted, { signers: COMMON_KEYS, validators: validatorSet, header });
    const forged = { ...evidence, conflictingBlock: conflicting };
    expect(await faultOf(forged, trusted, trusted)).toMatch(/not correctly derived/);
  });

  test("amnesia: blocks of different rounds blame nobody", async () => {
    const { evidence, trusted } = twoBlocks(1);
    expect(evidence.byzantineValidators).toEqual([]);
    expect(await faultOf(evidence, trusted, trusted)).toBeUndefined();
    const { conflictingBlock } = evidence;
    const attack = classifyAttack(conflictingBlock, trusted.validatorSet, trusted.signedHeader);
    expect(attack.kind).toBe("amnesia");
    const blaming = {
      ...evidence,
      byzantineValidators: trusted.validatorSet.validators.slice(0, 1),
    };
    expect(await faultOf(blaming, trusted, trusted)).toMatch(/expected 0 byzantine validators/);
    expect(await faultOf(evidence, trusted, conflictingBlock)).toMatch(/is ours/);
  });

  test("a commit of other powers, of another chain, or with a bad signature proves nothing", async () => {
    const { evidence, common, trusted } = lunatic(4);
    const members = [...COMMON_KEYS.slice(0, 4), ...PHANTOM_KEYS.slice(0, 6)];
    const forged = (signers: typeof KEYS, chainId = TEST_CHAIN_ID) => {
      const options = { signers, validators: setOf(members), header: FORGED, chainId };
      const conflicting = forge(trusted, options);
      return makeLightClientAttackEvidence(conflicting, trusted, common);
    };
    const minority = forged(members.slice(0, 6));
    expect(await faultOf(minority, common, trusted)).toMatch(/expected more than 66, got 60/);
    const foreign = forged(members, "another-chain");
    expect(await faultOf(foreign, common, trusted)).toMatch(/does not verify/);
    const { signedHeader } = evidence.conflictingBlock;
    const signatures = signedHeader.commit.signatures.map((sig, i) =>
      i === 9 ? { ...sig, signature: new Uint8Array(64) } : sig,
    );
    const commit = { ...signedHeader.commit, signatures };
    const bad = {
      ...evidence,
      conflictingBlock: { ...evidence.conflictingBlock, signedHeader: { ...signedHeader, commit } },
    };
    expect(await faultOf(bad, common, trusted)).toMatch(/does not verify/);
  });
});

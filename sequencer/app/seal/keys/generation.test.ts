import { describe, expect, test } from "vitest";
import { badDealing, createSealChain, type SealChain } from "../../../../test/support/seal-keys.ts";
import { addValidator, ONE, validatorNumber } from "../../../../test/support/staking-fixtures.ts";
import { Height } from "../../../../proto/brands.ts";
import { fromHex, toHex } from "../../../../proto/bytes.ts";
import { jail, tombstone } from "../../slashing/jail.ts";
import { lastHeightOf, requireEpoch, requireValidator } from "../../staking/validator-records.ts";
import { numberKey, SEAL_DEALINGS, SEAL_ENCRYPTION, SEALED } from "../../state/tables.ts";
import { keyInForce, sealKey, sealState } from "../reader.ts";
import { generationProgress } from "../report.ts";
import { generationOf } from "./generation.ts";

const all = (chain: SealChain) => chain.validators.map((_, at) => at);
const validatorAt = (chain: SealChain, at: number) => chain.validators[at]?.validator ?? "";
const stateOf = (chain: SealChain, at: number) =>
  requireValidator(chain.ctx, validatorAt(chain, at));

/** Everybody registers; the generation has begun. */
function begun(powers: readonly bigint[], options = {}): SealChain {
  const chain = createSealChain(powers, options);
  for (const at of all(chain)) expect(chain.register(at)).toBeUndefined();
  chain.nextBlock();
  return chain;
}

function pass(chain: SealChain, blocks: number): void {
  for (let i = 0; i < blocks; i++) chain.nextBlock();
}

/** To the block after the generation under way. */
function finish(chain: SealChain): void {
  while (generationOf(chain.ctx) !== undefined) chain.nextBlock();
}

const dealings = (chain: SealChain) => chain.ctx.records.keys(SEAL_DEALINGS);

describe("the begin of a key generation", () => {
  test("comes at once when every validator of the set has an encryption key", () => {
    const chain = createSealChain([10n, 10n, 10n, 10n]);
    for (const at of [0, 1, 2]) chain.register(at);
    chain.nextBlock();
    expect(generationOf(chain.ctx)).toBeUndefined();
    chain.register(3);
    chain.nextBlock();
    const generation = chain.generation();
    const height = chain.ctx.height - 1;
    expect(generation).toMatchObject({
      key: 1,
      startHeight: height,
      dealHeight: height + 10,
      complainHeight: height + 20,
      threshold: 3,
      totalPower: 40n,
      powers: [10n, 10n, 10n, 10n],
    });
    expect(generation.members.map(({ tickets }) => tickets)).toEqual([1, 1, 1, 1]);
    expect(generation.members.map(({ validator }) => toHex(validator))).toEqual(
      chain.validators.map(({ validator }) => validator),
    );
    expect(sealState(chain.ctx)).toMatchObject({ lastGeneration: 1, generationAttempts: 1 });
  });

  test("waits for the others for ten blocks of the epoch, then does without them", () => {
    const chain = createSealChain([10n, 10n, 10n, 10n]);
    for (const at of [0, 1, 3]) chain.register(at);
    const { startHeight } = requireEpoch(chain.ctx);
    while (generationOf(chain.ctx) === undefined) chain.nextBlock();
    const { members, threshold, totalPower } = chain.generation();
    expect(chain.generation().startHeight).toBe(startHeight + 9);
    expect(members.map(({ validator }) => toHex(validator))).toEqual(
      [0, 1, 3].map((at) => validatorAt(chain, at)),
    );
    // Three of four without one of them: two; who has a third or less has one ticket.
    expect([threshold, totalPower]).toEqual([2, 40n]);
  });

  test("comes in epochs of any length without those who have no encryption key", () => {
    for (const epochLength of [1, 2, 9, 10, 11]) {
      const chain = createSealChain([10n, 10n, 10n, 10n], { params: { epochLength } });
      for (const at of [0, 1, 3]) chain.register(at);
      pass(chain, 2 * epochLength);
      expect(sealState(chain.ctx).lastGeneration, `${epochLength} blocks`).toBeGreaterThan(0);
    }
  });

  test("does not come while those with a key have two thirds or less", () => {
    const chain = createSealChain([10n, 10n, 10n]);
    chain.register(0);
    chain.register(1);
    pass(chain, 40);
    expect(generationOf(chain.ctx)).toBeUndefined();
    chain.register(2);
    chain.nextBlock();
    expect(generationOf(chain.ctx)).toBeDefined();
  });

  test("leaves those out whose power is not worth a ticket", () => {
    const chain = begun([1n, 1_000n, 1_000n, 1_000n]);
    const { members, powers } = chain.generation();
    const small = chain.validators.find(({ number }) => number === 0);
    expect(members).toHaveLength(3);
    expect(members.map(({ validator }) => toHex(validator))).not.toContain(small?.validator);
    expect(powers).toEqual([1_000n, 1_000n, 1_000n]);
  });

  test("gives more time in sets in which more proposers in a row may be faulty", () => {
    const { startHeight, dealHeight, complainHeight } = begun(
      Array<bigint>(13).fill(5n),
    ).generation();
    expect([dealHeight - startHeight, complainHeight - dealHeight]).toEqual([12, 12]);
  });
});

describe("registration of encryption keys", () => {
  test("belongs to the application key, and needs the secret", () => {
    const chain = createSealChain([10n, 10n]);
    expect(chain.register(0)).toBeUndefined();
    expect(chain.register(0)?.code).toBe("SEAL_DONE");
    expect(chain.register(0, 1)?.reason).toContain("at height");
    pass(chain, 10);
    const before = chain.ctx.records.get(SEAL_ENCRYPTION, validatorAt(chain, 0));
    expect(chain.register(0, 1)).toBeUndefined();
    const after = chain.ctx.records.get(SEAL_ENCRYPTION, validatorAt(chain, 0));
    expect(after?.encryptionKey).not.toEqual(before?.encryptionKey);
  });

  test("does not change the generation under way", () => {
    const chain = begun([10n, 10n, 10n, 10n]);
    const { members } = chain.generation();
    pass(chain, 9);
    expect(chain.register(0, 1)).toBeUndefined();
    expect(chain.generation().members).toEqual(members);
  });
});

describe("a key generation", () => {
  test("ends with a key in force when all have dealt and nobody has complained", () => {
    const chain = begun([10n, 10n, 10n, 10n]);
    const { startHeight } = chain.generation();
    for (const at of all(chain)) expect(chain.deal(at)).toBeUndefined();
    for (const at of all(chain)) {
      for (const dealer of all(chain)) expect(chain.wrongTicket(at, dealer)).toBeUndefined();
    }
    chain.nextBlock();
    // Dealing is over in the first block; complaints have their whole time.
    expect(chain.generation()).toMatchObject({
      dealHeight: startHeight + 1,
      complainHeight: startHeight + 11,
    });
    finish(chain);
    expect(chain.ctx.height).toBe(startHeight + 12);
    expect(sealState(chain.ctx)).toMatchObject({ activeKey: 1, nextKey: 0, isOpen: true });
    expect(keyInForce(chain.ctx, chain.ctx.height)).toBe(1);
    const key = sealKey(chain.ctx, 1);
    expect(key).toMatchObject({ threshold: 3, activeHeight: startHeight + 12, retiredHeight: 0 });
    expect(key?.dealers).toHaveLength(4);
    expect(key?.publicShares).toHaveLength(4 * 32);
    pass(chain, 30);
    expect(generationOf(chain.ctx), "one for each epoch").toBeUndefined();
  });

  test("goes on without a dealer who was silent, as long as the others suffice", () => {
    const chain = begun([10n, 10n, 10n, 10n]);
    const { dealHeight } = chain.generation();
    const progress = () => generationProgress(chain.ctx);
    expect(progress()?.silent).toHaveLength(4);
    for (const at of [0, 1, 3]) chain.deal(at);
    const silent = [fromHex(validatorAt(chain, 2))];
    expect(progress()).toEqual({ step: "dealing", until: dealHeight, silent });
    while (chain.ctx.height < dealHeight) chain.nextBlock();
    expect(progress()?.step).toBe("dealing");
    chain.nextBlock();
    expect(progress()).toEqual({ step: "complaints", until: dealHeight + 10, silent });
    finish(chain);
    expect(progress()).toBeUndefined();
    expect(chain.ctx.height).toBe(dealHeight + 11);
    expect(sealKey(chain.ctx, 1)?.dealers.map(toHex)).toEqual(
      [0, 1, 3].map((at) => validatorAt(chain, at)),
    );
    expect(stateOf(chain, 2).jailed).toBe(false);
    expect(sealState(chain.ctx).isOpen).toBe(true);
  });

  test("takes dealings of its members alone, once each, in time", () => {
    const chain = begun([10n, 10n, 10n, 10n]);
    const { dealHeight } = chain.generation();
    expect(chain.deal(1, chain.dealing(0))?.code).toBe("SEAL_NOT_MEMBER");
    expect(chain.deal(0, { ...chain.dealing(0), key: 2 })?.code).toBe("SEAL_GENERATION_NONE");
    expect(chain.deal(0, { ...chain.dealing(0), shares: new Uint8Array(96) })?.code).toBe(
      "SEAL_DEAL_BAD",
    );
    expect(chain.deal(0)).toBeUndefined();
    expect(chain.deal(0)?.code).toBe("SEAL_DONE");
    tombstone(chain.ctx, validatorAt(chain, 1));
    expect(chain.deal(1)?.code).toBe("VALIDATOR_TOMBSTONED");
    jail(chain.ctx, validatorAt(chain, 2), 0);
    for (const at of [2, 3]) chain.deal(at);
    pass(chain, dealHeight + 1 - chain.ctx.height);
    expect(generationOf(chain.ctx)).toBeDefined();
    expect(chain.deal(1)?.code).toBe("SEAL_GENERATION_NONE");
  });

  test("disqualifies and punishes a dealer whose share was wrong", () => {
    const chain = begun([10n, 10n, 10n, 10n]);
    for (const at of [0, 2, 3]) chain.deal(at);
    expect(chain.deal(1, badDealing(chain, 1, 2)), "nobody sees it yet").toBeUndefined();
    const tokens = stateOf(chain, 1).tokens;
    chain.nextBlock();
    expect(chain.wrongTicket(0, 1)).toBeUndefined();
    expect(chain.wrongTicket(2, 1)).toBe(3);
    const complaint = chain.complaint(2, 1);
    expect(chain.complain(complaint, 0)?.code, "signed by another").toBe("SEAL_NOT_MEMBER");
    expect(chain.complain({ ...complaint, ticket: 1 }, 2)?.code).toBe("SEAL_NOT_MEMBER");
    expect(chain.complain(complaint, 2)).toBeUndefined();
    expect(chain.complain(complaint, 2)?.code).toBe("SEAL_DONE");
    expect(chain.generation().disqualified.map(toHex)).toEqual([validatorAt(chain, 1)]);
    expect(stateOf(chain, 1)).toMatchObject({ jailed: true, tokens: (tokens * 99n) / 100n });
    expect(stateOf(chain, 2)).toMatchObject({ jailed: false, tokens });
    finish(chain);
    expect(sealKey(chain.ctx, 1)?.dealers.map(toHex)).toEqual(
      [0, 2, 3].map((at) => validatorAt(chain, at)),
    );
    expect(dealings(chain)).toHaveLength(3);
    // Its tickets stay where they are: the other three are all of the power, and hold three.
    expect(sealState(chain.ctx).isOpen).toBe(true);
  });

  test("punishes a member that complains of a share that is right, and hears it no more", () => {
    const chain = begun([10n, 10n, 10n, 10n]);
    for (const at of all(chain)) chain.deal(at);
    const tokens = stateOf(chain, 3).tokens;
    const complaint = chain.complaint(3, 0);
    const unproven = { ...complaint, proof: new Uint8Array(64) };
    expect(chain.complain(unproven, 3)?.code).toBe("SEAL_COMPLAINT_UNPROVEN");
    expect(stateOf(chain, 3).jailed).toBe(false);
    expect(chain.complain(complaint, 3)).toBeUndefined();
    expect(stateOf(chain, 3)).toMatchObject({ jailed: true, tokens: (tokens * 99n) / 100n });
    expect(stateOf(chain, 0)).toMatchObject({ jailed: false, tokens });
    expect(chain.complain(chain.complaint(3, 1), 3)?.reason).toContain("was disqualified");
    finish(chain);
    expect(sealKey(chain.ctx, 1)?.dealers.map(toHex)).toEqual(
      [0, 1, 2].map((at) => validatorAt(chain, at)),
    );
  });

  test("is tried once more without those who were silent, who are jailed", () => {
    const chain = begun([30n, 20n, 20n, 20n]);
    const silent = chain.validators.flatMap(({ number }, at) => (number > 1 ? [at] : []));
    const active = all(chain).filter((at) => !silent.includes(at));
    const { dealHeight } = chain.generation();
    for (const at of active) chain.deal(at);
    pass(chain, dealHeight - chain.ctx.height);
    expect(chain.updates).toEqual([]);
    chain.nextBlock();
    // In the block that ends it the silent ones leave, and the others begin again.
    expect(chain.updates.map(({ validator, power }) => [validator, power])).toEqual(
      silent.map((at) => [validatorAt(chain, at), 0n]),
    );
    for (const at of silent) {
      expect(stateOf(chain, at)).toMatchObject({ jailed: true, tombstoned: false });
      expect(stateOf(chain, at).tokens, "silence costs no stake").toBe(20n * 1_000_000n);
    }
    const again = chain.generation();
    expect(again).toMatchObject({ key: 2, totalPower: 50n, startHeight: dealHeight });
    expect(again.members.map(({ validator }) => toHex(validator))).toEqual(
      active.map((at) => validatorAt(chain, at)),
    );
    expect(dealings(chain), "of the first attempt nothing is left").toEqual([]);
    for (const at of active) chain.deal(at);
    finish(chain);
    expect(sealState(chain.ctx)).toMatchObject({
      activeKey: 2,
      isOpen: true,
      generationAttempts: 2,
    });
  });

  test("jails nobody when most are silent, and is given up after the second attempt", () => {
    const chain = begun([10n, 10n, 10n, 10n]);
    for (const key of [1, 2]) {
      expect(chain.generation().key).toBe(key);
      chain.deal(0);
      chain.deal(1);
      pass(chain, chain.generation().dealHeight + 1 - chain.ctx.height);
    }
    expect(generationOf(chain.ctx)).toBeUndefined();
    expect(chain.validators.some((_, at) => stateOf(chain, at).jailed)).toBe(false);
    expect(sealState(chain.ctx)).toMatchObject({ activeKey: 0, lastGeneration: 2 });
    const { number } = requireEpoch(chain.ctx);
    while (generationOf(chain.ctx) === undefined) chain.nextBlock();
    expect(requireEpoch(chain.ctx).number, "the next epoch tries again").toBe(number + 1);
    expect(chain.generation().key).toBe(3);
  });

  test("fails when too few dealings are good", () => {
    const chain = begun([10n, 10n, 10n, 10n]);
    for (const at of [0, 1]) chain.deal(at);
    for (const at of [2, 3]) chain.deal(at, badDealing(chain, at, 0));
    for (const dealer of [2, 3])
      expect(chain.complain(chain.complaint(0, dealer), 0)).toBeUndefined();
    pass(chain, 1);
    pass(chain, chain.generation().complainHeight + 1 - chain.ctx.height);
    expect(sealKey(chain.ctx, 1)).toBeUndefined();
    // The liars are out; the other two are the set now.
    expect(chain.generation()).toMatchObject({ key: 2, totalPower: 20n });
  });
});

/** A chain with key 1 in force, at the first height that has it. */
function withKey(options = {}): SealChain {
  const chain = begun([10n, 10n, 10n, 10n], options);
  for (const at of all(chain)) chain.deal(at);
  finish(chain);
  return chain;
}

describe("keys", () => {
  test("are replaced once in each epoch, after a lead in which the old one serves", () => {
    const chain = withKey({ params: { epochLength: 40, sealKeyLead: 7 } });
    while (generationOf(chain.ctx) === undefined) chain.nextBlock();
    expect(chain.generation().startHeight + 1).toBe(requireEpoch(chain.ctx).startHeight);
    for (const at of all(chain)) chain.deal(at);
    finish(chain);
    const { nextKeyHeight } = sealState(chain.ctx);
    expect(nextKeyHeight).toBe(chain.ctx.height - 1 + 7);
    expect(sealState(chain.ctx)).toMatchObject({ activeKey: 1, nextKey: 2, isOpen: true });
    pass(chain, nextKeyHeight - 1 - chain.ctx.height);
    expect(keyInForce(chain.ctx, chain.ctx.height)).toBe(1);
    expect(keyInForce(chain.ctx, chain.ctx.height + 1)).toBe(2);
    chain.nextBlock();
    expect(sealState(chain.ctx)).toMatchObject({ activeKey: 2, nextKey: 0, isOpen: true });
    expect(sealKey(chain.ctx, 1)).toMatchObject({ retiredHeight: nextKeyHeight });
    expect(sealKey(chain.ctx, 2)).toMatchObject({ activeHeight: nextKeyHeight, retiredHeight: 0 });
  });

  test("are of no use while a quorum may lack the tickets, until the next one", () => {
    const chain = withKey({ params: { epochLength: 40 } });
    const jailAt = (at: number) => jail(chain.ctx, validatorAt(chain, at), Number.MAX_SAFE_INTEGER);
    jailAt(0);
    chain.nextBlock();
    // Three are left, and more than two thirds are all of them.
    expect(sealState(chain.ctx).isOpen).toBe(true);
    jailAt(1);
    chain.nextBlock();
    expect(sealState(chain.ctx)).toMatchObject({ activeKey: 1, isOpen: false });
    while (generationOf(chain.ctx) === undefined) chain.nextBlock();
    for (const at of [2, 3]) chain.deal(at);
    finish(chain);
    // Nobody can use the old one: no need to wait for the lead.
    expect(sealState(chain.ctx)).toMatchObject({ activeKey: 2, nextKey: 0, isOpen: true });
  });

  test("are made by the set that was, and closed when the set has outgrown it meanwhile", () => {
    const chain = createSealChain([10n, 10n, 10n, 10n], { params: { epochLength: 30 } });
    const { ctx } = chain;
    pass(chain, lastHeightOf(requireEpoch(ctx)) - 5 - ctx.height);
    for (const at of all(chain)) chain.register(at);
    chain.nextBlock();
    const { members } = chain.generation();
    for (const at of all(chain)) chain.deal(at);
    const { number } = requireEpoch(ctx);
    for (const n of [7, 8]) addValidator(ctx, n, { selfDelegation: 40n * ONE });
    finish(chain);
    expect(requireEpoch(ctx)).toMatchObject({ number: number + 1, activePower: 120n });
    expect(sealKey(ctx, 1)?.members).toEqual(members);
    expect(sealState(ctx)).toMatchObject({ activeKey: 1, isOpen: false });
    pass(chain, 40);
    // Those with an encryption key are a third by now.
    expect(generationOf(ctx)).toBeUndefined();
    for (const n of [7, 8]) jail(ctx, validatorNumber(n), Number.MAX_SAFE_INTEGER);
    chain.nextBlock();
    expect(sealState(ctx), "back to those who made it").toMatchObject({ isOpen: true });
    expect(chain.generation().key, "and this epoch still lacks one of its own").toBe(2);
  });

  test("keep their dealings until the last item is resolved, and stay as long as evidence counts", () => {
    const chain = withKey({ params: { epochLength: 40, sealKeyLead: 1 }, evidenceMaxAgeBlocks: 5 });
    const batch = { key: 1, items: [] };
    chain.ctx.records.set(SEALED, numberKey(chain.ctx.height), batch);
    const batchHeight = chain.ctx.height;
    while (generationOf(chain.ctx) === undefined) chain.nextBlock();
    for (const at of all(chain)) chain.deal(at);
    finish(chain);
    pass(chain, 3);
    expect(sealState(chain.ctx).activeKey).toBe(2);
    expect(dealings(chain)).toHaveLength(8);
    chain.ctx.records.set(SEALED, numberKey(batchHeight), undefined);
    chain.nextBlock();
    expect(dealings(chain)).toEqual(
      chain.validators.map(({ validator }) => `${numberKey(2)}/${validator}`),
    );
    expect(sealKey(chain.ctx, 1)).toBeDefined();
    const { retiredHeight } = sealKey(chain.ctx, 1) ?? { retiredHeight: Height(0) };
    while (chain.ctx.height <= retiredHeight + 1_004) chain.nextBlock();
    expect(sealKey(chain.ctx, 1)).toBeDefined();
    chain.nextBlock();
    expect(sealKey(chain.ctx, 1)).toBeUndefined();
    expect(sealKey(chain.ctx, 2), "in force").toBeDefined();
  });
});

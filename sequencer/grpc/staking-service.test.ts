import { describe, expect, test } from "vitest";
import { fromHex } from "../../proto/bytes.ts";
import { PROPOSAL_CODEC, ProposalStatus } from "../../proto/codec/governance-state.ts";
import { VoteOption } from "../../proto/codec/governance-tx.ts";
import { DELEGATION_CODEC, VALIDATOR_CODEC } from "../../proto/codec/staking-state.ts";
import { EMPTY_SUPPLY } from "../../proto/codec/weft-state.ts";
import { VALIDATOR_REWARDS_CODEC } from "../../proto/codec/distribution-state.ts";
import { createStakingContext } from "../../test/support/staking-context.ts";
import {
  DELEGATIONS,
  delegationKey,
  EVIDENCE,
  PROPOSALS,
  proposalKey,
  RATIOS,
  ratioKey,
  VALIDATOR_REWARDS,
  VALIDATORS,
  VOTES,
} from "../app/state/tables.ts";
import type { RecordType } from "../app/state/records.ts";
import type { ReadApi } from "../app/weft-application.ts";
import { createStakingQueries } from "./staking-service.ts";

const address = (index: number): string => index.toString(16).padStart(40, "0");
const bytes = (index: number): Uint8Array => fromHex(address(index));
const UNIT = 10n ** 18n;

/** Validators 1 to `validators`; accounts 1 to `delegators` have a delegation at each. */
function setUp(validators: number, delegators: number) {
  const ctx = createStakingContext({ height: 8 });
  const keys = new Map<string, string[]>();
  const set = <Value>(type: RecordType<Value>, key: string, value: Value): void => {
    ctx.records.set(type, key, value);
    const known = keys.get(type.prefix) ?? [];
    keys.set(type.prefix, [...known, key].sort());
  };
  for (let v = 1; v <= validators; v++) {
    const tokens = 1_000_000n * BigInt(delegators);
    set(VALIDATORS, address(v), {
      ...VALIDATOR_CODEC.decode(VALIDATOR),
      operator: bytes(v),
      power: BigInt(delegators),
      tokens,
      shares: tokens * UNIT,
    });
    set(VALIDATOR_REWARDS, address(v), {
      ...VALIDATOR_REWARDS_CODEC.decode(new Uint8Array(0)),
      period: 1,
    });
    set(RATIOS, ratioKey(address(v), 0), { ratio: 0n, references: 1 });
    for (let d = 1; d <= delegators; d++) {
      const delegation = { shares: 1_000_000n * UNIT, period: 0, stake: 1_000_000n };
      set(DELEGATIONS, delegationKey(address(v), address(d)), delegation);
    }
  }
  const read = {
    chain: () => ({}),
    staking: () => ctx,
    supply: () => EMPTY_SUPPLY,
    recordKeys: async (
      { prefix }: { readonly prefix: string },
      within: string,
      { after = "", max = Number.POSITIVE_INFINITY },
    ) =>
      (keys.get(prefix) ?? []).filter((key) => key.startsWith(within) && key > after).slice(0, max),
  } as unknown as ReadApi;
  return { ctx, queries: createStakingQueries(read) };
}

/** All fields that have to be there, and no more. */
const VALIDATOR = fromHex(
  `0a20${"01".repeat(32)}1a20${"02".repeat(32)}2214${"03".repeat(20)}280362006a00`,
);
/** One under vote, with a text. */
const PROPOSAL = fromHex(`0a14${"01".repeat(20)}12017422020a0028024a00`);
const page = (limit: number, after = "") => ({ after, limit });

describe("the staking service", () => {
  test("behavior: pages join to the whole list, each at its height", async () => {
    const { queries } = setUp(5, 3);
    const seen: string[] = [];
    let after = "";
    do {
      const answer = await queries.getValidators({ page: page(2, after) });
      expect(answer.height).toBe(7);
      expect(answer.validators.length).toBeLessThanOrEqual(2);
      seen.push(...answer.validators.map((one) => Buffer.from(one.address).toString("hex")));
      after = answer.next;
    } while (after !== "");
    expect(seen).toEqual([1, 2, 3, 4, 5].map(address));

    const of = await queries.getValidatorDelegations({ validator: bytes(2), page: page(2) });
    expect(of.delegations).toMatchObject([
      { delegator: bytes(1), tokens: 1_000_000n, rewards: 0n },
      { delegator: bytes(2), validator: bytes(2) },
    ]);
    const rest = await queries.getValidatorDelegations({
      validator: bytes(2),
      page: page(2, of.next),
    });
    expect(rest.delegations).toMatchObject([{ delegator: bytes(3) }]);
    expect(rest.next).toBe("");
  });

  test("behavior: what an account has at validators comes in pages, too", () => {
    const { queries } = setUp(5, 1);
    const first = queries.getDelegations({ account: bytes(1), page: page(3) });
    expect(first.delegations.map(({ validator }) => validator)).toEqual([1, 2, 3].map(bytes));
    const second = queries.getDelegations({ account: bytes(1), page: page(3, first.next) });
    expect(second.delegations.map(({ validator }) => validator)).toEqual([4, 5].map(bytes));
    expect(second.next).toBe("");
    expect(queries.getDelegations({ account: bytes(9), page: undefined }).delegations).toEqual([]);
    expect(queries.getUnbondings({ account: bytes(1), page: undefined })).toMatchObject({
      unbondings: [],
      next: "",
    });
  });

  test("behavior: a record that goes away while keys are read is left out", async () => {
    const { ctx, queries } = setUp(2, 2);
    ctx.records.set(DELEGATIONS, delegationKey(address(1), address(1)), undefined);
    const { delegations } = await queries.getValidatorDelegations({
      validator: bytes(1),
      page: undefined,
    });
    expect(delegations).toMatchObject([{ delegator: bytes(2) }]);
    expect(DELEGATION_CODEC.encode(delegations[0]?.state ?? never()).length).toBeGreaterThan(0);
    expect((await queries.getEvidence({ page: undefined })).evidence).toEqual([]);
    expect(ctx.records.get(EVIDENCE, "ab")).toBeUndefined();
  });

  test("behavior: a tally says how a vote stands, without changing anything", async () => {
    const { ctx, queries } = setUp(2, 4);
    const proposal = PROPOSAL_CODEC.decode(PROPOSAL);
    ctx.records.set(PROPOSALS, proposalKey(1), proposal);
    expect(await queries.getTally({ proposal: 1 })).toMatchObject({
      yes: 0n,
      status: ProposalStatus.REJECTED,
      partial: false,
      height: 7,
    });
    // Operators 1 and 2 stand for those who do not vote; 3 votes against its validators.
    ctx.records.set(VOTES, `${proposalKey(1)}/${address(1)}`, { option: VoteOption.YES });
    ctx.records.set(VOTES, `${proposalKey(1)}/${address(2)}`, { option: VoteOption.YES });
    ctx.records.set(VOTES, `${proposalKey(1)}/${address(3)}`, { option: VoteOption.NO });
    expect(await queries.getTally({ proposal: 1 })).toMatchObject({
      yes: 6_000_000n,
      no: 2_000_000n,
      status: ProposalStatus.TIMELOCK,
      reason: "",
    });
    expect(ctx.records.get(PROPOSALS, proposalKey(1))).toEqual(proposal);
    ctx.records.set(PROPOSALS, proposalKey(1), {
      ...proposal,
      status: ProposalStatus.VETOED,
      reason: "no",
      tally: { ...proposal.tally, veto: 9n },
    });
    expect(await queries.getTally({ proposal: 1 })).toMatchObject({
      veto: 9n,
      status: ProposalStatus.VETOED,
      reason: "no",
    });
    await expect(queries.getTally({ proposal: 2 })).rejects.toThrow(/no proposal 2/);
  });

  test("behavior: bad requests say what was expected", async () => {
    const { queries } = setUp(1, 1);
    const short = new Uint8Array(19);
    expect(() => queries.getValidator({ validator: short })).toThrow(/20 bytes, got 19/);
    expect(() => queries.getValidator({ validator: bytes(7) })).toThrow(/no validator/);
    expect(() => queries.getRewards({ account: short })).toThrow(/20 bytes/);
    expect(() => queries.getDelegations({ account: short, page: undefined })).toThrow(/20 bytes/);
    expect(() => queries.getProposal({ proposal: 4 })).toThrow(/no proposal 4/);
    expect(() => queries.getEpoch()).toThrow(/no epoch/);
    await expect(queries.getValidators({ page: page(101) })).rejects.toThrow(/at most 100/);
    await expect(queries.getValidators({ page: page(1, "../x") })).rejects.toThrow(/called next/);
  });

  test("behavior: before the chain has begun it says so", () => {
    const queries = createStakingQueries({ chain: () => undefined } as unknown as ReadApi);
    expect(() => queries.getParams()).toThrow(/has not begun/);
  });
});

function never(): never {
  throw new Error("there is one");
}

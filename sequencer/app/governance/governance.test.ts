import { describe, expect, it } from "vitest";
import { Height } from "../../../proto/brands.ts";
import { fromHex } from "../../../proto/bytes.ts";
import { ProposalStatus } from "../../../proto/codec/governance-state.ts";
import { type ProposalContent, VoteOption } from "../../../proto/codec/governance-tx.ts";
import { BondStatus } from "../../../proto/codec/staking-state.ts";
import {
  createStakingContext,
  type TestStakingContext,
} from "../../../test/support/staking-context.ts";
import { TALLY_VOTES_PER_BLOCK } from "../limits.ts";
import {
  DELEGATIONS,
  EPOCH,
  HALT,
  HALT_VOTES,
  proposalKey,
  UPGRADE,
  VALIDATORS,
  VOTES,
} from "../state/tables.ts";
import { endOfBlockGovernance } from "./end-of-block.ts";
import { haltFault, upgradeFault, voteHalt, voteHaltFault } from "./halt.ts";
import {
  depositToProposal,
  depositToProposalFault,
  proposalOf,
  submitProposal,
  submitProposalFault,
} from "./proposals.ts";
import { judge } from "./tally.ts";
import { vote, voteFault } from "./votes.ts";
import { newValidator } from "../staking/validator-records.ts";

const UNIT = 10n ** 18n;
const ALICE = "a1".repeat(20);
const BOB = "b2".repeat(20);
const RICH = "cc".repeat(20);
const [FIRST, SECOND, THIRD] = ["01".repeat(20), "02".repeat(20), "03".repeat(20)] as const;
const OPERATORS: Readonly<Record<string, string>> = {
  [FIRST]: "f1".repeat(20),
  [SECOND]: "f2".repeat(20),
  [THIRD]: "f3".repeat(20),
};

const params = {
  proposalDepositMin: 1_000n,
  depositPeriodSeconds: 100,
  votingPeriodSeconds: 200,
  timelockSeconds: 50,
  quorumBps: 3_340,
  thresholdBps: 5_000,
  vetoBps: 3_340,
  haltThresholdBps: 6_667,
};

/** Three validators of 600, 300 and 100 nweft; Alice has 100 of the first, Bob 50 of the second. */
function network(): TestStakingContext {
  const ctx = createStakingContext({
    params,
    balances: { [ALICE]: 10_000n, [BOB]: 10_000n, [RICH]: 1_000_000n },
  });
  setValidator(ctx, FIRST, 600n);
  setValidator(ctx, SECOND, 300n);
  setValidator(ctx, THIRD, 100n);
  setDelegation(ctx, FIRST, ALICE, 100n);
  setDelegation(ctx, SECOND, BOB, 50n);
  ctx.mintPool("bonded", 1_000n);
  return ctx;
}

function setValidator(ctx: TestStakingContext, address: string, tokens: bigint): void {
  const state = newValidator({
    applicationKey: new Uint8Array(32),
    consensusKey: new Uint8Array(32),
    operator: fromHex(OPERATORS[address] ?? ""),
    status: BondStatus.BONDED,
    minSelfDelegation: 1n,
    commission: { rateBps: 0, maxRateBps: 0, maxChangeBps: 0, changedSeconds: 0 },
    description: { moniker: "", website: "", details: "" },
    createdHeight: Height(1),
    applicationKeySince: Height(0),
  });
  const stake = { power: tokens, tokens, shares: tokens * UNIT };
  ctx.records.set(VALIDATORS, address, { ...state, ...stake });
}

function setDelegation(
  ctx: TestStakingContext,
  validator: string,
  owner: string,
  tokens: bigint,
): void {
  ctx.records.set(DELEGATIONS, `${validator}/${owner}`, {
    shares: tokens * UNIT,
    period: 1,
    stake: tokens,
  });
}

function propose(ctx: TestStakingContext, content: ProposalContent, deposit = 1_000n): void {
  const action = { kind: "submitProposal", title: "T", summary: "", content, deposit } as const;
  expect(submitProposalFault(ctx, ALICE, action)).toBeUndefined();
  submitProposal(ctx, ALICE, action);
}

function say(ctx: TestStakingContext, voter: string, option: VoteOption, proposal = 1): void {
  const action = { kind: "vote", proposal, option } as const;
  expect(voteFault(ctx, voter, action)).toBeUndefined();
  vote(ctx, voter, action);
}

/** Goes on by `seconds` and ends the block there. */
function later(ctx: TestStakingContext, seconds: number): ReturnType<typeof endOfBlockGovernance> {
  ctx.advance({ seconds });
  return endOfBlockGovernance(ctx);
}

const RAISE = {
  kind: "parameters",
  changes: [{ name: "validatorsMax", value: 7n }],
} as const satisfies ProposalContent;

describe("a proposal", () => {
  it("behavior: passes by the votes of validators, waits for the timelock and changes parameters", () => {
    const ctx = network();
    propose(ctx, RAISE);
    expect(proposalOf(ctx, 1)?.status).toBe(ProposalStatus.VOTING);
    say(ctx, OPERATORS[FIRST] ?? "", VoteOption.YES);
    expect(later(ctx, 199)).toBeUndefined();
    expect(later(ctx, 1)).toBeUndefined();
    expect(proposalOf(ctx, 1)).toMatchObject({
      status: ProposalStatus.TIMELOCK,
      tally: { yes: 600n, no: 0n, abstain: 0n, veto: 0n, counted: [] },
    });
    expect(ctx.balance(ALICE)).toBe(10_000n);
    expect(later(ctx, 49)).toBeUndefined();
    expect(later(ctx, 1)).toMatchObject({ validatorsMax: 7 });
    expect(proposalOf(ctx, 1)?.status).toBe(ProposalStatus.EXECUTED);
    expect(later(ctx, 1_000)).toBeUndefined();
    ctx.checkSupply();
  });

  it("behavior: a delegator's own vote counts instead of its validator's", () => {
    const ctx = network();
    propose(ctx, { kind: "text" });
    say(ctx, OPERATORS[FIRST] ?? "", VoteOption.YES);
    say(ctx, OPERATORS[SECOND] ?? "", VoteOption.NO);
    say(ctx, ALICE, VoteOption.NO);
    say(ctx, BOB, VoteOption.ABSTAIN);
    later(ctx, 200);
    expect(proposalOf(ctx, 1)?.tally).toEqual({
      yes: 500n,
      no: 350n,
      abstain: 50n,
      veto: 0n,
      counted: [],
    });
    expect(ctx.records.keys(VOTES)).toEqual([]);
  });

  it("behavior: the last vote of an account is the one that counts", () => {
    const ctx = network();
    propose(ctx, { kind: "text" });
    say(ctx, ALICE, VoteOption.YES);
    say(ctx, ALICE, VoteOption.VETO);
    later(ctx, 200);
    expect(proposalOf(ctx, 1)?.tally).toMatchObject({ yes: 0n, veto: 100n });
  });

  it("behavior: votes are counted some in each block, and none twice", () => {
    const ctx = network();
    const voters = Array.from({ length: 2 * TALLY_VOTES_PER_BLOCK + 1 }, (_, i) =>
      (i + 1).toString(16).padStart(40, "0"),
    );
    for (const voter of voters) setDelegation(ctx, FIRST, voter, 1n);
    propose(ctx, { kind: "text" });
    for (const voter of voters) say(ctx, voter, VoteOption.YES);
    say(ctx, OPERATORS[FIRST] ?? "", VoteOption.NO);
    for (const counted of [1, 2]) {
      later(ctx, counted === 1 ? 200 : 0);
      expect(proposalOf(ctx, 1)).toMatchObject({
        status: ProposalStatus.TALLY,
        tally: { yes: BigInt(counted * TALLY_VOTES_PER_BLOCK) },
      });
    }
    expect(voteFault(ctx, ALICE, { kind: "vote", proposal: 1, option: VoteOption.YES })?.code).toBe(
      "PROPOSAL_NOT_VOTING",
    );
    later(ctx, 0);
    const yes = BigInt(voters.length);
    expect(proposalOf(ctx, 1)?.tally).toMatchObject({ yes, no: 600n - yes });
  });

  it("behavior: without its deposit in time it ends, and what was given goes back", () => {
    const ctx = network();
    propose(ctx, { kind: "text" }, 400n);
    expect(ctx.pool("governanceDeposits")).toBe(400n);
    const more = { kind: "depositToProposal", proposal: 1, amount: 100n } as const;
    expect(depositToProposalFault(ctx, BOB, more)).toBeUndefined();
    depositToProposal(ctx, BOB, more);
    later(ctx, 100);
    expect(proposalOf(ctx, 1)).toMatchObject({ status: ProposalStatus.REJECTED });
    expect([ctx.balance(ALICE), ctx.balance(BOB), ctx.pool("governanceDeposits")]).toEqual([
      10_000n,
      10_000n,
      0n,
    ]);
    ctx.checkSupply();
  });

  it("behavior: the deposit that completes it begins the vote", () => {
    const ctx = network();
    propose(ctx, { kind: "text" }, 400n);
    later(ctx, 60);
    depositToProposal(ctx, BOB, { kind: "depositToProposal", proposal: 1, amount: 600n });
    expect(proposalOf(ctx, 1)).toMatchObject({
      status: ProposalStatus.VOTING,
      phaseEndSeconds: ctx.nowSeconds + 200,
    });
    later(ctx, 100);
    expect(proposalOf(ctx, 1)?.status).toBe(ProposalStatus.VOTING);
    expect(
      depositToProposalFault(ctx, BOB, { kind: "depositToProposal", proposal: 1, amount: 600n })
        ?.code,
    ).toBe("PROPOSAL_NOT_GATHERING");
  });

  it("behavior: a veto burns the deposit", () => {
    const ctx = network();
    propose(ctx, { kind: "text" });
    say(ctx, OPERATORS[SECOND] ?? "", VoteOption.VETO);
    say(ctx, OPERATORS[THIRD] ?? "", VoteOption.YES);
    later(ctx, 200);
    expect(proposalOf(ctx, 1)?.status).toBe(ProposalStatus.VETOED);
    expect([ctx.balance(ALICE), ctx.burned]).toEqual([9_000n, 1_000n]);
    ctx.checkSupply();
  });

  it("behavior: what no longer holds when its time comes fails and changes nothing", () => {
    const ctx = network();
    ctx.mintPool("community", 500n);
    const spend = { kind: "communitySpend", to: fromHex(BOB), amount: 400n } as const;
    propose(ctx, spend);
    propose(ctx, spend);
    for (const id of [1, 2]) say(ctx, OPERATORS[FIRST] ?? "", VoteOption.YES, id);
    later(ctx, 200);
    later(ctx, 50);
    expect(proposalOf(ctx, 1)?.status).toBe(ProposalStatus.EXECUTED);
    expect(proposalOf(ctx, 2)).toMatchObject({
      status: ProposalStatus.FAILED,
      reason: "the community pool holds 100 nweft, 400 are asked for",
    });
    expect(ctx.balance(BOB)).toBe(10_400n);
    ctx.checkSupply();
  });

  it("behavior: two that change parameters in one block both hold", () => {
    const ctx = network();
    propose(ctx, RAISE);
    propose(ctx, { kind: "parameters", changes: [{ name: "epochLength", value: 9n }] });
    for (const id of [1, 2]) say(ctx, OPERATORS[FIRST] ?? "", VoteOption.YES, id);
    later(ctx, 200);
    expect(later(ctx, 50)).toMatchObject({ validatorsMax: 7, epochLength: 9 });
  });

  it.each([
    ["an unknown parameter", [{ name: "toString", value: 1n }], "there is no parameter"],
    ["a value out of bounds", [{ name: "validatorsMax", value: 0n }], "validatorsMax"],
    ["a value beyond a number", [{ name: "validatorsMax", value: 1n << 62n }], "validatorsMax"],
    [
      "values that contradict each other",
      [
        { name: "baseFeeMax", value: 1_000n },
        { name: "baseFeeMin", value: 2_000n },
      ],
      "baseFeeMin",
    ],
  ])("error: %s is refused when it is proposed", (_what, changes, reason) => {
    const ctx = network();
    const content = { kind: "parameters", changes } as const;
    const fault = submitProposalFault(ctx, ALICE, {
      kind: "submitProposal",
      title: "T",
      summary: "",
      content,
      deposit: 1_000n,
    });
    expect(fault?.code).toBe("PROPOSAL_PARAMETERS");
    expect(fault?.reason).toContain(reason);
  });

  it("error: who has no stake in the set has no vote", () => {
    const ctx = network();
    propose(ctx, { kind: "text" });
    expect(voteFault(ctx, RICH, { kind: "vote", proposal: 1, option: VoteOption.YES })?.code).toBe(
      "VOTE_NO_STAKE",
    );
    expect(voteFault(ctx, ALICE, { kind: "vote", proposal: 2, option: VoteOption.YES })?.code).toBe(
      "PROPOSAL_UNKNOWN",
    );
  });
});

describe("judge", () => {
  const tally = { yes: 0n, no: 0n, abstain: 0n, veto: 0n };
  it.each([
    ["too few voted", { ...tally, yes: 333n }, ProposalStatus.REJECTED],
    ["just enough voted", { ...tally, yes: 334n }, ProposalStatus.TIMELOCK],
    ["half is no majority", { ...tally, yes: 200n, no: 200n }, ProposalStatus.REJECTED],
    [
      "abstaining counts for the quorum alone",
      { ...tally, yes: 1n, abstain: 400n },
      ProposalStatus.TIMELOCK,
    ],
    ["nobody decided", { ...tally, abstain: 400n }, ProposalStatus.REJECTED],
    [
      "exactly the veto's part is none",
      { ...tally, yes: 666n, veto: 334n },
      ProposalStatus.TIMELOCK,
    ],
    ["more is one", { ...tally, yes: 665n, veto: 335n }, ProposalStatus.VETOED],
  ])("behavior: %s", (_what, votes, status) => {
    expect(judge(votes, 1_000n, params).status).toBe(status);
  });

  it("behavior: without stake nothing passes", () => {
    expect(judge(tally, 0n, params).status).toBe(ProposalStatus.REJECTED);
  });
});

describe("a planned upgrade", () => {
  const upgrade = { kind: "upgrade", name: "v2", height: Height(900), info: "see notes" } as const;

  it("behavior: software that does not know it stops at its height, and only there", () => {
    const ctx = network();
    propose(ctx, upgrade);
    say(ctx, OPERATORS[FIRST] ?? "", VoteOption.YES);
    later(ctx, 200);
    later(ctx, 50);
    expect(ctx.records.get(UPGRADE, "")).toEqual({ name: "v2", height: 900, info: "see notes" });
    const base = { record: ctx.records.get.bind(ctx.records), recordKeys: () => [] };
    expect(upgradeFault(base, 899, new Set())).toBeUndefined();
    expect(upgradeFault(base, 900, new Set(["v1"]))).toContain('"v2" (see notes)');
    expect(upgradeFault(base, 900, new Set(["v2"]))).toBeUndefined();
  });

  it("behavior: can be cancelled before its height", () => {
    const ctx = network();
    ctx.records.set(UPGRADE, "", { name: "v2", height: Height(900), info: "" });
    propose(ctx, { kind: "cancelUpgrade", name: "v2" });
    say(ctx, OPERATORS[FIRST] ?? "", VoteOption.YES);
    later(ctx, 200);
    later(ctx, 50);
    expect(ctx.records.get(UPGRADE, "")).toBeUndefined();
    const other = { kind: "submitProposal", title: "T", summary: "", deposit: 1_000n } as const;
    const cancel = { ...other, content: { kind: "cancelUpgrade", name: "v2" } } as const;
    expect(submitProposalFault(ctx, ALICE, cancel)?.code).toBe("PROPOSAL_UPGRADE");
  });
});

describe("an emergency halt", () => {
  const stop = (validator: string, halt = true) =>
    ({ kind: "voteHalt", validator: fromHex(validator), halt }) as const;

  function withPower(): TestStakingContext {
    const ctx = network();
    ctx.records.set(EPOCH, "", {
      number: 1,
      startHeight: Height(1),
      length: 10,
      nextSetSize: 3,
      followingSetSize: 3,
      activePower: 1_000n,
    });
    return ctx;
  }

  it("behavior: takes the supermajority of the power", () => {
    const ctx = withPower();
    voteHalt(ctx, OPERATORS[FIRST] ?? "", stop(FIRST));
    later(ctx, 1);
    expect(ctx.records.get(HALT, "")).toBeUndefined();
    voteHalt(ctx, OPERATORS[THIRD] ?? "", stop(THIRD));
    later(ctx, 1);
    expect(ctx.records.get(HALT, "")).toEqual({ height: ctx.height });
    expect(ctx.records.keys(HALT_VOTES)).toEqual([]);
    const base = { record: ctx.records.get.bind(ctx.records), recordKeys: () => [] };
    const next = ctx.height + 1;
    expect(haltFault(base, next, undefined)).toContain(`--resume-after-halt ${ctx.height}`);
    expect(haltFault(base, next, ctx.height)).toBeUndefined();
    expect(haltFault(base, next + 1, undefined)).toBeUndefined();
  });

  it("behavior: an operator may take its vote back", () => {
    const ctx = withPower();
    voteHalt(ctx, OPERATORS[FIRST] ?? "", stop(FIRST));
    voteHalt(ctx, OPERATORS[FIRST] ?? "", stop(FIRST, false));
    voteHalt(ctx, OPERATORS[THIRD] ?? "", stop(THIRD));
    later(ctx, 1);
    expect(ctx.records.get(HALT, "")).toBeUndefined();
  });

  it("error: only the operator of a validator in the set has that vote", () => {
    const ctx = withPower();
    expect(voteHaltFault(ctx, ALICE, stop(FIRST))?.code).toBe("VALIDATOR_NOT_OPERATOR");
    expect(voteHaltFault(ctx, ALICE, stop("09".repeat(20)))?.code).toBe("VALIDATOR_UNKNOWN");
    const first = ctx.records.get(VALIDATORS, FIRST);
    if (first !== undefined) ctx.records.set(VALIDATORS, FIRST, { ...first, power: 0n });
    expect(voteHaltFault(ctx, OPERATORS[FIRST] ?? "", stop(FIRST))?.code).toBe("HALT_NO_POWER");
  });
});

it("behavior: the key of a proposal sorts by its number", () => {
  expect([proposalKey(10), proposalKey(9)].sort()).toEqual([proposalKey(9), proposalKey(10)]);
});

/** Ways to win a vote, to block one or to lock governance that must not work; on stake by its own rules. */
import { describe, expect, it } from "vitest";
import { Height } from "../../../proto/brands.ts";
import { fromHex } from "../../../proto/bytes.ts";
import { ProposalStatus } from "../../../proto/codec/governance-state.ts";
import { type ProposalContent, VoteOption } from "../../../proto/codec/governance-tx.ts";
import type { ParamsState } from "../../../proto/codec/weft-state.ts";
import {
  accountNumber,
  addValidator,
  createStakingChain,
  type CreatedValidator,
  cutTokens,
  nextEpoch,
  ONE,
  perform,
} from "../../../test/support/staking-fixtures.ts";
import type { TestStakingContext } from "../../../test/support/staking-context.ts";
import {
  HALT_VOTE_BLOCKS_MAX,
  PROPOSALS_OPEN_MAX,
  TALLY_VOTES_PER_BLOCK,
  VOTES_REMOVED_PER_BLOCK,
} from "../limits.ts";
import { DEFAULT_PARAMS, PARAM_BOUNDS } from "../params.ts";
import { jail } from "../slashing/jail.ts";
import {
  delegate,
  delegateFault,
  redelegate,
  redelegateFault,
  undelegate,
  undelegateFault,
} from "../staking/delegations.ts";
import { endOfBlockUpdates } from "../staking/epoch.ts";
import {
  HALT,
  HALT_VOTES,
  PROPOSAL_QUEUE,
  PROPOSALS,
  UPGRADE,
  VALIDATORS,
  VOTES,
} from "../state/tables.ts";
import { endOfBlockGovernance } from "./end-of-block.ts";
import { settleHaltVotes, upgradeFault, voteHalt, voteHaltFault } from "./halt.ts";
import { CHANGE_BOUNDS, changedParams } from "./parameters.ts";
import {
  depositToProposal,
  depositToProposalFault,
  proposalOf,
  submitProposal,
  submitProposalFault,
} from "./proposals.ts";
import { vote, voteFault } from "./votes.ts";

const VOTING_SECONDS = 100;
/** Below every other account in the order of counting; and above. */
const [EARLY, LATE] = ["00".repeat(20), "ff".repeat(20)] as const;
const PROPOSER = accountNumber(900);

interface World {
  readonly ctx: TestStakingContext;
  readonly one: CreatedValidator;
  readonly two: CreatedValidator;
}

/** Two validators with ten WEFT each; two rich accounts; so many accounts with a vote and 1 nweft of stake. */
function world(dust = 0, params: Partial<ParamsState> = {}): World {
  const ctx = createStakingChain({
    params: {
      epochLength: 2,
      unbondingSeconds: 100_000,
      proposalDepositMin: 1_000n,
      depositPeriodSeconds: 50,
      votingPeriodSeconds: VOTING_SECONDS,
      timelockSeconds: 10,
      ...params,
    },
    balances: { [EARLY]: 100n * ONE, [LATE]: 100n * ONE, [PROPOSER]: 1_000n * ONE },
  });
  const one = addValidator(ctx, 1);
  const two = addValidator(ctx, 2);
  nextEpoch(ctx);
  for (let n = 0; n < dust; n++) {
    const account = accountNumber(1_000 + n);
    ctx.mint(account, 1n);
    stake(ctx, account, one, 1n);
  }
  return { ctx, one, two };
}

function stake(
  ctx: TestStakingContext,
  by: string,
  { address }: CreatedValidator,
  amount: bigint,
): void {
  perform(ctx, delegateFault, delegate, by, { kind: "delegate", validator: address, amount });
}

function move(
  ctx: TestStakingContext,
  by: string,
  from: CreatedValidator,
  to: CreatedValidator,
  amount: bigint,
): void {
  const action = {
    kind: "redelegate",
    validator: from.address,
    destination: to.address,
    amount,
  } as const;
  perform(ctx, redelegateFault, redelegate, by, action);
}

function propose(
  ctx: TestStakingContext,
  content: ProposalContent = { kind: "text" },
  deposit = 1_000n,
  by = PROPOSER,
): void {
  const action = { kind: "submitProposal", title: "T", summary: "", content, deposit } as const;
  perform(ctx, submitProposalFault, submitProposal, by, action);
}

function say(ctx: TestStakingContext, voter: string, option: VoteOption, proposal = 1): void {
  perform(ctx, voteFault, vote, voter, { kind: "vote", proposal, option });
}

function endOfBlock(ctx: TestStakingContext, seconds = 0): ParamsState | undefined {
  const params = endOfBlockGovernance(ctx);
  ctx.checkSupply();
  ctx.advance({ blocks: 1, seconds });
  return params;
}

/** Every account with dust says no: enough votes that counting takes more than a block. */
function dustSays(ctx: TestStakingContext, count: number, proposal = 1): void {
  for (let n = 0; n < count; n++) say(ctx, accountNumber(1_000 + n), VoteOption.NO, proposal);
}

const DUST = TALLY_VOTES_PER_BLOCK;

describe("stake that moves while votes are counted", () => {
  it("behavior: does not vote twice, once for its owner and once through the validator it moves to", () => {
    const { ctx, one, two } = world(DUST);
    stake(ctx, EARLY, one, 50n * ONE);
    propose(ctx);
    say(ctx, EARLY, VoteOption.YES);
    say(ctx, two.operator, VoteOption.YES);
    dustSays(ctx, DUST);
    ctx.advance({ seconds: VOTING_SECONDS });
    endOfBlock(ctx);
    expect(proposalOf(ctx, 1)?.status).toBe(ProposalStatus.TALLY);
    move(ctx, EARLY, one, two, 50n * ONE);
    endOfBlock(ctx);
    expect(proposalOf(ctx, 1)?.tally).toMatchObject({ yes: 60n * ONE, no: BigInt(DUST) });
  });

  it("behavior: takes no weight from those who vote through the validator it came to or left", () => {
    const { ctx, one, two } = world(DUST);
    stake(ctx, EARLY, one, 50n * ONE);
    propose(ctx);
    say(ctx, EARLY, VoteOption.YES);
    for (const { operator } of [one, two]) say(ctx, operator, VoteOption.NO);
    dustSays(ctx, DUST);
    ctx.advance({ seconds: VOTING_SECONDS });
    endOfBlock(ctx);
    move(ctx, EARLY, one, two, 20n * ONE);
    const takeOut = { kind: "undelegate", validator: one.address, amount: 30n * ONE } as const;
    perform(ctx, undelegateFault, undelegate, EARLY, takeOut);
    stake(ctx, EARLY, two, 7n * ONE);
    endOfBlock(ctx);
    expect(proposalOf(ctx, 1)?.tally).toMatchObject({
      yes: 50n * ONE,
      no: 20n * ONE + BigInt(DUST),
    });
  });

  it("behavior: is counted where it is, when its owner's turn comes after it moved", () => {
    const { ctx, one, two } = world(DUST + 1);
    stake(ctx, LATE, one, 50n * ONE);
    propose(ctx);
    say(ctx, LATE, VoteOption.YES);
    for (const { operator } of [one, two]) say(ctx, operator, VoteOption.NO);
    dustSays(ctx, DUST + 1);
    ctx.advance({ seconds: VOTING_SECONDS });
    endOfBlock(ctx);
    move(ctx, LATE, one, two, 20n * ONE);
    endOfBlock(ctx);
    expect(proposalOf(ctx, 1)?.tally).toMatchObject({
      yes: 50n * ONE,
      no: 20n * ONE + BigInt(DUST + 1),
    });
  });

  it("behavior: a slash in between cuts what was not counted yet, and nothing becomes negative", () => {
    const { ctx, one } = world(DUST);
    stake(ctx, EARLY, one, 10n * ONE - BigInt(DUST));
    stake(ctx, LATE, one, 10n * ONE);
    propose(ctx);
    say(ctx, EARLY, VoteOption.YES);
    say(ctx, one.operator, VoteOption.NO);
    dustSays(ctx, DUST);
    ctx.advance({ seconds: VOTING_SECONDS });
    endOfBlock(ctx);
    cutTokens(ctx, one.validator, 15n * ONE);
    endOfBlock(ctx);
    const { tally } = proposalOf(ctx, 1) ?? {};
    expect(tally?.yes).toBe(10n * ONE - BigInt(DUST));
    // The operator's own ten were counted before; of those it speaks for half are left.
    expect(tally?.no).toBeGreaterThanOrEqual(15n * ONE);
    expect(tally?.no).toBeLessThanOrEqual(15n * ONE + BigInt(DUST));
  });
});

describe("a set that changes while votes are counted", () => {
  it("behavior: counts the validators that were in it when counting began", () => {
    const { ctx, one, two } = world(DUST);
    stake(ctx, LATE, two, 3n * ONE);
    propose(ctx);
    for (const { operator } of [one, two]) say(ctx, operator, VoteOption.YES);
    say(ctx, LATE, VoteOption.NO);
    dustSays(ctx, DUST);
    ctx.advance({ seconds: VOTING_SECONDS });
    endOfBlock(ctx);
    expect(proposalOf(ctx, 1)?.status).toBe(ProposalStatus.TALLY);
    const three = addValidator(ctx, 3, { selfDelegation: 500n * ONE });
    jail(ctx, two.validator, ctx.nowSeconds + 1_000);
    nextEpoch(ctx);
    expect(ctx.records.get(VALIDATORS, three.validator)?.power).toBe(500n);
    expect(ctx.records.get(VALIDATORS, two.validator)?.power).toBe(0n);
    endOfBlock(ctx);
    expect(proposalOf(ctx, 1)).toMatchObject({
      status: ProposalStatus.TIMELOCK,
      tally: { yes: 20n * ONE, no: 3n * ONE + BigInt(DUST) },
    });
  });

  it("behavior: an operator that delegates elsewhere votes there with its own stake only", () => {
    const { ctx, one, two } = world();
    ctx.mint(one.operator, 4n * ONE);
    stake(ctx, one.operator, two, 4n * ONE);
    stake(ctx, EARLY, one, 5n * ONE);
    propose(ctx);
    say(ctx, one.operator, VoteOption.YES);
    say(ctx, two.operator, VoteOption.NO);
    ctx.advance({ seconds: VOTING_SECONDS });
    endOfBlock(ctx);
    // One's own ten, its delegator's five, and four at the other validator.
    expect(proposalOf(ctx, 1)?.tally).toMatchObject({ yes: 19n * ONE, no: 10n * ONE });
  });

  it("behavior: an operator whose validator is not in the set votes with what it has elsewhere", () => {
    const { ctx, one, two } = world();
    ctx.mint(one.operator, 4n * ONE);
    stake(ctx, one.operator, two, 4n * ONE);
    jail(ctx, one.validator, ctx.nowSeconds + 1_000);
    endOfBlockUpdates(ctx);
    propose(ctx);
    say(ctx, one.operator, VoteOption.YES);
    ctx.advance({ seconds: VOTING_SECONDS });
    endOfBlock(ctx);
    expect(proposalOf(ctx, 1)?.tally).toMatchObject({ yes: 4n * ONE, no: 0n });
  });
});

describe("limits of a block", () => {
  it("limit: proposals that end together share one budget of counted votes", () => {
    const { ctx } = world(DUST);
    for (const id of [1, 2]) {
      propose(ctx);
      dustSays(ctx, DUST, id);
    }
    ctx.advance({ seconds: VOTING_SECONDS });
    endOfBlock(ctx);
    expect(proposalOf(ctx, 1)?.status).toBe(ProposalStatus.REJECTED);
    expect(proposalOf(ctx, 2)).toMatchObject({ status: ProposalStatus.TALLY, tally: { no: 0n } });
    endOfBlock(ctx);
    expect(proposalOf(ctx, 2)).toMatchObject({ status: ProposalStatus.REJECTED });
    expect([ctx.records.keys(VOTES), ctx.records.keys(PROPOSAL_QUEUE)]).toEqual([[], []]);
  });

  it("limit: counted votes are removed some in each block, and nothing stays behind", () => {
    const { ctx, one } = world();
    propose(ctx);
    say(ctx, one.operator, VoteOption.YES);
    const votes = 2 * VOTES_REMOVED_PER_BLOCK;
    for (let n = 0; n < votes; n++) {
      // Their stake is gone: what is left are the records.
      const key = ctx.records.keys(VOTES, "", { max: 1 })[0]?.slice(0, 17) ?? "";
      ctx.records.set(VOTES, key + accountNumber(5_000 + n), { option: VoteOption.NO });
    }
    ctx.advance({ seconds: VOTING_SECONDS });
    while (proposalOf(ctx, 1)?.status !== ProposalStatus.TIMELOCK) endOfBlock(ctx);
    const left = ctx.records.keys(VOTES).length;
    expect(left).toBe(votes + 1 - VOTES_REMOVED_PER_BLOCK);
    endOfBlock(ctx);
    endOfBlock(ctx, 10);
    expect(ctx.records.keys(VOTES)).toEqual([]);
    endOfBlock(ctx);
    expect(proposalOf(ctx, 1)?.status).toBe(ProposalStatus.EXECUTED);
    expect(ctx.records.keys(PROPOSAL_QUEUE)).toEqual([]);
  });
});

describe("places for proposals", () => {
  it("limit: parts of deposits hold no place against who pays more, and are paid back", () => {
    const { ctx } = world();
    const before = ctx.balance(PROPOSER);
    for (let n = 1; n < PROPOSALS_OPEN_MAX; n++) propose(ctx, { kind: "text" }, 200n);
    propose(ctx, { kind: "text" }, 100n, EARLY);
    const text = { kind: "submitProposal", title: "T", summary: "", deposit: 100n } as const;
    const equal = { ...text, content: { kind: "text" } } as const;
    expect(submitProposalFault(ctx, LATE, equal)).toMatchObject({ code: "PROPOSALS_FULL" });
    propose(ctx, { kind: "text" }, 1_000n, LATE);
    expect(proposalOf(ctx, PROPOSALS_OPEN_MAX)).toMatchObject({
      status: ProposalStatus.REJECTED,
      reason: "displaced by a proposal with a larger deposit",
    });
    expect(proposalOf(ctx, PROPOSALS_OPEN_MAX + 1)?.status).toBe(ProposalStatus.VOTING);
    expect(ctx.balance(EARLY)).toBe(100n * ONE);
    ctx.advance({ seconds: 50 });
    endOfBlock(ctx);
    expect(ctx.balance(PROPOSER)).toBe(before);
    expect(ctx.pool("governanceDeposits")).toBe(1_000n);
    expect(ctx.records.keys(PROPOSAL_QUEUE)).toHaveLength(1);
  });

  it("limit: what is voted on keeps its place", () => {
    const { ctx } = world();
    for (let n = 0; n < PROPOSALS_OPEN_MAX; n++) propose(ctx);
    const text = { kind: "submitProposal", title: "T", summary: "", deposit: 5_000n } as const;
    const more = { ...text, content: { kind: "text" } } as const;
    expect(submitProposalFault(ctx, PROPOSER, more)).toMatchObject({ code: "PROPOSALS_FULL" });
  });

  it("error: a deposit that comes too late does not begin a vote", () => {
    const { ctx } = world();
    propose(ctx, { kind: "text" }, 500n);
    ctx.advance({ seconds: 50 });
    const more = { kind: "depositToProposal", proposal: 1, amount: 500n } as const;
    expect(depositToProposalFault(ctx, EARLY, more)?.code).toBe("PROPOSAL_NOT_GATHERING");
  });

  it("behavior: a higher least deposit holds for who deposits from then on", () => {
    const { ctx } = world();
    propose(ctx, { kind: "text" }, 500n);
    ctx.setParams({ proposalDepositMin: 10_000n });
    const small = { kind: "depositToProposal", proposal: 1, amount: 500n } as const;
    expect(depositToProposalFault(ctx, EARLY, small)?.code).toBe("PROPOSAL_DEPOSIT_SMALL");
    perform(ctx, depositToProposalFault, depositToProposal, EARLY, { ...small, amount: 9_500n });
    expect(proposalOf(ctx, 1)?.status).toBe(ProposalStatus.VOTING);
  });
});

describe("parameters that a proposal may set", () => {
  const set = (ctx: TestStakingContext, name: string, value: bigint) =>
    changedParams(ctx.params, [{ name, value }], ctx);

  it.each([
    ["a quorum of all stake", "quorumBps", 10_000n],
    ["a majority that nothing exceeds", "thresholdBps", 9_999n],
    ["a veto of next to nothing", "vetoBps", 1n],
    ["a vote that is over before anybody has voted", "votingPeriodSeconds", 1n],
    ["a vote of a year", "votingPeriodSeconds", 31_536_000n],
    ["a timelock of a year", "timelockSeconds", 31_536_000n],
    ["a deposit that nobody has", "proposalDepositMin", 1n << 62n],
    ["a halt that one validator can prevent", "haltThresholdBps", 10_000n],
  ])("error: %s", (_what, name, value) => {
    const { ctx } = world();
    const changed = set(ctx, name, value);
    expect("faults" in changed && changed.faults.join()).toContain(name);
  });

  it("behavior: a deposit may go down whatever it was, and up to a hundredth of the stake", () => {
    const { ctx } = world(0, { proposalDepositMin: 1n << 60n });
    expect("params" in set(ctx, "proposalDepositMin", (1n << 60n) - 1n)).toBe(true);
    ctx.setParams({ proposalDepositMin: 1n });
    const stakeOfAll = ctx.pool("bonded");
    expect("params" in set(ctx, "proposalDepositMin", stakeOfAll / 100n)).toBe(true);
    expect("faults" in set(ctx, "proposalDepositMin", stakeOfAll / 100n + 1n)).toBe(true);
  });

  it("behavior: the narrower bounds lie within those of genesis and hold the defaults", () => {
    const bounds: Readonly<Record<string, { readonly min: bigint; readonly max: bigint }>> =
      PARAM_BOUNDS;
    const defaults: Readonly<Record<string, bigint | number>> = { ...DEFAULT_PARAMS };
    for (const [name, [min, max]] of Object.entries(CHANGE_BOUNDS)) {
      expect(min, name).toBeGreaterThanOrEqual(bounds[name]?.min ?? -1n);
      expect(max, name).toBeLessThanOrEqual(bounds[name]?.max ?? -1n);
      expect(BigInt(defaults[name] ?? -1), name).toBeGreaterThanOrEqual(min);
      expect(BigInt(defaults[name] ?? -1), name).toBeLessThanOrEqual(max);
    }
  });

  it("error: unbonding below the age of evidence, and windows that fill the memory", () => {
    const { ctx } = world();
    const short = set(ctx, "unbondingSeconds", BigInt(ctx.evidenceMaxAgeSeconds));
    expect("faults" in short && short.faults.join()).toContain("unbondingSeconds");
    const wide = changedParams(
      ctx.params,
      [
        { name: "unorderedPerBlockMax", value: 10_000n },
        { name: "unorderedWindow", value: 10_000n },
      ],
      ctx,
    );
    expect("faults" in wide && wide.faults.join()).toContain("unorderedWindow");
  });

  it("behavior: what is under way keeps its terms; epochs change with the next one", () => {
    const { ctx, one } = world();
    stake(ctx, EARLY, one, 10n * ONE);
    const takeOut = { kind: "undelegate", validator: one.address, amount: ONE } as const;
    perform(ctx, undelegateFault, undelegate, EARLY, takeOut);
    propose(ctx, { kind: "text" });
    const before = proposalOf(ctx, 1)?.phaseEndSeconds;
    const balance = ctx.balance(EARLY);
    ctx.setParams({ unbondingSeconds: 5_000, votingPeriodSeconds: 60, epochLength: 500 });
    ctx.advance({ seconds: 5_001 });
    nextEpoch(ctx);
    expect(ctx.balance(EARLY)).toBe(balance);
    expect(proposalOf(ctx, 1)?.phaseEndSeconds).toBe(before);
    ctx.advance({ seconds: 100_000 });
    nextEpoch(ctx);
    expect(ctx.balance(EARLY)).toBe(balance + ONE);
  });

  it("behavior: a smaller set is in force at the end of the epoch, by stake", () => {
    const { ctx, one, two } = world(0, { validatorsMax: 2 });
    stake(ctx, EARLY, two, ONE);
    ctx.setParams({ validatorsMax: 1 });
    nextEpoch(ctx);
    expect(ctx.records.get(VALIDATORS, two.validator)?.power).toBe(11n);
    expect(ctx.records.get(VALIDATORS, one.validator)?.power).toBe(0n);
  });
});

describe("upgrades", () => {
  const base = (ctx: TestStakingContext) => ({
    record: ctx.records.get.bind(ctx.records),
    recordKeys: () => [],
  });

  function carry(ctx: TestStakingContext, content: ProposalContent, by: CreatedValidator): void {
    const id = ctx.records.keys(PROPOSALS).length + 1;
    propose(ctx, content);
    say(ctx, by.operator, VoteOption.YES, id);
    ctx.advance({ seconds: VOTING_SECONDS });
    endOfBlock(ctx, 10);
    endOfBlock(ctx);
    expect(proposalOf(ctx, id)?.reason).toBe("");
    expect(proposalOf(ctx, id)?.status).toBe(ProposalStatus.EXECUTED);
  }

  it("behavior: one that has come is still needed when the next is planned, and when that is cancelled", () => {
    const { ctx, one } = world();
    const near = Height(ctx.height + 10);
    carry(ctx, { kind: "upgrade", name: "v2", height: near, info: "" }, one);
    ctx.advance({ blocks: 20 });
    const far = Height(ctx.height + 1_000);
    carry(ctx, { kind: "upgrade", name: "v3", height: far, info: "" }, one);
    expect(upgradeFault(base(ctx), ctx.height, new Set())).toContain('"v2"');
    expect(upgradeFault(base(ctx), ctx.height, new Set(["v2"]))).toBeUndefined();
    expect(upgradeFault(base(ctx), far, new Set(["v2"]))).toContain('"v3"');
    expect(upgradeFault(base(ctx), far, new Set(["v2", "v3"]))).toBeUndefined();
    carry(ctx, { kind: "cancelUpgrade", name: "v3" }, one);
    expect(ctx.records.get(UPGRADE, "")).toMatchObject({ name: "v2" });
    expect(upgradeFault(base(ctx), far, new Set())).toContain('"v2"');
    expect(upgradeFault(base(ctx), far, new Set(["v2"]))).toBeUndefined();
  });

  it("error: one whose height passed during the vote is not planned", () => {
    const { ctx, one } = world();
    const height = Height(ctx.height + 1);
    propose(ctx, { kind: "upgrade", name: "v2", height, info: "" });
    say(ctx, one.operator, VoteOption.YES);
    ctx.advance({ seconds: VOTING_SECONDS });
    endOfBlock(ctx, 10);
    endOfBlock(ctx);
    expect(proposalOf(ctx, 1)?.status).toBe(ProposalStatus.FAILED);
    expect(ctx.records.get(UPGRADE, "")).toBeUndefined();
  });
});

describe("votes for a halt", () => {
  const stop = ({ address }: CreatedValidator) =>
    ({ kind: "voteHalt", validator: address, halt: true }) as const;

  it("behavior: an old one is about another emergency, and is forgotten", () => {
    const { ctx, one, two } = world();
    perform(ctx, voteHaltFault, voteHalt, one.operator, stop(one));
    ctx.advance({ blocks: HALT_VOTE_BLOCKS_MAX + 1 });
    perform(ctx, voteHaltFault, voteHalt, two.operator, stop(two));
    settleHaltVotes(ctx);
    expect(ctx.records.get(HALT, "")).toBeUndefined();
    expect(ctx.records.keys(HALT_VOTES)).toEqual([two.validator]);
    perform(ctx, voteHaltFault, voteHalt, one.operator, stop(one));
    settleHaltVotes(ctx);
    expect(ctx.records.get(HALT, "")).toEqual({ height: ctx.height });
  });

  it("behavior: that of a validator which has left the set counts nothing", () => {
    const { ctx, one, two } = world();
    stake(ctx, EARLY, two, 90n * ONE);
    nextEpoch(ctx);
    perform(ctx, voteHaltFault, voteHalt, two.operator, stop(two));
    jail(ctx, two.validator, ctx.nowSeconds + 1_000);
    endOfBlockUpdates(ctx);
    settleHaltVotes(ctx);
    expect(ctx.records.get(HALT, "")).toBeUndefined();
    perform(ctx, voteHaltFault, voteHalt, one.operator, stop(one));
    settleHaltVotes(ctx);
    expect(ctx.records.get(HALT, "")).toEqual({ height: ctx.height });
    expect(fromHex(one.validator)).toEqual(one.address);
  });
});

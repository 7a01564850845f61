/**
 * Governance by random stories against a count that anybody can follow: every vote weighs what its owner
 * has staked when it is its turn, a validator speaks for all others who have stake on it, deposits are never
 * made or lost, and nothing stays behind. Counting and removing go in tiny slices, with stake that moves,
 * is slashed and taken out in between.
 */
import assert from "node:assert/strict";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { fromHex } from "../../proto/bytes.ts";
import { ProposalStatus } from "../../proto/codec/governance-state.ts";
import { VoteOption } from "../../proto/codec/governance-tx.ts";
import type { Failure } from "../../sequencer/app/codes.ts";
import { endOfBlockGovernance } from "../../sequencer/app/governance/end-of-block.ts";
import {
  depositToProposal,
  depositToProposalFault,
  proposalOf,
  submitProposal,
  submitProposalFault,
} from "../../sequencer/app/governance/proposals.ts";
import { bondedValidators, vote, voteFault } from "../../sequencer/app/governance/votes.ts";
import type { StakingContext, StakingReader } from "../../sequencer/app/staking/context.ts";
import {
  delegate,
  delegateFault,
  redelegate,
  redelegateFault,
  undelegate,
  undelegateFault,
} from "../../sequencer/app/staking/delegations.ts";
import { tokensOf } from "../../sequencer/app/staking/shares.ts";
import {
  DELEGATIONS,
  delegationKey,
  DEPOSITS,
  PROPOSAL_QUEUE,
  VALIDATORS,
  VOTES,
} from "../../sequencer/app/state/tables.ts";
import type { TestStakingContext } from "../support/staking-context.ts";
import {
  accountNumber,
  addValidator,
  createStakingChain,
  cutTokens,
  nextBlock,
  nextEpoch,
  ONE,
  validatorNumber,
} from "../support/staking-fixtures.ts";

const VALIDATOR_COUNT = 3;
const ACCOUNTS = 9;
/** So that a count of a few votes takes several blocks. */
const LIMITS = { votesCounted: 2, votesRemoved: 1 };
const DEPOSIT_MIN = 1_000n;

const account = fc.integer({ min: 1, max: ACCOUNTS });
const validator = fc.integer({ min: 1, max: VALIDATOR_COUNT });
const stakeAmount = fc.bigInt(1n, 8n * ONE);
/** 0 is the last one that was submitted. */
const proposal = fc.integer({ min: 0, max: 4 });
const option = fc.constantFrom(...Object.values(VoteOption));

type Command =
  | {
      readonly kind: "delegate" | "undelegate";
      readonly by: number;
      readonly to: number;
      readonly amount: bigint;
    }
  | {
      readonly kind: "redelegate";
      readonly by: number;
      readonly from: number;
      readonly to: number;
      readonly amount: bigint;
    }
  | { readonly kind: "slash"; readonly validator: number; readonly percent: number }
  | { readonly kind: "submit"; readonly by: number; readonly deposit: bigint }
  | {
      readonly kind: "deposit";
      readonly by: number;
      readonly proposal: number;
      readonly amount: bigint;
    }
  | {
      readonly kind: "vote";
      readonly by: number;
      readonly proposal: number;
      readonly option: VoteOption;
    }
  | { readonly kind: "block"; readonly seconds: number };

const deposit = fc.bigInt(50n, 1_500n);
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    kind: fc.constant("delegate" as const),
    by: account,
    to: validator,
    amount: stakeAmount,
  }),
  fc.record({
    kind: fc.constant("undelegate" as const),
    by: account,
    to: validator,
    amount: stakeAmount,
  }),
  fc.record({
    kind: fc.constant("redelegate" as const),
    by: account,
    from: validator,
    to: validator,
    amount: stakeAmount,
  }),
  fc.record({
    kind: fc.constant("slash" as const),
    validator,
    percent: fc.integer({ min: 1, max: 60 }),
  }),
  fc.record({ kind: fc.constant("submit" as const), by: account, deposit }),
  fc.record({ kind: fc.constant("deposit" as const), by: account, proposal, amount: deposit }),
  {
    arbitrary: fc.record({ kind: fc.constant("vote" as const), by: account, proposal, option }),
    weight: 5,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("block" as const),
      seconds: fc.constantFrom(0, 0, 3, 11),
    }),
    weight: 3,
  },
);

const move: fc.Arbitrary<Command> = command.filter(
  ({ kind }) => !["submit", "deposit", "vote", "block"].includes(kind),
);

/** A vote of several, and stake that moves between the blocks in which it is counted. */
const counting: fc.Arbitrary<readonly Command[]> = fc
  .record({
    by: account,
    votes: fc.uniqueArray(fc.tuple(account, option), {
      minLength: 2,
      maxLength: ACCOUNTS,
      selector: ([by]) => by,
    }),
    blocks: fc.array(fc.array(move, { maxLength: 4 }), { minLength: 1, maxLength: 5 }),
  })
  .map(({ by, votes, blocks }): readonly Command[] => [
    { kind: "submit", by, deposit: DEPOSIT_MIN },
    ...votes.map(
      ([voter, chosen]) => ({ kind: "vote", by: voter, proposal: 0, option: chosen }) as const,
    ),
    { kind: "block", seconds: 11 },
    ...blocks.flatMap((moves): readonly Command[] => [{ kind: "block", seconds: 0 }, ...moves]),
  ]);

const story: fc.Arbitrary<readonly Command[]> = fc
  .array(fc.oneof({ arbitrary: command.map((one) => [one]), weight: 8 }, counting), {
    minLength: 1,
    maxLength: 40,
  })
  .map((parts) => parts.flat());

interface Tally {
  yes: bigint;
  no: bigint;
  abstain: bigint;
  veto: bigint;
}

/** A proposal as the story knows it. */
interface Told {
  readonly id: number;
  readonly votes: Map<string, VoteOption>;
  readonly deposits: Map<string, bigint>;
  readonly counted: Set<string>;
  readonly tally: Tally;
  /** Who was in the set when counting began. */
  set: readonly string[] | undefined;
  isOver: boolean;
}

class Story {
  readonly ctx: TestStakingContext;
  readonly told: Told[] = [];
  burned = 0n;

  constructor() {
    const balances = Object.fromEntries(
      Array.from({ length: ACCOUNTS }, (_, i) => [accountNumber(i + 1), 40n * ONE]),
    );
    this.ctx = createStakingChain({
      balances,
      params: {
        epochLength: 3,
        unbondingSeconds: 100_000,
        proposalDepositMin: DEPOSIT_MIN,
        minSelfDelegation: 1n,
        depositPeriodSeconds: 8,
        votingPeriodSeconds: 10,
        timelockSeconds: 4,
      },
    });
    for (let n = 1; n <= VALIDATOR_COUNT; n++) {
      addValidator(this.ctx, n, { selfDelegation: BigInt(4 * n) * ONE, minSelfDelegation: 1n });
    }
    for (let n = 1; n <= ACCOUNTS; n++) {
      const to = 1 + (n % VALIDATOR_COUNT);
      this.run({ kind: "delegate", by: n, to, amount: BigInt(n) * ONE });
    }
    nextEpoch(this.ctx);
  }

  run(one: Command): void {
    const { ctx } = this;
    switch (one.kind) {
      case "delegate": {
        const action = {
          kind: "delegate",
          validator: address(one.to),
          amount: one.amount,
        } as const;
        attempt(ctx, delegateFault, delegate, accountNumber(one.by), action);
        return;
      }
      case "undelegate": {
        const action = {
          kind: "undelegate",
          validator: address(one.to),
          amount: one.amount,
        } as const;
        attempt(ctx, undelegateFault, undelegate, accountNumber(one.by), action);
        return;
      }
      case "redelegate": {
        const { from, to, amount } = one;
        const action = {
          kind: "redelegate",
          validator: address(from),
          destination: address(to),
          amount,
        } as const;
        attempt(ctx, redelegateFault, redelegate, accountNumber(one.by), action);
        return;
      }
      case "slash": {
        const key = validatorNumber(one.validator);
        const { tokens } = ctx.records.get(VALIDATORS, key) ?? { tokens: 0n };
        const cut = (tokens * BigInt(one.percent)) / 100n;
        if (cut === 0n || tokens - cut < ONE) return;
        cutTokens(ctx, key, cut);
        this.burned += cut;
        return;
      }
      case "submit": {
        const action = {
          kind: "submitProposal",
          title: "T",
          summary: "",
          content: { kind: "text" },
          deposit: one.deposit,
        } as const;
        const by = accountNumber(one.by);
        if (!attempt(ctx, submitProposalFault, submitProposal, by, action)) return;
        this.told.push({
          id: this.told.length + 1,
          votes: new Map(),
          deposits: new Map([[by, one.deposit]]),
          counted: new Set(),
          tally: { yes: 0n, no: 0n, abstain: 0n, veto: 0n },
          set: undefined,
          isOver: false,
        });
        return;
      }
      case "deposit": {
        const { amount } = one;
        const id = this.#idOf(one);
        const by = accountNumber(one.by);
        const action = { kind: "depositToProposal", proposal: id, amount } as const;
        if (!attempt(ctx, depositToProposalFault, depositToProposal, by, action)) return;
        const deposits = this.told[id - 1]?.deposits;
        deposits?.set(by, (deposits.get(by) ?? 0n) + amount);
        return;
      }
      case "vote": {
        const { option: chosen } = one;
        const id = this.#idOf(one);
        const by = accountNumber(one.by);
        const action = { kind: "vote", proposal: id, option: chosen } as const;
        if (attempt(ctx, voteFault, vote, by, action)) this.told[id - 1]?.votes.set(by, chosen);
        return;
      }
      case "block":
        this.endBlock(one.seconds);
    }
  }

  endBlock(seconds: number): void {
    const { ctx } = this;
    const due = this.told
      .filter(({ id, isOver }) => !isOver && (phaseEnd(ctx, id) ?? Infinity) <= ctx.nowSeconds)
      .toSorted((a, b) => (phaseEnd(ctx, a.id) ?? 0) - (phaseEnd(ctx, b.id) ?? 0) || a.id - b.id);
    const before = new Map(due.map(({ id }) => [id, proposalOf(ctx, id)?.status]));
    const balances = new Map(
      Array.from({ length: ACCOUNTS }, (_, i) => accountNumber(i + 1)).map((who) => [
        who,
        ctx.balance(who),
      ]),
    );
    endOfBlockGovernance(ctx, LIMITS);
    let left = LIMITS.votesCounted;
    for (const one of due) {
      const after = proposalOf(ctx, one.id);
      if (before.get(one.id) === ProposalStatus.DEPOSIT) {
        assert.equal(after?.status, ProposalStatus.REJECTED);
        this.#settle(one, balances, false);
        continue;
      }
      left -= this.#count(one, left);
      const isCounted = one.counted.size === one.votes.size;
      if (isCounted) this.#speakForOthers(one);
      const { counted: _, ...tally } = after?.tally ?? { counted: [] };
      assert.deepEqual(tally, one.tally, `proposal ${one.id}`);
      if (isCounted) this.#settle(one, balances, after?.status === ProposalStatus.VETOED);
      else assert.equal(after?.status, ProposalStatus.TALLY, `proposal ${one.id}`);
    }
    for (const [who, balance] of balances) assert.equal(ctx.balance(who), balance, who);
    this.#checkDeposits();
    nextBlock(ctx, seconds);
  }

  /** Until nothing waits for anything. */
  finish(): void {
    for (let blocks = 0; this.ctx.records.keys(PROPOSAL_QUEUE).length > 0; blocks++) {
      assert.ok(blocks < 200, "every proposal comes to its end");
      this.endBlock(11);
    }
    assert.ok(
      this.told.every(({ isOver }) => isOver),
      "every proposal is decided",
    );
  }

  #idOf({ proposal: id }: { readonly proposal: number }): number {
    return id === 0 ? Math.max(1, this.told.length) : id;
  }

  /** The next votes by address, `max` at most; each by all that its owner has in the set. */
  #count(one: Told, max: number): number {
    const { ctx } = this;
    one.set ??= bondedValidators(ctx);
    const turns = [...one.votes.keys()].filter((who) => !one.counted.has(who)).toSorted();
    for (const who of turns.slice(0, max)) {
      for (const key of one.set) this.#add(one, one.votes.get(who), key, sharesOf(ctx, key, who));
      one.counted.add(who);
    }
    return Math.min(max, turns.length);
  }

  #speakForOthers(one: Told): void {
    const { ctx } = this;
    for (const key of one.set ?? []) {
      let silent = 0n;
      for (let n = 1; n <= ACCOUNTS; n++) {
        const who = accountNumber(n);
        if (!one.votes.has(who)) silent += sharesOf(ctx, key, who);
      }
      const operator = accountNumber(numberOf(key));
      this.#add(one, one.votes.get(operator), key, silent);
    }
  }

  #add({ tally }: Told, chosen: VoteOption | undefined, key: string, shares: bigint): void {
    const state = this.ctx.records.get(VALIDATORS, key);
    if (chosen === undefined || state === undefined) return;
    const names = {
      [VoteOption.YES]: "yes",
      [VoteOption.NO]: "no",
      [VoteOption.ABSTAIN]: "abstain",
      [VoteOption.VETO]: "veto",
    } as const;
    tally[names[chosen]] += tokensOf(state, shares);
  }

  #settle(one: Told, balances: Map<string, bigint>, isBurned: boolean): void {
    one.isOver = true;
    for (const [who, amount] of one.deposits) {
      if (isBurned) this.burned += amount;
      else balances.set(who, (balances.get(who) ?? 0n) + amount);
    }
    one.deposits.clear();
  }

  #checkDeposits(): void {
    const sum = this.told
      .flatMap(({ deposits }) => [...deposits.values()])
      .reduce((total, amount) => total + amount, 0n);
    assert.equal(this.ctx.pool("governanceDeposits"), sum);
    assert.equal(this.ctx.burned, this.burned);
    this.ctx.checkSupply();
  }
}

/** True when the rules took it. */
function attempt<Action>(
  ctx: TestStakingContext,
  fault: (reader: StakingReader, sender: string, action: Action) => Failure | undefined,
  apply: (ctx: StakingContext, sender: string, action: Action) => void,
  sender: string,
  action: Action,
): boolean {
  if (fault(ctx, sender, action) !== undefined) return false;
  apply(ctx, sender, action);
  return true;
}

function address(n: number): Uint8Array {
  return fromHex(validatorNumber(n));
}

function numberOf(key: string): number {
  for (let n = 1; n <= VALIDATOR_COUNT; n++) if (validatorNumber(n) === key) return n;
  throw new Error(`${key} is a validator of the story`);
}

function sharesOf(ctx: TestStakingContext, key: string, who: string): bigint {
  return ctx.records.get(DELEGATIONS, delegationKey(key, who))?.shares ?? 0n;
}

/** When it was or will be due; undefined when it waits for nothing that the story follows. */
function phaseEnd(ctx: TestStakingContext, id: number): number | undefined {
  return proposalOf(ctx, id)?.phaseEndSeconds;
}

it("property: votes weigh what is staked when they are counted, and deposits come back or are burned", () => {
  fc.assert(
    fc.property(story, (commands) => {
      const told = new Story();
      for (const one of commands) told.run(one);
      told.finish();
      const { records } = told.ctx;
      expect([records.keys(VOTES), records.keys(DEPOSITS)]).toEqual([[], []]);
      expect(told.ctx.pool("governanceDeposits")).toBe(0n);
    }),
    { numRuns: 150 },
  );
});

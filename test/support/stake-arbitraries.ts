/** Random values of the actions and records of stake, for property tests and fuzzing. */
import * as fc from "fast-check";
import { Height } from "../../proto/brands.ts";
import {
  PERIOD_RATIO_CODEC,
  REVENUE_CODEC,
  REWARDS_INDEX_CODEC,
  SLASH_EVENT_CODEC,
  VALIDATOR_REWARDS_CODEC,
  WITHDRAW_CODEC,
} from "../../proto/codec/distribution-state.ts";
import {
  DEPOSIT_CODEC,
  GOVERNANCE_CODEC,
  HALT_CODEC,
  HALT_VOTE_CODEC,
  PROPOSAL_CODEC,
  ProposalStatus,
  UPGRADE_CODEC,
  VOTE_CODEC,
} from "../../proto/codec/governance-state.ts";
import {
  GOVERNANCE_ACTION_CODEC,
  type GovernanceAction,
  PROPOSAL_CONTENT_CODEC,
  type ProposalContent,
  VoteOption,
} from "../../proto/codec/governance-tx.ts";
import {
  EVIDENCE_CODEC,
  HEIGHT_TIME_CODEC,
  MISSED_CODEC,
  SIGNING_CODEC,
  SLASHED_CODEC,
} from "../../proto/codec/slashing-state.ts";
import {
  BondStatus,
  DELEGATION_CODEC,
  EPOCH_CODEC,
  INCOMING_CODEC,
  POWERS_CODEC,
  REDELEGATION_CODEC,
  REDELEGATION_ENTRY_CODEC,
  UNBONDING_CODEC,
  UNBONDING_ENTRY_CODEC,
  VALIDATOR_CODEC,
} from "../../proto/codec/staking-state.ts";
import {
  type DuplicateProposal,
  STAKING_ACTION_CODEC,
  type StakingAction,
  SUBMITTED_EVIDENCE_CODEC,
  type SubmittedEvidence,
} from "../../proto/codec/staking-tx.ts";
import { type CodecSample, inFile, sample } from "./codec-samples.ts";
import { sealEvidence } from "./seal-arbitraries.ts";

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const maybeBytes = (length: number) => fc.oneof(fc.constant(new Uint8Array(0)), bytes(length));
const amount = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
const positive = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n });
const decimal = fc.oneof(amount, fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }));
const uint = fc.oneof(fc.nat(1_000), fc.maxSafeNat());
const count = fc.oneof(fc.nat(10), fc.nat(2 ** 31 - 1));
const id = uint.map((value) => Math.max(value, 1));
const height = uint.map(Height);
const bps = fc.nat(10_000);
const address = bytes(20);
const key = bytes(32);
const signature = bytes(64);
/** Two bytes a character at most here. */
const words = (max: number, min = 0) =>
  fc.string({ unit: fc.constantFrom("a", "Z", " ", "é"), minLength: min, maxLength: max / 2 });
const kind = <const Kind extends string>(name: Kind) => fc.constant(name);
const choiceOf = <Value extends number>(values: Readonly<Record<string, Value>>) =>
  fc.constantFrom(...Object.values(values));
const listOf = <Value>(value: fc.Arbitrary<Value>) =>
  fc.array(value, { minLength: 1, maxLength: 4 });

const description = fc.record({
  moniker: words(70, 1),
  website: words(140),
  details: words(280),
});
const unbondingEntries = fc.record({
  id: uint,
  createdHeight: height,
  slashableThrough: height,
  completionSeconds: uint,
  initialBalance: positive,
  balance: amount,
});
const redelegationEntries = fc.record({
  createdHeight: height,
  slashableThrough: height,
  completionSeconds: uint,
  initialBalance: positive,
  sharesDestination: decimal,
});
const signedProposal = fc.record({
  polRound: fc.integer({ min: -1 }),
  blockHash: key,
  partsTotal: fc.integer({ min: 1 }),
  partsHash: key,
  timeSeconds: fc.bigInt({ min: -62_135_596_800n, max: 253_402_300_799n }),
  timeNanos: fc.nat(999_999_999),
  signature,
});

export const duplicateProposals: fc.Arbitrary<DuplicateProposal> = fc.record({
  kind: kind("duplicateProposal"),
  consensusKey: key,
  height,
  round: count,
  first: signedProposal,
  second: signedProposal,
});

export const submittedEvidence: fc.Arbitrary<SubmittedEvidence> = fc.oneof(
  duplicateProposals,
  sealEvidence,
);

export const stakingActions: fc.Arbitrary<StakingAction> = fc.oneof(
  fc.record({
    kind: kind("createValidator"),
    consensusKey: key,
    applicationKey: key,
    applicationKeyProof: signature,
    moniker: words(70, 1),
    website: words(140),
    details: words(280),
    rateBps: bps,
    maxRateBps: bps,
    maxChangeBps: bps,
    minSelfDelegation: positive,
    selfDelegation: positive,
  }),
  fc
    .record({
      kind: kind("editValidator"),
      validator: address,
      description: fc.option(description, { nil: undefined }),
      commission: fc.option(fc.record({ rateBps: bps }), { nil: undefined }),
      minSelfDelegation: fc.option(fc.record({ amount: positive }), { nil: undefined }),
    })
    .filter((edit) =>
      [edit.description, edit.commission, edit.minSelfDelegation].some(
        (part) => part !== undefined,
      ),
    ),
  fc.record({ kind: kind("retireValidator"), validator: address, retired: fc.boolean() }),
  fc.record({
    kind: kind("rotateApplicationKey"),
    validator: address,
    applicationKey: key,
    applicationKeyProof: signature,
  }),
  fc.record({
    kind: fc.constantFrom("delegate", "undelegate"),
    validator: address,
    amount: positive,
  }),
  fc.record({
    kind: kind("cancelUnbonding"),
    validator: address,
    entry: uint,
    amount: positive,
  }),
  fc.record({
    kind: kind("redelegate"),
    validator: address,
    destination: address,
    amount: positive,
  }),
  fc.record({
    kind: fc.constantFrom("unjail", "withdrawRewards", "withdrawCommission"),
    validator: address,
  }),
  fc.record({ kind: kind("setWithdrawAddress"), address }),
  fc.record({ kind: kind("fundCommunity"), amount: positive }),
  fc.record({ kind: kind("submitEvidence"), evidence: submittedEvidence }),
  fc.record({ kind: kind("claimRollupRevenue"), rollupId: key }),
);

export const proposalContents: fc.Arbitrary<ProposalContent> = fc.oneof(
  fc.record({ kind: kind("text") }),
  fc.record({
    kind: kind("parameters"),
    changes: fc
      .uniqueArray(fc.record({ name: words(20, 1), value: amount }), {
        minLength: 1,
        maxLength: 4,
        selector: ({ name }) => name,
      })
      .map((changes) => changes.sort((a, b) => (a.name < b.name ? -1 : 1))),
  }),
  fc.record({ kind: kind("upgrade"), name: words(64, 1), height, info: words(100) }),
  fc.record({ kind: kind("cancelUpgrade"), name: words(64, 1) }),
  fc.record({ kind: kind("communitySpend"), to: address, amount: positive }),
);

export const governanceActions: fc.Arbitrary<GovernanceAction> = fc.oneof(
  fc.record({
    kind: kind("submitProposal"),
    title: words(140, 1),
    summary: words(400),
    content: proposalContents,
    deposit: positive,
  }),
  fc.record({ kind: kind("depositToProposal"), proposal: id, amount: positive }),
  fc.record({ kind: kind("vote"), proposal: id, option: choiceOf(VoteOption) }),
  fc.record({ kind: kind("voteHalt"), validator: address, halt: fc.boolean() }),
);

/** Every codec of stake. */
export const STAKE_CODECS: readonly CodecSample[] = [
  ...inFile("staking-state", [
    sample(
      "VALIDATOR_CODEC",
      VALIDATOR_CODEC,
      fc.record({
        applicationKey: key,
        power: amount,
        consensusKey: key,
        operator: address,
        status: choiceOf(BondStatus),
        jailed: fc.boolean(),
        tombstoned: fc.boolean(),
        retired: fc.boolean(),
        tokens: amount,
        shares: decimal,
        minSelfDelegation: amount,
        commission: fc.record({
          rateBps: bps,
          maxRateBps: bps,
          maxChangeBps: bps,
          changedSeconds: uint,
        }),
        description,
        createdHeight: height,
        unbondingSeconds: uint,
        unbondingHeight: height,
        jailedUntilSeconds: uint,
        downtimeJails: count,
        downtimeHeight: height,
        applicationKeySince: height,
        previousApplicationKey: maybeBytes(32),
      }),
    ),
    sample(
      "DELEGATION_CODEC",
      DELEGATION_CODEC,
      fc.record({ shares: decimal.map((value) => value || 1n), period: uint, stake: amount }),
    ),
    sample(
      "UNBONDING_CODEC",
      UNBONDING_CODEC,
      fc.record({
        entries: listOf(unbondingEntries),
      }),
    ),
    sample(
      "REDELEGATION_CODEC",
      REDELEGATION_CODEC,
      fc.record({
        entries: listOf(redelegationEntries),
      }),
    ),
    sample("UNBONDING_ENTRY_CODEC", UNBONDING_ENTRY_CODEC, unbondingEntries),
    sample("REDELEGATION_ENTRY_CODEC", REDELEGATION_ENTRY_CODEC, redelegationEntries),
    sample(
      "INCOMING_CODEC",
      INCOMING_CODEC,
      fc.record({ count: count.map((value) => Math.max(value, 1)) }),
    ),
    sample(
      "EPOCH_CODEC",
      EPOCH_CODEC,
      fc.record({
        number: uint,
        startHeight: height,
        length: count.map((value) => Math.max(value, 1)),
        nextSetSize: count,
        followingSetSize: count,
        activePower: amount,
      }),
    ),
    sample(
      "POWERS_CODEC",
      POWERS_CODEC,
      fc.record({ changes: listOf(fc.record({ height, power: amount })) }),
    ),
  ]),
  ...inFile("slashing-state", [
    sample(
      "SIGNING_CODEC",
      SIGNING_CODEC,
      fc.record({ startHeight: height, missed: count, window: count }),
    ),
    sample("MISSED_CODEC", MISSED_CODEC, fc.record({ bits: bytes(128) })),
    sample(
      "EVIDENCE_CODEC",
      EVIDENCE_CODEC,
      fc.record({
        route: words(64, 1),
        validator: address,
        height,
        punishedHeight: height,
        burned: amount,
        reward: amount,
        reporter: maybeBytes(20),
      }),
    ),
    sample(
      "SLASHED_CODEC",
      SLASHED_CODEC,
      fc.record({
        entries: listOf(fc.record({ seconds: uint, fractionBps: bps, jailedUntilSeconds: uint })),
      }),
    ),
    sample("HEIGHT_TIME_CODEC", HEIGHT_TIME_CODEC, fc.record({ seconds: uint, oldest: uint })),
  ]),
  ...inFile("distribution-state", [
    sample(
      "REWARDS_INDEX_CODEC",
      REWARDS_INDEX_CODEC,
      fc.record({ perPower: decimal, remainder: decimal }),
    ),
    sample(
      "VALIDATOR_REWARDS_CODEC",
      VALIDATOR_REWARDS_CODEC,
      fc.record({
        perPower: decimal,
        period: uint,
        current: decimal,
        commission: decimal,
        outstanding: decimal,
      }),
    ),
    sample(
      "PERIOD_RATIO_CODEC",
      PERIOD_RATIO_CODEC,
      fc.record({ ratio: decimal, references: count }),
    ),
    sample("SLASH_EVENT_CODEC", SLASH_EVENT_CODEC, fc.record({ fraction: decimal })),
    sample("WITHDRAW_CODEC", WITHDRAW_CODEC, fc.record({ address })),
    sample(
      "REVENUE_CODEC",
      REVENUE_CODEC,
      fc.record({
        accrued: amount,
        claimed: amount,
        auction: amount,
        tips: amount,
        lastHeight: height,
      }),
    ),
  ]),
  ...inFile("governance-state", [
    sample(
      "PROPOSAL_CODEC",
      PROPOSAL_CODEC,
      fc.record({
        proposer: address,
        title: words(140, 1),
        summary: words(400),
        content: proposalContents,
        status: choiceOf(ProposalStatus),
        deposit: amount,
        submittedSeconds: uint,
        phaseEndSeconds: uint,
        tally: fc.record({
          yes: amount,
          no: amount,
          abstain: amount,
          veto: amount,
          counted: fc.array(fc.record({ validator: address, shares: decimal }), { maxLength: 3 }),
        }),
        tallyCursor: maybeBytes(20),
        reason: words(100),
      }),
    ),
    sample("DEPOSIT_CODEC", DEPOSIT_CODEC, fc.record({ amount: positive })),
    sample("VOTE_CODEC", VOTE_CODEC, fc.record({ option: choiceOf(VoteOption) })),
    sample("GOVERNANCE_CODEC", GOVERNANCE_CODEC, fc.record({ nextProposal: id })),
    sample(
      "UPGRADE_CODEC",
      UPGRADE_CODEC,
      fc.record({ name: words(64, 1), height, info: words(100) }),
    ),
    sample("HALT_VOTE_CODEC", HALT_VOTE_CODEC, fc.record({ height })),
    sample("HALT_CODEC", HALT_CODEC, fc.record({ height })),
  ]),
  ...inFile("staking-tx", [
    sample("STAKING_ACTION_CODEC", STAKING_ACTION_CODEC, stakingActions),
    sample("SUBMITTED_EVIDENCE_CODEC", SUBMITTED_EVIDENCE_CODEC, submittedEvidence),
  ]),
  ...inFile("governance-tx", [
    sample("GOVERNANCE_ACTION_CODEC", GOVERNANCE_ACTION_CODEC, governanceActions),
    sample("PROPOSAL_CONTENT_CODEC", PROPOSAL_CONTENT_CODEC, proposalContents),
  ]),
];

import { AMOUNT_LIMIT, BASIS_POINTS } from "../../proto/codec/weft-basics.ts";
import { ENTRIES_MAX } from "../../proto/codec/staking-state.ts";
import type { ChainState, ParamsState } from "../../proto/codec/weft-state.ts";
import type { LaneParams } from "../../mev/lanes.ts";
import { TX_BYTES_MAX } from "./limits.ts";

const DAY_SECONDS = 86_400;
/** Ids of unordered transactions that the window may make every node remember, 32 bytes each. */
const UNORDERED_IDS_MAX = 10_000_000;
const YEAR_SECONDS = 31_536_000n;
/** Least share of a lane that every block has room for whatever else it holds, basis points. */
const RESERVED_SHARE_MIN = 500n;
/**
 * Most that CONTROL and OBLIGATED may take of a block together, basis points. Genesis keeps so much free
 * beside what a block cannot do without, so that a minimal block fits under any parameters (docs/adr/0018).
 */
export const RESERVED_SHARES_MAX = 3_500;
const RESERVED_SHARE_MAX = BigInt(RESERVED_SHARES_MAX) - RESERVED_SHARE_MIN;

/** Bounds of one parameter, both inclusive, and what it means. */
export interface ParamBounds {
  readonly min: bigint;
  readonly max: bigint;
  readonly doc: string;
}

/**
 * What each parameter means and may be. The bounds keep the chain alive: a minimal block always fits,
 * arithmetic never overflows, memory of remembered ids stays bounded.
 */
export const PARAM_BOUNDS: Readonly<Record<keyof ParamsState, ParamBounds>> = {
  baseFeeMin: bounds(1n, 1_000_000n, "Lowest base fee, nweft per byte."),
  baseFeeMax: bounds(1_000n, 1_000_000_000_000n, "Highest base fee, nweft per byte."),
  baseFeeChangeDenominator: bounds(
    2n,
    1_000n,
    "An overfull block raises the base fee by at most 1/this (EIP-1559).",
  ),
  blockBytesTarget: bounds(
    1_024n,
    64n << 20n,
    "Bytes of items at which the base fee stays as it is.",
  ),
  // The largest dealings and evidence of shares (130 KiB) have to fit, or keys end and faults cost nothing.
  txBytesMax: bounds(262_144n, BigInt(TX_BYTES_MAX), "Bytes of one transaction item."),
  unorderedWindow: bounds(
    10n,
    10_000n,
    "Heights that an unordered transaction's expiry may lie ahead.",
  ),
  unorderedPerBlockMax: bounds(
    1n,
    10_000n,
    "Unordered transactions of one block; times the window, the ids remembered.",
  ),
  controlShareBps: bounds(
    RESERVED_SHARE_MIN,
    RESERVED_SHARE_MAX,
    "Share of the block that CONTROL may take, basis points.",
  ),
  forcedShareBps: bounds(0n, 5_000n, "Share that FORCED adds."),
  obligatedShareBps: bounds(
    RESERVED_SHARE_MIN,
    RESERVED_SHARE_MAX,
    "Share that OBLIGATED adds: its own, whatever CONTROL takes.",
  ),
  sealedShareBps: bounds(0n, 5_000n, "Share that SEALED adds."),
  atomicShareBps: bounds(0n, 5_000n, "Share that ATOMIC adds."),
  controlPerSignerMax: bounds(1n, 64n, "CONTROL transactions of one account in one block."),
  rollupQuotaBps: bounds(100n, 10_000n, "Share of the block that one rollup may take of one lane."),
  rollupQuotaBytesFloor: bounds(
    1_024n,
    64n << 20n,
    "Bytes that one rollup may take of one lane in any case.",
  ),
  rollupDeposit: bounds(0n, AMOUNT_LIMIT - 1n, "Deposit for registering a rollup, nweft."),
  policyDelay: bounds(1n, 1_000_000n, "Heights until a changed rollup policy is in force."),
  epochLength: bounds(
    1n,
    20_000n,
    "Blocks of an epoch; joins and changes of power take effect at its end. Stake that leaves votes until then, so that an epoch has to end long before the unbonding time does.",
  ),
  unbondingSeconds: bounds(
    60n,
    YEAR_SECONDS,
    "How long stake that leaves can still be slashed; above the maximum age of evidence.",
  ),
  validatorsMax: bounds(1n, 1_000n, "Validators of the set."),
  candidatesMax: bounds(1n, 10_000n, "Validators that may be registered, in the set or not."),
  unbondingEntriesMax: bounds(
    1n,
    BigInt(ENTRIES_MAX),
    "Unbonding or redelegation entries of one delegator at one validator.",
  ),
  minSelfDelegation: bounds(1n, AMOUNT_LIMIT - 1n, "Least own stake of a validator, nweft."),
  commissionMinBps: bounds(0n, 10_000n, "Least commission rate."),
  signedWindow: bounds(10n, 100_000n, "Blocks over which missed signatures are counted."),
  minSignedBps: bounds(0n, 10_000n, "Share of the window that a validator has to sign."),
  downtimeJailSeconds: bounds(
    1n,
    YEAR_SECONDS,
    "Jail for missing too many blocks; doubles each time within a window.",
  ),
  downtimeJailMaxSeconds: bounds(1n, YEAR_SECONDS, "Longest jail for missing blocks."),
  downtimeSlashBps: bounds(0n, 10_000n, "Share of stake lost for missing too many blocks."),
  doubleSignSlashBps: bounds(0n, 10_000n, "Share of stake lost for signing twice."),
  whistleblowerBps: bounds(0n, 1_000n, "Share of what is slashed that goes to who reported it."),
  whistleblowerRewardMax: bounds(0n, AMOUNT_LIMIT - 1n, "Most that one report earns, nweft."),
  feeRollupBps: bounds(0n, 10_000n, "Share of a rollup's fees that its owner may claim."),
  feeProposerBps: bounds(0n, 10_000n, "Share of fees for the validator that proposed the block."),
  feeCommunityBps: bounds(
    0n,
    10_000n,
    "Share of fees for the community pool; stakers get the rest.",
  ),
  proposalDepositMin: bounds(
    1n,
    AMOUNT_LIMIT - 1n,
    "Deposit at which voting on a proposal begins, nweft.",
  ),
  depositPeriodSeconds: bounds(1n, YEAR_SECONDS, "Time to gather a proposal's deposit."),
  votingPeriodSeconds: bounds(1n, YEAR_SECONDS, "Time to vote on a proposal."),
  quorumBps: bounds(1n, 10_000n, "Share of bonded stake that has to vote."),
  thresholdBps: bounds(5_000n, 9_999n, "Share of yes, among yes, no and veto, to be exceeded."),
  vetoBps: bounds(1n, 10_000n, "Share of veto that rejects a proposal and burns its deposit."),
  timelockSeconds: bounds(0n, YEAR_SECONDS, "Time from a proposal's passing to its execution."),
  haltThresholdBps: bounds(
    6_667n,
    10_000n,
    "Share of power that has to ask for the chain to stop.",
  ),
  sealKeyLead: bounds(
    1n,
    10_000n,
    "Blocks between the end of a key generation and the first block sealed for the new key.",
  ),
  sealBond: bounds(
    0n,
    AMOUNT_LIMIT - 1n,
    "Bond of a sealed transaction, nweft; lost when a dispute shows that nobody can open it.",
  ),
  sealCommitBond: bounds(
    0n,
    AMOUNT_LIMIT >> 11n,
    "Bond of a commit, nweft; lost when it is not revealed, and then doubled, ten times at most.",
  ),
  // Rollups wait for a commit that long, and are then sent the headers of all these blocks at once.
  sealRevealBlocks: bounds(
    4n,
    1_000n,
    "Blocks in which a commit may be revealed, if a large set does not need more.",
  ),
  sealFalseDisputeBps: bounds(
    0n,
    10_000n,
    "Share of stake that a proposer loses for disputing a sealed item that opens.",
  ),
  sealFaultSlashBps: bounds(0n, 10_000n, "Share of stake lost for shares with a false proof."),
  sealDealerSlashBps: bounds(
    0n,
    10_000n,
    "Share of stake lost for a false dealing or a false complaint in a key generation.",
  ),
  listDueBlocks: bounds(
    4n,
    100n,
    "Blocks from the listing of a transaction by more than two thirds of the power until it has to be included.",
  ),
  bidEscrowMin: bounds(1n, AMOUNT_LIMIT - 1n, "Least escrow of an account that bids, nweft."),
  escrowDelayBlocks: bounds(
    1n,
    10_000n,
    "Blocks until escrow that is asked back is paid, if open auctions do not need more.",
  ),
  mevRollupBps: bounds(
    5_000n,
    10_000n,
    "Share of auctions and tips for rollups whose policy names none.",
  ),
  mevProposerBps: bounds(
    0n,
    5_000n,
    "Share of auctions and tips for the validator that proposed the block.",
  ),
  mevCommunityBps: bounds(
    0n,
    5_000n,
    "Share of auctions and tips for the community pool; stakers get the rest.",
  ),
  executorBondMin: bounds(
    1n,
    AMOUNT_LIMIT - 1n,
    "Least bond of an executor that takes part in atomic execution, nweft.",
  ),
  atomicLockBond: bounds(
    0n,
    AMOUNT_LIMIT >> 12n,
    "Bond of an atomic bundle for each lock that it may take, nweft; lost when it aborts by its own fault.",
  ),
  atomicReportBlocks: bounds(
    10n,
    10_000n,
    "Blocks after the block of a decision is open in which executors that voted report what they did.",
  ),
  executorSlashBps: bounds(
    1n,
    10_000n,
    "Share of the bond that an executor loses for contradicting itself or a decision.",
  ),
  executorJailBlocks: bounds(1n, 1_000_000n, "Jail of an executor that does not report."),
  executorUnbondBlocks: bounds(
    64n,
    1_000_000n,
    "Blocks until an executor's bond that is asked back is paid, if its votes do not need more; it can be slashed until then.",
  ),
  atomicRentBps: bounds(
    0n,
    10_000n,
    "Share of the bond of an aborted atomic bundle, whoever is at fault, for the rollups that held locks for it.",
  ),
  atomicLockRent: bounds(
    0n,
    AMOUNT_LIMIT >> 17n,
    "Price of each lock of an atomic bundle, and of the gas that it stands for, for each block until the decision, nweft; out of its bond.",
  ),
};

export const DEFAULT_PARAMS: ParamsState = {
  baseFeeMin: 1n,
  baseFeeMax: 1_000_000_000n,
  baseFeeChangeDenominator: 8,
  blockBytesTarget: 1 << 20,
  txBytesMax: TX_BYTES_MAX,
  unorderedWindow: 600,
  unorderedPerBlockMax: 4_096,
  controlShareBps: 500,
  forcedShareBps: 1_500,
  obligatedShareBps: 2_000,
  sealedShareBps: 3_000,
  atomicShareBps: 1_500,
  controlPerSignerMax: 8,
  rollupQuotaBps: 8_000,
  rollupQuotaBytesFloor: 65_536,
  rollupDeposit: 10_000_000_000n,
  policyDelay: 600,
  epochLength: 600,
  unbondingSeconds: 14 * DAY_SECONDS,
  validatorsMax: 100,
  candidatesMax: 500,
  unbondingEntriesMax: 7,
  minSelfDelegation: 1_000_000n,
  commissionMinBps: 0,
  signedWindow: 10_000,
  minSignedBps: 5_000,
  downtimeJailSeconds: 600,
  downtimeJailMaxSeconds: DAY_SECONDS,
  downtimeSlashBps: 0,
  doubleSignSlashBps: 500,
  whistleblowerBps: 1_000,
  whistleblowerRewardMax: 1_000_000_000_000n,
  feeRollupBps: 2_000,
  feeProposerBps: 500,
  feeCommunityBps: 200,
  proposalDepositMin: 100_000_000_000n,
  depositPeriodSeconds: 2 * DAY_SECONDS,
  votingPeriodSeconds: 5 * DAY_SECONDS,
  quorumBps: 3_340,
  thresholdBps: 5_000,
  vetoBps: 3_340,
  timelockSeconds: 2 * DAY_SECONDS,
  haltThresholdBps: 6_667,
  sealKeyLead: 20,
  sealBond: 10_000_000n,
  sealCommitBond: 100_000_000n,
  sealRevealBlocks: 16,
  sealFalseDisputeBps: 1,
  sealFaultSlashBps: 500,
  sealDealerSlashBps: 100,
  listDueBlocks: 4,
  bidEscrowMin: 100_000_000n,
  escrowDelayBlocks: 64,
  mevRollupBps: 8_000,
  mevProposerBps: 300,
  mevCommunityBps: 200,
  executorBondMin: 1_000_000_000n,
  atomicLockBond: 1_000_000n,
  atomicReportBlocks: 100,
  executorSlashBps: 10_000,
  executorJailBlocks: 600,
  executorUnbondBlocks: 1_200,
  atomicRentBps: 1_000,
  atomicLockRent: 1_000n,
};

/**
 * Everything that is wrong with a set of parameters on a chain, one sentence each; empty when it may be
 * used.
 */
export function paramFaults(
  params: ParamsState,
  chain: Pick<ChainState, "evidenceMaxAgeSeconds" | "setSizeMax">,
): readonly string[] {
  const faults: string[] = [];
  for (const [name, value] of Object.entries(params)) {
    const limit = boundsOf(name);
    const amount = BigInt(value);
    if (limit !== undefined && (amount < limit.min || amount > limit.max)) {
      faults.push(`${name}: expected ${limit.min} to ${limit.max}, got ${amount}`);
    }
  }
  if (params.baseFeeMin > params.baseFeeMax) {
    faults.push(`baseFeeMin ${params.baseFeeMin} is above baseFeeMax ${params.baseFeeMax}`);
  }
  const shares =
    params.controlShareBps +
    params.forcedShareBps +
    params.obligatedShareBps +
    params.sealedShareBps +
    params.atomicShareBps;
  if (shares > BASIS_POINTS) {
    faults.push(`lane shares: expected at most ${BASIS_POINTS} together, got ${shares}`);
  }
  const reserved = params.controlShareBps + params.obligatedShareBps;
  if (reserved > RESERVED_SHARES_MAX) {
    faults.push(
      `controlShareBps and obligatedShareBps: expected at most ${RESERVED_SHARES_MAX} together, got ${reserved}`,
    );
  }
  const ids = params.unorderedWindow * params.unorderedPerBlockMax;
  if (ids > UNORDERED_IDS_MAX) {
    faults.push(
      `unorderedWindow times unorderedPerBlockMax: expected at most ${UNORDERED_IDS_MAX} ids to remember, got ${ids}`,
    );
  }
  const fees = params.feeRollupBps + params.feeProposerBps + params.feeCommunityBps;
  if (fees > BASIS_POINTS) {
    faults.push(`fee shares: expected at most ${BASIS_POINTS} together, got ${fees}`);
  }
  const revenue = params.mevRollupBps + params.mevProposerBps + params.mevCommunityBps;
  if (revenue > BASIS_POINTS) {
    faults.push(`mev shares: expected at most ${BASIS_POINTS} together, got ${revenue}`);
  }
  if (params.candidatesMax < params.validatorsMax) {
    faults.push(
      `candidatesMax ${params.candidatesMax} is below validatorsMax ${params.validatorsMax}`,
    );
  }
  if (params.validatorsMax > chain.setSizeMax) {
    faults.push(
      `validatorsMax ${params.validatorsMax}: block.max_bytes has room for the votes of ${chain.setSizeMax} validators`,
    );
  }
  if (params.downtimeJailMaxSeconds < params.downtimeJailSeconds) {
    faults.push(
      `downtimeJailMaxSeconds ${params.downtimeJailMaxSeconds} is below downtimeJailSeconds ${params.downtimeJailSeconds}`,
    );
  }
  // Stake has to be there for as long as its faults can be proven (spec staking, S14).
  if (params.unbondingSeconds <= chain.evidenceMaxAgeSeconds) {
    faults.push(
      `unbondingSeconds ${params.unbondingSeconds} is not above evidence.max_age_duration, ${chain.evidenceMaxAgeSeconds} s`,
    );
  }
  return faults;
}

export function laneParams(params: ParamsState, blockBytesMax: number): LaneParams {
  return {
    blockBytesMax,
    controlShareBps: params.controlShareBps,
    forcedShareBps: params.forcedShareBps,
    obligatedShareBps: params.obligatedShareBps,
    sealedShareBps: params.sealedShareBps,
    atomicShareBps: params.atomicShareBps,
    controlPerSignerMax: params.controlPerSignerMax,
    rollupQuotaBps: params.rollupQuotaBps,
    rollupQuotaBytesFloor: params.rollupQuotaBytesFloor,
  };
}

function bounds(min: bigint, max: bigint, doc: string): ParamBounds {
  return { min, max, doc };
}

function boundsOf(name: string): ParamBounds | undefined {
  const all: Readonly<Record<string, ParamBounds>> = PARAM_BOUNDS;
  return all[name];
}

/**
 * Who is in the set (spec staking C1, amended by design.md §6: joins and changes of power at the end of
 * an epoch, jail and tombstone at once). What a block returns is in force two heights later.
 *
 * Where the rules that are mirrored leave it open:
 * - The set is never empty, which CometBFT would not survive: when everybody is jailed, retired or without
 *   stake, the last block's strongest validator stays, one that is not jailed before one that is, until an
 *   epoch ends with somebody to take over. It keeps the power that it has.
 * - A validator that leaves has waited for long enough when the unbonding time is over and a block stands
 *   whose last commit has none of its votes.
 */
import { Height } from "../../../proto/brands.ts";
import { BondStatus, type ValidatorState } from "../../../proto/codec/staking-state.ts";
import { assert } from "../../../proto/errors.ts";
import { TOTAL_VOTING_POWER_MAX } from "../../../proto/limits.ts";
import { event } from "../abci-event.ts";
import { settleValidator } from "../distribution/rewards.ts";
import { clearLiveness } from "../slashing/liveness-records.ts";
import { EPOCH, VALIDATORS } from "../state/tables.ts";
import { removeAbandoned } from "./candidates.ts";
import type { StakingContext } from "./context.ts";
import { numberAttribute, validatorAttribute } from "./events.ts";
import { POWER_REDUCTION, UPDATE_DELAY_BLOCKS } from "./limits.ts";
import { recordPower } from "./power-history.ts";
import { dequeue, enqueue } from "./queue.ts";
import {
  lastHeightOf,
  requireEpoch,
  requireValidator,
  updateValidator,
} from "./validator-records.ts";

/** A change of the set that the engine is told; power 0: no longer in it. */
export interface PowerUpdate {
  /** Consensus address, 40-hex. */
  readonly validator: string;
  /** ed25519, 32 bytes. */
  readonly consensusKey: Uint8Array;
  readonly power: bigint;
}

interface Candidate {
  readonly validator: string;
  readonly state: ValidatorState;
}

/** Voting power of so many nweft. */
export function powerOf(tokens: bigint): bigint {
  return tokens / POWER_REDUCTION;
}

/**
 * Last of the end of a block: what changes in the set, by address; most blocks change nothing. Also
 * moves stake between the pools, keeps the epoch, and removes validators that nobody has stake on.
 */
export function endOfBlockUpdates(ctx: StakingContext): readonly PowerUpdate[] {
  const epoch = requireEpoch(ctx);
  const endsEpoch = ctx.height >= lastHeightOf(epoch);
  const all: readonly Candidate[] = ctx.records
    .keys(VALIDATORS)
    .map((validator) => ({ validator, state: requireValidator(ctx, validator) }));
  const powers = endsEpoch ? nextSet(ctx, all) : withoutJailed(all);
  if (powers.size === 0) keepOne(powers, all);

  const updates: PowerUpdate[] = [];
  let total = 0n;
  for (const { validator, state } of all) {
    // Also of one that has to stay: nobody counts what it misses from here on.
    if (state.jailed && state.power > 0n) clearLiveness(ctx, validator);
    const power = powers.get(validator) ?? 0n;
    total += power;
    if (power === state.power) continue;
    changePower(ctx, validator, power);
    updates.push({ validator, consensusKey: state.consensusKey, power });
  }
  assert(total <= TOTAL_VOTING_POWER_MAX, "the supply keeps total power below CometBFT's bound");
  keepEpoch(ctx, powers.size, total);
  for (const { validator } of all) removeAbandoned(ctx, validator);
  return updates;
}

/** The strongest that may stand, by tokens, then by address. */
function nextSet({ params }: StakingContext, all: readonly Candidate[]): Map<string, bigint> {
  const standing = all.filter(
    ({ state }) => !state.jailed && !state.retired && state.tokens >= POWER_REDUCTION,
  );
  // By address they are already; sorting is stable.
  standing.sort((a, b) => compareDescending(a.state.tokens, b.state.tokens));
  const powers = new Map<string, bigint>();
  for (const { validator, state } of standing.slice(0, params.validatorsMax)) {
    powers.set(validator, powerOf(state.tokens));
  }
  return powers;
}

/** Within an epoch nothing changes but that those who were jailed leave. */
function withoutJailed(all: readonly Candidate[]): Map<string, bigint> {
  const powers = new Map<string, bigint>();
  for (const { validator, state } of all) {
    if (state.power > 0n && !state.jailed) powers.set(validator, state.power);
  }
  return powers;
}

/** Somebody has to make blocks. */
function keepOne(powers: Map<string, bigint>, all: readonly Candidate[]): void {
  const inSet = all.filter(({ state }) => state.power > 0n);
  inSet.sort(
    (a, b) =>
      Number(a.state.tombstoned) - Number(b.state.tombstoned) ||
      Number(a.state.jailed) - Number(b.state.jailed) ||
      compareDescending(a.state.power, b.state.power),
  );
  const [kept] = inSet;
  assert(kept !== undefined, "the set was not empty before");
  powers.set(kept.validator, kept.state.power);
}

function changePower(ctx: StakingContext, validator: string, power: bigint): void {
  // What it has earned so far, it has earned with its old power.
  settleValidator(ctx, validator);
  const { power: before } = requireValidator(ctx, validator);
  if (before === 0n) join(ctx, validator);
  if (power === 0n) leave(ctx, validator);
  updateValidator(ctx, validator, { power });
  recordPower(ctx, validator, power);
  ctx.emit(
    event("validator_power", [
      validatorAttribute("validator", validator),
      numberAttribute("power", power),
      numberAttribute("height", ctx.height + UPDATE_DELAY_BLOCKS),
    ]),
  );
}

function join(ctx: StakingContext, validator: string): void {
  const { status, tokens, unbondingSeconds } = requireValidator(ctx, validator);
  if (status === BondStatus.UNBONDING) dequeue(ctx, unbondingSeconds, "validator", validator);
  ctx.move("notBonded", "bonded", tokens);
  updateValidator(ctx, validator, {
    status: BondStatus.BONDED,
    unbondingSeconds: 0,
    unbondingHeight: Height(0),
  });
}

function leave(ctx: StakingContext, validator: string): void {
  const { tokens } = requireValidator(ctx, validator);
  const unbondingSeconds = ctx.nowSeconds + ctx.params.unbondingSeconds;
  ctx.move("bonded", "notBonded", tokens);
  updateValidator(ctx, validator, {
    status: BondStatus.UNBONDING,
    unbondingSeconds,
    // The first height that it does not vote on brings its last votes.
    unbondingHeight: Height(ctx.height + UPDATE_DELAY_BLOCKS),
  });
  enqueue(ctx, unbondingSeconds, "validator", validator);
}

/** Begins the next epoch after the last block of one, and keeps the sizes of the sets to come. */
function keepEpoch(ctx: StakingContext, setSize: number, activePower: bigint): void {
  const epoch = requireEpoch(ctx);
  const sizes = { nextSetSize: epoch.followingSetSize, followingSetSize: setSize, activePower };
  if (ctx.height >= lastHeightOf(epoch)) {
    const startHeight = Height(ctx.height + 1);
    const length = ctx.params.epochLength;
    ctx.records.set(EPOCH, "", { number: epoch.number + 1, startHeight, length, ...sizes });
    ctx.emit(event("epoch", [numberAttribute("number", epoch.number + 1)]));
  } else if (
    epoch.nextSetSize !== sizes.nextSetSize ||
    epoch.followingSetSize !== setSize ||
    epoch.activePower !== activePower
  ) {
    ctx.records.set(EPOCH, "", { ...epoch, ...sizes });
  }
}

function compareDescending(a: bigint, b: bigint): number {
  return a === b ? 0 : a > b ? -1 : 1;
}

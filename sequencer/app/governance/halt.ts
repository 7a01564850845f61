import { Height } from "../../../proto/brands.ts";
import { toHex } from "../../../proto/bytes.ts";
import type { VoteHalt } from "../../../proto/codec/governance-tx.ts";
import { BASIS_POINTS } from "../../../proto/codec/weft-basics.ts";
import { event, indexed, plain } from "../abci-event.ts";
import { type Failure, failure } from "../codes.ts";
import { HALT_VOTE_BLOCKS_MAX } from "../limits.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";
import type { RecordBase } from "../state/records.ts";
import { EPOCH, HALT, HALT_VOTES, UPGRADE, UPGRADE_PASSED, VALIDATORS } from "../state/tables.ts";
import { operatorFault, requireValidator } from "../staking/validator-records.ts";

/** A validator of the set, by its operator, asks for the chain to stop, or takes that back. */
export function voteHaltFault(
  ctx: StakingReader,
  sender: string,
  action: VoteHalt,
): Failure | undefined {
  const address = toHex(action.validator);
  const refused = operatorFault(ctx, sender, address);
  if (refused !== undefined) return refused;
  if (action.halt && requireValidator(ctx, address).power === 0n) {
    return failure("HALT_NO_POWER", `validator ${address} is not in the set`);
  }
  return undefined;
}

export function voteHalt(ctx: StakingContext, _sender: string, action: VoteHalt): void {
  const address = toHex(action.validator);
  const height = Height(ctx.height);
  ctx.records.set(HALT_VOTES, address, action.halt ? { height } : undefined);
  ctx.emit(event("vote_halt", [indexed("validator", address), plain("halt", String(action.halt))]));
}

/** Stops the chain after this block when validators with the supermajority of the power ask for it. */
export function settleHaltVotes(ctx: StakingContext): void {
  const { records, params } = ctx;
  const voters = records.keys(HALT_VOTES);
  const total = records.get(EPOCH, "")?.activePower ?? 0n;
  if (voters.length === 0 || total === 0n) return;
  let power = 0n;
  for (const address of voters) {
    const since = records.get(HALT_VOTES, address)?.height ?? 0;
    const validator = records.get(VALIDATORS, address);
    const isOld = ctx.height - since > HALT_VOTE_BLOCKS_MAX;
    // An emergency is now: what was said long ago, or by who is gone, was about another one.
    if (isOld || validator === undefined) records.set(HALT_VOTES, address, undefined);
    else power += validator.power;
  }
  if (power * BigInt(BASIS_POINTS) < total * BigInt(params.haltThresholdBps)) return;
  records.set(HALT, "", { height: Height(ctx.height) });
  for (const address of voters) records.set(HALT_VOTES, address, undefined);
  ctx.emit(event("halt", [plain("power", power.toString()), plain("total", total.toString())]));
}

/**
 * Why no validator may take part in the block at `height`, or undefined: the chain was halted, and its
 * operators have not said to go on. A block that was decided without us is followed all the same.
 */
export function haltFault(
  base: RecordBase,
  height: number,
  resumeAfterHalt: number | undefined,
): string | undefined {
  const halt = base.record(HALT, "");
  if (halt === undefined || halt.height + 1 !== height || resumeAfterHalt === halt.height) {
    return undefined;
  }
  return `validators with more than the supermajority of the power halted the chain after block ${halt.height}; when they agree to go on, start with --resume-after-halt ${halt.height}`;
}

/** Why this software may not execute the block at `height`: an upgrade that it does not know. */
export function upgradeFault(
  base: RecordBase,
  height: number,
  knownUpgrades: ReadonlySet<string>,
): string | undefined {
  const upgrade = [UPGRADE_PASSED, ""]
    .map((key) => base.record(UPGRADE, key))
    .find((one) => one !== undefined && height >= one.height && !knownUpgrades.has(one.name));
  if (upgrade === undefined) return undefined;
  const info = upgrade.info === "" ? "" : ` (${upgrade.info})`;
  return `blocks from height ${upgrade.height} on need the upgrade "${upgrade.name}"${info}, which this version does not have: install one that does, and start again`;
}

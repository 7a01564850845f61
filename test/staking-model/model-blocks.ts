/** Begin and end of a block, by the spec. */
import { type Model, type ModelValidator, POWER_UNIT } from "./model-state.ts";
import { isReferredTo } from "./model-actions.ts";
import { slash } from "./model-slash.ts";

export interface ModelUpdate {
  readonly validator: string;
  readonly power: bigint;
}

/** One vote of the last commit, or its absence (spec C1 Liveness, C3). */
export function vote(
  model: Model,
  { validator: address, power, isAbsent }: ModelUpdate & { readonly isAbsent: boolean },
  isJailed: (validator: string) => boolean,
): void {
  const validator = model.validators.get(address);
  if (validator === undefined || validator.jailed) return;
  const { params } = model;
  const height = model.height - 1;
  validator.votes ??= { start: height, missed: [] };
  const { start, missed } = validator.votes;
  // A ring of places: who was out of the set finds the ones that it did not pass as it left them.
  const kept = missed.filter((one) => (height - one) % params.signedWindow !== 0);
  if (isAbsent) kept.push(height);
  validator.votes.missed = kept;
  // Who signs is not judged at that moment, whatever lies behind.
  if (!isAbsent) return;
  const signed = params.signedWindow - kept.length;
  const isDown =
    height > start + params.signedWindow &&
    signed * 10_000 < params.signedWindow * params.minSignedBps;
  if (!isDown) return;
  if (validator.status !== "unbonded" && params.downtimeSlashBps > 0) {
    model.burned += slash(
      model,
      { validator: address, height, power, bps: params.downtimeSlashBps },
      isJailed,
    );
  }
  // Each jail in a row is twice as long; who has held out for a window after the first starts over.
  const isRepeat = height - start <= 2 * params.signedWindow;
  const jails = isRepeat ? validator.downtimeJails : 0;
  const seconds = params.downtimeJailSeconds * 2 ** jails;
  model.jail(validator, model.now + Math.min(seconds, params.downtimeJailMaxSeconds));
  validator.downtimeJails = jails + 1;
  validator.votes = undefined;
}

/** Pays and forgets what has waited; then powers, by address; then validators without stake. */
export function endBlock(model: Model): readonly ModelUpdate[] {
  mature(model);
  for (const validator of model.validators.values()) {
    if (validator.jailed && validator.power > 0n) validator.votes = undefined;
  }
  const updates = nextPowers(model);
  for (const validator of model.sortedValidators()) {
    const isEmpty = validator.delegations.size === 0 && validator.status === "unbonded";
    if (isEmpty && !validator.tombstoned && !isReferredTo(model, validator)) {
      model.validators.delete(validator.address);
    }
  }
  return updates;
}

function mature(model: Model): void {
  for (const { delegator, balance, completion } of model.unbondings) {
    if (completion <= model.now) model.pay(delegator, balance);
  }
  model.unbondings = model.unbondings.filter(({ completion }) => completion > model.now);
  model.redelegations = model.redelegations.filter(({ completion }) => completion > model.now);
  for (const validator of model.validators.values()) {
    const { status, outSeconds, outHeight } = validator;
    if (status !== "unbonding" || outSeconds > model.now || outHeight > model.height) continue;
    validator.status = "unbonded";
  }
}

function nextPowers(model: Model): readonly ModelUpdate[] {
  const { epoch, height, params } = model;
  const all = model.sortedValidators();
  const isLast = height === epoch.start + epoch.length - 1;
  const wanted = new Map<string, bigint>();
  if (isLast) {
    const standing = all
      .filter(({ jailed, retired, tokens }) => !jailed && !retired && tokens >= POWER_UNIT)
      .sort((a, b) => descending(a.tokens, b.tokens))
      .slice(0, params.validatorsMax);
    for (const { address, tokens } of standing) wanted.set(address, tokens / POWER_UNIT);
    model.epoch = { number: epoch.number + 1, start: height + 1, length: params.epochLength };
  } else {
    for (const { address, power, jailed } of all) {
      if (power > 0n && !jailed) wanted.set(address, power);
    }
  }
  const [last] = all
    .filter(({ power }) => power > 0n)
    .sort((a, b) => badness(a) - badness(b) || descending(a.power, b.power));
  // The set is never empty; before the first validator it has not begun.
  if (wanted.size === 0 && last !== undefined) wanted.set(last.address, last.power);
  const updates: ModelUpdate[] = [];
  for (const validator of all) {
    const power = wanted.get(validator.address) ?? 0n;
    if (power === validator.power) continue;
    changePower(model, validator, power);
    updates.push({ validator: validator.address, power });
  }
  return updates;
}

function changePower(model: Model, validator: ModelValidator, power: bigint): void {
  if (validator.power === 0n) {
    validator.status = "bonded";
  } else if (power === 0n) {
    validator.status = "unbonding";
    validator.outSeconds = model.now + model.params.unbondingSeconds;
    validator.outHeight = model.height + 2;
  }
  validator.power = power;
  validator.powers.push({ height: model.height + 2, power });
}

function badness({ jailed, tombstoned }: ModelValidator): number {
  return Number(jailed) + Number(tombstoned);
}

function descending(a: bigint, b: bigint): number {
  return a === b ? 0 : a > b ? -1 : 1;
}

/**
 * What has to hold after every step: the state is the model's (`checkAgreement`), and the invariants of
 * spec/staking.md C6 hold of the state by itself (`checkInvariants`). Failures say which, in one line.
 */
import { toHex } from "../../proto/bytes.ts";
import { pendingCommission, pendingRewards } from "../../sequencer/app/distribution/rewards.ts";
import { rewardsIndex } from "../../sequencer/app/distribution/rewards-index.ts";
import { poolOf } from "../../sequencer/app/staking/validator-records.ts";
import {
  DELEGATIONS,
  EPOCH,
  INCOMING,
  MISSED,
  missedKey,
  POWERS,
  QUEUE,
  queueKey,
  RATIOS,
  REDELEGATIONS,
  SIGNING,
  SLASHES,
  UNBONDINGS,
  VALIDATOR_REWARDS,
  VALIDATORS,
} from "../../sequencer/app/state/tables.ts";
import { compare, distance, fraction, ZERO } from "./fraction.ts";
import type { Model } from "./model-state.ts";
import type { World } from "./world.ts";

const UNIT = 10n ** 18n;

/** A rule that does not hold; the message begins with its name. */
export class Broken extends Error {
  constructor(rule: string, what: string) {
    super(`${rule}: ${what}`);
    this.name = "Broken";
  }
}

/** Fails unless the state is what the model says. */
export function checkAgreement(model: Model, world: World): void {
  const { ctx } = world;
  same("validators", [...ctx.records.keys(VALIDATORS)], [...model.validators.keys()].sort());
  const worths = world.worths();
  let delegations = 0;
  for (const one of model.validators.values()) {
    const state = world.validator(one.address);
    if (state === undefined) continue;
    same(`validator ${one.address}`, brief(world, one.address), {
      tokens: one.tokens,
      power: one.power,
      status: one.status,
      jailed: one.jailed,
      tombstoned: one.tombstoned,
      retired: one.retired,
      jailedUntil: one.jailedUntil,
      rate: one.rateBps,
      powers: one.powers,
      out: one.status === "unbonding" ? one.outSeconds : undefined,
    });
    for (const delegator of one.delegations.keys()) {
      const seen = worths.get(`${one.address}/${delegator}`);
      if (seen === undefined) throw new Broken("model", `${one.address}/${delegator} is gone`);
      model.checkWorth(one, delegator, seen);
      delegations++;
    }
  }
  same("number of delegations", worths.size, delegations);
  checkEntries(model, world);
  for (const [account, balance] of model.balances) {
    same(`balance of ${account}`, ctx.balance(account), balance);
  }
  same("burned", ctx.burned, model.burned);
  const { number, startHeight, length } = ctx.records.get(EPOCH, "") ?? {};
  same("epoch", { number, start: startHeight, length }, model.epoch);
  checkRewards(model, world);
}

function brief(world: World, address: string) {
  const state = world.validator(address);
  const status = world.status(address);
  return {
    tokens: state?.tokens,
    power: state?.power,
    status,
    jailed: state?.jailed,
    tombstoned: state?.tombstoned,
    retired: state?.retired,
    jailedUntil: state?.jailedUntilSeconds,
    rate: state?.commission.rateBps,
    powers: (world.ctx.records.get(POWERS, address)?.changes ?? []).map(({ height, power }) => ({
      height,
      power,
    })),
    out: status === "unbonding" ? state?.unbondingSeconds : undefined,
  };
}

function checkEntries(model: Model, world: World): void {
  const { records } = world.ctx;
  const unbondings = records.keys(UNBONDINGS).flatMap((key) =>
    (records.get(UNBONDINGS, key)?.entries ?? []).map((entry) => ({
      key,
      id: entry.id,
      created: entry.createdHeight,
      through: entry.slashableThrough,
      completion: entry.completionSeconds,
      initial: entry.initialBalance,
      balance: entry.balance,
    })),
  );
  const wanted = model.unbondings.map(({ validator, delegator, ...entry }) => ({
    key: `${validator}/${delegator}`,
    ...entry,
  }));
  same("unbonding entries", unbondings, wanted.sort(byKey));
  const moved = records.keys(REDELEGATIONS).flatMap((key) =>
    (records.get(REDELEGATIONS, key)?.entries ?? []).map((entry) => ({
      key,
      created: entry.createdHeight,
      through: entry.slashableThrough,
      completion: entry.completionSeconds,
      initial: entry.initialBalance,
    })),
  );
  const wantedMoved = model.redelegations.map(({ source, delegator, destination, ...entry }) => ({
    key: `${source}/${delegator}/${destination}`,
    ...entry,
  }));
  same("redelegation entries", moved, wantedMoved.sort(byKey));
}

/** Stable: entries of one record keep their order. */
function byKey(a: { readonly key: string }, b: { readonly key: string }): number {
  return a.key === b.key ? 0 : a.key < b.key ? -1 : 1;
}

/** S12, S13: everybody has, paid or waiting, what it earned, but for what rounding moved within a validator. */
function checkRewards(model: Model, world: World): void {
  world.readPayments();
  const keys = new Set([...model.rewards.keys(), ...world.paid.keys()]);
  for (const key of keys) {
    const [validator = "", delegator] = key.split("/");
    const waiting =
      delegator === undefined
        ? pendingCommission(world.ctx, validator)
        : pendingRewards(world.ctx, validator, delegator);
    const seen = (world.paid.get(key) ?? 0n) + waiting;
    const wanted = model.rewards.get(key) ?? ZERO;
    const slack = (model.slack.get(validator) ?? 0n) + 2n;
    if (compare(distance(fraction(seen), wanted), fraction(slack)) <= 0) continue;
    throw new Broken(
      "S12 rewards",
      `${key} has ${seen}, earned ${wanted.top / wanted.bottom}, rounding moves at most ${slack}`,
    );
  }
}

/** Fails unless the invariants hold that need nothing but the state. */
export function checkInvariants(model: Model, world: World): void {
  world.ctx.checkSupply();
  checkPools(world);
  checkShares(world);
  checkSet(world);
  checkQueue(world);
  checkLiveness(model, world);
  checkOutstanding(world);
}

/** S2. */
function checkPools({ ctx }: World): void {
  const wanted = new Map([
    ["bonded", 0n],
    ["notBonded", 0n],
  ]);
  const count = (pool: string, amount: bigint) =>
    wanted.set(pool, (wanted.get(pool) ?? 0n) + amount);
  for (const key of ctx.records.keys(VALIDATORS)) {
    const state = ctx.records.get(VALIDATORS, key);
    if (state !== undefined) count(poolOf(state), state.tokens);
  }
  for (const key of ctx.records.keys(UNBONDINGS)) {
    for (const { balance, initialBalance } of ctx.records.get(UNBONDINGS, key)?.entries ?? []) {
      if (balance < 0n || balance > initialBalance)
        throw new Broken("S6", `${key} holds ${balance}`);
      count("notBonded", balance);
    }
  }
  same("S2 bonded", ctx.pool("bonded"), wanted.get("bonded"));
  same("S2 not bonded", ctx.pool("notBonded"), wanted.get("notBonded"));
}

/** S3. */
function checkShares({ ctx }: World): void {
  const sums = new Map<string, bigint>();
  for (const key of ctx.records.keys(DELEGATIONS)) {
    const { shares = 0n } = ctx.records.get(DELEGATIONS, key) ?? {};
    if (shares <= 0n) throw new Broken("S3", `delegation ${key} has ${shares} shares`);
    const validator = key.slice(0, 40);
    sums.set(validator, (sums.get(validator) ?? 0n) + shares);
  }
  for (const key of ctx.records.keys(VALIDATORS)) {
    const { shares, tokens = 0n } = ctx.records.get(VALIDATORS, key) ?? {};
    same(`S3 shares of ${key}`, shares, sums.get(key) ?? 0n);
    if (tokens < 0n) throw new Broken("S3", `${key} has ${tokens} nweft`);
    if (shares === 0n && tokens > 0n) throw new Broken("S3", `${key} has tokens without shares`);
  }
}

/** S5, S10. */
function checkSet(world: World): void {
  const { ctx } = world;
  let total = 0n;
  let size = 0;
  for (const key of ctx.records.keys(VALIDATORS)) {
    const state = ctx.records.get(VALIDATORS, key);
    if (state === undefined) continue;
    total += state.power;
    if (state.power > 0n) size++;
    if (state.power > 0n !== (world.status(key) === "bonded")) {
      throw new Broken("S5", `${key} has power ${state.power} and is ${world.status(key)}`);
    }
    if (state.tombstoned && !state.jailed) throw new Broken("S10", `${key} has left its tomb`);
  }
  const epoch = ctx.records.get(EPOCH, "");
  same("S5 total power", epoch?.activePower, total);
  same("S5 size of the set", epoch?.followingSetSize, size);
}

/** What an end of block told: S5, S10, and CometBFT's rules for updates. */
export function checkUpdates(world: World, before: ReadonlyMap<string, bigint>): void {
  const { ctx } = world;
  const after = world.setAt(ctx.height + 2);
  if (before.size > 0 && after.size === 0) throw new Broken("S5", "the set is empty");
  for (const [validator, power] of after) {
    const state = ctx.records.get(VALIDATORS, validator);
    same(`S5 power of ${validator}`, state?.power, power);
    if (state?.jailed === true && after.size > 1) {
      throw new Broken("S10", `${validator} is jailed and in a set of ${after.size}`);
    }
  }
}

/** S6, S9: a mark for each end and no other; a count for what came in. */
function checkQueue({ ctx }: World): void {
  const { records } = ctx;
  const marks = new Set<string>();
  const incoming = new Map<string, number>();
  for (const key of records.keys(UNBONDINGS)) {
    const entries = records.get(UNBONDINGS, key)?.entries ?? [];
    if (entries.length === 0) throw new Broken("S6", `${key} is an empty record`);
    for (const { completionSeconds } of entries) {
      marks.add(queueKey(completionSeconds, `unbonding/${key}`));
    }
  }
  for (const key of records.keys(REDELEGATIONS)) {
    const entries = records.get(REDELEGATIONS, key)?.entries ?? [];
    const [source, delegator = "", destination = ""] = key.split("/");
    if (source === destination) throw new Broken("S9", `${key} moves in a circle`);
    for (const { completionSeconds } of entries) {
      marks.add(queueKey(completionSeconds, `redelegation/${key}`));
      const to = `${delegator}/${destination}`;
      incoming.set(to, (incoming.get(to) ?? 0) + 1);
    }
  }
  for (const key of records.keys(VALIDATORS)) {
    const state = records.get(VALIDATORS, key);
    if (state?.unbondingSeconds === undefined || state.status !== 2) continue;
    marks.add(queueKey(state.unbondingSeconds, `validator/${key}`));
  }
  same("S6 queue", records.keys(QUEUE), [...marks].sort());
  same("S9 incoming", records.keys(INCOMING), [...incoming.keys()].sort());
  for (const [key, count] of incoming) {
    same(`S9 incoming ${key}`, records.get(INCOMING, key)?.count, count);
  }
}

/** S11. */
function checkLiveness(model: Model, { ctx }: World): void {
  for (const key of ctx.records.keys(SIGNING)) {
    const { missed = 0, window = 0 } = ctx.records.get(SIGNING, key) ?? {};
    let bits = 0;
    for (let chunk = 0; chunk * 1_024 < window; chunk++) {
      for (const byte of ctx.records.get(MISSED, missedKey(key, chunk))?.bits ?? []) {
        bits += byte.toString(2).replaceAll("0", "").length;
      }
    }
    same(`S11 missed blocks of ${key}`, missed, bits);
    if (missed > window) throw new Broken("S11", `${key} missed ${missed} of ${window}`);
    same(`S11 window of ${key}`, missed, model.validators.get(key)?.votes?.missed.length ?? 0);
  }
}

/** S12: the pool is what validators have outstanding, have yet to take, and the rest of the index. */
function checkOutstanding({ ctx }: World): void {
  const { perPower, remainder } = rewardsIndex(ctx);
  let sum = remainder;
  for (const key of ctx.records.keys(VALIDATOR_REWARDS)) {
    const rewards = ctx.records.get(VALIDATOR_REWARDS, key);
    const power = ctx.records.get(VALIDATORS, key)?.power ?? 0n;
    if (rewards === undefined) continue;
    if (rewards.outstanding < 0n) throw new Broken("S12", `${key} owes ${rewards.outstanding}`);
    sum += rewards.outstanding + power * (perPower - rewards.perPower);
  }
  same("S12 pool", ctx.pool("rewards") * UNIT, sum);
  const references = new Map<string, number>();
  for (const key of ctx.records.keys(RATIOS)) {
    const of = key.slice(0, 40);
    references.set(of, (references.get(of) ?? 0) + (ctx.records.get(RATIOS, key)?.references ?? 0));
  }
  const wanted = new Map<string, number>();
  const count = (validator: string) => wanted.set(validator, (wanted.get(validator) ?? 0) + 1);
  for (const key of ctx.records.keys(VALIDATORS)) count(key);
  for (const key of ctx.records.keys(DELEGATIONS)) count(key.slice(0, 40));
  for (const key of ctx.records.keys(SLASHES)) count(key.slice(0, 40));
  same("S12 references", Object.fromEntries(references), Object.fromEntries(wanted));
}

/** Tokens and shares of all validators, for S4. */
export type Rates = ReadonlyMap<string, { readonly tokens: bigint; readonly shares: bigint }>;

export function ratesOf({ ctx }: World): Rates {
  return new Map(
    ctx.records.keys(VALIDATORS).flatMap((key) => {
      const state = ctx.records.get(VALIDATORS, key);
      return state === undefined ? [] : [[key, { tokens: state.tokens, shares: state.shares }]];
    }),
  );
}

/**
 * S4: what a share is worth falls for those who are slashed only, and rises by less than 1 nweft for the
 * whole validator and change, which rounding leaves over. `cut`: validators that may fall.
 */
export function checkRates(
  before: Rates,
  after: Rates,
  { cut, changes }: { readonly cut: ReadonlySet<string>; readonly changes: number },
): void {
  for (const [key, was] of before) {
    const is = after.get(key);
    if (is === undefined || was.shares === 0n || is.shares === 0n) continue;
    // Cross-multiplied: no division.
    const old = was.tokens * is.shares;
    const now = is.tokens * was.shares;
    if (now < old && !cut.has(key)) throw new Broken("S4", `shares of ${key} have lost`);
    if (now > old + BigInt(changes) * was.shares)
      throw new Broken("S4", `shares of ${key} have gained`);
  }
}

function same(what: string, seen: unknown, wanted: unknown): void {
  const [a, b] = [text(seen), text(wanted)];
  if (a !== b) throw new Broken(what, `expected ${b}, got ${a}`);
}

function text(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === "bigint") return `${part}n`;
    return part instanceof Uint8Array ? toHex(part) : part;
  });
}

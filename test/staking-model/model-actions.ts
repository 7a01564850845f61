/** What accounts do, by the spec: which rules an action breaks, and what it does when it breaks none. */
import { add, ceil, divide, type Fraction, fraction, multiply, subtract } from "./fraction.ts";
import type { Model, ModelValidator } from "./model-state.ts";

/**
 * Rules that an action breaks, by the code that says so. `maybe`: where the last digit of a share decides.
 * Any of them may be the one that is answered; without any the action has to be taken.
 */
export interface Verdict {
  readonly broken: ReadonlySet<string>;
  readonly maybe: ReadonlySet<string>;
}

class Rules {
  readonly broken = new Set<string>();
  readonly maybe = new Set<string>();

  breaks(code: string, condition: boolean): this {
    if (condition) this.broken.add(code);
    return this;
  }

  mayBreak(code: string, condition: boolean): this {
    if (condition) this.maybe.add(code);
    return this;
  }
}

const DAY = 86_400;

export interface Creation {
  readonly address: string;
  readonly operator: string;
  readonly minSelfDelegation: bigint;
  readonly selfDelegation: bigint;
  readonly rateBps: number;
  readonly maxRateBps: number;
  readonly maxChangeBps: number;
}

export function judgeCreate(model: Model, creation: Creation): Verdict {
  const { address, operator, minSelfDelegation, selfDelegation } = creation;
  const { rateBps, maxRateBps, maxChangeBps } = creation;
  const known = model.validators.get(address);
  return new Rules()
    .breaks("VALIDATOR_TOMBSTONED", known?.tombstoned === true)
    .breaks("VALIDATOR_EXISTS", known !== undefined)
    .breaks("COMMISSION_RATE", rateBps > maxRateBps || maxRateBps > 10_000)
    .breaks("COMMISSION_RATE", maxChangeBps > maxRateBps)
    .breaks("SELF_DELEGATION_MIN", minSelfDelegation < model.params.minSelfDelegation)
    .breaks("SELF_DELEGATION_LOW", selfDelegation < minSelfDelegation)
    .breaks("VALIDATORS_FULL", placeFor(model, selfDelegation) === "none")
    .breaks("STAKE_FUNDS", model.balance(operator) < selfDelegation);
}

/** A free place, the validator that gives way, or none. */
function placeFor(model: Model, tokens: bigint): "free" | "none" | ModelValidator {
  const counted = model.sortedValidators().filter(({ tombstoned }) => !tombstoned);
  const { candidatesMax } = model.params;
  if (counted.length < candidatesMax) return "free";
  if (counted.length > candidatesMax) return "none";
  const [weakest] = counted
    .filter(
      (one) =>
        one.status === "unbonded" &&
        [...one.delegations.keys()].every((delegator) => delegator === one.operator) &&
        !model.hasIncoming(one.operator, one.address) &&
        !isReferredTo(model, one),
    )
    .sort((a, b) => (a.tokens === b.tokens ? 0 : a.tokens < b.tokens ? -1 : 1));
  return weakest === undefined || weakest.tokens >= tokens ? "none" : weakest;
}

/** Something that waits has come out of it, or it has to wait in jail itself. */
export function isReferredTo(model: Model, { address, jailedUntil }: ModelValidator): boolean {
  return (
    jailedUntil > model.now ||
    model.unbondings.some(({ validator }) => validator === address) ||
    model.redelegations.some(({ source }) => source === address)
  );
}

export function create(model: Model, creation: Creation): void {
  const { address, operator, minSelfDelegation, rateBps, maxRateBps, maxChangeBps } = creation;
  const place = placeFor(model, creation.selfDelegation);
  if (typeof place === "object") {
    model.pay(place.operator, place.tokens);
    model.validators.delete(place.address);
  }
  model.validators.set(address, {
    address,
    operator,
    created: model.height,
    tokens: 0n,
    delegations: new Map(),
    status: "unbonded",
    jailed: false,
    tombstoned: false,
    retired: false,
    jailedUntil: 0,
    minSelfDelegation,
    rateBps,
    maxRateBps,
    maxChangeBps,
    rateChanged: model.now,
    power: 0n,
    powers: [],
    outSeconds: 0,
    outHeight: 0,
    votes: undefined,
    downtimeJails: 0,
    slashes: 0,
  });
  model.pay(operator, -creation.selfDelegation);
  put(model, model.validator(address), operator, creation.selfDelegation);
}

function operatorRules(model: Model, sender: string, validator: string): Rules {
  const known = model.validators.get(validator);
  return new Rules()
    .breaks("VALIDATOR_UNKNOWN", known === undefined)
    .breaks("VALIDATOR_NOT_OPERATOR", known !== undefined && known.operator !== sender)
    .breaks("VALIDATOR_TOMBSTONED", known?.tombstoned === true);
}

export function judgeRate(model: Model, sender: string, address: string, rateBps: number): Verdict {
  const rules = operatorRules(model, sender, address);
  const known = model.validators.get(address);
  if (known === undefined) return rules;
  return rules
    .breaks("COMMISSION_TOO_SOON", model.now - known.rateChanged < DAY)
    .breaks("COMMISSION_RATE", rateBps > known.maxRateBps)
    .breaks("COMMISSION_RATE", Math.abs(rateBps - known.rateBps) > known.maxChangeBps);
}

export function judgeRetire(
  model: Model,
  sender: string,
  address: string,
  retired: boolean,
): Verdict {
  const known = model.validators.get(address);
  return operatorRules(model, sender, address).breaks(
    "VALIDATOR_UNCHANGED",
    known?.retired === retired,
  );
}

export function judgeUnjail(model: Model, sender: string, address: string): Verdict {
  const rules = operatorRules(model, sender, address);
  const known = model.validators.get(address);
  if (known === undefined) return rules;
  const [low, high] = model.worthBounds(known, known.operator);
  const min = known.minSelfDelegation;
  return rules
    .breaks("UNJAIL_NOT_JAILED", !known.jailed)
    .breaks("UNJAIL_TOO_EARLY", model.now < known.jailedUntil)
    .breaks("SELF_DELEGATION_LOW", high < min || high === 0n)
    .mayBreak("SELF_DELEGATION_LOW", low < min);
}

function receiverRules(rules: Rules, model: Model, address: string, amount: bigint): Rules {
  const known = model.validators.get(address);
  return rules
    .breaks("VALIDATOR_UNKNOWN", known === undefined)
    .breaks("VALIDATOR_TOMBSTONED", known?.tombstoned === true)
    .breaks("STAKE_AMOUNT", amount < 1n)
    .breaks("STAKE_WORTHLESS", known !== undefined && model.isWorthless(known));
}

export function judgeDelegate(
  model: Model,
  delegator: string,
  address: string,
  amount: bigint,
): Verdict {
  return receiverRules(new Rules(), model, address, amount).breaks(
    "STAKE_FUNDS",
    model.balance(delegator) < amount,
  );
}

export function delegate(model: Model, delegator: string, address: string, amount: bigint): void {
  model.pay(delegator, -amount);
  put(model, model.validator(address), delegator, amount);
}

function holderRules(model: Model, delegator: string, address: string, amount: bigint): Rules {
  const known = model.validators.get(address);
  const rules = new Rules()
    .breaks("VALIDATOR_UNKNOWN", known === undefined)
    .breaks("STAKE_AMOUNT", amount < 1n);
  if (known === undefined) return rules;
  if (!known.delegations.has(delegator)) return rules.breaks("DELEGATION_UNKNOWN", true);
  const exact = model.exactWorth(known, delegator);
  const near = fraction(1n, 1_000_000n);
  const least = ceil(subtract(exact, near));
  const most = ceil(add(exact, near));
  return rules
    .breaks("DELEGATION_TOO_SMALL", amount > 1n && amount > most)
    .mayBreak("DELEGATION_TOO_SMALL", amount > 1n && amount > least);
}

export function judgeUndelegate(
  model: Model,
  delegator: string,
  address: string,
  amount: bigint,
): Verdict {
  const rules = holderRules(model, delegator, address, amount);
  const known = model.validators.get(address);
  if (known === undefined || completionOf(model, known, delegator) === undefined) return rules;
  const { length } = model.unbondingsOf(address, delegator);
  return rules.breaks("UNBONDING_FULL", length >= model.params.entriesMax);
}

/** When stake that leaves now is free; undefined: at once. */
function completionOf(
  model: Model,
  { address, status, outSeconds }: ModelValidator,
  delegator: string,
): number | undefined {
  if (status === "bonded" || model.hasIncoming(delegator, address)) {
    return model.now + model.params.unbondingSeconds;
  }
  return status === "unbonding" ? outSeconds : undefined;
}

/** `isJailed`: what the rules under test say, for where the last digit of a share decides. */
export function undelegate(
  model: Model,
  delegator: string,
  address: string,
  amount: bigint,
  isJailed: boolean,
): void {
  const validator = model.validator(address);
  const completion = completionOf(model, validator, delegator);
  const through = model.through(validator);
  const paid = takeOut(model, validator, delegator, amount);
  jailBelowMinimum(model, validator, delegator, isJailed);
  if (completion === undefined) model.pay(delegator, paid);
  else if (paid > 0n) {
    const ids = model.unbondingsOf(address, delegator).map(({ id }) => id);
    model.unbondings.push({
      validator: address,
      delegator,
      id: Math.max(0, ...ids) + 1,
      created: model.height,
      through,
      completion,
      initial: paid,
      balance: paid,
    });
  }
}

export function judgeCancel(
  model: Model,
  delegator: string,
  address: string,
  id: number,
  amount: bigint,
): Verdict {
  const entry = model.unbondingsOf(address, delegator).find((one) => one.id === id);
  const isWaiting = entry !== undefined && entry.completion > model.now;
  return receiverRules(new Rules(), model, address, amount)
    .breaks("VALIDATOR_JAILED", model.validators.get(address)?.jailed === true)
    .breaks("UNBONDING_UNKNOWN", !isWaiting)
    .breaks("UNBONDING_TOO_SMALL", isWaiting && amount > entry.balance);
}

export function cancel(
  model: Model,
  delegator: string,
  address: string,
  id: number,
  amount: bigint,
): void {
  for (const entry of model.unbondingsOf(address, delegator)) {
    if (entry.id !== id) continue;
    entry.balance -= amount;
    entry.initial -= amount;
    if (entry.balance === 0n) model.unbondings = model.unbondings.filter((one) => one !== entry);
  }
  put(model, model.validator(address), delegator, amount);
}

export function judgeRedelegate(
  model: Model,
  delegator: string,
  source: string,
  destination: string,
  amount: bigint,
): Verdict {
  const rules = holderRules(model, delegator, source, amount);
  const from = model.validators.get(source);
  // What arrives may be less than what is asked for, and nothing.
  let arrives = amount;
  if (from !== undefined && rules.broken.size === 0) {
    const worth = model.worth(from, delegator);
    if (amount >= worth) arrives = worth;
  }
  receiverRules(rules, model, destination, arrives);
  const entries = model.redelegations.filter(
    (entry) =>
      entry.source === source && entry.delegator === delegator && entry.destination === destination,
  );
  return rules
    .breaks("REDELEGATION_SAME", source === destination)
    .breaks("REDELEGATION_TRANSITIVE", model.hasIncoming(delegator, source))
    .breaks("UNBONDING_FULL", entries.length >= model.params.entriesMax);
}

export function redelegate(
  model: Model,
  delegator: string,
  source: string,
  destination: string,
  amount: bigint,
  isJailed: boolean,
): void {
  const from = model.validator(source);
  const completion = completionOf(model, from, delegator);
  const through = model.through(from);
  const moved = takeOut(model, from, delegator, amount);
  jailBelowMinimum(model, from, delegator, isJailed);
  put(model, model.validator(destination), delegator, moved);
  if (completion === undefined) return;
  model.redelegations.push({
    source,
    delegator,
    destination,
    created: model.height,
    through,
    completion,
    initial: moved,
  });
}

/** Adds stake at the rate of now: the first share costs 1. */
export function put(
  model: Model,
  validator: ModelValidator,
  delegator: string,
  amount: bigint,
): void {
  const total = model.shares(validator);
  const bought =
    total.top === 0n
      ? fraction(amount)
      : divide(multiply(total, fraction(amount)), fraction(validator.tokens));
  const held = validator.delegations.get(delegator);
  validator.delegations.set(delegator, held === undefined ? bought : add(held, bought));
  validator.tokens += amount;
  model.slacken(validator, 1n);
}

/**
 * Takes `amount` out and returns what is paid. Who asks for all of a delegation's whole nweft, or more, gets
 * them and has nothing left; the last share of a validator takes all of its tokens.
 */
export function takeOut(
  model: Model,
  validator: ModelValidator,
  delegator: string,
  amount: bigint,
): bigint {
  const held = validator.delegations.get(delegator);
  if (held === undefined) throw new Error(`the model has no delegation of ${delegator}`);
  const worth = model.worth(validator, delegator);
  const left: Fraction =
    amount >= worth
      ? fraction(0n)
      : subtract(
          held,
          divide(multiply(model.shares(validator), fraction(amount)), fraction(validator.tokens)),
        );
  let paid = amount < worth ? amount : worth;
  if (left.top > 0n) validator.delegations.set(delegator, left);
  else validator.delegations.delete(delegator);
  if (validator.delegations.size === 0) paid = validator.tokens;
  validator.tokens -= paid;
  model.slacken(validator, 1n);
  return paid;
}

/** An operator with less than its minimum is jailed (spec C1). */
export function jailBelowMinimum(
  model: Model,
  validator: ModelValidator,
  delegator: string,
  isJailed: boolean,
): void {
  if (delegator !== validator.operator || validator.jailed) return;
  const [low, high] = model.worthBounds(validator, delegator);
  const min = validator.minSelfDelegation;
  if (high < min || (low < min && isJailed)) model.jail(validator, model.now);
}

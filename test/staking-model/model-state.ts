/**
 * The reference model of stake: what the spec says (spec/staking.md C1-C6, amended by design.md), as naively
 * as it can be written. Lists are searched, nothing is indexed, shares and rewards are exact fractions.
 * It takes no code from `sequencer/app`.
 *
 * Whole nweft are paid, so a delegation's worth is rounded down where it is paid; whether 6.999... is 7 is a
 * matter of the last digit of a share. There the model takes what the rules under test say
 * (`Model.worth`), after it has held that to be within a millionth of its own exact worth.
 */
import {
  add,
  compare,
  divide,
  floor,
  type Fraction,
  fraction,
  multiply,
  subtract,
  ZERO,
} from "./fraction.ts";

export type Status = "unbonded" | "unbonding" | "bonded";

export interface ModelParams {
  readonly epochLength: number;
  readonly unbondingSeconds: number;
  readonly validatorsMax: number;
  readonly candidatesMax: number;
  readonly entriesMax: number;
  readonly minSelfDelegation: bigint;
  readonly signedWindow: number;
  readonly minSignedBps: number;
  readonly downtimeJailSeconds: number;
  readonly downtimeJailMaxSeconds: number;
  readonly downtimeSlashBps: number;
  readonly doubleSignSlashBps: number;
  readonly proposerBps: number;
  readonly communityBps: number;
  readonly evidenceMaxAgeBlocks: number;
  readonly evidenceMaxAgeSeconds: number;
}

export interface ModelValidator {
  readonly address: string;
  readonly operator: string;
  /** Height of the block that created it. */
  readonly created: number;
  tokens: bigint;
  /** By delegator. */
  readonly delegations: Map<string, Fraction>;
  status: Status;
  jailed: boolean;
  tombstoned: boolean;
  retired: boolean;
  jailedUntil: number;
  minSelfDelegation: bigint;
  rateBps: number;
  readonly maxRateBps: number;
  readonly maxChangeBps: number;
  rateChanged: number;
  /** Told to the engine, and from which height on. */
  power: bigint;
  powers: { readonly height: number; readonly power: bigint }[];
  /** While unbonding. */
  outSeconds: number;
  outHeight: number;
  /** Votes since it first voted or was last in jail: first height, heights missed. */
  votes: { readonly start: number; missed: number[] } | undefined;
  downtimeJails: number;
  /** Times that its tokens were cut. */
  slashes: number;
}

export interface ModelUnbonding {
  readonly validator: string;
  readonly delegator: string;
  readonly id: number;
  readonly created: number;
  readonly through: number;
  readonly completion: number;
  initial: bigint;
  balance: bigint;
}

export interface ModelRedelegation {
  readonly source: string;
  readonly delegator: string;
  readonly destination: string;
  readonly created: number;
  readonly through: number;
  readonly completion: number;
  readonly initial: bigint;
}

/** What is left of a rounding error: a millionth of 1 nweft. */
const EPSILON = fraction(1n, 1_000_000n);

export const POWER_UNIT = 1_000_000n;

export interface ModelOptions {
  readonly params: ModelParams;
  readonly height: number;
  readonly now: number;
  readonly balances: ReadonlyMap<string, bigint>;
}

export class Model {
  readonly params: ModelParams;
  height: number;
  now: number;
  epoch: { number: number; start: number; length: number };
  readonly validators = new Map<string, ModelValidator>();
  unbondings: ModelUnbonding[] = [];
  redelegations: ModelRedelegation[] = [];
  readonly balances: Map<string, bigint>;
  burned = 0n;
  /** All that was ever earned, by `validator/delegator`, and commission, by validator. */
  readonly rewards = new Map<string, Fraction>();
  /** How far rewards of a validator may be off, nweft: what rounding down may have moved within it. */
  readonly slack = new Map<string, bigint>();
  /** What the rules under test say that a delegation is worth, before the command under way. */
  observedWorth: (validator: string, delegator: string) => bigint = () => 0n;

  constructor({ params, height, now, balances }: ModelOptions) {
    this.params = params;
    this.height = height;
    this.now = now;
    this.epoch = { number: 1, start: height, length: 1 };
    this.balances = new Map(balances);
  }

  /** Ascending by address. */
  sortedValidators(): ModelValidator[] {
    return [...this.validators.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
  }

  validator(address: string): ModelValidator {
    const found = this.validators.get(address);
    if (found === undefined) throw new Error(`the model has no validator ${address}`);
    return found;
  }

  balance(account: string): bigint {
    return this.balances.get(account) ?? 0n;
  }

  pay(account: string, amount: bigint): void {
    this.balances.set(account, this.balance(account) + amount);
  }

  shares(validator: ModelValidator): Fraction {
    let sum = ZERO;
    for (const shares of validator.delegations.values()) sum = add(sum, shares);
    return sum;
  }

  isWorthless(validator: ModelValidator): boolean {
    return validator.tokens === 0n && validator.delegations.size > 0;
  }

  exactWorth(validator: ModelValidator, delegator: string): Fraction {
    const shares = validator.delegations.get(delegator);
    if (shares === undefined) return ZERO;
    return divide(multiply(shares, fraction(validator.tokens)), this.shares(validator));
  }

  /** Whole nweft of a delegation, as it is paid: see above. */
  worth(validator: ModelValidator, delegator: string): bigint {
    const [low, high] = this.worthBounds(validator, delegator);
    const seen = this.observedWorth(validator.address, delegator);
    return seen > low && seen <= high ? seen : low;
  }

  /** Fails unless `seen` is the whole part of the exact worth, or of one that is a millionth away. */
  checkWorth(validator: ModelValidator, delegator: string, seen: bigint): void {
    const [low, high] = this.worthBounds(validator, delegator);
    if (seen >= low && seen <= high) return;
    throw new Error(
      `delegation of ${delegator} to ${validator.address} is worth ${seen}, expected ${low} to ${high}`,
    );
  }

  worthBounds(validator: ModelValidator, delegator: string): readonly [bigint, bigint] {
    const exact = this.exactWorth(validator, delegator);
    const low = subtract(exact, EPSILON);
    return [compare(low, ZERO) < 0 ? 0n : floor(low), floor(add(exact, EPSILON))];
  }

  /** Last height that stake which leaves now still votes on. */
  through({ power, powers }: ModelValidator): number {
    if (power > 0n) return this.epoch.start + this.epoch.length;
    const last = powers.at(-1);
    return last === undefined ? 0 : last.height - 1;
  }

  powerAt({ powers }: ModelValidator, height: number): bigint {
    return powers.findLast((change) => change.height <= height)?.power ?? 0n;
  }

  hasIncoming(delegator: string, destination: string): boolean {
    return this.redelegations.some(
      (entry) => entry.delegator === delegator && entry.destination === destination,
    );
  }

  unbondingsOf(validator: string, delegator: string): ModelUnbonding[] {
    return this.unbondings.filter(
      (entry) => entry.validator === validator && entry.delegator === delegator,
    );
  }

  earn(key: string, amount: Fraction): void {
    this.rewards.set(key, add(this.rewards.get(key) ?? ZERO, amount));
  }

  slacken({ address }: ModelValidator, by: bigint): void {
    this.slack.set(address, (this.slack.get(address) ?? 0n) + by);
  }

  jail(validator: ModelValidator, until: number): void {
    validator.jailedUntil = validator.jailed ? Math.max(validator.jailedUntil, until) : until;
    validator.jailed = true;
  }
}

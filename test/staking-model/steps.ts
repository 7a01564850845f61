/** Steps of a story: what is drawn, and how one reads. Amounts may follow from the state they meet. */
import * as fc from "fast-check";
import { accountNumber, validatorNumber } from "../support/staking-fixtures.ts";

/** Validators 1 to 6, run by accounts 1 to 6, and four who only delegate. */
export const VALIDATORS_MAX = 6;
const DELEGATORS = [11, 12, 13, 14] as const;
const NAMES: Readonly<Record<number, string>> = { 11: "alice", 12: "bob", 13: "carol", 14: "dave" };

/** All who act. */
export const NUMBERS: readonly number[] = [
  ...Array.from({ length: VALIDATORS_MAX }, (_, n) => n + 1),
  ...DELEGATORS,
];
export const ACCOUNTS: readonly string[] = NUMBERS.map(accountNumber);

/** nweft, or a part of what there is to take it from. */
export type Amount =
  | { readonly kind: "exactly"; readonly value: bigint }
  | { readonly kind: "percent"; readonly value: number }
  /** All there is, and this much more or less. */
  | { readonly kind: "all"; readonly more: bigint };

export type Step =
  | {
      readonly kind: "create";
      readonly n: number;
      readonly self: bigint;
      readonly min: bigint;
      readonly rate: number;
      readonly maxRate: number;
      readonly maxChange: number;
    }
  | { readonly kind: "rate"; readonly by: number; readonly n: number; readonly rate: number }
  | { readonly kind: "retire"; readonly by: number; readonly n: number; readonly retired: boolean }
  | { readonly kind: "delegate"; readonly by: number; readonly n: number; readonly amount: Amount }
  | {
      readonly kind: "undelegate";
      readonly by: number;
      readonly n: number;
      readonly amount: Amount;
    }
  | {
      readonly kind: "cancel";
      readonly by: number;
      readonly n: number;
      readonly entry: number;
      readonly amount: Amount;
    }
  | {
      readonly kind: "redelegate";
      readonly by: number;
      readonly n: number;
      readonly to: number;
      readonly amount: Amount;
    }
  | { readonly kind: "jail"; readonly n: number; readonly seconds: number }
  | { readonly kind: "unjail"; readonly by: number; readonly n: number }
  | { readonly kind: "slash"; readonly n: number; readonly ago: number; readonly bps: number }
  | { readonly kind: "doubleSign"; readonly n: number; readonly ago: number }
  | { readonly kind: "withdraw"; readonly by: number; readonly n: number }
  | { readonly kind: "commission"; readonly by: number; readonly n: number }
  | {
      readonly kind: "advance";
      readonly blocks: number;
      /** Of each block. */
      readonly seconds: number;
      /** Validators that do not vote. */
      readonly absent: readonly number[];
      readonly fees: bigint;
    };

const n = fc.integer({ min: 1, max: VALIDATORS_MAX });
/** Mostly the few that exist from the beginning, so that stories meet. */
const validator = fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 1, max: 3 }) }, n);
const by = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(11, 12) },
  fc.constantFrom(...DELEGATORS),
  { weight: 2, arbitrary: validator },
);
const small = fc.bigInt({ min: 0n, max: 20n });
const large = fc.bigInt({ min: 1n, max: 30_000_000n });
const amount: fc.Arbitrary<Amount> = fc.oneof(
  fc.record({ kind: fc.constant("exactly" as const), value: fc.oneof(small, large) }),
  fc.record({ kind: fc.constant("percent" as const), value: fc.integer({ min: 1, max: 99 }) }),
  fc.record({ kind: fc.constant("all" as const), more: fc.constantFrom(0n, 0n, -1n, 1n, 2n) }),
);
const bps = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(1, 100, 500, 501, 1_000) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 3_000 }) },
  fc.constantFrom(5_000, 10_000),
);
const rate = fc.oneof(fc.constantFrom(0, 600, 1_000), fc.integer({ min: 0, max: 10_001 }));
const of = <Kind extends Step["kind"]>(kind: Kind) => fc.constant(kind);
const own = (build: (n: number, by: number) => fc.Arbitrary<Step>): fc.Arbitrary<Step> =>
  // An operator acts for itself, and now and then somebody else tries.
  fc
    .tuple(validator, fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, by))
    .chain(([n, other]) => build(n, other ?? n));

/** By kind: how often, and what is drawn. Weights are what makes stories dense. */
const KINDS: readonly (readonly [number, fc.Arbitrary<Step>])[] = [
  [
    4,
    fc.record({
      kind: of("create"),
      n,
      self: fc.oneof(
        fc.constantFrom(2_000_000n, 3_000_000n, 9_000_000n),
        fc.bigInt({ min: 1_000_000n, max: 20_000_000n }),
        large,
      ),
      min: fc.constantFrom(1_000_000n, 1_000_000n, 999_999n, 2_000_000n),
      rate,
      maxRate: fc.constantFrom(10_000, 5_000, 2_000),
      maxChange: fc.constantFrom(500, 2_000, 10_000),
    }),
  ],
  [
    2,
    own((n, by) => fc.record({ kind: of("rate"), by: fc.constant(by), n: fc.constant(n), rate })),
  ],
  [
    1,
    own((n, by) =>
      fc.record({
        kind: of("retire"),
        by: fc.constant(by),
        n: fc.constant(n),
        retired: fc.boolean(),
      }),
    ),
  ],
  [9, fc.record({ kind: of("delegate"), by, n: validator, amount })],
  [9, fc.record({ kind: of("undelegate"), by, n: validator, amount })],
  [
    4,
    fc.record({
      kind: of("cancel"),
      by,
      n: validator,
      entry: fc.integer({ min: 1, max: 4 }),
      amount,
    }),
  ],
  [9, fc.record({ kind: of("redelegate"), by, n: validator, to: validator, amount })],
  [1, fc.record({ kind: of("jail"), n: validator, seconds: fc.integer({ min: 0, max: 50 }) })],
  [4, own((n, by) => fc.record({ kind: of("unjail"), by: fc.constant(by), n: fc.constant(n) }))],
  [3, fc.record({ kind: of("slash"), n: validator, ago: fc.integer({ min: 1, max: 25 }), bps })],
  [1, fc.record({ kind: of("doubleSign"), n: validator, ago: fc.integer({ min: 1, max: 40 }) })],
  [3, fc.record({ kind: of("withdraw"), by, n: validator })],
  [
    1,
    own((n, by) => fc.record({ kind: of("commission"), by: fc.constant(by), n: fc.constant(n) })),
  ],
  [
    9,
    fc.record({
      kind: of("advance"),
      blocks: fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 1, max: 6 }) }, fc.constant(14)),
      seconds: fc.oneof(
        { weight: 8, arbitrary: fc.constantFrom(0, 1, 2, 5) },
        { weight: 2, arbitrary: fc.constantFrom(30, 110) },
        fc.constantFrom(4_000, 90_000),
      ),
      absent: fc.oneof(
        { weight: 4, arbitrary: fc.constant([]) },
        fc.uniqueArray(validator, { maxLength: 2 }),
      ),
      fees: fc.oneof(fc.constant(0n), small, fc.bigInt({ min: 0n, max: 1_000_000n })),
    }),
  ],
];

/**
 * A step as it is drawn, and a number that says what of the state it meets it is about (`ground`): most
 * delegations, entries and validators that one could name are not there.
 */
export interface Draft {
  readonly step: Step;
  /** 0 to 999; from 800 on the step is taken as it is. */
  readonly pick: number;
}

export const draft: fc.Arbitrary<Draft> = fc.record({
  step: fc.oneof(...KINDS.map(([weight, arbitrary]) => ({ weight, arbitrary }))),
  pick: fc.integer({ min: 0, max: 999 }),
});

/** Every story begins with two validators in the set. */
export const PROLOGUE: readonly Step[] = [
  {
    kind: "create",
    n: 1,
    self: 10_000_000n,
    min: 1_000_000n,
    rate: 1_000,
    maxRate: 10_000,
    maxChange: 500,
  },
  {
    kind: "create",
    n: 2,
    self: 7_000_000n,
    min: 1_000_000n,
    rate: 500,
    maxRate: 2_000,
    maxChange: 500,
  },
  { kind: "advance", blocks: 3, seconds: 2, absent: [], fees: 0n },
];

/** A step as one line of a story. */
export function describeStep(step: Step): string {
  switch (step.kind) {
    case "create":
      return `v${step.n} is created with ${step.self} (minimum ${step.min}), commission ${step.rate}/${step.maxRate}/${step.maxChange} bps`;
    case "rate":
      return `${nameOf(step.by)} sets the commission of v${step.n} to ${step.rate} bps`;
    case "retire":
      return `${nameOf(step.by)} ${step.retired ? "retires" : "returns"} v${step.n}`;
    case "delegate":
      return `${nameOf(step.by)} delegates ${text(step.amount)} to v${step.n}`;
    case "undelegate":
      return `${nameOf(step.by)} takes ${text(step.amount)} out of v${step.n}`;
    case "cancel":
      return `${nameOf(step.by)} cancels ${text(step.amount)} of entry ${step.entry} at v${step.n}`;
    case "redelegate":
      return `${nameOf(step.by)} moves ${text(step.amount)} from v${step.n} to v${step.to}`;
    case "jail":
      return `v${step.n} is jailed for ${step.seconds} s`;
    case "unjail":
      return `${nameOf(step.by)} asks for v${step.n} to be let out`;
    case "slash":
      return `v${step.n} loses ${step.bps} bps for what it did ${step.ago} blocks ago`;
    case "doubleSign":
      return `v${step.n} is found to have signed twice ${step.ago} blocks ago`;
    case "withdraw":
      return `${nameOf(step.by)} withdraws rewards of v${step.n}`;
    case "commission":
      return `${nameOf(step.by)} withdraws the commission of v${step.n}`;
    case "advance": {
      const away = step.absent.map((one) => `v${one}`).join(", ");
      const fees = step.fees === 0n ? "" : `, ${step.fees} of fees each`;
      return `${step.blocks} blocks of ${step.seconds} s${fees}${away === "" ? "" : `, without ${away}`}`;
    }
  }
}

/** Addresses in a message as the names of the story. */
export function withNames(message: string): string {
  let named = message;
  for (let at = 1; at <= VALIDATORS_MAX; at++) {
    named = named.replaceAll(validatorNumber(at), `v${at}`).replaceAll(accountNumber(at), `o${at}`);
  }
  for (const at of DELEGATORS) named = named.replaceAll(accountNumber(at), nameOf(at));
  return named;
}

function nameOf(account: number): string {
  return NAMES[account] ?? `o${account}`;
}

function text(amount: Amount): string {
  if (amount.kind === "exactly") return String(amount.value);
  if (amount.kind === "percent") return `${amount.value}%`;
  if (amount.more === 0n) return "all";
  return amount.more > 0n ? `all and ${amount.more} more` : `all but ${-amount.more}`;
}

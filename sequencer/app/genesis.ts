import { z } from "zod";
import { parseAddress } from "../../proto/address.ts";
import { Height } from "../../proto/brands.ts";
import { compareBytes, EMPTY_BYTES, fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import {
  DETAILS_BYTES_MAX,
  MONIKER_BYTES_MAX,
  WEBSITE_BYTES_MAX,
} from "../../proto/codec/staking-state.ts";
import { snakeCase, type SnakeCase } from "../../proto/codec/record.ts";
import { AMOUNT_LIMIT, BASIS_POINTS } from "../../proto/codec/weft-basics.ts";
import {
  type ChainState,
  encodeAccount,
  encodeBaseFee,
  encodeChain,
  encodeParams,
  encodeRollup,
  encodeSupply,
  PARAM_NAMES,
  type ParamsState,
} from "../../proto/codec/weft-state.ts";
import {
  AUCTION_MEMBERS_MAX,
  ATOMIC_PARTNERS_MAX,
  EXECUTOR_KEYS_MAX,
  Ordering,
  type RollupPolicy,
} from "../../proto/codec/rollup-policy.ts";
import { accountAddress, ROLLUP_NAME, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { WeftError } from "../../proto/errors.ts";
import { GenesisLedger, type GenesisStake, stakeGenesis } from "./genesis-stake.ts";
import { policyFault } from "./state/rollup-policy.ts";
import { DEFAULT_PARAMS, paramFaults } from "./params.ts";
import { POWER_REDUCTION } from "./staking/limits.ts";
import {
  accountKey,
  CHAIN_KEY,
  FEES_KEY,
  PARAMS_KEY,
  rollupKey,
  SUPPLY_KEY,
} from "./state/keys.ts";

/** The genesis cannot be used. */
export type GenesisError = {
  /** `app_state` does not have the schema, or contradicts itself or the validator set. */
  readonly code: "APP_GENESIS_INVALID";
};

const amount = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,18})$/, "expected an amount in nweft as a decimal string")
  .transform((text) => BigInt(text))
  .refine((value) => value < AMOUNT_LIMIT, "expected an amount below 2^63");
const hexBytes = (length: number, what: string) =>
  z
    .string()
    .regex(new RegExp(`^[0-9a-fA-F]{${length * 2}}$`), `expected ${what}: ${length} bytes in hex`)
    .transform((text) => fromHex(text));
const address = z.string().transform((text, context) => {
  try {
    return parseAddress(text);
  } catch (error) {
    // The schema collects faults instead of stopping at the first one.
    context.addIssue({ code: "custom", message: error instanceof Error ? error.message : "" });
    return z.NEVER;
  }
});

const basisPoints = z.int().min(0).max(BASIS_POINTS);
const text = (bytesMax: number) =>
  z
    .string()
    .refine((value) => utf8ToBytes(value).length <= bytesMax, `expected at most ${bytesMax} bytes`)
    .default("");

/** Names of orders, as in genesis.json. */
const ORDERINGS = {
  commit_order: Ordering.COMMIT_ORDER,
  sealed_random: Ordering.SEALED_RANDOM,
  priority_fee: Ordering.PRIORITY_FEE,
} as const;

const rollupName = z.string().regex(ROLLUP_NAME, "expected 1 to 64 characters of a-z, 0-9 and -");

const policySchema = z.strictObject({
  ordering: z.enum(["commit_order", "sealed_random", "priority_fee"]).default("commit_order"),
  sealed_only: z.boolean().default(false),
  auction: z.boolean().default(false),
  reserve: amount.default(0n),
  revenue_share_bps: basisPoints.default(8_000),
  executor_keys: z.array(hexBytes(32, "an ed25519 key")).max(EXECUTOR_KEYS_MAX).default([]),
  bundles_off: z.boolean().default(false),
  /** Name of the rollup that leads its auction group, and names of those that it leads. */
  auction_leader: rollupName.optional(),
  auction_members: z.array(rollupName).max(AUCTION_MEMBERS_MAX).default([]),
  second_price: z.boolean().default(false),
  executor_quorum: z.int().min(0).max(EXECUTOR_KEYS_MAX).default(0),
  /** Names of the only rollups that it lets itself be bundled with at level 1. */
  atomic_partners: z.array(rollupName).max(ATOMIC_PARTNERS_MAX).default([]),
});

const commissionSchema = z
  .strictObject({
    rate_bps: basisPoints.default(500),
    max_rate_bps: basisPoints.default(2_000),
    max_change_bps: basisPoints.default(100),
  })
  .refine(
    ({ rate_bps: rate, max_rate_bps: max, max_change_bps: change }) => rate <= max && change <= max,
    "expected rate_bps and max_change_bps of at most max_rate_bps",
  );

const optionalAmount = amount.optional();
const optionalInteger = z.int().optional();

type ParamsShape = {
  readonly [Name in keyof ParamsState as SnakeCase<Name>]: ParamsState[Name] extends bigint
    ? typeof optionalAmount
    : typeof optionalInteger;
};

const paramsSchema = z.strictObject(
  Object.fromEntries(
    PARAM_NAMES.map((name) => [
      snakeCase(name),
      typeof DEFAULT_PARAMS[name] === "bigint" ? optionalAmount : optionalInteger,
    ]),
  ) as ParamsShape,
);

/**
 * `app_state` of genesis.json. Amounts are decimal strings in nweft, keys and consensus addresses hex,
 * account addresses bech32. What is left out of `params` takes its default. The operator of a validator is
 * the account of its application key unless said otherwise. Stake is new money: what `delegations` say, or
 * else, by its operator, just what the validator's power takes (1,000,000 nweft for each unit).
 *
 *     {"accounts": [{"address": "weft1...", "balance": "1000000000"}],
 *      "validators": [{"address": "9A3F...", "application_key": "5c1e...", "operator": "weft1...",
 *                      "commission": {"rate_bps": 500}, "moniker": "ada"}],
 *      "delegations": [{"delegator": "weft1...", "validator": "9A3F...", "amount": "10000000"}],
 *      "rollups": [{"name": "alpha", "owner_key": "77ab...", "policy": {}}], "params": {}}
 */
export const genesisAppStateSchema = z.strictObject({
  accounts: z.array(z.strictObject({ address, balance: amount })).default([]),
  validators: z.array(
    z.strictObject({
      address: hexBytes(20, "a consensus address"),
      application_key: hexBytes(32, "an ed25519 key"),
      operator: address.optional(),
      commission: commissionSchema.prefault({}),
      min_self_delegation: amount.optional(),
      moniker: text(MONIKER_BYTES_MAX),
      website: text(WEBSITE_BYTES_MAX),
      details: text(DETAILS_BYTES_MAX),
    }),
  ),
  delegations: z
    .array(
      z.strictObject({
        delegator: address,
        validator: hexBytes(20, "a consensus address"),
        amount: amount.refine((value) => value > 0n, "expected at least 1 nweft"),
      }),
    )
    .default([]),
  rollups: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[a-z0-9-]{1,64}$/, "expected 1 to 64 characters of a-z, 0-9, -"),
        owner_key: hexBytes(32, "an ed25519 key"),
        policy: policySchema.prefault({}),
        deposit: amount.default(0n),
      }),
    )
    .default([]),
  params: paramsSchema.default({}),
});

/** What one writes into genesis.json. */
export type GenesisAppState = z.input<typeof genesisAppStateSchema>;

/** A validator of genesis.json. */
export interface GenesisValidator {
  /** ed25519, 32 bytes. */
  readonly consensusKey: Uint8Array;
  readonly power: bigint;
}

/** What the engine says about genesis. */
export interface GenesisContext extends ChainState {
  /** Of the genesis document. */
  readonly genesisSeconds: number;
  /** By consensus address in hex. */
  readonly validators: ReadonlyMap<string, GenesisValidator>;
}

/** The key-value pairs of the state before the first block. Throws a `GenesisError`. */
export function genesisState(
  appState: Uint8Array,
  context: GenesisContext,
): ReadonlyMap<string, Uint8Array> {
  const json = parseJson(appState);
  const parsed = genesisAppStateSchema.safeParse(json);
  if (!parsed.success) {
    throw invalid([z.prettifyError(parsed.error), ...misspelledParams(json)].join("\n"));
  }
  const { accounts, validators, delegations, rollups, params } = parsed.data;
  const state = new Map<string, Uint8Array>();
  const put = (key: string, value: Uint8Array): void => {
    if (state.has(key)) throw invalid(`${key} appears twice`);
    state.set(key, value);
  };

  put(CHAIN_KEY, encodeChain(context));
  const paramsState = applyDefaults(params, context);
  put(PARAMS_KEY, encodeParams(paramsState));
  put(FEES_KEY, encodeBaseFee(paramsState.baseFeeMin));

  const ledger = new GenesisLedger(paramsState, context, context.genesisSeconds);
  for (const { address, balance } of accounts) {
    const account = toHex(address);
    if (ledger.balances.has(account)) throw invalid(`${accountKey(account)} appears twice`);
    ledger.mint(account, balance);
  }
  for (const { name, owner_key: ownerKey, policy, deposit } of rollups) {
    ledger.mintPool("deposits", deposit);
    put(
      rollupKey(toHex(rollupIdOfName(name))),
      encodeRollup({
        name,
        ownerKey,
        policy: genesisPolicy(name, policy),
        pending: undefined,
        deposit,
        registeredHeight: Height(0),
      }),
    );
  }
  const stakes = genesisStakes(validators, delegations, paramsState, context.validators);
  const faults = stakeGenesis(ledger, stakes);
  const { total } = ledger.supply;
  if (total >= AMOUNT_LIMIT) throw invalid(`the supply, ${total} nweft, is not below 2^63`);
  if (faults.length > 0) throw invalid(faults.join("; "));
  for (const [account, balance] of ledger.balances) {
    // Who has delegated all that it got has no record, like anybody without money.
    if (balance > 0n) put(accountKey(account), encodeAccount({ nonce: 0n, balance }));
  }
  put(SUPPLY_KEY, encodeSupply(ledger.supply));
  for (const [key, value] of ledger.records.changes()) if (value !== undefined) put(key, value);
  return state;
}

function applyDefaults(given: z.output<typeof paramsSchema>, chain: ChainState): ParamsState {
  const overridden = PARAM_NAMES.flatMap((name) => {
    const value = given[snakeCase(name)];
    return value === undefined ? [] : [[name, value]];
  });
  // Small blocks have room for fewer validators than the default.
  const validatorsMax = Math.min(DEFAULT_PARAMS.validatorsMax, chain.setSizeMax);
  const params: ParamsState = {
    ...DEFAULT_PARAMS,
    validatorsMax,
    ...Object.fromEntries(overridden),
  };
  const faults = paramFaults(params, chain);
  if (faults.length > 0) {
    const listed = faults.map(namedAsInGenesis).join("; ");
    throw invalid(`params: ${listed} (a parameter that is left out has its default)`);
  }
  return params;
}

const GENESIS_NAMES: ReadonlyMap<string, string> = new Map(
  PARAM_NAMES.map((name) => [name, snakeCase(name)]),
);

/** Parameters have other names everywhere else: `epochLength` is `epoch_length` here. */
function namedAsInGenesis(fault: string): string {
  return fault.replace(/[a-z]+(?:[A-Z][a-z]*)+/g, (word) => GENESIS_NAMES.get(word) ?? word);
}

/** What to write for parameters with the names that commands take. */
function misspelledParams(json: unknown): readonly string[] {
  if (typeof json !== "object" || json === null || !("params" in json)) return [];
  const { params } = json;
  if (typeof params !== "object" || params === null) return [];
  return Object.keys(params).flatMap((name) => {
    const known = GENESIS_NAMES.get(name);
    return known === undefined || known === name
      ? []
      : [`params.${name} is ${known} in genesis.json`];
  });
}

function genesisPolicy(name: string, policy: z.output<typeof policySchema>): RollupPolicy {
  const executorKeys = policy.executor_keys.toSorted(compareBytes);
  if (new Set(executorKeys.map(toHex)).size !== executorKeys.length) {
    throw invalid(`rollup ${name}: an executor key appears twice`);
  }
  const made: RollupPolicy = {
    ordering: ORDERINGS[policy.ordering],
    sealedOnly: policy.sealed_only,
    auction: policy.auction,
    reserve: policy.reserve,
    revenueShareBps: policy.revenue_share_bps,
    executorKeys,
    bundlesOff: policy.bundles_off,
    auctionLeader:
      policy.auction_leader === undefined ? EMPTY_BYTES : rollupIdOfName(policy.auction_leader),
    auctionMembers: policy.auction_members.map(rollupIdOfName).toSorted(compareBytes),
    secondPrice: policy.second_price,
    executorQuorum: policy.executor_quorum,
    atomicPartners: policy.atomic_partners.map(rollupIdOfName).toSorted(compareBytes),
  };
  const fault = policyFault(toHex(rollupIdOfName(name)), made);
  if (fault !== undefined) throw invalid(`rollup ${name}: ${fault.code}: ${fault.reason}`);
  return made;
}

type Parsed = z.output<typeof genesisAppStateSchema>;

function genesisStakes(
  given: Parsed["validators"],
  delegations: Parsed["delegations"],
  params: ParamsState,
  validators: GenesisContext["validators"],
): readonly GenesisStake[] {
  if (given.length > params.validatorsMax) {
    throw invalid(`${given.length} validators, params.validators_max is ${params.validatorsMax}`);
  }
  const stakes = new Map<string, GenesisStake>();
  const applicationKeys = new Set<string>();
  for (const one of given) {
    const validator = toHex(one.address);
    const known = validators.get(validator);
    if (known === undefined) throw invalid(`${validator} is not a validator of this genesis`);
    if (stakes.has(validator)) throw invalid(`validator ${validator} appears twice`);
    const applicationKey = one.application_key;
    if (applicationKeys.has(toHex(applicationKey))) {
      throw invalid(`application key ${toHex(applicationKey)} appears twice`);
    }
    applicationKeys.add(toHex(applicationKey));
    const { rate_bps: rateBps, max_rate_bps, max_change_bps } = one.commission;
    if (rateBps < params.commissionMinBps) {
      throw invalid(
        `validator ${validator}: commission.rate_bps ${rateBps} is below params.commission_min_bps`,
      );
    }
    const minSelfDelegation = one.min_self_delegation ?? params.minSelfDelegation;
    if (minSelfDelegation < params.minSelfDelegation) {
      throw invalid(
        `validator ${validator}: min_self_delegation is below params.min_self_delegation`,
      );
    }
    const { moniker, website, details } = one;
    stakes.set(validator, {
      validator,
      operator: toHex(one.operator ?? accountAddress(applicationKey)),
      consensusKey: known.consensusKey,
      applicationKey,
      commission: { rateBps, maxRateBps: max_rate_bps, maxChangeBps: max_change_bps },
      description: { moniker, website, details },
      minSelfDelegation,
      power: known.power,
      delegations: [],
    });
  }
  for (const address of validators.keys()) {
    if (stakes.has(address)) continue;
    throw invalid(
      `validator ${address} has no application key in app_state.validators; its votes could not count`,
    );
  }
  return withDelegations(stakes, delegations);
}

function withDelegations(
  stakes: ReadonlyMap<string, GenesisStake>,
  delegations: Parsed["delegations"],
): readonly GenesisStake[] {
  const given = new Map<string, Map<string, bigint>>();
  for (const { delegator, validator, amount } of delegations) {
    const address = toHex(validator);
    if (!stakes.has(address)) throw invalid(`a delegation to ${address}, which is no validator`);
    const amounts = given.get(address) ?? new Map<string, bigint>();
    if (amounts.has(toHex(delegator))) {
      throw invalid(`the delegation of ${toHex(delegator)} to ${address} appears twice`);
    }
    given.set(address, amounts.set(toHex(delegator), amount));
  }
  return [...stakes.values()].map((stake) => {
    const { operator, power } = stake;
    const own = new Map([[operator, power * POWER_REDUCTION]]);
    const amounts = given.get(stake.validator) ?? own;
    return {
      ...stake,
      delegations: [...amounts].map(([delegator, amount]) => ({ delegator, amount })),
    };
  });
}

function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length === 0) {
    throw invalid("it is missing: weft init and weft testnet write one with its validators");
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid("it is not JSON", cause);
  }
}

function invalid(what: string, cause?: unknown): WeftError<GenesisError> {
  return new WeftError<GenesisError>(
    { code: "APP_GENESIS_INVALID" },
    `app_state of genesis.json cannot be used: ${what}`,
    { cause },
  );
}

import { z } from "zod";
import { parseAddress } from "../../proto/address.ts";
import { Height } from "../../proto/brands.ts";
import { compareBytes, EMPTY_BYTES, fromHex, toHex } from "../../proto/bytes.ts";
import {
  BondStatus,
  VALIDATOR_CODEC,
  type ValidatorState,
} from "../../proto/codec/staking-state.ts";
import { snakeCase, type SnakeCase } from "../../proto/codec/record.ts";
import { AMOUNT_LIMIT, BASIS_POINTS } from "../../proto/codec/weft-basics.ts";
import {
  type ChainState,
  EMPTY_SUPPLY,
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
  accountAddress,
  EXECUTOR_KEYS_MAX,
  ORDERING_COMMIT_ORDER,
  type RollupPolicy,
  rollupIdOfName,
} from "../../proto/codec/weft-tx.ts";
import { WeftError } from "../../proto/errors.ts";
import { DEFAULT_PARAMS, paramFaults } from "./params.ts";
import {
  accountKey,
  CHAIN_KEY,
  FEES_KEY,
  PARAMS_KEY,
  rollupKey,
  SUPPLY_KEY,
  validatorKey,
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

const policySchema = z.strictObject({
  sealed_only: z.boolean().default(false),
  auction: z.boolean().default(false),
  reserve: amount.default(0n),
  revenue_share_bps: z.int().min(0).max(BASIS_POINTS).default(8_000),
  executor_keys: z.array(hexBytes(32, "an ed25519 key")).max(EXECUTOR_KEYS_MAX).default([]),
});

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
 * account addresses bech32. What is left out of `params` takes its default.
 *
 *     {"accounts": [{"address": "weft1...", "balance": "1000000000"}],
 *      "validators": [{"address": "9A3F...", "application_key": "5c1e..."}],
 *      "rollups": [{"name": "alpha", "owner_key": "77ab...", "policy": {}}], "params": {}}
 */
export const genesisAppStateSchema = z.strictObject({
  accounts: z.array(z.strictObject({ address, balance: amount })).default([]),
  validators: z.array(
    z.strictObject({
      address: hexBytes(20, "a consensus address"),
      application_key: hexBytes(32, "an ed25519 key"),
    }),
  ),
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
  /** By consensus address in hex. */
  readonly validators: ReadonlyMap<string, GenesisValidator>;
}

/** The key-value pairs of the state before the first block. Throws a `GenesisError`. */
export function genesisState(
  appState: Uint8Array,
  context: GenesisContext,
): ReadonlyMap<string, Uint8Array> {
  const parsed = genesisAppStateSchema.safeParse(parseJson(appState));
  if (!parsed.success) throw invalid(z.prettifyError(parsed.error));
  const { accounts, validators, rollups, params } = parsed.data;
  const state = new Map<string, Uint8Array>();
  const put = (key: string, value: Uint8Array): void => {
    if (state.has(key)) throw invalid(`${key} appears twice`);
    state.set(key, value);
  };

  put(CHAIN_KEY, encodeChain(context));
  const paramsState = applyDefaults(params, context);
  put(PARAMS_KEY, encodeParams(paramsState));
  put(FEES_KEY, encodeBaseFee(paramsState.baseFeeMin));

  let total = 0n;
  let deposits = 0n;
  for (const { address, balance } of accounts) {
    total += balance;
    put(accountKey(toHex(address)), encodeAccount({ nonce: 0n, balance }));
  }
  for (const { name, owner_key: ownerKey, policy, deposit } of rollups) {
    deposits += deposit;
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
  total += deposits;
  if (total >= AMOUNT_LIMIT) throw invalid(`the supply, ${total} nweft, is not below 2^63`);
  put(SUPPLY_KEY, encodeSupply({ ...EMPTY_SUPPLY, total, deposits }));

  for (const { address, application_key: applicationKey } of validators) {
    const validator = context.validators.get(toHex(address));
    if (validator === undefined) {
      throw invalid(`${toHex(address)} is not a validator of this genesis`);
    }
    put(
      validatorKey(toHex(address)),
      VALIDATOR_CODEC.encode(genesisValidator(validator, applicationKey, context.initialHeight)),
    );
  }
  for (const address of context.validators.keys()) {
    if (state.has(validatorKey(address))) continue;
    throw invalid(
      `validator ${address} has no application key in app_state.validators; its votes could not count`,
    );
  }
  return state;
}

function applyDefaults(given: z.output<typeof paramsSchema>, chain: ChainState): ParamsState {
  const overridden = PARAM_NAMES.flatMap((name) => {
    const value = given[snakeCase(name)];
    return value === undefined ? [] : [[name, value]];
  });
  const params: ParamsState = { ...DEFAULT_PARAMS, ...Object.fromEntries(overridden) };
  const faults = paramFaults(params, chain);
  if (faults.length > 0) throw invalid(`params: ${faults.join("; ")}`);
  return params;
}

function genesisPolicy(name: string, policy: z.output<typeof policySchema>): RollupPolicy {
  const executorKeys = policy.executor_keys.toSorted(compareBytes);
  if (new Set(executorKeys.map(toHex)).size !== executorKeys.length) {
    throw invalid(`rollup ${name}: an executor key appears twice`);
  }
  return {
    ordering: ORDERING_COMMIT_ORDER,
    sealedOnly: policy.sealed_only,
    auction: policy.auction,
    reserve: policy.reserve,
    revenueShareBps: policy.revenue_share_bps,
    executorKeys,
  };
}

function genesisValidator(
  { consensusKey, power }: GenesisValidator,
  applicationKey: Uint8Array,
  initialHeight: Height,
): ValidatorState {
  return {
    applicationKey,
    power,
    consensusKey,
    operator: accountAddress(applicationKey),
    status: BondStatus.BONDED,
    jailed: false,
    tombstoned: false,
    retired: false,
    tokens: 0n,
    shares: 0n,
    minSelfDelegation: 0n,
    commission: { rateBps: 0, maxRateBps: BASIS_POINTS, maxChangeBps: 100, changedSeconds: 0 },
    description: { moniker: "", website: "", details: "" },
    createdHeight: initialHeight,
    unbondingSeconds: 0,
    unbondingHeight: Height(0),
    jailedUntilSeconds: 0,
    downtimeJails: 0,
    downtimeHeight: Height(0),
    applicationKeySince: initialHeight,
    previousApplicationKey: EMPTY_BYTES,
  };
}

function parseJson(bytes: Uint8Array): unknown {
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

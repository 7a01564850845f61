import { z } from "zod";
import { parseAddress } from "../../proto/address.ts";
import { Height } from "../../proto/brands.ts";
import { compareBytes, fromHex, toHex } from "../../proto/bytes.ts";
import {
  encodeAccount,
  encodeBaseFee,
  encodeChain,
  encodeParams,
  encodeRollup,
  encodeSupply,
  encodeValidator,
  type ParamsState,
} from "../../proto/codec/weft-state.ts";
import {
  AMOUNT_LIMIT,
  BASIS_POINTS,
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

const paramsSchema = z.strictObject({
  base_fee_min: amount.optional(),
  base_fee_max: amount.optional(),
  base_fee_change_denominator: z.int().optional(),
  block_bytes_target: z.int().optional(),
  tx_bytes_max: z.int().optional(),
  unordered_window: z.int().optional(),
  unordered_per_block_max: z.int().optional(),
  control_share_bps: z.int().optional(),
  forced_share_bps: z.int().optional(),
  obligated_share_bps: z.int().optional(),
  sealed_share_bps: z.int().optional(),
  atomic_share_bps: z.int().optional(),
  control_per_signer_max: z.int().optional(),
  rollup_quota_bps: z.int().optional(),
  rollup_quota_bytes_floor: z.int().optional(),
  rollup_deposit: amount.optional(),
  policy_delay: z.int().optional(),
});

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

/** What the engine says about genesis. */
export interface GenesisContext {
  readonly chainId: string;
  readonly initialHeight: Height;
  readonly blockBytesMax: number;
  /** Powers by consensus address in hex. */
  readonly validatorPowers: ReadonlyMap<string, bigint>;
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

  const { chainId, initialHeight, blockBytesMax } = context;
  put(CHAIN_KEY, encodeChain({ chainId, initialHeight, blockBytesMax }));
  const paramsState = applyDefaults(params);
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
  put(SUPPLY_KEY, encodeSupply({ total, feePool: 0n, deposits }));

  for (const { address, application_key: applicationKey } of validators) {
    const power = context.validatorPowers.get(toHex(address));
    if (power === undefined) throw invalid(`${toHex(address)} is not a validator of this genesis`);
    put(validatorKey(toHex(address)), encodeValidator({ applicationKey, power }));
  }
  for (const address of context.validatorPowers.keys()) {
    if (state.has(validatorKey(address))) continue;
    throw invalid(
      `validator ${address} has no application key in app_state.validators; its votes could not count`,
    );
  }
  return state;
}

function applyDefaults(given: z.output<typeof paramsSchema>): ParamsState {
  const defaults = DEFAULT_PARAMS;
  const params: ParamsState = {
    baseFeeMin: given.base_fee_min ?? defaults.baseFeeMin,
    baseFeeMax: given.base_fee_max ?? defaults.baseFeeMax,
    baseFeeChangeDenominator:
      given.base_fee_change_denominator ?? defaults.baseFeeChangeDenominator,
    blockBytesTarget: given.block_bytes_target ?? defaults.blockBytesTarget,
    txBytesMax: given.tx_bytes_max ?? defaults.txBytesMax,
    unorderedWindow: given.unordered_window ?? defaults.unorderedWindow,
    unorderedPerBlockMax: given.unordered_per_block_max ?? defaults.unorderedPerBlockMax,
    controlShareBps: given.control_share_bps ?? defaults.controlShareBps,
    forcedShareBps: given.forced_share_bps ?? defaults.forcedShareBps,
    obligatedShareBps: given.obligated_share_bps ?? defaults.obligatedShareBps,
    sealedShareBps: given.sealed_share_bps ?? defaults.sealedShareBps,
    atomicShareBps: given.atomic_share_bps ?? defaults.atomicShareBps,
    controlPerSignerMax: given.control_per_signer_max ?? defaults.controlPerSignerMax,
    rollupQuotaBps: given.rollup_quota_bps ?? defaults.rollupQuotaBps,
    rollupQuotaBytesFloor: given.rollup_quota_bytes_floor ?? defaults.rollupQuotaBytesFloor,
    rollupDeposit: given.rollup_deposit ?? defaults.rollupDeposit,
    policyDelay: given.policy_delay ?? defaults.policyDelay,
  };
  const faults = paramFaults(params);
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

import { describe, expect, test } from "vitest";
import { formatAddress } from "../../proto/address.ts";
import { Height } from "../../proto/brands.ts";
import { compareBytes, fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { BondStatus } from "../../proto/codec/staking-state.ts";
import {
  EMPTY_SUPPLY,
  decodeParams,
  decodeRollup,
  decodeSupply,
  encodeParams,
} from "../../proto/codec/weft-state.ts";
import { Ordering } from "../../proto/codec/rollup-policy.ts";
import { accountAddress, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { CODES, codeName } from "./codes.ts";
import { genesisState } from "./genesis.ts";
import { DEFAULT_PARAMS, PARAM_BOUNDS, paramFaults } from "./params.ts";
import type { RecordType } from "./state/records.ts";
import { DELEGATIONS, EPOCH, POWERS, VALIDATORS } from "./state/tables.ts";

const VALIDATOR = "11".repeat(20);
const KEY = "22".repeat(32);
const ADDRESS = formatAddress(new Uint8Array(20).fill(3));
const context = {
  chainId: "weft-1",
  initialHeight: Height(1),
  blockBytesMax: 1 << 20,
  evidenceMaxAgeBlocks: 100_000,
  evidenceMaxAgeSeconds: 172_800,
  setSizeMax: 150,
  genesisSeconds: 1_700_000_000,
  validators: new Map([[VALIDATOR, { consensusKey: new Uint8Array(32), power: 10n }]]),
};
/** The account of the application key. */
const OPERATOR = toHex(accountAddress(fromHex(KEY)));
const validators = [{ address: VALIDATOR.toUpperCase(), application_key: KEY }];

function state(appState: unknown): ReadonlyMap<string, Uint8Array> {
  return genesisState(utf8ToBytes(JSON.stringify(appState)), context);
}

function record<Value>(
  pairs: ReadonlyMap<string, Uint8Array>,
  { prefix, decode }: RecordType<Value>,
  key: string,
): Value | undefined {
  const bytes = pairs.get(prefix + key);
  return bytes && decode(bytes);
}

describe("genesis", () => {
  test("behavior: rollups name others of their auctions, and what no policy may say is refused", () => {
    const rollup = (name: string, policy: object) => ({
      name,
      owner_key: KEY,
      deposit: "0",
      policy,
    });
    const group = { auction: true, auction_members: ["c", "b"], ordering: "sealed_random" };
    const led = { auction: true, auction_leader: "a", bundles_off: true };
    const pairs = state({ validators, rollups: [rollup("a", group), rollup("b", led)] });
    const policy = (name: string) =>
      decodeRollup(pairs.get(`rollup/${toHex(rollupIdOfName(name))}`) ?? new Uint8Array()).policy;
    expect(policy("a")).toMatchObject({
      ordering: Ordering.SEALED_RANDOM,
      auctionMembers: ["b", "c"].map(rollupIdOfName).sort(compareBytes),
      bundlesOff: false,
    });
    expect(policy("b")).toMatchObject({ auctionLeader: rollupIdOfName("a"), bundlesOff: true });
    const refusal = (value: object) => () => state({ validators, rollups: [rollup("a", value)] });
    expect(refusal({ auction_members: ["a"] })).toThrow(/POLICY_GROUP/);
    expect(refusal({ auction_leader: "b", auction_members: ["c"] })).toThrow(/POLICY_GROUP/);
    expect(refusal({ auction_leader: "b", second_price: true })).toThrow(/POLICY_PRICING/);
    expect(refusal({ ordering: "random" })).toThrow(/ordering/);
    const partners = state({ validators, rollups: [rollup("a", { atomic_partners: ["c", "b"] })] });
    const key = `rollup/${toHex(rollupIdOfName("a"))}`;
    expect(decodeRollup(partners.get(key) ?? new Uint8Array()).policy.atomicPartners).toEqual(
      ["b", "c"].map(rollupIdOfName).sort(compareBytes),
    );
    expect(refusal({ atomic_partners: ["b", "a"] })).toThrow(/POLICY_PARTNERS/);
    expect(refusal({ atomic_partners: ["b", "b"] })).toThrow(/ascend|once|order/);
  });

  test("behavior: the smallest genesis has defaults, and the stake that its powers take", () => {
    const pairs = state({ validators });
    expect(decodeParams(pairs.get("params") ?? new Uint8Array())).toEqual(DEFAULT_PARAMS);
    expect(decodeSupply(pairs.get("supply") ?? new Uint8Array())).toEqual({
      ...EMPTY_SUPPLY,
      total: 10_000_000n,
      bonded: 10_000_000n,
    });
    expect([...pairs.keys()].sort()).toEqual([
      "chain",
      `delegation/${VALIDATOR}/${OPERATOR}`,
      "epoch",
      "fees",
      "params",
      `powers/${VALIDATOR}`,
      `ratio/${VALIDATOR}/0000000000000000`,
      `rewards/${VALIDATOR}`,
      "supply",
      `validator/${VALIDATOR}`,
    ]);
    expect(record(pairs, VALIDATORS, VALIDATOR)).toMatchObject({
      operator: fromHex(OPERATOR),
      power: 10n,
      tokens: 10_000_000n,
      status: BondStatus.BONDED,
      commission: { rateBps: 500, maxRateBps: 2_000, maxChangeBps: 100 },
    });
    expect(record(pairs, EPOCH, "")).toEqual({
      number: 1,
      startHeight: 1,
      length: 600,
      nextSetSize: 1,
      followingSetSize: 1,
      activePower: 10n,
    });
    expect(record(pairs, POWERS, VALIDATOR)).toEqual({ changes: [{ height: 1, power: 10n }] });
  });

  test("behavior: balances and deposits make the supply", () => {
    const pairs = state({
      validators,
      accounts: [{ address: ADDRESS, balance: "70" }],
      rollups: [{ name: "alpha", owner_key: KEY, deposit: "30", policy: { sealed_only: true } }],
      params: { rollup_deposit: "5" },
    });
    expect(decodeSupply(pairs.get("supply") ?? new Uint8Array())).toMatchObject({
      total: 10_000_100n,
      deposits: 30n,
      bonded: 10_000_000n,
    });
    expect(pairs.has(`account/${toHex(new Uint8Array(20).fill(3))}`)).toBe(true);
  });

  test("behavior: a validator has the operator, commission, description and delegations that genesis gives", () => {
    const operator = formatAddress(new Uint8Array(20).fill(5));
    const pairs = state({
      validators: [
        {
          ...validators[0],
          operator,
          commission: { rate_bps: 250, max_rate_bps: 300, max_change_bps: 10 },
          min_self_delegation: "2000000",
          moniker: "ada",
        },
      ],
      accounts: [{ address: ADDRESS, balance: "70" }],
      delegations: [
        { delegator: operator, validator: VALIDATOR, amount: "2000000" },
        { delegator: ADDRESS, validator: VALIDATOR, amount: "8999999" },
      ],
    });
    expect(record(pairs, VALIDATORS, VALIDATOR)).toMatchObject({
      operator: new Uint8Array(20).fill(5),
      // The rest of a unit has no power.
      power: 10n,
      tokens: 10_999_999n,
      minSelfDelegation: 2_000_000n,
      commission: { rateBps: 250, maxRateBps: 300, maxChangeBps: 10 },
      description: { moniker: "ada", website: "", details: "" },
    });
    expect(record(pairs, DELEGATIONS, `${VALIDATOR}/${"03".repeat(20)}`)?.stake).toBe(8_999_999n);
    expect(decodeSupply(pairs.get("supply") ?? new Uint8Array())).toMatchObject({
      total: 11_000_069n,
      bonded: 10_999_999n,
    });
  });

  test("behavior: what cannot be used is refused with its reason", () => {
    const refuses = (appState: unknown, reason: RegExp) =>
      expect(() => state(appState), JSON.stringify(appState)).toThrow(reason);
    refuses({}, /validators/);
    refuses({ validators: [] }, /has no application key/);
    refuses(
      { validators: [{ address: "33".repeat(20), application_key: KEY }] },
      /is not a validator/,
    );
    refuses({ validators: [...validators, ...validators] }, /appears twice/);
    refuses({ validators, extra: 1 }, /extra/);
    refuses({ validators, accounts: [{ address: "weft1xyz", balance: "1" }] }, /weft1/);
    refuses({ validators, accounts: [{ address: ADDRESS, balance: "-1" }] }, /nweft/);
    refuses(
      { validators, accounts: [{ address: ADDRESS, balance: "9223372036854775808" }] },
      /2\^63/,
    );
    const half = { balance: "5000000000000000000" };
    const other = formatAddress(new Uint8Array(20).fill(4));
    refuses(
      {
        validators,
        accounts: [
          { address: ADDRESS, ...half },
          { address: other, ...half },
        ],
      },
      /supply/,
    );
    refuses({ validators, rollups: [{ name: "UPPER", owner_key: KEY }] }, /name/);
    refuses({ validators, params: { unordered_window: 5 } }, /unordered_window: expected 10 to/);
    refuses(
      { validators, params: { sealed_share_bps: 5_000, atomic_share_bps: 5_000 } },
      /lane shares/,
    );
    refuses(
      { validators, params: { control_share_bps: 2_000, obligated_share_bps: 1_501 } },
      /at most 3500 together, got 3501/,
    );
    refuses(
      { validators, params: { obligated_share_bps: 499 } },
      /obligated_share_bps: expected 500/,
    );
    refuses(
      { validators, params: { fee_rollup_bps: 9_000, fee_community_bps: 900 } },
      /fee shares/,
    );
    refuses({ validators, params: { validators_max: 151 } }, /150 validators/);
    refuses(
      { validators, params: { candidates_max: 99 } },
      /candidates_max 99 is below validators_max/,
    );
    refuses({ validators, params: { unbonding_seconds: 172_800 } }, /unbonding_seconds 172800/);
    refuses(
      { validators, params: { epochLength: 5 } },
      /params\.epochLength is epoch_length in genesis\.json/,
    );
    refuses(
      { validators, params: { epoch_length: 0 } },
      /epoch_length: expected 1 to 20000, got 0 \(a parameter that is left out has its default\)/,
    );
    expect(() => genesisState(new Uint8Array(0), context)).toThrow(/is missing: weft init/);
    const [only] = validators;
    refuses(
      { validators: [{ ...only, commission: { rate_bps: 500, max_rate_bps: 400 } }] },
      /max_rate_bps/,
    );
    refuses({ validators, params: { commission_min_bps: 600 } }, /commission_min_bps/);
    refuses({ validators: [{ ...only, min_self_delegation: "1" }] }, /min_self_delegation/);
    refuses({ validators: [{ ...only, moniker: "m".repeat(71) }] }, /at most 70 bytes/);
    const delegation = { delegator: ADDRESS, validator: VALIDATOR, amount: "10000000" };
    refuses({ validators, delegations: [delegation] }, /its operator delegates 0 nweft/);
    refuses({ validators, delegations: [delegation, delegation] }, /appears twice/);
    refuses({ validators, delegations: [{ ...delegation, amount: "9999999" }] }, /make 9/);
    refuses({ validators, delegations: [{ ...delegation, amount: "0" }] }, /at least 1 nweft/);
    refuses(
      { validators, delegations: [{ ...delegation, validator: "33".repeat(20) }] },
      /no validator/,
    );
    expect(() => genesisState(utf8ToBytes("{"), context)).toThrow(/JSON/);
  });
});

describe("params", () => {
  test("behavior: defaults are within bounds, and so is every bound", () => {
    expect(paramFaults(DEFAULT_PARAMS, context)).toEqual([]);
    for (const { min, max, doc } of Object.values(PARAM_BOUNDS)) {
      expect(min <= max && doc.length > 10).toBe(true);
    }
  });

  test("behavior: an unusual set survives its encoding", () => {
    const params = { ...DEFAULT_PARAMS, rollupDeposit: 0n, policyDelay: 1, forcedShareBps: 0 };
    expect(decodeParams(encodeParams(params))).toEqual(params);
  });
});

describe("codes", () => {
  test("behavior: each number names one code", () => {
    const numbers = Object.values(CODES).map(({ number }) => number);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(codeName(CODES.POOL_FULL.number)).toBe("POOL_FULL");
    expect(codeName(9_999)).toBeUndefined();
  });
});

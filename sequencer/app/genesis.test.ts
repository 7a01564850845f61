import { describe, expect, test } from "vitest";
import { formatAddress } from "../../proto/address.ts";
import { Height } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import {
  EMPTY_SUPPLY,
  decodeParams,
  decodeSupply,
  encodeParams,
} from "../../proto/codec/weft-state.ts";
import { CODES, codeName } from "./codes.ts";
import { genesisState } from "./genesis.ts";
import { DEFAULT_PARAMS, PARAM_BOUNDS, paramFaults } from "./params.ts";

const VALIDATOR = "11".repeat(20);
const KEY = "22".repeat(32);
const ADDRESS = formatAddress(new Uint8Array(20).fill(3));
const context = {
  chainId: "weft-1",
  initialHeight: Height(1),
  blockBytesMax: 1 << 20,
  evidenceMaxAgeBlocks: 100_000,
  evidenceMaxAgeSeconds: 172_800,
  validators: new Map([[VALIDATOR, { consensusKey: new Uint8Array(32), power: 10n }]]),
};
const validators = [{ address: VALIDATOR.toUpperCase(), application_key: KEY }];

function state(appState: unknown): ReadonlyMap<string, Uint8Array> {
  return genesisState(utf8ToBytes(JSON.stringify(appState)), context);
}

describe("genesis", () => {
  test("behavior: the smallest genesis has defaults and no money", () => {
    const pairs = state({ validators });
    expect(decodeParams(pairs.get("params") ?? new Uint8Array())).toEqual(DEFAULT_PARAMS);
    expect(decodeSupply(pairs.get("supply") ?? new Uint8Array())).toEqual(EMPTY_SUPPLY);
    expect([...pairs.keys()].sort()).toEqual([
      "chain",
      "fees",
      "params",
      "supply",
      `validator/${VALIDATOR}`,
    ]);
  });

  test("behavior: balances and deposits make the supply", () => {
    const pairs = state({
      validators,
      accounts: [{ address: ADDRESS, balance: "70" }],
      rollups: [{ name: "alpha", owner_key: KEY, deposit: "30", policy: { sealed_only: true } }],
      params: { rollup_deposit: "5" },
    });
    expect(decodeSupply(pairs.get("supply") ?? new Uint8Array())).toMatchObject({
      total: 100n,
      deposits: 30n,
    });
    expect(pairs.has(`account/${toHex(new Uint8Array(20).fill(3))}`)).toBe(true);
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
    refuses({ validators, params: { unordered_window: 5 } }, /unorderedWindow: expected 10 to/);
    refuses(
      { validators, params: { sealed_share_bps: 5_000, atomic_share_bps: 5_000 } },
      /lane shares/,
    );
    refuses(
      { validators, params: { fee_rollup_bps: 9_000, fee_community_bps: 900 } },
      /fee shares/,
    );
    refuses({ validators, params: { candidates_max: 99 } }, /candidatesMax 99 is below/);
    refuses({ validators, params: { unbonding_seconds: 172_800 } }, /unbondingSeconds 172800/);
    refuses({ validators, params: { epochLength: 5 } }, /epochLength/);
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

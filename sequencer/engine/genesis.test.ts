import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { consensusParamsToJson } from "../../proto/json.ts";
import { testGenesis, testKeys } from "../../test/support/chain-builder.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "./consensus-params.ts";
import { genesisDigest, genesisToJson, loadGenesis, parseGenesis, saveGenesis } from "./genesis.ts";

const MINIMAL = { chain_id: "weft-1", genesis_time: "2026-01-02T03:04:05.000000007Z" };
const parse = (changes: Record<string, unknown>) =>
  parseGenesis(JSON.stringify({ ...MINIMAL, ...changes }));

describe("genesis", () => {
  test("a document without the optional fields gets CometBFT's defaults", () => {
    expect(parse({})).toEqual({
      genesisTime: { seconds: 1_767_323_045n, nanos: 7 },
      chainId: "weft-1",
      initialHeight: 1,
      consensusParams: DEFAULT_CONSENSUS_PARAMS,
      validators: [],
      appHash: new Uint8Array(0),
      appState: "",
    });
  });

  test("app_state is kept to the letter, nested namesakes and numbers included", () => {
    const appState = '{ "app_state": 1.50, "b":[12345678901234567890, "}\\""] }';
    const text = `{"x":{"app_state":0},"chain_id":"c","genesis_time":"2026-01-02T03:04:05Z", "app_state" : ${appState} , "y":1}`;
    expect(parseGenesis(text).appState).toBe(appState);
    expect(parseGenesis(genesisToJson(parseGenesis(text))).appState).toBe(appState);
    expect(parse({ app_state: 5 }).appState).toBe("5");
  });

  test("the digest is of what the document says, not of how it is written", () => {
    const genesis = testGenesis(testKeys(3), { appState: '{"a": 1,\n "b": "2"}' });
    const again = parseGenesis(JSON.stringify(JSON.parse(genesisToJson(genesis))));
    expect(again.appState).not.toBe(genesis.appState);
    expect(genesisDigest(again)).toEqual(genesisDigest(genesis));
    expect(genesisDigest({ ...genesis, appState: '{"a":1,"b":"3"}' })).not.toEqual(
      genesisDigest(genesis),
    );
    expect(genesisDigest({ ...genesis, appState: "" })).toHaveLength(32);
  });

  test("written and read again, nothing changes", async () => {
    const directory = await mkdtemp(join(tmpdir(), "weft-genesis-"));
    const path = join(directory, "genesis.json");
    const genesis = testGenesis(testKeys(3), { appState: '{"a": 1}' });
    await saveGenesis(path, genesis);
    expect(await loadGenesis(path)).toEqual(genesis);
    await writeFile(path, "{");
    await expect(loadGenesis(path)).rejects.toThrow(
      /genesis\.json: expected JSON text \(.*genesis\.json\); take the network's/,
    );
    await expect(loadGenesis(`${path}.none`)).rejects.toThrow(
      /genesis\.json: .*none is missing; take the network's/,
    );
    await rm(directory, { recursive: true });
  });

  test("what CometBFT takes at its limits is taken", () => {
    const chainId = "é".repeat(25);
    expect(parse({ chain_id: chainId }).chainId).toBe(chainId);
    const { version } = parse(
      withParam("version", "app", String((1n << 64n) - 1n)),
    ).consensusParams;
    expect(version.app).toBe((1n << 64n) - 1n);
    const { evidence } = parse(
      withParam("evidence", "max_age_duration", String((1n << 63n) - 1n)),
    ).consensusParams;
    expect(evidence.maxAgeDurationNanos).toBe((1n << 63n) - 1n);
    const { genesisTime } = parse({ genesis_time: "2026-01-02T03:04:05,0000000079Z" });
    expect(genesisTime).toEqual({ seconds: 1_767_323_045n, nanos: 7 });
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    ["no chain id", { chain_id: "" }, /chain_id: the genesis must have a non-empty chain_id/],
    ["a long chain id", { chain_id: "x".repeat(51) }, /51 bytes, at most 50/],
    ["a chain id of many bytes", { chain_id: "é".repeat(26) }, /52 bytes, at most 50/],
    ["no time", { genesis_time: undefined }, /must have a genesis_time/],
    ["Go's zero time", { genesis_time: "0001-01-01T00:00:00Z" }, /must have a genesis_time/],
    ["a time that is none", { genesis_time: "yesterday" }, /genesis_time: .*RFC 3339/],
    [
      "a time that is not UTC's",
      { genesis_time: "2026-01-02T03:04:05+02:00" },
      /genesis_time: expected UTC, ending in Z, .* write 2026-01-02T01:04:05Z/,
    ],
    [
      "a bare height",
      { initial_height: 5 },
      /initial_height: expected a decimal integer in quotes/,
    ],
    [
      "a bare parameter",
      { consensus_params: { block: { max_bytes: 4194304 } } },
      /block\.max_bytes: expected a decimal integer in quotes, as CometBFT wants it, got 4194304/,
    ],
    [
      "a bare power",
      { validators: [validator({ power: 10 })] },
      /validators\[0\]\.power: expected a decimal integer in quotes/,
    ],
    [
      "a validator twice",
      { validators: [validator({}), validator({})] },
      /validators\[1\]: validator [0-9A-F]{40} is there twice/,
    ],
    [
      "a power that is no int64",
      { validators: [validator({ power: "9223372036854775808" })] },
      /validators\[0\]\.power: expected a decimal integer from -2\^63 to 2\^63 - 1/,
    ],
    [
      "a duration that is no int64",
      withParam("evidence", "max_age_duration", "9223372036854775808"),
      /evidence\.max_age_duration: expected a decimal integer from -2\^63 to 2\^63 - 1/,
    ],
    [
      "a version below 0",
      withParam("version", "app", "-1"),
      /version\.app: expected a decimal integer from 0 to 2\^64 - 1, got "-1"/,
    ],
    [
      "a version that is no uint64",
      withParam("version", "app", "18446744073709551616"),
      /version\.app: expected a decimal integer from 0 to 2\^64 - 1/,
    ],
    ["a height in words", { initial_height: "one" }, /expected a decimal integer, got "one"/],
    ["a negative height", { initial_height: "-1" }, /initial_height: expected a height >= 0/],
    ["validators that are no list", { validators: {} }, /validators: expected an array/],
    [
      "no voting power",
      { validators: [validator({ power: "0" })] },
      /validators\[0\]\.power: the genesis cannot contain validators with no voting power/,
    ],
    [
      "a wrong address",
      { validators: [validator({ address: "00" })] },
      /incorrect address 00, it should be [0-9A-F]{40}/,
    ],
    [
      "an unknown key type",
      { validators: [validator({ pub_key: { type: "tendermint/PubKeySr25519", value: "" } })] },
      /validators\[0\]\.pub_key: expected a public key of a known type/,
    ],
    [
      "parameters out of range",
      {
        consensus_params: consensusParamsToJson({
          ...DEFAULT_CONSENSUS_PARAMS,
          block: { maxBytes: 0n, maxGas: -1n },
        }),
      },
      /consensus parameter block\.max_bytes: expected -1 or 1 to 104857600, got 0/,
    ],
  ])("refused: %s", (_, changes, message) => {
    expect(() => parse(changes)).toThrow(message);
  });
});

/** CometBFT's parameters, with one value of another text. */
function withParam(group: string, name: string, value: string): Record<string, unknown> {
  const params: object = Object(consensusParamsToJson(DEFAULT_CONSENSUS_PARAMS));
  const before: object = Object(Reflect.get(params, group));
  return { consensus_params: { ...params, [group]: { ...before, [name]: value } } };
}

function validator(changes: Record<string, unknown>): Record<string, unknown> {
  const [key] = testKeys(1);
  const value = Buffer.from(key?.publicKey.bytes ?? []).toString("base64");
  return { pub_key: { type: "tendermint/PubKeyEd25519", value }, power: "1", ...changes };
}

/** Bytes of stake: golden ones, and protobufjs on the .proto sources as a second opinion on every message. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import protobuf from "protobufjs";
import { describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { isCodecError } from "../../proto/codec/errors.ts";
import { PROPOSAL_CONTENT_CODEC } from "../../proto/codec/governance-tx.ts";
import { snakeCase } from "../../proto/codec/record.ts";
import { DELEGATION_CODEC, VALIDATOR_CODEC } from "../../proto/codec/staking-state.ts";
import { applicationKeySignBytes, STAKING_ACTION_CODEC } from "../../proto/codec/staking-tx.ts";
import { decodeTxBody, encodeTxBody } from "../../proto/codec/weft-tx.ts";
import { EMPTY_SUPPLY, encodeParams } from "../../proto/codec/weft-state.ts";
import { STAKING_SERVICE } from "../../proto/grpc/staking-service.ts";
import type { Method } from "../../proto/grpc/wire.ts";
import { DEFAULT_PARAMS } from "../../sequencer/app/params.ts";
import { ATOMIC_CODECS } from "../support/atomic-arbitraries.ts";
import { MEV_CODECS } from "../support/mev-arbitraries.ts";
import { SEAL_CODECS } from "../support/seal-arbitraries.ts";
import { STAKE_CODECS } from "../support/stake-arbitraries.ts";
import { bodies } from "../support/weft-arbitraries.ts";

const PROTO = fileURLToPath(new URL("../../proto", import.meta.url));
const root = new protobuf.Root();
root.resolvePath = (_origin, target) => join(PROTO, target.replace(PROTO, ""));
root.loadSync(
  ["tx", "block", "state", "staking"].flatMap((folder) =>
    readdirSync(join(PROTO, `weft/${folder}/v1`)).map((name) => `weft/${folder}/v1/${name}`),
  ),
);

/** Messages by the name of their codec, where that does not say it. */
const MESSAGES: Readonly<Record<string, string>> = {
  POWERS_CODEC: "state.v1.PowerHistory",
  MISSED_CODEC: "state.v1.MissedChunk",
  WITHDRAW_CODEC: "state.v1.WithdrawAddress",
  REVENUE_CODEC: "state.v1.RollupRevenue",
  SUBMITTED_EVIDENCE_CODEC: "tx.v1.SubmittedEvidence",
  SEALED_CODEC: "tx.v1.Sealed",
  SEALED_BUNDLE_CODEC: "tx.v1.SealedBundle",
  BID_CODEC: "tx.v1.Bid",
  ATOMIC_TERMS_CODEC: "tx.v1.AtomicTerms",
  ATOMIC_DECISION_CODEC: "block.v1.AtomicDecision",
  SEAL_COMMIT_CODEC: "tx.v1.SealCommit",
  DEAL_CODEC: "tx.v1.Deal",
  OPENINGS_CODEC: "block.v1.Openings",
  SHARES_CODEC: "block.v1.Shares",
  PROPOSAL_CONTENT_CODEC: "tx.v1.ProposalContent",
};
/** Members of the action's oneof, not messages. */
const ACTIONS = [
  "STAKING_ACTION_CODEC",
  "GOVERNANCE_ACTION_CODEC",
  "SEAL_ACTION_CODEC",
  "MEV_ACTION_CODEC",
  "ATOMIC_ACTION_CODEC",
];

/** By protobufjs: what the bytes are as the message, and that message written again. */
function reread(message: string, bytes: Uint8Array) {
  const type = root.lookupType(`weft.${message}`);
  const value = type.decode(bytes);
  return { value: value.toJSON(), bytes: new Uint8Array(type.encode(value).finish()) };
}

function sampleOf(codec: string): fc.Arbitrary<Uint8Array> {
  const sample = STAKE_CODECS.find(({ name }) => name === codec);
  if (sample === undefined) throw new Error(`no sample of ${codec}`);
  return sample.bytes;
}

describe("formats of stake and of sealed transactions", () => {
  test.each(
    [...STAKE_CODECS, ...SEAL_CODECS, ...MEV_CODECS, ...ATOMIC_CODECS].filter(
      ({ name }) => !ACTIONS.includes(name),
    ),
  )("$name: the .proto source says the same", ({ name, bytes, codec }) => {
    const camel = name
      .replace(/_CODEC$/, "")
      .toLowerCase()
      .replaceAll(/(?:^|_)([a-z])/g, (_all, letter: string) => letter.toUpperCase());
    const message = MESSAGES[name] ?? `state.v1.${camel}`;
    for (const input of fc.sample(bytes, 40)) {
      const read = reread(message, input);
      expect(toHex(read.bytes)).toBe(toHex(input));
      const ours = codec.decode(input) as Readonly<Record<string, unknown>>;
      // A member of a oneof is named by its kind.
      const unknown = Object.keys(read.value).filter(
        (key) => !Object.hasOwn(ours, key) && ours["kind"] !== key,
      );
      expect(unknown, message).toEqual([]);
    }
  });

  test("transactions with every action: the .proto source says the same", () => {
    const kinds = new Set<string>();
    for (const body of fc.sample(bodies, 600)) {
      const input = encodeTxBody(body);
      const read = reread("tx.v1.TxBody", input);
      expect(toHex(read.bytes)).toBe(toHex(input));
      expect(Object.keys(read.value)).toContain(body.action.kind);
      kinds.add(body.action.kind);
    }
    expect(kinds.size).toBeGreaterThan(20);
  });

  test("parameters: the .proto source has each under its name", () => {
    const type = root.lookupType("weft.state.v1.Params");
    const { value } = reread("state.v1.Params", encodeParams(DEFAULT_PARAMS));
    const zero = Object.entries(DEFAULT_PARAMS).filter(([, amount]) => BigInt(amount) === 0n);
    expect(Object.keys(value).sort()).toEqual(
      Object.keys(DEFAULT_PARAMS)
        .filter((name) => !zero.some(([other]) => other === name))
        .sort(),
    );
    const fields = Object.keys(type.fields).map(snakeCase).sort();
    expect(fields).toEqual(Object.keys(DEFAULT_PARAMS).map(snakeCase).sort());
  });

  test("the staking service: the .proto source says the same", () => {
    const validators = fc.sample(sampleOf("VALIDATOR_CODEC"), 3).map((bytes, i) => ({
      address: new Uint8Array(20).fill(i + 1),
      state: VALIDATOR_CODEC.decode(bytes),
      signing: i === 0 ? undefined : { startHeight: Height(5), missed: i, window: 100 },
      commission: BigInt(i),
    }));
    const delegations = fc.sample(sampleOf("DELEGATION_CODEC"), 2).map((bytes) => ({
      validator: new Uint8Array(20).fill(1),
      delegator: new Uint8Array(20).fill(2),
      tokens: 5n,
      rewards: 6n,
      state: DELEGATION_CODEC.decode(bytes),
    }));
    const rest = { next: "01/02", height: Height(9) };
    const same = <Value>(
      method: Pick<Method<unknown, Value>, "responseSerialize" | "responseDeserialize">,
      message: string,
      value: Value,
    ): void => {
      const bytes = method.responseSerialize(value);
      expect(toHex(reread(`staking.v1.${message}`, bytes).bytes)).toBe(toHex(bytes));
      expect(method.responseDeserialize(bytes)).toEqual(value);
      // Fields that a later version adds are passed over.
      expect(
        method.responseDeserialize(Buffer.concat([bytes, Buffer.from("f87f01", "hex")])),
      ).toEqual(value);
    };
    same(STAKING_SERVICE.getValidators, "GetValidatorsResponse", { validators, ...rest });
    same(STAKING_SERVICE.getDelegations, "GetDelegationsResponse", { delegations, ...rest });
    same(STAKING_SERVICE.getRewards, "GetRewardsResponse", {
      rewards: 1n,
      commission: 2n,
      withdrawAddress: new Uint8Array(20),
      height: Height(3),
    });
    same(STAKING_SERVICE.getParams, "GetParamsResponse", {
      params: DEFAULT_PARAMS,
      height: Height(3),
    });
    same(STAKING_SERVICE.getSupply, "GetSupplyResponse", {
      supply: { ...EMPTY_SUPPLY, total: 9n, burned: 1n },
      height: Height(3),
    });
    same(STAKING_SERVICE.getPlans, "GetPlansResponse", {
      upgrade: { name: "two", height: Height(7), info: "" },
      halt: undefined,
      haltVotes: [{ validator: new Uint8Array(20), state: { height: Height(2) } }],
      height: Height(3),
    });
    const page = { after: "aa", limit: 5 };
    const asked = STAKING_SERVICE.getVotes.requestSerialize({ proposal: 4, page });
    expect(reread("staking.v1.ProposalListRequest", asked).value).toEqual({ proposal: "4", page });
    expect(STAKING_SERVICE.getVotes.requestDeserialize(Buffer.alloc(0))).toEqual({
      proposal: 0,
      page: undefined,
    });
  });

  test("golden: sign bytes of an application key", () => {
    const bytes = applicationKeySignBytes(
      "weft-1",
      new Uint8Array(20).fill(0xaa),
      new Uint8Array(32).fill(0xbb),
    );
    const tag = toHex(utf8ToBytes("weft/application-key/v1"));
    expect(toHex(bytes)).toBe(
      `17${tag}06${toHex(utf8ToBytes("weft-1"))}${"aa".repeat(20)}${"bb".repeat(32)}`,
    );
  });

  test("golden: a delegation, a decimal above 64 bits, an action, a proposal", () => {
    const shares = 5_000_000n * 10n ** 18n;
    expect(toHex(DELEGATION_CODEC.encode({ shares, period: 3, stake: 5_000_000n }))).toBe(
      "0a0b0422ca8b0a00a425000000100318c096b102",
    );
    const validator = new Uint8Array(20).fill(1);
    expect(toHex(STAKING_ACTION_CODEC.encode({ kind: "delegate", validator, amount: 7n }))).toBe(
      `c201180a14${"01".repeat(20)}1007`,
    );
    expect(
      toHex(
        PROPOSAL_CONTENT_CODEC.encode({
          kind: "parameters",
          changes: [{ name: "epochLength", value: 300n }],
        }),
      ),
    ).toBe(`12120a100a0b${toHex(utf8ToBytes("epochLength"))}10ac02`);
    expect(toHex(PROPOSAL_CONTENT_CODEC.encode({ kind: "text" }))).toBe("0a00");
  });

  test("golden: a validator", () => {
    const value = {
      applicationKey: new Uint8Array(32).fill(1),
      power: 10n,
      consensusKey: new Uint8Array(32).fill(2),
      operator: new Uint8Array(20).fill(3),
      status: 3,
      jailed: false,
      tombstoned: false,
      retired: true,
      tokens: 10_000_000n,
      shares: 1n,
      minSelfDelegation: 1n,
      commission: { rateBps: 500, maxRateBps: 1_000, maxChangeBps: 100, changedSeconds: 0 },
      description: { moniker: "m", website: "", details: "" },
      createdHeight: Height(1),
      unbondingSeconds: 0,
      unbondingHeight: Height(0),
      jailedUntilSeconds: 0,
      downtimeJails: 0,
      downtimeHeight: Height(0),
      applicationKeySince: Height(1),
      previousApplicationKey: new Uint8Array(0),
    } as const;
    const bytes = [
      `0a20${"01".repeat(32)}100a1a20${"02".repeat(32)}2214${"03".repeat(20)}2803`,
      "40014880ade2045201015801",
      "620808f40310e80718646a030a016d7001a00101",
    ].join("");
    expect(toHex(VALIDATOR_CODEC.encode(value))).toBe(bytes);
    expect(VALIDATOR_CODEC.decode(fromHex(bytes))).toEqual(value);
  });

  test("behavior: what the format does not allow is refused with the field's name", () => {
    const refusal = (run: () => unknown): string => {
      try {
        run();
      } catch (error) {
        if (isCodecError(error)) return error.message;
        throw error;
      }
      return "accepted";
    };
    const validator = new Uint8Array(20);
    const write = (action: Parameters<typeof STAKING_ACTION_CODEC.encode>[0]) =>
      refusal(() => STAKING_ACTION_CODEC.encode(action));
    expect(write({ kind: "delegate", validator, amount: 0n })).toMatch(
      /amount: expected at least 1/,
    );
    expect(write({ kind: "delegate", validator, amount: 1n << 63n })).toMatch(/amount/);
    expect(write({ kind: "undelegate", validator, amount: -1n })).toMatch(/amount/);
    expect(write({ kind: "unjail", validator: new Uint8Array(19) })).toMatch(/validator/);
    expect(
      write({
        kind: "editValidator",
        validator,
        description: undefined,
        commission: undefined,
        minSelfDelegation: undefined,
      }),
    ).toMatch(/changes nothing/);
    const commission = { rateBps: 10_001 };
    const edit = { kind: "editValidator", validator, description: undefined } as const;
    expect(write({ ...edit, commission, minSelfDelegation: undefined })).toMatch(/rate_bps/);
    const changes = [
      { name: "b", value: 1n },
      { name: "a", value: 1n },
    ];
    expect(refusal(() => PROPOSAL_CONTENT_CODEC.encode({ kind: "parameters", changes }))).toMatch(
      /ascend/,
    );
    // A decimal with a leading zero; shares of zero; an action twice in one body.
    expect(refusal(() => DELEGATION_CODEC.decode(fromHex("0a020001")))).toMatch(/leading zero/);
    expect(refusal(() => DELEGATION_CODEC.decode(fromHex("1003")))).toMatch(/shares/);
    const fund = "8202020801";
    const head = `0a20${"01".repeat(32)}12002200`;
    expect(refusal(() => decodeTxBody(fromHex(head + fund)))).toBe("accepted");
    expect(refusal(() => decodeTxBody(fromHex(`${head}${fund}8a0200`)))).toMatch(/second member/);
  });
});

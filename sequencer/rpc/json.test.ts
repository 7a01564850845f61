import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { fromBase64, fromHex, utf8ToBytes } from "../../proto/bytes.ts";
import { createValidatorSet } from "../../proto/validator-set.ts";
import {
  type BlockId,
  BlockIdFlag,
  type ConsensusParams,
  type Header,
  NIL_BLOCK_ID,
  type PublicKey,
  ZERO_TIME,
} from "../../proto/types.ts";
import { proposalToJson } from "../../proto/json.ts";
import type { AbciEvent, ExecTxResult, FinalizeBlockResponse } from "../abci/application.ts";
import { EMPTY_TX_RESULT } from "../abci/empty-result.ts";
import {
  eventsToJson,
  infoToJson,
  paramUpdatesToJson,
  queryResponseToJson,
  txResultToJson,
  validatorUpdatesToJson,
} from "./abci-json.ts";
import { time } from "./amino-json.ts";
import type { PublicEvent } from "./events.ts";
import { eventToJson, eventToMap } from "./events.ts";

/** Values of CometBFT's types as its own `libs/json` wrote them. */
const RECORDED = new Map(
  readFileSync(new URL("./testdata/results.jsonl", import.meta.url), "utf8")
    .trim()
    .split("\n")
    .map((line): [string, unknown] => {
      const { name, json } = JSON.parse(line) as { name: string; json: unknown };
      return [name, json];
    }),
);

const KEY: PublicKey = {
  type: "ed25519",
  bytes: fromBase64("+8Jr0r0yPDC/q9SZqrPrRFqbetxYNZ70dWSyOHs31YE="),
};
const NONE = new Uint8Array(0);
const EVENTS: readonly AbciEvent[] = [
  {
    type: "transfer",
    attributes: [
      { key: "a", value: "1", index: true },
      { key: "b", value: "", index: false },
    ],
  },
  { type: "empty", attributes: [] },
];
const RESULT: ExecTxResult = {
  code: 5,
  data: fromHex("0102"),
  log: "l",
  info: "i",
  gasWanted: 7n,
  gasUsed: 6n,
  events: EVENTS,
  codespace: "c",
};
const UPDATES = [
  { publicKey: KEY, power: 10n },
  { publicKey: KEY, power: 0n },
];
const PARAMS: ConsensusParams = {
  block: { maxBytes: 100n, maxGas: -1n },
  evidence: { maxAgeBlocks: 5n, maxAgeDurationNanos: 172_800_000_000_000n, maxBytes: 9n },
  validator: { publicKeyTypes: ["ed25519"] },
  version: { app: 0n },
  abci: { voteExtensionsEnableHeight: Height(3) },
};
const TIME = { seconds: 1_767_323_045n, nanos: 670_000_000 };
const BLOCK_ID: BlockId = {
  hash: new Uint8Array(32),
  partSetHeader: { total: 2, hash: new Uint8Array(32) },
};
const HEADER: Header = {
  version: { block: 0n, app: 0n },
  chainId: "c",
  height: Height(4),
  time: TIME,
  lastBlockId: NIL_BLOCK_ID,
  lastCommitHash: NONE,
  dataHash: NONE,
  validatorsHash: NONE,
  nextValidatorsHash: NONE,
  consensusHash: NONE,
  appHash: NONE,
  lastResultsHash: NONE,
  evidenceHash: NONE,
  proposerAddress: NONE,
};
const SET = createValidatorSet([{ publicKey: KEY, votingPower: 10n }]);
const FINALIZED: FinalizeBlockResponse = {
  events: EVENTS,
  txResults: [RESULT],
  validatorUpdates: UPDATES,
  consensusParamUpdates: PARAMS,
  appHash: fromHex("09"),
};

function recorded(name: string): unknown {
  const json = RECORDED.get(name);
  if (json === undefined) throw new Error(`nothing was recorded as ${name}`);
  return json;
}

function asEvent(event: PublicEvent): unknown {
  const data = eventToJson(event, { proposerIndex: 0 });
  return JSON.parse(JSON.stringify({ query: "q", data, events: {} }));
}

describe("JSON as CometBFT writes it", () => {
  it("behavior: results of a block, and of a transaction", () => {
    expect(txResultToJson(RESULT)).toEqual(
      (recorded("block_results") as { txs_results: unknown[] }).txs_results[0],
    );
    expect({
      height: "4",
      txs_results: [RESULT, EMPTY_TX_RESULT].map(txResultToJson),
      finalize_block_events: eventsToJson(EVENTS),
      validator_updates: validatorUpdatesToJson(UPDATES),
      consensus_param_updates: paramUpdatesToJson(PARAMS),
      app_hash: "CQ==",
    }).toEqual(recorded("block_results"));
  });

  it("behavior: events", () => {
    const block = { header: HEADER, txs: [], evidence: [], lastCommit: undefined };
    const newBlock = recorded("new_block") as { data: { value: { block: unknown } } };
    const mine = asEvent({
      kind: "NewBlock",
      block: {
        ...block,
        lastCommit: { height: Height(0), round: Round(0), blockId: NIL_BLOCK_ID, signatures: [] },
      },
      blockId: NIL_BLOCK_ID,
      result: FINALIZED,
    }) as typeof newBlock;
    mine.data.value.block = null;
    expect(mine).toEqual(newBlock);
    expect(
      asEvent({ kind: "NewBlockEvents", height: Height(3), events: EVENTS, txCount: 2 }),
    ).toEqual(recorded("new_block_events"));
    const tx = {
      kind: "Tx",
      height: Height(4),
      index: 1,
      tx: fromHex("01"),
      result: RESULT,
    } as const;
    expect(asEvent(tx)).toEqual(recorded("tx_event"));
    expect(asEvent({ ...tx, index: 0, tx: NONE, result: EMPTY_TX_RESULT })).toEqual(
      recorded("tx_event_zero"),
    );
    expect(asEvent({ kind: "ValidatorSetUpdates", updates: UPDATES.slice(0, 1) })).toEqual(
      recorded("validator_set_updates"),
    );
    const roundStep = {
      kind: "NewRoundStep",
      height: Height(3),
      round: Round(1),
      step: 3,
    } as const;
    expect(eventToJson(roundStep, { proposerIndex: 0 })).toEqual(recorded("round_state"));
    const lock = { ...roundStep, kind: "Lock" } as const;
    expect(eventToJson(lock, { proposerIndex: 0 })).toEqual(recorded("round_state"));
  });

  it("behavior: evidence of a light-client attack, absent signatures included", () => {
    const [validator] = SET.validators;
    if (validator === undefined) throw new Error("the set has one validator");
    const absent = {
      blockIdFlag: BlockIdFlag.ABSENT,
      validatorAddress: NONE,
      timestamp: ZERO_TIME,
      signature: NONE,
    };
    const present = {
      blockIdFlag: BlockIdFlag.COMMIT,
      validatorAddress: validator.address,
      timestamp: TIME,
      signature: fromHex("01"),
    };
    const commit = {
      height: Height(4),
      round: Round(1),
      blockId: BLOCK_ID,
      signatures: [absent, present],
    };
    expect(
      asEvent({
        kind: "NewEvidence",
        height: Height(5),
        evidence: {
          kind: "lightClientAttack",
          conflictingBlock: { signedHeader: { header: HEADER, commit }, validatorSet: SET },
          commonHeight: Height(3),
          byzantineValidators: [validator],
          totalVotingPower: 10n,
          timestamp: TIME,
        },
      }),
    ).toEqual(recorded("new_evidence"));
  });

  it("behavior: proposal, query and info", () => {
    expect(
      proposalToJson({
        height: Height(4),
        round: Round(1),
        polRound: Round(-1),
        blockId: BLOCK_ID,
        timestamp: TIME,
        signature: NONE,
      }),
    ).toEqual(recorded("proposal"));
    expect({
      response: queryResponseToJson({
        code: 1,
        log: "l",
        info: "i",
        index: 3n,
        key: fromHex("01"),
        value: fromHex("02"),
        height: Height(9),
        codespace: "c",
        proofOps: [
          { type: "t", key: fromHex("01"), data: fromHex("02") },
          { type: "u", key: NONE, data: NONE },
        ],
      }),
    }).toEqual(recorded("query"));
    const zero = {
      data: "",
      version: "",
      appVersion: 0n,
      lastBlockHeight: Height(0),
      lastBlockAppHash: NONE,
    };
    expect({ response: infoToJson(zero) }).toEqual(recorded("info_zero"));
    expect({
      response: infoToJson({
        data: "d",
        version: "v",
        appVersion: 2n,
        lastBlockHeight: Height(3),
        lastBlockAppHash: fromHex("01"),
      }),
    }).toEqual(recorded("info"));
  });

  it("behavior: times lose their trailing zeros", () => {
    expect(time(TIME)).toBe("2026-01-02T03:04:05.67Z");
    expect(time({ seconds: 0n, nanos: 0 })).toBe("1970-01-01T00:00:00Z");
    expect(time({ seconds: 0n, nanos: 1 })).toBe("1970-01-01T00:00:00.000000001Z");
    expect(time(ZERO_TIME)).toBe("0001-01-01T00:00:00Z");
  });

  it("behavior: attributes of one key are gathered, empty names left out", () => {
    const map = eventToMap({
      kind: "Tx",
      height: Height(7),
      index: 0,
      tx: utf8ToBytes("a"),
      result: {
        ...EMPTY_TX_RESULT,
        events: [
          { type: "t", attributes: [{ key: "k", value: "1", index: false }] },
          { type: "t", attributes: [{ key: "k", value: "2", index: false }] },
          { type: "", attributes: [{ key: "k", value: "3", index: true }] },
          { type: "u", attributes: [{ key: "", value: "4", index: true }] },
        ],
      },
    });
    expect(Object.fromEntries(map)).toEqual({
      "t.k": ["1", "2"],
      "tm.event": ["Tx"],
      "tx.hash": ["CA978112CA1BBDCAFAC231B39A23DC4DA786EFF8147C4E72B9807785AFEE48BB"],
      "tx.height": ["7"],
    });
  });
});

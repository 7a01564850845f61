/** What CometBFT leaves on a disk or says to the process that runs it, and our stores beside it. */
import * as fc from "fast-check";
import { Height, Round } from "../../../proto/brands.ts";
import { utf8ToBytes } from "../../../proto/bytes.ts";
import { parseJson } from "../../../proto/json-reader.ts";
import { addMs } from "../../../proto/time.ts";
import { encodeConsensusParams, encodeValidatorSet } from "../../../proto/codec/types.ts";
import { execTxResultFromJson } from "../../../sequencer/cometbft/chain-reader.ts";
import { readLogLine } from "../../../sequencer/cometbft/log-lines.ts";
import { parseEvidenceKey } from "../../../sequencer/cometbft/stores/comet-keys.ts";
import {
  decodeCometLogMessage,
  encodeCometLogMessage,
} from "../../../sequencer/cometbft/stores/comet-log-message.ts";
import {
  decodeBlockRange,
  decodeCometState,
  decodeLastResponse,
  decodeParamsInfo,
  decodeValidatorsInfo,
  encodeBlockRange,
  encodeCometState,
  encodeLastResponse,
  encodeParamsInfo,
  encodeValidatorsInfo,
} from "../../../sequencer/cometbft/stores/comet-values.ts";
import { readValidatorSet } from "../../../sequencer/ports/comet-rpc/readers.ts";
import {
  decodeParamsEntry,
  decodeValidatorsEntry,
  encodeEntry,
  readHeightBytes,
} from "../../../sequencer/store/state-entries.ts";
import * as any from "../../support/arbitraries.ts";
import { testGenesis, testKeys, testState } from "../../support/chain-builder.ts";
import {
  attemptAsync,
  codec,
  coded,
  type IsRefusal,
  lenientCodec,
  plainDecoder,
  type Target,
  toText,
} from "../target.ts";

const VALUES = "sequencer/cometbft/stores/comet-values.ts";
const STATE = testState(testGenesis(testKeys(4)));
/** Damage shows as a codec's error, or as too few bytes; the store names the key. */
const isDamage: IsRefusal = (error) =>
  codec(error) || (error instanceof RangeError && !error.message.includes("call stack"));
const isStoreDamage: IsRefusal = (error) => codec(error) || coded("STORE_")(error);

function logSeeds(seed: number): readonly Uint8Array[] {
  const [vote] = fc.sample(any.votes, { seed, numRuns: 1 });
  const [part] = fc.sample(any.parts, { seed, numRuns: 1 });
  const [height, round] = [Height(7), Round(1)];
  const time = addMs({ seconds: 1n, nanos: 0 }, 5);
  return [
    encodeCometLogMessage({ kind: "roundState", height, round, step: "RoundStepPropose" }, time),
    encodeCometLogMessage(
      { kind: "timeout", height, round, step: 3, durationNanos: 1_000_000n },
      time,
    ),
    encodeCometLogMessage({ kind: "endHeight", height }, time),
    ...(vote === undefined
      ? []
      : [
          encodeCometLogMessage(
            { kind: "message", message: { kind: "vote", vote }, peerId: "" },
            time,
          ),
        ]),
    ...(part === undefined
      ? []
      : [
          encodeCometLogMessage(
            { kind: "message", message: { kind: "blockPart", height, round, part }, peerId: "ab" },
            time,
          ),
        ]),
  ];
}

export const ENGINE_TARGETS: readonly Target[] = [
  lenientCodec({
    name: "message in CometBFT's log",
    covers: ["sequencer/cometbft/stores/comet-log-message.ts#decodeCometLogMessage"],
    decode: decodeCometLogMessage,
    encode: (message) => encodeCometLogMessage(message, { seconds: 1n, nanos: 0 }),
    seeds: logSeeds,
  }),
  lenientCodec({
    name: "CometBFT's stored state",
    covers: [`${VALUES}#decodeCometState`],
    decode: decodeCometState,
    encode: encodeCometState,
    seeds: () => [encodeCometState(STATE)],
    isRefusal: isStoreDamage,
  }),
  lenientCodec({
    name: "CometBFT's range of blocks",
    covers: [`${VALUES}#decodeBlockRange`],
    decode: decodeBlockRange,
    encode: encodeBlockRange,
    seeds: () => [encodeBlockRange({ base: Height(1), height: Height(300) })],
    isRefusal: isStoreDamage,
  }),
  lenientCodec({
    name: "CometBFT's stored validators",
    covers: [`${VALUES}#decodeValidatorsInfo`],
    decode: decodeValidatorsInfo,
    encode: encodeValidatorsInfo,
    seeds: () =>
      [STATE.validators, undefined].map((set) =>
        encodeValidatorsInfo({ set, lastHeightChanged: Height(3) }),
      ),
    isRefusal: isStoreDamage,
  }),
  lenientCodec({
    name: "CometBFT's stored parameters",
    covers: [`${VALUES}#decodeParamsInfo`],
    decode: decodeParamsInfo,
    encode: encodeParamsInfo,
    seeds: () =>
      [STATE.consensusParams, undefined].map((params) =>
        encodeParamsInfo({ params, lastHeightChanged: Height(3) }),
      ),
    isRefusal: isStoreDamage,
  }),
  lenientCodec({
    name: "CometBFT's last FinalizeBlock response",
    covers: [`${VALUES}#decodeLastResponse`],
    decode: decodeLastResponse,
    encode: encodeLastResponse,
    seeds: () => [encodeLastResponse({ height: Height(9), response: utf8ToBytes("response") })],
    isRefusal: isStoreDamage,
  }),
  plainDecoder({
    name: "key of CometBFT's evidence",
    covers: ["sequencer/cometbft/stores/comet-keys.ts#parseEvidenceKey"],
    format: "binary",
    decode: parseEvidenceKey,
    seeds: () => [utf8ToBytes(`\u0000${"0".repeat(15)}7/${"AB".repeat(32)}`)],
    isRefusal: codec,
  }),
  plainDecoder({
    name: "line of CometBFT's log output",
    covers: ["sequencer/cometbft/log-lines.ts#readLogLine"],
    format: "json",
    decode: (bytes) => readLogLine(toText(bytes)),
    seeds: () => [
      utf8ToBytes('{"_msg":"Timed out","level":"info","module":"consensus","dur":1,"height":"5"}'),
      utf8ToBytes("panic: something"),
    ],
    isRefusal: codec,
  }),
  plainDecoder({
    name: "result of a transaction from CometBFT's RPC",
    covers: [
      "sequencer/cometbft/chain-reader.ts#execTxResultFromJson",
      "sequencer/cometbft/chain-reader.ts#eventFromJson",
    ],
    format: "json",
    decode: (bytes) => execTxResultFromJson(parseJson(toText(bytes))),
    seeds: () => [
      utf8ToBytes(
        JSON.stringify({
          code: 1,
          data: "AQI=",
          log: "no",
          gas_wanted: "5",
          gas_used: "5",
          events: [{ type: "tx", attributes: [{ key: "id", value: "a", index: true }] }],
          codespace: "weft",
        }),
      ),
    ],
    isRefusal: coded("JSON_"),
  }),
  {
    name: "pages of validators from an RPC node",
    covers: ["sequencer/ports/comet-rpc/readers.ts#readValidatorSet"],
    format: "json",
    seeds: () => [
      utf8ToBytes(
        JSON.stringify({
          block_height: "5",
          validators: [
            {
              address: "5A".repeat(20),
              pub_key: {
                type: "tendermint/PubKeyEd25519",
                value: Buffer.alloc(32).toString("base64"),
              },
              voting_power: "10",
              proposer_priority: "0",
            },
          ],
          count: "1",
          total: "1",
        }),
      ),
    ],
    run: (bytes) =>
      attemptAsync(
        async () => readValidatorSet(async () => parseJson(toText(bytes)), Height(5)),
        (error) => codec(error) || coded("JSON_")(error),
      ),
  },
  plainDecoder({
    name: "stored validators",
    covers: [
      "sequencer/store/state-entries.ts#decodeValidatorsEntry",
      "sequencer/store/state-entries.ts#readHeightBytes",
    ],
    format: "binary",
    decode: (bytes) => [decodeValidatorsEntry(bytes), readHeightBytes(bytes)],
    seeds: () =>
      [3, 5].map((height) => encodeEntry(3, height, () => encodeValidatorSet(STATE.validators))),
    isRefusal: isDamage,
  }),
  plainDecoder({
    name: "stored parameters",
    covers: ["sequencer/store/state-entries.ts#decodeParamsEntry"],
    format: "binary",
    decode: decodeParamsEntry,
    seeds: () =>
      [3, 5].map((height) =>
        encodeEntry(3, height, () => encodeConsensusParams(STATE.consensusParams)),
      ),
    isRefusal: isDamage,
  }),
];

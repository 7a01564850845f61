/** What clients send and answer: JSON-RPC, URIs, queries, gRPC, and what rollups get as payloads. */
import { createLegacyTx, createFeeMarket1559Tx } from "@ethereumjs/tx";
import * as fc from "fast-check";
import { AtomicOutcome, NoReason, Verdict } from "../../../proto/codec/atomic-tx.ts";
import { Height } from "../../../proto/brands.ts";
import { utf8ToBytes } from "../../../proto/bytes.ts";
import { encodeSignedHeader } from "../../../proto/codec/block.ts";
import { encodeValidatorSet } from "../../../proto/codec/types.ts";
import { EXECUTION_SERVICE } from "../../../proto/grpc/execution-service.ts";
import { Level } from "../../../proto/grpc/rollup-block.ts";
import { ROLLUP_SERVICE } from "../../../proto/grpc/rollup-service.ts";
import { STAKING_SERVICE } from "../../../proto/grpc/staking-service.ts";
import * as json from "../../../proto/json.ts";
import { parseJson, type JsonNode } from "../../../proto/json-reader.ts";
import { decodeRollupBlock } from "../../../rollup-adapter/client/rollup-block.ts";
import {
  queryAnswerFromJson,
  txAnswerFromJson,
  txResultJson,
} from "../../../rollup-adapter/light/answers.ts";
import { createEvmCommon } from "../../../rollup-adapter/evm/genesis.ts";
import { createPayloadDecoder } from "../../../rollup-adapter/evm/payload.ts";
import {
  type BundleRecord,
  decodeBundle,
  encodeBundle,
} from "../../../rollup-adapter/evm/atomic/records.ts";
import { EffectKind } from "../../../rollup-adapter/evm/atomic/effects.ts";
import * as records from "../../../rollup-adapter/evm/records.ts";
import { argsFromJson, argsFromUri, optional, param } from "../../../sequencer/rpc/params.ts";
import { errorText, parseRequest, parseRequests } from "../../../sequencer/rpc/json-rpc.ts";
import { matchesEvents, parseQuery } from "../../../sequencer/rpc/query/query.ts";
import * as any from "../../support/arbitraries.ts";
import { hasVectors, vectorFiles, vectorText } from "../../support/vectors.ts";
import {
  attempt,
  codec,
  coded,
  type IsRefusal,
  plainDecoder,
  type Target,
  toText,
} from "../target.ts";
import { sampled } from "./chain.ts";

const text = (value: string): Uint8Array => utf8ToBytes(value);
const RPC = coded("RPC_");

const ARGS = {
  height: optional("int64"),
  page: optional("int"),
  count: param("uint"),
  query: param("string"),
  prove: param("bool"),
  tx: param("bytes"),
  hash: param("hex"),
  evidence: param("json"),
};

/** What others recorded against Go nodes, when it is here. */
function recorded(folder: "incoming" | "outgoing"): readonly Uint8Array[] {
  if (!hasVectors()) return [];
  return vectorFiles(`rpc-v0_38/${folder}`)
    .map((name) => text(vectorText("rpc-v0_38", folder, name)))
    .filter(({ length }) => length < 20_000);
}

const REQUESTS = [
  '{"jsonrpc":"2.0","id":1,"method":"block","params":{"height":"5"}}',
  '[{"jsonrpc":"2.0","id":"a","method":"status","params":[]},{"jsonrpc":"2.0","method":"health"}]',
  '{"jsonrpc":"2.0","id":-1,"method":"tx","params":{"hash":"q80=","prove":true}}',
  '{"jsonrpc":"2.0","id":2,"method":"x","params":{"height":"1","page":"2","count":"3","query":"a","prove":false,"tx":"AAEC","hash":"AB","evidence":{"type":"x"}}}',
].map(text);

const jsonSeeds =
  <T>(values: fc.Arbitrary<T>, toJson: (value: T) => unknown) =>
  (seed: number): readonly Uint8Array[] =>
    fc.sample(values, { seed, numRuns: 12 }).map((value) => text(JSON.stringify(toJson(value))));

/** JSON of a chain type, as light clients of a node's RPC read it. */
function chainJson<T>(
  name: string,
  covers: string,
  values: fc.Arbitrary<T>,
  toJson: (value: T) => unknown,
  fromJson: (node: JsonNode) => T,
): Target {
  return plainDecoder({
    name: `JSON of ${name}`,
    covers: [`proto/json.ts#${covers}`],
    format: "json",
    decode: (bytes) => JSON.stringify(toJson(fromJson(parseJson(toText(bytes))))),
    seeds: jsonSeeds(values, toJson),
    isRefusal: coded("JSON_", "VALIDATOR_SET_"),
    weight: 0.2,
  });
}

function grpcTargets(name: string, service: Readonly<Record<string, object>>): readonly Target[] {
  return Object.entries(service).flatMap(([method, value]) => {
    const { requestDeserialize, responseDeserialize } = value as {
      readonly requestDeserialize: (bytes: Buffer) => unknown;
      readonly responseDeserialize: (bytes: Buffer) => unknown;
    };
    const target = (kind: string, decode: (bytes: Buffer) => unknown): Target =>
      plainDecoder({
        name: `gRPC ${name}.${method} ${kind}`,
        covers: [],
        format: "protobuf",
        decode: (bytes) => decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)),
        seeds: (seed) => fc.sample(GRPC_BYTES, { seed, numRuns: 10 }),
        isRefusal: codec,
        weight: 0.2,
      });
    return [target("request", requestDeserialize), target("response", responseDeserialize)];
  });
}

/** Fields of every type and number that our services use, nested: each message takes what it knows. */
const GRPC_BYTES: fc.Arbitrary<Uint8Array> = fc
  .array(
    fc.tuple(
      fc.integer({ min: 1, max: 15 }),
      fc.oneof(
        fc.nat(200).map((value) => ({ wire: 0, body: new Uint8Array([value & 0x7f]) })),
        fc
          .uint8Array({ maxLength: 40 })
          .map((body) => ({ wire: 2, body: new Uint8Array([body.length, ...body]) })),
        any.merkleProofs.map(() => ({ wire: 2, body: new Uint8Array([4, 8, 1, 16, 2]) })),
      ),
    ),
    { maxLength: 12 },
  )
  .map(
    (fields) =>
      new Uint8Array(fields.flatMap(([number, { wire, body }]) => [number * 8 + wire, ...body])),
  );

const COMMON = createEvmCommon({ chainId: 4242n, hardfork: "osaka" });
/** Of an EVM rollup. */
export const EVM_DECODER = createPayloadDecoder({
  common: COMMON,
  rules: { blobTransactions: true, unprotectedTransactions: true },
});

/** Transactions of that rollup. */
export function payloadSeeds(): readonly Uint8Array[] {
  const key = new Uint8Array(32).fill(9);
  const to = `0x${"12".repeat(20)}` as const;
  const options = { common: COMMON };
  const legacy = createLegacyTx({ nonce: 1, gasPrice: 9, gasLimit: 21_000, to, value: 3 }, options);
  const modern = createFeeMarket1559Tx(
    {
      chainId: 4242,
      nonce: 2,
      maxFeePerGas: 9,
      maxPriorityFeePerGas: 1,
      gasLimit: 90_000,
      to,
      data: "0x0102",
      accessList: [{ address: to, storageKeys: [`0x${"00".repeat(32)}`] }],
    },
    options,
  );
  return [legacy.sign(key).serialize(), modern.sign(key).serialize()];
}

/** Rows of the rollup's own database: damage is an assertion or an error of the library, and stops it. */
const isDamaged: IsRefusal = (error) =>
  error instanceof Error &&
  (error.name === "AssertionFailure" ||
    /RLP|invalid|expected|must|cannot|a height is/i.test(error.message));

const RECEIPTS = records.encodeReceipts([
  {
    isSuccess: true,
    cumulativeGasUsed: 21_000n,
    gasUsed: 21_000n,
    logs: [
      {
        address: new Uint8Array(20).fill(1),
        topics: [new Uint8Array(32)],
        data: new Uint8Array(3),
      },
    ],
    sender: new Uint8Array(20),
    contractAddress: new Uint8Array(0),
    transactionHash: new Uint8Array(32).fill(2),
    transactionType: 2,
    effectiveGasPrice: 7n,
    blobGasUsed: 0n,
    blobGasPrice: 0n,
  },
]);
const SEQUENCER_RECORD = records.encodeSequencerRecord({
  height: Height(9),
  blockHash: new Uint8Array(32).fill(1),
  outcome: "block",
  rollupNumber: 3,
  included: 1,
  skipped: [{ index: 0, reason: "EMPTY" }],
});
const ROW = records.encodeRow([1, new Uint8Array(32).fill(3), "text"]);

const HASH = new Uint8Array(32).fill(4);
const BOX = { rollupId: HASH, root: HASH };
const BUNDLE: BundleRecord = {
  bundleId: HASH,
  height: Height(5),
  blockHash: HASH,
  order: 1,
  gas: 42_000n,
  prepared: {
    verdict: Verdict.NO,
    reason: NoReason.LOCKED,
    preStateRoot: new Uint8Array(0),
    effectsHash: new Uint8Array(0),
    outbox: [],
    inbox: [],
  },
  staged: undefined,
  transactionHashes: [HASH],
  decision: {
    height: Height(7),
    blockHash: HASH,
    order: 0,
    outcome: AtomicOutcome.ABORT,
    reason: NoReason.LOCKED,
  },
};
/** One that was refused and decided, one that may be committed. */
const BUNDLES: readonly BundleRecord[] = [
  BUNDLE,
  {
    ...BUNDLE,
    prepared: {
      verdict: Verdict.YES,
      reason: 0,
      preStateRoot: HASH,
      effectsHash: HASH,
      outbox: [BOX],
      inbox: [BOX],
    },
    staged: {
      effects: [{ address: HASH.subarray(12), kind: EffectKind.SLOT, slot: HASH, value: HASH }],
      tip: 7n,
      transactions: records
        .decodeReceipts(RECEIPTS)
        .map((receipt) => ({ raw: HASH, blockGas: 21_000n, receipt })),
      locks: [{ key: HASH, isExclusive: true }],
    },
    decision: undefined,
  },
];

export const SERVICE_TARGETS: readonly Target[] = [
  plainDecoder({
    name: "JSON-RPC body",
    covers: [
      "sequencer/rpc/json-rpc.ts#parseRequests",
      "sequencer/rpc/json-rpc.ts#parseRequest",
      "sequencer/rpc/params.ts#argsFromJson",
    ],
    format: "json",
    decode: (bytes) => {
      const body = toText(bytes);
      attempt(() => parseRequest(body), RPC);
      for (const request of parseRequests(body, 10)) {
        try {
          argsFromJson(ARGS, request.params);
        } catch (error) {
          if (!RPC(error)) throw error;
          errorText(request.id, error);
        }
      }
    },
    seeds: () => [...REQUESTS, ...recorded("outgoing")],
    isRefusal: RPC,
  }),
  plainDecoder({
    name: "JSON-RPC answers of Go nodes",
    covers: [],
    format: "json",
    decode: (bytes) => {
      const result = parseJson(toText(bytes)).get("result");
      return [
        json.blockFromJson(result.get("block")),
        json.blockIdFromJson(result.get("block_id")),
      ];
    },
    seeds: () => [
      text('{"result":{"block_id":{},"block":{"header":{}}}}'),
      ...recorded("incoming"),
    ],
    isRefusal: coded("JSON_"),
  }),
  plainDecoder({
    name: "URI arguments",
    covers: ["sequencer/rpc/params.ts#argsFromUri"],
    format: "text",
    decode: (bytes) => argsFromUri(ARGS, new Map(new URLSearchParams(toText(bytes)))),
    seeds: () =>
      [
        "height=5&prove=true",
        'query="tm.event=%27Tx%27"&page=1',
        "tx=0x0102&hash=0xAB&count=3",
        'evidence={"a":[1]}',
      ].map(text),
    isRefusal: RPC,
  }),
  plainDecoder({
    name: "event query",
    covers: [
      "sequencer/rpc/query/query.ts#parseQuery",
      "sequencer/rpc/query/time.ts#parseDate",
      "sequencer/rpc/query/time.ts#parseTime",
      "sequencer/rpc/query/number.ts#parseDecimal",
    ],
    format: "text",
    decode: (bytes) => {
      const query = parseQuery(toText(bytes));
      matchesEvents(query, EVENTS);
      if (parseQuery(query.canonical).canonical !== query.canonical)
        throw new RangeError("a canonical query has another canonical form");
    },
    seeds: () =>
      [
        "tm.event = 'Tx' AND transfer.amount > 5",
        "tx.height <= 100.5 AND a.b EXISTS",
        "a.b CONTAINS 'x' AND block.time >= TIME 2024-01-01T00:00:00Z",
        "d.e = DATE 2024-01-01",
      ].map(text),
    isRefusal: RPC,
  }),
  plainDecoder({
    name: "attribute values",
    covers: [],
    format: "text",
    decode: (bytes) => {
      const value = toText(bytes);
      for (const query of QUERIES) matchesEvents(query, new Map([["a.b", [value]]]));
    },
    seeds: () =>
      ["8atom", "6.50stake", "2024-01-01", "2024-01-01T00:00:00+01:00", "9".repeat(300)].map(text),
    isRefusal: RPC,
  }),
  chainJson(
    "a block id",
    "blockIdFromJson",
    any.blockIds,
    json.blockIdToJson,
    json.blockIdFromJson,
  ),
  chainJson("a header", "headerFromJson", any.headers, json.headerToJson, json.headerFromJson),
  chainJson("a commit", "commitFromJson", any.commits, json.commitToJson, json.commitFromJson),
  chainJson(
    "a signed header",
    "signedHeaderFromJson",
    any.lightBlocks.map(({ signedHeader }) => signedHeader),
    json.signedHeaderToJson,
    json.signedHeaderFromJson,
  ),
  chainJson("a block", "blockFromJson", any.blocks, json.blockToJson, json.blockFromJson),
  chainJson(
    "a public key",
    "publicKeyFromJson",
    any.publicKeys,
    json.publicKeyToJson,
    json.publicKeyFromJson,
  ),
  chainJson(
    "a validator",
    "validatorFromJson",
    any.validators,
    json.validatorToJson,
    json.validatorFromJson,
  ),
  chainJson(
    "a validator set",
    "validatorSetFromJson",
    any.validatorSets,
    json.validatorSetToJson,
    json.validatorSetFromJson,
  ),
  chainJson(
    "a light block",
    "lightBlockFromJson",
    any.lightBlocks,
    json.lightBlockToJson,
    json.lightBlockFromJson,
  ),
  chainJson("a vote", "voteFromJson", any.votes, json.voteToJson, json.voteFromJson),
  chainJson(
    "evidence",
    "evidenceFromJson",
    any.evidence,
    json.evidenceToJson,
    json.evidenceFromJson,
  ),
  chainJson(
    "consensus parameters",
    "consensusParamsFromJson",
    any.consensusParams,
    json.consensusParamsToJson,
    json.consensusParamsFromJson,
  ),
  chainJson(
    "a Merkle proof",
    "merkleProofFromJson",
    any.merkleProofs,
    json.merkleProofToJson,
    json.merkleProofFromJson,
  ),
  plainDecoder({
    name: "answers that a light client verifies",
    covers: [
      "rollup-adapter/light/answers.ts#hashedResultFromJson",
      "rollup-adapter/light/answers.ts#txAnswerFromJson",
      "rollup-adapter/light/answers.ts#queryAnswerFromJson",
    ],
    format: "json",
    decode: (bytes) => {
      const node = parseJson(toText(bytes));
      attempt(() => txAnswerFromJson(node), coded("JSON_"));
      attempt(() => txResultJson(node), coded("JSON_"));
      return queryAnswerFromJson(node);
    },
    seeds: () =>
      [
        '{"height":"5","index":0,"tx":"AAEC","tx_result":{"code":0,"data":"AA==","gas_wanted":"1","gas_used":"1"},"proof":{"proof":{"total":"1","index":"0","leaf_hash":"AA==","aunts":[]}}}',
        '{"code":0,"log":"","key":"AA==","value":"AQ==","height":"3","proofOps":{"ops":[{"type":"ics23:smt","key":"AA==","data":"AAEC"}]}}',
      ].map(text),
    isRefusal: coded("JSON_"),
  }),
  ...grpcTargets("rollup", ROLLUP_SERVICE),
  ...grpcTargets("staking", STAKING_SERVICE),
  ...grpcTargets("execution", EXECUTION_SERVICE),
  plainDecoder({
    name: "streamed block",
    covers: ["rollup-adapter/client/rollup-block.ts#decodeRollupBlock"],
    format: "protobuf",
    decode: (bytes) => {
      const half = (bytes[0] ?? 0) % (bytes.length + 1);
      return decodeRollupBlock({
        height: Height(1),
        level: Level.COMMITTED,
        signedHeader: bytes.subarray(1, half),
        validatorSet: bytes.subarray(half),
        manifest: new Uint8Array(0),
        manifestProof: { total: 1, index: 0, leafHash: new Uint8Array(32), aunts: [] },
        slice: { kind: "absence", neighbours: [] },
        filling: undefined,
        omitted: [],
        more: [],
      });
    },
    seeds: sampled(fc.tuple(any.lightBlocks, any.validatorSets), ([{ signedHeader }, set]) => {
      const header = encodeSignedHeader(signedHeader).slice(0, 254);
      return new Uint8Array([header.length + 1, ...header, ...encodeValidatorSet(set)]);
    }),
    isRefusal: coded("STREAM_"),
  }),
  plainDecoder({
    name: "EVM payload",
    covers: ["rollup-adapter/evm/payload.ts#createPayloadDecoder"],
    format: "binary",
    decode: (bytes) => {
      const decoded = EVM_DECODER.decode(bytes);
      if (decoded.kind === "transaction" && Buffer.compare(decoded.decoded.raw, bytes) !== 0)
        throw new RangeError("a transaction has two encodings");
    },
    seeds: payloadSeeds,
    isRefusal: () => false,
    weight: 0.05,
  }),
  plainDecoder({
    name: "rollup receipts",
    covers: ["rollup-adapter/evm/records.ts#decodeReceipts"],
    format: "binary",
    decode: records.decodeReceipts,
    seeds: () => [RECEIPTS],
    isRefusal: isDamaged,
    weight: 0.1,
  }),
  plainDecoder({
    name: "rollup's sequencer record",
    covers: ["rollup-adapter/evm/records.ts#decodeSequencerRecord"],
    format: "binary",
    decode: records.decodeSequencerRecord,
    seeds: () => [SEQUENCER_RECORD],
    isRefusal: isDamaged,
    weight: 0.1,
  }),
  plainDecoder({
    name: "rollup row",
    covers: ["rollup-adapter/evm/records.ts#decodeRow"],
    format: "binary",
    decode: records.decodeRow,
    seeds: () => [ROW],
    isRefusal: isDamaged,
    weight: 0.1,
  }),
  plainDecoder({
    name: "rollup block row",
    covers: ["rollup-adapter/evm/records.ts#decodeBlock"],
    format: "binary",
    decode: (bytes) => records.decodeBlock(bytes, COMMON),
    seeds: () => [ROW],
    isRefusal: isDamaged,
    weight: 0.05,
  }),
  plainDecoder({
    name: "row of an atomic bundle",
    covers: ["rollup-adapter/evm/atomic/records.ts#decodeBundle"],
    format: "binary",
    decode: decodeBundle,
    seeds: () => BUNDLES.map(encodeBundle),
    isRefusal: isDamaged,
    weight: 0.1,
  }),
];

const EVENTS = new Map([
  ["tm.event", ["Tx"]],
  ["transfer.amount", ["8atom"]],
  ["block.time", ["2024-01-01T00:00:00Z"]],
]);
const QUERIES = [
  "a.b > 5.5",
  "a.b = 'x'",
  "a.b CONTAINS 'x'",
  "a.b < TIME 2024-01-01T00:00:00Z",
  "a.b >= DATE 2024-01-01",
].map(parseQuery);

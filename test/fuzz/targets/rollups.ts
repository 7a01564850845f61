/** What rollups and their clients read: proven slices of blocks, Ethereum JSON-RPC. */
import * as fc from "fast-check";
import { createManifestBuilder } from "../../../mev/manifest.ts";
import { Height } from "../../../proto/brands.ts";
import { utf8ToBytes } from "../../../proto/bytes.ts";
import { encodeHeader, encodeSignedHeader } from "../../../proto/codec/block.ts";
import { encodeValidatorSet } from "../../../proto/codec/types.ts";
import { ATOMIC_DECISION_CODEC } from "../../../proto/codec/atomic-decision.ts";
import { payloadHash, rollupData } from "../../../proto/codec/weft-tx.ts";
import { Level } from "../../../proto/grpc/rollup-block.ts";
import { ROLLUP_SERVICE } from "../../../proto/grpc/rollup-service.ts";
import { sha256 } from "../../../proto/hash.ts";
import { merkleProofOfFirst, merkleRootOfHashes } from "../../../proto/merkle.ts";
import { hashedValidatorSet } from "../../../proto/validator-set.ts";
import { verifyOmitted } from "../../../proto/verify/omitted.ts";
import {
  decodeAtomicDecision,
  EntryKind,
  verifyRollupSlice,
} from "../../../proto/verify/manifest.ts";
import {
  decodeAttributes,
  encodeAttributes,
} from "../../../rollup-adapter/engine-api/l1-attributes.ts";
import { readHeaderUpdate } from "../../../rollup-adapter/client/header-follower.ts";
import { readRollupBlock } from "../../../rollup-adapter/client/rollup-block.ts";
import { transactionProofFromJson } from "../../../rollup-adapter/client/transaction-proof.ts";
import { decodeMessage, encodeMessage } from "../../../rollup-adapter/evm/atomic/mailbox.ts";
import { parseAnswer } from "../../../rollup-adapter/gateway/rpc/upstream.ts";
import { NULL_EVM_METRICS } from "../../../rollup-adapter/evm/metrics.ts";
import { Dispatcher } from "../../../rollup-adapter/json-rpc/dispatcher.ts";
import * as overrides from "../../../rollup-adapter/evm/rpc/overrides.ts";
import * as evmParams from "../../../rollup-adapter/evm/rpc/params.ts";
import * as params from "../../../rollup-adapter/json-rpc/params.ts";
import { NULL_LOGGER } from "../../../sequencer/ports/logger.ts";
import * as any from "../../support/arbitraries.ts";
import { atomicDecisions } from "../../support/atomic-arbitraries.ts";
import { sampled } from "./chain.ts";
import { coded, codec, Finding, plainDecoder, type Target, toText } from "../target.ts";

const text = utf8ToBytes;
const ID = new Uint8Array(32).fill(20);
const ABSENT = new Uint8Array(32).fill(35);

/** A block with leaves of three rollups, and the slices that prove the presence of one, the absence of another. */
function blockOfThree() {
  const builder = createManifestBuilder();
  const entries = [1, 2].map((n) => ({
    kind: EntryKind.ROLLUP_DATA,
    lane: 7,
    itemId: sha256(text(`item ${n}`)),
    bundleId: undefined,
    leg: 0,
    legs: 1,
    payload: rollupData(ID, [text(`payload ${n}`)]).payload,
  }));
  for (const id of [10, 20, 50].map((value) => new Uint8Array(32).fill(value))) {
    for (const entry of entries) {
      builder.add(id, { ...entry, payloadHash: payloadHash(entry.payload) });
    }
  }
  const built = builder.build();
  const txs = [built.item, text("second"), text("third")];
  const slices = [ID, ABSENT].map((id) => {
    const proof = built.prove(id);
    const slice = proof.kind === "absence" ? proof : { ...proof, entries };
    return { manifest: built.item, manifestProof: merkleProofOfFirst(txs.map(sha256)), slice };
  });
  return { dataHash: merkleRootOfHashes(txs), slices };
}

function rollupSlice(): Target {
  const { dataHash, slices } = blockOfThree();
  const { responseSerialize, responseDeserialize } = ROLLUP_SERVICE.getBlock;
  return plainDecoder({
    name: "slice of a block",
    covers: ["proto/verify/manifest.ts#verifyRollupSlice"],
    format: "protobuf",
    decode: (bytes) => {
      const block = responseDeserialize(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
      const verdicts = [ID, ABSENT].map((id) => verifyRollupSlice(dataHash, id, block));
      // The honest slices prove one thing each; nothing else may be proven by a mutant.
      for (const [i, verdict] of verdicts.entries()) {
        if ("code" in verdict) continue;
        const expected = slices[i]?.slice;
        const count = expected?.kind === "presence" ? expected.entries.length : 0;
        const { entries, fills } = verdict;
        if (entries.length !== count || fills.length > 0) {
          throw new Finding(`proven: ${entries.length} entries, ${fills.length} fills`);
        }
        const payloads = entries.map(({ payload }) => Buffer.from(payload).toString("hex"));
        const honest =
          expected?.kind === "presence"
            ? expected.entries.map(({ payload }) => Buffer.from(payload).toString("hex"))
            : [];
        if (payloads.join() !== honest.join()) throw new Finding("another payload is proven");
      }
      return verdicts;
    },
    seeds: () =>
      slices.map((slice) =>
        Uint8Array.from(
          responseSerialize({
            ...slice,
            height: Height(3),
            level: Level.COMMITTED,
            signedHeader: new Uint8Array(0),
            validatorSet: new Uint8Array(0),
            filling: undefined,
            omitted: [],
            more: [],
          }),
        ),
      ),
    isRefusal: codec,
  });
}

/** Blocks that come as the proof that they hold nothing: the present rollup is never shown to be absent. */
function omittedBlocks(): Target {
  const { dataHash, slices } = blockOfThree();
  const [, absent] = slices;
  if (absent?.slice.kind !== "absence") throw new Error("the second slice is an absence");
  const { manifest, manifestProof, slice } = absent;
  const { responseSerialize, responseDeserialize } = ROLLUP_SERVICE.getBlock;
  return plainDecoder({
    name: "blocks that are left out",
    covers: ["proto/verify/omitted.ts#verifyOmitted"],
    format: "protobuf",
    decode: (bytes) => {
      const { omitted } = responseDeserialize(
        Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
      );
      return omitted.map((block) => {
        if (verifyOmitted(dataHash, [ID], block) === undefined) {
          throw new Finding("a rollup with a leaf is shown to be absent");
        }
        return verifyOmitted(dataHash, [ABSENT], block);
      });
    },
    seeds: () => [
      Uint8Array.from(
        responseSerialize({
          ...NO_BLOCK,
          manifest,
          manifestProof,
          slice,
          omitted: [{ header: Uint8Array.of(1), manifest, manifestProof, absences: [slice] }],
        }),
      ),
    ],
    isRefusal: codec,
  });
}

const NO_BLOCK = {
  height: Height(3),
  level: Level.COMMITTED,
  signedHeader: new Uint8Array(0),
  validatorSet: new Uint8Array(0),
  filling: undefined,
  more: [],
};

const EVM_PARAMS = "rollup-adapter/evm/rpc/params.ts";
const COMMON_PARAMS = "rollup-adapter/json-rpc/params.ts";
const READERS = { ...params, ...evmParams, ...overrides };
type Reader = keyof typeof READERS;
const READER_NAMES = (Object.keys(READERS) as Reader[]).filter((name) => name.endsWith("Param"));

function evmRpc(): Target {
  const faults: string[] = [];
  const dispatcher = new Dispatcher({
    methods: new Map(
      READER_NAMES.map((name) => [
        name,
        (values) => {
          const read: unknown = READERS[name];
          if (typeof read === "function") Reflect.apply(read, undefined, [values[0], "value"]);
          return null;
        },
      ]),
    ),
    logger: {
      ...NULL_LOGGER,
      error: (message, fields) => {
        const error = fields?.["error"];
        faults.push(typeof error === "string" ? error : message);
      },
    },
    metrics: NULL_EVM_METRICS,
  });
  const body = (method: string, value: unknown): Uint8Array =>
    text(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: [value] }));
  const address = `0x${"ab".repeat(20)}`;
  const hash = `0x${"cd".repeat(32)}`;
  return {
    name: "EVM JSON-RPC body",
    covers: READER_NAMES.map((name) =>
      name.includes("Overrides")
        ? `rollup-adapter/evm/rpc/overrides.ts#${name}`
        : `${name in params ? COMMON_PARAMS : EVM_PARAMS}#${name}`,
    ),
    format: "json",
    seeds: () => [
      body("bytesParam", "0x0102"),
      body("hashParam", hash),
      body("addressParam", address),
      body("quantityParam", "0x10"),
      body("indexParam", "0x1"),
      body("slotParam", "0x0"),
      body("booleanParam", true),
      body("objectParam", {}),
      body("listParam", [1]),
      body("blockParam", "latest"),
      body("blockParam", { blockHash: hash, requireCanonical: true }),
      body("callParam", { from: address, to: address, gas: "0x5208", value: "0x1", data: "0x00" }),
      body("logFilterParam", {
        fromBlock: "0x1",
        toBlock: "latest",
        address,
        topics: [hash, [hash], null],
      }),
      body("stateOverridesParam", {
        [address]: { balance: "0x1", nonce: "0x1", code: "0x00", stateDiff: { [hash]: hash } },
      }),
      body("blockOverridesParam", {
        number: "0x1",
        time: "0x2",
        gasLimit: "0x5208",
        baseFeePerGas: "0x7",
      }),
      text(
        '[{"jsonrpc":"2.0","id":"a","method":"blockParam","params":["0x1"]},{"jsonrpc":"2.0","method":"x"}]',
      ),
    ],
    run: async (bytes) => {
      faults.length = 0;
      const answer = await dispatcher.answer(toText(bytes), {
        address: "",
        requester: "",
        signature: undefined,
      });
      const [fault] = faults;
      if (fault !== undefined)
        throw new Finding(`logged as an error of ours: ${fault.slice(0, 300)}`);
      if (answer === undefined) return "accepted";
      const code = /"code":(-?\d+)/.exec(answer)?.[1];
      JSON.parse(answer);
      return code === undefined ? "accepted" : `refused ${code}`;
    },
  };
}

export const ROLLUP_TARGETS: readonly Target[] = [
  plainDecoder({
    name: "streamed block as it came",
    covers: ["rollup-adapter/client/rollup-block.ts#readRollupBlock"],
    format: "protobuf",
    decode: (bytes) => {
      const form = { level: Level.COMMITTED, rollups: 1, omitsEmpty: false };
      return readRollupBlock(Buffer.from(bytes), form);
    },
    seeds: () => [new Uint8Array(0), Uint8Array.of(8, 5, 16, 2)],
    isRefusal: coded("STREAM_"),
  }),
  omittedBlocks(),
  plainDecoder({
    name: "streamed headers as they came",
    covers: [
      "rollup-adapter/client/header-follower.ts#readHeaderUpdate",
      "rollup-adapter/client/header-follower.ts#decodeHeaderUpdate",
      "rollup-adapter/client/rollup-block.ts#decodeHeaderAlone",
      "rollup-adapter/client/rollup-block.ts#decodeSignedSet",
    ],
    format: "protobuf",
    decode: (bytes) => {
      const { height, headers } = readHeaderUpdate(Buffer.from(bytes), true);
      if (headers.length >= height) throw new Finding("headers from below the first height");
      return headers;
    },
    seeds: sampled(
      fc.tuple(any.lightBlocks, any.lightBlocks, any.validatorSets),
      ([first, { signedHeader }, set]) =>
        Uint8Array.from(
          ROLLUP_SERVICE.streamHeaders.responseSerialize({
            height: Height(7),
            signedHeader: encodeSignedHeader(signedHeader),
            validatorSet:
              set.validators.length === 0
                ? new Uint8Array(0)
                : encodeValidatorSet(hashedValidatorSet(set)),
            headers: [encodeHeader(first.signedHeader.header)],
          }),
        ),
    ),
    isRefusal: coded("STREAM_"),
  }),
  plainDecoder({
    name: "proof of a transaction's place",
    covers: ["rollup-adapter/client/transaction-proof.ts#transactionProofFromJson"],
    format: "json",
    decode: (bytes) => transactionProofFromJson(JSON.parse(toText(bytes))) ?? { code: "NO_PROOF" },
    seeds: () => [
      text(
        '{"position":"0x1","signedHeader":"0x00","validatorSet":"0x00","manifest":"0x00","leaf":"0x00","entry":"0x00","payload":"0x00"}',
      ),
    ],
    isRefusal: (error) => error instanceof SyntaxError,
  }),
  plainDecoder({
    name: "answer of an executor's RPC",
    covers: ["rollup-adapter/gateway/rpc/upstream.ts#parseAnswer"],
    format: "json",
    decode: (bytes) => parseAnswer(toText(bytes)),
    seeds: () => [text('{"jsonrpc":"2.0","id":1,"result":{"a":[1,2]}}')],
    isRefusal: (error) => error instanceof SyntaxError || error instanceof RangeError,
  }),
  plainDecoder({
    name: "message between legs",
    covers: ["rollup-adapter/evm/atomic/mailbox.ts#decodeMessage"],
    format: "binary",
    decode: (bytes) => decodeMessage(bytes, ID) ?? { code: "NO_MESSAGE" },
    seeds: () => [
      encodeMessage({
        source: ABSENT,
        sender: new Uint8Array(20).fill(1),
        receiver: new Uint8Array(20).fill(2),
        session: ABSENT,
        label: ABSENT,
        data: text("data"),
      }),
    ],
    isRefusal: () => false,
  }),
  plainDecoder({
    name: "decision about an atomic bundle",
    covers: ["proto/verify/manifest.ts#decodeAtomicDecision"],
    format: "protobuf",
    decode: (bytes) => {
      const decision = decodeAtomicDecision(bytes);
      if (decision === undefined) return { code: "NO_DECISION" };
      // Its hash is in the manifest: there is one encoding of each.
      const again = ATOMIC_DECISION_CODEC.encode(decision);
      if (Buffer.compare(again, bytes) !== 0) throw new Finding("a decision has two encodings");
      return decision;
    },
    seeds: sampled(atomicDecisions, ATOMIC_DECISION_CODEC.encode),
    isRefusal: () => false,
  }),
  plainDecoder({
    name: "L1 attributes",
    covers: ["rollup-adapter/engine-api/l1-attributes.ts#decodeAttributes"],
    format: "binary",
    decode: (bytes) => {
      const place = decodeAttributes(bytes, ID);
      if (place === undefined) return { code: "NOT_OURS" };
      if (place.heightFirst < 1 || place.heightFirst > place.height) {
        throw new Finding(`a place from ${place.heightFirst} to ${place.height}`);
      }
      return place;
    },
    seeds: () =>
      (["isthmus", "jovian"] as const).map((fork) =>
        encodeAttributes(
          { heightFirst: Height(3), height: Height(7), blockHash: ABSENT, seconds: 1_700_000_000n },
          fork,
          ID,
        ),
      ),
    isRefusal: () => false,
  }),
  rollupSlice(),
  evmRpc(),
];

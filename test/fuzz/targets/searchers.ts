/** What searchers send over JSON-RPC, and what rollups are told of the other legs of a bundle. */
import { createManifestBuilder, type RollupEntry } from "../../../mev/manifest.ts";
import { Height } from "../../../proto/brands.ts";
import { bytesEqual, toHex, utf8ToBytes } from "../../../proto/bytes.ts";
import { RevertMode } from "../../../proto/codec/mev-tx.ts";
import { payloadHash, rollupData } from "../../../proto/codec/weft-tx.ts";
import { isWeftError } from "../../../proto/errors.ts";
import { Level } from "../../../proto/grpc/rollup-block.ts";
import { ROLLUP_SERVICE } from "../../../proto/grpc/rollup-service.ts";
import { sha256 } from "../../../proto/hash.ts";
import { merkleProofOfFirst, merkleProofs, merkleRootOfHashes } from "../../../proto/merkle.ts";
import { bundleId, type SiblingLeg, verifyBundles } from "../../../proto/verify/bundle.ts";
import {
  type DeliveredEntry,
  encodeOrderedEntry,
  EntryKind,
  verifyRollupSlice,
} from "../../../proto/verify/manifest.ts";
import { NULL_EVM_METRICS } from "../../../rollup-adapter/evm/metrics.ts";
import * as mev from "../../../rollup-adapter/evm/rpc/mev-params.ts";
import { Dispatcher } from "../../../rollup-adapter/json-rpc/dispatcher.ts";
import type { Method, Params } from "../../../rollup-adapter/json-rpc/method.ts";
import { NULL_LOGGER } from "../../../sequencer/ports/logger.ts";
import { codec, Finding, plainDecoder, type Target, toText } from "../target.ts";
import { EVM_DECODER, payloadSeeds } from "./services.ts";

const CHAIN = "weft-test";
const ROLLUPS = [10, 20, 30].map((value) => new Uint8Array(32).fill(value));
const MODES = [RevertMode.ALLOW, RevertMode.FAIL, RevertMode.DROP];
const PARAMS = "rollup-adapter/evm/rpc/mev-params.ts";
const READERS = Object.keys(mev).filter((name) => name.endsWith("Param"));

/** Refusals of the table of bundles are answers; the methods give them their numbers. */
function told(read: (values: Params) => void): Method {
  return (values) => {
    try {
      read(values);
      return null;
    } catch (error) {
      if (isWeftError(error) && error.code === "GATEWAY_BUNDLE_REFUSED") return error.message;
      throw error;
    }
  };
}

/** Requests as the methods of searchers read them; what is done with them is for properties. */
function requests(): Target {
  const faults: string[] = [];
  const own = { rollupId: ROLLUPS[0] ?? new Uint8Array(32), decoder: EVM_DECODER };
  const dispatcher = new Dispatcher({
    methods: new Map([
      [
        "bundle",
        told((values) => {
          const fields = mev.requestParam(values, ["txs", "legs", "uuid", "seq", "privacy", "min"]);
          mev.windowParam(fields);
          mev.replacementParam(fields, "uuid", "seq");
          mev.isEncryptedParam(fields);
          mev.legsParam(fields["legs"], own);
        }),
      ],
      [
        "bid",
        told((values) => {
          const fields = mev.requestParam(values, ["legs", "amount", "group", "tx"]);
          mev.amountParam(fields["amount"], "amount");
          mev.optionalParam(fields, "group", mev.rollupParam);
          mev.optionalParam(fields, "tx", (value, name) =>
            mev.rawTxParam(own.decoder, value, name),
          );
          mev.bidLegsParam(fields["legs"], own);
        }),
      ],
    ]),
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
    utf8ToBytes(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: [value] }));
  const [tx = "0x"] = payloadSeeds().map((payload) => `0x${toHex(payload)}`);
  const [id = "", other = ""] = ROLLUPS.map((rollupId) => `0x${toHex(rollupId)}`);
  return {
    name: "request of a searcher",
    covers: READERS.map((name) => `${PARAMS}#${name}`),
    format: "json",
    seeds: () => [
      body("bundle", {
        version: "v1",
        legs: [
          { rollupId: id, tx, revertMode: "fail", tip: "1" },
          { rollupId: other, txs: ["0xc0ffee", "0x01"], revertMode: "drop" },
        ],
        minHeight: 3,
        maxHeight: "0x10",
        uuid: "5d2d0c1e-1111-4e4e-9a9a-3c3c3c3c3c3c",
        seq: 7,
        privacy: { encrypted: false },
      }),
      body("bundle", { legs: [{ rollupId: "alpha", tx: "0x00" }], maxTimestamp: 5 }),
      body("bid", { legs: [{ rollupId: id, tx }], amount: "100", group: "alpha", tx }),
      body("bid", { legs: [{ rollupId: other, txs: ["0x01"] }], amount: "0x7fffffffffffffff" }),
    ],
    run: async (bytes) => {
      faults.length = 0;
      const answer = await dispatcher.answer(toText(bytes), {
        address: "",
        requester: "",
        signature: undefined,
      });
      const [fault] = faults;
      if (fault !== undefined) {
        throw new Finding(`logged as an error of ours: ${fault.slice(0, 300)}`);
      }
      if (answer === undefined) return "accepted";
      JSON.parse(answer);
      const code = /"code":(-?\d+)/.exec(answer)?.[1];
      return code === undefined ? "accepted" : `refused ${code}`;
    },
  };
}

/** A block with one bundle in the clear, and what its first rollup is given of it. */
function blockOfBundle() {
  const payloads = ROLLUPS.map((id, at) => rollupData(id, [utf8ToBytes(`leg ${at}`)]).payload);
  const legs = ROLLUPS.map((rollupId, at) => ({
    rollupId,
    payloadHash: payloadHash(payloads[at] ?? new Uint8Array(0)),
    revertMode: MODES[at] ?? RevertMode.ALLOW,
  }));
  const id = bundleId(CHAIN, legs);
  const entries = legs.map(({ rollupId, payloadHash: hash }, leg): RollupEntry => {
    const head = { kind: EntryKind.BUNDLE_LEG, lane: 6, itemId: sha256(id), bundleId: id };
    return { rollupId, entry: { ...head, leg, legs: legs.length, payloadHash: hash } };
  });
  const builder = createManifestBuilder();
  for (const { rollupId, entry } of entries) builder.add(rollupId, entry);
  const built = builder.build();
  const siblings = entries.slice(1).map(({ rollupId, entry }, at): SiblingLeg => {
    const proof = built.prove(rollupId);
    const encoded = encodeOrderedEntry(entry);
    const [entryProof] = merkleProofs([encoded]).proofs;
    if (proof.kind === "absence" || entryProof === undefined) throw new TypeError("it is there");
    const { leaf, proof: leafProof } = proof;
    const revertMode = MODES[at + 1] ?? RevertMode.ALLOW;
    return { rollupId, entry: encoded, entryProof, leaf, leafProof, revertMode };
  });
  const [first] = entries;
  const [own = new Uint8Array(32)] = ROLLUPS;
  const [payload = new Uint8Array(0)] = payloads;
  const proof = built.prove(own);
  if (first === undefined || proof.kind === "absence") throw new TypeError("it is there");
  const { payloadHash: _, ...head } = first.entry;
  const bundle = { revertMode: MODES[0] ?? RevertMode.ALLOW, siblings, atomic: undefined };
  const delivered: DeliveredEntry = { ...head, payload, bundle };
  const txs = [built.item, utf8ToBytes("second")];
  return {
    own,
    siblings,
    dataHash: merkleRootOfHashes(txs),
    block: {
      height: Height(3),
      level: Level.COMMITTED,
      signedHeader: new Uint8Array(0),
      validatorSet: new Uint8Array(0),
      manifest: built.item,
      manifestProof: merkleProofOfFirst(txs.map(sha256)),
      slice: { ...proof, entries: [delivered] },
      filling: undefined,
      omitted: [],
      more: [],
    },
  };
}

/** Whatever is sent instead of the siblings of a leg: only what stands in the block passes for them. */
function siblingLegs(): Target {
  const { own, siblings, dataHash, block } = blockOfBundle();
  const { responseSerialize, responseDeserialize } = ROLLUP_SERVICE.getBlock;
  return plainDecoder({
    name: "siblings of a leg",
    covers: [],
    format: "protobuf",
    decode: (bytes) => {
      const message = responseDeserialize(
        Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
      );
      const slice = verifyRollupSlice(dataHash, own, message);
      if ("code" in slice) return slice;
      const refused = verifyBundles(CHAIN, own, message.manifest, slice.entries);
      if (refused !== undefined) return refused;
      const came = slice.entries.flatMap(({ bundle }) => bundle?.siblings ?? []);
      const isHonest =
        came.length === siblings.length &&
        siblings.every((honest) =>
          came.some(
            (one) =>
              bytesEqual(one.rollupId, honest.rollupId) &&
              bytesEqual(one.entry, honest.entry) &&
              one.revertMode === honest.revertMode,
          ),
        );
      if (!isHonest) throw new Finding("other siblings pass for those of the block");
      return slice;
    },
    seeds: () => [Uint8Array.from(responseSerialize(block))],
    isRefusal: (error) => codec(error) || isWeftError(error),
  });
}

export const SEARCHER_TARGETS: readonly Target[] = [requests(), siblingLegs()];

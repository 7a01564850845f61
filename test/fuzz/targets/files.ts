/** What a node reads from its own disk: log, stores, keys, genesis, configuration. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { Height } from "../../../proto/brands.ts";
import { utf8ToBytes } from "../../../proto/bytes.ts";
import { parseTime } from "../../../proto/time.ts";
import { parseAddress, formatAddress } from "../../../proto/address.ts";
import { fromBase64, fromHex } from "../../../proto/bytes.ts";
import { accountAddress } from "../../../proto/codec/weft-tx.ts";
import { sha256 } from "../../../proto/hash.ts";
import { ed25519Address, ed25519KeyPairFromSeed } from "../../../proto/verify/ed25519.ts";
import { createFileTrustStore } from "../../../rollup-adapter/driver/trust-store.ts";
import { loadRollupConfig } from "../../../rollup-adapter/node/rollup-config.ts";
import { parseEvmGenesis } from "../../../rollup-adapter/evm/genesis.ts";
import { genesisToJson, loadGenesis, parseGenesis } from "../../../sequencer/engine/genesis.ts";
import { loadKeyFile } from "../../../sequencer/engine/privval/key-file.ts";
import { openSignStateFile } from "../../../sequencer/engine/privval/sign-state.ts";
import { decodeWalEntry, encodeWalEntry } from "../../../sequencer/engine/wal/wal-entry.ts";
import { frameRecord, scanFrames } from "../../../sequencer/engine/wal/record-frames.ts";
import { loadConfig, renderConfig } from "../../../sequencer/node/config.ts";
import { parseDurationMs } from "../../../sequencer/node/config-schema.ts";
import { evidenceFromJson, evidenceToJson } from "../../../sequencer/node/evidence-file.ts";
import { parseScalar } from "../../../sequencer/node/scalar.ts";
import { createNodeKey, loadOrCreateNodeKey } from "../../../sequencer/p2p/node-key.ts";
import { readBansFile } from "../../../sequencer/p2p/peer-bans-file.ts";
import { readBookFile } from "../../../sequencer/p2p/pex/address-book-file.ts";
import { readKeyFile, readPublicHalf } from "../../../sequencer/ports/key-file.ts";
import { NULL_LOGGER } from "../../../sequencer/ports/logger.ts";
import { sampled } from "./chain.ts";
import { bookSeeds } from "./p2p.ts";
import { NODE_FILE_SYSTEM } from "../../../sequencer/ports/node-file-system.ts";
import { decodeChainState, encodeChainState } from "../../../sequencer/store/chain-state-codec.ts";
import {
  decodeFinalizeBlockResponse,
  encodeFinalizeBlockResponse,
} from "../../../sequencer/store/finalize-response-codec.ts";
import { Step } from "../../../sequencer/consensus/step.ts";
import { Round } from "../../../proto/brands.ts";
import * as any from "../../support/arbitraries.ts";
import { sealEvidence } from "../../support/seal-arbitraries.ts";
import { duplicateProposals } from "../../support/stake-arbitraries.ts";
import { emptyResponse, testGenesis, testKeys, testState } from "../../support/chain-builder.ts";
import {
  attempt,
  attemptAsync,
  codec,
  coded,
  Finding,
  type IsRefusal,
  lenientCodec,
  plainDecoder,
  type Target,
  toText,
} from "../target.ts";

const text = (value: string): Uint8Array => utf8ToBytes(value);
const isRangeError: IsRefusal = (error) =>
  error instanceof RangeError && !error.message.includes("call stack");

function walSeeds(seed: number): readonly Uint8Array[] {
  const entries = [
    ...fc
      .sample(any.votes, { seed, numRuns: 8 })
      .map((vote) => encodeWalEntry({ kind: "voteReceived", vote, origin: undefined })),
    ...fc.sample(any.proposals, { seed, numRuns: 4 }).map((proposal) =>
      encodeWalEntry({
        kind: "proposalReceived",
        proposal,
        origin: undefined,
        signer: new Uint8Array(20),
      }),
    ),
    ...fc.sample(any.parts, { seed, numRuns: 4 }).map((part) =>
      encodeWalEntry({
        kind: "partReceived",
        height: Height(3),
        round: Round(0),
        part,
        origin: undefined,
      }),
    ),
    encodeWalEntry({ kind: "endHeight", height: Height(7) }),
    encodeWalEntry({ kind: "heightStarted", height: Height(7), startDelayMs: 10 }),
    encodeWalEntry({
      kind: "timeoutElapsed",
      height: Height(7),
      round: Round(1),
      step: Step.PROPOSE,
    }),
  ];
  return entries;
}

/** A file of a folder that lives as long as the target. */
function inFile(fields: {
  readonly name: string;
  readonly covers: readonly string[];
  readonly seeds: () => readonly Uint8Array[];
  readonly format: Target["format"];
  readonly isRefusal: (error: unknown, input: Uint8Array) => boolean;
  readonly load: (path: string) => unknown;
  readonly slowMs?: number;
}): Target {
  let folder: string | undefined;
  return {
    name: fields.name,
    covers: fields.covers,
    format: fields.format,
    seeds: fields.seeds,
    weight: 0.03,
    bytesMax: 8_192,
    ...(fields.slowMs === undefined ? {} : { slowMs: fields.slowMs }),
    run: (bytes) => {
      folder ??= mkdtempSync(join(tmpdir(), "weft-fuzz-"));
      const path = join(folder, "file");
      writeFileSync(path, bytes, { mode: 0o600 });
      return attemptAsync(
        async () => await fields.load(path),
        (error) => fields.isRefusal(error, bytes),
      );
    },
    stop: () => {
      if (folder !== undefined) rmSync(folder, { recursive: true });
      folder = undefined;
    },
  };
}

const NODE_KEY = createNodeKey(sha256(text("a node key")));
const KEY = ed25519KeyPairFromSeed(sha256(text("a key")));
/** Enough of a secret to recognise it by; what JSON.parse says of a fault shows less. */
const TELLING_CHARACTERS = 24;

/**
 * Refuses as `isRefusal` does, unless the error, or one that caused it, tells the key. A mutant that
 * has the key elsewhere, too, in its address say, may be told so.
 */
function withoutSecrets(
  isRefusal: IsRefusal,
  secret: Uint8Array,
): (error: unknown, input: Uint8Array) => boolean {
  const text64 = Buffer.from(secret).toString("base64");
  const pieces = Array.from({ length: text64.length - TELLING_CHARACTERS + 1 }, (_, i) =>
    text64.slice(i, i + TELLING_CHARACTERS),
  );
  return (error, input) => {
    const file = toText(input);
    const isOnce = (piece: string): boolean => file.indexOf(piece) === file.lastIndexOf(piece);
    for (let at: unknown = error; at instanceof Error; at = at.cause) {
      const { message } = at;
      if (pieces.some((piece) => message.includes(piece) && isOnce(piece))) {
        throw new Finding("an error tells the private key");
      }
    }
    return isRefusal(error);
  };
}

const keyFile = (address: Uint8Array): Uint8Array =>
  text(
    JSON.stringify({
      address: Buffer.from(address).toString("hex").toUpperCase(),
      pub_key: {
        type: "tendermint/PubKeyEd25519",
        value: Buffer.from(KEY.publicKey).toString("base64"),
      },
      priv_key: {
        type: "tendermint/PrivKeyEd25519",
        value: Buffer.from(KEY.privateKey).toString("base64"),
      },
    }),
  );

function nodeKeyFile(): Uint8Array {
  const value = Buffer.from(NODE_KEY.privateKey).toString("base64");
  return text(JSON.stringify({ priv_key: { type: "tendermint/PrivKeyEd25519", value } }));
}

export const FILE_TARGETS: readonly Target[] = [
  plainDecoder({
    name: "evidence file",
    covers: ["sequencer/node/evidence-file.ts#evidenceFromJson"],
    format: "json",
    decode: (bytes) => JSON.stringify(evidenceToJson(evidenceFromJson(JSON.parse(toText(bytes))))),
    seeds: sampled(fc.oneof(duplicateProposals, sealEvidence), (evidence) =>
      utf8ToBytes(JSON.stringify(evidenceToJson(evidence))),
    ),
    isRefusal: (error) =>
      error instanceof SyntaxError || (error instanceof Error && error.name === "ZodError"),
  }),
  lenientCodec({
    name: "log record",
    covers: ["sequencer/engine/wal/wal-entry.ts#decodeWalEntry"],
    decode: decodeWalEntry,
    encode: encodeWalEntry,
    seeds: walSeeds,
    isRefusal: (error) => codec(error) || coded("WAL_")(error),
  }),
  {
    name: "log file",
    covers: ["sequencer/engine/wal/record-frames.ts#scanFrames"],
    format: "binary",
    seeds: (seed) => [new Uint8Array(Buffer.concat(walSeeds(seed).map(frameRecord)))],
    run: (bytes) => {
      const scan = scanFrames(bytes);
      const again = new Uint8Array(Buffer.concat(scan.payloads.map(frameRecord)));
      if (Buffer.compare(again, bytes.subarray(0, scan.goodBytes)) !== 0)
        throw new Finding("good records differ from the file");
      return scan.end === "whole" ? "accepted" : `refused ${scan.end}`;
    },
  },
  lenientCodec({
    name: "stored chain state",
    covers: ["sequencer/store/chain-state-codec.ts#decodeChainState"],
    decode: decodeChainState,
    encode: encodeChainState,
    seeds: () => [1, 4].map((count) => encodeChainState(testState(testGenesis(testKeys(count))))),
    isRefusal: (error) => codec(error) || coded("STORE_")(error),
  }),
  lenientCodec({
    name: "stored FinalizeBlock response",
    covers: [
      "sequencer/store/finalize-response-codec.ts#decodeFinalizeBlockResponse",
      "sequencer/abci/result-codec.ts#readFinalizeBlockResponse",
      "sequencer/abci/result-codec.ts#readValidatorUpdate",
    ],
    decode: decodeFinalizeBlockResponse,
    encode: encodeFinalizeBlockResponse,
    seeds: () => {
      const event = { type: "transfer", attributes: [{ key: "amount", value: "5", index: true }] };
      const response = emptyResponse(3);
      const results = response.txResults.map((result) => ({
        ...result,
        log: "ok",
        gasUsed: 7n,
        events: [event],
      }));
      return [emptyResponse(0), response, { ...response, txResults: results, events: [event] }].map(
        encodeFinalizeBlockResponse,
      );
    },
    isRefusal: (error) => codec(error) || coded("STORE_")(error),
  }),
  plainDecoder({
    name: "genesis",
    covers: [
      "sequencer/engine/genesis.ts#parseGenesis",
      "sequencer/engine/raw-json.ts#rawMember",
      "proto/json-reader.ts#parseJson",
    ],
    format: "json",
    decode: (bytes) => genesisToJson(parseGenesis(toText(bytes))),
    seeds: () => [
      text(genesisToJson(testGenesis(testKeys(2)))),
      text(genesisToJson(testGenesis(testKeys(1), { appState: '{"a": [1.0, "x"]}' }))),
    ],
    isRefusal: coded("ENGINE_GENESIS"),
    weight: 0.3,
  }),
  inFile({
    name: "genesis file",
    covers: ["sequencer/engine/genesis.ts#loadGenesis"],
    format: "json",
    seeds: () => [text(genesisToJson(testGenesis(testKeys(2))))],
    isRefusal: coded("ENGINE_GENESIS"),
    load: loadGenesis,
  }),
  inFile({
    name: "validator key file",
    covers: ["sequencer/engine/privval/key-file.ts#loadKeyFile"],
    format: "json",
    seeds: () => [keyFile(ed25519Address(KEY.publicKey))],
    isRefusal: withoutSecrets(coded("PRIVVAL_"), KEY.privateKey),
    load: loadKeyFile,
  }),
  inFile({
    name: "signer's state file",
    covers: [
      "sequencer/engine/privval/sign-state.ts#openSignStateFile",
      "sequencer/engine/privval/sign-state.ts#readSignState",
    ],
    format: "json",
    seeds: () => [
      text('{"height":"0","round":0,"step":0}'),
      text('{"height":"12","round":1,"step":2,"signature":"AAEC","signbytes":"0A0B"}'),
    ],
    isRefusal: coded("PRIVVAL_"),
    load: async (path) => {
      const file = await openSignStateFile(path, false, NODE_FILE_SYSTEM);
      await file.close();
    },
  }),
  inFile({
    name: "application key file",
    covers: [
      "sequencer/ports/key-file.ts#readKeyFile",
      "sequencer/ports/key-file.ts#readKeyFileIfAny",
      "sequencer/ports/key-file.ts#readOrCreateKeyFile",
    ],
    format: "json",
    seeds: () => [keyFile(accountAddress(KEY.publicKey))],
    isRefusal: withoutSecrets(coded("KEY_FILE_"), KEY.privateKey),
    load: (path) => readKeyFile(path),
  }),
  inFile({
    name: "public half of a key file",
    covers: ["sequencer/ports/key-file.ts#readPublicHalf"],
    format: "json",
    seeds: () => [keyFile(accountAddress(KEY.publicKey))],
    isRefusal: withoutSecrets(coded("KEY_FILE_"), KEY.privateKey),
    load: readPublicHalf,
  }),
  inFile({
    name: "node key file",
    covers: ["sequencer/p2p/node-key.ts#loadOrCreateNodeKey"],
    format: "json",
    seeds: () => [nodeKeyFile()],
    isRefusal: withoutSecrets(coded("P2P_"), NODE_KEY.privateKey),
    load: loadOrCreateNodeKey,
  }),
  inFile({
    name: "address book file",
    covers: ["sequencer/p2p/pex/address-book-file.ts#readBookFile"],
    format: "json",
    seeds: bookSeeds,
    isRefusal: () => false,
    load: (path) => readBookFile(path, NULL_LOGGER),
  }),
  inFile({
    name: "bans file",
    covers: ["sequencer/p2p/peer-bans-file.ts#readBansFile"],
    format: "json",
    seeds: () => [
      text(
        `{"bans":[{"id":"${"ab".repeat(20)}","until":"2030-01-01T00:00:00Z","count":2,"code":"P2P_X"}]}`,
      ),
    ],
    isRefusal: () => false,
    load: (path) => readBansFile(path, NULL_LOGGER),
  }),
  inFile({
    name: "config.toml",
    covers: ["sequencer/node/config.ts#loadConfig"],
    format: "text",
    seeds: () => [
      text(renderConfig(loadConfig(undefined, {}, {})).slice(0, 8_000)),
      text("[rpc]\nladdr = 'tcp://127.0.0.1:1'\n"),
    ],
    isRefusal: coded("CONFIG_"),
    load: (path) => loadConfig(path, {}, {}),
    // Read once, by whoever wrote it: looking for what an unknown key may have meant takes a millisecond.
    slowMs: 100,
  }),
  inFile({
    name: "rollup.json",
    covers: ["rollup-adapter/node/rollup-config.ts#loadRollupConfig"],
    format: "json",
    seeds: () => [
      text(
        '{"sequencer":{"chain_id":"a","grpc":["127.0.0.1:1"],"trust":{"height":1,"next_validators_hash":""}},"genesis":{}}',
      ),
    ],
    isRefusal: coded("CONFIG_ROLLUP_"),
    load: loadRollupConfig,
  }),
  inFile({
    name: "trusted state file",
    covers: ["rollup-adapter/driver/trust-store.ts#createFileTrustStore"],
    format: "json",
    seeds: () => [
      text(
        `{"chain_id":"a","height":5,"block_hash":"${"ab".repeat(32)}","time":"2024-01-01T00:00:00Z","next_validators_hash":"${"cd".repeat(32)}"}`,
      ),
    ],
    isRefusal: coded("TRUST_STORE_"),
    load: (path) => createFileTrustStore(path).load(),
  }),
  plainDecoder({
    name: "EVM genesis",
    covers: ["rollup-adapter/evm/genesis.ts#parseEvmGenesis"],
    format: "json",
    decode: (bytes) => {
      let json: unknown;
      const verdict = attempt(
        () => (json = JSON.parse(toText(bytes))),
        (error) => error instanceof SyntaxError,
      );
      return verdict === "accepted" ? parseEvmGenesis(json) : undefined;
    },
    seeds: () => [
      text(
        `{"chainId":"4242","rollupName":"alpha","timestamp":"0","alloc":{"0x${"ab".repeat(20)}":{"balance":"1","nonce":"1","code":"0x00","storage":{}}}}`,
      ),
      text('{"chainId":"0x10","rollupName":"a"}'),
    ],
    isRefusal: coded("GENESIS_INVALID"),
    weight: 0.2,
  }),
  plainDecoder({
    name: "words of the command line and of files",
    covers: [
      "proto/time.ts#parseTime",
      "proto/address.ts#parseAddress",
      "proto/bytes.ts#fromHex",
      "proto/bytes.ts#fromBase64",
      "sequencer/node/config-schema.ts#parseDurationMs",
      "sequencer/node/scalar.ts#parseScalar",
    ],
    format: "text",
    decode: (bytes) => {
      const word = toText(bytes);
      parseDurationMs(word);
      parseScalar(word);
      for (const parse of [parseAddress, fromHex, fromBase64])
        attempt(() => parse(word), isRangeError);
      return parseTime(word);
    },
    seeds: () =>
      [
        "2024-01-01T00:00:00.123456789Z",
        "2024-02-29T23:59:59+05:30",
        "500ms",
        "1h30m",
        formatAddress(new Uint8Array(20).fill(3)),
        "0a0B",
        "AAEC",
      ].map(text),
    isRefusal: coded("TIME_"),
    bytesMax: 4_096,
  }),
];

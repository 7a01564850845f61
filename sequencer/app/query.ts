import { formatAddress, parseAddress } from "../../proto/address.ts";
import { Height } from "../../proto/brands.ts";
import { EMPTY_BYTES, fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { REPLACEMENT_KEY_BYTES } from "../../proto/codec/mev-tx.ts";
import { PUBLIC_KEY_BYTES } from "../../proto/codec/weft-basics.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { HASH_BYTES } from "../../proto/limits.ts";
import type { QueryRequest, QueryResponse, Snapshot } from "../abci/application.ts";
import { CODES, CODESPACE, type Failure, failure } from "./codes.ts";
import { DUE_SHOWN_MAX, PENDING_ITEMS_SHOWN_MAX } from "./limits.ts";
import type { CommittedState } from "./state/committed-state.ts";
import {
  accountKey,
  CHAIN_KEY,
  FEES_KEY,
  LAST_BLOCK_KEY,
  PARAMS_KEY,
  rollupKey,
  SUPPLY_KEY,
} from "./state/keys.ts";
import { generationProgress, pendingItems, sealKeyReport } from "./seal/report.ts";
import { atomicReport, executorReport } from "./atomic/report.ts";
import {
  auctionReport,
  bundleKeyReport,
  dueReport,
  escrowReport,
  tallyReport,
  mevParamsReport,
  revenueReport,
} from "./mev-report.ts";
import {
  ATOMIC,
  AUCTION_RESULTS,
  AUCTIONS,
  BUNDLE_KEYS,
  bundleKey,
  ESCROW,
  executorKey,
  EXECUTORS,
  heightKey,
  numberKey,
  RECORD_TABLES,
  REVENUE,
} from "./state/tables.ts";
import type { ReadApi } from "./weft-application.ts";

/** ICS-23 proofs of sparse Merkle trees; the name that ibc-go and the Cosmos SDK know. */
const PROOF_TYPE = "ics23:smt";

interface Target {
  /** Undefined: it is nothing of the state, but this node's own. */
  readonly key: string | undefined;
  /** What the value says, for people. */
  readonly json: unknown;
}

/**
 * ABCI Query. Paths: `/store` (data: the key), `/account/<weft1... or hex>`, `/rollup/<id or name>`,
 * `/chain`, `/params`, `/supply`, `/fees`, `/last_block`, and the key of any record of
 * stake: `/validator/<address>`, `/delegation/<validator>/<account>`, `/epoch`, ... `value` is the
 * state's own encoding (`weft.state.v1`), `info` the same as JSON; with `prove`, an ICS-23 proof that the
 * app hash after block `height`, which the header of `height + 1` holds, has that value or has none.
 * JSON alone: `/seal/key` and `/seal/key/<number>` (the key to seal for, and whether it is taken),
 * `/seal/generation` (how far a key generation is, and who has not dealt), `/seal/pending` (sealed items that
 * wait to be opened), and `/snapshots`, which is this node's own. Of bundles and auctions, with a proof where one record
 * says it: `/mev/auction/<height, or 0 for the last>/<group>`, `/mev/listing/<transaction id>`, `/mev/due`,
 * `/mev/escrow/<account>`, `/mev/bundle_key/<account>/<key>`, `/mev/params`, `/revenue/<rollup>`,
 * `/mev/atomic/<bundle id>`, `/mev/executor/<rollup>/<key>`. Groups and rollups are
 * names or ids.
 */
export function query(
  request: QueryRequest,
  committed: CommittedState,
  read: ReadApi,
  snapshots: readonly Snapshot[],
): QueryResponse {
  const { height } = committed.store.version;
  if (request.height !== 0 && request.height !== height) {
    const detail = `the state is at height ${height}, asked for ${request.height}`;
    return refused(failure("QUERY_HEIGHT", detail), height);
  }
  const target = findTarget(request, read, snapshots, (key) => committed.store.get(key));
  if ("code" in target) return refused(target, height);
  const { key, json } = target;
  const proof = request.prove && key !== undefined ? committed.store.prove(key) : undefined;
  const keyBytes = utf8ToBytes(key ?? "");
  return {
    code: CODES.OK.number,
    log: "",
    info: json === undefined ? "" : JSON.stringify(json, jsonValue),
    index: 0n,
    key: keyBytes,
    value: (key === undefined ? undefined : committed.store.get(key)) ?? EMPTY_BYTES,
    proofOps: proof === undefined ? [] : [{ type: PROOF_TYPE, key: keyBytes, data: proof }],
    height: Height(height),
    codespace: "",
  };
}

/**
 * The key of the state that a query is about, `data` being its key under `/store`; undefined when no
 * such path is known. A light client asks for the proof of this key and of no other.
 * @throws RangeError for an argument that is no address, id or hex
 */
export function queryKey(path: string, data: Uint8Array): string | undefined {
  const record = mevRecordKey(mevPath(path.replace(/^\//, ""))) ?? recordKey(path);
  if (record !== undefined) return record;
  const [kind = "", argument, ...rest] = path.replace(/^\//, "").split("/");
  if (rest.length > 0) return undefined;
  switch (argument === undefined ? kind : `${kind}/`) {
    case "store":
      return data.every((byte) => byte < 0x80) ? new TextDecoder().decode(data) : undefined;
    case "chain":
      return CHAIN_KEY;
    case "params":
      return PARAMS_KEY;
    case "supply":
      return SUPPLY_KEY;
    case "fees":
      return FEES_KEY;
    case "last_block":
      return LAST_BLOCK_KEY;
    case "account/":
      return accountKey(toHex(accountArgument(argument ?? "")));
    case "rollup/":
      return rollupKey(toHex(rollupArgument(argument ?? "")));
    default:
      return undefined;
  }
}

function recordKey(path: string): string | undefined {
  const record = recordTarget(path);
  return record && record.type.prefix + record.key;
}

/**
 * Records of stake: their path is their key. Addresses may be written as bech32 or in capitals, numbers
 * without the zeros before them.
 */
function recordTarget(path: string) {
  const [table = "", ...rest] = path.replace(/^\//, "").split("/");
  const prefix = rest.length === 0 ? table : `${table}/`;
  const type = RECORD_TABLES.find((known) => known.prefix === prefix);
  return type && { type, key: rest.map(keyPart).join("/") };
}

function keyPart(text: string): string {
  if (/^\d{1,16}$/.test(text)) return numberKey(Number(text));
  // Replacement keys, addresses, and ids.
  if (/^([0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64})$/.test(text)) return text.toLowerCase();
  return toHex(parseAddress(text));
}

function findTarget(
  request: QueryRequest,
  read: ReadApi,
  snapshots: readonly Snapshot[],
  stored: (key: string) => Uint8Array | undefined,
): Target | Failure {
  const path = request.path.replace(/^\//, "");
  const [kind = "", argument = ""] = path.split("/");
  try {
    const made = mevTarget(path, read) ?? sealTarget(path, read);
    if (made !== undefined) return made;
    const key = queryKey(request.path, request.data);
    if (key === undefined && path !== "snapshots") {
      return failure("QUERY_PATH", path === "store" ? "keys of the state are ASCII" : request.path);
    }
    if (read.chain() === undefined) return failure("QUERY_NOT_FOUND", "the chain has not begun");
    switch (kind) {
      case "chain":
        return { key, json: read.chain() };
      case "params":
        return { key, json: read.params() };
      case "supply":
        return { key, json: read.supply() };
      case "fees":
        return { key, json: { baseFeePerByte: read.baseFeePerByte() } };
      case "last_block":
        return { key, json: read.lastBlock() };
      case "snapshots":
        return {
          key,
          // The metadata is long, and of use to who restores only.
          json: snapshots.map(({ height, format, chunks, hash }) => ({
            height,
            format,
            chunks,
            hash,
          })),
        };
      case "account": {
        const address = accountArgument(argument);
        return { key, json: { address: formatAddress(address), ...read.account(address) } };
      }
      case "rollup": {
        const id = rollupArgument(argument);
        const rollup = read.rollup(id);
        if (rollup === undefined) return failure("QUERY_NOT_FOUND", argument);
        return { key, json: { id: toHex(id), ...rollup } };
      }
      default: {
        const record = recordTarget(request.path);
        if (record === undefined) return { key, json: undefined };
        const value = stored(record.type.prefix + record.key);
        if (value === undefined) return failure("QUERY_NOT_FOUND", path);
        return { key, json: record.type.decode(value) };
      }
    }
  } catch (error) {
    // The argument is a stranger's; addresses and hex that are none are thrown as RangeErrors.
    if (!(error instanceof RangeError)) throw error;
    return failure("QUERY_PATH", error.message);
  }
}

/** What is made of several records, so that there is no proof of it. */
function sealTarget(path: string, read: ReadApi): Target | Failure | undefined {
  const [table, kind, number = "0", ...rest] = path.split("/");
  if (table !== "seal" || rest.length > 0 || !/^\d{1,15}$/.test(number)) return undefined;
  if (kind !== "key" && kind !== "generation" && kind !== "pending") return undefined;
  if (read.chain() === undefined) return failure("QUERY_NOT_FOUND", "the chain has not begun");
  const reader = read.staking();
  if (kind === "pending") {
    return { key: undefined, json: pendingItems(reader, PENDING_ITEMS_SHOWN_MAX) };
  }
  if (kind === "generation") {
    const progress = generationProgress(reader);
    if (progress !== undefined) return { key: undefined, json: progress };
    return failure("QUERY_NOT_FOUND", "no key generation is under way");
  }
  const report = sealKeyReport(reader, Number(number));
  if (report.key === undefined && Number(number) !== 0) {
    return failure("QUERY_NOT_FOUND", `key ${number}`);
  }
  return { key: undefined, json: report };
}

/** `/mev/<what>/<first>/<second>`, and `/revenue/<first>`: undefined for other paths. */
interface MevPath {
  readonly what: string;
  readonly first: string;
  readonly second: string;
}

function mevPath(path: string): MevPath | undefined {
  const [table, ...rest] = path.split("/");
  const [what = "", first = "", second = "", ...more] =
    table === "revenue" ? [table, ...rest] : table === "mev" ? rest : [];
  return what === "" || more.length > 0 ? undefined : { what, first, second };
}

/** Of a path that is about one record, whatever the state holds. */
function mevRecordKey(path: MevPath | undefined): string | undefined {
  if (path === undefined || path.first === "") return undefined;
  const { what, first, second } = path;
  switch (second === "" ? what : `${what}/`) {
    case "escrow":
      return ESCROW.prefix + toHex(accountArgument(first));
    case "atomic":
      return ATOMIC.prefix + toHex(hexArgument(first, HASH_BYTES));
    case "executor/": {
      const executor = toHex(hexArgument(second, PUBLIC_KEY_BYTES));
      return EXECUTORS.prefix + executorKey(toHex(rollupArgument(first)), executor);
    }
    case "revenue":
      return REVENUE.prefix + toHex(rollupArgument(first));
    case "bundle_key/": {
      const key = toHex(hexArgument(second, REPLACEMENT_KEY_BYTES));
      return BUNDLE_KEYS.prefix + bundleKey(toHex(accountArgument(first)), key);
    }
    default:
      return undefined;
  }
}

/** What is told of bundles and auctions; undefined for other paths. */
function mevTarget(text: string, read: ReadApi): Target | Failure | undefined {
  const path = mevPath(text);
  if (path === undefined) return undefined;
  if (read.chain() === undefined) return failure("QUERY_NOT_FOUND", "the chain has not begun");
  const reader = read.staking();
  const key = mevRecordKey(path);
  const { what, first, second } = path;
  switch (`${what}/${first === "" ? "" : "_"}/${second === "" ? "" : "_"}`) {
    case "params//":
      return { key, json: mevParamsReport(read.params()) };
    case "due//":
      return { key, json: dueReport(reader, DUE_SHOWN_MAX) };
    case "listing/_/":
      return { key, json: tallyReport(reader, hexArgument(first, HASH_BYTES)) };
    case "escrow/_/":
      return { key, json: escrowReport(reader, toHex(accountArgument(first))) };
    case "revenue/_/": {
      const rollup = rollupArgument(first);
      if (read.rollup(rollup) === undefined) return unknownRollup(first);
      return { key, json: revenueReport(reader, toHex(rollup)) };
    }
    case "bundle_key/_/_": {
      const account = toHex(accountArgument(first));
      return { key, json: bundleKeyReport(reader, account, fromHex(second)) };
    }
    case "atomic/_/": {
      const report = atomicReport(reader, toHex(hexArgument(first, HASH_BYTES)));
      if (report !== undefined) return { key, json: report };
      return failure("QUERY_NOT_FOUND", `no atomic bundle ${first} is open, or its reports are`);
    }
    case "executor/_/_": {
      const rollup = rollupArgument(first);
      if (read.rollup(rollup) === undefined) return unknownRollup(first);
      return { key, json: executorReport(reader, toHex(rollup), second.toLowerCase()) };
    }
    case "auction/_/_": {
      if (!/^\d{1,15}$/.test(first)) return failure("QUERY_PATH", `${first} is no height`);
      const group = rollupArgument(second);
      if (read.rollup(group) === undefined) return unknownRollup(second);
      const report = auctionReport(reader, Number(first), group);
      if (report === undefined) {
        const reason =
          Number(first) === 0
            ? `no block of late had bids for the group ${second}`
            : `block ${first} had no bids for the group ${second}, or it is too long ago`;
        return failure("QUERY_NOT_FOUND", reason);
      }
      const table = report.settledHeight === 0 ? AUCTIONS : AUCTION_RESULTS;
      return { key: table.prefix + heightKey(report.height, toHex(group)), json: report };
    }
    default:
      return undefined;
  }
}

function unknownRollup(text: string): Failure {
  return failure("QUERY_NOT_FOUND", `no rollup ${text} is registered`);
}

function hexArgument(text: string, length: number): Uint8Array {
  const bytes = fromHex(text);
  if (bytes.length === length) return bytes;
  throw new RangeError(`expected ${length} bytes in hex, got ${bytes.length}`);
}

function accountArgument(text: string): Uint8Array {
  if (!/^[0-9a-f]{40}$/i.test(text)) return parseAddress(text);
  return fromHex(text);
}

function rollupArgument(text: string): Uint8Array {
  return /^[0-9a-f]{64}$/i.test(text) ? fromHex(text) : rollupIdOfName(text);
}

/** Amounts as decimal strings, bytes as hex: JSON has neither. */
function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  return value instanceof Uint8Array ? toHex(value) : value;
}

function refused(fault: Failure, height: number): QueryResponse {
  return {
    code: CODES[fault.code].number,
    log: fault.reason,
    info: fault.code,
    index: 0n,
    key: EMPTY_BYTES,
    value: EMPTY_BYTES,
    proofOps: [],
    height: Height(height),
    codespace: CODESPACE,
  };
}

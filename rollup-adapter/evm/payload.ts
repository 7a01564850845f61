/**
 * From bytes that anyone may have posted to a transaction with a sender, or the reason why not.
 * A pure function of the bytes and the chain's rules: no state is looked at here.
 */
import type { Common } from "@ethereumjs/common";
import { type NestedUint8Array, RLP } from "@ethereumjs/rlp";
import {
  type TypedTransaction,
  create1559FeeMarketTxFromBytesArray,
  createAccessList2930TxFromBytesArray,
  createBlob4844TxFromBytesArray,
  createEOACode7702TxFromBytesArray,
  createLegacyTxFromBytesArray,
} from "@ethereumjs/tx";
import type { Address } from "@ethereumjs/util";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { type PayloadRules, evmOptions } from "./genesis.ts";
import { RLP_DEPTH_MAX, SENDERS_CACHED, TRANSACTION_BYTES_MAX } from "./limits.ts";
import { LruMap } from "./lru.ts";

/** Why a payload did not become a transaction of the rollup. Never renamed. */
export type SkipReason =
  /** No bytes at all. */
  | "EMPTY"
  /** More bytes than a transaction may have. */
  | "TOO_LARGE"
  /** Not the one canonical encoding of a transaction of a known type. */
  | "UNDECODABLE"
  /** A type that only a rollup's own driver may make (0x7E), or one this chain does not know. */
  | "TYPE_FORBIDDEN"
  /** A blob transaction, on a chain without blobs. */
  | "BLOB_FORBIDDEN"
  /** A legacy transaction without a chain id. */
  | "UNPROTECTED"
  /** Signed for another chain. */
  | "WRONG_CHAIN_ID"
  /** Fields that contradict the rules of its type: init code or gas limit too large, tip above fee. */
  | "INVALID_FIELDS"
  /** No sender can be recovered. */
  | "BAD_SIGNATURE"
  /** The gas limit does not even cover the transaction's own bytes. */
  | "INTRINSIC_GAS_TOO_LOW"
  /** The gas limit is above the block's. */
  | "GAS_LIMIT_ABOVE_BLOCK"
  /** The block has less gas left than the gas limit; it would have fitted an emptier block. */
  | "BLOCK_GAS_EXHAUSTED"
  /** The block has no room for its blobs. */
  | "BLOB_GAS_EXHAUSTED"
  /** The fee cap is below the block's base fee. */
  | "FEE_BELOW_BASE_FEE"
  /** The blob fee cap is below the block's blob base fee. */
  | "BLOB_FEE_TOO_LOW"
  /** The sender has code and is no EOA (EIP-3607). */
  | "SENDER_NOT_EOA"
  /** Already used, or sent twice. */
  | "NONCE_TOO_LOW"
  /** Its predecessors are not there (yet). */
  | "NONCE_TOO_HIGH"
  /** The sender cannot pay gas limit * fee cap + value. */
  | "INSUFFICIENT_FUNDS"
  /** Its sender's account belongs to a leg of an atomic bundle that is not decided; free again within blocks. */
  | "LOCKED"
  /** The virtual machine refused it although every check had passed. */
  | "REFUSED_BY_VM";

export interface ParsedTransaction {
  readonly transaction: TypedTransaction;
  /** Keccak-256 of the payload. */
  readonly hash: Uint8Array;
  /** The payload: the canonical encoding. */
  readonly raw: Uint8Array;
}

export interface DecodedTransaction extends ParsedTransaction {
  readonly sender: Address;
}

interface SkippedPayload {
  readonly kind: "skip";
  readonly reason: SkipReason;
}

export type ParsedPayload =
  | { readonly kind: "transaction"; readonly parsed: ParsedTransaction }
  | SkippedPayload;

export type DecodedPayload =
  | { readonly kind: "transaction"; readonly decoded: DecodedTransaction }
  | SkippedPayload;

/** Decodes payloads, and remembers senders: recovering one costs more than executing a transfer. */
export interface PayloadDecoder {
  decode(payload: Uint8Array): DecodedPayload;
  /** The same but for the sender, whose recovery takes ten times as long as all else. */
  parse(payload: Uint8Array): ParsedPayload;
  /** The sender of the transaction with this hash, where it was recovered here or is told by `remember`. */
  senderOf(hash: Uint8Array): Address | undefined;
  /** Has the sender of a parsed transaction known, which somebody else has recovered. */
  remember(hash: Uint8Array, sender: Address): void;
}

/** What is kept of a sender; without its key where it was recovered elsewhere. */
interface KnownSender {
  readonly address: Address;
  readonly publicKey: Uint8Array | undefined;
}

const TYPE_BLOB = 0x03;

export function createPayloadDecoder(options: {
  readonly common: Common;
  readonly rules: PayloadRules;
}): PayloadDecoder {
  const { common, rules } = options;
  const senders = new LruMap<string, KnownSender>(SENDERS_CACHED);

  function parse(payload: Uint8Array): ParsedPayload {
    if (payload.length === 0) return skip("EMPTY");
    if (payload.length > TRANSACTION_BYTES_MAX) return skip("TOO_LARGE");
    const parsed = parsePayload(payload.slice(), common, rules);
    if (typeof parsed === "string") return skip(parsed);
    return { kind: "transaction", parsed: { ...parsed, hash: keccak_256(parsed.raw) } };
  }

  return {
    parse,
    decode(payload) {
      const read = parse(payload);
      if (read.kind === "skip") return read;
      const { parsed } = read;
      const { transaction } = parsed;
      const key = toHex(parsed.hash);
      const known = senders.get(key);
      // The library looks here before it recovers; the key belongs to these very bytes.
      if (known?.publicKey !== undefined) transaction.cache.senderPubKey = known.publicKey;
      try {
        const sender = known?.address ?? transaction.getSenderAddress();
        if (known === undefined) {
          senders.set(key, { address: sender, publicKey: transaction.getSenderPublicKey() });
        }
        return { kind: "transaction", decoded: { ...parsed, sender } };
      } catch {
        return skip("BAD_SIGNATURE"); // r, s or the parity name no point of the curve
      }
    },
    senderOf: (hash) => senders.get(toHex(hash))?.address,
    remember: (hash, address) => senders.set(toHex(hash), { address, publicKey: undefined }),
  };
}

function parsePayload(
  raw: Uint8Array,
  common: Common,
  rules: PayloadRules,
): { readonly transaction: TypedTransaction; readonly raw: Uint8Array } | SkipReason {
  const type = raw[0] ?? 0;
  const isLegacy = type >= 0xc0;
  if (!isLegacy && type > 0x7f) return "UNDECODABLE";
  if (!isLegacy && (type === 0 || type > 4)) return "TYPE_FORBIDDEN";
  if (type === 4 && !common.isActivatedEIP(7702)) return "TYPE_FORBIDDEN";
  if (type === TYPE_BLOB && !rules.blobTransactions) return "BLOB_FORBIDDEN";
  const body = isLegacy ? raw : raw.subarray(1);
  if (!isShallowRlpList(body, RLP_DEPTH_MAX)) return "UNDECODABLE";

  let fields: Uint8Array | NestedUint8Array;
  try {
    fields = RLP.decode(body);
  } catch {
    return "UNDECODABLE"; // arbitrary bytes; what is wrong with them matters to nobody
  }
  if (!Array.isArray(fields)) return "UNDECODABLE";
  const signedFor = isLegacy ? legacyChainId(fields[6]) : numberField(fields[0]);
  if (signedFor === undefined) return "UNDECODABLE";
  if (signedFor === "unprotected") {
    if (!rules.unprotectedTransactions) return "UNPROTECTED";
  } else if (signedFor !== common.chainId()) return "WRONG_CHAIN_ID";

  try {
    const transaction = fieldsToTransaction(isLegacy ? 0 : type, fields, common);
    if (!transaction.isSigned()) return "BAD_SIGNATURE";
    // One transaction, one encoding: otherwise its bytes could be varied without its signer.
    if (!bytesEqual(transaction.serialize(), raw)) return "UNDECODABLE";
    return { transaction, raw };
  } catch {
    return "INVALID_FIELDS"; // the library's constructors refuse with prose, not with codes
  }
}

function fieldsToTransaction(type: number, fields: unknown[], common: Common): TypedTransaction {
  const options = evmOptions(common);
  // The library checks the shape of what it is given; its types cannot say "not checked yet".
  const values = fields as never;
  switch (type) {
    case 0:
      return createLegacyTxFromBytesArray(values, options);
    case 1:
      return createAccessList2930TxFromBytesArray(values, options);
    case 2:
      return create1559FeeMarketTxFromBytesArray(values, options);
    case TYPE_BLOB:
      return createBlob4844TxFromBytesArray(values, options);
    default:
      return createEOACode7702TxFromBytesArray(values, options);
  }
}

/** Chain id of a legacy transaction's `v` (EIP-155). */
function legacyChainId(v: unknown): bigint | "unprotected" | undefined {
  const value = numberField(v);
  if (value === undefined) return undefined;
  if (value === 27n || value === 28n) return "unprotected";
  return value < 35n ? undefined : (value - 35n) / 2n;
}

function numberField(field: unknown): bigint | undefined {
  if (!(field instanceof Uint8Array) || field.length > 32) return undefined;
  return field.length === 0 ? 0n : BigInt(`0x${toHex(field)}`);
}

/**
 * Whether `bytes` are one RLP list, nested at most `depthMax` deep. The library's decoder recurses,
 * so that a small payload of nested lists could exhaust the stack; this check does not.
 */
export function isShallowRlpList(bytes: Uint8Array, depthMax: number): boolean {
  const ends: number[] = [];
  let at = 0;
  do {
    while (ends.length > 0 && ends[ends.length - 1] === at) ends.pop();
    if (ends.length === 0 && at > 0) return at === bytes.length;
    const end = ends[ends.length - 1] ?? bytes.length;
    const first = bytes[at];
    if (first === undefined) return false;
    if (first < 0x80) at += 1;
    else if (first < 0xc0) {
      const next = itemEnd(bytes, at, first - 0x80);
      if (next === undefined || next.end > end) return false;
      at = next.end;
    } else {
      const next = itemEnd(bytes, at, first - 0xc0);
      if (next === undefined || next.end > end || ends.length >= depthMax) return false;
      ends.push(next.end);
      at = next.start;
    }
    if (ends.length === 0) return false; // a string where a list has to be
  } while (at <= bytes.length);
  return false;
}

/** Where the content of the item at `at` starts and ends; `code` is its first byte less the base. */
function itemEnd(
  bytes: Uint8Array,
  at: number,
  code: number,
): { readonly start: number; readonly end: number } | undefined {
  if (code <= 55) return { start: at + 1, end: at + 1 + code };
  const lengthBytes = code - 55;
  let length = 0;
  for (let i = 1; i <= lengthBytes; i++) {
    length = length * 256 + (bytes[at + i] ?? 0);
    if (length > bytes.length) return undefined;
  }
  return { start: at + 1 + lengthBytes, end: at + 1 + lengthBytes + length };
}

function skip(reason: SkipReason): SkippedPayload {
  return { kind: "skip", reason };
}

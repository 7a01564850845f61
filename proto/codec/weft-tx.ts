/**
 * Transactions, `weft.tx.v1` (docs/formats.md, "Transactions"): canonical bytes in and out.
 *
 * Decoders accept exactly what the encoders write and check all that does not depend on state: sizes,
 * ranges, which fields must be there. Decoded byte fields are views into the input; copy what outlives
 * it. Refusals are `CodecError`s.
 */
import { Height } from "../brands.ts";
import { EMPTY_BYTES, utf8ToBytes } from "../bytes.ts";
import { assertNever } from "../errors.ts";
import { sha256, sha256Concat } from "../hash.ts";
import { ADDRESS_BYTES, HASH_BYTES } from "../limits.ts";
import { codecError } from "./errors.ts";
import { GOVERNANCE_ACTION_CODEC, type GovernanceAction } from "./governance-tx.ts";
import { ATOMIC_ACTION_CODEC, type AtomicAction } from "./atomic-tx.ts";
import { MEV_ACTION_CODEC, type MevAction } from "./mev-tx.ts";
import { decode, type Reader } from "./reader.ts";
import { scanRollupData } from "./rollup-data.ts";
import { ROLLUP_POLICY_CODEC, type RollupPolicy } from "./rollup-policy.ts";
import { SEAL_ACTION_CODEC, type SealAction } from "./seal-tx.ts";
import { STAKING_ACTION_CODEC, type StakingAction } from "./staking-tx.ts";
import {
  checkAmount,
  checkLength,
  outOfRange,
  PUBLIC_KEY_BYTES,
  SIGNATURE_BYTES,
  startSignBytes,
} from "./weft-basics.ts";
import { encode, varintSize, type Writer } from "./writer.ts";

export const SALT_BYTES_MAX = 16;
export const ROLLUP_NAME_LENGTH_MAX = 64;

const SIGN_TAG = utf8ToBytes("weft/tx/v1");
/** What a rollup may be called. */
export const ROLLUP_NAME = /^[a-z0-9-]{1,64}$/;

/** A transaction as it came: `bodyBytes` is what was signed, `body` what it says. */
export interface SignedTx {
  readonly bodyBytes: Uint8Array;
  /** ed25519, 64 bytes. */
  readonly signature: Uint8Array;
  readonly body: TxBody;
}

export interface TxBody {
  /** ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly replay: Replay;
  readonly fee: Fee;
  readonly action: Action;
}

export type Replay =
  | { readonly kind: "nonce"; readonly value: bigint }
  /** Salt: 0 to 16 bytes. */
  | { readonly kind: "unordered"; readonly expiryHeight: Height; readonly salt: Uint8Array };

/** nweft per byte of the encoded item. */
export interface Fee {
  readonly maxFeePerByte: bigint;
  readonly tipPerByte: bigint;
}

export type Action = RollupAction | StakeAction | SealAction | MevAction | AtomicAction;
export type RollupAction = Transfer | RollupData | RegisterRollup | UpdateRollup;
/** What concerns stake; written by tables of its own, and its byte fields are copies. */
export type StakeAction = StakingAction | GovernanceAction;

export interface Transfer {
  readonly kind: "transfer";
  /** 20 bytes. */
  readonly to: Uint8Array;
  /** nweft, 1 to 2^63 - 1. */
  readonly amount: bigint;
}

/**
 * Entries for a rollup, kept as the slice of the item that the manifest's payload hash covers: the
 * encoded `data` fields, tags and lengths included. `rollupDataEntries` takes it apart.
 */
export interface RollupData {
  readonly kind: "rollupData";
  /** 32 bytes. */
  readonly rollupId: Uint8Array;
  readonly payload: Uint8Array;
  readonly entryCount: number;
}

export interface RegisterRollup {
  readonly kind: "registerRollup";
  readonly name: string;
  readonly policy: RollupPolicy;
  /** ed25519, 32 bytes. */
  readonly ownerKey: Uint8Array;
}

export interface UpdateRollup {
  readonly kind: "updateRollup";
  readonly rollupId: Uint8Array;
  readonly policy: RollupPolicy;
  /** ed25519, 32 bytes; empty leaves the owner as it is. */
  readonly newOwnerKey: Uint8Array;
}

export function isStakeAction(action: Action): action is StakeAction {
  return STAKING_ACTION_CODEC.has(action) || GOVERNANCE_ACTION_CODEC.has(action);
}

export function isSealAction(action: Action): action is SealAction {
  return SEAL_ACTION_CODEC.has(action);
}

export function isMevAction(action: Action): action is MevAction {
  return MEV_ACTION_CODEC.has(action);
}

export function isAtomicAction(action: Action): action is AtomicAction {
  return ATOMIC_ACTION_CODEC.has(action);
}

/** What is signed: lp("weft/tx/v1") ‖ lp(chain id) ‖ body. */
export function txSignBytes(chainId: string, bodyBytes: Uint8Array): Uint8Array {
  const { out, at } = startSignBytes(SIGN_TAG, chainId, bodyBytes.length);
  out.set(bodyBytes, at);
  return out;
}

/** What stands before the body in `txSignBytes`. */
export function txSignPrefix(chainId: string): Uint8Array {
  return startSignBytes(SIGN_TAG, chainId, 0).out;
}

/** The transaction's id, which no signature changes: SHA-256 of the sign bytes. */
export function txId(chainId: string, bodyBytes: Uint8Array): Uint8Array {
  return sha256Concat(txSignPrefix(chainId), bodyBytes);
}

/** Address of an account: SHA-256(public key)[0..20]. */
export function accountAddress(publicKey: Uint8Array): Uint8Array {
  return sha256(publicKey).slice(0, ADDRESS_BYTES);
}

/** Id of a rollup: SHA-256(name), 32 bytes. */
export function rollupIdOfName(name: string): Uint8Array {
  return sha256(utf8ToBytes(name));
}

/** Bytes to sign over (with `txSignBytes`) and to put into `SignedTx.body`. Throws like the decoder. */
export function encodeTxBody(body: TxBody): Uint8Array {
  checkTxBody(body);
  return encode(writeTxBody, body, 160 + payloadLength(body.action));
}

/** Reads a canonical `TxBody`. */
export function decodeTxBody(bytes: Uint8Array): TxBody {
  const body = decode(readTxBody, bytes, "strict");
  checkTxBody(body);
  return body;
}

/** `SignedTx` inside an item; `weft-block.ts` writes the item around it. */
export function writeSignedTx(writer: Writer, tx: Pick<SignedTx, "bodyBytes" | "signature">): void {
  writer.bytes(1, tx.bodyBytes);
  writer.bytes(2, tx.signature);
}

/** Reads a canonical `SignedTx`, its body included. */
export function readSignedTx(reader: Reader): SignedTx {
  let bodyBytes: Uint8Array | undefined;
  let signature: Uint8Array | undefined;
  while (reader.next()) {
    if (reader.field === 1) bodyBytes = reader.bytes(Number.MAX_SAFE_INTEGER);
    else if (reader.field === 2) signature = reader.bytes(SIGNATURE_BYTES);
    else reader.unknown();
  }
  if (bodyBytes === undefined) throw reader.missing("body");
  if (signature === undefined) throw reader.missing("signature");
  checkLength("signature", signature, SIGNATURE_BYTES);
  return { bodyBytes, signature, body: decodeTxBody(bodyBytes) };
}

/** The action that posts `entries` (1 to 10000, none empty) to a rollup. */
export function rollupData(rollupId: Uint8Array, entries: readonly Uint8Array[]): RollupData {
  let length = 0;
  for (const entry of entries) length += 1 + varintSize(entry.length) + entry.length;
  const payload = encode(writeEntries, entries, length);
  const entryCount = countRollupDataEntries(payload);
  return { kind: "rollupData", rollupId, payload, entryCount };
}

/** The entries of a rollup data payload, as views into it. Throws unless it is canonical. */
export function rollupDataEntries(payload: Uint8Array): readonly Uint8Array[] {
  const entries: Uint8Array[] = [];
  scanRollupData(payload, entries);
  return entries;
}

/**
 * A canonical message of a rollup's id and entries for it, as views; `what` names it where it is refused. By
 * hand, because the slice of all entries is wanted, not each of up to 10000 of them.
 */
export function splitRollupData(what: string, bytes: Uint8Array): Omit<RollupData, "kind"> {
  const start = 2 + HASH_BYTES;
  if (bytes.length < start || bytes[0] !== 0x0a || bytes[1] !== HASH_BYTES) {
    throw codecError("CODEC_LENGTH", `${what}: expected a rollup_id of 32 bytes first`);
  }
  const payload = bytes.subarray(start);
  const entryCount = countRollupDataEntries(payload);
  return { rollupId: bytes.subarray(2, start), payload, entryCount };
}

/** How many entries a canonical rollup data payload holds. Throws unless it is one. */
export function countRollupDataEntries(payload: Uint8Array): number {
  return scanRollupData(payload);
}

/** Hash that stands for the payload in the manifest: SHA-256 of the slice as it stands. */
export function payloadHash(payload: Uint8Array): Uint8Array {
  return sha256(payload);
}

function writeTxBody(writer: Writer, body: TxBody): void {
  writer.bytes(1, body.publicKey);
  if (body.replay.kind === "nonce") writer.message(2, body.replay.value, writeNonce);
  else writer.message(3, body.replay, writeUnordered);
  writer.message(4, body.fee, writeFee);
  const { action } = body;
  if (STAKING_ACTION_CODEC.has(action)) return STAKING_ACTION_CODEC.write(writer, action);
  if (GOVERNANCE_ACTION_CODEC.has(action)) return GOVERNANCE_ACTION_CODEC.write(writer, action);
  if (SEAL_ACTION_CODEC.has(action)) return SEAL_ACTION_CODEC.write(writer, action);
  if (MEV_ACTION_CODEC.has(action)) return MEV_ACTION_CODEC.write(writer, action);
  if (ATOMIC_ACTION_CODEC.has(action)) return ATOMIC_ACTION_CODEC.write(writer, action);
  switch (action.kind) {
    case "transfer":
      return writer.message(10, action, writeTransfer);
    case "rollupData":
      return writer.message(11, action, writeRollupData);
    case "registerRollup":
      return writer.message(15, action, writeRegisterRollup);
    case "updateRollup":
      return writer.message(16, action, writeUpdateRollup);
    default:
      return assertNever(action, "action");
  }
}

function writeNonce(writer: Writer, value: bigint): void {
  writer.uint64(1, value);
}

function writeUnordered(writer: Writer, replay: Extract<Replay, { kind: "unordered" }>): void {
  writer.uint(1, replay.expiryHeight);
  writer.bytes(2, replay.salt);
}

function writeFee(writer: Writer, fee: Fee): void {
  writer.uint64(1, fee.maxFeePerByte);
  writer.uint64(2, fee.tipPerByte);
}

function writeTransfer(writer: Writer, transfer: Transfer): void {
  writer.bytes(1, transfer.to);
  writer.uint64(2, transfer.amount);
}

function writeRollupData(writer: Writer, data: RollupData): void {
  writer.bytes(1, data.rollupId);
  writer.raw(data.payload);
}

function writeEntries(writer: Writer, entries: readonly Uint8Array[]): void {
  for (const entry of entries) writer.bytesElement(2, entry);
}

function writeRegisterRollup(writer: Writer, action: RegisterRollup): void {
  writer.string(1, action.name);
  writer.message(2, action.policy, ROLLUP_POLICY_CODEC.write);
  writer.bytes(3, action.ownerKey);
}

function writeUpdateRollup(writer: Writer, action: UpdateRollup): void {
  writer.bytes(1, action.rollupId);
  writer.message(2, action.policy, ROLLUP_POLICY_CODEC.write);
  writer.bytes(3, action.newOwnerKey);
}

function readTxBody(reader: Reader): TxBody {
  let publicKey: Uint8Array | undefined;
  let replay: Replay | undefined;
  let fee: Fee | undefined;
  let action: Action | undefined;
  while (reader.next()) {
    const { field } = reader;
    if (field >= 10 && action !== undefined) throw secondMember(field, "action");
    switch (field) {
      case 1:
        publicKey = reader.bytes(PUBLIC_KEY_BYTES);
        break;
      case 2:
        replay = { kind: "nonce", value: reader.oneofMessage(readNonce) };
        break;
      case 3:
        if (replay !== undefined) throw secondMember(field, "replay");
        replay = reader.oneofMessage(readUnordered);
        break;
      case 4:
        fee = reader.message(readFee);
        break;
      case 10:
        action = reader.oneofMessage(readTransfer);
        break;
      case 11:
        action = {
          kind: "rollupData",
          ...splitRollupData("rollup_data", reader.bytesElement(Number.MAX_SAFE_INTEGER)),
        };
        break;
      case 15:
        action = reader.oneofMessage(readRegisterRollup);
        break;
      case 16:
        action = reader.oneofMessage(readUpdateRollup);
        break;
      default:
        action =
          STAKING_ACTION_CODEC.readMember(reader) ??
          GOVERNANCE_ACTION_CODEC.readMember(reader) ??
          SEAL_ACTION_CODEC.readMember(reader) ??
          MEV_ACTION_CODEC.readMember(reader) ??
          ATOMIC_ACTION_CODEC.readMember(reader);
        if (action === undefined) reader.unknown();
    }
  }
  if (publicKey === undefined) throw reader.missing("public_key");
  if (replay === undefined) throw reader.missing("replay");
  if (fee === undefined) throw reader.missing("fee");
  if (action === undefined) throw reader.missing("action");
  return { publicKey, replay, fee, action };
}

function readNonce(reader: Reader): bigint {
  let value = 0n;
  while (reader.next()) {
    if (reader.field === 1) value = reader.uint64();
    else reader.unknown();
  }
  return value;
}

function readUnordered(reader: Reader): Replay {
  let expiryHeight = 0;
  let salt = EMPTY_BYTES;
  while (reader.next()) {
    if (reader.field === 1) expiryHeight = reader.uint();
    else if (reader.field === 2) salt = reader.bytes(SALT_BYTES_MAX);
    else reader.unknown();
  }
  return { kind: "unordered", expiryHeight: Height(expiryHeight), salt };
}

function readFee(reader: Reader): Fee {
  let maxFeePerByte = 0n;
  let tipPerByte = 0n;
  while (reader.next()) {
    if (reader.field === 1) maxFeePerByte = reader.uint64();
    else if (reader.field === 2) tipPerByte = reader.uint64();
    else reader.unknown();
  }
  return { maxFeePerByte, tipPerByte };
}

function readTransfer(reader: Reader): Transfer {
  let to = EMPTY_BYTES;
  let amount = 0n;
  while (reader.next()) {
    if (reader.field === 1) to = reader.bytes(ADDRESS_BYTES);
    else if (reader.field === 2) amount = reader.uint64();
    else reader.unknown();
  }
  return { kind: "transfer", to, amount };
}

function readRegisterRollup(reader: Reader): RegisterRollup {
  let name = "";
  let policy: RollupPolicy | undefined;
  let ownerKey = EMPTY_BYTES;
  while (reader.next()) {
    if (reader.field === 1) name = reader.string(ROLLUP_NAME_LENGTH_MAX);
    else if (reader.field === 2) policy = reader.message(ROLLUP_POLICY_CODEC.read);
    else if (reader.field === 3) ownerKey = reader.bytes(PUBLIC_KEY_BYTES);
    else reader.unknown();
  }
  if (policy === undefined) throw reader.missing("policy");
  return { kind: "registerRollup", name, policy, ownerKey };
}

function readUpdateRollup(reader: Reader): UpdateRollup {
  let rollupId = EMPTY_BYTES;
  let policy: RollupPolicy | undefined;
  let newOwnerKey = EMPTY_BYTES;
  while (reader.next()) {
    if (reader.field === 1) rollupId = reader.bytes(HASH_BYTES);
    else if (reader.field === 2) policy = reader.message(ROLLUP_POLICY_CODEC.read);
    else if (reader.field === 3) newOwnerKey = reader.bytes(PUBLIC_KEY_BYTES);
    else reader.unknown();
  }
  if (policy === undefined) throw reader.missing("policy");
  return { kind: "updateRollup", rollupId, policy, newOwnerKey };
}

function checkTxBody(body: TxBody): void {
  checkLength("public_key", body.publicKey, PUBLIC_KEY_BYTES);
  if (body.replay.kind === "unordered" && body.replay.salt.length > SALT_BYTES_MAX) {
    throw codecError("CODEC_TOO_LARGE", `salt: at most ${SALT_BYTES_MAX} bytes`);
  }
  checkAmount("max_fee_per_byte", body.fee.maxFeePerByte);
  checkAmount("tip_per_byte", body.fee.tipPerByte);
  const { action } = body;
  // Checked by their tables, read or written.
  if (isStakeAction(action) || isSealAction(action) || isMevAction(action)) return;
  if (isAtomicAction(action)) return;
  switch (action.kind) {
    case "transfer":
      checkLength("to", action.to, ADDRESS_BYTES);
      checkAmount("amount", action.amount);
      if (action.amount === 0n) throw outOfRange("amount", "at least 1", action.amount);
      return;
    case "rollupData":
      // Its entries were counted by whoever made the payload: `rollupData` or the decoder.
      return checkLength("rollup_id", action.rollupId, HASH_BYTES);
    case "registerRollup":
      if (!ROLLUP_NAME.test(action.name)) {
        throw outOfRange("name", "1 to 64 characters of a-z, 0-9 and -", action.name);
      }
      return checkLength("owner_key", action.ownerKey, PUBLIC_KEY_BYTES);
    case "updateRollup":
      checkLength("rollup_id", action.rollupId, HASH_BYTES);
      if (action.newOwnerKey.length === 0) return;
      return checkLength("new_owner_key", action.newOwnerKey, PUBLIC_KEY_BYTES);
    default:
      return assertNever(action, "action");
  }
}

/** About how many bytes the encoder should make room for. */
function payloadLength(action: Action): number {
  if (action.kind === "rollupData") return action.payload.length;
  if (action.kind === "bundle") {
    return action.legs.reduce((sum, { payload }) => sum + payload.length + 64, 256);
  }
  return "kem" in action ? action.body.length + 768 : 256;
}

function secondMember(field: number, oneof: string): Error {
  return codecError("CODEC_FIELD_ORDER", `field ${field} is a second member of ${oneof}`);
}

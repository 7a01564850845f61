/** Codecs of block sync, state sync and the mempool reactor (spec/cometbft-v0.38.md §3.4). */
import { Height } from "../brands.ts";
import { EMPTY_BYTES } from "../bytes.ts";
import { assertNever } from "../errors.ts";
import { CHUNK_BYTES_MAX, SHORT_BYTES_MAX, SNAPSHOT_BYTES_MAX } from "../limits.ts";
import type { BlockSyncMessage, StateSyncMessage, TxsMessage } from "../messages.ts";
import type { Block, ExtendedCommit } from "../types.ts";
import { encodeBlock, readBlock, readTxs, writeTxs } from "./block.ts";
import { decode, type Reader } from "./reader.ts";
import { readHeight } from "./types.ts";
import { encodeExtendedCommit, readExtendedCommit } from "./votes.ts";
import { encode, type Writer } from "./writer.ts";

/** The message of channel 0x40. */
export function encodeBlockSyncMessage(message: BlockSyncMessage): Uint8Array {
  if (message.kind !== "blockResponse") return encode(writeBlockSyncMessage, message, 32);
  return encodeBlockResponse(
    encodeBlock(message.block),
    message.extendedCommit === undefined ? undefined : encodeExtendedCommit(message.extendedCommit),
  );
}

/** A BlockResponse from bytes that are encoded already, such as a stored block's parts joined. */
export function encodeBlockResponse(
  block: Uint8Array,
  extendedCommit: Uint8Array | undefined,
): Uint8Array {
  const size = block.length + (extendedCommit?.length ?? 0) + 32;
  return encode(
    (writer) =>
      writer.message(3, undefined, (w) => {
        w.bytesElement(1, block);
        if (extendedCommit !== undefined) w.bytesElement(2, extendedCommit);
      }),
    undefined,
    size,
  );
}

/** A block's transactions are views into `bytes`: hand over a buffer that nobody reuses. */
export function decodeBlockSyncMessage(bytes: Uint8Array): BlockSyncMessage {
  return decode(readBlockSyncMessage, bytes, "lenient");
}

function writeBlockSyncMessage(
  writer: Writer,
  message: Exclude<BlockSyncMessage, { kind: "blockResponse" }>,
): void {
  switch (message.kind) {
    case "blockRequest":
      writer.message(1, message.height, writeHeight);
      return;
    case "noBlockResponse":
      writer.message(2, message.height, writeHeight);
      return;
    case "statusRequest":
      writer.emptyMessage(4);
      return;
    case "statusResponse":
      writer.message(5, message, (w, m) => {
        w.int(1, m.height);
        w.int(2, m.base);
      });
      return;
    default:
      assertNever(message, "block sync message");
  }
}

function readBlockSyncMessage(reader: Reader): BlockSyncMessage {
  let message: BlockSyncMessage | undefined;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        message = { kind: "blockRequest", height: reader.oneofMessage(readSingleHeight) };
        break;
      case 2:
        message = { kind: "noBlockResponse", height: reader.oneofMessage(readSingleHeight) };
        break;
      case 3:
        message = reader.oneofMessage(readBlockResponse);
        break;
      case 4:
        reader.oneofMessage(readEmpty);
        message = { kind: "statusRequest" };
        break;
      case 5:
        message = reader.oneofMessage(readStatusResponse);
        break;
      default:
        reader.unknown();
    }
  }
  if (message === undefined) throw reader.missing("block sync message of a known kind");
  return message;
}

function readBlockResponse(reader: Reader): BlockSyncMessage {
  let block: Block | undefined;
  let extendedCommit: ExtendedCommit | undefined;
  while (reader.next()) {
    if (reader.field === 1) block = reader.message(readBlock);
    else if (reader.field === 2) extendedCommit = reader.message(readExtendedCommit);
    else reader.unknown();
  }
  if (block === undefined) throw reader.missing("block of a block response");
  return { kind: "blockResponse", block, extendedCommit };
}

function readStatusResponse(reader: Reader): BlockSyncMessage {
  let [height, base] = [Height(0), Height(0)];
  while (reader.next()) {
    if (reader.field === 1) height = readHeight(reader);
    else if (reader.field === 2) base = readHeight(reader);
    else reader.unknown();
  }
  return { kind: "statusResponse", height, base };
}

/** The message of channels 0x60 and 0x61. */
export function encodeStateSyncMessage(message: StateSyncMessage): Uint8Array {
  const payload = message.kind === "chunkResponse" ? message.chunk.length : 0;
  return encode(writeStateSyncMessage, message, 128 + payload);
}

export function decodeStateSyncMessage(bytes: Uint8Array): StateSyncMessage {
  return decode(readStateSyncMessage, bytes, "lenient");
}

function writeStateSyncMessage(writer: Writer, message: StateSyncMessage): void {
  switch (message.kind) {
    case "snapshotsRequest":
      writer.emptyMessage(1);
      return;
    case "snapshotsResponse":
      writer.message(2, message, (w, m) => {
        w.uint(1, m.height);
        w.uint32(2, m.format);
        w.uint32(3, m.chunks);
        w.bytes(4, m.hash);
        w.bytes(5, m.metadata);
      });
      return;
    case "chunkRequest":
      writer.message(3, message, (w, m) => {
        w.uint(1, m.height);
        w.uint32(2, m.format);
        w.uint32(3, m.index);
      });
      return;
    case "chunkResponse":
      writer.message(4, message, (w, m) => {
        w.uint(1, m.height);
        w.uint32(2, m.format);
        w.uint32(3, m.index);
        w.bytes(4, m.chunk);
        w.bool(5, m.missing);
      });
      return;
    default:
      assertNever(message, "state sync message");
  }
}

function readStateSyncMessage(reader: Reader): StateSyncMessage {
  let message: StateSyncMessage | undefined;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        reader.oneofMessage(readEmpty);
        message = { kind: "snapshotsRequest" };
        break;
      case 2:
        message = reader.oneofMessage(readSnapshotsResponse);
        break;
      case 3:
        message = reader.oneofMessage(readChunkRequest);
        break;
      case 4:
        message = reader.oneofMessage(readChunkResponse);
        break;
      default:
        reader.unknown();
    }
  }
  if (message === undefined) throw reader.missing("state sync message of a known kind");
  return message;
}

function readSnapshotsResponse(reader: Reader): StateSyncMessage {
  let height = Height(0);
  let [format, chunks] = [0, 0];
  let [hash, metadata] = [EMPTY_BYTES, EMPTY_BYTES];
  while (reader.next()) {
    if (reader.field === 1) height = Height(reader.uint());
    else if (reader.field === 2) format = reader.uint32();
    else if (reader.field === 3) chunks = reader.uint32();
    else if (reader.field === 4) hash = reader.bytesCopy(SHORT_BYTES_MAX);
    else if (reader.field === 5) metadata = reader.bytesCopy(SNAPSHOT_BYTES_MAX);
    else reader.unknown();
  }
  return { kind: "snapshotsResponse", height, format, chunks, hash, metadata };
}

function readChunkRequest(reader: Reader): StateSyncMessage {
  let height = Height(0);
  let [format, index] = [0, 0];
  while (reader.next()) {
    if (reader.field === 1) height = Height(reader.uint());
    else if (reader.field === 2) format = reader.uint32();
    else if (reader.field === 3) index = reader.uint32();
    else reader.unknown();
  }
  return { kind: "chunkRequest", height, format, index };
}

function readChunkResponse(reader: Reader): StateSyncMessage {
  let height = Height(0);
  let [format, index] = [0, 0];
  let chunk = EMPTY_BYTES;
  let missing = false;
  while (reader.next()) {
    if (reader.field === 1) height = Height(reader.uint());
    else if (reader.field === 2) format = reader.uint32();
    else if (reader.field === 3) index = reader.uint32();
    else if (reader.field === 4) chunk = reader.bytesCopy(CHUNK_BYTES_MAX);
    else if (reader.field === 5) missing = reader.bool();
    else reader.unknown();
  }
  return { kind: "chunkResponse", height, format, index, chunk, missing };
}

/** The message of channel 0x30. */
export function encodeTxsMessage(message: TxsMessage): Uint8Array {
  let size = 16;
  for (const tx of message.txs) size += tx.length + 6;
  return encode((writer, m) => writer.message(1, m.txs, writeTxs), message, size);
}

/** The transactions are views into `bytes`: copy what outlives it. */
export function decodeTxsMessage(bytes: Uint8Array): TxsMessage {
  return decode(readTxsMessage, bytes, "lenient");
}

function readTxsMessage(reader: Reader): TxsMessage {
  let txs: readonly Uint8Array[] | undefined;
  while (reader.next()) {
    if (reader.field === 1) txs = reader.oneofMessage(readTxs);
    else reader.unknown();
  }
  if (txs === undefined) throw reader.missing("mempool message of a known kind");
  return { kind: "txs", txs };
}

function writeHeight(writer: Writer, height: Height): void {
  writer.int(1, height);
}

function readSingleHeight(reader: Reader): Height {
  let height = Height(0);
  while (reader.next()) {
    if (reader.field === 1) height = readHeight(reader);
    else reader.unknown();
  }
  return height;
}

function readEmpty(reader: Reader): void {
  while (reader.next()) reader.unknown();
}

/**
 * The packet layer of MConnection (spec §16.4): uvarint-delimited `Packet` messages, written and
 * parsed by hand because every kilobyte of every block passes here.
 */
import { P2pError } from "../errors.ts";
import { PACKET_PAYLOAD_BYTES_MAX } from "../limits.ts";

export const PING_PACKET: Uint8Array = new Uint8Array([2, 0x0a, 0]);
export const PONG_PACKET: Uint8Array = new Uint8Array([2, 0x12, 0]);
/** Bytes before the data of a PacketMsg, at most. */
export const PACKET_HEADER_BYTES_MAX = 15;

/** Three tags, the channel and the end mark around the data; two lengths come on top. */
const PACKET_FIXED_BYTES = 6;
/** Bytes of a length prefix, at most. */
const PREFIX_BYTES_MAX = 3;
const TAG_PING = 0x0a;
const TAG_PONG = 0x12;
const TAG_MESSAGE = 0x1a;
const TAG_CHANNEL = 0x08;
const TAG_EOF = 0x10;
const TAG_DATA = 0x1a;

/**
 * Writes length prefix and header of a PacketMsg to the start of `target` (at least
 * PACKET_HEADER_BYTES_MAX long); the data follows it directly. Returns the header's length.
 */
export function writePacketHeader(
  target: Uint8Array,
  channelId: number,
  isLast: boolean,
  dataLength: number,
): number {
  const dataField = dataLength === 0 ? 0 : 1 + uvarintLength(dataLength) + dataLength;
  const body = 2 + (isLast ? 2 : 0) + dataField;
  let at = writeUvarint(target, 0, 1 + uvarintLength(body) + body);
  target[at++] = TAG_MESSAGE;
  at = writeUvarint(target, at, body);
  target[at++] = TAG_CHANNEL;
  target[at++] = channelId;
  if (isLast) {
    target[at++] = TAG_EOF;
    target[at++] = 1;
  }
  if (dataLength > 0) {
    target[at++] = TAG_DATA;
    at = writeUvarint(target, at, dataLength);
  }
  return at;
}

export interface PacketHandler {
  ping(): void;
  pong(): void;
  /** Data of a packet as a span of `bytes`, valid only during the call. */
  data(channelId: number, isLast: boolean, bytes: Uint8Array, start: number, end: number): void;
}

/** Finds packets in a stream of plaintext spans. Throws `P2P_PACKET_MALFORMED`. */
export interface PacketParser {
  push(bytes: Uint8Array, start: number, end: number): void;
}

/** Where a parser stands in its span; one per parser, so that parsing allocates nothing. */
interface Cursor {
  at: number;
}

/** `payloadBytesMax`: data that one packet may hold on this connection. */
export function createPacketParser(
  handler: PacketHandler,
  payloadBytesMax: number = PACKET_PAYLOAD_BYTES_MAX,
): PacketParser {
  /** Go's `maxPacketMsgSize` for that payload. */
  const packetBytesMax = payloadBytesMax + PACKET_FIXED_BYTES + 2 * uvarintLength(payloadBytesMax);
  const cursor: Cursor = { at: 0 };
  /** A packet (with its prefix) that began in an earlier span. */
  const carry = new Uint8Array(packetBytesMax + PREFIX_BYTES_MAX);
  let carried = 0;
  /** Where the last `prefix` call found the body, and its length. */
  let bodyStart = 0;
  let bodyLength = 0;

  /** Reads the length prefix at `at`; false when it is incomplete. */
  const prefix = (bytes: Uint8Array, at: number, end: number): boolean => {
    let length = 0;
    for (let i = 0; i < PREFIX_BYTES_MAX; i++) {
      if (at + i >= end) return false;
      const byte = bytes[at + i] ?? 0;
      length |= (byte & 0x7f) << (7 * i);
      if (byte < 0x80) {
        if (length > packetBytesMax) break;
        bodyStart = at + i + 1;
        bodyLength = length;
        return true;
      }
    }
    throw malformed(`at most ${packetBytesMax} bytes`);
  };
  const stash = (bytes: Uint8Array, start: number, end: number): void => {
    carry.set(bytes.subarray(start, end), carried);
    carried += end - start;
  };

  return {
    push(bytes, start, end) {
      let at = start;
      while (carried > 0) {
        if (!prefix(carry, 0, carried)) {
          if (at === end) return;
          carry[carried++] = bytes[at++] ?? 0;
          continue;
        }
        const missing = bodyStart + bodyLength - carried;
        if (missing > end - at) {
          stash(bytes, at, end);
          return;
        }
        stash(bytes, at, at + missing);
        at += missing;
        const packetEnd = carried;
        carried = 0;
        parsePacket(carry, bodyStart, packetEnd, handler, cursor);
      }
      while (at < end) {
        if (!prefix(bytes, at, end) || bodyStart + bodyLength > end) {
          stash(bytes, at, end);
          return;
        }
        at = bodyStart + bodyLength;
        parsePacket(bytes, bodyStart, at, handler, cursor);
      }
    },
  };
}

/** One `Packet` in `bytes[start, end)`; unknown fields are skipped, the last oneof member counts. */
function parsePacket(
  bytes: Uint8Array,
  start: number,
  end: number,
  handler: PacketHandler,
  cursor: Cursor,
): void {
  let member = 0;
  let memberStart = 0;
  let memberEnd = 0;
  cursor.at = start;
  while (cursor.at < end) {
    const tag = bytes[cursor.at++] ?? 0;
    if (tag === TAG_MESSAGE || tag === TAG_PING || tag === TAG_PONG) {
      const length = readUvarint(bytes, cursor, end);
      if (cursor.at + length > end) throw malformed("fields that do not end inside it");
      member = tag;
      memberStart = cursor.at;
      memberEnd = cursor.at + length;
      cursor.at = memberEnd;
    } else {
      skipField(bytes, tag, cursor, end);
    }
  }
  if (member === TAG_MESSAGE) parseMessage(bytes, memberStart, memberEnd, handler, cursor);
  else if (member === TAG_PING) handler.ping();
  else if (member === TAG_PONG) handler.pong();
  else throw malformed("a ping, a pong or a message");
}

function parseMessage(
  bytes: Uint8Array,
  start: number,
  end: number,
  handler: PacketHandler,
  cursor: Cursor,
): void {
  let channelId = 0;
  let isLast = false;
  let dataStart = 0;
  let dataEnd = 0;
  cursor.at = start;
  while (cursor.at < end) {
    const tag = bytes[cursor.at++] ?? 0;
    if (tag === TAG_CHANNEL) {
      channelId = readUvarint(bytes, cursor, end);
    } else if (tag === TAG_EOF) {
      isLast = readUvarint(bytes, cursor, end) !== 0;
    } else if (tag === TAG_DATA) {
      const length = readUvarint(bytes, cursor, end);
      dataStart = cursor.at;
      dataEnd = dataStart + length;
      if (dataEnd > end) throw malformed("data that does not end inside it");
      cursor.at = dataEnd;
    } else {
      skipField(bytes, tag, cursor, end);
    }
  }
  handler.data(channelId, isLast, bytes, dataStart, dataEnd);
}

/** A varint; values beyond 2^53 lose precision, which every caller refuses anyway. */
function readUvarint(bytes: Uint8Array, cursor: Cursor, end: number): number {
  let value = 0;
  let scale = 1;
  const stop = Math.min(end, cursor.at + 10);
  for (let at = cursor.at; at < stop; at++) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      cursor.at = at + 1;
      return value;
    }
    scale *= 128;
  }
  throw malformed("varints of at most 10 bytes");
}

function skipField(bytes: Uint8Array, tag: number, cursor: Cursor, end: number): void {
  if (tag >= 0x80) readUvarint(bytes, cursor, end);
  const wireType = tag & 7;
  if (wireType === 0) readUvarint(bytes, cursor, end);
  else if (wireType === 1) cursor.at += 8;
  else if (wireType === 2) {
    const length = readUvarint(bytes, cursor, end);
    cursor.at += length;
  } else if (wireType === 5) cursor.at += 4;
  else throw malformed("known wire types");
  if (cursor.at > end) throw malformed("fields that do not end inside it");
}

function uvarintLength(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : 3;
}

function writeUvarint(target: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 0x80) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}

function malformed(expected: string): P2pError {
  return new P2pError("P2P_PACKET_MALFORMED", `expected a packet with ${expected}`);
}

/** Codecs of the transport and of peer exchange (spec/cometbft-v0.38.md §3.4, §16). */
import { NodeId } from "../brands.ts";
import { EMPTY_BYTES } from "../bytes.ts";
import { assertNever } from "../errors.ts";
import {
  NODE_INFO_BYTES_MAX,
  PEX_ADDRESSES_MAX,
  SHORT_BYTES_MAX,
  SHORT_TEXT_BYTES_MAX,
} from "../limits.ts";
import type { AuthSigMessage, NetAddress, NodeInfo, Packet, PexMessage } from "../messages.ts";
import type { PublicKey } from "../types.ts";
import { codecError } from "./errors.ts";
import { decode, decodeDelimited, type Reader } from "./reader.ts";
import { readPublicKey, writePublicKey } from "./types.ts";
import { encode, encodeDelimited, type Writer } from "./writer.ts";

/** Bytes of an AuthSigMessage: far more than the 102 that an ed25519 one takes. */
const AUTH_SIG_BYTES_MAX = 1024;

/** A packet with its length in front, as it goes into the stream. */
export function encodePacket(packet: Packet): Uint8Array {
  const capacity = packet.kind === "message" ? packet.data.length + 24 : 4;
  return encodeDelimited(writePacket, packet, capacity);
}

export function writePacket(writer: Writer, packet: Packet): void {
  switch (packet.kind) {
    case "ping":
      writer.emptyMessage(1);
      return;
    case "pong":
      writer.emptyMessage(2);
      return;
    case "message":
      writer.message(3, packet, (w, p) => {
        w.int32(1, p.channelId);
        w.bool(2, p.isLast);
        w.bytes(3, p.data);
      });
      return;
    default:
      assertNever(packet, "packet");
  }
}

/**
 * Decodes one packet without its length. `dataBytesMax` is the payload that this node takes in one
 * packet (1024 in all networks that exist). The data is a view into `bytes`: copy it out.
 */
export function decodePacket(bytes: Uint8Array, dataBytesMax: number): Packet {
  const readMessage = (reader: Reader): Packet => {
    let channelId = 0;
    let isLast = false;
    let data = EMPTY_BYTES;
    while (reader.next()) {
      if (reader.field === 1) channelId = reader.int32();
      else if (reader.field === 2) isLast = reader.bool();
      else if (reader.field === 3) data = reader.bytes(dataBytesMax);
      else reader.unknown();
    }
    return { kind: "message", channelId, isLast, data };
  };
  const readPacket = (reader: Reader): Packet => {
    let packet: Packet | undefined;
    while (reader.next()) {
      switch (reader.field) {
        case 1:
          reader.oneofMessage(readEmpty);
          packet = { kind: "ping" };
          break;
        case 2:
          reader.oneofMessage(readEmpty);
          packet = { kind: "pong" };
          break;
        case 3:
          packet = reader.oneofMessage(readMessage);
          break;
        default:
          reader.unknown();
      }
    }
    if (packet === undefined) throw reader.missing("packet of a known kind");
    return packet;
  };
  return decode(readPacket, bytes, "lenient");
}

/** With its length in front, as SecretConnection sends it. */
export function encodeAuthSigMessage(message: AuthSigMessage): Uint8Array {
  return encodeDelimited(
    (writer, m) => {
      writer.message(1, m.publicKey, writePublicKey);
      writer.bytes(2, m.signature);
    },
    message,
    103,
  );
}

/** Reads the delimited form. */
export function decodeAuthSigMessage(bytes: Uint8Array): AuthSigMessage {
  return decodeDelimited(readAuthSigMessage, bytes, "lenient", AUTH_SIG_BYTES_MAX);
}

function readAuthSigMessage(reader: Reader): AuthSigMessage {
  let publicKey: PublicKey | undefined;
  let signature = EMPTY_BYTES;
  while (reader.next()) {
    if (reader.field === 1) publicKey = reader.message(readPublicKey);
    else if (reader.field === 2) signature = reader.bytesCopy(SHORT_BYTES_MAX);
    else reader.unknown();
  }
  if (publicKey === undefined) throw reader.missing("public key of a peer");
  return { publicKey, signature };
}

/** With its length in front, as it is exchanged. */
export function encodeNodeInfo(info: NodeInfo): Uint8Array {
  return encodeDelimited(writeNodeInfo, info, 512);
}

/** Reads the delimited form, at most 10 240 bytes. */
export function decodeNodeInfo(bytes: Uint8Array): NodeInfo {
  return decodeDelimited(readNodeInfo, bytes, "lenient", NODE_INFO_BYTES_MAX);
}

export function writeNodeInfo(writer: Writer, info: NodeInfo): void {
  writer.message(1, info.protocolVersion, (w, version) => {
    w.uint64(1, version.p2p);
    w.uint64(2, version.block);
    w.uint64(3, version.app);
  });
  writer.string(2, info.nodeId);
  writer.string(3, info.listenAddress);
  writer.string(4, info.network);
  writer.string(5, info.version);
  writer.bytes(6, info.channels);
  writer.string(7, info.moniker);
  writer.message(8, info.other, (w, other) => {
    w.string(1, other.txIndex);
    w.string(2, other.rpcAddress);
  });
}

export function readNodeInfo(reader: Reader): NodeInfo {
  let protocolVersion = { p2p: 0n, block: 0n, app: 0n };
  let [nodeId, listenAddress, network, version, moniker] = ["", "", "", "", ""];
  let channels = EMPTY_BYTES;
  let other = { txIndex: "", rpcAddress: "" };
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        protocolVersion = reader.message(readProtocolVersion);
        break;
      case 2:
        nodeId = reader.string(SHORT_TEXT_BYTES_MAX);
        break;
      case 3:
        listenAddress = reader.string(SHORT_TEXT_BYTES_MAX);
        break;
      case 4:
        network = reader.string(SHORT_TEXT_BYTES_MAX);
        break;
      case 5:
        version = reader.string(SHORT_TEXT_BYTES_MAX);
        break;
      case 6:
        channels = reader.bytesCopy(SHORT_BYTES_MAX);
        break;
      case 7:
        moniker = reader.string(SHORT_TEXT_BYTES_MAX);
        break;
      case 8:
        other = reader.message(readNodeInfoOther);
        break;
      default:
        reader.unknown();
    }
  }
  return {
    protocolVersion,
    nodeId: nodeIdOf(nodeId),
    listenAddress,
    network,
    version,
    channels,
    moniker,
    other,
  };
}

function readProtocolVersion(reader: Reader): { p2p: bigint; block: bigint; app: bigint } {
  const version = { p2p: 0n, block: 0n, app: 0n };
  while (reader.next()) {
    if (reader.field === 1) version.p2p = reader.uint64();
    else if (reader.field === 2) version.block = reader.uint64();
    else if (reader.field === 3) version.app = reader.uint64();
    else reader.unknown();
  }
  return version;
}

function readNodeInfoOther(reader: Reader): { txIndex: string; rpcAddress: string } {
  const other = { txIndex: "", rpcAddress: "" };
  while (reader.next()) {
    if (reader.field === 1) other.txIndex = reader.string(SHORT_TEXT_BYTES_MAX);
    else if (reader.field === 2) other.rpcAddress = reader.string(SHORT_TEXT_BYTES_MAX);
    else reader.unknown();
  }
  return other;
}

/** The message of channel 0x00. */
export function encodePexMessage(message: PexMessage): Uint8Array {
  return encode(
    (writer, m) => {
      if (m.kind === "pexRequest") writer.emptyMessage(1);
      else {
        writer.message(2, m.addresses, (w, addresses) => {
          for (const address of addresses) w.message(1, address, writeNetAddress);
        });
      }
    },
    message,
    64,
  );
}

export function decodePexMessage(bytes: Uint8Array): PexMessage {
  return decode(readPexMessage, bytes, "lenient");
}

function writeNetAddress(writer: Writer, address: NetAddress): void {
  writer.string(1, address.id);
  writer.string(2, address.ip);
  writer.uint32(3, address.port);
}

function readPexMessage(reader: Reader): PexMessage {
  let message: PexMessage | undefined;
  while (reader.next()) {
    if (reader.field === 1) {
      reader.oneofMessage(readEmpty);
      message = { kind: "pexRequest" };
    } else if (reader.field === 2) {
      message = { kind: "pexAddresses", addresses: reader.oneofMessage(readAddresses) };
    } else {
      reader.unknown();
    }
  }
  if (message === undefined) throw reader.missing("peer exchange message of a known kind");
  return message;
}

function readAddresses(reader: Reader): readonly NetAddress[] {
  const addresses: NetAddress[] = [];
  while (reader.next()) {
    if (reader.field !== 1) {
      reader.unknown();
      continue;
    }
    if (addresses.length >= PEX_ADDRESSES_MAX) {
      throw codecError("CODEC_TOO_MANY", `more than ${PEX_ADDRESSES_MAX} addresses`);
    }
    addresses.push(reader.repeatedMessage(readNetAddress));
  }
  return addresses;
}

function readNetAddress(reader: Reader): NetAddress {
  let [id, ip, port] = ["", "", 0];
  while (reader.next()) {
    if (reader.field === 1) id = reader.string(SHORT_TEXT_BYTES_MAX);
    else if (reader.field === 2) ip = reader.string(SHORT_TEXT_BYTES_MAX);
    else if (reader.field === 3) port = reader.uint32();
    else reader.unknown();
  }
  return { id: nodeIdOf(id), ip, port };
}

/** Go accepts either case of hex and keeps it; ids here are lower case. */
function nodeIdOf(text: string): NodeId {
  if (!/^[0-9a-f]{40}$/i.test(text)) {
    throw codecError("CODEC_OUT_OF_RANGE", "a node id is 40 hex characters");
  }
  return NodeId(text.toLowerCase());
}

function readEmpty(reader: Reader): void {
  while (reader.next()) reader.unknown();
}

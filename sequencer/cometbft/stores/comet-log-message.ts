/** Records of CometBFT's write-ahead log (`consensus/wal.proto`; spec/cometbft-v0.38.md §15.1, §3.4). */
import { Height, Round } from "../../../proto/brands.ts";
import {
  readConsensusMessage,
  writeConsensusMessage,
} from "../../../proto/codec/consensus-messages.ts";
import { decode, type Reader } from "../../../proto/codec/reader.ts";
import {
  readDuration,
  readHeight,
  readRound,
  readTimestamp,
  writeDuration,
  writeTimestamp,
} from "../../../proto/codec/types.ts";
import { encode, type Writer } from "../../../proto/codec/writer.ts";
import { assertNever } from "../../../proto/errors.ts";
import type { ConsensusMessage } from "../../../proto/messages.ts";
import type { Timestamp } from "../../../proto/types.ts";
import { TEXT_BYTES_MAX } from "./limits.ts";

export type CometLogMessage =
  /** A step was entered; CometBFT reads nothing from it at a start. */
  | {
      readonly kind: "roundState";
      readonly height: Height;
      readonly round: Round;
      readonly step: string;
    }
  /** A proposal, part or vote of a peer, or of this node when `peerId` is empty. */
  | { readonly kind: "message"; readonly message: ConsensusMessage; readonly peerId: string }
  | {
      readonly kind: "timeout";
      readonly height: Height;
      readonly round: Round;
      readonly step: number;
      readonly durationNanos: bigint;
    }
  | { readonly kind: "endHeight"; readonly height: Height };

const RECORD_BYTES_FIRST = 512;

export function encodeCometLogMessage(message: CometLogMessage, time: Timestamp): Uint8Array {
  return encode(
    (writer, value) => {
      writer.message(1, time, writeTimestamp);
      writer.message(2, value, writeMember);
    },
    message,
    RECORD_BYTES_FIRST,
  );
}

/** @throws CodecError; block parts are views into `bytes`. */
export function decodeCometLogMessage(bytes: Uint8Array): CometLogMessage {
  return decode(
    (reader) => {
      let message: CometLogMessage | undefined;
      while (reader.next()) {
        if (reader.field === 1) reader.message(readTimestamp);
        else if (reader.field === 2) message = reader.message(readMember);
        else reader.unknown();
      }
      if (message === undefined) throw reader.missing("message of a log record");
      return message;
    },
    bytes,
    "lenient",
  );
}

function writeMember(writer: Writer, message: CometLogMessage): void {
  switch (message.kind) {
    case "roundState":
      writer.message(1, message, (w, { height, round, step }) => {
        w.int(1, height);
        w.int32(2, round);
        w.string(3, step);
      });
      return;
    case "message":
      writer.message(2, message, (w, { message: inner, peerId }) => {
        w.message(1, inner, writeConsensusMessage);
        w.string(2, peerId);
      });
      return;
    case "timeout":
      writer.message(3, message, (w, { durationNanos, height, round, step }) => {
        w.message(1, durationNanos, writeDuration);
        w.int(2, height);
        w.int32(3, round);
        w.uint32(4, step);
      });
      return;
    case "endHeight":
      writer.message(4, message, (w, { height }) => w.int(1, height));
      return;
    default:
      assertNever(message, "record of CometBFT's log");
  }
}

function readMember(reader: Reader): CometLogMessage {
  let message: CometLogMessage | undefined;
  while (reader.next()) {
    if (reader.field === 1) message = reader.oneofMessage(readRoundState);
    else if (reader.field === 2) message = reader.oneofMessage(readMessage);
    else if (reader.field === 3) message = reader.oneofMessage(readTimeout);
    else if (reader.field === 4) message = reader.oneofMessage(readEndHeight);
    else reader.unknown();
  }
  if (message === undefined) throw reader.missing("log record of a known kind");
  return message;
}

function readRoundState(reader: Reader): CometLogMessage {
  let height = Height(0);
  let round = Round(0);
  let step = "";
  while (reader.next()) {
    if (reader.field === 1) height = readHeight(reader);
    else if (reader.field === 2) round = readRound(reader);
    else if (reader.field === 3) step = reader.string(TEXT_BYTES_MAX);
    else reader.unknown();
  }
  return { kind: "roundState", height, round, step };
}

function readMessage(reader: Reader): CometLogMessage {
  let message: ConsensusMessage | undefined;
  let peerId = "";
  while (reader.next()) {
    if (reader.field === 1) message = reader.message(readConsensusMessage);
    else if (reader.field === 2) peerId = reader.string(TEXT_BYTES_MAX);
    else reader.unknown();
  }
  if (message === undefined) throw reader.missing("consensus message of a log record");
  return { kind: "message", message, peerId };
}

function readTimeout(reader: Reader): CometLogMessage {
  let height = Height(0);
  let round = Round(0);
  let step = 0;
  let durationNanos = 0n;
  while (reader.next()) {
    if (reader.field === 1) durationNanos = reader.message(readDuration);
    else if (reader.field === 2) height = readHeight(reader);
    else if (reader.field === 3) round = readRound(reader);
    else if (reader.field === 4) step = reader.uint32();
    else reader.unknown();
  }
  return { kind: "timeout", durationNanos, height, round, step };
}

function readEndHeight(reader: Reader): CometLogMessage {
  let height = Height(0);
  while (reader.next()) {
    if (reader.field === 1) height = readHeight(reader);
    else reader.unknown();
  }
  return { kind: "endHeight", height };
}

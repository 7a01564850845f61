/**
 * Codec of the remote signer's protocol (spec/cometbft-v0.38.md §3.4, §15.3). On the wire every
 * message has its length in front.
 */
import { EMPTY_BYTES } from "../bytes.ts";
import { assertNever } from "../errors.ts";
import {
  SIGNER_FAULT_BYTES_MAX,
  SHORT_TEXT_BYTES_MAX,
  VOTE_EXTENSION_BYTES_MAX,
} from "../limits.ts";
import type { PrivvalMessage, RemoteSignerFault } from "../messages.ts";
import { NIL_BLOCK_ID, ZERO_TIME } from "../types.ts";
import { decode, type MessageDecoder, type Reader } from "./reader.ts";
import { readPublicKey, writeBlockId, writePublicKey, writeTimestamp } from "./types.ts";
import { readProposal, readVote, writeProposal, writeVote } from "./votes.ts";
import { encode, encodeDelimited, type MessageEncoder, type Writer } from "./writer.ts";

/** Bytes that an embedded vote, proposal or key may take: an extension and all the rest. */
const BODY_BYTES_MAX = VOTE_EXTENSION_BYTES_MAX + 65_536;

export function encodePrivvalMessage(message: PrivvalMessage): Uint8Array {
  return encode(writePrivvalMessage, message, capacityOf(message));
}

/** With its length in front, as it goes into the stream. */
export function encodePrivvalFrame(message: PrivvalMessage): Uint8Array {
  return encodeDelimited(writePrivvalMessage, message, capacityOf(message) + 4);
}

/** Reads a message without its length. Throws a codec error. */
export function decodePrivvalMessage(bytes: Uint8Array): PrivvalMessage {
  return decode(readPrivvalMessage, bytes, "lenient");
}

function capacityOf(message: PrivvalMessage): number {
  return "vote" in message ? 320 + message.vote.extension.length : 320;
}

export function writePrivvalMessage(writer: Writer, message: PrivvalMessage): void {
  switch (message.kind) {
    case "publicKeyRequest":
      writer.message(1, message, (w, m) => w.string(1, m.chainId));
      return;
    case "publicKeyResponse":
      writer.message(2, message, (w, m) => w.message(1, m.publicKey, writePublicKey));
      return;
    case "publicKeyRefused":
      writeRefusal(writer, 2, message.error, () => {});
      return;
    case "signVoteRequest":
      writeRequest(writer, 3, message.vote, writeVote, message.chainId);
      return;
    case "signedVoteResponse":
      writer.message(4, message, (w, m) => w.message(1, m.vote, writeVote));
      return;
    case "voteRefused":
      writeRefusal(writer, 4, message.error, (w) => {
        w.message(4, NIL_BLOCK_ID, writeBlockId);
        w.message(5, ZERO_TIME, writeTimestamp);
      });
      return;
    case "signProposalRequest":
      writeRequest(writer, 5, message.proposal, writeProposal, message.chainId);
      return;
    case "signedProposalResponse":
      writer.message(6, message, (w, m) => w.message(1, m.proposal, writeProposal));
      return;
    case "proposalRefused":
      writeRefusal(writer, 6, message.error, (w) => {
        w.message(5, NIL_BLOCK_ID, writeBlockId);
        w.message(6, ZERO_TIME, writeTimestamp);
      });
      return;
    case "pingRequest":
      writer.emptyMessage(7);
      return;
    case "pingResponse":
      writer.emptyMessage(8);
      return;
    default:
      assertNever(message, "privval message");
  }
}

function writeRequest<T>(
  writer: Writer,
  field: number,
  body: T,
  writeBody: MessageEncoder<T>,
  chainId: string,
): void {
  writer.message(field, body, (w, b) => {
    w.message(1, b, writeBody);
    w.string(2, chainId);
  });
}

/** Go's answer holds an empty body beside the error. */
function writeRefusal(
  writer: Writer,
  field: number,
  error: RemoteSignerFault,
  writeEmptyBody: (writer: Writer) => void,
): void {
  writer.message(field, error, (w, e) => {
    w.message(1, undefined, writeEmptyBody);
    w.message(2, e, (inner, { code, description }) => {
      inner.int32(1, code);
      inner.string(2, description);
    });
  });
}

export function readPrivvalMessage(reader: Reader): PrivvalMessage {
  let message: PrivvalMessage | undefined;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        message = reader.oneofMessage(readPublicKeyRequest);
        break;
      case 2:
        message = answer(reader.oneofMessage(readAnswer), readPublicKey, {
          signed: (publicKey) => ({ kind: "publicKeyResponse", publicKey }),
          refused: (error) => ({ kind: "publicKeyRefused", error }),
        });
        break;
      case 3: {
        const { body, chainId } = reader.oneofMessage(readRequest);
        message = { kind: "signVoteRequest", vote: decode(readVote, body, "lenient"), chainId };
        break;
      }
      case 4:
        message = answer(reader.oneofMessage(readAnswer), readVote, {
          signed: (vote) => ({ kind: "signedVoteResponse", vote }),
          refused: (error) => ({ kind: "voteRefused", error }),
        });
        break;
      case 5: {
        const { body, chainId } = reader.oneofMessage(readRequest);
        const proposal = decode(readProposal, body, "lenient");
        message = { kind: "signProposalRequest", proposal, chainId };
        break;
      }
      case 6:
        message = answer(reader.oneofMessage(readAnswer), readProposal, {
          signed: (proposal) => ({ kind: "signedProposalResponse", proposal }),
          refused: (error) => ({ kind: "proposalRefused", error }),
        });
        break;
      case 7:
        reader.oneofMessage(readEmpty);
        message = { kind: "pingRequest" };
        break;
      case 8:
        reader.oneofMessage(readEmpty);
        message = { kind: "pingResponse" };
        break;
      default:
        reader.unknown();
    }
  }
  if (message === undefined) throw reader.missing("privval message of a known kind");
  return message;
}

function readPublicKeyRequest(reader: Reader): PrivvalMessage {
  let chainId = "";
  while (reader.next()) {
    if (reader.field === 1) chainId = reader.string(SHORT_TEXT_BYTES_MAX);
    else reader.unknown();
  }
  return { kind: "publicKeyRequest", chainId };
}

function readRequest(reader: Reader): { readonly body: Uint8Array; readonly chainId: string } {
  let body: Uint8Array | undefined;
  let chainId = "";
  while (reader.next()) {
    if (reader.field === 1) body = reader.bytesElement(BODY_BYTES_MAX);
    else if (reader.field === 2) chainId = reader.string(SHORT_TEXT_BYTES_MAX);
    else reader.unknown();
  }
  if (body === undefined) throw reader.missing("what is to be signed");
  return { body, chainId };
}

interface Answer {
  readonly body: Uint8Array;
  readonly error: RemoteSignerFault | undefined;
}

function readAnswer(reader: Reader): Answer {
  let body = EMPTY_BYTES;
  let error: RemoteSignerFault | undefined;
  while (reader.next()) {
    if (reader.field === 1) body = reader.bytesElement(BODY_BYTES_MAX);
    else if (reader.field === 2) error = reader.message(readFault);
    else reader.unknown();
  }
  return { body, error };
}

/** Beside an error the body is empty and is not looked at. */
function answer<T>(
  { body, error }: Answer,
  readBody: MessageDecoder<T>,
  make: {
    readonly signed: (body: T) => PrivvalMessage;
    readonly refused: (error: RemoteSignerFault) => PrivvalMessage;
  },
): PrivvalMessage {
  return error === undefined ? make.signed(decode(readBody, body, "lenient")) : make.refused(error);
}

function readFault(reader: Reader): RemoteSignerFault {
  let [code, description] = [0, ""];
  while (reader.next()) {
    if (reader.field === 1) code = reader.int32();
    else if (reader.field === 2) description = reader.string(SIGNER_FAULT_BYTES_MAX);
    else reader.unknown();
  }
  return { code, description };
}

function readEmpty(reader: Reader): void {
  while (reader.next()) reader.unknown();
}

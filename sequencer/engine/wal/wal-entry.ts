/**
 * Log records as values. A record is what the core was told, so that replay tells it again
 * (spec/cometbft-v0.38.md §15.1, §15.2). Block bytes stand once: our own block is logged as its parts.
 */
import { Height, NodeId, Round } from "../../../proto/brands.ts";
import {
  readBlockId,
  readCount,
  readHeight,
  readPart,
  readRound,
  voteType,
  writeBlockId,
  writePart,
} from "../../../proto/codec/types.ts";
import { readProposal, readVote, writeProposal, writeVote } from "../../../proto/codec/votes.ts";
import { codecError } from "../../../proto/codec/errors.ts";
import { decode, type Reader } from "../../../proto/codec/reader.ts";
import { encode, type Writer } from "../../../proto/codec/writer.ts";
import { EMPTY_BYTES } from "../../../proto/bytes.ts";
import { assertNever } from "../../../proto/errors.ts";
import {
  NIL_BLOCK_ID,
  type BlockId,
  type Part,
  type Proposal,
  type Vote,
} from "../../../proto/types.ts";
import type { ConsensusInput } from "../../consensus/inputs.ts";
import { Step } from "../../consensus/step.ts";
import { WalError } from "./errors.ts";

type InputOf<K extends ConsensusInput["kind"]> = Extract<ConsensusInput, { readonly kind: K }>;

export type WalEntry =
  /** The block of this height is stored; what follows belongs to the next height. */
  | { readonly kind: "endHeight"; readonly height: Height }
  /** How a height was begun, so that replay begins it in the same way. */
  | { readonly kind: "heightStarted"; readonly height: Height; readonly startDelayMs: number }
  /** One part of a block we made, before the `blockCreated` that ends it. */
  | { readonly kind: "createdPart"; readonly part: Part }
  | Omit<InputOf<"blockCreated">, "block" | "parts">
  | Exclude<ConsensusInput, InputOf<"heightStarted"> | InputOf<"blockCreated">>;

const FIELD = {
  endHeight: 1,
  proposalReceived: 2,
  partReceived: 3,
  voteReceived: 4,
  majorityClaimed: 5,
  timeoutElapsed: 6,
  txsAvailable: 7,
  createdPart: 8,
  blockCreated: 9,
  blockValidated: 10,
  proposalSigned: 11,
  voteSigned: 12,
  heightStarted: 13,
} as const satisfies Record<WalEntry["kind"], number>;

/** The records of one input, in order. The context of a height is made anew from the state. */
export function inputToWalEntries(input: ConsensusInput): readonly WalEntry[] {
  if (input.kind === "heightStarted") {
    const { height, startDelayMs } = input.context;
    return [{ kind: input.kind, height, startDelayMs: Math.max(0, Math.ceil(startDelayMs)) }];
  }
  if (input.kind !== "blockCreated") return [input];
  const parts = input.parts.map((part) => ({ kind: "createdPart" as const, part }));
  const { kind, height, round, blockId } = input;
  return [...parts, { kind, height, round, blockId }];
}

export function encodeWalEntry(entry: WalEntry): Uint8Array {
  return encode(writeWalEntry, entry, 256);
}

/** @throws WalError WAL_RECORD_UNKNOWN; CodecError when the body does not decode. */
export function decodeWalEntry(bytes: Uint8Array): WalEntry {
  const entry = decode(readEntry, bytes, "lenient");
  if (entry === undefined) {
    throw new WalError(
      { code: "WAL_RECORD_UNKNOWN", detail: "no known field" },
      "a record of the write-ahead log is of an unknown kind: another version wrote it; start that version, or stop cleanly before changing versions",
    );
  }
  return entry;
}

/** The height of an EndHeight record, without reading any other record. */
export function endHeightOf(bytes: Uint8Array): Height | undefined {
  if (bytes[0] !== ((FIELD.endHeight << 3) | 2)) return undefined;
  const entry = decodeWalEntry(bytes);
  return entry.kind === "endHeight" ? entry.height : undefined;
}

function toOrigin(text: string): NodeId {
  try {
    return NodeId(text);
  } catch (cause) {
    throw codecError(
      "CODEC_OUT_OF_RANGE",
      `expected the id of a node, got ${text.length} characters`,
      cause,
    );
  }
}

/** Appends the record of an entry to what `writer` holds. */
export function writeWalEntry(writer: Writer, entry: WalEntry): void {
  writer.message(FIELD[entry.kind], entry, writeBody);
}

/** Fields of all bodies: 1 height, 2 round, 3 the message, 4 origin, 5 and up what else there is. */
function writeBody(writer: Writer, entry: WalEntry): void {
  switch (entry.kind) {
    case "endHeight":
    case "txsAvailable":
      writer.int(1, entry.height);
      return;
    case "heightStarted":
      writer.int(1, entry.height);
      writer.int(5, entry.startDelayMs);
      return;
    case "proposalReceived":
      writer.message(3, entry.proposal, writeProposal);
      writer.string(4, entry.origin ?? "");
      writer.bytes(5, entry.signer);
      return;
    case "partReceived":
      writer.int(1, entry.height);
      writer.int(2, entry.round);
      writer.message(3, entry.part, writePart);
      writer.string(4, entry.origin ?? "");
      return;
    case "voteReceived":
      writer.message(3, entry.vote, writeVote);
      writer.string(4, entry.origin ?? "");
      return;
    case "majorityClaimed":
      writer.int(1, entry.height);
      writer.int(2, entry.round);
      writer.message(3, entry.blockId, writeBlockId);
      writer.string(4, entry.origin);
      writer.int(5, entry.type);
      return;
    case "timeoutElapsed":
      writer.int(1, entry.height);
      writer.int(2, entry.round);
      writer.int(5, entry.step);
      return;
    case "createdPart":
      writer.message(3, entry.part, writePart);
      return;
    case "blockCreated":
      writer.int(1, entry.height);
      writer.int(2, entry.round);
      writer.message(3, entry.blockId, writeBlockId);
      return;
    case "blockValidated":
      writer.int(1, entry.height);
      writer.message(3, entry.blockId, writeBlockId);
      writer.bool(5, entry.isValid);
      writer.string(6, entry.reason);
      writer.bool(7, entry.isAccepted);
      return;
    case "proposalSigned":
      writer.int(1, entry.height);
      writer.int(2, entry.round);
      if (entry.proposal !== undefined) writer.message(3, entry.proposal, writeProposal);
      return;
    case "voteSigned":
      writer.int(1, entry.height);
      writer.int(2, entry.round);
      if (entry.vote !== undefined) writer.message(3, entry.vote, writeVote);
      writer.int(5, entry.type);
      return;
    default:
      assertNever(entry, "log entry");
  }
}

function readEntry(reader: Reader): WalEntry | undefined {
  let entry: WalEntry | undefined;
  while (reader.next()) {
    const kind = KIND_BY_FIELD.get(reader.field);
    if (kind === undefined) reader.unknown();
    else entry = reader.message((body) => readBody(body, kind));
  }
  return entry;
}

const KIND_BY_FIELD: ReadonlyMap<number, WalEntry["kind"]> = new Map([
  [FIELD.endHeight, "endHeight"],
  [FIELD.proposalReceived, "proposalReceived"],
  [FIELD.partReceived, "partReceived"],
  [FIELD.voteReceived, "voteReceived"],
  [FIELD.majorityClaimed, "majorityClaimed"],
  [FIELD.timeoutElapsed, "timeoutElapsed"],
  [FIELD.txsAvailable, "txsAvailable"],
  [FIELD.createdPart, "createdPart"],
  [FIELD.blockCreated, "blockCreated"],
  [FIELD.blockValidated, "blockValidated"],
  [FIELD.proposalSigned, "proposalSigned"],
  [FIELD.voteSigned, "voteSigned"],
  [FIELD.heightStarted, "heightStarted"],
] as const);

const STEPS: readonly Step[] = Object.values(Step);
const TEXT_BYTES_MAX = 64 << 10;

function readBody(reader: Reader, kind: WalEntry["kind"]): WalEntry {
  let height = Height(0);
  let round = Round(0);
  let origin = "";
  let number = 0;
  let signer = EMPTY_BYTES;
  let reason = "";
  let isAccepted = false;
  let blockId: BlockId = NIL_BLOCK_ID;
  let part: Part | undefined;
  let proposal: Proposal | undefined;
  let vote: Vote | undefined;
  const isProposal = kind === "proposalReceived" || kind === "proposalSigned";
  const isPart = kind === "partReceived" || kind === "createdPart";
  const isVote = kind === "voteReceived" || kind === "voteSigned";
  while (reader.next()) {
    if (reader.field === 1) height = readHeight(reader);
    else if (reader.field === 2) round = readRound(reader);
    else if (reader.field === 3 && isProposal) proposal = reader.message(readProposal);
    else if (reader.field === 3 && isPart) part = reader.message(readPart);
    else if (reader.field === 3 && isVote) vote = reader.message(readVote);
    else if (reader.field === 3) blockId = reader.message(readBlockId);
    else if (reader.field === 4) origin = reader.string(TEXT_BYTES_MAX);
    else if (reader.field === 5 && isProposal) signer = reader.bytesCopy(TEXT_BYTES_MAX);
    else if (reader.field === 5) number = readCount(reader);
    else if (reader.field === 6) reason = reader.string(TEXT_BYTES_MAX);
    else if (reader.field === 7) isAccepted = reader.bool();
    else reader.unknown();
  }
  const from = origin === "" ? undefined : toOrigin(origin);
  switch (kind) {
    case "endHeight":
    case "txsAvailable":
      return { kind, height };
    case "heightStarted":
      return { kind, height, startDelayMs: number };
    case "proposalReceived":
      return { kind, proposal: need(proposal, kind), origin: from, signer };
    case "partReceived":
      return { kind, height, round, part: need(part, kind), origin: from };
    case "voteReceived":
      return { kind, vote: need(vote, kind), origin: from };
    case "majorityClaimed":
      return { kind, height, round, type: voteType(number), blockId, origin: NodeId(origin) };
    case "timeoutElapsed":
      return {
        kind,
        height,
        round,
        step: need(
          STEPS.find((s) => s === number),
          kind,
        ),
      };
    case "createdPart":
      return { kind, part: need(part, kind) };
    case "blockCreated":
      return { kind, height, round, blockId };
    case "blockValidated":
      return { kind, height, blockId, isValid: number === 1, isAccepted, reason };
    case "proposalSigned":
      return { kind, height, round, proposal };
    case "voteSigned":
      return { kind, height, round, type: voteType(number), vote };
    default:
      return assertNever(kind, "log entry kind");
  }
}

function need<T>(value: T | undefined, kind: string): T {
  if (value === undefined) {
    throw new WalError(
      { code: "WAL_RECORD_UNKNOWN", detail: kind },
      `a ${kind} record of the write-ahead log lacks its message: expected what this version writes`,
    );
  }
  return value;
}

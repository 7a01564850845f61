/** Codec of the consensus reactor's messages (spec/cometbft-v0.38.md §3.3). */
import { Height, Round } from "../brands.ts";
import { assertNever } from "../errors.ts";
import type { ConsensusMessage, RoundStep } from "../messages.ts";
import {
  NIL_BLOCK_ID,
  type BitArray,
  type BlockId,
  type Part,
  type PartSetHeader,
  type Proposal,
  type Vote,
  type VoteType,
} from "../types.ts";
import { codecError } from "./errors.ts";
import { decode, type Reader } from "./reader.ts";
import {
  EMPTY_BIT_ARRAY,
  readBitArray,
  readBlockId,
  readHeight,
  readPart,
  readPartSetHeader,
  readRound,
  voteType,
  writeBitArray,
  writeBlockId,
  writePart,
  writePartSetHeader,
} from "./types.ts";
import { readIndex, readProposal, readVote, writeProposal, writeVote } from "./votes.ts";
import { encode, type Writer } from "./writer.ts";

/** The message of channels 0x20 to 0x23. */
export function encodeConsensusMessage(message: ConsensusMessage): Uint8Array {
  return encode(writeConsensusMessage, message, sizeHint(message));
}

/** The bytes of a block part are a view into `bytes`: hand over a buffer that nobody reuses. */
export function decodeConsensusMessage(bytes: Uint8Array): ConsensusMessage {
  return decode(readConsensusMessage, bytes, "lenient");
}

export function writeConsensusMessage(writer: Writer, message: ConsensusMessage): void {
  switch (message.kind) {
    case "newRoundStep":
      writer.message(1, message, (w, m) => {
        w.int(1, m.height);
        w.int32(2, m.round);
        w.uint32(3, m.step);
        w.int(4, m.secondsSinceStartTime);
        w.int32(5, m.lastCommitRound);
      });
      return;
    case "newValidBlock":
      writer.message(2, message, (w, m) => {
        w.int(1, m.height);
        w.int32(2, m.round);
        w.message(3, m.blockPartSetHeader, writePartSetHeader);
        if (m.blockParts.elems.length > 0) w.message(4, m.blockParts, writeBitArray);
        w.bool(5, m.isCommit);
      });
      return;
    case "proposal":
      writer.message(3, message, (w, m) => w.message(1, m.proposal, writeProposal));
      return;
    case "proposalPol":
      writer.message(4, message, (w, m) => {
        w.int(1, m.height);
        w.int32(2, m.proposalPolRound);
        w.message(3, m.proposalPol, writeBitArray);
      });
      return;
    case "blockPart":
      writer.message(5, message, (w, m) => {
        w.int(1, m.height);
        w.int32(2, m.round);
        w.message(3, m.part, writePart);
      });
      return;
    case "vote":
      writer.message(6, message, (w, m) => w.message(1, m.vote, writeVote));
      return;
    case "hasVote":
      writer.message(7, message, (w, m) => {
        w.int(1, m.height);
        w.int32(2, m.round);
        w.int32(3, m.type);
        w.int32(4, m.index);
      });
      return;
    case "voteSetMaj23":
      writer.message(8, message, writeClaim);
      return;
    case "voteSetBits":
      writer.message(9, message, (w, m) => {
        writeClaim(w, m);
        w.message(5, m.votes, writeBitArray);
      });
      return;
    default:
      assertNever(message, "consensus message");
  }
}

export function readConsensusMessage(reader: Reader): ConsensusMessage {
  let message: ConsensusMessage | undefined;
  while (reader.next()) {
    const read = MEMBERS[reader.field];
    if (read === undefined) reader.unknown();
    else message = reader.oneofMessage(read);
  }
  if (message === undefined) throw reader.missing("consensus message of a known kind");
  return message;
}

type Claim = { height: Height; round: Round; type: VoteType; blockId: BlockId };

function writeClaim(writer: Writer, claim: Readonly<Claim>): void {
  writer.int(1, claim.height);
  writer.int32(2, claim.round);
  writer.int32(3, claim.type);
  writer.message(4, claim.blockId, writeBlockId);
}

/** Readers of the oneof's members by field number. */
const MEMBERS: readonly (((reader: Reader) => ConsensusMessage) | undefined)[] = [
  undefined,
  readNewRoundStep,
  readNewValidBlock,
  readProposalMessage,
  readProposalPol,
  readBlockPart,
  readVoteMessage,
  readHasVote,
  readVoteSetMaj23,
  readVoteSetBits,
];

function readNewRoundStep(reader: Reader): ConsensusMessage {
  let height = Height(0);
  let [round, lastCommitRound] = [Round(0), Round(0)];
  let [step, secondsSinceStartTime] = [0, 0];
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        height = readHeight(reader);
        break;
      case 2:
        round = readRound(reader);
        break;
      case 3:
        step = reader.uint32();
        break;
      case 4:
        secondsSinceStartTime = reader.int();
        break;
      case 5:
        lastCommitRound = readRound(reader);
        break;
      default:
        reader.unknown();
    }
  }
  return {
    kind: "newRoundStep",
    height,
    round,
    step: roundStep(step),
    secondsSinceStartTime,
    lastCommitRound,
  };
}

function readNewValidBlock(reader: Reader): ConsensusMessage {
  let height = Height(0);
  let round = Round(0);
  let blockPartSetHeader: PartSetHeader = NIL_BLOCK_ID.partSetHeader;
  let blockParts: BitArray = EMPTY_BIT_ARRAY;
  let isCommit = false;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        height = readHeight(reader);
        break;
      case 2:
        round = readRound(reader);
        break;
      case 3:
        blockPartSetHeader = reader.message(readPartSetHeader);
        break;
      case 4:
        blockParts = reader.message(readBitArray);
        break;
      case 5:
        isCommit = reader.bool();
        break;
      default:
        reader.unknown();
    }
  }
  return { kind: "newValidBlock", height, round, blockPartSetHeader, blockParts, isCommit };
}

function readProposalMessage(reader: Reader): ConsensusMessage {
  let proposal: Proposal | undefined;
  while (reader.next()) {
    if (reader.field === 1) proposal = reader.message(readProposal);
    else reader.unknown();
  }
  if (proposal === undefined) throw reader.missing("proposal");
  return { kind: "proposal", proposal };
}

function readProposalPol(reader: Reader): ConsensusMessage {
  let height = Height(0);
  let proposalPolRound = Round(0);
  let proposalPol: BitArray = EMPTY_BIT_ARRAY;
  while (reader.next()) {
    if (reader.field === 1) height = readHeight(reader);
    else if (reader.field === 2) proposalPolRound = readRound(reader);
    else if (reader.field === 3) proposalPol = reader.message(readBitArray);
    else reader.unknown();
  }
  return { kind: "proposalPol", height, proposalPolRound, proposalPol };
}

function readBlockPart(reader: Reader): ConsensusMessage {
  let height = Height(0);
  let round = Round(0);
  let part: Part | undefined;
  while (reader.next()) {
    if (reader.field === 1) height = readHeight(reader);
    else if (reader.field === 2) round = readRound(reader);
    else if (reader.field === 3) part = reader.message(readPart);
    else reader.unknown();
  }
  if (part === undefined) throw reader.missing("block part");
  return { kind: "blockPart", height, round, part };
}

function readVoteMessage(reader: Reader): ConsensusMessage {
  let vote: Vote | undefined;
  while (reader.next()) {
    if (reader.field === 1) vote = reader.message(readVote);
    else reader.unknown();
  }
  if (vote === undefined) throw reader.missing("vote");
  return { kind: "vote", vote };
}

function readHasVote(reader: Reader): ConsensusMessage {
  let height = Height(0);
  let round = Round(0);
  let [type, index] = [0, 0];
  while (reader.next()) {
    if (reader.field === 1) height = readHeight(reader);
    else if (reader.field === 2) round = readRound(reader);
    else if (reader.field === 3) type = reader.int32();
    else if (reader.field === 4) index = readIndex(reader);
    else reader.unknown();
  }
  return { kind: "hasVote", height, round, type: voteType(type), index };
}

function readVoteSetMaj23(reader: Reader): ConsensusMessage {
  const { claim } = readClaim(reader, undefined);
  return { kind: "voteSetMaj23", ...claim };
}

function readVoteSetBits(reader: Reader): ConsensusMessage {
  const { claim, votes } = readClaim(reader, readBitArray);
  return { kind: "voteSetBits", ...claim, votes };
}

/** VoteSetMaj23, or VoteSetBits when field 5 may follow. */
function readClaim(
  reader: Reader,
  readVotes: typeof readBitArray | undefined,
): { claim: Claim; votes: BitArray } {
  let height = Height(0);
  let round = Round(0);
  let type = 0;
  let blockId = NIL_BLOCK_ID;
  let votes: BitArray = EMPTY_BIT_ARRAY;
  while (reader.next()) {
    if (reader.field === 1) height = readHeight(reader);
    else if (reader.field === 2) round = readRound(reader);
    else if (reader.field === 3) type = reader.int32();
    else if (reader.field === 4) blockId = reader.message(readBlockId);
    else if (reader.field === 5 && readVotes !== undefined) votes = reader.message(readVotes);
    else reader.unknown();
  }
  return { claim: { height, round, type: voteType(type), blockId }, votes };
}

function roundStep(value: number): RoundStep {
  switch (value) {
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
      return value;
    default:
      throw codecError("CODEC_OUT_OF_RANGE", `expected a step of a round (1 to 8), got ${value}`);
  }
}

function sizeHint(message: ConsensusMessage): number {
  if (message.kind === "blockPart") return 1024 + message.part.bytes.length;
  if (message.kind === "vote") return 256 + message.vote.extension.length;
  return 256;
}

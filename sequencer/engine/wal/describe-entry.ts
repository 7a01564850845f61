/** Log entries for people and tools: one flat JSON object each, without block bytes. */
import { toHex } from "../../../proto/bytes.ts";
import { formatTime } from "../../../proto/time.ts";
import { SignedMsgType, type BlockId, type Proposal, type Vote } from "../../../proto/types.ts";
import { STEP_NAMES } from "../consensus-metrics.ts";
import type { WalEntry } from "./wal-entry.ts";

export type Described = Readonly<Record<string, string | number | boolean | undefined>>;

export function describeEntry(entry: WalEntry): Described {
  switch (entry.kind) {
    case "endHeight":
    case "txsAvailable":
    case "heightStarted":
      return entry;
    case "proposalReceived":
      return {
        kind: entry.kind,
        ...describeProposal(entry.proposal),
        origin: entry.origin,
        signer: toHex(entry.signer),
      };
    case "proposalSigned":
      return {
        kind: entry.kind,
        height: entry.height,
        round: entry.round,
        ...(entry.proposal === undefined ? { refused: true } : describeProposal(entry.proposal)),
      };
    case "partReceived": {
      const { kind, height, round, part, origin } = entry;
      return { kind, height, round, index: part.index, bytes: part.bytes.length, origin };
    }
    case "createdPart":
      return { kind: entry.kind, index: entry.part.index, bytes: entry.part.bytes.length };
    case "voteReceived":
      return { kind: entry.kind, ...describeVote(entry.vote), origin: entry.origin };
    case "voteSigned":
      return {
        kind: entry.kind,
        height: entry.height,
        round: entry.round,
        type: typeName(entry.type),
        ...(entry.vote === undefined ? { refused: true } : describeVote(entry.vote)),
      };
    case "majorityClaimed": {
      const { kind, height, round, type, blockId, origin } = entry;
      return { kind, height, round, type: typeName(type), block: describeBlock(blockId), origin };
    }
    case "timeoutElapsed":
      return { ...entry, step: STEP_NAMES[entry.step] };
    case "blockCreated":
    case "blockValidated":
      return { ...entry, blockId: undefined, block: describeBlock(entry.blockId) };
  }
}

function describeProposal(proposal: Proposal): Described {
  const { height, round, polRound, blockId, timestamp } = proposal;
  return { height, round, polRound, block: describeBlock(blockId), time: formatTime(timestamp) };
}

function describeVote(vote: Vote): Described {
  const { type, height, round, blockId, timestamp, validatorIndex, extension } = vote;
  return {
    height,
    round,
    type: typeName(type),
    block: describeBlock(blockId),
    validator: validatorIndex,
    time: formatTime(timestamp),
    extensionBytes: extension.length,
  };
}

function describeBlock(blockId: BlockId): string {
  return blockId.hash.length === 0 ? "nil" : toHex(blockId.hash);
}

function typeName(type: Vote["type"]): string {
  return type === SignedMsgType.PREVOTE ? "prevote" : "precommit";
}

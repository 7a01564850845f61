/** How scenarios name things, and how effects read in a transcript. */
import { toHex } from "../../proto/bytes.ts";
import {
  type BlockId,
  BlockIdFlag,
  type Proposal,
  SignedMsgType,
  type Vote,
} from "../../proto/types.ts";
import { blockKey, isNil } from "../../sequencer/consensus/block-key.ts";
import type { ConsensusEffect } from "../../sequencer/consensus/effects.ts";
import type { RoundStateView } from "../../sequencer/consensus/round-state.ts";
import { Step } from "../../sequencer/consensus/step.ts";
import { type MadeBlock, makeBlock } from "../support/consensus-fixtures.ts";

export const STEPS: Readonly<Record<string, Step>> = {
  "new-height": Step.NEW_HEIGHT,
  "new-round": Step.NEW_ROUND,
  propose: Step.PROPOSE,
  prevote: Step.PREVOTE,
  "prevote-wait": Step.PREVOTE_WAIT,
  precommit: Step.PRECOMMIT,
  "precommit-wait": Step.PRECOMMIT_WAIT,
  commit: Step.COMMIT,
};

export function stepName(step: Step): string {
  return Object.entries(STEPS).find(([, value]) => value === step)?.[0] ?? String(step);
}

export function voteTypeName(type: Vote["type"]): string {
  return type === SignedMsgType.PREVOTE ? "prevote" : "precommit";
}

const LARGE_BYTES = 150_000;

/** Blocks by name and height; a name that starts with L has three parts, any other one. */
export class Blocks {
  readonly #made = new Map<string, MadeBlock>();
  readonly #names = new Map<string, string>();

  get(height: number, name: string): MadeBlock {
    const id = `${height} ${name}`;
    const existing = this.#made.get(id);
    if (existing !== undefined) return existing;
    const made = makeBlock(height, id, name.startsWith("L") ? { sizeBytes: LARGE_BYTES } : {});
    this.#made.set(id, made);
    this.#names.set(blockKey(made.blockId), name);
    this.#names.set(toHex(made.blockId.partSetHeader.hash), name);
    return made;
  }

  nameOf(blockId: BlockId): string {
    if (isNil(blockId)) return "nil";
    return this.#names.get(blockKey(blockId)) ?? "a block nobody named";
  }

  nameOfParts(hash: Uint8Array): string {
    return this.#names.get(toHex(hash)) ?? "parts nobody named";
  }
}

/** One line for an effect; undefined for what a transcript leaves out: relays, unless they are asked for. */
export function effectToText(
  effect: ConsensusEffect,
  view: RoundStateView,
  blocks: Blocks,
  showsRelays: boolean,
): string | undefined {
  switch (effect.kind) {
    case "scheduleTimeout":
      return `timer ${stepName(effect.step)} ${at(effect)}, ${effect.durationMs} ms`;
    case "createBlock": {
      const signed = effect.lastCommit?.extendedSignatures.filter(
        (sig) => sig.blockIdFlag !== BlockIdFlag.ABSENT,
      );
      const last = signed === undefined ? "no last commit" : `last commit of ${signed.length}`;
      return `create block ${at(effect)}, ${last}`;
    }
    case "signProposal":
      return `sign ${proposalToText(effect.proposal, blocks)}`;
    case "validateBlock": {
      const scope = effect.withApplication ? "" : ", rules only";
      return `validate ${blocks.nameOf(effect.blockId)}${scope}`;
    }
    case "signVote": {
      const { type, blockId, earliestTime, block } = effect;
      const later = earliestTime === undefined ? "" : ", after a block's time";
      const extend = block === undefined ? "" : ", with the block";
      return `sign ${voteTypeName(type)} ${at(effect)} ${blocks.nameOf(blockId)}${later}${extend}`;
    }
    case "gossipProposal":
      if (effect.origin !== undefined && !showsRelays) return undefined;
      return `${verb(effect.origin)} ${proposalToText(effect.proposal, blocks)}`;
    case "gossipPart":
      if (effect.origin !== undefined && !showsRelays) return undefined;
      return `${verb(effect.origin)} part ${effect.part.index} ${at(effect)}`;
    case "gossipVote":
      if (effect.origin !== undefined && !showsRelays) return undefined;
      return `${verb(effect.origin)} ${voteToText(effect.vote, blocks)}`;
    case "stepChanged":
      return `step ${stepName(effect.step)} ${at(effect)}${proposerText(effect.step, view)}`;
    case "validBlockSeen": {
      const have = effect.parts.elems.reduce((sum, word) => sum + bitCount(word), 0);
      const why = effect.isCommit ? "commit" : "polka";
      const name = blocks.nameOfParts(effect.partSetHeader.hash);
      return `announce ${name} of a ${why}, parts ${have}/${effect.parts.bits}`;
    }
    case "conflictingVotes":
      return `evidence ${voteToText(effect.first, blocks)} against ${blocks.nameOf(effect.second.blockId)}`;
    case "conflictingProposals":
      return `evidence ${proposalToText(effect.first, blocks)} against ${blocks.nameOf(effect.second.blockId)}`;
    case "peerMisbehaved":
      return `drop peer, it ${effect.reason}`;
    case "inputIgnored":
      return `ignored ${effect.code}`;
    case "commitBlock": {
      const flags = effect.commit.extendedSignatures.map((sig) => FLAGS[sig.blockIdFlag] ?? "?");
      const extended = effect.commit.extendedSignatures.some((sig) => sig.extension.length > 0);
      const with_ = extended ? ", with extensions" : "";
      return `COMMIT ${at(effect)} ${blocks.nameOf(effect.blockId)}, signatures ${flags.join("")}${with_}`;
    }
  }
}

/** Changes of lock and valid block, which no effect tells. */
export function locksToText(view: RoundStateView, blocks: Blocks): string {
  const name = (blockId: BlockId | undefined) =>
    blockId === undefined ? "nothing" : blocks.nameOf(blockId);
  const locked = `locked ${name(view.lockedBlockId)}${roundText(view.lockedRound)}`;
  return `${locked}; valid ${name(view.validBlockId)}${roundText(view.validRound)}`;
}

const FLAGS: Readonly<Record<number, string>> = {
  [BlockIdFlag.ABSENT]: "-",
  [BlockIdFlag.COMMIT]: "C",
  [BlockIdFlag.NIL]: "N",
};

function at(where: { readonly height: number; readonly round: number }): string {
  return `${where.height}/${where.round}`;
}

function verb(origin: string | undefined): string {
  return origin === undefined ? "send" : `relay from peer ${Number.parseInt(origin, 16)}`;
}

function roundText(round: number): string {
  return round < 0 ? "" : ` (round ${round})`;
}

function proposalToText(proposal: Proposal, blocks: Blocks): string {
  const pol = proposal.polRound < 0 ? "" : `, polka in round ${proposal.polRound}`;
  return `proposal ${at(proposal)} ${blocks.nameOf(proposal.blockId)}${pol}`;
}

function voteToText(vote: Vote, blocks: Blocks): string {
  const name = blocks.nameOf(vote.blockId);
  return `${voteTypeName(vote.type)} ${at(vote)} ${name} of v${vote.validatorIndex}`;
}

function proposerText(step: Step, view: RoundStateView): string {
  if (step !== Step.PROPOSE) return "";
  const proposer = toHex(view.proposer);
  const index = view.validators.validators.findIndex((one) => toHex(one.address) === proposer);
  return `, proposer v${index}`;
}

function bitCount(word: bigint): number {
  return word.toString(2).replaceAll("0", "").length;
}

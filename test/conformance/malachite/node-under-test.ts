/** One core, fed with what the model's driver is fed with; notes what it asks for in the model's words. */
import { Height, type NodeId, Round } from "../../../proto/brands.ts";
import { assert } from "../../../proto/errors.ts";
import { SignedMsgType, type VoteType } from "../../../proto/types.ts";
import type { ConsensusCore } from "../../../sequencer/consensus/consensus-core.ts";
import { createConsensusCore } from "../../../sequencer/consensus/core.ts";
import type { ConsensusEffect } from "../../../sequencer/consensus/effects.ts";
import type { ConsensusInput } from "../../../sequencer/consensus/inputs.ts";
import { DEFAULT_CONSENSUS_TIMEOUTS } from "../../../sequencer/consensus/options.ts";
import { Step } from "../../../sequencer/consensus/step.ts";
import { makeProposal } from "../../support/consensus-fixtures.ts";
import { nodeId } from "../../support/consensus-node.ts";
import { type Electorate, ourHeight } from "./electorate.ts";
import type { ModelProposal, ModelVote, Tagged } from "./trace-format.ts";

/** The value that the model's application refuses. */
const REFUSED_VALUE = "invalid";

const TIMER_STEPS: Readonly<Record<string, Step>> = {
  ProposeTimeout: Step.PROPOSE,
  PrevoteTimeout: Step.PREVOTE_WAIT,
  PrecommitTimeout: Step.PRECOMMIT_WAIT,
};

export class NodeUnderTest {
  readonly name: string;
  readonly core: ConsensusCore;
  readonly #electorate: Electorate;
  /** Messages and decisions asked for since the height began. */
  said: string[] = [];
  /** Timers of the height that were set: `kind round`. */
  readonly timers = new Set<string>();
  readonly decided: string[] = [];
  readonly equivocations = new Set<string>();
  #commit: Extract<ConsensusEffect, { readonly kind: "commitBlock" }> | undefined;
  /** Proposals of this height that some peer has and offers again, as gossip does. */
  #offered: ModelProposal[] = [];

  constructor(name: string, electorate: Electorate) {
    this.name = name;
    this.#electorate = electorate;
    this.core = createConsensusCore({
      ownAddress: electorate.addressOf(name),
      timeouts: DEFAULT_CONSENSUS_TIMEOUTS,
      createEmptyBlocks: true,
      createEmptyBlocksIntervalMs: 0,
      skipTimeoutCommit: false,
    });
  }

  /** Begins a height of the model; round 0 waits for `startRound`. */
  startHeight(height: number, initialHeight = 0): void {
    const { set } = this.#electorate;
    this.said = [];
    this.timers.clear();
    this.equivocations.clear();
    this.#offered = [];
    const isInitial = height === initialHeight;
    assert(isInitial || this.#commit !== undefined, "the height before was decided");
    this.#feed({
      kind: "heightStarted",
      context: {
        height: Height(ourHeight(height)),
        initialHeight: Height(ourHeight(initialHeight)),
        validators: set,
        lastValidators: isInitial ? undefined : set,
        lastCommit: isInitial ? undefined : this.#commit?.commit,
        isExtended: false,
        wasLastExtended: false,
        blockBytesMax: 1_048_576,
        needsProofBlock: false,
        startDelayMs: 0,
      },
    });
  }

  startRound(): void {
    this.#elapse(Step.NEW_HEIGHT, 0);
  }

  /** The model's application gives the value to propose. */
  proposeValue(value: string): void {
    const { height, round } = this.core.view;
    const made = this.#electorate.blocks.get(height, value);
    this.#feed({ kind: "blockCreated", height, round, ...made });
  }

  receiveProposal(proposal: ModelProposal): void {
    this.#offered.push(proposal);
    this.#gossip();
  }

  receiveVote(vote: ModelVote): void {
    const { height, round, type } = vote;
    const made = this.#electorate.vote(vote);
    if (vote.from !== this.name) {
      const origin = this.#peer(vote.from);
      this.#feed({ kind: "voteReceived", vote: made, origin });
      return;
    }
    // Our own vote has come back to the model's validator: the signer's answer.
    this.#feed({
      kind: "voteSigned",
      height: Height(ourHeight(height)),
      round: Round(round),
      type: type === "Prevote" ? SignedMsgType.PREVOTE : SignedMsgType.PRECOMMIT,
      vote: made,
    });
  }

  /** A certificate is what v0.38 has as a claimed majority and the votes for it. */
  receiveCertificate(votes: readonly ModelVote[]): void {
    const [first] = votes;
    assert(first !== undefined, "a certificate has votes");
    const { type, height, round, blockId } = this.#electorate.vote(first);
    const origin = this.#peer("certificate");
    this.#feed({ kind: "majorityClaimed", height, round, type, blockId, origin });
    for (const vote of votes) {
      const made = this.#electorate.vote(vote);
      this.#feed({ kind: "voteReceived", vote: made, origin: this.#peer(vote.from) });
    }
  }

  elapse(timeout: string, round: number): void {
    const step = TIMER_STEPS[timeout];
    assert(step !== undefined, `${timeout} is a timeout`);
    this.#elapse(step, round);
  }

  #elapse(step: Step, round: number): void {
    const { height } = this.core.view;
    this.#feed({ kind: "timeoutElapsed", height, round: Round(round), step });
  }

  #feed(input: ConsensusInput): void {
    this.#step(input);
    this.#gossip();
  }

  /** Peers send what a node lacks: the proposal of its round, and parts of the block it waits for. */
  #gossip(): void {
    for (const proposal of this.#offered) {
      const { view } = this.core;
      const { blockId, parts } = this.#electorate.blocks.get(view.height, proposal.value);
      if (proposal.round === view.round && view.proposal === undefined) this.#propose(proposal);
      const awaited = view.proposalParts;
      const isWanted =
        awaited?.isComplete === false &&
        Buffer.compare(awaited.header.hash, blockId.partSetHeader.hash) === 0;
      if (!isWanted) continue;
      const origin = this.#peer(proposal.from);
      for (const part of parts) {
        this.#step({ kind: "partReceived", height: view.height, round: view.round, part, origin });
      }
    }
  }

  #propose({ from, round, value, validRound }: ModelProposal): void {
    const { height } = this.core.view;
    const { blockId } = this.#electorate.blocks.get(height, value);
    const proposal = makeProposal(height, round, blockId, validRound);
    if (from === this.name) {
      this.#step({ kind: "proposalSigned", height, round: Round(round), proposal });
    } else {
      const signer = this.#electorate.addressOf(from);
      this.#step({ kind: "proposalReceived", proposal, origin: this.#peer(from), signer });
    }
  }

  #step(input: ConsensusInput): void {
    for (const effect of this.core.step(input)) this.#note(effect);
  }

  #note(effect: ConsensusEffect): void {
    const { blocks } = this.#electorate;
    if (effect.kind === "signProposal") {
      const { round, blockId, polRound } = effect.proposal;
      this.said.push(`propose ${round} ${blocks.nameOf(blockId)} ${polRound}`);
    } else if (effect.kind === "signVote") {
      const { round, blockId } = effect;
      this.said.push(`${typeName(effect.type)} ${round} ${blocks.nameOf(blockId)}`);
    } else if (effect.kind === "scheduleTimeout") {
      const name = Object.entries(TIMER_STEPS).find(([, step]) => step === effect.step)?.[0];
      if (name !== undefined) this.timers.add(`${name} ${effect.round}`);
    } else if (effect.kind === "validateBlock") {
      const { height, blockId } = effect;
      const isAccepted = blocks.nameOf(blockId) !== REFUSED_VALUE;
      this.#step({
        kind: "blockValidated",
        height,
        blockId,
        isValid: true,
        isAccepted,
        reason: "",
      });
    } else if (effect.kind === "commitBlock") {
      this.#commit = effect;
      this.said.push(`decide ${effect.round} ${blocks.nameOf(effect.blockId)}`);
      this.decided.push(blocks.nameOf(effect.blockId));
    } else if (effect.kind === "conflictingVotes") {
      const { type, round, validatorIndex } = effect.first;
      this.equivocations.add(
        `${this.#electorate.nameAt(validatorIndex)}/${typeName(type)}/${round}`,
      );
    }
  }

  /** One peer for each name. */
  #peer(name: string): NodeId {
    return nodeId(this.#electorate.names.indexOf(name) + 2);
  }
}

function typeName(type: VoteType): ModelVote["type"] {
  return type === SignedMsgType.PREVOTE ? "Prevote" : "Precommit";
}

/** What an output of the model says to others or decides, in the words of `NodeUnderTest.said`. */
export function outputSaid([kind, value]: Tagged): string | undefined {
  switch (kind) {
    case "VoteOutput": {
      const vote = value as ModelVote;
      return `${vote.type} ${vote.round} ${vote.value ?? "nil"}`;
    }
    case "ProposalOutput": {
      const proposal = value as ModelProposal;
      return `propose ${proposal.round} ${proposal.value} ${proposal.validRound}`;
    }
    case "DecidedOutput": {
      const decision = value as { readonly round: number; readonly value: string };
      return `decide ${decision.round} ${decision.value}`;
    }
    default:
      return undefined;
  }
}

/** The timer that an output of the model sets, in the words of `NodeUnderTest.timers`. */
export function outputTimer([kind, value]: Tagged): string | undefined {
  if (kind === "ProposalOutput") return `ProposeTimeout ${(value as ModelProposal).round}`;
  if (kind !== "TimeoutOutput" && kind !== "GetValueAndScheduleTimeoutOutput") return undefined;
  const { round, timeout } = value as { readonly round: number; readonly timeout: string };
  return `${timeout} ${round}`;
}

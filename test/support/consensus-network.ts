/**
 * A network of consensus cores under an adversarial scheduler. Everything follows from the seed: who
 * is byzantine, what is lost, delayed, doubled, who crashes. Safety is checked after every event.
 */
import { Round } from "../../proto/brands.ts";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { assert } from "../../proto/errors.ts";
import {
  type BlockId,
  BlockIdFlag,
  NIL_BLOCK_ID,
  SignedMsgType,
  type ValidatorSet,
  type Vote,
  type VoteType,
} from "../../proto/types.ts";
import { incrementProposerPriority, updateValidatorSet } from "../../proto/validator-set.ts";
import { partSetHeadersEqual } from "../../proto/part-set.ts";
import { blockKey } from "../../sequencer/consensus/block-key.ts";
import type { ConsensusEffect } from "../../sequencer/consensus/effects.ts";
import type { ConsensusInput } from "../../sequencer/consensus/inputs.ts";
import type { VoteSetView } from "../../sequencer/consensus/round-state.ts";
import {
  fakeValidatorSet,
  type MadeBlock,
  makeBlock,
  makeProposal,
  makeVote,
  validatorAt,
} from "./consensus-fixtures.ts";
import {
  type Commit,
  type NodeOptions,
  type NodeWorld,
  type RewriteLog,
  SimulatedNode,
  type Timer,
} from "./consensus-node.ts";
import { Random } from "./random.ts";

export interface NetworkOptions {
  readonly seed: number;
  readonly powers: readonly bigint[];
  /** Indices of nodes that equivocate. */
  readonly byzantine: readonly number[];
  /** Indices of nodes that never say anything. */
  readonly silent: readonly number[];
  readonly isExtended: boolean;
  readonly startDelayMs: number;
  readonly skipTimeoutCommit: boolean;
  readonly lossPercent: number;
  readonly duplicatePercent: number;
  /** Crashes per thousand events. */
  readonly crashPerMille: number;
  /** Powers change at some heights. */
  readonly changesValidators: boolean;
  /** What happens to the log of a node that crashed, before it starts again. */
  readonly rewriteLog?: RewriteLog | undefined;
}

interface Message {
  readonly to: number;
  readonly input: ConsensusInput;
}

const IN_FLIGHT_MAX = 1500;
const TOPICS = ["proposal", "prevote", "precommit"];

function link(from: string | undefined, to: number, input: ConsensusInput): string {
  return `${from} ${to} ${topicOf(input)}`;
}

function topicOf(input: ConsensusInput): string {
  if (input.kind !== "voteReceived") return "proposal";
  return input.vote.type === SignedMsgType.PREVOTE ? "prevote" : "precommit";
}

function originOf(input: ConsensusInput): string | undefined {
  return "origin" in input ? input.origin : undefined;
}

export class Network implements NodeWorld {
  readonly nodes: readonly SimulatedNode[];
  readonly #options: NetworkOptions;
  readonly #random: Random;
  readonly #sets: ValidatorSet[];
  readonly #decided = new Map<number, string>();
  readonly #signed = new Map<string, string>();
  readonly #timers = new Map<SimulatedNode, { readonly deadline: number; readonly timer: Timer }>();
  readonly #claimed = new Set<string>();
  #inFlight: Message[] = [];
  #now = 0;
  #isStorm = false;
  /** Nodes that neither hear nor are heard, with the phases that this lasts. */
  readonly #isolated = new Map<number, number>();
  /** Conflicting votes that were reported. */
  evidenceCount = 0;

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#sets = [fakeValidatorSet(options.powers)];
    const { isExtended, startDelayMs, skipTimeoutCommit } = options;
    this.nodes = options.powers.map((_, index) => {
      const nodeOptions: NodeOptions = {
        index,
        isExtended,
        startDelayMs,
        skipTimeoutCommit,
        validatorsAt: (height) => this.#validatorsAt(height),
        rewriteLog: options.rewriteLog,
        isRefused: (made) => toHex(made.block.txs[0] ?? new Uint8Array(0)).endsWith("21"),
      };
      return options.byzantine.includes(index)
        ? new EquivocatingNode(nodeOptions, this, this.#random)
        : new SimulatedNode(nodeOptions, this);
    });
    for (const node of this.#running()) node.start();
  }

  /** Nodes that follow the protocol and are up. */
  honest(): readonly SimulatedNode[] {
    const { byzantine } = this.#options;
    return this.#running().filter((node) => !byzantine.includes(node.index));
  }

  /** Anything may happen, in any order. */
  disturb(events: number): void {
    for (let event = 0; event < events; event++) {
      const dice = this.#random.below(100);
      if (dice < 60) this.#deliverAny();
      else if (dice < 85) this.#answerAny();
      else if (dice < 92) this.#fireAny();
      else this.#gossipAny();
      if (this.#random.below(1000) < this.#options.crashPerMille) this.#crashAny();
    }
  }

  /**
   * Rounds fail in ways that make locks matter. In each phase some links carry no proposals, no
   * prevotes or no precommits, while timers fire; and who decides first may be cut off for a while,
   * so that the others must come to the same decision without knowing of it.
   */
  storm(phases: number, heightsMax: number): void {
    this.#isStorm = true;
    const end = this.#decided.size + heightsMax;
    for (let phase = 0; phase < phases && this.#decided.size < end; phase++) {
      this.#isolated.forEach((left, index) => {
        if (left > 1) this.#isolated.set(index, left - 1);
        else this.#isolated.delete(index);
      });
      const cut = this.#drawCutLinks();
      const isLost = ({ to, input }: Message) => cut.has(link(originOf(input), to, input));
      const turns = 1 + this.#random.below(6);
      for (let turn = 0; turn < turns; turn++) {
        this.#drain(8, isLost);
        for (const node of this.nodes) if (node instanceof EquivocatingNode) node.beguile();
        if (this.#gossipAll()) this.#drain(8, isLost);
        const timers = 1 + this.#random.below(this.nodes.length);
        for (let count = 0; count < timers; count++) this.#fireEarliest();
      }
      if (this.#random.below(100) < this.#options.crashPerMille) this.#crashAny();
    }
    this.#isolated.clear();
    this.#isStorm = false;
  }

  /**
   * From now on nothing is lost, and timers are slow compared to messages. True when every honest
   * node has decided `height` before so many timers fired.
   */
  settle(height: number, timersMax: number): boolean {
    for (let timers = 0; timers < timersMax; timers++) {
      for (let turn = 0; turn < 4; turn++) {
        this.#drain(20);
        if (this.honest().every((node) => node.store.has(height))) return true;
        if (!this.#gossipAll()) break;
      }
      if (!this.#fireEarliest()) return false;
    }
    return false;
  }

  broadcast(from: SimulatedNode, input: ConsensusInput): void {
    if (this.#isolated.has(from.index)) return;
    for (const peer of this.#running()) if (peer !== from) this.send(peer.index, input);
  }

  send(to: number, input: ConsensusInput): void {
    if (this.#isolated.has(to)) return;
    if (this.#inFlight.length >= IN_FLIGHT_MAX) this.#takeMessage();
    this.#inFlight.push({ to, input });
  }

  signed(from: SimulatedNode, vote: Vote): void {
    const name = `${from.index} at ${vote.height}/${vote.round}/${vote.type}`;
    const key = blockKey(vote.blockId);
    const earlier = this.#signed.get(name) ?? key;
    assert(earlier === key, `node ${name} signed for ${earlier} and for ${key}`);
    this.#signed.set(name, key);
  }

  committed(from: SimulatedNode, commit: Commit): void {
    if (this.#options.byzantine.includes(from.index)) return;
    const isFirst = !this.#decided.has(commit.height);
    if (this.#isStorm && isFirst && this.#random.chance(60)) {
      this.#isolated.set(from.index, 10);
      this.#inFlight = this.#inFlight.filter(({ input }) => originOf(input) !== from.id);
    }
    const key = blockKey(commit.blockId);
    const decided = this.#decided.get(commit.height) ?? key;
    assert(
      decided === key,
      `node ${from.index} decided ${key} at ${commit.height}, not ${decided}`,
    );
    this.#decided.set(commit.height, key);
    const validators = this.#validatorsAt(commit.height);
    let power = 0n;
    commit.commit.extendedSignatures.forEach((sig, index) => {
      const isForBlock = sig.blockIdFlag === BlockIdFlag.COMMIT;
      if (isForBlock) power += validatorAt(validators, index).votingPower;
    });
    assert(power * 3n > validators.totalVotingPower * 2n, "a commit holds more than two thirds");
  }

  timerSet(from: SimulatedNode, timer: Timer): void {
    this.#timers.set(from, { deadline: this.#now + timer.durationMs, timer });
  }

  evidence(_from: SimulatedNode, vote: Vote): void {
    const address = toHex(vote.validatorAddress);
    const accused = this.nodes.find((node) => toHex(node.address) === address);
    assert(
      accused !== undefined && this.#options.byzantine.includes(accused.index),
      `honest node ${accused?.index} is accused`,
    );
    this.evidenceCount += 1;
  }

  #running(): readonly SimulatedNode[] {
    const { silent } = this.#options;
    return this.nodes.filter((node) => !silent.includes(node.index));
  }

  #validatorsAt(height: number): ValidatorSet {
    for (let at = this.#sets.length; at < height; at++) {
      const last = this.#sets[at - 1];
      assert(last !== undefined, "sets are made in order");
      const shift = this.#options.changesValidators && at % 2 === 0 ? 1n : 0n;
      const index = at % last.validators.length;
      const { publicKey, votingPower } = validatorAt(last, index);
      const changes = shift === 0n ? [] : [{ publicKey, votingPower: votingPower + shift }];
      this.#sets.push(incrementProposerPriority(updateValidatorSet(last, changes), 1));
    }
    const set = this.#sets[height - 1];
    assert(set !== undefined, "a set was made for the height");
    return set;
  }

  /** Links that lose one kind of message; in some phases one node is not heard to precommit. */
  #drawCutLinks(): ReadonlySet<string> {
    const percent = this.#random.pick([10, 25, 40]) ?? 0;
    const mute = this.#random.chance(60) ? this.#random.below(this.nodes.length) : -1;
    const cut = new Set<string>();
    for (const from of this.nodes) {
      for (const to of this.nodes) {
        for (const topic of TOPICS) {
          const isMute = from.index === mute && topic === "precommit";
          if (isMute || this.#random.chance(percent)) cut.add(`${from.id} ${to.index} ${topic}`);
        }
      }
    }
    return cut;
  }

  /** Takes a random message out of flight. */
  #takeMessage(): Message | undefined {
    const index = this.#random.below(this.#inFlight.length);
    const message = this.#inFlight[index];
    const last = this.#inFlight.pop();
    if (last !== undefined && index < this.#inFlight.length) this.#inFlight[index] = last;
    return message;
  }

  #deliverAny(): void {
    const message = this.#takeMessage();
    if (message === undefined) return;
    if (this.#random.chance(this.#options.lossPercent)) return;
    if (this.#random.chance(this.#options.duplicatePercent)) this.#inFlight.push(message);
    this.nodes[message.to]?.feed(message.input);
  }

  #answerAny(): void {
    const node = this.#random.pick(this.#running());
    const answer = node?.answers.shift();
    if (answer !== undefined) node?.feed(answer);
  }

  #fireAny(): void {
    const node = this.#random.pick(this.#running());
    if (node !== undefined) this.#fire(node);
  }

  #fireEarliest(): boolean {
    let earliest: SimulatedNode | undefined;
    let deadline = Number.POSITIVE_INFINITY;
    for (const [node, timer] of this.#timers) {
      if (timer.deadline >= deadline) continue;
      earliest = node;
      deadline = timer.deadline;
    }
    if (earliest === undefined) return false;
    this.#now = Math.max(this.#now, deadline);
    this.#fire(earliest);
    return true;
  }

  #fire(node: SimulatedNode): void {
    const set = this.#timers.get(node);
    if (set === undefined) return;
    this.#timers.delete(node);
    const { height, round, step } = set.timer;
    node.feed({ kind: "timeoutElapsed", height, round, step });
  }

  #crashAny(): void {
    const node = this.#random.pick(this.honest());
    if (node === undefined) return;
    this.#timers.delete(node);
    node.crash(this.#random.below(6));
  }

  #gossipAny(): void {
    const from = this.#random.pick(this.#running());
    const to = this.#random.pick(this.#running());
    if (from !== undefined && to !== undefined && from !== to) this.#gossip(from, to);
  }

  #gossipAll(): boolean {
    let isAny = false;
    for (const from of this.#running()) {
      for (const to of this.#running()) if (from !== to && this.#gossip(from, to)) isAny = true;
    }
    return isAny;
  }

  /** Delivers what is in flight and what that sets off; in turns, for heights may follow at once. */
  #drain(turns: number, isLost: (message: Message) => boolean = () => false): void {
    for (let turn = 0; turn < turns; turn++) {
      const messages = this.#inFlight;
      this.#inFlight = [];
      for (const message of messages) {
        if (this.#isolated.has(message.to)) continue;
        if (!isLost(message)) this.nodes[message.to]?.feed(message.input);
      }
      let isIdle = messages.length === 0;
      for (const node of this.#running()) {
        for (const answer of node.answers.splice(0)) {
          node.feed(answer);
          isIdle = false;
        }
      }
      if (isIdle) return;
    }
  }

  /** Sends a peer what it lacks, as the consensus reactor does (spec §17.2); true when anything. */
  #gossip(from: SimulatedNode, to: SimulatedNode): boolean {
    if (this.#isolated.has(from.index)) return false;
    const before = this.#inFlight.length;
    if (from.height === to.height) {
      this.#gossipRound(from, to);
    } else if (from.height > to.height) {
      this.#gossipStored(from, to);
    }
    return this.#inFlight.length > before;
  }

  #gossipRound(from: SimulatedNode, to: SimulatedNode): void {
    const mine = from.core.view;
    const theirs = to.core.view;
    const origin = from.id;
    const { proposal } = mine;
    if (mine.round === theirs.round && proposal !== undefined && theirs.proposal === undefined) {
      const signer = mine.proposer;
      this.send(to.index, { kind: "proposalReceived", proposal, origin, signer });
    }
    this.#gossipParts(from, to);
    const polRound = theirs.proposal?.polRound ?? -1;
    for (const round of new Set([theirs.round, mine.round, polRound, mine.commitRound])) {
      if (round < 0) continue;
      this.#gossipVotes(from, to, Round(round), SignedMsgType.PREVOTE);
      this.#gossipVotes(from, to, Round(round), SignedMsgType.PRECOMMIT);
    }
  }

  #gossipParts(from: SimulatedNode, to: SimulatedNode): void {
    const { height, round, proposalParts: mine } = from.core.view;
    const theirs = to.core.view.proposalParts;
    if (mine === undefined || theirs === undefined) return;
    if (!partSetHeadersEqual(mine.header, theirs.header)) return;
    for (let index = 0; index < mine.header.total; index++) {
      const part = mine.partAt(index);
      if (part === undefined || theirs.partAt(index) !== undefined) continue;
      this.send(to.index, { kind: "partReceived", height, round, part, origin: from.id });
    }
  }

  #gossipVotes(from: SimulatedNode, to: SimulatedNode, round: Round, type: VoteType): void {
    const mine = from.core.view.votes(round, type);
    if (mine === undefined) return;
    const theirs = to.core.view.votes(round, type);
    const majority = mine.majority();
    if (majority !== undefined) this.#claim(from, to, mine);
    for (let index = 0; index < mine.size; index++) {
      const vote = mine.voteAt(index);
      if (vote === undefined || isKnown(theirs, index, vote, majority)) continue;
      this.send(to.index, { kind: "voteReceived", vote, origin: from.id });
    }
  }

  #claim(from: SimulatedNode, to: SimulatedNode, votes: VoteSetView): void {
    const { height, round, type } = votes;
    const blockId = votes.majority();
    const theirs = to.core.view.votes(round, type);
    if (blockId === undefined || theirs === undefined || theirs.majority() !== undefined) return;
    const name = `${from.index}>${to.index} ${height}/${round}/${type}`;
    if (this.#claimed.has(name)) return;
    this.#claimed.add(name);
    const origin = from.id;
    this.send(to.index, { kind: "majorityClaimed", height, round, type, blockId, origin });
  }

  #gossipStored(from: SimulatedNode, to: SimulatedNode): void {
    const { height } = to.core.view;
    const stored = from.store.get(height);
    if (stored === undefined) return;
    const { commit, blockId } = stored;
    const theirs = to.core.view.votes(commit.round, SignedMsgType.PRECOMMIT);
    const origin = from.id;
    if (theirs !== undefined && theirs.majority() === undefined) {
      const type = SignedMsgType.PRECOMMIT;
      const claim = {
        kind: "majorityClaimed",
        height,
        round: commit.round,
        type,
        blockId,
      } as const;
      this.send(to.index, { ...claim, origin });
    }
    commit.extendedSignatures.forEach((sig, validatorIndex) => {
      if (sig.blockIdFlag === BlockIdFlag.ABSENT) return;
      const vote: Vote = {
        ...sig,
        type: SignedMsgType.PRECOMMIT,
        height,
        round: commit.round,
        blockId: sig.blockIdFlag === BlockIdFlag.COMMIT ? blockId : NIL_BLOCK_ID,
        validatorIndex,
      };
      if (isKnown(theirs, validatorIndex, vote, blockId)) return;
      this.send(to.index, { kind: "voteReceived", vote, origin });
    });
    const parts = to.core.view.proposalParts;
    if (parts === undefined || !partSetHeadersEqual(parts.header, blockId.partSetHeader)) return;
    for (const part of stored.parts) {
      if (parts.partAt(part.index) !== undefined) continue;
      this.send(to.index, { kind: "partReceived", height, round: commit.round, part, origin });
    }
  }
}

/**
 * Signs two of everything: another proposal for some peers, other votes for each, and votes for
 * rounds nobody is in.
 */
class EquivocatingNode extends SimulatedNode {
  readonly #network: Network;
  readonly #random: Random;
  readonly #blocks: MadeBlock[] = [];

  constructor(options: NodeOptions, network: Network, random: Random) {
    const loyal = {
      // What a liar does to its peers is its own business: it is not held to its votes.
      broadcast: (from: SimulatedNode, input: ConsensusInput) => network.broadcast(from, input),
      signed: () => undefined,
      committed: (from: SimulatedNode, commit: Commit) => network.committed(from, commit),
      timerSet: (from: SimulatedNode, timer: Timer) => network.timerSet(from, timer),
      evidence: () => undefined,
    };
    super(options, loyal);
    this.#network = network;
    this.#random = random;
  }

  protected override execute(effect: ConsensusEffect): void {
    if (effect.kind === "createBlock") this.#proposeOtherwise(effect.height, effect.round);
    if (effect.kind === "signVote") this.#voteOtherwise(effect);
    super.execute(effect);
  }

  /** Gives each peer the votes, and the proposal, that lead it where others are not. */
  beguile(): void {
    for (const peer of this.#network.honest()) {
      const { height, round, proposal, proposer } = peer.core.view;
      if (proposal === undefined && bytesEqual(proposer, this.address)) {
        const isNew = this.#random.chance(60);
        const old = this.#blocks.findLast((made) => made.block.header.height === height);
        this.#propose(isNew || old === undefined ? this.#make(height, round) : old, round, [peer]);
      }
      const wanted = proposal !== undefined && this.#random.chance(70);
      this.#vote(peer, round, SignedMsgType.PREVOTE, wanted ? proposal.blockId : NIL_BLOCK_ID);
      if (this.#random.chance(60)) continue;
      this.#vote(peer, round, SignedMsgType.PRECOMMIT, wanted ? proposal.blockId : NIL_BLOCK_ID);
    }
  }

  #proposeOtherwise(height: number, round: number): void {
    const peers = this.#network.nodes.filter((peer) => peer !== this && this.#random.chance(50));
    this.#propose(this.#make(height, round), round, peers);
  }

  #make(height: number, round: number): MadeBlock {
    const isRefused = this.#random.chance(20);
    const tag = `${height}/${round}/${this.#blocks.length} by liar ${this.index}`;
    const made = makeBlock(height, isRefused ? `${tag}!` : tag);
    this.#blocks.push(made);
    return made;
  }

  #propose(made: MadeBlock, round: number, peers: readonly SimulatedNode[]): void {
    const proposal = makeProposal(made.block.header.height, round, made.blockId);
    const { height } = proposal;
    const signer = this.address;
    const origin = this.id;
    for (const { index } of peers) {
      this.#network.send(index, { kind: "proposalReceived", proposal, signer, origin });
      for (const part of made.parts) {
        const input = {
          kind: "partReceived",
          height,
          round: proposal.round,
          part,
          origin,
        } as const;
        this.#network.send(index, input);
      }
    }
  }

  #vote(peer: SimulatedNode, round: number, type: VoteType, blockId: BlockId): void {
    const { height } = peer;
    const { isExtended, validatorsAt } = this.options;
    const fields = { height, round, type, blockId, isExtended };
    const vote = makeVote(validatorsAt(height), this.index, fields);
    this.#network.send(peer.index, { kind: "voteReceived", vote, origin: this.id });
  }

  #voteOtherwise(effect: Extract<ConsensusEffect, { readonly kind: "signVote" }>): void {
    const { height, type } = effect;
    const own = this.core.view;
    const seen = [own.validBlockId, own.lockedBlockId, own.proposal?.blockId];
    const made = this.#blocks.filter((block) => block.block.header.height === height);
    const blockIds = [NIL_BLOCK_ID, ...made.map((block) => block.blockId), ...seen];
    for (const peer of this.#network.honest()) {
      const blockId = this.#random.pick(blockIds);
      if (peer.height !== height || blockId === undefined) continue;
      const ahead = this.#random.chance(10) ? this.#random.below(5) : 0;
      this.#vote(peer, effect.round + ahead, type, blockId);
    }
  }
}

/** Whether a peer needs no more of a vote: it has it, or has another and no reason to swap. */
function isKnown(
  theirs: VoteSetView | undefined,
  index: number,
  vote: Vote,
  majority: Vote["blockId"] | undefined,
): boolean {
  const held = theirs?.voteAt(index);
  if (theirs === undefined || held === undefined) return false;
  if (held === vote) return true;
  if (majority === undefined || blockKey(majority) !== blockKey(vote.blockId)) return true;
  const bits = theirs.bitArrayFor(vote.blockId);
  return (((bits.elems[index >> 6] ?? 0n) >> BigInt(index & 63)) & 1n) === 1n;
}

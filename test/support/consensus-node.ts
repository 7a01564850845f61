/**
 * One node of the simulated network: the production core, and around it what an engine does, in
 * memory: a log, a double-sign guard, answers that come later, a crash and the replay after it.
 */
import { Height, NodeId } from "../../proto/brands.ts";
import { assert, assertNever } from "../../proto/errors.ts";
import type { Proposal, ValidatorSet, Vote } from "../../proto/types.ts";
import { blockKey } from "../../sequencer/consensus/block-key.ts";
import type { ConsensusCore } from "../../sequencer/consensus/consensus-core.ts";
import { createConsensusCore } from "../../sequencer/consensus/core.ts";
import type { ConsensusEffect } from "../../sequencer/consensus/effects.ts";
import type { ConsensusInput, HeightContext } from "../../sequencer/consensus/inputs.ts";
import type { ConsensusCoreOptions } from "../../sequencer/consensus/options.ts";
import { makeBlock, makeVote, type MadeBlock, validatorAt } from "./consensus-fixtures.ts";

/** Fills a signature field; nobody checks it here. */
const SIGNATURE = new Uint8Array(64).fill(1);

type Effect<Kind extends ConsensusEffect["kind"]> = Extract<
  ConsensusEffect,
  { readonly kind: Kind }
>;
export type Commit = Effect<"commitBlock">;
export type Timer = Effect<"scheduleTimeout">;

export interface NodeOptions {
  readonly index: number;
  readonly isExtended: boolean;
  readonly startDelayMs: number;
  readonly skipTimeoutCommit: boolean;
  /** Validators of a height. */
  readonly validatorsAt: (height: number) => ValidatorSet;
  /** Blocks that every application refuses. */
  readonly isRefused: (made: { readonly block: MadeBlock["block"] }) => boolean;
  /** What becomes of the log of the height under way while the node is down; nothing, by default. */
  readonly rewriteLog?: RewriteLog | undefined;
}

export type RewriteLog = (
  height: { readonly options: ConsensusCoreOptions; readonly context: HeightContext },
  log: readonly ConsensusInput[],
) => readonly ConsensusInput[];

/** What a node tells the world. */
export interface NodeWorld {
  /** A message of ours for all peers. */
  broadcast(from: SimulatedNode, input: ConsensusInput): void;
  signed(from: SimulatedNode, vote: Vote): void;
  committed(from: SimulatedNode, commit: Commit): void;
  /** A timer was set or replaced. */
  timerSet(from: SimulatedNode, timer: Timer): void;
  evidence(from: SimulatedNode, vote: Vote): void;
}

interface GuardState {
  readonly ordinal: readonly [number, number, number];
  readonly message: Vote | Proposal;
}

export class SimulatedNode {
  readonly index: number;
  readonly id: NodeId;
  readonly store = new Map<number, Commit>();
  /** Answers of signer, application and executor that are under way. */
  answers: ConsensusInput[] = [];
  core: ConsensusCore;
  protected readonly options: NodeOptions;
  protected readonly world: NodeWorld;
  readonly #address: Uint8Array;
  #log: ConsensusInput[] = [];
  /** So many inputs of the log are surely on disk. */
  #syncedLength = 0;
  #guard: GuardState | undefined;
  #restarts = 0;

  constructor(options: NodeOptions, world: NodeWorld) {
    this.index = options.index;
    this.id = nodeId(options.index);
    this.options = options;
    this.world = world;
    // Powers change with heights and so do indices: a node is who is at its index at height 1.
    this.#address = validatorAt(options.validatorsAt(1), options.index).address;
    this.core = createConsensusCore(this.#coreOptions());
  }

  get address(): Uint8Array {
    return this.#address;
  }

  get height(): number {
    return this.core.view.height;
  }

  start(): void {
    this.#execute(this.core.step({ kind: "heightStarted", context: this.#context(1) }));
  }

  feed(input: ConsensusInput): void {
    if (input.kind === "heightStarted") this.#startLog();
    else this.#log.push(input);
    this.#execute(this.core.step(input));
  }

  /**
   * Loses all but what was synced: log and guard survive, the last `lost` peer messages and timeouts
   * of the log may not. Then replays.
   */
  crash(lost: number): void {
    const durable = Math.max(this.#log.findLastIndex(isOwn) + 1, this.#syncedLength);
    this.#log = this.#log.slice(0, Math.max(durable, this.#log.length - lost));
    this.answers = [];
    this.#restarts += 1;
    const height = Math.max(0, ...this.store.keys()) + 1;
    const wasApplied = this.core.view.height === height;
    this.core = createConsensusCore(this.#coreOptions());
    // The block was saved before it was applied: the executor finishes that first.
    if (!wasApplied) this.#startLog();
    const context = this.#context(height);
    const rewritten = this.options.rewriteLog?.(
      { options: this.#coreOptions(), context },
      this.#log,
    );
    if (rewritten !== undefined) this.#log = [...rewritten];
    this.core.step({ kind: "heightStarted", context });
    for (const input of this.#log) this.core.step(input);
    this.#execute(this.core.outstanding());
  }

  #startLog(): void {
    this.#log = [];
    this.#syncedLength = 0;
  }

  protected execute(effect: ConsensusEffect): void {
    switch (effect.kind) {
      case "scheduleTimeout":
        this.world.timerSet(this, effect);
        return;
      case "createBlock":
        this.answers.push(this.#created(effect));
        return;
      case "signProposal":
        this.answers.push({
          kind: "proposalSigned",
          height: effect.proposal.height,
          round: effect.proposal.round,
          proposal: this.#guarded(0, { ...effect.proposal, signature: SIGNATURE }),
        });
        return;
      case "validateBlock":
        this.answers.push(this.#validated(effect));
        return;
      case "signVote":
        this.answers.push(this.#voteSigned(effect));
        return;
      case "commitBlock":
        this.store.set(effect.height, effect);
        this.world.committed(this, effect);
        this.answers.push({ kind: "heightStarted", context: this.#context(effect.height + 1) });
        return;
      case "conflictingVotes":
        this.world.evidence(this, effect.second);
        return;
      case "gossipProposal":
      case "gossipPart":
      case "gossipVote":
        this.#gossip(effect);
        return;
      case "stepChanged":
      case "validBlockSeen":
      case "conflictingProposals":
      case "peerMisbehaved":
      case "inputIgnored":
        return;
      default:
        assertNever(effect, "effect");
    }
  }

  #execute(effects: readonly ConsensusEffect[]): void {
    for (const effect of effects) this.execute(effect);
  }

  #gossip(effect: Effect<"gossipProposal"> | Effect<"gossipPart"> | Effect<"gossipVote">): void {
    if (effect.origin !== undefined) return;
    const origin = this.id;
    if (effect.kind === "gossipVote") {
      this.world.broadcast(this, { kind: "voteReceived", vote: effect.vote, origin });
    } else if (effect.kind === "gossipPart") {
      const { height, round, part } = effect;
      this.world.broadcast(this, { kind: "partReceived", height, round, part, origin });
    } else {
      const { proposal } = effect;
      const signer = this.#address;
      this.world.broadcast(this, { kind: "proposalReceived", proposal, origin, signer });
    }
  }

  #created(effect: Effect<"createBlock">): ConsensusInput {
    const { height, round } = effect;
    assert(
      (effect.lastCommit === undefined) === (height === 1),
      "only height 1 has no last commit",
    );
    const tag = `${height}/${round} by ${this.index}, start ${this.#restarts}`;
    return { kind: "blockCreated", height, round, ...makeBlock(height, tag) };
  }

  #validated(effect: Effect<"validateBlock">): ConsensusInput {
    const { height, blockId, block } = effect;
    const isValid = block.header.height === height;
    const isAccepted = !this.options.isRefused({ block });
    return { kind: "blockValidated", height, blockId, isValid, isAccepted, reason: "" };
  }

  #voteSigned(effect: Effect<"signVote">): ConsensusInput {
    const { height, round, type, blockId, validatorIndex } = effect;
    const { isExtended } = this.options;
    const fields = { height, round, type, blockId, isExtended };
    const made = makeVote(this.options.validatorsAt(height), validatorIndex, fields);
    const vote = this.#guarded(type, made);
    if (vote !== undefined) this.world.signed(this, vote);
    return { kind: "voteSigned", height, round, type, vote };
  }

  /** The double-sign guard (spec §15.3): never backwards, never twice but for the same. */
  #guarded<Message extends Vote | Proposal>(step: number, message: Message): Message | undefined {
    const ordinal = [message.height, message.round, step] as const;
    const last = this.#guard;
    if (last !== undefined) {
      const order = compareOrdinals(ordinal, last.ordinal);
      if (order < 0) return undefined;
      if (order === 0 && blockKey(last.message.blockId) !== blockKey(message.blockId)) {
        return undefined;
      }
    }
    // What led to a signature is synced before it is made (spec §15.1).
    this.#syncedLength = this.#log.length;
    this.#guard = { ordinal, message };
    return message;
  }

  #context(height: number): HeightContext {
    const last = this.store.get(height - 1);
    const { isExtended, startDelayMs, validatorsAt } = this.options;
    return {
      height: Height(height),
      initialHeight: Height(1),
      validators: validatorsAt(height),
      lastValidators: height === 1 ? undefined : validatorsAt(height - 1),
      lastCommit: last?.commit,
      isExtended,
      wasLastExtended: height > 1 && isExtended,
      blockBytesMax: 1_048_576,
      needsProofBlock: height === 1,
      startDelayMs,
    };
  }

  #coreOptions(): ConsensusCoreOptions {
    return {
      ownAddress: this.#address,
      timeouts: {
        proposeMs: 30,
        proposeDeltaMs: 5,
        prevoteMs: 10,
        prevoteDeltaMs: 5,
        precommitMs: 10,
        precommitDeltaMs: 5,
      },
      createEmptyBlocks: true,
      createEmptyBlocksIntervalMs: 0,
      skipTimeoutCommit: this.options.skipTimeoutCommit,
    };
  }
}

export function nodeId(index: number): NodeId {
  return NodeId(index.toString(16).padStart(40, "0"));
}

/** Inputs that the engine syncs before it acts on them. */
function isOwn(input: ConsensusInput): boolean {
  return (
    input.kind === "voteSigned" || input.kind === "proposalSigned" || input.kind === "blockCreated"
  );
}

function compareOrdinals(
  a: readonly [number, number, number],
  b: readonly [number, number, number],
): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

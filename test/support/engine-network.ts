/** Engines of one chain in one process, each on its own directory, wired by an in-memory gossip. */
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Height, NodeId, type Round } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { SignedMsgType, type Vote } from "../../proto/types.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import type { Application } from "../../sequencer/abci/application.ts";
import type { OnCrashPoint } from "../../sequencer/engine/crash-points.ts";
import {
  openEngineHome,
  type EngineHome,
  type HomeWatch,
} from "../../sequencer/engine/engine-home.ts";
import { createEngine, type Engine, type EngineOptions } from "../../sequencer/engine/engine.ts";
import type { Genesis } from "../../sequencer/engine/genesis.ts";
import type { GossipSink } from "../../sequencer/engine/gossip-sink.ts";
import { type EngineMetrics, NULL_ENGINE_METRICS } from "../../sequencer/engine/metrics.ts";
import { createKeyFile } from "../../sequencer/engine/privval/key-file.ts";
import type { PrivValidator } from "../../sequencer/engine/privval/priv-validator.ts";
import { NULL_LOGGER, type Logger } from "../../sequencer/ports/logger.ts";
import type { FileSystem } from "../../sequencer/ports/file-system.ts";
import { NODE_FILE_SYSTEM } from "../../sequencer/ports/node-file-system.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { yieldToLoop } from "../../sequencer/ports/yield-to-loop.ts";
import { type CallWatch, watchCalls } from "./call-grammar.ts";
import { KvApplication } from "./kv-application.ts";

export interface TestNode {
  readonly id: NodeId;
  readonly engine: Engine;
  readonly application: KvApplication;
  /** What the engine has called since it was made; a call out of order fails, and halts it. */
  readonly calls: CallWatch;
  readonly home: EngineHome;
  /** Stops the engine and closes its files. */
  close(): Promise<void>;
}

export interface TestNodeOptions {
  readonly directory: string;
  readonly genesis: Genesis;
  readonly seed: Uint8Array | undefined;
  readonly engine?: Partial<EngineOptions>;
  readonly gossip?: (id: NodeId) => GossipSink;
  readonly onCrashPoint?: OnCrashPoint;
  readonly logger?: Logger;
  readonly configure?: (application: KvApplication) => void;
  /** Stands between the engine and the signer of the home. */
  readonly wrapSigner?: (signer: PrivValidator) => PrivValidator;
  readonly metrics?: EngineMetrics;
  /** Stands before each port that writes or sends. */
  readonly watch?: PortWatch;
}

export interface PortWatch extends HomeWatch {
  readonly log: FileSystem;
  application(application: Application): Application;
  gossip(sink: GossipSink): GossipSink;
}

export const FAST_TIMEOUTS = {
  proposeMs: 1_000,
  proposeDeltaMs: 200,
  prevoteMs: 200,
  prevoteDeltaMs: 100,
  precommitMs: 200,
  precommitDeltaMs: 100,
};

/** Opens the home and makes the engine; does not start it. */
export async function createTestNode(id: NodeId, options: TestNodeOptions): Promise<TestNode> {
  const { directory, genesis, seed } = options;
  await mkdir(directory, { recursive: true });
  const keyPath = join(directory, "priv_validator_key.json");
  const hasKey = await stat(keyPath).then(
    () => true,
    () => false,
  );
  if (seed !== undefined && !hasKey) createKeyFile(keyPath, seed);
  const home = await openEngineHome({
    dataDirectory: join(directory, "data"),
    privValidatorKeyPath: seed === undefined ? undefined : keyPath,
    ...(options.watch === undefined ? {} : { watch: options.watch }),
  });
  const sink = options.gossip?.(id) ?? SILENT;
  const application = await new KvApplication({ path: join(directory, "app.json") }).load();
  options.configure?.(application);
  const watched = watchCalls(options.watch?.application(application) ?? application);
  const engine = createEngine(
    {
      genesis,
      softwareVersion: "test",
      walDirectory: home.walDirectory,
      onWalCorruption: "refuse",
      timeouts: FAST_TIMEOUTS,
      timeoutCommitMs: 0,
      skipTimeoutCommit: false,
      createEmptyBlocks: true,
      createEmptyBlocksIntervalMs: 0,
      blockTimeToleranceMs: 60_000,
      doubleSignCheckHeight: 0,
      ...options.engine,
    },
    {
      ...home,
      application: watched.application,
      gossip: options.watch?.gossip(sink) ?? sink,
      verifier: createEd25519Verifier(),
      clock: createSystemClock(),
      yieldToLoop,
      fileSystem: options.watch?.log ?? NODE_FILE_SYSTEM,
      logger: options.logger ?? NULL_LOGGER,
      metrics: options.metrics ?? NULL_ENGINE_METRICS,
      hasTxs: () => application.pool.size > 0,
      onCrashPoint: options.onCrashPoint,
      ...(home.privValidator !== undefined && options.wrapSigner !== undefined
        ? { privValidator: options.wrapSigner(home.privValidator) }
        : {}),
    },
  );
  return {
    id,
    engine,
    application,
    calls: watched.watch,
    home,
    async close() {
      await engine.stop();
      await home.close();
    },
  };
}

const SILENT: GossipSink = {
  proposal: () => {},
  part: () => {},
  vote: () => {},
  hasVote: () => {},
  newRoundStep: () => {},
  newValidBlock: () => {},
  peerMisbehaved: () => {},
};

/**
 * Delivers what each engine says to all others, in its own turn of the loop, and brings those that
 * are behind up by pulling, as the consensus reactor does: stored blocks and their precommits to a
 * node at a lower height; proposal, parts and votes of the round to a node at the same height.
 */
export class MemoryGossip {
  readonly #nodes = new Map<NodeId, Engine>();
  /** As of the last `pullStalled`. */
  readonly #stalls = new Map<NodeId, { readonly height: number; readonly turns: number }>();
  /** The turn of `pull` under way. */
  #turn: Promise<void> | undefined;
  readonly misbehaviour: string[] = [];
  /** True cuts the link, in one direction. */
  isCut: (from: NodeId, to: NodeId) => boolean = () => false;
  /** What changes a vote on its way; undefined drops it. */
  tamper: (vote: Vote, from: NodeId, to: NodeId) => Vote | undefined = (vote) => vote;

  attach(id: NodeId, engine: Engine): void {
    this.#nodes.set(id, engine);
  }

  /** Resolves when no turn of `pull` reads of the node any more, so that its stores can be closed. */
  async detach(id: NodeId): Promise<void> {
    this.#nodes.delete(id);
    await this.#turn;
  }

  sink(id: NodeId): GossipSink {
    return {
      ...SILENT,
      proposal: (proposal, origin) => {
        if (origin === undefined) this.#toAll(id, (to) => to.receiveProposal(proposal, id));
      },
      part: (height, round, part, origin) => {
        if (origin === undefined) {
          this.#toAll(id, (to) => to.receivePart(height, round, part, id));
        }
      },
      vote: (vote, origin) => {
        if (origin === undefined) this.#voteToAll(id, vote);
      },
      peerMisbehaved: (peer, reason) => this.misbehaviour.push(`${peer}: ${reason}`),
    };
  }

  /** One turn of pulling for every pair of nodes; the one under way, if there is one. */
  pull(): Promise<void> {
    this.#turn ??= this.#pullAll().finally(() => {
      this.#turn = undefined;
    });
    return this.#turn;
  }

  async #pullAll(): Promise<void> {
    for (const from of this.#nodes) {
      for (const to of this.#nodes) await this.#pullPair(from, to);
    }
  }

  /**
   * Who is behind pulls from whoever is furthest; who has not come on for some calls, from one other, each time
   * from the next. A whole turn of `pull` costs the square of how many nodes there are.
   */
  async pullStalled(turn: number): Promise<void> {
    const all = [...this.#nodes];
    const furthest = all.reduce<(typeof all)[number] | undefined>(
      (best, one) =>
        best === undefined || one[1].view().height > best[1].view().height ? one : best,
      undefined,
    );
    for (const [index, node] of all.entries()) {
      const [id, engine] = node;
      const { height } = engine.view();
      const before = this.#stalls.get(id);
      const turns = before?.height === height ? before.turns + 1 : 0;
      this.#stalls.set(id, { height, turns });
      const next = all[(index + 1 + (turn % Math.max(1, all.length - 1))) % all.length];
      const isBehind = furthest !== undefined && furthest[1].view().height > height;
      const from = isBehind ? furthest : turns >= STALLED_TURNS ? next : undefined;
      if (from !== undefined) await this.#pullPair(from, node);
    }
  }

  async #pullPair(
    [fromId, from]: readonly [NodeId, Engine],
    [toId, to]: readonly [NodeId, Engine],
  ): Promise<void> {
    if (fromId === toId || this.isCut(fromId, toId)) return;
    if (from.status().catchingUp || to.status().catchingUp) return;
    if (to.view().height < from.view().height) await this.#sendStored(fromId, from, to);
    else if (to.view().height === from.view().height) this.#sendRound(fromId, toId, from, to);
  }

  async #sendStored(fromId: NodeId, from: Engine, to: Engine): Promise<void> {
    const { height, round } = to.view();
    const { blockStore } = from;
    const commit =
      (await blockStore.extendedCommit(height)) ?? (await blockStore.seenCommit(height));
    const meta = await blockStore.meta(height);
    if (commit === undefined || meta === undefined) return;
    const signatures =
      "extendedSignatures" in commit
        ? commit.extendedSignatures
        : commit.signatures.map((sig) => ({
            ...sig,
            extension: new Uint8Array(0),
            extensionSignature: new Uint8Array(0),
          }));
    for (const [validatorIndex, sig] of signatures.entries()) {
      if (sig.blockIdFlag !== 2) continue;
      const { validatorAddress, timestamp, signature, extension, extensionSignature } = sig;
      to.receiveVote(
        {
          type: SignedMsgType.PRECOMMIT,
          height,
          round: commit.round,
          blockId: commit.blockId,
          timestamp,
          validatorAddress,
          validatorIndex,
          signature,
          extension,
          extensionSignature,
        },
        fromId,
      );
    }
    for (let index = 0; index < meta.blockId.partSetHeader.total; index++) {
      const part = await blockStore.part(height, index);
      if (part !== undefined) to.receivePart(height, round, part, fromId);
    }
  }

  #sendRound(fromId: NodeId, toId: NodeId, from: Engine, to: Engine): void {
    const view = from.view();
    const target = to.view();
    const deliver = (vote: Vote | undefined): void => {
      const sent = vote && this.tamper(vote, fromId, toId);
      if (sent !== undefined) to.receiveVote(sent, fromId);
    };
    if (view.proposal !== undefined && view.round === target.round) {
      to.receiveProposal(view.proposal, fromId);
      const parts = view.proposalParts;
      for (let i = 0; i < (parts?.header.total ?? 0); i++) {
        const part = parts?.partAt(i);
        if (part !== undefined) to.receivePart(view.height, view.round, part, fromId);
      }
    }
    for (let round = target.round as number; round <= view.round; round++) {
      for (const type of [SignedMsgType.PREVOTE, SignedMsgType.PRECOMMIT] as const) {
        const votes = view.votes(round as Round, type);
        for (let i = 0; i < (votes?.size ?? 0); i++) deliver(votes?.voteAt(i));
      }
    }
    for (let i = 0; i < (view.lastCommit?.size ?? 0); i++) deliver(view.lastCommit?.voteAt(i));
  }

  #voteToAll(from: NodeId, vote: Vote): void {
    for (const to of this.#nodes.keys()) {
      this.#later(from, to, (engine) => {
        const sent = this.tamper(vote, from, to);
        if (sent !== undefined) engine.receiveVote(sent, from);
      });
    }
  }

  #toAll(from: NodeId, deliver: (engine: Engine) => void): void {
    for (const to of this.#nodes.keys()) this.#later(from, to, deliver);
  }

  #later(from: NodeId, to: NodeId, deliver: (engine: Engine) => void): void {
    if (from === to || this.isCut(from, to)) return;
    setImmediate(() => {
      const engine = this.#nodes.get(to);
      if (engine !== undefined) deliver(engine);
    });
  }
}

/** Calls of `pullStalled` that a height may take before the node is told again what others know. */
const STALLED_TURNS = 10;

export function testNodeId(index: number): NodeId {
  return NodeId(String(index).padStart(40, "0"));
}

/** Resolves when the node has committed `height`; rejects when it halts first. */
export function untilHeight(engine: Engine, height: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const check = (): boolean => {
      const { haltReason } = engine.status();
      if (haltReason !== undefined) reject(new Error(`halted: ${haltReason}`));
      else if (engine.view().height > height) resolve();
      else return false;
      return true;
    };
    if (check()) return;
    const stop = engine.events.on((event) => {
      if (event.kind !== "NewRoundStep" && event.kind !== "Halted") return;
      // The height is over once the core has begun the next.
      setImmediate(() => {
        if (check()) stop();
      });
    });
  });
}

/** Block hashes of a node, by height. */
export async function blockHashes(engine: Engine, to: number): Promise<readonly string[]> {
  const hashes: string[] = [];
  for (let height = 1; height <= to; height++) {
    const meta = await engine.blockStore.meta(Height(height));
    hashes.push(meta === undefined ? "none" : toHex(meta.blockId.hash));
  }
  return hashes;
}

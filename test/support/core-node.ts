/**
 * The real consensus core and the real consensus reactor on real sockets. The engine between them
 * is left out on purpose: nothing is signed, logged or executed, so that gossip alone is tested.
 */
import { randomBytes } from "node:crypto";
import { Height, type NodeId, Round } from "../../proto/brands.ts";
import { encodeBlock } from "../../proto/codec/block.ts";
import { assertNever } from "../../proto/errors.ts";
import { dataHash, headerHash } from "../../proto/hashes.ts";
import { splitIntoParts } from "../../proto/part-set.ts";
import {
  type Block,
  type BlockId,
  type BlockMeta,
  type Commit,
  type ConsensusParams,
  type ExtendedCommit,
  NIL_BLOCK_ID,
  type Part,
  type ValidatorSet,
} from "../../proto/types.ts";
import { createValidatorSet, incrementProposerPriority } from "../../proto/validator-set.ts";
import type { ConsensusCore } from "../../sequencer/consensus/consensus-core.ts";
import { createConsensusCore } from "../../sequencer/consensus/core.ts";
import type { ConsensusEffect } from "../../sequencer/consensus/effects.ts";
import type { ConsensusInput } from "../../sequencer/consensus/inputs.ts";
import type {
  BlockSource,
  HeldTxs,
  RoundStepMessage,
} from "../../sequencer/p2p/consensus/consensus-port.ts";
import {
  type ConsensusReactor,
  createConsensusReactor,
} from "../../sequencer/p2p/consensus/consensus-reactor.ts";
import { NULL_P2P_METRICS, type P2pMetrics } from "../../sequencer/p2p/metrics.ts";
import type { NodeKey } from "../../sequencer/p2p/node-key.ts";
import type { Reactor } from "../../sequencer/p2p/reactor.ts";
import type { SwitchOptions } from "../../sequencer/p2p/switch.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { createTestNode, type TestNode } from "./p2p.ts";

/** Fills a signature field; the core leaves checking to the engine. */
const SIGNATURE = new Uint8Array(64).fill(1);
const BLOCK_BYTES_MAX = 22_020_096;

const PARAMS: ConsensusParams = {
  block: { maxBytes: BigInt(BLOCK_BYTES_MAX), maxGas: -1n },
  evidence: { maxAgeBlocks: 100_000n, maxAgeDurationNanos: 0n, maxBytes: 0n },
  validator: { publicKeyTypes: ["ed25519"] },
  version: { app: 0n },
  abci: { voteExtensionsEnableHeight: Height(0) },
};

/** Equal validators with made-up keys. */
export function createTestValidators(count: number): ValidatorSet {
  return createValidatorSet(
    Array.from({ length: count }, () => ({
      publicKey: { type: "ed25519", bytes: new Uint8Array(randomBytes(32)) },
      votingPower: 10n,
    })),
  );
}

interface StoredBlock {
  readonly meta: BlockMeta;
  readonly parts: readonly Part[];
  readonly commit: ExtendedCommit;
}

/** Committed blocks; survives a restart of its node. */
export class TestStore implements BlockSource {
  readonly blocks: StoredBlock[] = [];
  base = (): Height => Height(this.blocks.length === 0 ? 0 : 1);
  height = (): Height => Height(this.blocks.length);
  async meta(height: Height): Promise<BlockMeta | undefined> {
    return this.blocks[height - 1]?.meta;
  }
  async part(height: Height, index: number): Promise<Part | undefined> {
    return this.blocks[height - 1]?.parts[index];
  }
  async seenCommit(height: Height): Promise<Commit | undefined> {
    const commit = this.blocks[height - 1]?.commit;
    return commit === undefined ? undefined : plainCommit(commit);
  }
  async extendedCommit(): Promise<ExtendedCommit | undefined> {
    return undefined;
  }
}

export interface CoreNodeOptions {
  readonly validators: ValidatorSet;
  /** Which validator this node is; undefined for a full node. */
  readonly validatorIndex: number | undefined;
  readonly store?: TestStore;
  /** Bytes of transactions in a block: a single random one, unless `blockTxs` makes them. */
  readonly blockBytes?: number;
  readonly blockTxs?: (height: Height) => readonly Uint8Array[];
  /** What the node holds of them before they come in a block; nothing when absent. */
  readonly txs?: HeldTxs;
  readonly metrics?: Partial<P2pMetrics>;
  /** Blocks are no longer begun after this height. */
  readonly stopAtHeight?: number;
  readonly timeoutCommitMs?: number;
  readonly timeoutProposeMs?: number;
  readonly timeoutVoteMs?: number;
  readonly key: NodeKey;
  readonly network?: Partial<SwitchOptions>;
  /** Beside the consensus reactor. */
  readonly reactors?: readonly Reactor[];
}

export interface CoreNode extends TestNode {
  readonly reactor: ConsensusReactor;
  readonly store: TestStore;
  readonly core: ConsensusCore;
  /** Messages handed to the core, by kind. */
  readonly received: Record<"proposal" | "part" | "vote" | "useless", number>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Whether a peer's message is of that height. */
function isForHeight(input: ConsensusInput, height: number): boolean {
  if (input.kind === "proposalReceived") return input.proposal.height === height;
  if (input.kind === "voteReceived") return input.vote.height === height;
  return input.kind === "partReceived" && input.height === height;
}

export function createCoreNode(options: CoreNodeOptions): CoreNode {
  const { validators, validatorIndex } = options;
  const clock = createSystemClock();
  const store = options.store ?? new TestStore();
  const own = validatorIndex === undefined ? undefined : validators.validators[validatorIndex];
  const core = createConsensusCore({
    ownAddress: own?.address,
    timeouts: {
      proposeMs: options.timeoutProposeMs ?? 3_000,
      proposeDeltaMs: 200,
      prevoteMs: options.timeoutVoteMs ?? 1_000,
      prevoteDeltaMs: 200,
      precommitMs: options.timeoutVoteMs ?? 1_000,
      precommitDeltaMs: 200,
    },
    createEmptyBlocks: true,
    createEmptyBlocksIntervalMs: 0,
    skipTimeoutCommit: false,
  });
  const received = { proposal: 0, part: 0, vote: 0, useless: 0 };
  const inputs: ConsensusInput[] = [];
  /** Peers' messages of the next height, which the core must not see before it starts. */
  const parked: ConsensusInput[] = [];
  let isStepping = false;
  let isRunning = false;
  let heightStartMs = clock.monotonicMs();
  let current = validators;

  const feed = (input: ConsensusInput): void => {
    inputs.push(input);
    if (isStepping || !isRunning) return;
    isStepping = true;
    for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) {
      if (isForHeight(next, core.view.height + 1)) {
        parked.push(next);
        continue;
      }
      for (const effect of core.step(next)) carryOut(effect);
      if (next.kind === "heightStarted") inputs.unshift(...parked.splice(0));
    }
    isStepping = false;
  };
  const later = (input: ConsensusInput): void => {
    queueMicrotask(() => feed(input));
  };
  const startHeight = (): void => {
    const height = store.blocks.length + 1;
    if (height > (options.stopAtHeight ?? Number.POSITIVE_INFINITY)) return;
    const last = store.blocks.at(-1);
    const lastValidators = last === undefined ? undefined : current;
    if (last !== undefined) current = incrementProposerPriority(current, 1);
    const startDelayMs = options.timeoutCommitMs ?? 0;
    heightStartMs = clock.monotonicMs() + startDelayMs;
    later({
      kind: "heightStarted",
      context: {
        height: Height(height),
        initialHeight: Height(1),
        validators: current,
        lastValidators,
        lastCommit: last?.commit,
        isExtended: false,
        wasLastExtended: false,
        blockBytesMax: BLOCK_BYTES_MAX,
        needsProofBlock: false,
        startDelayMs,
      },
    });
  };
  const carryOut = (effect: ConsensusEffect): void => {
    const { gossip } = reactor;
    switch (effect.kind) {
      case "scheduleTimeout": {
        const { height, round, step } = effect;
        timer?.cancel();
        timer = clock.after(effect.durationMs, () =>
          feed({ kind: "timeoutElapsed", height, round, step }),
        );
        return;
      }
      case "createBlock": {
        const { height, round } = effect;
        later({ kind: "blockCreated", height, round, ...createBlock(height) });
        return;
      }
      case "signProposal": {
        const proposal = { ...effect.proposal, signature: SIGNATURE };
        later({
          kind: "proposalSigned",
          height: proposal.height,
          round: proposal.round,
          proposal,
        });
        return;
      }
      case "validateBlock": {
        const { height, blockId } = effect;
        later({
          kind: "blockValidated",
          height,
          blockId,
          isValid: true,
          isAccepted: true,
          reason: "",
        });
        return;
      }
      case "signVote": {
        const { height, round, type, blockId, validatorIndex: index } = effect;
        later({
          kind: "voteSigned",
          height,
          round,
          type,
          vote: {
            type,
            height,
            round,
            blockId,
            timestamp: { seconds: BigInt(height), nanos: 0 },
            validatorAddress: own?.address ?? new Uint8Array(20),
            validatorIndex: index,
            signature: SIGNATURE,
            extension: new Uint8Array(0),
            extensionSignature: new Uint8Array(0),
          },
        });
        return;
      }
      case "gossipProposal":
        gossip.proposal(effect.proposal, effect.origin);
        return;
      case "gossipPart":
        gossip.part(effect.height, effect.round, effect.part, effect.origin);
        return;
      case "gossipVote":
        gossip.vote(effect.vote, effect.origin);
        gossip.hasVote(effect.vote);
        return;
      case "stepChanged":
        gossip.newRoundStep(roundStep());
        return;
      case "validBlockSeen":
        gossip.newValidBlock(effect);
        return;
      case "conflictingVotes":
      case "conflictingProposals":
        return;
      case "peerMisbehaved":
        gossip.peerMisbehaved(effect.peer, effect.reason);
        return;
      case "inputIgnored":
        received.useless += 1;
        return;
      case "commitBlock":
        store.blocks.push({
          meta: {
            blockId: effect.blockId,
            blockSizeBytes: 0,
            header: effect.block.header,
            txCount: effect.block.txs.length,
          },
          parts: effect.parts,
          commit: effect.commit,
        });
        startHeight();
        return;
      default:
        assertNever(effect, "effect");
    }
  };
  let timer: { cancel(): void } | undefined;

  const createBlock = (
    height: Height,
  ): { block: Block; blockId: BlockId; parts: readonly Part[] } => {
    const { blockBytes } = options;
    const txs = options.blockTxs?.(height) ?? (blockBytes ? [randomBytes(blockBytes)] : []);
    const commit = store.blocks.at(-1)?.commit;
    const block: Block = {
      header: {
        version: { block: 11n, app: 0n },
        chainId: "test-chain",
        height,
        time: { seconds: BigInt(height), nanos: 0 },
        lastBlockId: store.blocks.at(-1)?.meta.blockId ?? NIL_BLOCK_ID,
        lastCommitHash: new Uint8Array(32),
        dataHash: dataHash(txs),
        validatorsHash: new Uint8Array(32),
        nextValidatorsHash: new Uint8Array(32),
        consensusHash: new Uint8Array(32),
        appHash: new Uint8Array(0),
        lastResultsHash: new Uint8Array(32),
        evidenceHash: new Uint8Array(32),
        proposerAddress: own?.address ?? new Uint8Array(20),
      },
      txs,
      evidence: [],
      lastCommit:
        commit === undefined
          ? { height: Height(0), round: Round(0), blockId: NIL_BLOCK_ID, signatures: [] }
          : plainCommit(commit),
    };
    const { header, parts } = splitIntoParts(encodeBlock(block));
    return {
      block,
      blockId: { hash: headerHash(block.header), partSetHeader: header },
      parts,
    };
  };
  const roundStep = (): RoundStepMessage => {
    const { view } = core;
    return {
      height: view.height,
      round: view.round,
      step: view.step,
      secondsSinceStartTime: Math.trunc((clock.monotonicMs() - heightStartMs) / 1_000),
      lastCommitRound: view.lastCommit?.round ?? Round(-1),
    };
  };
  const reactor = createConsensusReactor({
    consensus: {
      receiveProposal(proposal, origin: NodeId) {
        received.proposal += 1;
        // Whose key the engine would have checked; the rotation of the next height is known early.
        const signer =
          proposal.height === core.view.height
            ? core.view.proposer
            : incrementProposerPriority(current, 1).proposer.address;
        later({ kind: "proposalReceived", proposal, origin, signer });
      },
      receivePart(height, round, part, origin) {
        received.part += 1;
        later({ kind: "partReceived", height, round, part, origin });
      },
      receiveVote(vote, origin) {
        received.vote += 1;
        later({ kind: "voteReceived", vote, origin });
      },
      receiveMajorityClaim: (height, round, type, blockId, origin) =>
        later({ kind: "majorityClaimed", height, round, type, blockId, origin }),
      view: () => core.view,
      roundStep,
      status: () => ({ catchingUp: core.view.height === 0 }),
      chainState: () => ({
        initialHeight: Height(1),
        lastBlockHeight: store.height(),
        consensusParams: PARAMS,
      }),
    },
    blocks: store,
    txs: options.txs,
    clock,
    logger: NULL_LOGGER,
    metrics: { ...NULL_P2P_METRICS, ...options.metrics },
  });
  const node = createTestNode(options.network, options.key, [reactor, ...(options.reactors ?? [])]);
  return {
    ...node,
    reactor,
    store,
    core,
    received,
    async start() {
      isRunning = true;
      reactor.start();
      startHeight();
      await node.network.start();
    },
    async stop() {
      isRunning = false;
      timer?.cancel();
      reactor.stop();
      await node.network.stop();
    },
  };
}

function plainCommit(commit: ExtendedCommit): Commit {
  const { height, round, blockId, extendedSignatures } = commit;
  const signatures = extendedSignatures.map(
    ({ blockIdFlag, validatorAddress, timestamp, signature }) => ({
      blockIdFlag,
      validatorAddress,
      timestamp,
      signature,
    }),
  );
  return { height, round, blockId, signatures };
}

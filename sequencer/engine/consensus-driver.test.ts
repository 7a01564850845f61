import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Height, NodeId, Round } from "../../proto/brands.ts";
import { bytesEqual, EMPTY_BYTES } from "../../proto/bytes.ts";
import {
  type BlockId,
  BlockIdFlag,
  NIL_BLOCK_ID,
  SignedMsgType,
  type VoteType,
  ZERO_TIME,
} from "../../proto/types.ts";
import {
  buildChain,
  signedVote,
  testGenesis,
  testKeys,
  testState,
} from "../../test/support/chain-builder.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { createConsensusCore } from "../consensus/core.ts";

import { DEFAULT_CONSENSUS_TIMEOUTS } from "../consensus/options.ts";
import { Step } from "../consensus/step.ts";
import type { Clock } from "../ports/clock.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import { NODE_FILE_SYSTEM } from "../ports/node-file-system.ts";
import { createSystemClock } from "../ports/system-clock.ts";
import { yieldToLoop } from "../ports/yield-to-loop.ts";
import type { BlockStore } from "../store/block-store.ts";
import type { BlockExecutor } from "./block-executor.ts";
import { ConsensusDriver } from "./consensus-driver.ts";
import { createEventBus } from "./event-bus.ts";
import { NULL_GOSSIP_SINK } from "./gossip-sink.ts";
import { heightContext } from "./height-context.ts";
import { InputQueue, type PeerInput } from "./input-queue.ts";
import { NULL_ENGINE_METRICS } from "./metrics.ts";
import { loadLoggedHeight } from "./replay.ts";
import { openWriteAheadLog, type WriteAheadLog } from "./wal/write-ahead-log.ts";

const KEYS = testKeys(4);
const GENESIS = testGenesis(KEYS);
const PEER = NodeId("ab".repeat(20));
const OPTIONS = {
  ownAddress: undefined,
  timeouts: DEFAULT_CONSENSUS_TIMEOUTS,
  createEmptyBlocks: true,
  createEmptyBlocksIntervalMs: 0,
  skipTimeoutCommit: true,
};

let directory = "";
let wal: WriteAheadLog;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "weft-driver-"));
  const deps = {
    logger: NULL_LOGGER,
    clock: createSystemClock(),
    metrics: NULL_ENGINE_METRICS,
    fileSystem: NODE_FILE_SYSTEM,
  };
  wal = await openWriteAheadLog({ directory, onCorruption: "refuse" }, deps);
});
afterEach(async () => {
  await wal.close();
  await rm(directory, { recursive: true, force: true });
});

/** A node without a key, in front of height 1. */
function setup(options: { readonly timeoutCommitMs: number; readonly clock?: Clock }) {
  const [built] = buildChain(KEYS, 1, GENESIS);
  if (built === undefined) throw new Error("there is no block");
  const core = createConsensusCore(OPTIONS);
  const queue = new InputQueue();
  const nobody = async () => {
    throw new Error("a node without a key is not asked");
  };
  const executor: BlockExecutor = {
    createProposalBlock: nobody,
    findFault: async () => undefined,
    timeFault: () => undefined,
    processProposal: async () => ({ accept: true }),
    extendVote: nobody,
    verifyVoteExtension: nobody,
    async applyBlock(_state, _block, _blockId, isStored) {
      await isStored;
      return built.stateAfter;
    },
    finishApplied: nobody,
    followState: nobody,
    replayToApplication: nobody,
  };
  const blockStore: BlockStore = {
    base: () => Height(0),
    height: () => Height(0),
    bootstrap: async () => {},
    save: async () => {},
    meta: async () => undefined,
    block: async () => undefined,
    blockBytes: async () => undefined,
    part: async () => undefined,
    heightByHash: async () => undefined,
    commit: async () => undefined,
    seenCommit: async () => undefined,
    extendedCommit: async () => undefined,
    prune: async () => 0,
    removeLast: nobody,
    close: async () => {},
  };
  const driver = new ConsensusDriver(
    { timeoutCommitMs: options.timeoutCommitMs, ownAddress: undefined, startsSuspended: false },
    {
      core,
      queue,
      wal,
      executor,
      blockStore,
      evidencePool: { reportConflict: () => {} },
      ownMessages: undefined,
      gossip: NULL_GOSSIP_SINK,
      events: createEventBus(),
      clock: options.clock ?? createSystemClock(),
      yieldToLoop,
      logger: NULL_LOGGER,
      metrics: NULL_ENGINE_METRICS,
      hasTxs: () => false,
      onHeightStarted: () => {},
    },
    testState(GENESIS),
  );
  return { built, core, queue, driver };
}

test("a height that its last precommit started is replayed as it was", async () => {
  const { built, core, queue, driver } = setup({ timeoutCommitMs: 60_000 });
  await driver.start();
  // The next height waits for a minute, unless all precommits are in.
  const { blockId, parts, stateAfter } = built;
  const [height, round] = [Height(1), Round(0)];
  const precommits = KEYS.map((key): PeerInput => {
    const timestamp = { seconds: 1_700_000_009n, nanos: 0 };
    const vote = { type: SignedMsgType.PRECOMMIT, height, round, blockId, timestamp };
    return {
      kind: "voteReceived",
      vote: signedVote(key, driver.state.validators, vote),
      origin: PEER,
    };
  });
  const signer = core.view.proposer;
  const polRound = Round(-1);
  const timestamp = { seconds: 1_700_000_008n, nanos: 0 };
  const proposal = { height, round, polRound, blockId, timestamp, signature: new Uint8Array(64) };
  queue.pushPeer({ kind: "proposalReceived", proposal, origin: PEER, signer });
  for (const part of parts) {
    queue.pushPeer({ kind: "partReceived", height, round, part, origin: PEER });
  }
  for (const input of precommits.slice(0, 2)) queue.pushPeer(input);
  await vi.waitFor(async () => {
    const { inputs } = await loadLoggedHeight(testState(GENESIS), wal, NULL_LOGGER);
    expect(inputs.map(({ kind }) => kind)).toContain("blockValidated");
  });
  // One batch: the third decides, the fourth is of the last height when it is stepped.
  for (const input of precommits.slice(2)) queue.pushPeer(input);
  await vi.waitFor(() => expect(core.view.height).toBe(2));
  await vi.waitFor(() => expect(core.view.step).toBe(Step.PROPOSE));
  await driver.stop();

  const logged = await loadLoggedHeight(stateAfter, wal, NULL_LOGGER);
  expect(logged.inputs).toEqual([precommits[3]]);
  const again = createConsensusCore(OPTIONS);
  const seen = core.view.lastCommit;
  expect(seen?.sum).toBe(stateAfter.lastValidators?.totalVotingPower);
  // The commit as it was stored, before the last precommit came.
  const none = { extension: EMPTY_BYTES, extensionSignature: EMPTY_BYTES };
  const absent = {
    blockIdFlag: BlockIdFlag.ABSENT,
    validatorAddress: EMPTY_BYTES,
    timestamp: ZERO_TIME,
    signature: EMPTY_BYTES,
  };
  const extendedSignatures = built.seenCommit.signatures.map((sig) => {
    const isLast = bytesEqual(sig.validatorAddress, KEYS[3]?.address ?? EMPTY_BYTES);
    return { ...(isLast ? absent : sig), ...none };
  });
  const lastCommit = { ...built.seenCommit, extendedSignatures };
  const context = heightContext(stateAfter, lastCommit, undefined, logged.startDelayMs ?? 0);
  again.step({ kind: "heightStarted", context });
  expect(again.view.step).toBe(Step.NEW_HEIGHT);
  for (const input of logged.inputs) again.step(input);
  expect(again.view.step).toBe(Step.PROPOSE);
});

test("a wait for votes ends when all votes are in, and not before", async () => {
  const clock = createManualClock();
  const { built, core, queue, driver } = setup({ timeoutCommitMs: 0, clock });
  const [height, round] = [Height(1), Round(0)];
  const timestamp = { seconds: 1_700_000_009n, nanos: 0 };
  const vote = (i: number, type: VoteType, blockId: BlockId): PeerInput => {
    const key = KEYS[i];
    if (key === undefined) throw new Error("there are four");
    const unsigned = { type, height, round, blockId, timestamp };
    return {
      kind: "voteReceived",
      vote: signedVote(key, driver.state.validators, unsigned),
      origin: PEER,
    };
  };
  const reaches = async (wanted: Step, inRound = 0): Promise<void> => {
    await vi.waitFor(() => expect([core.view.round, core.view.step]).toEqual([inRound, wanted]));
  };
  await driver.start();
  await clock.advance(1);
  await reaches(Step.PROPOSE);
  // Three seconds for a proposal that does not come; votes of two halves that saw different things.
  await clock.advance(3_000);
  await reaches(Step.PREVOTE);
  for (let i = 0; i < 3; i++) {
    queue.pushPeer(vote(i, SignedMsgType.PREVOTE, i < 2 ? built.blockId : NIL_BLOCK_ID));
  }
  await reaches(Step.PREVOTE_WAIT);
  await clock.advance(999);
  expect(core.view.step).toBe(Step.PREVOTE_WAIT);
  queue.pushPeer(vote(3, SignedMsgType.PREVOTE, NIL_BLOCK_ID));
  await reaches(Step.PRECOMMIT);
  for (let i = 0; i < 4; i++) queue.pushPeer(vote(i, SignedMsgType.PRECOMMIT, NIL_BLOCK_ID));
  await reaches(Step.PROPOSE, 1);
  await driver.stop();
});

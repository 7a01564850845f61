/** What state sync leaves behind is a home that engine and block sync go on from. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Height, Round } from "../../../proto/brands.ts";
import { utf8ToBytes } from "../../../proto/bytes.ts";
import { sha256 } from "../../../proto/hash.ts";
import { SignedMsgType, type Evidence } from "../../../proto/types.ts";
import { blockIdKey } from "../../../proto/validate-basic.ts";
import { createEd25519Verifier } from "../../../proto/verify/ed25519.ts";
import {
  signedVote,
  testGenesis,
  testKeys,
  testState,
} from "../../../test/support/chain-builder.ts";
import { createTestNode, testNodeId, type TestNode } from "../../../test/support/engine-network.ts";
import { eventually } from "../../../test/support/loopback.ts";
import { buildKvChain } from "../../../test/support/kv-chain.ts";
import { memoryStore } from "../../../test/support/memory-store.ts";
import { SyncPeers } from "../../../test/support/sync-peers.ts";
import { NULL_LOGGER } from "../../ports/logger.ts";
import { createSystemClock } from "../../ports/system-clock.ts";
import { yieldToLoop } from "../../ports/yield-to-loop.ts";
import type { BlockStore } from "../../store/block-store.ts";
import type { ChainState } from "../../store/chain-state.ts";
import { blockRequest } from "../abci-requests.ts";
import { createBlockSync } from "../block-sync/block-sync.ts";
import { advanceChainState } from "../chain-state.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "../consensus-params.ts";
import { createEvidencePool } from "../evidence/evidence-pool.ts";
import { NULL_BLOCK_SYNC_METRICS, NULL_ENGINE_METRICS } from "../metrics.ts";

const KEYS = testKeys(2);
const CHAIN_HEIGHT = 60;
const EXTENDED_FROM = 40;
const DOUBLE_VOTE_AT = 20;
const PUNISHED_AT = 55;
const GENESIS = testGenesis(KEYS, {
  consensusParams: {
    ...DEFAULT_CONSENSUS_PARAMS,
    abci: { voteExtensionsEnableHeight: Height(EXTENDED_FROM) },
  },
});

let root = "";
let donor: BlockStore;
let count = 0;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "weft-statesync-"));
  donor = await buildKvChain(
    KEYS,
    GENESIS,
    CHAIN_HEIGHT,
    (height) => [utf8ToBytes(`key${height}=value`)],
    async (height, chain) => (height === PUNISHED_AT ? [await doubleVote(chain)] : []),
  );
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
afterAll(async () => {
  await donor.close();
  await rm(root, { recursive: true, force: true });
});

/** Key 0 voted twice long before any snapshot of this test was taken. */
async function doubleVote(chain: BlockStore): Promise<Evidence> {
  const height = Height(DOUBLE_VOTE_AT);
  const timestamp = (await chain.meta(height))?.header.time;
  const [key] = KEYS;
  if (timestamp === undefined || key === undefined) throw new Error("no such block");
  const { validators } = testState(GENESIS);
  const voteFor = (name: string) => {
    const hash = sha256(utf8ToBytes(name));
    const blockId = { hash, partSetHeader: { total: 1, hash } };
    const type = SignedMsgType.PREVOTE;
    return signedVote(key, validators, { type, height, round: Round(0), blockId, timestamp });
  };
  const [voteA, voteB] = [voteFor("one"), voteFor("two")].toSorted((a, b) =>
    Buffer.compare(blockIdKey(a.blockId), blockIdKey(b.blockId)),
  );
  const validatorPower = validators.validators[voteA?.validatorIndex ?? 0]?.votingPower;
  if (voteA === undefined || voteB === undefined || validatorPower === undefined) {
    throw new Error("no votes");
  }
  const { totalVotingPower } = validators;
  return { kind: "duplicateVote", voteA, voteB, totalVotingPower, validatorPower, timestamp };
}

/** A node whose application is at `height`, as a snapshot leaves it; the chain's state there. */
async function restoredNode(height: number): Promise<{ node: TestNode; state: ChainState }> {
  const directory = join(root, `node ${count++}`);
  const node = await openNode(directory);
  let state = testState(GENESIS);
  for (let at = 1; at <= height; at++) {
    const block = await donor.block(Height(at));
    const meta = await donor.meta(Height(at));
    if (block === undefined || meta === undefined) throw new Error(`no block ${at}`);
    const { blockId } = meta;
    const request = blockRequest(block, blockId.hash, state.lastValidators);
    const response = await node.application.finalizeBlock(request);
    await node.application.commit();
    state = advanceChainState(state, blockId, block.header, response);
  }
  const commit = await donor.seenCommit(Height(height));
  if (commit === undefined) throw new Error("no seen commit");
  await node.home.blockStore.bootstrap(commit);
  await node.home.stateStore.bootstrap({
    ...state,
    lastHeightValidatorsChanged: Height(height + 2),
    lastHeightConsensusParamsChanged: Height(height + 1),
  });
  return { node, state };
}

function openNode(directory: string, startsSuspended = true): Promise<TestNode> {
  return createTestNode(testNodeId(1), {
    directory,
    genesis: GENESIS,
    seed: sha256(utf8ToBytes("key 1")),
    engine: { startsSuspended },
  });
}

async function start(node: TestNode): Promise<void> {
  closing.push(() => node.close());
  await node.engine.start();
}

function follow({ engine }: TestNode): { hasResumed: () => boolean } {
  let hasResumed = false;
  const peers = new SyncPeers();
  peers.add(testNodeId(11), { store: donor });
  const blockSync = createBlockSync(
    { returnDistance: 10, expectedPeers: 1 },
    {
      target: engine.syncTarget(),
      network: peers,
      verifier: createEd25519Verifier(),
      clock: createSystemClock(),
      yieldToLoop,
      logger: NULL_LOGGER,
      metrics: NULL_BLOCK_SYNC_METRICS,
      onCaughtUp: () => (hasResumed = true),
    },
  );
  peers.attach(blockSync);
  blockSync.start();
  closing.push(() => blockSync.stop());
  return { hasResumed: () => hasResumed };
}

describe.each([
  ["before vote extensions", 30],
  ["just before vote extensions", EXTENDED_FROM - 1],
  ["with vote extensions", 50],
])("a state restored %s", (_, height) => {
  test("behavior: block sync goes on after it, then consensus", async () => {
    const { node, state } = await restoredNode(height);
    await start(node);
    const { engine } = node;
    expect(engine.blockStore.height()).toBe(0);
    expect(engine.status()).toMatchObject({ height, catchingUp: true });
    expect(engine.syncTarget().needsBlock()).toBe(height >= EXTENDED_FROM);
    const { stateStore } = engine;
    expect(await stateStore.validators(Height(height))).toEqual(state.lastValidators);
    expect(await stateStore.validators(Height(height + 1))).toEqual(state.validators);
    expect(await stateStore.validators(Height(height + 2))).toEqual(state.nextValidators);
    expect(await stateStore.consensusParams(Height(height + 1))).toEqual(state.consensusParams);
    expect(await stateStore.validators(Height(height - 1))).toBeUndefined();
    const { hasResumed } = follow(node);
    await eventually(() => hasResumed(), "consensus goes on");
    expect(engine.status().haltReason).toBeUndefined();
    expect(engine.blockStore.base()).toBe(height + 1);
    // The last block has nobody above it that proves it.
    for (let at = height + 1; at < CHAIN_HEIGHT; at++) {
      const [got, expected] = [
        await engine.blockStore.meta(Height(at)),
        await donor.meta(Height(at)),
      ];
      expect(got?.blockId, `block ${at}`).toEqual(expected?.blockId);
      // Sets after the restored ones come from the one stored in full.
      expect(await stateStore.validators(Height(at)), `validators ${at}`).toBeDefined();
    }
    expect(await engine.blockStore.meta(Height(height))).toBeUndefined();
  });
});

describe("evidence of a height that was never here", () => {
  test("behavior: is taken as decided in a block that +2/3 signed, and refused in a proposal", async () => {
    const { node } = await restoredNode(50);
    await start(node);
    const { hasResumed } = follow(node);
    await eventually(() => hasResumed(), "consensus goes on");
    const block = await node.engine.blockStore.block(Height(PUNISHED_AT));
    expect(block?.evidence.length).toBe(1);
    expect(node.engine.status().haltReason).toBeUndefined();
    const pool = createEvidencePool({
      store: memoryStore(),
      blockStore: node.engine.blockStore,
      stateStore: node.engine.stateStore,
      verifier: createEd25519Verifier(),
      incomingVerifier: createEd25519Verifier(),
      logger: NULL_LOGGER,
      metrics: NULL_ENGINE_METRICS,
    });
    const fault = await pool.check(node.engine.chainState(), block?.evidence ?? []);
    expect(fault).toMatchObject({ isTolerable: true });
  });
});

describe("a restored home", () => {
  test("behavior: a restart before the first block goes on like the first start", async () => {
    const { node } = await restoredNode(50);
    await start(node);
    for (const close of closing.splice(0)) await close();
    const again = await openNode(join(root, `node ${count - 1}`));
    await start(again);
    expect(again.engine.syncTarget().needsBlock()).toBe(true);
    const { hasResumed } = follow(again);
    await eventually(() => hasResumed(), "consensus goes on");
    expect(again.engine.chainState().lastBlockHeight).toBeGreaterThan(50);
  });

  test("error: without block sync, consensus says what it lacks", async () => {
    const { node } = await restoredNode(50);
    await node.close();
    const again = await openNode(join(root, `node ${count - 1}`), false);
    closing.push(() => again.close());
    await expect(again.engine.start()).rejects.toThrow(
      /the commit of block 50 with its vote extensions is missing/,
    );
  });

  test("error: an application that is elsewhere is refused", async () => {
    const { node } = await restoredNode(50);
    const block = await donor.block(Height(51));
    const meta = await donor.meta(Height(51));
    if (block === undefined || meta === undefined) throw new Error("no block 51");
    await node.application.finalizeBlock(blockRequest(block, meta.blockId.hash, undefined));
    await node.application.commit();
    closing.push(() => node.close());
    await expect(node.engine.start()).rejects.toThrow(/the application is ahead/);
  });
});

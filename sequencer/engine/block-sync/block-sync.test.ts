import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Height } from "../../../proto/brands.ts";
import { bytesEqual, utf8ToBytes } from "../../../proto/bytes.ts";
import { sha256 } from "../../../proto/hash.ts";
import { createEd25519Verifier } from "../../../proto/verify/ed25519.ts";
import { testGenesis, testKeys } from "../../../test/support/chain-builder.ts";
import {
  createTestNode,
  MemoryGossip,
  testNodeId,
  untilHeight,
  type TestNode,
  type TestNodeOptions,
} from "../../../test/support/engine-network.ts";
import { eventually } from "../../../test/support/loopback.ts";
import { buildKvChain } from "../../../test/support/kv-chain.ts";
import { type SyncAnswer, SyncPeers } from "../../../test/support/sync-peers.ts";
import { NULL_LOGGER } from "../../ports/logger.ts";
import { createSystemClock } from "../../ports/system-clock.ts";
import { yieldToLoop } from "../../ports/yield-to-loop.ts";
import type { BlockStore } from "../../store/block-store.ts";
import type { Engine } from "../engine.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "../consensus-params.ts";
import { NULL_BLOCK_SYNC_METRICS } from "../metrics.ts";
import { type BlockSync, createBlockSync } from "./block-sync.ts";

const KEYS = testKeys(2);
const SEEDS = KEYS.map((_, i) => sha256(utf8ToBytes(`key ${i}`)));
const CHAIN_HEIGHT = 300;
/** Where most tests end. */
const SHORT = 60;
/** Key 0 alone decides; key 1 is a validator whom nobody needs. */
const GENESIS = (() => {
  const genesis = testGenesis(KEYS, {
    consensusParams: {
      ...DEFAULT_CONSENSUS_PARAMS,
      abci: { voteExtensionsEnableHeight: Height(40) },
    },
  });
  const validators = genesis.validators.map((one, i) => ({ ...one, power: i === 0 ? 90n : 10n }));
  return { ...genesis, validators };
})();
const [HONEST, OTHER, THIRD] = [testNodeId(11), testNodeId(12), testNodeId(13)];

let root = "";
let donor: BlockStore;
let count = 0;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "weft-blocksync-"));
  donor = await buildKvChain(KEYS, GENESIS, CHAIN_HEIGHT, (height) => [
    utf8ToBytes(`key${height}=value`),
    // A block of several parts; the application refuses and forgets what it holds.
    ...(height === 7 ? [new Uint8Array(150_000)] : []),
  ]);
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
afterAll(async () => {
  await donor.close();
  await rm(root, { recursive: true, force: true });
});

async function openNode(index: number, options: Partial<TestNodeOptions> = {}): Promise<TestNode> {
  count += 1;
  return createTestNode(testNodeId(index), {
    directory: join(root, `node ${count}`),
    genesis: GENESIS,
    seed: SEEDS[index],
    ...options,
  });
}

function sync(engine: Engine, peers: SyncPeers, returnDistance = 10): BlockSync {
  const blockSync = createBlockSync(
    { returnDistance, expectedPeers: peers.peers().length },
    {
      target: engine.syncTarget(),
      network: peers,
      verifier: createEd25519Verifier(),
      clock: createSystemClock(),
      yieldToLoop,
      logger: NULL_LOGGER,
      metrics: NULL_BLOCK_SYNC_METRICS,
    },
  );
  peers.attach(blockSync);
  blockSync.start();
  closing.push(() => blockSync.stop());
  return blockSync;
}

/** A node with an empty disk, about to sync. */
async function joiner(options: Partial<TestNodeOptions> = {}): Promise<TestNode> {
  const node = await openNode(1, { engine: { startsSuspended: true }, ...options });
  closing.push(() => node.close());
  await node.engine.start();
  return node;
}

async function expectDonorsChain({ engine }: TestNode, height: number): Promise<void> {
  for (let at = Height(1); at <= height; at = Height(at + 1)) {
    const [got, expected] = await Promise.all([engine.blockStore.meta(at), donor.meta(at)]);
    expect(got?.blockId, `block ${at}`).toEqual(expected?.blockId);
  }
}

const claims = () => SHORT;
const isOver =
  ({ engine }: TestNode) =>
  () =>
    !engine.status().catchingUp;

/** The first transaction of a block, changed. */
function tampered(answer: SyncAnswer): SyncAnswer {
  const block = { ...answer.block, txs: [utf8ToBytes("evil=1"), ...answer.block.txs] };
  return { ...answer, block };
}

describe("a node with an empty disk", () => {
  test("fetches the chain, then decides with the others", async () => {
    const node = await joiner();
    expect(node.engine.status()).toMatchObject({ height: 0, catchingUp: true });
    const peers = new SyncPeers();
    peers.add(HONEST, { store: donor });
    sync(node.engine, peers);
    await eventually(isOver(node), "the node catches up");
    const { height } = node.engine.status();
    expect(height).toBeGreaterThanOrEqual(CHAIN_HEIGHT - 3);
    await expectDonorsChain(node, height);
    expect(node.application.value("key3")).toBe("value");
    expect(node.engine.view().height).toBe(height + 1);
    const extended = await node.engine.blockStore.extendedCommit(Height(50));
    expect(extended).toEqual(await donor.extendedCommit(Height(50)));
    expect(await node.engine.blockStore.extendedCommit(Height(39))).toBeUndefined();
    expect(peers.dropped).toEqual([]);
  });

  test("drops the peer that serves a tampered block, and only that one", async () => {
    const node = await joiner();
    const peers = new SyncPeers();
    peers.add(HONEST, { store: donor, claims });
    peers.add(OTHER, {
      store: donor,
      claims,
      bend: (answer) => (isAt(answer, 30) ? tampered(answer) : answer),
    });
    peers.add(THIRD, { store: donor, claims });
    sync(node.engine, peers);
    await eventually(isOver(node), "the node catches up");
    await expectDonorsChain(node, SHORT - 3);
    expect(peers.dropped).toMatchObject([{ peer: OTHER }]);
  });

  test("is not held by peers that lie about commits, extensions and heights", async () => {
    const node = await joiner();
    const peers = new SyncPeers();
    const liars: ((answer: SyncAnswer) => SyncAnswer)[] = [
      ({ block, extendedCommit }) => {
        const signatures = block.lastCommit.signatures.map((sig) => ({
          ...sig,
          signature: new Uint8Array(64).fill(7),
        }));
        return {
          block: { ...block, lastCommit: { ...block.lastCommit, signatures } },
          extendedCommit,
        };
      },
      ({ block }) => ({ block, extendedCommit: undefined }),
      ({ block, extendedCommit }) => ({
        block,
        extendedCommit: extendedCommit && { ...extendedCommit, extendedSignatures: [] },
      }),
    ];
    for (const [i, bend] of liars.entries()) {
      peers.add(testNodeId(20 + i), { store: donor, claims, bend });
    }
    peers.add(testNodeId(30), { store: donor, claims: () => 1_000_000, heightMax: SHORT });
    peers.add(HONEST, { store: donor, claims });
    sync(node.engine, peers);
    await eventually(isOver(node), "the node catches up");
    await expectDonorsChain(node, SHORT - 3);
    expect(peers.dropped.map(({ peer }) => peer)).not.toContain(HONEST);
    expect(peers.dropped.length).toBeGreaterThan(0);
  });

  test("goes on after a crash in the middle", async () => {
    const directory = join(root, "crash");
    const first = await openNode(1, { directory, engine: { startsSuspended: true } });
    await first.engine.start();
    const peers = new SyncPeers();
    peers.add(HONEST, { store: donor, claims });
    const following = sync(first.engine, peers);
    await eventually(() => first.engine.status().height >= 30, "half of the chain");
    await following.stop();
    await first.close();
    const second = await joiner({ directory });
    expect(second.engine.status().height).toBeGreaterThanOrEqual(30);
    const more = new SyncPeers();
    more.add(HONEST, { store: donor, claims });
    sync(second.engine, more);
    await eventually(isOver(second), "the rest of the chain");
    await expectDonorsChain(second, SHORT - 3);
    expect(Math.min(...more.requests.map(({ height }) => height))).toBeGreaterThan(30);
  });

  test("halts, and blames no peer, when its application disagrees with what +2/3 signed", async () => {
    const node = await joiner({
      configure: (application) => {
        application.isHashConstant = true;
      },
    });
    const peers = new SyncPeers();
    peers.add(HONEST, { store: donor, claims });
    sync(node.engine, peers);
    await eventually(() => node.engine.status().haltReason !== undefined, "the engine halts");
    expect(node.engine.status()).toMatchObject({ height: 1, catchingUp: true });
    expect(node.engine.status().haltReason).toMatch(/appHash/);
    expect(peers.dropped).toEqual([]);
  });

  test("decides at once when it needs nobody", async () => {
    const genesis = { ...GENESIS, validators: GENESIS.validators.slice(1) };
    const node = await joiner({ genesis });
    sync(node.engine, new SyncPeers());
    await untilHeight(node.engine, 2);
    expect(node.engine.status().catchingUp).toBe(false);
  });

  test("waits for a peer where others must decide", async () => {
    const node = await joiner();
    const peers = new SyncPeers();
    sync(node.engine, peers);
    await new Promise((resolve) => setImmediate(resolve));
    expect(node.engine.status().catchingUp).toBe(true);
    peers.add(HONEST, { store: node.engine.blockStore });
    await eventually(isOver(node), "the node starts the chain with its peer");
    expect(node.engine.view().height).toBe(1);
  });
});

describe("a node that runs consensus", () => {
  test("returns to block sync when it is far behind, and resumes safely", async () => {
    const directory = join(root, "returning");
    const gossip = new MemoryGossip();
    const node = await openNode(1, { directory, gossip: (id) => gossip.sink(id) });
    await node.engine.start();
    const peers = new SyncPeers();
    let claimed = 9;
    peers.add(HONEST, { store: donor, claims: () => claimed });
    const following = sync(node.engine, peers);
    await eventually(() => node.engine.view().height === 1, "consensus runs");
    expect(peers.requests).toEqual([]);
    const wasSyncing = new Promise<void>((resolve) => {
      node.engine.events.on((event) => {
        if (event.kind === "NewBlock" && node.engine.status().catchingUp) resolve();
      });
    });
    claimed = SHORT;
    following.peerHeightSeen(HONEST, Height(SHORT + 1));
    await wasSyncing;
    await eventually(isOver(node), "consensus again");
    const { height } = node.engine.status();
    expect(height).toBeGreaterThanOrEqual(SHORT - 3);
    expect(node.engine.view()).toMatchObject({ height: height + 1 });
    await expectDonorsChain(node, height);
    // Its log fits its stores: it starts again where it was.
    await following.stop();
    await node.close();
    const again = await openNode(1, { directory });
    closing.push(() => again.close());
    await again.engine.start();
    expect(again.engine.status()).toMatchObject({ height, catchingUp: false });
    expect(again.engine.view().height).toBe(height + 1);
  });

  test("is not silenced by a peer that only claims to be ahead", async () => {
    const node = await openNode(1);
    closing.push(() => node.close());
    await node.engine.start();
    let wasSuspended = false;
    const peers = new SyncPeers();
    peers.add(HONEST, { store: donor, claims: () => 1_000_000, bend: () => undefined });
    peers.add(OTHER, { store: donor, claims: () => 1_000_000, bend: tampered });
    node.engine.events.on(() => {
      wasSuspended ||= node.engine.status().catchingUp;
    });
    sync(node.engine, peers);
    await eventually(() => peers.dropped.length > 0, "the liar is dropped");
    expect(peers.dropped).toMatchObject([{ peer: OTHER }]);
    expect(wasSuspended).toBe(false);
    expect(node.engine.status()).toMatchObject({ catchingUp: false, height: 0 });
  });

  test("goes on with the height it left when nothing could be fetched", async () => {
    const node = await openNode(0);
    closing.push(() => node.close());
    await node.engine.start();
    await untilHeight(node.engine, 2);
    const target = node.engine.syncTarget();
    expect(await target.suspend()).toBe(true);
    expect(node.engine.status().catchingUp).toBe(true);
    const { height } = node.engine.view();
    await new Promise((resolve) => setImmediate(resolve));
    expect(node.engine.view().height).toBe(height);
    await target.resume();
    await untilHeight(node.engine, height + 3);
    const commit = await node.engine.blockStore.seenCommit(Height(height));
    const [own] = KEYS;
    const isOurs = (address: Uint8Array) => own !== undefined && bytesEqual(address, own.address);
    expect(commit?.signatures.some(({ validatorAddress }) => isOurs(validatorAddress))).toBe(true);
    expect(node.engine.status()).toMatchObject({ catchingUp: false, haltReason: undefined });
  });
});

function isAt({ block }: SyncAnswer, height: number): boolean {
  return block.header.height >= height;
}

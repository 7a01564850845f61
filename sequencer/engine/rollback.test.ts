import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { testGenesis, testKeys } from "../../test/support/chain-builder.ts";
import {
  createTestNode,
  testNodeId,
  untilHeight,
  type TestNode,
} from "../../test/support/engine-network.ts";
import { checkStores } from "../store/check-stores.ts";
import type { ChainState } from "../store/chain-state.ts";
import { openLevelKeyValueStore } from "../store/level-key-value-store.ts";
import type { KeyValueStore } from "../store/key-value-store.ts";
import { heightKey } from "../store/keys.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "./consensus-params.ts";
import { planRollback } from "./rollback.ts";

const SEED = sha256(utf8ToBytes("key 0"));
const GENESIS = testGenesis(testKeys(1), {
  consensusParams: {
    ...DEFAULT_CONSENSUS_PARAMS,
    abci: { voteExtensionsEnableHeight: Height(1) },
  },
});
const LARGE_TX = `large=${"x".repeat(70_000)}`;

let root = "";
const open: TestNode[] = [];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "weft-rollback-"));
});
afterEach(async () => {
  for (const node of open.splice(0)) await node.close();
  await rm(root, { recursive: true, force: true });
});

async function createNode(configure?: (node: TestNode["application"]) => void): Promise<TestNode> {
  const node = await createTestNode(testNodeId(0), {
    directory: join(root, "a"),
    genesis: GENESIS,
    seed: SEED,
    ...(configure === undefined ? {} : { configure }),
  });
  open.push(node);
  return node;
}

async function closeNode(node: TestNode): Promise<void> {
  open.splice(open.indexOf(node), 1);
  await node.close();
}

/** A chain whose validators and parameters change; its states after each height. */
async function someBlocks(): Promise<ReadonlyMap<number, ChainState>> {
  const states = new Map<number, ChainState>();
  const node = await createNode((application) => {
    application.submit(LARGE_TX);
    application.paramUpdates = (height) => ({
      ...GENESIS.consensusParams,
      version: { app: BigInt(height) },
    });
  });
  const [, other] = testKeys(2);
  node.engine.events.on((event) => {
    if (event.kind !== "NewBlock") return;
    // A validator with little power comes and goes.
    const { height } = event.block.header;
    node.application.submit(`validator:${toHex(other?.publicKey.bytes ?? SEED)}=${height % 2}`);
    setImmediate(() => states.set(height, node.engine.chainState()));
  });
  await node.engine.start();
  await untilHeight(node.engine, 6);
  await closeNode(node);
  return states;
}

describe("rollback", () => {
  test("gives the state that was there before the last block, wherever changes stand", async () => {
    const states = await someBlocks();
    const node = await createNode();
    const { blockStore, stateStore } = node.home;
    let compared = 0;
    // Block by block down the chain.
    for (let height = blockStore.height(); height > 2; height = blockStore.height()) {
      const { target, state } = await planRollback(blockStore, stateStore);
      if (state === undefined) throw new Error("the stores are level");
      expect(target).toBe(height - 1);
      await stateStore.save(state);
      await blockStore.removeLast();
      const was = states.get(target);
      if (was === undefined) continue;
      // Where a set that is in force was stored in full may differ; what holds may not.
      const { lastHeightValidatorsChanged, lastHeightConsensusParamsChanged } = was;
      expect({ ...state, lastHeightValidatorsChanged, lastHeightConsensusParamsChanged }).toEqual(
        was,
      );
      expect(await stateStore.validators(Height(height))).toEqual(was.validators);
      expect(await stateStore.validators(Height(height + 1))).toEqual(was.nextValidators);
      compared += 1;
    }
    expect(compared).toBeGreaterThan(2);
    const check = await checkStores(
      { from: 1 },
      { ...node.home, verifier: createEd25519Verifier() },
    );
    expect(check).toMatchObject({ height: 2, stateHeight: 2, faults: [] });
  });

  test("one height back, the node executes the last block again and goes on", async () => {
    await someBlocks();
    const before = await createNode();
    const { blockStore, stateStore } = before.home;
    const height = blockStore.height();
    const { state } = await planRollback(blockStore, stateStore);
    if (state !== undefined) await stateStore.save(state);
    await closeNode(before);
    // As the command does it: the application begins anew, the log is set aside.
    await rm(join(root, "a", "app.json"));
    await rename(join(root, "a", "data", "cs.wal"), join(root, "log"));
    const after = await createNode((application) => {
      application.paramUpdates = (at) => ({
        ...GENESIS.consensusParams,
        version: { app: BigInt(at) },
      });
    });
    await after.engine.start();
    expect(after.application.calls).toContain(`Commit ${height}`);
    expect(after.engine.status()).toMatchObject({ height, haltReason: undefined });
  });

  test("a state that is behind its blocks already stays; a beginning has nothing before it", async () => {
    const fresh = await createNode();
    await expect(planRollback(fresh.home.blockStore, fresh.home.stateStore)).rejects.toThrow(
      /no block was applied yet/,
    );
    await closeNode(fresh);
    await someBlocks();
    const node = await createNode();
    const { blockStore, stateStore } = node.home;
    const first = await planRollback(blockStore, stateStore);
    if (first.state !== undefined) await stateStore.save(first.state);
    const again = await planRollback(blockStore, stateStore);
    expect(again).toEqual({ target: first.target, state: undefined });
  });
});

describe("check", () => {
  const check = async (from = 1) => {
    const node = await createNode();
    const result = await checkStores({ from }, { ...node.home, verifier: createEd25519Verifier() });
    await closeNode(node);
    return result;
  };

  /** Changes a database as no node would. */
  async function damage(name: string, change: (store: KeyValueStore) => Promise<void>) {
    const store = await openLevelKeyValueStore(join(root, "a", "data", `${name}.db`));
    await change(store);
    await store.close();
  }

  async function flip(store: KeyValueStore, key: Uint8Array, at: number): Promise<void> {
    const value = await store.get(key);
    if (value === undefined) throw new Error("there is such a key");
    const changed = value.map((byte, i) => (i === at ? byte ^ 1 : byte));
    await store.write([{ type: "put", key, value: changed }]);
  }

  test("a node's stores are whole", async () => {
    await someBlocks();
    const result = await check();
    expect(result).toMatchObject({ base: 1, faults: [], moreFaults: 0 });
    expect(result.blocks).toBe(result.height);
    expect((await check(4)).blocks).toBe(result.height - 3);
  });

  test("a state from a snapshot, which no block follows yet, is no fault", async () => {
    const states = await someBlocks();
    const state = states.get(4);
    await rm(join(root, "a"), { recursive: true });
    const node = await createNode();
    if (state !== undefined) await node.home.stateStore.bootstrap(state);
    await closeNode(node);
    expect(await check()).toMatchObject({ height: 0, stateHeight: 4, blocks: 0, faults: [] });
  });

  test("damage is found at its height: a commit, a header, a part, a set, a gap, a missing state", async () => {
    await someBlocks();
    await damage("blockstore", (store) => flip(store, heightKey("S", 2), 100));
    const seen = await check();
    expect(seen.faults).toEqual([
      { height: 2, message: expect.stringMatching(/commit that was seen does not verify|damaged/) },
    ]);
    await damage("blockstore", (store) => flip(store, heightKey("H", 3), 60));
    expect((await check()).faults.map(({ height }) => height)).toContain(3);
    await damage("state", (store) => store.write([{ type: "del", key: heightKey("V", 4) }]));
    expect((await check()).faults).toContainEqual({
      height: 4,
      message: "the validators are missing",
    });
    await damage("blockstore", (store) => store.write([{ type: "del", key: heightKey("H", 5) }]));
    expect((await check(5)).faults[0]).toEqual({ height: 5, message: "the block is missing" });
    await damage("state", (store) => store.write([{ type: "del", key: utf8ToBytes("Z") }]));
    expect((await check(6)).faults.at(-1)?.message).toMatch(/the state at 0/);
  });
});

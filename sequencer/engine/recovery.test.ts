import { cpSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import type { Vote } from "../../proto/types.ts";
import { testGenesis, testKeys } from "../../test/support/chain-builder.ts";
import {
  blockHashes,
  createTestNode,
  testNodeId,
  untilHeight,
  type TestNode,
  type TestNodeOptions,
} from "../../test/support/engine-network.ts";
import { NULL_LOGGER, type LogFields } from "../ports/logger.ts";
import type { CrashPoint } from "./crash-points.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "./consensus-params.ts";

const SEED = sha256(utf8ToBytes("key 0"));
const GENESIS = testGenesis(testKeys(1), {
  consensusParams: {
    ...DEFAULT_CONSENSUS_PARAMS,
    abci: { voteExtensionsEnableHeight: Height(2) },
  },
});

let root = "";
const open: TestNode[] = [];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "weft-recovery-"));
});
afterEach(async () => {
  for (const node of open.splice(0)) await node.close();
  await rm(root, { recursive: true, force: true });
});

async function createNode(options: Partial<TestNodeOptions> = {}): Promise<TestNode> {
  const node = await createTestNode(testNodeId(0), {
    directory: join(root, "a"),
    genesis: GENESIS,
    seed: SEED,
    ...options,
  });
  open.push(node);
  return node;
}

async function closeNode(node: TestNode): Promise<void> {
  open.splice(open.indexOf(node), 1);
  await node.close();
}

/** Votes that left the engine, by height, round and type. */
function recordVotes(node: TestNode, votes: Map<string, Vote>): void {
  node.engine.events.on((event) => {
    if (event.kind !== "Vote") return;
    const { height, round, type } = event.vote;
    const key = `${height}/${round}/${type}`;
    const before = votes.get(key);
    expect(event.vote.blockId, `vote ${key}`).toEqual(before?.blockId ?? event.vote.blockId);
    votes.set(key, event.vote);
  });
}

describe("a node that dies at any point comes back", () => {
  const POINTS: readonly CrashPoint[] = [
    "beforeSign",
    "ownMessageDurable",
    "blockDecided",
    "blockSaved",
    "endHeightLogged",
    "blockFinalized",
    "stateSaved",
    "applicationCommitted",
  ];
  const HITS = [1, 2, 3];
  const CASES = POINTS.flatMap((point) =>
    // Three things are signed per height: proposal, prevote, precommit.
    (point.endsWith("Sign") ? HITS : [1]).map((hit) => [point, hit] as const),
  );

  test.each(CASES)("%s, hit %i of height 3", async (point, hit) => {
    const released = new Map<string, Vote>();
    let votesAtCrash: Map<string, Vote> | undefined;
    let hits = 0;
    const first = await createNode({
      // The disk as it is when the process dies here: the copy, made while nothing else runs, is
      // what the next one finds.
      onCrashPoint(at, height) {
        if (at !== point || height !== 3 || ++hits !== hit) return;
        votesAtCrash = new Map(released);
        cpSync(join(root, "a"), join(root, "b"), { recursive: true });
      },
    });
    recordVotes(first, released);
    first.application.submit("name=weft");
    await first.engine.start();
    await untilHeight(first.engine, 4);
    await closeNode(first);
    expect(votesAtCrash).toBeDefined();

    const second = await createNode({ directory: join(root, "b") });
    recordVotes(second, votesAtCrash ?? new Map());
    await second.engine.start();
    await untilHeight(second.engine, 6);
    const hashes = await blockHashes(second.engine, 6);
    expect(new Set(hashes).size).toBe(6);
    // What was decided or signed before the crash is decided after it.
    const isFixed = point !== "beforeSign" || hit > 1;
    const [before, after] = [await hashOfBlock3(join(root, "a")), hashes[2]];
    expect(isFixed ? after : before).toBe(before);
    expect(second.application.value("name")).toBe("weft");
    expect(second.application.height).toBeGreaterThanOrEqual(6);
  });

  async function hashOfBlock3(directory: string): Promise<string> {
    const node = await createNode({ directory });
    const meta = await node.home.blockStore.meta(Height(3));
    await closeNode(node);
    return toHex(meta?.blockId.hash ?? new Uint8Array(0));
  }
});

describe("what must not be", () => {
  async function someBlocks(): Promise<void> {
    const node = await createNode();
    await node.engine.start();
    await untilHeight(node.engine, 3);
    await closeNode(node);
  }

  test("a lost signer state stops the start; so does a second node on the home", async () => {
    await someBlocks();
    const node = await createNode();
    await expect(createNode()).rejects.toMatchObject({ code: "STORE_LOCKED" });
    await closeNode(node);
    await rm(join(root, "a", "data", "priv_validator_state.json"));
    await expect(createNode()).rejects.toMatchObject({ code: "PRIVVAL_STATE_FILE" });
  });

  test("a node whose log was lost does not contradict what it signed", async () => {
    const released = new Map<string, Vote>();
    const first = await createNode({
      async onCrashPoint(at, height) {
        if (at === "blockDecided" && height === 3) {
          await cp(join(root, "a"), join(root, "b"), { recursive: true });
        }
      },
    });
    recordVotes(first, released);
    await first.engine.start();
    await untilHeight(first.engine, 3);
    await closeNode(first);
    await rm(join(root, "b", "data", "cs.wal"), { recursive: true });

    const refusals: string[] = [];
    const bothRefused = new Promise<void>((resolve) => {
      const error = (message: string, fields?: LogFields): void => {
        if (message === "refused to sign" && refusals.push(String(fields?.["reason"])) === 2) {
          resolve();
        }
      };
      const logger = { ...NULL_LOGGER, error };
      void createNode({ directory: join(root, "b"), configure: addsTx, logger }).then((node) => {
        recordVotes(node, released);
        return node.engine.start();
      });
    });
    // The proposal and the prevote of round 0: alone it cannot go on, and must not.
    await bothRefused;
    expect(refusals[0]).toMatch(/height 3, round 0, proposal: .*precommit was signed already/);
    expect(refusals[1]).toMatch(/height 3, round 0, prevote: .*precommit was signed already/);
    expect(open[0]?.engine.status()).toMatchObject({ height: 2, haltReason: undefined });
  });

  test("an application ahead of the blocks, or of another chain, is refused", async () => {
    await someBlocks();
    const path = join(root, "a", "app.json");
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replace(/"height":\d+/, '"height":1000'));
    const ahead = await createNode();
    await expect(ahead.engine.start()).rejects.toThrow(/the application is ahead/);
    await closeNode(ahead);
    await writeFile(path, text.replace(/"appHash":"../, '"appHash":"00'));
    const other = await createNode();
    await expect(other.engine.start()).rejects.toThrow(/app hash after block/);
  });

  test("an application that lost everything is brought up from the stored blocks", async () => {
    const first = await createNode();
    first.application.submit("name=weft");
    await first.engine.start();
    await untilHeight(first.engine, 4);
    await closeNode(first);
    const { appHash } = first.application;
    await rm(join(root, "a", "app.json"));
    const second = await createNode();
    const height = second.home.blockStore.height();
    await second.engine.start();
    expect(second.application.calls.slice(0, 3)).toEqual([
      "InitChain 1",
      "FinalizeBlock 1",
      "Commit 1",
    ]);
    expect(second.application.calls).toContain(`Commit ${height}`);
    expect(second.application.value("name")).toBe("weft");
    expect(appHash).not.toBe("");
    await untilHeight(second.engine, height + 2);
  });

  test("stores older than the log are refused", async () => {
    const first = await createNode({
      async onCrashPoint(at, height) {
        if (at === "blockDecided" && height === 3) {
          await cp(join(root, "a"), join(root, "b"), { recursive: true });
        }
      },
    });
    await first.engine.start();
    await untilHeight(first.engine, 4);
    await closeNode(first);
    const log = join("data", "cs.wal");
    await rm(join(root, "b", log), { recursive: true });
    await cp(join(root, "a", log), join(root, "b", log), { recursive: true });
    const second = await createNode({ directory: join(root, "b") });
    await expect(second.engine.start()).rejects.toThrow(/has seen the end of height 3/);
  });

  test("a log cut short at its very end is mended", async () => {
    await someBlocks();
    const path = join(root, "a", "data", "cs.wal", "wal");
    const { length } = await readFile(path);
    await truncate(path, length - 3);
    const node = await createNode();
    const height = node.home.blockStore.height();
    await node.engine.start();
    await untilHeight(node.engine, height + 2);
    expect(node.engine.status().haltReason).toBeUndefined();
  });

  test("a genesis.json that was changed after the first block is refused", async () => {
    await someBlocks();
    const [validator] = GENESIS.validators;
    if (validator === undefined) throw new Error("expected a validator");
    const validators = [{ ...validator, power: validator.power + 1n }];
    const changed = await createNode({ genesis: { ...GENESIS, validators } });
    await expect(changed.engine.start()).rejects.toThrow(
      /genesis\.json says something else than it did when this home's chain began/,
    );
    await closeNode(changed);
    const node = await createNode();
    const height = node.home.blockStore.height();
    await node.engine.start();
    await untilHeight(node.engine, height + 1);
  });

  test("our own signature in a recent block stops the start when asked to look", async () => {
    await someBlocks();
    const node = await createNode({ engine: { doubleSignCheckHeight: 2 } });
    await expect(node.engine.start()).rejects.toThrow(/holds a signature of this validator/);
  });

  function addsTx(application: TestNode["application"]): void {
    application.submit("other=tx");
  }
});

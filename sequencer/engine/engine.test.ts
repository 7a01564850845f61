import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { sha256 } from "../../proto/hash.ts";
import { utf8ToBytes } from "../../proto/bytes.ts";
import { testGenesis, testKeys } from "../../test/support/chain-builder.ts";
import {
  createTestNode,
  testNodeId,
  untilHeight,
  type TestNode,
  type TestNodeOptions,
} from "../../test/support/engine-network.ts";

const SEED = sha256(utf8ToBytes("key 0"));
const GENESIS = testGenesis(testKeys(1));

describe("engine with one validator", () => {
  let directory = "";
  const open: TestNode[] = [];
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "weft-engine-"));
  });
  afterEach(async () => {
    for (const node of open.splice(0)) await node.close();
    await rm(directory, { recursive: true, force: true });
  });

  async function startNode(options: Partial<TestNodeOptions> = {}): Promise<TestNode> {
    const node = await createTestNode(testNodeId(0), {
      directory,
      genesis: GENESIS,
      seed: SEED,
      ...options,
    });
    open.push(node);
    await node.engine.start();
    return node;
  }

  async function closeNode(node: TestNode): Promise<void> {
    open.splice(open.indexOf(node), 1);
    await node.close();
  }

  test("commits blocks, keeps them, and goes on after a restart", async () => {
    const first = await startNode();
    first.application.submit("name=weft");
    await untilHeight(first.engine, 5);
    expect(first.application.value("name")).toBe("weft");
    await closeNode(first);
    const stored = first.engine.blockStore.height();

    const second = await startNode();
    expect(second.engine.blockStore.height()).toBeGreaterThanOrEqual(stored);
    await untilHeight(second.engine, stored + 3);
    expect(second.application.calls).not.toContain("InitChain 1");
    const block = await second.engine.blockStore.block(Height(stored + 1));
    const before = await second.engine.blockStore.meta(Height(stored));
    expect(block?.header.lastBlockId).toEqual(before?.blockId);
  });
});

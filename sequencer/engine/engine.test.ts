import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { consensusParamsHash } from "../../proto/hashes.ts";
import { testGenesis, testKeys } from "../../test/support/chain-builder.ts";
import { isInGrammar } from "../../test/support/call-grammar.ts";
import {
  createTestNode,
  testNodeId,
  untilHeight,
  type TestNode,
  type TestNodeOptions,
} from "../../test/support/engine-network.ts";
import { Step } from "../consensus/step.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "./consensus-params.ts";

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
    for (const { calls } of [first, second]) {
      expect(isInGrammar(calls.letters()), calls.letters()).toBe(true);
      expect(calls.commits).toBeGreaterThan(2);
    }
    const block = await second.engine.blockStore.block(Height(stored + 1));
    const before = await second.engine.blockStore.meta(Height(stored));
    expect(block?.header.lastBlockId).toEqual(before?.blockId);
  });

  test("an application that fails stops signing; the node says so and starts again later", async () => {
    let isBroken = true;
    const breaks = (application: TestNode["application"]): void => {
      const finalizeBlock = application.finalizeBlock.bind(application);
      application.finalizeBlock = async (request) => {
        if (isBroken && request.height === 3) throw new Error("out of memory");
        return finalizeBlock(request);
      };
    };
    const errors: string[] = [];
    const logger = { ...NULL_LOGGER, error: (message: string) => void errors.push(message) };
    const first = await startNode({ configure: breaks, logger });
    await new Promise<void>((resolve) => {
      first.engine.events.on((event) => event.kind === "Halted" && resolve());
    });
    const status = first.engine.status();
    expect(status.haltReason).toMatch(/the application failed in FinalizeBlock: .*out of memory/);
    expect(status.height).toBe(2);
    expect(errors).toContain("consensus failure: signing and processing stopped");
    const signed = first.home.privValidator?.lastSigned;
    first.engine.notifyTxsAvailable();
    expect(first.home.privValidator?.lastSigned).toEqual(signed);
    await closeNode(first);

    isBroken = false;
    const second = await startNode({ configure: breaks });
    await untilHeight(second.engine, 4);
    expect(second.engine.status().haltReason).toBeUndefined();
  });

  test("without empty blocks it waits for a transaction, but for the block that proves its result", async () => {
    const node = await startNode({
      engine: { createEmptyBlocks: false },
      configure: (application) => {
        application.isHashConstant = true;
      },
    });
    // Block 1 is the first, block 2 proves its app hash; then there is nothing to say.
    await untilStep(node, 3, Step.NEW_ROUND);
    expect(node.engine.status().height).toBe(2);
    node.application.submit("a=1");
    node.engine.notifyTxsAvailable();
    await untilStep(node, 5, Step.NEW_ROUND);
    const block = await node.engine.blockStore.block(Height(3));
    expect(block?.txs.map((tx) => new TextDecoder().decode(tx))).toEqual(["a=1"]);
    expect((await node.engine.blockStore.block(Height(4)))?.txs).toEqual([]);
  });

  test("blocks below the retain height go, the rest stays", async () => {
    const node = await startNode({
      configure: (application) => {
        application.retainHeight = (height) => Math.max(0, height - 2);
      },
    });
    await untilHeight(node.engine, 8);
    expect(node.engine.blockStore.base()).toBeGreaterThanOrEqual(6);
    expect(await node.engine.blockStore.block(Height(3))).toBeUndefined();
  });

  test("changed parameters hold from the next height on", async () => {
    const params = {
      ...DEFAULT_CONSENSUS_PARAMS,
      block: { maxBytes: 2_000_000n, maxGas: 5n },
      abci: { voteExtensionsEnableHeight: Height(5) },
    };
    const node = await startNode({
      configure: (application) => {
        application.paramUpdates = (height) => (height === 2 ? params : undefined);
      },
    });
    await untilHeight(node.engine, 6);
    const hashes = [2, 3].map(async (height) => {
      const meta = await node.engine.blockStore.meta(Height(height));
      return meta?.header.consensusHash;
    });
    expect(await Promise.all(hashes)).toEqual([
      consensusParamsHash(DEFAULT_CONSENSUS_PARAMS),
      consensusParamsHash(params),
    ]);
    expect(node.application.calls.filter((call) => call.startsWith("ExtendVote"))[0]).toBe(
      "ExtendVote 5",
    );
    expect(await node.engine.blockStore.extendedCommit(Height(4))).toBeUndefined();
    expect(await node.engine.blockStore.extendedCommit(Height(5))).toBeDefined();
  });

  function untilStep(node: TestNode, height: number, step: Step): Promise<void> {
    return new Promise((resolve) => {
      const check = (): boolean => {
        const view = node.engine.view();
        const isThere = view.height === height && view.step === step;
        if (isThere) resolve();
        return isThere;
      };
      if (check()) return;
      const stop = node.engine.events.on(() => {
        if (check()) stop();
      });
    });
  }
});

import { cpSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { bytesEqual, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { NIL_BLOCK_ID, SignedMsgType } from "../../proto/types.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { verifyCommitAsync } from "../../proto/verify/commit.ts";
import {
  TEST_CHAIN_ID,
  signedVote,
  testGenesis,
  testKeys,
} from "../../test/support/chain-builder.ts";
import {
  MemoryGossip,
  blockHashes,
  createTestNode,
  testNodeId,
  untilHeight,
  type TestNode,
  type TestNodeOptions,
} from "../../test/support/engine-network.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import type { CrashPoint, OnCrashPoint } from "./crash-points.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "./consensus-params.ts";

const COUNT = 4;
const KEYS = testKeys(COUNT);
const SEEDS = KEYS.map((_, i) => sha256(utf8ToBytes(`key ${i}`)));
const GENESIS = testGenesis(KEYS, {
  consensusParams: {
    ...DEFAULT_CONSENSUS_PARAMS,
    abci: { voteExtensionsEnableHeight: Height(1) },
  },
});

describe("four validators", () => {
  let root = "";
  let gossip = new MemoryGossip();
  let pulling: NodeJS.Timeout | undefined;
  const open: TestNode[] = [];

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "weft-network-"));
    gossip = new MemoryGossip();
    pulling = setInterval(() => void gossip.pull(), 20);
  });
  afterEach(async () => {
    clearInterval(pulling);
    for (const node of open.splice(0)) await closeNode(node);
    await rm(root, { recursive: true, force: true });
  });

  async function startNode(
    index: number,
    options: Partial<TestNodeOptions> = {},
  ): Promise<TestNode> {
    const node = await createTestNode(testNodeId(index), {
      directory: join(root, String(index)),
      genesis: GENESIS,
      seed: SEEDS[index],
      gossip: (id) => gossip.sink(id),
      ...options,
    });
    open.push(node);
    gossip.attach(node.id, node.engine);
    await node.engine.start();
    return node;
  }

  async function closeNode(node: TestNode): Promise<void> {
    await gossip.detach(node.id);
    await node.close();
  }

  async function startAll(options: Partial<TestNodeOptions> = {}): Promise<readonly TestNode[]> {
    const nodes: TestNode[] = [];
    for (let i = 0; i < COUNT; i++) nodes.push(await startNode(i, options));
    return nodes;
  }

  async function allReach(nodes: readonly TestNode[], height: number): Promise<void> {
    await Promise.all(nodes.map((node) => untilHeight(node.engine, height)));
  }

  async function expectOneChain(nodes: readonly TestNode[], height: number): Promise<void> {
    const chains = await Promise.all(nodes.map((node) => blockHashes(node.engine, height)));
    for (const chain of chains) expect(chain).toEqual(chains[0]);
    expect(chains[0]).not.toContain("none");
  }

  test("agree on one chain whose commits and extensions verify", async () => {
    const nodes = await startAll();
    nodes[1]?.application.submit("name=weft");
    await allReach(nodes, 6);
    await expectOneChain(nodes, 6);
    expect(nodes.map((node) => node.application.value("name"))).toEqual(Array(4).fill("weft"));
    for (const node of nodes) {
      expect(node.application.value("ext")).toMatch(/^e\d+(,e\d+){2,3}$/);
    }
    expect(gossip.misbehaviour).toEqual([]);
    const { engine } = nodes[2] ?? { engine: undefined };
    const state = engine?.chainState();
    const block = await engine?.blockStore.block(Height(5));
    const extended = await engine?.blockStore.extendedCommit(Height(4));
    if (state === undefined || block === undefined) throw new Error("there is no block 5");
    const verdict = await verifyCommitAsync(
      {
        chainId: TEST_CHAIN_ID,
        validators: state.validators,
        blockId: block.header.lastBlockId,
        height: 4,
      },
      block.lastCommit,
      createEd25519Verifier(),
    );
    expect(verdict).toEqual({ isValid: true });
    const signed = extended?.extendedSignatures.filter((sig) => sig.extension.length > 0);
    expect(signed?.length).toBeGreaterThanOrEqual(3);
  });

  test("a block of many parts reaches everybody", async () => {
    const nodes = await startAll();
    const value = "x".repeat(300_000);
    for (const node of nodes) node.application.submit(`big=${value}`);
    await allReach(nodes, 3);
    await expectOneChain(nodes, 3);
    for (const node of nodes) expect(node.application.value("big")?.length).toBe(300_000);
    const counts: number[] = [];
    for (let height = 1; height <= 3; height++) {
      const meta = await nodes[0]?.engine.blockStore.meta(Height(height));
      counts.push(meta?.blockId.partSetHeader.total ?? 0);
    }
    expect(Math.max(...counts)).toBeGreaterThanOrEqual(5);
    expect(gossip.misbehaviour).toEqual([]);
  });

  test("three go on without the fourth, which catches up after its restart", async () => {
    const nodes = await startAll();
    await allReach(nodes, 2);
    const [last] = open.splice(3, 1);
    if (last === undefined) throw new Error("there is no fourth node");
    await closeNode(last);
    const three = nodes.slice(0, 3);
    const height = (three[0]?.engine.status().height ?? 0) + 4;
    await allReach(three, height);
    const again = await startNode(3);
    await untilHeight(again.engine, height + 1);
    await allReach(three, height + 1);
    expect(again.engine.status()).toMatchObject({ catchingUp: false, haltReason: undefined });
    await expectOneChain([...three, again], height + 1);
  });

  test.each<[CrashPoint, number]>([
    ["beforeSign", 1],
    ["ownMessageDurable", 1],
    ["beforeSign", 2],
    ["ownMessageDurable", 2],
    ["blockDecided", 1],
    ["endHeightLogged", 1],
    ["applicationCommitted", 1],
  ])("one that dies at %s (hit %i) among others never contradicts itself", async (point, hit) => {
    let hits = 0;
    let isDead = false;
    const dead = testNodeId(0);
    gossip.isCut = (from, to) => isDead && (from === dead || to === dead);
    const onCrashPoint: OnCrashPoint = (at, height) => {
      if (isDead || at !== point || height !== 3 || ++hits !== hit) return;
      // From here on nothing of it is heard: the copy of its disk is all that is left.
      isDead = true;
      cpSync(join(root, "0"), join(root, "after"), { recursive: true });
    };
    const conflicts: string[] = [];
    const warn = (message: string): void => {
      if (message.startsWith("a validator signed two votes")) conflicts.push(message);
    };
    const logger = { ...NULL_LOGGER, warn };
    const first = await startNode(0, { onCrashPoint, logger });
    const others: TestNode[] = [];
    for (let i = 1; i < COUNT; i++) others.push(await startNode(i, { logger }));
    await allReach(others, 4);
    expect(isDead).toBe(true);
    open.splice(open.indexOf(first), 1);
    await closeNode(first);

    isDead = false;
    const votesAgain = new Promise<void>((resolve) => {
      const address = KEYS[0]?.address ?? new Uint8Array(0);
      const isOurs = (other: Uint8Array): boolean => bytesEqual(other, address);
      others[0]?.engine.events.on((event) => {
        if (event.kind === "Vote" && isOurs(event.vote.validatorAddress)) resolve();
      });
    });
    const second = await startNode(0, { directory: join(root, "after"), logger });
    const height = (others[0]?.engine.status().height ?? 0) + 3;
    await allReach([second, ...others], height);
    await votesAgain;
    await expectOneChain([second, ...others], height);
    expect(conflicts).toEqual([]);
    expect(gossip.misbehaviour).toEqual([]);
  });

  test("a refused proposal costs a round, not the chain", async () => {
    let proposer: string | undefined;
    const refuse = (node: TestNode["application"]): void => {
      node.refuseProposal = (request) => {
        if (request.height !== 3) return false;
        proposer ??= toHex(request.proposerAddress);
        return toHex(request.proposerAddress) === proposer;
      };
    };
    const nodes = await startAll({ configure: refuse });
    await allReach(nodes, 4);
    const block = await nodes[0]?.engine.blockStore.block(Height(3));
    const commit = await nodes[0]?.engine.blockStore.seenCommit(Height(3));
    expect(commit?.round).toBeGreaterThan(0);
    expect(toHex(block?.header.proposerAddress ?? new Uint8Array(0))).not.toBe(proposer);
    await expectOneChain(nodes, 4);
  });

  test("a validator that votes twice stands in a block as evidence", async () => {
    const nodes = await startAll();
    const [cheat] = KEYS;
    const watcher = nodes[1];
    if (cheat === undefined || watcher === undefined) throw new Error("there is no node");
    const { engine } = watcher;
    const evidence = new Promise<number>((resolve) => {
      engine.events.on((event) => {
        if (event.kind === "NewEvidence") resolve(event.height);
        // A second prevote of the cheat, for nil, follows each one of its own.
        if (event.kind !== "Vote" || !bytesEqual(event.vote.validatorAddress, cheat.address))
          return;
        const { type, height, round, timestamp, blockId } = event.vote;
        if (type !== SignedMsgType.PREVOTE || blockId.hash.length === 0) return;
        const { validators } = engine.chainState();
        const nil = { type, height, round, timestamp, blockId: NIL_BLOCK_ID };
        engine.receiveVote(signedVote(cheat, validators, nil), testNodeId(0));
      });
    });
    const height = await evidence;
    await allReach(nodes, height);
    await expectOneChain(nodes, height);
    const block = await engine.blockStore.block(Height(height));
    const [piece] = block?.evidence ?? [];
    expect(piece?.kind === "duplicateVote" && piece.voteA.validatorAddress).toEqual(cheat.address);
  });

  test("a forged vote is dropped and its sender reported", async () => {
    const nodes = await startAll();
    await allReach(nodes, 1);
    const target = nodes[1];
    const [key] = KEYS;
    if (target === undefined || key === undefined) throw new Error("there is no node");
    const { height, validators } = target.engine.view();
    const vote = signedVote(key, validators, {
      type: SignedMsgType.PREVOTE,
      height: Height(height + 1),
      round: target.engine.view().round,
      blockId: NIL_BLOCK_ID,
      timestamp: { seconds: 1n, nanos: 0 },
    });
    const forged = { ...vote, signature: new Uint8Array(64).fill(1) };
    target.engine.receiveVote(forged, testNodeId(9));
    await allReach(nodes, height + 2);
    expect(gossip.misbehaviour).toEqual([`${testNodeId(9)}: a vote with an invalid signature`]);
    await expectOneChain(nodes, height + 2);
  });

  test("a validator that joins signs two heights after its transaction", async () => {
    const genesis = { ...GENESIS, validators: GENESIS.validators.slice(0, 3) };
    const nodes = await startAll({ genesis });
    await allReach(nodes, 1);
    const joining = KEYS[3];
    if (joining === undefined) throw new Error("there is no key");
    for (const node of nodes) {
      node.application.submit(`validator:${toHex(joining.publicKey.bytes)}=10`);
    }
    const [first] = nodes;
    if (first === undefined) throw new Error("there is no node");
    const joinedAt = await new Promise<number>((resolve) => {
      first.engine.events.on((event) => {
        if (event.kind === "NewBlock" && event.result.validatorUpdates.length > 0) {
          resolve(event.block.header.height);
        }
      });
    });
    await allReach(nodes, joinedAt + 4);
    await expectOneChain(nodes, joinedAt + 4);
    const sizes: number[] = [];
    for (let height = joinedAt; height <= joinedAt + 3; height++) {
      const commit = await first.engine.blockStore.seenCommit(Height(height));
      sizes.push(commit?.signatures.length ?? 0);
    }
    expect(sizes).toEqual([3, 3, 4, 4]);
  });
});

import { afterEach, describe, expect, test } from "vitest";
import { Height, Round } from "../../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../../proto/bytes.ts";
import { decodeEvidenceList, encodeEvidenceList } from "../../../proto/codec/block.ts";
import { sha256 } from "../../../proto/hash.ts";
import { evidenceId } from "../../../proto/hashes.ts";
import { SignedMsgType, type BlockId, type Evidence } from "../../../proto/types.ts";
import { signedVote, testKeys } from "../../../test/support/chain-builder.ts";
import { setOf } from "../../../test/support/forks.ts";
import { eventually } from "../../../test/support/loopback.ts";
import { connectByHand, createTestNode, packet, type TestNode } from "../../../test/support/p2p.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import { NULL_LOGGER } from "../../ports/logger.ts";
import { createSystemClock } from "../../ports/system-clock.ts";
import { yieldToLoop } from "../../ports/yield-to-loop.ts";
import type { P2pError } from "../errors.ts";
import { EVIDENCE_CHECKS_PER_PEER_MAX, EVIDENCE_PIECES_PER_MESSAGE_MAX } from "../limits.ts";
import { NULL_P2P_METRICS, type P2pMetrics } from "../metrics.ts";
import { createNodeKey } from "../node-key.ts";
import {
  createEvidenceReactor,
  EVIDENCE_CHANNEL,
  type EvidencePort,
  type EvidenceReactor,
  type GossipedEvidence,
} from "./evidence-reactor.ts";

const KEYS = testKeys(1);
const SET = setOf(KEYS);

/** A double prevote; the reactor looks at its form only. */
function piece(height: number): Evidence {
  const [key] = KEYS;
  if (key === undefined) throw new Error("there is no key");
  const timestamp = { seconds: 1n, nanos: 0 };
  const vote = (byte: number) => {
    const hash = new Uint8Array(32).fill(byte);
    const blockId: BlockId = { hash, partSetHeader: { total: 1, hash: sha256(hash) } };
    const type = SignedMsgType.PREVOTE;
    return signedVote(key, SET, {
      type,
      height: Height(height),
      round: Round(0),
      blockId,
      timestamp,
    });
  };
  return {
    kind: "duplicateVote",
    voteA: vote(1),
    voteB: vote(2),
    totalVotingPower: 10n,
    validatorPower: 10n,
    timestamp,
  };
}

function gossiped(evidence: Evidence, height: number, judgeableFrom = height): GossipedEvidence {
  return {
    id: toHex(evidenceId(evidence)),
    height: Height(height),
    judgeableFrom,
    message: encodeEvidenceList([evidence]),
  };
}

/** A pool that keeps what it is given and judges as it is told. */
class Pool implements EvidencePort {
  readonly pieces: GossipedEvidence[] = [];
  readonly received: Evidence[] = [];
  verdict: Awaited<ReturnType<EvidencePort["addEvidence"]>> = { kind: "added" };
  /** Resolves when the pool may answer. */
  gate: Promise<void> = Promise.resolve();
  readonly #listeners = new Set<() => void>();

  pendingEvidence = () => this.pieces;
  chainState = () => ({ consensusParams: { evidence: { maxAgeBlocks: 10n } } });
  onEvidenceAdded = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  addEvidence = async (evidence: Evidence) => {
    this.received.push(evidence);
    await this.gate;
    return this.verdict;
  };
  put(one: GossipedEvidence): void {
    this.pieces.push(one);
    for (const listener of this.#listeners) listener();
  }
}

/** A clock whose timers a test lets run out. */
class ManualTimers implements Clock {
  readonly #clock = createSystemClock();
  readonly due: (() => void)[] = [];
  now = () => this.#clock.now();
  monotonicMs = () => this.#clock.monotonicMs();
  after(_ms: number, task: () => void): Cancel {
    this.due.push(task);
    return { cancel: () => {} };
  }
}

interface EvidenceNode extends TestNode {
  readonly pool: Pool;
  readonly reactor: EvidenceReactor;
  readonly timers: ManualTimers;
  readonly drops: string[];
  /** What the node believes that every peer decides. */
  peerHeight: number | undefined;
}

const running: EvidenceNode[] = [];
afterEach(async () => {
  for (const node of running.splice(0)) {
    node.reactor.stop();
    await node.network.stop();
  }
});

async function startNode(): Promise<EvidenceNode> {
  const pool = new Pool();
  const timers = new ManualTimers();
  const drops: string[] = [];
  const metrics: P2pMetrics = {
    ...NULL_P2P_METRICS,
    dropped: { inc: (labels) => drops.push(labels?.reason ?? "") },
  };
  const height: { peers: number | undefined } = { peers: 5 };
  const reactor = createEvidenceReactor({
    evidence: pool,
    peerHeight: () => (height.peers === undefined ? undefined : Height(height.peers)),
    clock: timers,
    yieldToLoop,
    logger: NULL_LOGGER,
    metrics,
  });
  const base = createTestNode({}, createNodeKey(), [reactor]);
  const node: EvidenceNode = {
    ...base,
    pool,
    reactor,
    timers,
    drops,
    get peerHeight() {
      return height.peers;
    },
    set peerHeight(value) {
      height.peers = value;
    },
  };
  running.push(node);
  reactor.start();
  await node.network.start();
  return node;
}

async function pair(): Promise<readonly [EvidenceNode, EvidenceNode]> {
  const [a, b] = [await startNode(), await startNode()];
  await a.network.dial(b.address());
  await eventually(
    () => a.network.peers().length === 1 && b.network.peers().length === 1,
    "connected",
  );
  return [a, b];
}

describe("evidence reactor", () => {
  test("sends each piece alone, once, and does not send back what it received", async () => {
    const [a, b] = await pair();
    a.pool.put(gossiped(piece(3), 3));
    a.pool.put(gossiped(piece(4), 4));
    await eventually(() => b.pool.received.length === 2, "both arrive");
    expect(b.pool.received).toEqual([piece(3), piece(4)]);
    b.pool.put(gossiped(piece(3), 3));
    b.pool.put(gossiped(piece(2), 2));
    await eventually(() => a.pool.received.length === 1, "what is new arrives");
    expect(a.pool.received).toEqual([piece(2)]);
  });

  test("waits until the peer can judge a piece, and leaves out what it would find too old", async () => {
    const [a, b] = await pair();
    a.peerHeight = undefined;
    a.pool.put(gossiped(piece(3), 3));
    // An attack on light clients: the commit of its height stands in the block above.
    a.pool.put(gossiped(piece(4), 4, 5));
    a.pool.put(gossiped(piece(5), 5));
    a.peerHeight = 5;
    a.reactor.peerHeightSeen(b.key.id);
    await eventually(() => b.pool.received.length === 1, "the first arrives");
    a.peerHeight = 6;
    a.reactor.peerHeightSeen(b.key.id);
    await eventually(() => b.pool.received.length === 3, "the others arrive");
    a.peerHeight = 14;
    a.pool.put(gossiped(piece(2), 2));
    a.pool.put(gossiped(piece(6), 6));
    await eventually(() => b.pool.received.length === 4, "the young one arrives");
    expect(b.pool.received[3]).toEqual(piece(6));
  });

  test("begins the list anew", async () => {
    const [a, b] = await pair();
    b.pool.verdict = { kind: "unjudgeable", message: "block 3 is not in our store" };
    a.pool.put(gossiped(piece(3), 3));
    await eventually(() => b.pool.received.length === 1, "it arrives");
    a.timers.due.shift()?.();
    await eventually(() => b.pool.received.length === 2, "it arrives again");
    expect(a.network.peers().length, "who cannot judge blames nobody").toBe(1);
  });

  test("disconnects who sends what proves nothing", async () => {
    const [a, b] = await pair();
    b.pool.verdict = { kind: "invalid", message: "a signature does not verify" };
    a.pool.put(gossiped(piece(3), 3));
    await eventually(() => b.network.peers().length === 0, "the peer is dropped");
    expect(b.pool.received.length).toBe(1);
  });

  test("disconnects who sends what is malformed", async () => {
    const [a, b] = await pair();
    b.pool.verdict = { kind: "malformed", message: "duplicate votes are not in order" };
    a.pool.put(gossiped(piece(3), 3));
    await eventually(() => b.network.peers().length === 0, "the peer is dropped");
    expect(b.pool.received.length).toBe(1);
  });

  test("disconnects who sends no evidence, or far more than anybody does", async () => {
    const many = Array.from({ length: EVIDENCE_PIECES_PER_MESSAGE_MAX + 1 }, (_, i) =>
      piece(i + 1),
    );
    for (const bytes of [utf8ToBytes("not evidence"), encodeEvidenceList(many)]) {
      const node = await startNode();
      const peer = await connectByHand(node, { channels: Uint8Array.of(EVIDENCE_CHANNEL.id) });
      const closed = new Promise<P2pError>((resolve) => peer.onClose(resolve));
      peer.stream(() => {});
      peer.send(packet(EVIDENCE_CHANNEL.id, bytes));
      expect((await closed).code).toBe("P2P_SOCKET_CLOSED");
      expect(node.pool.received).toEqual([]);
    }
  });

  test("checks one piece at a time and drops what a peer sends beyond its share", async () => {
    const [a, b] = await pair();
    let open = (): void => {};
    b.pool.gate = new Promise((resolve) => {
      open = resolve;
    });
    const count = EVIDENCE_CHECKS_PER_PEER_MAX + 5;
    a.peerHeight = 100_000;
    a.pool.chainState = () => ({ consensusParams: { evidence: { maxAgeBlocks: 1_000_000n } } });
    for (let height = 1; height <= count; height++) a.pool.put(gossiped(piece(height), height));
    await eventually(() => b.drops.length === 5, "five are dropped");
    expect(b.drops).toEqual(Array.from({ length: 5 }, () => "evidence_queue_full"));
    await eventually(() => b.pool.received.length === 1, "one is under way");
    await new Promise((resolve) => setImmediate(resolve));
    expect(b.pool.received.length, "and only one").toBe(1);
    open();
    await eventually(
      () => b.pool.received.length === EVIDENCE_CHECKS_PER_PEER_MAX,
      "the others are checked",
    );
    expect(decodeEvidenceList(encodeEvidenceList(b.pool.received)).length).toBe(16);
  });
});

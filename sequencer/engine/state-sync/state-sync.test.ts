import { afterEach, describe, expect, test } from "vitest";
import { Height, NodeId, Round } from "../../../proto/brands.ts";
import { sha256 } from "../../../proto/hash.ts";
import type { Commit } from "../../../proto/types.ts";
import { createManualClock, type ManualClock } from "../../../test/support/manual-clock.ts";
import { testGenesis, testKeys } from "../../../test/support/chain-builder.ts";
import type {
  ApplySnapshotChunkRequest,
  ApplySnapshotChunkResponse,
  OfferSnapshotResult,
  Snapshot,
} from "../../abci/application.ts";
import { NULL_LOGGER } from "../../ports/logger.ts";
import type { ChainState } from "../../store/chain-state.ts";
import { chainStateFromGenesis } from "../chain-state.ts";
import { NULL_STATE_SYNC_METRICS } from "../metrics.ts";
import { StateSyncError } from "./errors.ts";
import {
  CHUNK_TIMEOUT_MS,
  DISCOVERY_ROUNDS_MAX,
  SNAPSHOT_RETRIES_MAX,
  TRUST_WAIT_MS,
} from "./limits.ts";
import type { StateSyncNetwork } from "./ports.ts";
import { createStateSync, type StateSync } from "./state-sync.ts";

const [A, B, C] = [1, 2, 3].map((i) => NodeId(`${i}`.repeat(40))) as [NodeId, NodeId, NodeId];
const DISCOVERY_MS = 1_000;
const REQUEST_TIMEOUT_MS = 10_000;

function snapshot(height: number, chunks = 3, format = 1, salt = 0): Snapshot {
  return {
    height: Height(height),
    format,
    chunks,
    hash: new Uint8Array(32).fill(height + salt),
    metadata: Uint8Array.of(salt),
  };
}

/** Bytes of a chunk as an honest peer has it. */
const bytesOf = (height: number, index: number): Uint8Array => Uint8Array.of(height, index);
const appHashOf = (height: number): Uint8Array => sha256(Uint8Array.of(height));

interface FakePeer {
  readonly snapshots: readonly Snapshot[];
  /** What it sends for a chunk; undefined: that it has none; "silence": nothing. */
  readonly chunk?: (height: number, index: number) => Uint8Array | undefined | "silence";
}

/** Peers that answer a moment later. */
class FakeNetwork implements StateSyncNetwork {
  readonly requests: string[] = [];
  readonly peersById = new Map<NodeId, FakePeer>();
  readonly #clock: ManualClock;
  listener: StateSync | undefined;
  constructor(clock: ManualClock) {
    this.#clock = clock;
  }
  requestSnapshots(id: NodeId): boolean {
    const peer = this.peersById.get(id);
    if (peer === undefined) return false;
    this.#clock.after(5, () => {
      for (const one of peer.snapshots) this.listener?.snapshotReceived(id, one);
    });
    return true;
  }
  requestChunk(id: NodeId, height: Height, format: number, index: number): boolean {
    const peer = this.peersById.get(id);
    if (peer === undefined) return false;
    this.requests.push(`${id.slice(0, 1)}:${height}/${index}`);
    const chunk = (peer.chunk ?? bytesOf)(height, index);
    if (chunk === "silence") return true;
    this.#clock.after(5, () => this.listener?.chunkReceived(id, height, format, index, chunk));
    return true;
  }
  peers(): readonly NodeId[] {
    return [...this.peersById.keys()];
  }
}

/** An application that takes what is right and says what the test wants. */
class FakeApplication {
  readonly offered: number[] = [];
  readonly applied: string[] = [];
  offer: (snapshot: Snapshot) => OfferSnapshotResult = () => "accept";
  answer: (request: ApplySnapshotChunkRequest) => Partial<ApplySnapshotChunkResponse> = () => ({});
  #current: Snapshot | undefined;
  #restored = 0;
  infoChange: { lastBlockHeight?: Height; lastBlockAppHash?: Uint8Array; appVersion?: bigint } = {};
  async offerSnapshot({ snapshot: offered }: { readonly snapshot: Snapshot }) {
    this.offered.push(offered.height);
    this.#current = offered;
    return this.offer(offered);
  }
  async applySnapshotChunk(
    request: ApplySnapshotChunkRequest,
  ): Promise<ApplySnapshotChunkResponse> {
    const { index, chunk, sender } = request;
    const height = this.#current?.height ?? 0;
    const isRight = Buffer.compare(chunk, bytesOf(height, index)) === 0;
    const usual = isRight
      ? { result: "accept" as const, refetchChunks: [], rejectSenders: [] }
      : { result: "retry" as const, refetchChunks: [index], rejectSenders: [sender] };
    const answer = { ...usual, ...this.answer(request) };
    this.applied.push(`${index} ${answer.result}`);
    if (answer.result === "accept" && index === (this.#current?.chunks ?? 0) - 1) {
      this.#restored = height;
    }
    return answer;
  }
  async info() {
    return {
      data: "",
      version: "",
      appVersion: 1n,
      lastBlockHeight: Height(this.#restored),
      lastBlockAppHash: appHashOf(this.#restored),
      ...this.infoChange,
    };
  }
}

const GENESIS_STATE = chainStateFromGenesis(testGenesis(testKeys(1), {}), {
  validators: testGenesis(testKeys(1), {}).validators,
  consensusParams: testGenesis(testKeys(1), {}).consensusParams,
  appVersion: 1n,
  appHash: new Uint8Array(),
});

function stateAt(height: Height): ChainState {
  return { ...GENESIS_STATE, lastBlockHeight: height, appHash: appHashOf(height) };
}

function commitFor(height: Height): Commit {
  const { lastBlockId: blockId } = GENESIS_STATE;
  return { height, round: Round(0), blockId, signatures: [] };
}

const running: StateSync[] = [];
afterEach(() => {
  for (const one of running.splice(0)) one.stop();
});

function begin(trust: (height: Height) => StateSyncError | undefined = () => undefined) {
  const clock = createManualClock();
  const network = new FakeNetwork(clock);
  const application = new FakeApplication();
  const stateSync = createStateSync(
    {
      softwareVersion: "0.38",
      discoveryTimeMs: DISCOVERY_MS,
      chunkRequestTimeoutMs: REQUEST_TIMEOUT_MS,
      chunkFetchers: 4,
    },
    {
      application,
      network,
      trusted: {
        async at(height) {
          const fault = trust(height);
          if (fault !== undefined) throw fault;
          return { state: stateAt(height), commit: commitFor(height) };
        },
      },
      clock,
      logger: NULL_LOGGER,
      metrics: NULL_STATE_SYNC_METRICS,
    },
  );
  network.listener = stateSync;
  running.push(stateSync);
  let end: string | undefined;
  const run = (): void => {
    stateSync.run().then(
      ({ state }) => (end = `restored ${state.lastBlockHeight}`),
      (error: unknown) =>
        (end = error instanceof StateSyncError ? `${error.code}: ${error.message}` : String(error)),
    );
  };
  /** Lets time pass until it ends; how it ended. */
  const untilEnd = async (limitMs = 600_000): Promise<string> => {
    for (let ms = 0; end === undefined && ms < limitMs; ms += 50) await clock.advance(50);
    return end ?? "nothing";
  };
  return { clock, network, application, stateSync, run, untilEnd };
}

describe("finding a snapshot", () => {
  test("behavior: takes the greatest height, then format, then what most peers have", async () => {
    const world = begin();
    const popular = snapshot(9, 3, 1, 100);
    world.network.peersById.set(A, { snapshots: [snapshot(9), snapshot(8, 3, 7)] });
    world.network.peersById.set(B, { snapshots: [popular] });
    world.network.peersById.set(C, { snapshots: [popular] });
    world.run();
    expect(await world.untilEnd()).toBe("restored 9");
    expect(world.application.applied).toEqual(["0 accept", "1 accept", "2 accept"]);
    // Each chunk of the peer that was asked longest ago.
    expect(world.network.requests).toEqual(["2:9/0", "3:9/1", "2:9/2"]);
  });

  test("behavior: a peer that connects later is asked too", async () => {
    const world = begin();
    world.run();
    await world.clock.advance(DISCOVERY_MS * 1.5);
    world.network.peersById.set(A, { snapshots: [snapshot(5)] });
    world.stateSync.peerAdded(A);
    expect(await world.untilEnd()).toBe("restored 5");
  });

  test("behavior: ends with what was tried when nothing is left", async () => {
    const world = begin();
    world.run();
    expect(await world.untilEnd()).toMatch(/^STATE_SYNC_NO_SNAPSHOT: .*no peer offered one/);
    expect(world.clock.monotonicMs()).toBeGreaterThanOrEqual(DISCOVERY_ROUNDS_MAX * DISCOVERY_MS);
    const other = begin();
    other.network.peersById.set(A, { snapshots: [snapshot(5), snapshot(4)] });
    other.application.offer = () => "reject";
    other.run();
    const end = await other.untilEnd();
    expect(end).toMatch(/height 5, .*refused it; height 4, .*refused it/);
    // Each was tried once, whatever is said of it again.
    expect(other.application.offered).toEqual([5, 4]);
  });

  test("behavior: stops when it is told to", async () => {
    const world = begin();
    world.run();
    await world.clock.advance(10);
    world.stateSync.stop();
    expect(await world.untilEnd()).toMatch(/^STATE_SYNC_STOPPED/);
  });
});

describe("trust", () => {
  test("behavior: waits for the blocks after the snapshot", async () => {
    let asked = 0;
    const world = begin((height) =>
      ++asked < 5
        ? new StateSyncError({ code: "STATE_SYNC_NOT_YET", height }, "not yet")
        : undefined,
    );
    world.network.peersById.set(A, { snapshots: [snapshot(5)] });
    world.run();
    expect(await world.untilEnd()).toBe("restored 5");
    expect(asked).toBe(5);
  });

  test("attack: heights that are yet to come, or cannot be verified, hold nobody up", async () => {
    const world = begin((height) => {
      if (height === 9) return new StateSyncError({ code: "STATE_SYNC_NOT_YET", height }, "never");
      if (height === 8)
        return new StateSyncError({ code: "STATE_SYNC_UNTRUSTED", height }, "a lie");
      return undefined;
    });
    world.network.peersById.set(A, { snapshots: [snapshot(9), snapshot(8), snapshot(7)] });
    world.run();
    expect(await world.untilEnd()).toBe("restored 7");
    expect(world.application.offered).toEqual([7]);
    expect(world.clock.monotonicMs()).toBeLessThan(2 * DISCOVERY_MS);
  });

  test("behavior: what never comes is given up in the end", async () => {
    const world = begin(
      (height) => new StateSyncError({ code: "STATE_SYNC_NOT_YET", height }, "no such block"),
    );
    world.network.peersById.set(A, { snapshots: [snapshot(9)] });
    world.run();
    expect(await world.untilEnd()).toMatch(/height 9, format 1: no such block/);
    expect(world.clock.monotonicMs()).toBeGreaterThanOrEqual(TRUST_WAIT_MS);
    expect(world.application.offered).toEqual([]);
  });

  test("behavior: an application that is not where the chain was ends it", async () => {
    const changes = [
      { lastBlockHeight: Height(4) },
      { lastBlockAppHash: new Uint8Array(32) },
      { appVersion: 2n },
    ];
    for (const change of changes) {
      const world = begin();
      world.network.peersById.set(A, { snapshots: [snapshot(5)] });
      world.application.infoChange = change;
      world.run();
      expect(await world.untilEnd(), Object.keys(change)[0]).toMatch(
        /^STATE_SYNC_WRONG_APPLICATION/,
      );
    }
  });
});

describe("fetching", () => {
  test("behavior: the sender of a bad chunk is banned, the chunk fetched from another", async () => {
    const world = begin();
    const bad = (): Uint8Array => Uint8Array.of(99);
    world.network.peersById.set(A, { snapshots: [snapshot(9, 8)], chunk: bad });
    world.network.peersById.set(B, { snapshots: [snapshot(9, 8)] });
    world.run();
    expect(await world.untilEnd()).toBe("restored 9");
    expect(world.application.applied.filter((one) => one.endsWith("retry"))).toEqual(["0 retry"]);
    // Asked for two of the first four, and once more as the first came; nothing after it was applied.
    const last = world.network.requests.findLastIndex((one) => one.startsWith("1"));
    expect(last).toBeLessThanOrEqual(4);
  });

  test("behavior: a peer without the chunk, or silent, is replaced by another", async () => {
    const world = begin();
    world.network.peersById.set(A, { snapshots: [snapshot(9)], chunk: () => undefined });
    world.network.peersById.set(B, { snapshots: [snapshot(9)], chunk: () => "silence" });
    world.network.peersById.set(C, { snapshots: [snapshot(9)] });
    world.run();
    expect(await world.untilEnd()).toBe("restored 9");
    expect(world.clock.monotonicMs()).toBeLessThan(4 * REQUEST_TIMEOUT_MS);
  });

  test("behavior: no more is asked at once than there are fetchers", async () => {
    const world = begin();
    world.network.peersById.set(A, { snapshots: [snapshot(9, 20)], chunk: () => "silence" });
    world.run();
    await world.clock.advance(DISCOVERY_MS + REQUEST_TIMEOUT_MS / 2);
    expect(world.network.requests).toEqual(["1:9/0", "1:9/1", "1:9/2", "1:9/3"]);
  });

  test("behavior: a snapshot whose chunks do not come is given up for the next", async () => {
    const world = begin();
    world.network.peersById.set(A, {
      snapshots: [snapshot(9), snapshot(8)],
      chunk: (height, index) => (height === 9 ? "silence" : bytesOf(height, index)),
    });
    world.run();
    expect(await world.untilEnd()).toBe("restored 8");
    expect(world.clock.monotonicMs()).toBeGreaterThanOrEqual(CHUNK_TIMEOUT_MS);
  });

  test("behavior: a snapshot that nobody has any more is not rejected, and found again", async () => {
    const world = begin();
    world.network.peersById.set(A, { snapshots: [snapshot(9)], chunk: () => "silence" });
    world.run();
    await world.clock.advance(DISCOVERY_MS + 100);
    world.network.peersById.delete(A);
    world.stateSync.peerRemoved(A);
    await world.clock.advance(500);
    world.network.peersById.set(B, { snapshots: [snapshot(9)] });
    expect(await world.untilEnd()).toBe("restored 9");
  });
});

describe("the application's answers", () => {
  test("behavior: a format that it does not know is not offered again", async () => {
    const world = begin();
    world.network.peersById.set(A, {
      snapshots: [snapshot(9, 3, 2), snapshot(8, 3, 2), snapshot(7, 3, 1)],
    });
    world.application.offer = ({ format }) => (format === 2 ? "rejectFormat" : "accept");
    world.run();
    expect(await world.untilEnd()).toBe("restored 7");
    expect(world.application.offered).toEqual([9, 7]);
  });

  test("behavior: refused senders lose all of their snapshots", async () => {
    const world = begin();
    world.network.peersById.set(A, { snapshots: [snapshot(9), snapshot(8)] });
    world.network.peersById.set(B, { snapshots: [snapshot(7)] });
    world.application.offer = ({ height }) => (height === 9 ? "rejectSender" : "accept");
    world.run();
    expect(await world.untilEnd()).toBe("restored 7");
    expect(world.application.offered).toEqual([9, 7]);
  });

  test("behavior: abort ends it", async () => {
    for (const where of ["offer", "chunk"]) {
      const world = begin();
      world.network.peersById.set(A, { snapshots: [snapshot(9), snapshot(8)] });
      if (where === "offer") world.application.offer = () => "abort";
      else world.application.answer = () => ({ result: "abort" });
      world.run();
      expect(await world.untilEnd(), where).toMatch(/^STATE_SYNC_ABORTED/);
      expect(world.application.offered).toEqual([9]);
    }
  });

  test("behavior: a rejected snapshot gives way to the next", async () => {
    const world = begin();
    world.network.peersById.set(A, { snapshots: [snapshot(9), snapshot(8)] });
    world.application.answer = ({ index }) =>
      index === 2 && world.application.offered.at(-1) === 9 ? { result: "rejectSnapshot" } : {};
    world.run();
    expect(await world.untilEnd()).toBe("restored 8");
  });

  test("behavior: it may begin a snapshot again, a few times", async () => {
    const world = begin();
    world.network.peersById.set(A, { snapshots: [snapshot(9), snapshot(8)] });
    world.application.answer = () =>
      world.application.offered.at(-1) === 9 ? { result: "retrySnapshot" } : {};
    world.run();
    expect(await world.untilEnd()).toBe("restored 8");
    expect(world.application.offered).toEqual([...Array<number>(SNAPSHOT_RETRIES_MAX).fill(9), 8]);
  });

  test("behavior: it may have earlier chunks fetched and applied again", async () => {
    const world = begin();
    world.network.peersById.set(A, { snapshots: [snapshot(9)] });
    let isFirst = true;
    world.application.answer = ({ index }) => {
      if (index !== 1 || !isFirst) return {};
      isFirst = false;
      return { refetchChunks: [0] };
    };
    world.run();
    expect(await world.untilEnd()).toBe("restored 9");
    expect(world.application.applied).toEqual(["0 accept", "1 accept", "0 accept", "2 accept"]);
  });
});

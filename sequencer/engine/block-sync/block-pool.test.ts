import { describe, expect, test } from "vitest";
import * as fc from "fast-check";
import { NodeId } from "../../../proto/brands.ts";
import { BlockPool, type PeerDrop } from "./block-pool.ts";
import { BAN_MS, PENDING_PER_PEER_MAX, SECOND_REQUEST_AFTER_MS } from "./limits.ts";

const peer = (index: number): NodeId => NodeId(index.toString(16).padStart(40, "0"));
const [A, B, C] = [peer(1), peer(2), peer(3)];
const silent = (): number => 0;

function poolAt(next: number): BlockPool<string> {
  const pool = new BlockPool<string>();
  pool.advanceTo(next);
  return pool;
}

/** Blocks that were planned, by peer. */
function planned(
  pool: BlockPool<string>,
  nowMs: number,
  window?: number,
): Record<string, number[]> {
  const result: Record<string, number[]> = {};
  for (const { peer: id, height } of pool.plan(nowMs, silent, window)) {
    (result[id] ??= []).push(height);
  }
  return result;
}

describe("asking", () => {
  test("no peer owes more than twenty blocks, and all peers share", () => {
    const pool = poolAt(1);
    pool.setRange(A, 1, 1_000, 0);
    pool.setRange(B, 1, 1_000, 0);
    const requests = planned(pool, 0);
    expect(requests[A]).toHaveLength(PENDING_PER_PEER_MAX);
    expect(requests[B]).toHaveLength(PENDING_PER_PEER_MAX);
    expect(new Set([...(requests[A] ?? []), ...(requests[B] ?? [])]).size).toBe(40);
    expect(planned(pool, 1)).toEqual({});
  });

  test("only who has a block is asked for it", () => {
    const pool = poolAt(5);
    pool.setRange(A, 1, 6, 0);
    pool.setRange(B, 7, 9, 0);
    expect(planned(pool, 0)).toEqual({ [A]: [5, 6], [B]: [7, 8, 9] });
  });

  test("a window of two asks for the proof of one block", () => {
    const pool = poolAt(5);
    pool.setRange(A, 1, 100, 0);
    expect(planned(pool, 0, 2)).toEqual({ [A]: [5, 6] });
  });

  test("a second peer is asked for a block that lets us wait", () => {
    const pool = poolAt(1);
    pool.setRange(A, 1, 1, 0);
    expect(planned(pool, 0)).toEqual({ [A]: [1] });
    pool.setRange(B, 1, 1, 0);
    expect(planned(pool, SECOND_REQUEST_AFTER_MS - 1)).toEqual({});
    expect(planned(pool, SECOND_REQUEST_AFTER_MS)).toEqual({ [B]: [1] });
    expect(pool.addBlock(B, 1, "one", 10)).toBe(true);
    expect(pool.addBlock(A, 1, "one again", 10)).toBe(false);
    expect(pool.pendingCount).toBe(0);
  });

  test("what cannot be sent is asked for again", () => {
    const pool = poolAt(1);
    pool.setRange(A, 1, 1, 0);
    const [request] = pool.plan(0, silent);
    if (request === undefined) throw new Error("nothing was asked for");
    pool.requestFailed(request);
    expect(planned(pool, 1)).toEqual({ [A]: [1] });
  });

  test("bytes that wait bound what is asked for, but never the next pair", () => {
    const pool = new BlockPool<string>({ bufferedBytesMax: 1_000 });
    pool.advanceTo(1);
    pool.setRange(A, 1, 100, 0);
    pool.plan(0, silent, 3);
    expect(pool.addBlock(A, 3, "three", 900)).toBe(true);
    expect(planned(pool, 1)).toEqual({});
    expect(pool.addBlock(A, 1, "one", 900)).toBe(true);
    expect(pool.addBlock(A, 2, "two", 900)).toBe(true);
    pool.accept("one", 2);
    pool.accept("two", 2);
    // Height 4 proves height 3; height 5 must wait.
    expect(planned(pool, 3)).toEqual({ [A]: [4] });
  });
});

describe("peers", () => {
  test("base above height, or either falling, is a ban of a minute", () => {
    const pool = poolAt(1);
    expect(pool.setRange(A, 5, 4, 0)).toEqual({ peer: A, fault: "status" });
    pool.setRange(B, 3, 9, 0);
    expect(pool.setRange(B, 3, 8, 1)).toEqual({ peer: B, fault: "status" });
    pool.setRange(C, 3, 9, 0);
    expect(pool.setRange(C, 2, 9, 1)).toEqual({ peer: C, fault: "status" });
    expect(pool.peerCount).toBe(0);
    expect(pool.setRange(A, 1, 9, BAN_MS - 1)).toBeUndefined();
    expect(pool.peerCount).toBe(0);
    pool.setRange(A, 1, 9, BAN_MS);
    expect(pool.peerCount).toBe(1);
  });

  test("one that is silent for 15 s is dropped, one that sends a large block is not", () => {
    const pool = poolAt(1);
    pool.setRange(A, 1, 1, 0);
    pool.setRange(B, 2, 2, 0);
    const bytes = (id: NodeId): number => (id === B ? 3_000_000 : 1_000_000);
    pool.plan(0, silent);
    for (let ms = 1_000; ms < 15_000; ms += 1_000) expect(pool.sweep(ms, bytes)).toEqual([]);
    expect(pool.sweep(15_000, bytes)).toEqual([{ peer: A, fault: "slow" }]);
    pool.setRange(C, 1, 2, 15_000);
    expect(planned(pool, 15_001)).toEqual({ [C]: [1, 2] });
    for (let ms = 16_000; ms <= 22_000; ms += 1_000) expect(pool.sweep(ms, bytes)).toEqual([]);
    expect(pool.sweep(23_000, bytes)).toEqual([{ peer: B, fault: "slow" }]);
  });

  test("nobody is blamed when the process itself stood still", () => {
    const pool = poolAt(1);
    pool.setRange(A, 1, 1, 0);
    pool.sweep(0, silent);
    pool.plan(0, silent);
    expect(pool.sweep(3_600_000, silent)).toEqual([]);
    for (let s = 1; s < 15; s++) expect(pool.sweep(3_600_000 + s * 1_000, silent)).toEqual([]);
    expect(pool.sweep(3_615_000, silent)).toEqual([{ peer: A, fault: "slow" }]);
  });

  test("one that has not what it said is not asked again, and somebody else is", () => {
    const pool = poolAt(1);
    pool.setRange(A, 1, 1_000_000, 0);
    expect(pool.maxHeight()).toBe(1_000_000);
    pool.plan(0, silent, 1);
    expect(pool.noBlock(A, 1, 1)).toEqual({ peer: A, fault: "missing" });
    pool.setRange(B, 1, 3, 1);
    expect(pool.maxHeight()).toBe(3);
    expect(planned(pool, 2)).toEqual({ [B]: [1, 2, 3] });
  });

  test("one that left is not waited for", () => {
    const pool = poolAt(1);
    pool.setRange(A, 1, 2, 0);
    pool.plan(0, silent);
    pool.removePeer(A);
    expect(pool.pendingCount).toBe(0);
    pool.setRange(B, 1, 2, 1);
    expect(planned(pool, 1)).toEqual({ [B]: [1, 2] });
  });
});

describe("a pair that does not hold", () => {
  /** Height 1 from A, height 2 from B, and C who has both. */
  function rejected(): BlockPool<string> {
    const pool = poolAt(1);
    pool.setRange(A, 1, 1, 0);
    pool.setRange(B, 2, 2, 0);
    pool.plan(0, silent);
    pool.addBlock(A, 1, "one of A", 10);
    pool.addBlock(B, 2, "two of B", 10);
    pool.setRange(C, 1, 3, 0);
    expect(pool.reject("key of A", 1)).toEqual([]);
    return pool;
  }

  test("is fetched again from one peer, whose blocks tell who lied", () => {
    for (const [key, liar] of [
      ["key of A", B],
      ["another key", A],
    ] as const) {
      const pool = rejected();
      expect(pool.pair()).toBeUndefined();
      expect(planned(pool, 1)).toEqual({ [C]: [1, 2, 3] });
      expect(pool.addBlock(C, 1, "one of C", 10)).toBe(true);
      expect(pool.addBlock(C, 2, "two of C", 10)).toBe(true);
      expect(pool.accept(key, 2)).toEqual([{ peer: liar, fault: "invalid" }]);
      expect(pool.next).toBe(2);
    }
  });

  test("convicts the peer that sent both", () => {
    const pool = rejected();
    pool.plan(1, silent);
    pool.addBlock(C, 1, "one of C", 10);
    pool.addBlock(C, 2, "two of C", 10);
    expect(pool.reject("key of C", 2)).toEqual([{ peer: C, fault: "invalid" }]);
    // Nobody is left who has both: each is asked for what it has.
    expect(planned(pool, 3)).toEqual({ [A]: [1], [B]: [2] });
  });

  test("costs both peers when nobody alone has both blocks", () => {
    const pool = poolAt(1);
    pool.setRange(A, 1, 1, 0);
    pool.setRange(B, 2, 2, 0);
    pool.plan(0, silent);
    pool.addBlock(A, 1, "one", 10);
    pool.addBlock(B, 2, "two", 10);
    expect(pool.reject("key", 1)).toEqual([
      { peer: A, fault: "invalid" },
      { peer: B, fault: "invalid" },
    ]);
  });

  test("with something only the first peer can have made up convicts that one", () => {
    const pool = poolAt(1);
    pool.setRange(A, 1, 1, 0);
    pool.setRange(B, 2, 2, 0);
    pool.plan(0, silent);
    pool.addBlock(A, 1, "one", 10);
    pool.addBlock(B, 2, "two", 10);
    expect(pool.rejectFirst(1)).toEqual([{ peer: A, fault: "invalid" }]);
    pool.setRange(C, 1, 2, 1);
    expect(planned(pool, 1)).toEqual({ [C]: [1] });
    pool.addBlock(C, 1, "one again", 10);
    expect(pool.pair()?.second.block).toBe("two");
  });
});

/** What a peer of the simulation does with a request. */
type Conduct = "honest" | "lies" | "silent" | "has none" | "boasts" | "falls" | "leaves";

describe("with one honest peer", () => {
  const conducts = fc.array(
    fc.constantFrom<Conduct>("honest", "lies", "silent", "has none", "boasts", "falls", "leaves"),
    { maxLength: 8 },
  );

  test("every block arrives, within bounds, and the honest are never dropped", () => {
    fc.assert(
      fc.property(conducts, fc.integer({ min: 0, max: 8 }), fc.nat(), (others, at, seed) => {
        const peers: Conduct[] = [...others.slice(0, at), "honest", ...others.slice(at)];
        const { drops, next, elapsedMs } = simulate(peers, 60, seed);
        const honest = peers.flatMap((conduct, i) => (conduct === "honest" ? [peer(i)] : []));
        for (const drop of drops) expect(honest).not.toContain(drop.peer);
        expect(next).toBe(60);
        // A silent peer costs its timeout at most, and peers time out side by side.
        expect(elapsedMs).toBeLessThan(60_000);
      }),
      { numRuns: 60 },
    );
  });
});

/** Fetches blocks up to `top` of peers that behave as said; false blocks are told by their text. */
function simulate(peers: readonly Conduct[], top: number, seed: number) {
  const pool = poolAt(1);
  const drops: PeerDrop[] = [];
  let nowMs = 0;
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state % below;
  };
  const left = new Set<NodeId>();
  const note = (drop: PeerDrop | undefined): void => {
    if (drop !== undefined) drops.push(drop);
  };
  const announce = (): void => {
    peers.forEach((conduct, i) => {
      if (left.has(peer(i))) return;
      if (conduct === "boasts") note(pool.setRange(peer(i), 1, 1_000_000, nowMs));
      else if (conduct === "falls") note(pool.setRange(peer(i), 1, top - random(5), nowMs));
      else note(pool.setRange(peer(i), 1, top, nowMs));
    });
  };
  let step = 0;
  for (; step < 20_000 && pool.next < top; step++) {
    if (step % 20 === 0) announce();
    const requests = pool.plan(nowMs, silent);
    const answers = [...requests].sort(() => random(3) - 1);
    for (const { peer: id, height } of answers) {
      const conduct = peers[Number.parseInt(id, 16)];
      const text = `${height}/true`;
      if (conduct === "lies" && random(2) === 0) pool.addBlock(id, height, `${height}/${id}`, 100);
      else if (conduct === "has none") note(pool.noBlock(id, height, nowMs));
      else if (conduct === "boasts" && height > top) note(pool.noBlock(id, height, nowMs));
      else if (conduct === "leaves" && random(4) === 0) {
        left.add(id);
        pool.removePeer(id);
      } else if (conduct !== "silent" && !left.has(id)) pool.addBlock(id, height, text, 100);
    }
    for (let i = 0; i < peers.length; i++) {
      const asked = requests.filter((request) => request.peer === peer(i));
      expect(asked.length).toBeLessThanOrEqual(PENDING_PER_PEER_MAX);
    }
    expect(pool.pendingCount).toBeLessThanOrEqual(PENDING_PER_PEER_MAX * peers.length);
    for (let pair = pool.pair(); pair !== undefined; pair = pool.pair()) {
      const key = pair.first.block;
      // The second proves the first when both are true.
      const isProven = key.endsWith("/true") && pair.second.block.endsWith("/true");
      for (const drop of isProven ? pool.accept(key, nowMs) : pool.reject(key, nowMs)) note(drop);
    }
    nowMs += 500;
    for (const drop of pool.sweep(nowMs, silent)) note(drop);
  }
  return { drops, next: pool.next, elapsedMs: nowMs };
}

import { describe, expect, test } from "vitest";
import { Height, NodeId } from "../../../proto/brands.ts";
import type { Snapshot } from "../../abci/application.ts";
import { SNAPSHOT_METADATA_BYTES_MAX, SNAPSHOTS_MAX, SNAPSHOTS_PER_PEER_MAX } from "./limits.ts";
import { SnapshotPool } from "./snapshot-pool.ts";

const peer = (i: number): NodeId => NodeId(i.toString(16).padStart(40, "0"));

function snapshot(height: number, salt = 0, format = 1): Snapshot {
  return {
    height: Height(height),
    format,
    chunks: 1,
    hash: Uint8Array.of(salt),
    metadata: Uint8Array.of(1),
  };
}

const heights = (pool: SnapshotPool): number[] => pool.ranked().map((one) => one.snapshot.height);

describe("snapshots of peers", () => {
  test("behavior: rank by height, format and number of peers", () => {
    const pool = new SnapshotPool();
    pool.add(peer(1), snapshot(5, 1));
    pool.add(peer(1), snapshot(5, 2, 2));
    pool.add(peer(1), snapshot(6, 3));
    pool.add(peer(1), snapshot(6, 4));
    pool.add(peer(2), snapshot(6, 4));
    expect(pool.ranked().map((one) => one.snapshot.hash[0])).toEqual([4, 3, 2, 1]);
    expect(pool.add(peer(2), snapshot(6, 4)), "twice").toBe(false);
  });

  test("behavior: what differs in anything is another snapshot", () => {
    const pool = new SnapshotPool();
    const one = snapshot(5);
    pool.add(peer(1), one);
    pool.add(peer(2), { ...one, metadata: Uint8Array.of(2) });
    pool.add(peer(3), { ...one, chunks: 2 });
    expect(pool.size).toBe(3);
  });

  test("behavior: a peer names its newest only, and none that is too large", () => {
    const pool = new SnapshotPool();
    for (let i = 1; i <= 2 * SNAPSHOTS_PER_PEER_MAX; i++) pool.add(peer(1), snapshot(i));
    expect(heights(pool).length).toBe(SNAPSHOTS_PER_PEER_MAX);
    expect(heights(pool)[0]).toBe(2 * SNAPSHOTS_PER_PEER_MAX);
    const metadata = new Uint8Array(SNAPSHOT_METADATA_BYTES_MAX + 1);
    expect(pool.add(peer(2), { ...snapshot(99), metadata })).toBe(false);
  });

  test("attack: peers that name many, however high, do not push out who names one", () => {
    const pool = new SnapshotPool();
    const honest = snapshot(7);
    pool.add(peer(0), honest);
    for (let i = 1; i <= 60; i++) {
      for (let j = 0; j < SNAPSHOTS_PER_PEER_MAX; j++) {
        pool.add(peer(i), snapshot(1_000_000 + j, i % 256));
      }
    }
    expect(pool.size).toBeLessThanOrEqual(SNAPSHOTS_MAX);
    expect(heights(pool)).toContain(7);
  });

  test("behavior: what is rejected stays away", () => {
    const pool = new SnapshotPool();
    pool.add(peer(1), snapshot(5));
    pool.add(peer(1), snapshot(6, 0, 2));
    pool.add(peer(2), snapshot(4));
    const [first] = pool.ranked();
    pool.reject(first?.key ?? "");
    expect(pool.add(peer(3), snapshot(6, 0, 2))).toBe(false);
    pool.rejectFormat(3);
    expect(pool.add(peer(3), snapshot(9, 0, 3))).toBe(false);
    pool.rejectPeer(peer(1));
    expect(pool.add(peer(1), snapshot(8))).toBe(false);
    expect(heights(pool)).toEqual([4]);
    pool.removePeer(peer(2));
    expect(pool.size).toBe(0);
    expect(pool.add(peer(2), snapshot(4)), "gone is not rejected").toBe(true);
  });
});

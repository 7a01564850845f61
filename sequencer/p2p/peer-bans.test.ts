import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { NodeId } from "../../proto/brands.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import { createConnectionGuard } from "./connection-guard.ts";
import {
  BAN_DURATIONS_MS,
  BAN_FORGET_MS,
  BANS_MAX,
  HANDSHAKE_HOSTS_MAX,
  HANDSHAKES_PER_HOST_BURST,
  PENDING_HANDSHAKES_MAX,
  PENDING_HANDSHAKES_PER_HOST_MAX,
  SCORE_HALF_LIFE_MS,
} from "./limits.ts";
import { type Ban, createPeerBans } from "./peer-bans.ts";
import { readBansFile, writeBansFile } from "./peer-bans-file.ts";

const idOf = (n: number): NodeId => NodeId(n.toString(16).padStart(40, "0"));
const PEER = idOf(1);

function setup(entries: readonly Ban[] = []) {
  const time = { nowMs: 1_700_000_000_000 };
  const told: Ban[] = [];
  const bans = createPeerBans(
    { entries },
    { nowMs: () => time.nowMs, onBan: (ban) => told.push(ban) },
  );
  return { bans, time, told };
}

describe("bans", () => {
  test("two faults in a row are a ban, one is not", () => {
    const { bans, told } = setup();
    expect(bans.record(PEER, "P2P_PACKET_MALFORMED", false)).toBeUndefined();
    expect([bans.isBanned(PEER), bans.score(PEER)]).toEqual([false, 50]);
    expect(bans.record(PEER, "P2P_MESSAGE_INVALID", false)).toMatchObject({ count: 1 });
    expect(bans.isBanned(PEER)).toBe(true);
    expect(told.map(({ code }) => code)).toEqual(["P2P_MESSAGE_INVALID"]);
  });

  test("points fade", () => {
    const { bans, time } = setup();
    bans.record(PEER, "P2P_MESSAGE_INVALID", false);
    time.nowMs += SCORE_HALF_LIFE_MS;
    expect(bans.score(PEER)).toBe(25);
    expect(bans.record(PEER, "P2P_MESSAGE_INVALID", false)).toBeUndefined();
  });

  test("what is nobody's fault counts nothing", () => {
    const { bans } = setup();
    for (let i = 0; i < 1_000; i++) {
      bans.record(PEER, "P2P_SOCKET_CLOSED", false);
      bans.record(PEER, "P2P_PEER_SILENT", false);
      bans.record(PEER, "P2P_PEER_DUPLICATE", false);
    }
    expect(bans.score(PEER)).toBe(0);
  });

  test("each ban is longer than the one before, until it is forgotten", () => {
    const { bans, time } = setup();
    const lengths: number[] = [];
    for (let i = 0; i < 6; i++) {
      const ban = bans.record(PEER, "P2P_PEX_TOO_OFTEN", false);
      lengths.push((ban?.untilMs ?? 0) - time.nowMs);
      time.nowMs = ban?.untilMs ?? 0;
      expect(bans.isBanned(PEER)).toBe(false);
    }
    expect(lengths).toEqual([...BAN_DURATIONS_MS, BAN_DURATIONS_MS.at(-1)]);
    time.nowMs += BAN_FORGET_MS + 1;
    const again = bans.record(PEER, "P2P_PEX_TOO_OFTEN", false);
    expect(again).toMatchObject({ count: 1, untilMs: time.nowMs + (BAN_DURATIONS_MS[0] ?? 0) });
  });

  test("a peer that the operator named is banned for the shortest time at most", () => {
    const { bans, time } = setup();
    for (let i = 0; i < 5; i++) {
      const ban = bans.record(PEER, "P2P_PEX_TOO_OFTEN", true);
      expect((ban?.untilMs ?? 0) - time.nowMs).toBe(BAN_DURATIONS_MS[0]);
    }
  });

  test("memory is bounded", () => {
    const { bans } = setup();
    for (let i = 0; i < 3 * BANS_MAX; i++) bans.record(idOf(i), "P2P_PEX_TOO_OFTEN", false);
    expect(bans.entries().length).toBe(BANS_MAX);
    expect([bans.isBanned(idOf(0)), bans.isBanned(idOf(3 * BANS_MAX - 1))]).toEqual([false, true]);
  });
});

describe("peer_bans.json", () => {
  let directory = "";
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "weft-bans-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  test("carries bans over a restart", () => {
    const path = join(directory, "peer_bans.json");
    expect(readBansFile(path, NULL_LOGGER)).toEqual([]);
    const { bans, time } = setup();
    bans.record(PEER, "P2P_PEX_TOO_OFTEN", false);
    writeBansFile(path, bans.entries());
    const again = setup(readBansFile(path, NULL_LOGGER));
    expect(again.bans.isBanned(PEER)).toBe(true);
    expect(again.bans.banned()).toEqual(bans.banned());
    again.time.nowMs = time.nowMs + (BAN_DURATIONS_MS[0] ?? 0);
    expect(again.bans.isBanned(PEER)).toBe(false);
    expect(again.bans.record(PEER, "P2P_PEX_TOO_OFTEN", false)).toMatchObject({ count: 2 });
  });

  test("one that cannot be read is begun anew", () => {
    const path = join(directory, "peer_bans.json");
    for (const text of ["", "[]", '{"bans":1}', '{"bans":[{}]}', '{"bans":[{"id":"x"}]}']) {
      writeFileSync(path, text);
      expect(readBansFile(path, NULL_LOGGER), text).toEqual([]);
    }
  });
});

describe("strangers at the door", () => {
  function door() {
    const time = { nowMs: 0 };
    return { guard: createConnectionGuard({ monotonicMs: () => time.nowMs }), time };
  }

  test("one host holds few places, all together no more than there are", () => {
    const { guard } = door();
    const entered = Array.from({ length: 100 }, () => guard.enter("1.1.1.1")).filter(Boolean);
    expect(entered.length).toBe(PENDING_HANDSHAKES_PER_HOST_MAX);
    expect(guard.enter("2.2.2.2")).toBe(true);
    for (let i = 0; i < 1_000; i++) guard.enter(`3.3.${i >> 8}.${i & 255}`);
    expect(guard.pending).toBe(PENDING_HANDSHAKES_MAX);
    guard.done("1.1.1.1");
    expect(guard.enter("1.1.1.1")).toBe(true);
  });

  test("handshakes per second are bounded for each host, not for others", () => {
    const { guard, time } = door();
    const knock = (host: string): boolean => {
      const isIn = guard.enter(host);
      if (isIn) guard.done(host);
      return isIn;
    };
    const count = (host: string, times: number): number =>
      Array.from({ length: times }, () => knock(host)).filter(Boolean).length;
    expect(count("1.1.1.1", 1_000)).toBe(HANDSHAKES_PER_HOST_BURST);
    expect(knock("2.2.2.2")).toBe(true);
    time.nowMs += 1_000;
    expect(count("1.1.1.1", 1_000)).toBe(50);
  });

  test("hosts are forgotten, not those with a connection", () => {
    const { guard } = door();
    guard.enter("1.1.1.1");
    for (let i = 0; i < 2 * HANDSHAKE_HOSTS_MAX; i++) {
      const host = `h${i}`;
      if (guard.enter(host)) guard.done(host);
    }
    guard.done("1.1.1.1");
    expect(guard.pending).toBe(0);
  });
});

/** Liveness of a connection, in simulated time: who is alive is kept, who is silent is not. */
import { describe, expect, test } from "vitest";
import { createManualClock, type ManualClock } from "../../../test/support/manual-clock.ts";
import { createQuietConnection } from "../../../test/support/quiet-connection.ts";
import { PING_PACKET, PONG_PACKET } from "./packet.ts";

function setup(clock = createManualClock()) {
  return { clock, ...createQuietConnection(clock) };
}

describe("heartbeats", () => {
  test("an idle connection pings twice a second", async () => {
    const { clock, sent, hear } = setup();
    for (let i = 0; i < 10; i++) {
      hear(PONG_PACKET);
      await clock.advance(500);
    }
    expect(sent.map(({ byte }) => byte)).toEqual(Array<number>(10).fill(0x0a));
  });

  test("silence ends the connection after its timeout, not before", async () => {
    const { clock, ends, mconnection } = setup();
    await clock.advance(2_999);
    expect(ends).toEqual([]);
    expect(mconnection.silentMs).toBe(2_500);
    await clock.advance(1);
    expect(ends.map(({ info }) => info.code)).toEqual(["P2P_PEER_SILENT"]);
  });

  test("any byte is a sign of life, and a ping is answered", async () => {
    const { clock, ends, sent, hear } = setup();
    for (let i = 0; i < 20; i++) {
      await clock.advance(2_400);
      hear(PING_PACKET);
    }
    expect(ends).toEqual([]);
    await clock.advance(0);
    expect(sent.some(({ byte }) => byte === 0x12)).toBe(true);
  });

  test("a standstill of this process counts as one beat", async () => {
    const inner = createManualClock();
    let stallMs = 60_000;
    // What a stalled event loop looks like: the timer fires long after it was due.
    const clock: ManualClock = {
      now: () => inner.now(),
      monotonicMs: () => inner.monotonicMs(),
      advance: (ms) => inner.advance(ms),
      after: (delayMs, task) => {
        const lateMs = delayMs === 500 ? stallMs : 0;
        stallMs -= lateMs;
        return inner.after(delayMs + lateMs, task);
      },
    };
    const { ends, mconnection } = setup(clock);
    await clock.advance(60_500);
    expect(mconnection.silentMs).toBe(500);
    await clock.advance(500);
    expect(mconnection.silentMs).toBe(1_000);
    expect(ends).toEqual([]);
  });
});

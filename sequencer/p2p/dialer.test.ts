import { describe, expect, test } from "vitest";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { type PeerAddress, parsePeerAddress } from "./address.ts";
import { createDialer } from "./dialer.ts";
import { DIALS_PER_PEER_MAX, PERSISTENT_PEERS_MAX } from "./limits.ts";

interface Call {
  readonly atMs: number;
  readonly address: PeerAddress;
  readonly signal: AbortSignal;
  readonly onConnected: () => void;
  readonly succeed: () => void;
  readonly fail: () => void;
}

const idOf = (n: number): string => n.toString(16).padStart(40, "0");
const peer = parsePeerAddress(`${idOf(1)}@10.0.0.1:26656`);

function setup(delayMaxMs = 0) {
  const clock = createManualClock();
  const calls: Call[] = [];
  const connected = new Set<string>();
  const dialer = createDialer(
    { delayMaxMs },
    {
      clock,
      random: () => 0,
      isConnected: (id) => connected.has(id),
      connect: (address, { signal, onConnected }) =>
        new Promise<void>((resolve, reject) => {
          signal.addEventListener("abort", () => reject(new Error("aborted")));
          calls.push({
            atMs: clock.monotonicMs(),
            address,
            signal,
            onConnected,
            succeed: () => {
              connected.add(address.id);
              dialer.found(address.id);
              resolve();
            },
            fail: () => reject(new Error("refused")),
          });
        }),
      onFailure: () => {},
    },
  );
  dialer.watch(peer);
  return { clock, calls, connected, dialer };
}

describe("dialer", () => {
  test("dials again without waiting for an attempt that hangs, every half second at the latest", async () => {
    const { clock, calls, dialer } = setup();
    dialer.start();
    await clock.advance(20_000);
    const gaps = calls.map(({ atMs }, i) => atMs - (calls[i - 1]?.atMs ?? 0));
    expect(gaps.slice(0, 6)).toEqual([0, 100, 200, 300, 500, 500]);
    expect(Math.max(...gaps)).toBe(500);
  });

  test("holds a bounded number of attempts; the oldest gives way", async () => {
    const { clock, calls, dialer } = setup();
    dialer.start();
    await clock.advance(30_000);
    expect(dialer.dialing).toBe(DIALS_PER_PEER_MAX);
    const open = calls.filter(({ signal }) => !signal.aborted);
    expect(open).toEqual(calls.slice(-DIALS_PER_PEER_MAX));
  });

  test("waits for a handshake under way, but not for ever", async () => {
    const { clock, calls, dialer } = setup();
    dialer.start();
    await clock.advance(0);
    calls[0]?.onConnected();
    await clock.advance(1_400);
    expect(calls.length).toBe(1);
    await clock.advance(1_000);
    expect(calls.length).toBeGreaterThan(1);
  });

  test("tells whom it cannot reach and why, until it has", async () => {
    const { clock, calls, connected, dialer } = setup();
    dialer.start();
    await clock.advance(0);
    expect(dialer.unreached()).toEqual([]);
    calls[0]?.fail();
    await clock.advance(100);
    const [unreached] = dialer.unreached();
    expect(unreached).toMatchObject({ address: peer, fault: expect.stringMatching(/refused/) });
    calls[1]?.succeed();
    expect(dialer.unreached()).toEqual([]);
    // What was wrong before it was connected says nothing of why it is gone.
    connected.clear();
    dialer.lost(peer.id, 60_000);
    expect(dialer.unreached()).toEqual([]);
  });

  test("success ends the other attempts and the redials", async () => {
    const { clock, calls, dialer } = setup();
    dialer.start();
    await clock.advance(700);
    calls.at(-1)?.succeed();
    await clock.advance(60_000);
    expect(calls.slice(0, -1).every(({ signal }) => signal.aborted)).toBe(true);
    expect(dialer.dialing).toBe(0);
  });

  test("a lost connection is dialed at once; one that never lasts, ever later", async () => {
    const { clock, calls, connected, dialer } = setup();
    dialer.start();
    await clock.advance(0);
    calls[0]?.succeed();
    connected.clear();
    dialer.lost(peer.id, 60_000);
    await clock.advance(100);
    expect(calls.length).toBe(2);
    for (let i = 0; i < 10; i++) {
      calls.at(-1)?.succeed();
      connected.clear();
      dialer.lost(peer.id, 10);
      await clock.advance(499);
    }
    const before = calls.length;
    calls.at(-1)?.succeed();
    connected.clear();
    dialer.lost(peer.id, 10);
    await clock.advance(400);
    expect(calls.length).toBe(before);
  });

  test("the pause grows after minutes, to its cap", async () => {
    const gapAfter = async (delayMaxMs: number, ms: number): Promise<number> => {
      const { clock, calls, dialer } = setup(delayMaxMs);
      dialer.start();
      await clock.advance(ms);
      return (calls.at(-1)?.atMs ?? 0) - (calls.at(-2)?.atMs ?? 0);
    };
    expect(await gapAfter(0, 120_000)).toBe(1_000);
    expect(await gapAfter(0, 1_200_000)).toBe(30_000);
    expect(await gapAfter(2_000, 1_200_000)).toBe(2_000);
  });

  test("nothing is dialed after stop, nor more than the limit watched", async () => {
    const { clock, calls, dialer } = setup();
    dialer.start();
    await clock.advance(1_000);
    dialer.stop();
    const before = calls.length;
    await clock.advance(10_000);
    expect(calls.length).toBe(before);
    expect(calls.every(({ signal }) => signal.aborted)).toBe(true);
    for (let i = 2; i <= PERSISTENT_PEERS_MAX; i++) {
      dialer.watch(parsePeerAddress(`${idOf(i)}@10.0.0.1:26656`));
    }
    expect(() => dialer.watch(parsePeerAddress(`${idOf(9_999)}@10.0.0.1:1`))).toThrow(
      expect.objectContaining({ info: { code: "P2P_PEER_LIMIT" } }),
    );
  });
});

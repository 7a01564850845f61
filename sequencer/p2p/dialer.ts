/**
 * Keeps connections to persistent peers: dials, and dials again without waiting for the attempt
 * before. A SYN that a broken link has swallowed is repeated by the kernel ever later, so a fresh
 * attempt is what finds a link that has come back.
 */
import type { NodeId } from "../../proto/brands.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { PeerAddress } from "./address.ts";
import {
  CONNECTION_STABLE_MS,
  DIALS_PER_PEER_MAX,
  HANDSHAKE_PATIENCE_MS,
  PERSISTENT_PEERS_MAX,
} from "./limits.ts";
import { P2pError, toP2pError } from "./errors.ts";
import { redialDelayMs } from "./redial.ts";

export interface DialerDependencies {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly isConnected: (id: NodeId) => boolean;
  /**
   * One attempt: resolves when the peer is added, rejects otherwise. `signal` gives the attempt up;
   * `onConnected` is called when TCP is connected and the handshake begins.
   */
  readonly connect: (
    address: PeerAddress,
    attempt: { readonly signal: AbortSignal; readonly onConnected: () => void },
  ) => Promise<void>;
  readonly onFailure: (address: PeerAddress, attempt: number, fault: string) => void;
}

export interface Dialer {
  /** Throws `P2P_PEER_LIMIT` beyond `PERSISTENT_PEERS_MAX`. */
  watch(address: PeerAddress): void;
  has(id: NodeId): boolean;
  start(): void;
  stop(): void;
  /** A connection to the peer was added, whoever dialed. */
  found(id: NodeId): void;
  /** The last connection to the peer is gone after `connectedMs`. */
  lost(id: NodeId, connectedMs: number): void;
  /** Whether an attempt to reach the peer is under way. */
  isDialing(id: NodeId): boolean;
  /** Attempts under way, all peers. */
  readonly dialing: number;
  /** Peers without a connection whose last attempt failed, and what it failed with. */
  unreached(): readonly UnreachedPeer[];
}

export interface UnreachedPeer {
  readonly address: PeerAddress;
  readonly fault: string;
}

interface Attempt {
  readonly abort: AbortController;
  /** Set once TCP is connected. */
  handshakeSinceMs: number | undefined;
}

interface Watched {
  readonly address: PeerAddress;
  readonly attempts: Set<Attempt>;
  /** Attempts since the last connection that lasted. */
  tries: number;
  timer: Cancel | undefined;
  /** What the last attempt failed with, since the peer was last connected. */
  fault: string | undefined;
}

export function createDialer(
  options: { readonly delayMaxMs: number },
  dependencies: DialerDependencies,
): Dialer {
  const { clock, random, isConnected } = dependencies;
  const watched = new Map<NodeId, Watched>();
  let isRunning = false;

  const schedule = (one: Watched, delayMs: number): void => {
    if (!isRunning) return;
    one.timer?.cancel();
    one.timer = clock.after(delayMs, () => {
      one.timer = undefined;
      turn(one);
    });
  };
  const turn = (one: Watched): void => {
    if (!isRunning || isConnected(one.address.id)) return;
    const now = clock.monotonicMs();
    const isShakingHands = [...one.attempts].some(
      ({ handshakeSinceMs }) =>
        handshakeSinceMs !== undefined && now - handshakeSinceMs < HANDSHAKE_PATIENCE_MS,
    );
    if (!isShakingHands) {
      if (one.attempts.size >= DIALS_PER_PEER_MAX) {
        // The oldest: its SYN is repeated most rarely.
        for (const oldest of one.attempts) {
          oldest.abort.abort();
          one.attempts.delete(oldest);
          break;
        }
      }
      attempt(one);
    }
    schedule(one, redialDelayMs(one.tries - 1, random(), options.delayMaxMs));
  };
  const attempt = (one: Watched): void => {
    const tried: Attempt = { abort: new AbortController(), handshakeSinceMs: undefined };
    one.attempts.add(tried);
    one.tries += 1;
    const number = one.tries;
    dependencies
      .connect(one.address, {
        signal: tried.abort.signal,
        onConnected: () => {
          tried.handshakeSinceMs = clock.monotonicMs();
        },
      })
      .catch((error: unknown) => {
        // Given up by us: there is nothing to tell.
        if (tried.abort.signal.aborted) return;
        one.fault = toP2pError(error, "P2P_DIAL_FAILED", "dial failed").message;
        dependencies.onFailure(one.address, number, one.fault);
      })
      .finally(() => one.attempts.delete(tried));
  };
  /** Ends attempts that have not reached the peer; a handshake is settled by the rule for duplicates. */
  const abandon = (one: Watched, alsoHandshakes: boolean): void => {
    for (const tried of one.attempts) {
      if (!alsoHandshakes && tried.handshakeSinceMs !== undefined) continue;
      one.attempts.delete(tried);
      tried.abort.abort();
    }
  };

  return {
    watch(address) {
      if (watched.has(address.id)) return;
      if (watched.size >= PERSISTENT_PEERS_MAX) {
        throw new P2pError(
          "P2P_PEER_LIMIT",
          `expected at most ${PERSISTENT_PEERS_MAX} persistent peers; name fewer`,
        );
      }
      const one: Watched = {
        address,
        attempts: new Set(),
        tries: 0,
        timer: undefined,
        fault: undefined,
      };
      watched.set(address.id, one);
      schedule(one, 0);
    },
    has: (id) => watched.has(id),
    start() {
      isRunning = true;
      for (const one of watched.values()) schedule(one, 0);
    },
    stop() {
      isRunning = false;
      for (const one of watched.values()) {
        one.timer?.cancel();
        abandon(one, true);
      }
    },
    found(id) {
      const one = watched.get(id);
      if (one === undefined) return;
      one.timer?.cancel();
      one.timer = undefined;
      one.fault = undefined;
      abandon(one, false);
    },
    lost(id, connectedMs) {
      const one = watched.get(id);
      if (one === undefined) return;
      // A peer that hangs up at once is not asked ten times a second.
      if (connectedMs >= CONNECTION_STABLE_MS) one.tries = 0;
      schedule(one, redialDelayMs(one.tries, random(), options.delayMaxMs));
    },
    unreached: () =>
      [...watched.values()].flatMap(({ address, fault }) =>
        fault === undefined || isConnected(address.id) ? [] : [{ address, fault }],
      ),
    isDialing: (id) => (watched.get(id)?.attempts.size ?? 0) > 0,
    get dialing() {
      let count = 0;
      for (const one of watched.values()) count += one.attempts.size;
      return count;
    },
  };
}

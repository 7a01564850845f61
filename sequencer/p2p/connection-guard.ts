/**
 * How many strangers may knock: connections that have not proven who they are, by host and together,
 * at once and per second. A handshake costs some 0.3 ms of CPU, so a flood of them must not get there.
 */
import {
  HANDSHAKES_PER_HOST_BURST,
  HANDSHAKES_PER_HOST_PER_SECOND,
  HANDSHAKE_HOSTS_MAX,
  PENDING_HANDSHAKES_MAX,
  PENDING_HANDSHAKES_PER_HOST_MAX,
} from "./limits.ts";

export interface ConnectionGuard {
  /** Whether a connection from `host` may begin its handshake; then `done` must follow once. */
  enter(host: string): boolean;
  done(host: string): void;
  readonly pending: number;
}

interface HostState {
  pending: number;
  tokens: number;
  atMs: number;
}

export function createConnectionGuard(dependencies: {
  readonly monotonicMs: () => number;
}): ConnectionGuard {
  const { monotonicMs } = dependencies;
  /** Least recently seen first. */
  const hosts = new Map<string, HostState>();
  let pending = 0;
  const forgetIdle = (): void => {
    for (const [host, state] of hosts) {
      if (hosts.size <= HANDSHAKE_HOSTS_MAX) return;
      if (state.pending === 0) hosts.delete(host);
    }
  };
  return {
    enter(host) {
      const now = monotonicMs();
      const state = hosts.get(host) ?? { pending: 0, tokens: HANDSHAKES_PER_HOST_BURST, atMs: now };
      const earned = ((now - state.atMs) * HANDSHAKES_PER_HOST_PER_SECOND) / 1_000;
      state.tokens = Math.min(HANDSHAKES_PER_HOST_BURST, state.tokens + earned);
      state.atMs = now;
      hosts.delete(host);
      hosts.set(host, state);
      forgetIdle();
      const isFull =
        pending >= PENDING_HANDSHAKES_MAX || state.pending >= PENDING_HANDSHAKES_PER_HOST_MAX;
      if (isFull || state.tokens < 1) return false;
      state.tokens -= 1;
      state.pending += 1;
      pending += 1;
      return true;
    },
    done(host) {
      const state = hosts.get(host);
      if (state !== undefined) state.pending -= 1;
      pending -= 1;
    },
    get pending() {
      return pending;
    },
  };
}

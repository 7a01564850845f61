/**
 * Notices that no block comes, and says what consensus waits for. A chain without more than 2/3 of its
 * power stands still by design; its nodes must not look healthy while it does.
 */
import { toHex } from "../../proto/bytes.ts";
import { formatTime, timeToMs } from "../../proto/time.ts";
import type { Timestamp } from "../../proto/types.ts";
import { Step } from "../consensus/step.ts";
import type { GenesisValidator } from "../engine/genesis.ts";
import { formatPeerAddress } from "../p2p/address.ts";
import type { UnreachedPeer } from "../p2p/dialer.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { STALL_CHECK_MS, STALL_LOG_MS, STALL_NAMES_MAX } from "./limits.ts";
import {
  describeWait,
  lacksVotes,
  type RoundPlace,
  type RoundWait,
  waitAt,
} from "./round-place.ts";

/** Why no block comes, as far as this node sees it: the height that is not decided, and who is missing. */
export interface Stall extends RoundWait {
  /** When the last block was applied here, by wall time; its own time if that was before this start. */
  readonly since: Timestamp;
  readonly forMs: number;
}

export interface StallWatch {
  start(): void;
  stop(): void;
  /** A block was applied. */
  progressed(): void;
  /** Undefined while blocks come, while there is nothing to order, and while the node fetches blocks. */
  stall(): Stall | undefined;
  /** `stall` in one sentence for people. */
  description(): string | undefined;
  /** Why no block can be fetched: there has been no peer for long. Undefined while there is one, or no need of one. */
  loneliness(): string | undefined;
}

/** @param options.afterMs how long without a block counts as a stall */
export function createStallWatch(
  options: { readonly afterMs: number },
  deps: {
    /** Undefined while consensus does not run here: at start, and while blocks are fetched. */
    readonly view: () => RoundPlace | undefined;
    /** Those that genesis names are called by their names, others by their addresses. */
    readonly genesis: {
      readonly validators: readonly Pick<GenesisValidator, "address" | "name">[];
    };
    readonly peers: () => number;
    /** Peers that are dialed in vain, and why. */
    readonly unreached?: () => readonly UnreachedPeer[];
    /** Of the block that this node begins after. */
    readonly lastBlockTime: () => Timestamp | undefined;
    readonly onStalled: () => void;
    readonly clock: Clock;
    readonly logger: Logger;
  },
): StallWatch {
  const { clock, logger, genesis } = deps;
  const names = new Map(genesis.validators.map(({ address, name }) => [toHex(address), name]));
  let last = { at: clock.now(), monotonicMs: clock.monotonicMs() };
  /** When there last was a peer, or no need of one. */
  let connectedMs = last.monotonicMs;
  let loggedMs: number | undefined;
  let timer: Cancel | undefined;

  /** A restart does not make the chain younger: what passed before it counts, by the wall clock. */
  function sinceLastMs(): number {
    const wallMs = timeToMs(clock.now()) - timeToMs(last.at);
    return Math.max(wallMs, clock.monotonicMs() - last.monotonicMs);
  }

  function progressed(): void {
    const now = clock.monotonicMs();
    if (loggedMs !== undefined) {
      logger.info("blocks come again", { seconds: Math.round(sinceLastMs() / 1_000) });
      loggedMs = undefined;
    }
    last = { at: clock.now(), monotonicMs: now };
  }

  function stall(): Stall | undefined {
    const view = deps.view();
    const waitedMs = clock.monotonicMs() - last.monotonicMs;
    if (view === undefined || waitedMs < options.afterMs) return undefined;
    // The first round begins with the first transaction where empty blocks are off.
    if (view.round === 0 && view.step <= Step.NEW_ROUND) return undefined;
    return { since: last.at, forMs: sinceLastMs(), ...waitAt(view, names) };
  }

  function check(): void {
    timer = clock.after(STALL_CHECK_MS, check);
    const now = clock.monotonicMs();
    const isFetching = deps.view() === undefined;
    // Consensus that has just begun waits for nobody yet.
    if (isFetching) last = { ...last, monotonicMs: now };
    if (!isFetching || deps.peers() > 0) connectedMs = now;
    if (loggedMs !== undefined && now - loggedMs < STALL_LOG_MS) return;
    const found = stall();
    if (found !== undefined) {
      if (loggedMs === undefined) deps.onStalled();
      loggedMs = now;
      logStall(found);
    } else if (isLonely()) {
      loggedMs = now;
      logger.warn("no peer to fetch blocks from; check p2p.persistent_peers and the network", {
        seconds: Math.round((now - connectedMs) / 1_000),
        unreached: whoIsUnreached(),
      });
    }
  }

  function isLonely(): boolean {
    const isAlone = deps.view() === undefined && deps.peers() === 0;
    return isAlone && clock.monotonicMs() - connectedMs >= options.afterMs;
  }

  function whoIsUnreached(): readonly string[] {
    const unreached = deps.unreached?.() ?? [];
    return unreached
      .slice(0, STALL_NAMES_MAX)
      .map(({ address, fault }) => `${formatPeerAddress(address)}: ${fault}`);
  }

  function logStall(found: Stall): void {
    const { since, forMs, powerPresent, powerTotal, ...place } = found;
    const message = lacksVotes(found)
      ? "no new block: waiting for the votes of more than 2/3 of the power"
      : "no new block";
    logger.warn(message, {
      ...place,
      power: `${powerPresent} of ${powerTotal}`,
      since: formatTime(since),
      seconds: Math.round(forMs / 1_000),
    });
  }

  return {
    start() {
      last = { at: deps.lastBlockTime() ?? clock.now(), monotonicMs: clock.monotonicMs() };
      timer = clock.after(STALL_CHECK_MS, check);
    },
    stop: () => timer?.cancel(),
    progressed,
    stall,
    loneliness() {
      if (!isLonely()) return undefined;
      const faults = whoIsUnreached();
      const why = faults.length === 0 ? "" : `; ${faults.join("; ")}`;
      return `no peer to fetch blocks from: check p2p.persistent_peers and the network${why}`;
    },
    description() {
      const found = stall();
      if (found === undefined) return undefined;
      const { since, forMs } = found;
      return `no block since ${formatTime(since)} (${Math.round(forMs / 1_000)} s): ${describeWait(found)}`;
    },
  };
}

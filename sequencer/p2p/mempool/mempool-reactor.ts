/**
 * The mempool reactor (spec §17.3): carries transactions between peers and the application's pool.
 *
 * CometBFT sends every transaction over every link in both directions. Between Weft nodes each
 * tells its peers who its peers are (channel 0x71, `neighbours.ts`): a transaction that came from O
 * is not sent to X when O and X are connected, because O, which follows the same rule, has sent it
 * or knows who has. In a full mesh a transaction therefore crosses each link once at most. Where
 * nobody knows (CometBFT peers) it is relayed after a delay, unless a block has it by then.
 */
import type { NodeId } from "../../../proto/brands.ts";
import { keepBytes } from "../../../proto/bytes.ts";
import { decodeTxsMessage, encodeTxsMessage } from "../../../proto/codec/sync-messages.ts";
import { AssertionFailure } from "../../../proto/errors.ts";
import { sha256Latin1 } from "../../../proto/hash.ts";
import { txHashes } from "../../../proto/hashes.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { YieldToLoop } from "../../ports/yield-to-loop.ts";
import { P2pError, toPeersFault } from "../errors.ts";
import {
  TX_BATCH_BYTES_MAX,
  TX_BYTES_MAX,
  TX_CACHE_MAX,
  TX_CHECKS_BYTES_MAX,
  TX_CHECKS_MAX,
  TX_CHECKS_PER_PEER_MAX,
  TX_LOG_BYTES_MAX,
  TX_LOG_COUNT_MAX,
  TX_RELAY_DELAY_MS,
  TX_SEND_QUEUE_MESSAGES_MAX,
  TX_GOSSIP_INTERVAL_MS,
  TX_SUBMISSIONS_INTERVAL_MS,
  TX_SUBMISSIONS_PER_TURN,
} from "../limits.ts";
import { LruSet } from "../lru-set.ts";
import type { P2pMetrics } from "../metrics.ts";
import type { HeldTxs } from "../consensus/consensus-port.ts";
import { decodeNeighbours, encodeNeighbours, NEIGHBOURS_CHANNEL } from "../consensus/neighbours.ts";
import type { ChannelDescriptor, Peer, Reactor } from "../reactor.ts";
import { createPacer } from "./pacer.ts";
import { collect, type Decision, SharedBatches } from "./tx-batches.ts";
import { type LoggedTx, TxLog } from "./tx-log.ts";

export interface MempoolReactorOptions {
  readonly txBytesMax?: number;
  readonly relayDelayMs?: number;
  /** False: transactions are taken but none is sent (CometBFT's `broadcast`). */
  readonly isBroadcasting?: boolean;
}

/** The pool's answer; code 0 means that it keeps the transaction. */
interface CheckResult {
  readonly code: number;
}

export interface MempoolReactorDependencies<R extends CheckResult> {
  /** Answers in the order of the transactions. */
  readonly checkTxs: (txs: readonly Uint8Array[]) => Promise<readonly R[]>;
  readonly clock: Clock;
  readonly yieldToLoop: YieldToLoop;
  readonly logger: Logger;
  readonly metrics: P2pMetrics;
}

export interface MempoolReactor<R extends CheckResult> extends Reactor, HeldTxs {
  /**
   * A transaction of a client of ours: checked, and sent to every peer when the pool keeps it.
   * Rejects with `P2P_TX_INVALID` for an empty or oversized one. `tx` must not change afterwards.
   */
  submit(tx: Uint8Array): Promise<R>;
  /**
   * These transactions are in a block: nobody needs them from us any more.
   * @param results of them; what failed may come again (CometBFT: it leaves the cache)
   */
  committed(txs: readonly Uint8Array[], results: readonly CheckResult[]): void;
  /** The pool let go of this transaction without a block: it may come again, and is sent again then. */
  dropped(tx: Uint8Array): void;
  stop(): void;
}

/** A transaction of a client of ours that waits for the others of this turn of the loop. */
interface Submission<R> {
  readonly tx: Uint8Array;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

interface Target {
  readonly peer: Peer;
  /** Next transaction of our clients, and of other peers, to look at. */
  ownCursor: number;
  relayCursor: number;
  /** Peers of this peer; undefined until it says so (CometBFT never does). */
  neighbours: ReadonlySet<NodeId> | undefined;
  checks: number;
}

export function createMempoolReactor<R extends CheckResult>(
  options: MempoolReactorOptions,
  dependencies: MempoolReactorDependencies<R>,
): MempoolReactor<R> {
  const { clock, metrics } = dependencies;
  const logger = dependencies.logger.child({ module: "mempool-reactor" });
  const txBytesMax = options.txBytesMax ?? TX_BYTES_MAX;
  const relayDelayMs = options.relayDelayMs ?? TX_RELAY_DELAY_MS;
  const isBroadcasting = options.isBroadcasting ?? true;
  const logOptions = { countMax: TX_LOG_COUNT_MAX, bytesMax: TX_LOG_BYTES_MAX };
  const own = new TxLog(logOptions);
  const relayed = new TxLog(logOptions);
  const seen = new LruSet(TX_CACHE_MAX);
  const targets = new Map<NodeId, Target>();
  const channel: ChannelDescriptor = {
    id: 0x30,
    name: "mempool",
    priority: 5,
    sendQueueMessagesMax: TX_SEND_QUEUE_MESSAGES_MAX,
    // Go's cap: a message with one transaction of the largest size.
    receiveMessageBytesMax: txBytesMax + 16,
  };
  /** A peer with our settings takes no larger message. */
  const batchBytesMax = Math.min(TX_BATCH_BYTES_MAX, txBytesMax);
  let checks = 0;
  let checkBytes = 0;
  let areNeighboursDue = false;
  let relayTimer: Cancel | undefined;
  const shared = new SharedBatches();
  let isStopped = false;
  const submissions: Submission<R>[] = [];

  const pacing = { clock, yieldToLoop: dependencies.yieldToLoop };

  const log = (entry: LoggedTx): void => {
    if (!isBroadcasting || isStopped) return;
    const pushedOut = (entry.origin === undefined ? own : relayed).push(entry);
    if (pushedOut > 0) metrics.dropped.inc({ reason: "tx_queue_full" }, pushedOut);
    pumping.schedule();
  };
  const pumping = createPacer(
    { intervalMs: TX_GOSSIP_INTERVAL_MS },
    {
      task: () => {
        if (areNeighboursDue) sendNeighbours();
        for (const target of targets.values()) pump(target);
        shared.forgetBefore(Math.min(...[...targets.values()].map(({ ownCursor }) => ownCursor)));
      },
      ...pacing,
    },
  );
  const pump = (target: Target): void => {
    pumpOwn(target);
    pumpRelayed(target);
    const waiting = own.end - target.ownCursor + relayed.end - target.relayCursor;
    metrics.mempoolPendingTxs.set(waiting, { peer_id: target.peer.id });
  };
  const pumpOwn = (target: Target): void => {
    target.ownCursor = Math.max(target.ownCursor, own.start);
    while (target.ownCursor < own.end && target.peer.sendRoom(channel.id) > 0) {
      const start = target.ownCursor;
      const known = shared.from(start);
      if (known !== undefined) {
        if (!target.peer.trySend(channel.id, known.bytes)) return;
        target.ownCursor = known.end;
        continue;
      }
      const batch = collect(own, start, batchBytesMax, (entry) =>
        entry.senders?.has(target.peer.id) === true ? "skip" : "send",
      );
      target.ownCursor = batch.end;
      if (batch.txs.length === 0) continue;
      const bytes = encodeTxsMessage({ kind: "txs", txs: batch.txs });
      if (!batch.hasExceptions) shared.put(start, { end: batch.end, bytes });
      if (!target.peer.trySend(channel.id, bytes)) {
        target.ownCursor = start;
        return;
      }
    }
  };
  const pumpRelayed = (target: Target): void => {
    const nowMs = clock.monotonicMs();
    target.relayCursor = Math.max(target.relayCursor, relayed.start);
    while (target.relayCursor < relayed.end && target.peer.sendRoom(channel.id) > 0) {
      const start = target.relayCursor;
      const batch = collect(relayed, start, batchBytesMax, (entry) =>
        decideRelay(entry, target, nowMs),
      );
      target.relayCursor = batch.end;
      if (batch.txs.length > 0) {
        const bytes = encodeTxsMessage({ kind: "txs", txs: batch.txs });
        if (!target.peer.trySend(channel.id, bytes)) {
          target.relayCursor = start;
          return;
        }
      }
      if (batch.isWaiting) {
        relayTimer ??= clock.after(relayDelayMs, () => {
          relayTimer = undefined;
          pumping.schedule();
        });
        return;
      }
    }
  };
  const decideRelay = (entry: LoggedTx, target: Target, nowMs: number): Decision => {
    const { origin, senders } = entry;
    const { id } = target.peer;
    if (origin === undefined || origin === id || senders?.has(id) === true) return "skip";
    const ofOrigin = targets.get(origin)?.neighbours;
    if (target.neighbours !== undefined) {
      return target.neighbours.has(origin) ? "skip" : "send";
    }
    if (ofOrigin !== undefined) return ofOrigin.has(id) ? "skip" : "send";
    return nowMs - entry.atMs >= relayDelayMs ? "send" : "wait";
  };
  const sendNeighbours = (): void => {
    areNeighboursDue = false;
    const bytes = encodeNeighbours([...targets.keys()]);
    for (const { peer } of targets.values()) peer.trySend(NEIGHBOURS_CHANNEL.id, bytes);
  };

  const receiveTxs = (target: Target, bytes: Uint8Array): void => {
    const { txs } = decodeTxsMessage(bytes);
    if (txs.length === 0) throw invalid("at least one transaction, got none");
    for (const view of txs) {
      if (view.length === 0 || view.length > txBytesMax) {
        throw invalid(`transactions of 1 to ${txBytesMax} bytes, got one of ${view.length}`);
      }
    }
    const fresh: Uint8Array[] = [];
    const keys: string[] = [];
    for (const view of txs) {
      const key = sha256Latin1(view);
      if (!isWanted(target, view, key)) continue;
      // The view would keep a whole batch alive in the pool.
      const tx = keepBytes(view);
      fresh.push(tx);
      keys.push(key);
      checks += 1;
      checkBytes += tx.length;
      target.checks += 1;
    }
    if (fresh.length > 0) void checkPeerTxs(target, fresh, keys);
  };
  /** Whether the pool is to be asked about a transaction of a peer; if so, it counts as seen. */
  const isWanted = (target: Target, view: Uint8Array, key: string): boolean => {
    if (seen.has(key)) {
      const entry = own.get(key) ?? relayed.get(key);
      if (entry !== undefined) (entry.senders ??= new Set()).add(target.peer.id);
      return false;
    }
    const isFull = checks >= TX_CHECKS_MAX || checkBytes + view.length > TX_CHECKS_BYTES_MAX;
    if (isFull || target.checks >= TX_CHECKS_PER_PEER_MAX) {
      metrics.dropped.inc({ reason: "tx_refused" });
      return false;
    }
    seen.add(key);
    return true;
  };
  /** All of one message in one go: a promise for each would cost more than most checks do. */
  const checkPeerTxs = async (
    target: Target,
    txs: readonly Uint8Array[],
    keys: readonly string[],
  ): Promise<void> => {
    const origin = target.peer.id;
    let results: readonly CheckResult[] = [];
    try {
      results = await dependencies.checkTxs(txs);
    } catch (error) {
      if (error instanceof AssertionFailure) throw error;
      // The pool's trouble, not the peer's: the transactions may come again.
      logger.debug("Transactions of a peer could not be checked", {
        peer: origin,
        error: error instanceof Error ? error.message : String(error),
      });
    } finally {
      checks -= txs.length;
      target.checks -= txs.length;
      for (const tx of txs) checkBytes -= tx.length;
    }
    const atMs = clock.monotonicMs();
    let refused = 0;
    for (const [i, tx] of txs.entries()) {
      const key = keys[i] ?? "";
      if (results[i]?.code === 0) {
        // One that came after it, or a block, may have driven it out meanwhile (`dropped`).
        if (!seen.has(key)) continue;
        log({ tx, key, origin, atMs, senders: undefined, isRemoved: false });
      } else {
        seen.delete(key);
        refused += 1;
      }
    }
    if (refused > 0) metrics.dropped.inc({ reason: "tx_refused" }, refused);
  };

  const flushing = createPacer(
    { intervalMs: TX_SUBMISSIONS_INTERVAL_MS },
    { task: () => void flushSubmissions(), ...pacing },
  );
  /** What clients have submitted meanwhile, in one go. */
  const flushSubmissions = async (): Promise<void> => {
    const batch = submissions.splice(0);
    if (batch.length === 0) return;
    try {
      const results = await dependencies.checkTxs(batch.map(({ tx }) => tx));
      const atMs = clock.monotonicMs();
      for (const [i, { tx, resolve, reject }] of batch.entries()) {
        const result = results[i];
        if (result === undefined) {
          reject(new AssertionFailure("every transaction has an answer"));
          continue;
        }
        if (result.code === 0) logOwn(tx, atMs);
        resolve(result);
      }
    } catch (error) {
      // For whoever submitted them.
      for (const { reject } of batch) reject(error);
    }
  };
  const logOwn = (tx: Uint8Array, atMs: number): void => {
    const key = sha256Latin1(tx);
    seen.add(key);
    if (own.get(key) !== undefined) return;
    log({ tx, key, origin: undefined, atMs, senders: undefined, isRemoved: false });
  };

  return {
    name: "mempool",
    channels: [channel, NEIGHBOURS_CHANNEL],
    submit(tx) {
      if (tx.length === 0 || tx.length > txBytesMax) {
        const expected = `expected a transaction of 1 to ${txBytesMax} bytes, got ${tx.length}`;
        return Promise.reject(new P2pError("P2P_TX_INVALID", expected));
      }
      return new Promise<R>((resolve, reject) => {
        submissions.push({ tx, resolve, reject });
        // No more than so many wait here: the pool bounds what it checks, and refuses the rest.
        if (submissions.length < TX_SUBMISSIONS_PER_TURN) flushing.schedule();
        else void flushSubmissions();
      });
    },
    held: (key) => own.get(key) ?? relayed.get(key),
    committed(txs, results) {
      // What lags behind is not to be sent what a block has.
      shared.clear();
      for (const [i, key] of txHashes(txs).entries()) {
        if (results[i]?.code !== 0) seen.delete(key);
        else if (!seen.has(key)) seen.add(key);
        own.remove(key);
        relayed.remove(key);
      }
    },
    dropped(tx) {
      const key = sha256Latin1(tx);
      seen.delete(key);
      own.remove(key);
      relayed.remove(key);
    },
    stop() {
      isStopped = true;
      pumping.stop();
      relayTimer?.cancel();
    },
    addPeer(peer) {
      targets.set(peer.id, {
        peer,
        ownCursor: own.start,
        relayCursor: relayed.start,
        neighbours: undefined,
        checks: 0,
      });
      areNeighboursDue = true;
      pumping.schedule();
    },
    removePeer(peer) {
      if (targets.get(peer.id)?.peer !== peer) return;
      targets.delete(peer.id);
      metrics.mempoolPendingTxs.set(0, { peer_id: peer.id });
      areNeighboursDue = true;
      pumping.schedule();
    },
    receive(channelId, peer, bytes) {
      const target = targets.get(peer.id);
      if (target === undefined) return;
      try {
        if (channelId === channel.id) receiveTxs(target, bytes);
        else {
          target.neighbours = decodeNeighbours(bytes);
          pumping.schedule();
        }
      } catch (error) {
        throw toPeersFault(error);
      }
    },
    onSendable(channelId) {
      if (channelId === NEIGHBOURS_CHANNEL.id) areNeighboursDue = true;
      pumping.schedule();
    },
  };
}

function invalid(expected: string): P2pError {
  return new P2pError("P2P_MESSAGE_INVALID", `expected ${expected}`);
}

/**
 * The bodies reactor: asks peers for transactions by id, and answers what they ask. What is listed is worth
 * asking for, because validators with power vouch for it; who asks decides what it keeps.
 */
import type { NodeId } from "../../../proto/brands.ts";
import { toHex } from "../../../proto/bytes.ts";
import type { BodySource, HeldBodies } from "../../ports/body-source.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import { toPeersFault } from "../errors.ts";
import {
  BODIES_ANSWER_BYTES_MIN,
  BODIES_BYTES_MAX,
  BODIES_BYTES_PER_SECOND,
  BODIES_IDS_MAX,
  BODIES_OWED_PER_PEER_MAX,
  BODIES_PEERS_AT_ONCE,
  BODIES_TIMEOUT_MS,
  BODIES_WANTED_MAX,
} from "../limits.ts";
import type { Peer, Reactor } from "../reactor.ts";
import { BODIES_CHANNEL, decodeBodiesMessage, encodeBodiesMessage, invalid } from "./messages.ts";

export interface BodiesReactor extends Reactor, BodySource {
  stop(): void;
}

/** One request to one peer. */
interface Owed {
  /** Ids in hex. */
  readonly ids: ReadonlySet<string>;
  /** Its answer is there, or will not come. */
  settle(items: readonly Uint8Array[]): void;
}

interface Target {
  readonly peer: Peer;
  /** Oldest first: answers come in the order of the requests. */
  readonly owed: Owed[];
  /** Bytes that it may still be sent, as of `budgetMs`. */
  budget: number;
  budgetMs: number;
}

export function createBodiesReactor(dependencies: {
  readonly bodies: HeldBodies;
  readonly clock: Clock;
  readonly logger: Logger;
}): BodiesReactor {
  const { bodies, clock } = dependencies;
  const logger = dependencies.logger.child({ module: "bodies-reactor" });
  const targets = new Map<NodeId, Target>();
  /** Ids that are being asked for, in hex. */
  const underWay = new Set<string>();
  /** Where the next round of asking begins, so that no peer is always the first. */
  let turn = 0;
  let isStopped = false;

  async function get(ids: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
    const found: Uint8Array[] = [];
    const wanted: Uint8Array[] = [];
    for (const id of ids) {
      const key = toHex(id);
      if (underWay.has(key) || underWay.size >= BODIES_WANTED_MAX) continue;
      underWay.add(key);
      wanted.push(id);
    }
    try {
      for (let at = 0; at < wanted.length; at += BODIES_IDS_MAX) {
        found.push(...(await getSome(wanted.slice(at, at + BODIES_IDS_MAX))));
      }
    } finally {
      for (const id of wanted) underWay.delete(toHex(id));
    }
    return found;
  }

  /** Asks peers, some at a time, until all is there or each was asked. */
  async function getSome(ids: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
    const missing = new Map(ids.map((id) => [toHex(id), id]));
    const found: Uint8Array[] = [];
    const order = [...targets.values()];
    const start = order.length === 0 ? 0 : turn++ % order.length;
    const peers = [...order.slice(start), ...order.slice(0, start)];
    while (missing.size > 0 && peers.length > 0 && !isStopped) {
      const asked = peers.splice(0, BODIES_PEERS_AT_ONCE);
      await askSome(asked, missing, found);
    }
    return found;
  }

  /** Resolves when all is there, each of them has answered, or their time is over. */
  function askSome(
    asked: readonly Target[],
    missing: Map<string, Uint8Array>,
    found: Uint8Array[],
  ): Promise<void> {
    return new Promise((resolve) => {
      let open = asked.length;
      const timer = clock.after(BODIES_TIMEOUT_MS, resolve);
      const settle = (items: readonly Uint8Array[]): void => {
        for (const item of items) {
          const id = bodies.idOf(item);
          if (id !== undefined && missing.delete(toHex(id))) found.push(item);
        }
        if (--open > 0 && missing.size > 0) return;
        timer.cancel();
        resolve();
      };
      for (const target of asked) {
        if (!ask(target, [...missing.values()], settle)) settle([]);
      }
    });
  }

  function ask(target: Target, ids: readonly Uint8Array[], settle: Owed["settle"]): boolean {
    const { peer, owed } = target;
    if (ids.length === 0 || peer.isClosed || owed.length >= BODIES_OWED_PER_PEER_MAX) return false;
    if (!peer.trySend(BODIES_CHANNEL.id, encodeBodiesMessage({ kind: "wanted", ids })))
      return false;
    owed.push({ ids: new Set(ids.map(toHex)), settle });
    return true;
  }

  /** What this node has of it, within what the peer may take now. */
  function answer(target: Target, ids: readonly Uint8Array[]): void {
    refill(target);
    const items: Uint8Array[] = [];
    let bytes = 0;
    for (const id of ids) {
      const item = target.budget <= 0 ? undefined : bodies.item(id);
      if (item === undefined) continue;
      if (items.length > 0 && bytes + item.length > BODIES_BYTES_MAX) break;
      items.push(item);
      bytes += item.length;
    }
    target.budget -= Math.max(bytes, BODIES_ANSWER_BYTES_MIN);
    // Refused: the peer asks elsewhere when its time is over.
    target.peer.trySend(BODIES_CHANNEL.id, encodeBodiesMessage({ kind: "bodies", items }));
  }

  function refill(target: Target): void {
    const nowMs = clock.monotonicMs();
    const gained = ((nowMs - target.budgetMs) / 1_000) * BODIES_BYTES_PER_SECOND;
    target.budget = Math.min(BODIES_BYTES_PER_SECOND, target.budget + gained);
    target.budgetMs = nowMs;
  }

  /** Takes the answer to the oldest request, late or not. */
  function take(target: Target, items: readonly Uint8Array[]): void {
    const owed = target.owed.shift();
    if (owed === undefined) throw invalid("an answer to a request", "one that nobody asked for");
    for (const item of items) {
      const id = bodies.idOf(item);
      if (id === undefined || !owed.ids.has(toHex(id))) {
        owed.settle([]);
        throw invalid("transactions that were asked for", "another");
      }
    }
    owed.settle(items);
    if (items.length > 0) {
      logger.debug("transactions of a peer", { peer: target.peer.id, count: items.length });
    }
  }

  return {
    name: "bodies",
    channels: [BODIES_CHANNEL],
    get,
    stop() {
      isStopped = true;
      for (const { owed } of targets.values()) for (const one of owed.splice(0)) one.settle([]);
    },
    addPeer(peer) {
      if (!peer.nodeInfo.channels.includes(BODIES_CHANNEL.id)) return;
      const budgetMs = clock.monotonicMs();
      targets.set(peer.id, { peer, owed: [], budget: BODIES_BYTES_PER_SECOND, budgetMs });
    },
    removePeer(peer) {
      const target = targets.get(peer.id);
      if (target?.peer !== peer) return;
      targets.delete(peer.id);
      for (const one of target.owed.splice(0)) one.settle([]);
    },
    receive(_channelId, peer, bytes) {
      const target = targets.get(peer.id);
      if (target === undefined || isStopped) return;
      try {
        const message = decodeBodiesMessage(bytes);
        if (message.kind === "wanted") answer(target, message.ids);
        else take(target, message.items);
      } catch (error) {
        throw toPeersFault(error);
      }
    },
  };
}

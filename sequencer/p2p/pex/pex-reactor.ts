/**
 * Peer exchange on channel 0x00 (CometBFT `p2p/pex/pex_reactor.go`, spec §17.7): asks peers for
 * addresses, tells its own, and sees to it that there are peers. A seed does little else: it crawls
 * the network, answers whoever asks, and hangs up.
 */
import type { NodeId } from "../../../proto/brands.ts";
import { decodePexMessage, encodePexMessage } from "../../../proto/codec/p2p-messages.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import { formatHostPort, type PeerAddress } from "../address.ts";
import { P2pError, toP2pError, toPeersFault } from "../errors.ts";
import type { P2pMetrics } from "../metrics.ts";
import type { ChannelDescriptor, Peer, Reactor } from "../reactor.ts";
import type { AddressBook } from "./address-book.ts";
import {
  BAD_ADDRESS_MS,
  BOOK_DIAL_ATTEMPTS_MAX,
  BOOK_DIAL_BACKOFF_MAX_MS,
  BOOK_SAVE_INTERVAL_MS,
  CRAWL_AGAIN_MS,
  CRAWL_DIALS_MAX,
  CRAWL_INTERVAL_MS,
  ENSURE_PEERS_ALONE_INTERVAL_MS,
  ENSURE_PEERS_INTERVAL_MS,
  GOOD_AFTER_MS,
  PEX_MESSAGE_BYTES_MAX,
  PEX_ASK_INTERVAL_MS,
  PEX_REQUEST_INTERVAL_MS,
  PEX_SEND_QUEUE_MESSAGES_MAX,
  SEED_HANG_UP_MS,
  SEED_NEW_PERCENT,
  SEED_PEER_MS,
} from "./limits.ts";
import { announcedAddress, netAddress, type NetAddress } from "./net-address.ts";

export const PEX_CHANNEL: ChannelDescriptor = {
  id: 0x00,
  name: "pex",
  priority: 1,
  sendQueueMessagesMax: PEX_SEND_QUEUE_MESSAGES_MAX,
  receiveMessageBytesMax: PEX_MESSAGE_BYTES_MAX,
};

/** What of the switch peer exchange uses. */
export interface PexNetwork {
  peers(): readonly Peer[];
  dialAddress(address: PeerAddress): Promise<void>;
  isConnectedOrDialing(id: NodeId): boolean;
  /** Peers that may still be dialed. */
  outboundRoom(): number;
}

export interface PexOptions {
  readonly isSeed: boolean;
  readonly seeds: readonly PeerAddress[];
}

export interface PexDependencies {
  readonly book: AddressBook;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly metrics: P2pMetrics;
  /** Writes the book to its file; called every two minutes and at the end. */
  readonly save: () => Promise<void>;
}

export interface PexReactor extends Reactor {
  /** The switch, which is made after its reactors. */
  attach(network: PexNetwork): void;
  start(): void;
  /** Writes the book a last time. */
  stop(): Promise<void>;
  /** Dials seeds in random order until one answers (`dial_seeds`, and when no address is left). */
  dialSeeds(seeds?: readonly PeerAddress[]): Promise<void>;
}

interface PexPeer {
  readonly peer: Peer;
  readonly sinceMs: number;
  /** Requests of the peer, and when the last one came. */
  requests: number;
  lastRequestMs: number;
  /** We asked and have no answer. */
  isAsked: boolean;
  /** When it was last asked; undefined before the first time. */
  askedMs: number | undefined;
  timer: Cancel | undefined;
}

interface Failures {
  count: number;
  lastMs: number;
}

export function createPexReactor(options: PexOptions, dependencies: PexDependencies): PexReactor {
  const { isSeed, seeds } = options;
  const { book, clock, random, metrics, save } = dependencies;
  const logger = dependencies.logger.child({ module: "pex" });
  const request = encodePexMessage({ kind: "pexRequest" });
  const peers = new Map<NodeId, PexPeer>();
  /** Addresses of the book that could not be reached; no more than the book has. */
  const failures = new Map<NodeId, Failures>();
  const crawledMs = new Map<NodeId, number>();
  let network: PexNetwork | undefined;
  let turn: Cancel | undefined;
  let saving: Cancel | undefined;
  let isRunning = false;

  const ask = (one: PexPeer): void => {
    const now = clock.monotonicMs();
    // However often somebody is to be asked: it bans, as CometBFT does, who asks sooner.
    if (one.askedMs !== undefined && now - one.askedMs < PEX_ASK_INTERVAL_MS) return;
    if (one.isAsked || !one.peer.trySend(PEX_CHANNEL.id, request)) return;
    one.isAsked = true;
    one.askedMs = now;
  };
  const tell = (peer: Peer, addresses: readonly NetAddress[]): void => {
    const message = encodePexMessage({
      kind: "pexAddresses",
      addresses: addresses.map(({ id, host, port }) => ({ id, ip: host, port })),
    });
    // A full queue: the peer asks again.
    peer.trySend(PEX_CHANNEL.id, message);
  };
  const hangUp = (one: PexPeer, why: string): void => {
    one.timer?.cancel();
    one.timer = clock.after(SEED_HANG_UP_MS, () => {
      one.peer.close(new P2pError("P2P_PEER_DISMISSED", why));
    });
  };
  const learn = (address: NetAddress, source: NetAddress): void => {
    const refusal = book.add(address, source);
    metrics.addressBook.set(book.newCount, { kind: "new" });
    metrics.addressBook.set(book.oldCount, { kind: "old" });
    if (refusal !== undefined && refusal !== "known") {
      logger.debug("address not taken", { peer: address.id, host: address.host, refusal });
    }
  };

  const requested = (one: PexPeer): void => {
    const now = clock.monotonicMs();
    one.requests += 1;
    if (isSeed && !one.peer.isOutbound) {
      if (one.requests > 1) return;
      tell(one.peer, book.biasedSelection(SEED_NEW_PERCENT));
      hangUp(one, "a seed hangs up after its answer");
      return;
    }
    // As in CometBFT the first is not counted: both sides may have asked when they met.
    if (one.requests > 2 && now - one.lastRequestMs < PEX_REQUEST_INTERVAL_MS) {
      throw new P2pError(
        "P2P_PEX_TOO_OFTEN",
        `expected no request for addresses within ${PEX_REQUEST_INTERVAL_MS} ms of the last one`,
      );
    }
    one.lastRequestMs = now;
    tell(one.peer, book.selection());
  };
  const told = (
    one: PexPeer,
    addresses: readonly { readonly id: NodeId; readonly ip: string; readonly port: number }[],
  ): void => {
    if (!one.isAsked) {
      throw new P2pError("P2P_PEX_UNSOLICITED", "expected no addresses without a request");
    }
    one.isAsked = false;
    const source = announcedAddress(one.peer.nodeInfo, one.peer.remoteAddress);
    if (source !== undefined) {
      for (const { id, ip, port } of addresses) {
        const address = netAddress(id, ip, port);
        if (address !== undefined) learn(address, source);
      }
    }
    if (isSeed && one.peer.isOutbound && !one.peer.isPersistent) {
      hangUp(one, "a seed hangs up on whom it has asked");
    }
    if (!isSeed && seeds.some(({ id }) => id === one.peer.id)) schedule(0);
  };

  /** Dials an address of the book unless it failed too recently; never rejects. */
  const tryAddress = async (address: NetAddress): Promise<boolean> => {
    const { id } = address;
    const now = clock.monotonicMs();
    const failed = failures.get(id);
    if (failed !== undefined) {
      if (failed.count >= BOOK_DIAL_ATTEMPTS_MAX) {
        failures.delete(id);
        book.markBad(id, BAD_ADDRESS_MS);
        return false;
      }
      const backoffMs = Math.min(2 ** failed.count * 1_000, BOOK_DIAL_BACKOFF_MAX_MS);
      if (now - failed.lastMs < backoffMs + random() * 1_000) return false;
    }
    try {
      await network?.dialAddress(address);
      failures.delete(id);
      return true;
    } catch (error) {
      const { code } = toP2pError(error, "P2P_DIAL_FAILED", "dial failed").info;
      if (code === "P2P_PEER_ID_MISMATCH" || code === "P2P_PEER_SELF") {
        // Somebody else lives there.
        failures.delete(id);
        book.markBad(id, BAD_ADDRESS_MS);
      } else if (code !== "P2P_PEER_DUPLICATE") {
        book.markAttempt(id);
        failures.set(id, { count: (failed?.count ?? 0) + 1, lastMs: clock.monotonicMs() });
      }
      logger.debug("address not reached", { peer: id, host: address.host, code });
      return false;
    }
  };
  const dialSeeds = async (from: readonly PeerAddress[] = seeds): Promise<void> => {
    const order = from.map((seed) => ({ seed, at: random() })).sort((a, b) => a.at - b.at);
    for (const { seed } of order) {
      if (!isRunning || network === undefined || network.isConnectedOrDialing(seed.id)) return;
      try {
        await network.dialAddress(seed);
        return;
      } catch (error) {
        const { message } = toP2pError(error, "P2P_DIAL_FAILED", "dial failed");
        logger.info("seed not reached", { seed: formatHostPort(seed), error: message });
      }
    }
    if (order.length > 0) logger.warn("no seed could be reached", { seeds: order.length });
  };

  const rateConnections = (): void => {
    const now = clock.monotonicMs();
    for (const { peer, sinceMs } of peers.values()) {
      if (now - sinceMs >= GOOD_AFTER_MS) book.markGood(peer.id);
    }
  };
  const ensurePeers = (mayAsk: boolean): void => {
    if (network === undefined) return;
    rateConnections();
    const room = network.outboundRoom();
    if (room <= 0) return;
    const outbound = network.peers().filter(({ isOutbound }) => isOutbound).length;
    // The fewer peers, the rather ones that are known to be good.
    const bias = Math.min(outbound, 8) * 10 + 10;
    const chosen = new Map<NodeId, NetAddress>();
    for (let i = 0; i < room * 3 && chosen.size < room; i++) {
      const address = book.pick(bias);
      if (address === undefined || network.isConnectedOrDialing(address.id)) continue;
      chosen.set(address.id, address);
    }
    for (const address of chosen.values()) void tryAddress(address);
    if (!book.wantsMore) return;
    const all = [...peers.values()];
    const somebody = all[Math.floor(random() * all.length)];
    if (mayAsk && somebody !== undefined) ask(somebody);
    if (chosen.size === 0) void dialSeeds();
  };
  const crawl = async (): Promise<void> => {
    const now = clock.monotonicMs();
    rateConnections();
    for (const one of peers.values()) {
      if (!one.peer.isPersistent && now - one.sinceMs > SEED_PEER_MS) {
        hangUp(one, "a seed keeps nobody for long");
      }
    }
    for (const [id, atMs] of crawledMs) if (now - atMs >= CRAWL_AGAIN_MS) crawledMs.delete(id);
    if (book.size === 0) await dialSeeds();
    const due = book.selection().filter(({ id }) => !crawledMs.has(id));
    const batch = due.filter(({ id }) => network?.isConnectedOrDialing(id) === false);
    for (const address of batch.slice(0, CRAWL_DIALS_MAX)) {
      crawledMs.set(address.id, now);
      void tryAddress(address);
    }
  };
  /** Nodes that start together find a seed that does not know them yet: they come back soon. */
  const ensureIntervalMs = (): number => {
    const isAlone = [...peers.keys()].every((id) => seeds.some((seed) => seed.id === id));
    return isAlone && seeds.length > 0 ? ENSURE_PEERS_ALONE_INTERVAL_MS : ENSURE_PEERS_INTERVAL_MS;
  };
  const schedule = (delayMs: number): void => {
    if (!isRunning) return;
    turn?.cancel();
    const isOrdered = delayMs > 0;
    turn = clock.after(delayMs, () => {
      schedule(isSeed ? CRAWL_INTERVAL_MS : ensureIntervalMs());
      if (isSeed) void crawl();
      else ensurePeers(isOrdered);
    });
  };
  const saveLater = (): void => {
    saving = clock.after(BOOK_SAVE_INTERVAL_MS, () => {
      saveLater();
      store().catch(() => {});
    });
  };
  const store = async (): Promise<void> => {
    try {
      await save();
    } catch (error) {
      // The next time may do; without a file the node learns its addresses anew.
      logger.warn("address book could not be saved", { error: String(error) });
    }
  };

  return {
    name: "pex",
    channels: [PEX_CHANNEL],
    attach(to) {
      network = to;
    },
    start() {
      isRunning = true;
      // Nodes that start together do not all dial at once; one without peers begins at once.
      const hasPeers = (network?.peers().length ?? 0) > 0;
      schedule(hasPeers ? Math.max(1, random() * ENSURE_PEERS_INTERVAL_MS) : 1);
      saveLater();
    },
    async stop() {
      if (!isRunning) return;
      isRunning = false;
      turn?.cancel();
      saving?.cancel();
      for (const { timer } of peers.values()) timer?.cancel();
      await store();
    },
    dialSeeds,
    addPeer(peer) {
      const one: PexPeer = {
        peer,
        sinceMs: clock.monotonicMs(),
        requests: 0,
        lastRequestMs: 0,
        isAsked: false,
        askedMs: undefined,
        timer: undefined,
      };
      peers.set(peer.id, one);
      if (peer.isOutbound) {
        if (isSeed || book.wantsMore) ask(one);
        return;
      }
      // Its own word only; what it knows is asked for when its turn comes.
      const address = announcedAddress(peer.nodeInfo, peer.remoteAddress);
      if (address !== undefined) learn(address, address);
    },
    removePeer(peer) {
      const one = peers.get(peer.id);
      if (one?.peer !== peer) return;
      one.timer?.cancel();
      peers.delete(peer.id);
    },
    receive(_channelId, peer, bytes) {
      const one = peers.get(peer.id);
      if (one?.peer !== peer) return;
      try {
        const message = decodePexMessage(bytes);
        if (message.kind === "pexRequest") requested(one);
        else told(one, message.addresses);
      } catch (error) {
        throw toPeersFault(error);
      }
    },
  };
}

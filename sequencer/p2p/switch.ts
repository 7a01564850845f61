/**
 * The switch (spec §16.5): listens, dials, decides who becomes a peer, and carries messages between
 * peers and reactors. A rule broken by a peer ends that peer's connection and nothing else.
 */
import { createServer, type Server, type Socket } from "node:net";
import { NodeId } from "../../proto/brands.ts";
import { assert } from "../../proto/errors.ts";
import type { NodeInfo } from "../../proto/messages.ts";
import { timeToMs } from "../../proto/time.ts";
import type { VerifySignature } from "../../proto/verify/ed25519.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { formatHostPort, parseHostPort, parsePeerAddress, type PeerAddress } from "./address.ts";
import { createReceiveTurns } from "./conn/receive-turns.ts";
import { createConnectionGuard } from "./connection-guard.ts";
import { createDialer, type UnreachedPeer } from "./dialer.ts";
import { P2pError, toP2pError } from "./errors.ts";
import {
  DIAL_TIMEOUT_MS,
  HANDSHAKE_TIMEOUT_MS,
  HEARTBEAT_INTERVAL_MS,
  INBOUND_PEERS_MAX,
  OUTBOUND_PEERS_MAX,
  PACKET_PAYLOAD_BYTES_MAX,
  PENDING_HANDSHAKE_SAFE_MS,
  PENDING_HANDSHAKES_MAX,
  PING_INTERVAL_MS,
  PLAIN_HEARTBEAT_INTERVAL_MS,
  PLAIN_SILENCE_TIMEOUT_MS,
  PONG_TIMEOUT_MS,
  RECEIVE_RATE_BYTES_DEFAULT,
  SEND_RATE_BYTES_DEFAULT,
  SILENCE_SUSPECT_MS,
  SILENCE_TIMEOUT_MS,
} from "./limits.ts";
import type { P2pMetrics } from "./metrics.ts";
import {
  BLOCK_PROTOCOL,
  LARGE_FRAMES_CHANNEL,
  P2P_PROTOCOL,
  SOFTWARE_VERSION,
  validateNodeInfo,
} from "./node-info.ts";
import type { NodeKey } from "./node-key.ts";
import { createPeer, type ManagedPeer } from "./peer.ts";
import { type Ban, createPeerBans, type PeerBans } from "./peer-bans.ts";
import type { Peer, Reactor } from "./reactor.ts";
import {
  announcesLargeFrames,
  dialTcp,
  type UpgradedConnection,
  upgradeConnection,
} from "./transport.ts";

export interface SwitchOptions {
  /** `host:port` to listen on, port 0 for any; undefined: dial only. */
  readonly listenAddress: string | undefined;
  /** What peers are told instead of the bound address, for NAT. */
  readonly externalAddress?: string | undefined;
  /** Chain id. */
  readonly network: string;
  readonly moniker: string;
  readonly version?: string;
  readonly appVersion?: bigint;
  readonly rpcAddress?: string;
  readonly isTxIndexOn?: boolean;
  /** `id@host:port`, dialed for ever. */
  readonly persistentPeers: readonly string[];
  /** Longest pause between dials of a persistent peer; 0 or undefined: `REDIAL_DELAY_MAX_MS`. */
  readonly persistentPeersMaxDialPeriodMs?: number;
  /** Ids admitted beyond the limits. */
  readonly unconditionalPeerIds?: readonly string[];
  readonly inboundPeersMax?: number;
  readonly outboundPeersMax?: number;
  readonly allowsDuplicateIp?: boolean;
  /** Bytes per second and peer; 0 lifts the limit. */
  readonly sendRateBytesPerSecond?: number;
  readonly receiveRateBytesPerSecond?: number;
  readonly pingIntervalMs?: number;
  readonly pongTimeoutMs?: number;
  /** Of Weft nodes, which announce Weft frames; others get longer ones. */
  readonly heartbeatIntervalMs?: number;
  readonly silenceTimeoutMs?: number;
  readonly handshakeTimeoutMs?: number;
  readonly dialTimeoutMs?: number;
  /** Data of one packet on the plain wire; the same on every node of a network. */
  readonly packetPayloadBytesMax?: number;
  /** Use Weft frames with peers that announce them too; on by default. */
  readonly usesLargeFrames?: boolean;
}

export interface SwitchDependencies {
  readonly nodeKey: NodeKey;
  readonly verifySignature: VerifySignature;
  readonly reactors: readonly Reactor[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: P2pMetrics;
  /** Uniform in [0, 1): jitter of redials. */
  readonly random: () => number;
  /** Who is not talked to; without it bans end with the process. */
  readonly bans?: PeerBans;
}

export interface Switch {
  /** Listens and begins to dial. Throws when the address cannot be bound. */
  start(): Promise<void>;
  /** Closes every connection and stops listening. */
  stop(): Promise<void>;
  /** What this node announces; the listen address is known after `start`. */
  nodeInfo(): NodeInfo;
  /** `host:port` that is bound; undefined when not listening. */
  listenAddress(): string | undefined;
  peers(): readonly Peer[];
  peer(id: NodeId): Peer | undefined;
  /** Queues one encoding for every peer; returns how many took it. */
  broadcast(channelId: number, message: Uint8Array): number;
  /** Dials once. Resolves when the peer is added; throws `P2pError` otherwise. */
  dial(address: string): Promise<void>;
  dialAddress(address: PeerAddress): Promise<void>;
  /** Keeps a connection to this peer from now on. */
  addPersistentPeer(address: string): void;
  /** Limits do not apply to this peer from now on. */
  addUnconditionalPeer(id: NodeId): void;
  isConnectedOrDialing(id: NodeId): boolean;
  /** Persistent peers without a connection whose last dial failed, and what with. */
  unreached(): readonly UnreachedPeer[];
  /** Peers that may still be dialed, those being dialed counted. */
  outboundRoom(): number;
  /** Bans in force. */
  banned(): readonly Ban[];
  /** Points of a peer that misbehaved; 0 for one that did not. */
  score(id: NodeId): number;
}

/** A connection this young may be one of two that were dialed at the same time. */
const SIMULTANEOUS_DIAL_MS = 5_000;

export function createSwitch(options: SwitchOptions, dependencies: SwitchDependencies): Switch {
  const { nodeKey, reactors, clock, metrics } = dependencies;
  const logger = dependencies.logger.child({ module: "p2p" });
  const channels = reactors.flatMap((reactor) => reactor.channels);
  assert(
    new Set(channels.map(({ id }) => id)).size === channels.length,
    "two reactors claim one channel",
  );
  const reactorOf = new Map(
    reactors.flatMap((reactor) => reactor.channels.map(({ id }) => [id, reactor] as const)),
  );
  const usesLargeFrames = options.usesLargeFrames ?? true;
  const allowsDuplicateIp = options.allowsDuplicateIp ?? false;
  const unconditionalIds = new Set((options.unconditionalPeerIds ?? []).map(NodeId));
  const inboundMax = options.inboundPeersMax ?? INBOUND_PEERS_MAX;
  const outboundMax = options.outboundPeersMax ?? OUTBOUND_PEERS_MAX;
  const peers = new Map<NodeId, ManagedPeer>();
  const handshakes = new Set<Socket>();
  /** Strangers in the handshake since when, oldest first. */
  const strangers = new Map<Socket, number>();
  const guard = createConnectionGuard({ monotonicMs: () => clock.monotonicMs() });
  const turns = createReceiveTurns({
    monotonicMs: () => clock.monotonicMs(),
    nextTurn: (task) => void setImmediate(task),
  });
  const bans =
    dependencies.bans ??
    createPeerBans({ entries: [] }, { nowMs: () => timeToMs(clock.now()), onBan: () => {} });
  /** Dials of addresses that are not persistent peers. */
  const dialing = new Set<NodeId>();
  let server: Server | undefined;
  let isRunning = false;
  let boundAddress: string | undefined;

  const nodeInfo = (): NodeInfo => ({
    protocolVersion: {
      p2p: P2P_PROTOCOL,
      block: BLOCK_PROTOCOL,
      app: options.appVersion ?? 0n,
    },
    nodeId: nodeKey.id,
    // As CometBFT writes it: who reads it over RPC may want an address with its protocol.
    listenAddress: options.externalAddress ?? `tcp://${boundAddress ?? "0.0.0.0:0"}`,
    network: options.network,
    version: options.version ?? SOFTWARE_VERSION,
    channels: Uint8Array.from([
      ...channels.map(({ id }) => id),
      ...(usesLargeFrames ? [LARGE_FRAMES_CHANNEL] : []),
    ]),
    moniker: options.moniker,
    other: {
      txIndex: (options.isTxIndexOn ?? true) ? "on" : "off",
      rpcAddress: options.rpcAddress ?? "",
    },
  });

  const livenessOf = (theirs: NodeInfo) => {
    const beats = usesLargeFrames && announcesLargeFrames(theirs);
    return {
      heartbeatIntervalMs: beats
        ? (options.heartbeatIntervalMs ?? HEARTBEAT_INTERVAL_MS)
        : PLAIN_HEARTBEAT_INTERVAL_MS,
      silenceTimeoutMs: beats
        ? (options.silenceTimeoutMs ?? SILENCE_TIMEOUT_MS)
        : PLAIN_SILENCE_TIMEOUT_MS,
    };
  };

  const removePeer = (peer: ManagedPeer, reason: P2pError): void => {
    if (peers.get(peer.id) === peer) {
      peers.delete(peer.id);
      metrics.peers.set(peers.size);
    }
    for (const reactor of reactors) reactor.removePeer(peer, reason);
    const ban = bans.record(
      peer.id,
      reason.code,
      peer.isPersistent || unconditionalIds.has(peer.id),
    );
    if (ban !== undefined) {
      metrics.bans.inc({ code: ban.code });
      logger.warn("Peer banned", {
        peer: peer.id,
        code: ban.code,
        bans: ban.count,
        until: new Date(ban.untilMs).toISOString(),
      });
    }
    if (reason.code === "P2P_PEER_SILENT" || reason.code === "P2P_PONG_TIMEOUT") {
      metrics.dropped.inc({ reason: "peer_silent" });
      logger.warn("Peer fell silent", { peer: peer.id, code: reason.code });
      redialLater(peer);
      return;
    }
    const isOurFault = ["P2P_STOPPED", "P2P_PEER_DUPLICATE", "P2P_PEER_DISMISSED"].includes(
      reason.code,
    );
    if (!isOurFault && reason.code !== "P2P_SOCKET_CLOSED") {
      metrics.dropped.inc({ reason: "peer_error" });
      logger.warn("Peer disconnected for an error", {
        peer: peer.id,
        code: reason.code,
        error: reason.message,
      });
    } else {
      logger.info("Peer gone", { peer: peer.id, code: reason.code });
    }
    redialLater(peer);
  };
  const redialLater = (peer: ManagedPeer): void => {
    if (!isRunning || peers.has(peer.id)) return;
    dialer.lost(peer.id, clock.monotonicMs() - peer.connectedAtMs);
  };

  const assertNotBanned = (id: NodeId): void => {
    if (!bans.isBanned(id)) return;
    metrics.dropped.inc({ reason: "peer_banned" });
    throw new P2pError("P2P_PEER_BANNED", `peer ${id} misbehaved and is banned for a while`);
  };
  /** Throws when `upgraded` must not become a peer; closes the peer that it replaces. */
  const admit = (upgraded: UpgradedConnection): void => {
    const id = upgraded.nodeInfo.nodeId;
    assertNotBanned(id);
    const isExempt = dialer.has(id) || unconditionalIds.has(id);
    const existing = peers.get(id);
    if (existing !== undefined) {
      if (!isPreferred(nodeKey.id, upgraded, existing, clock.monotonicMs())) {
        throw new P2pError("P2P_PEER_DUPLICATE", `peer ${id} is connected already`);
      }
      existing.close(
        new P2pError("P2P_PEER_DUPLICATE", "a newer connection to this peer replaces this one"),
      );
    } else if (!isExempt) {
      const sameDirection = [...peers.values()].filter(
        (peer) =>
          peer.isOutbound === upgraded.isOutbound &&
          !peer.isPersistent &&
          !unconditionalIds.has(peer.id),
      ).length;
      if (sameDirection >= (upgraded.isOutbound ? outboundMax : inboundMax)) {
        metrics.dropped.inc({ reason: "peer_limit" });
        throw new P2pError(
          "P2P_PEER_LIMIT",
          `expected fewer than ${sameDirection} ${upgraded.isOutbound ? "out" : "in"}bound peers; raise the limit or wait`,
        );
      }
    }
    if (!allowsDuplicateIp && !isExempt && hasAddress(upgraded.remoteAddress)) {
      throw new P2pError(
        "P2P_PEER_DUPLICATE_ADDRESS",
        `a peer at ${upgraded.remoteAddress} is connected already; allow_duplicate_ip would admit it`,
      );
    }
  };
  const hasAddress = (address: string): boolean => {
    const { host } = parseHostPort(address);
    return [...peers.values()].some((peer) => parseHostPort(peer.remoteAddress).host === host);
  };
  const addPeer = (upgraded: UpgradedConnection): void => {
    const id = upgraded.nodeInfo.nodeId;
    if (!isRunning) throw new P2pError("P2P_STOPPED", "the switch is stopping");
    admit(upgraded);
    const peer = createPeer(
      {
        upgraded,
        channels,
        isPersistent: dialer.has(id),
        sendRateBytesPerSecond: options.sendRateBytesPerSecond ?? SEND_RATE_BYTES_DEFAULT,
        receiveRateBytesPerSecond: options.receiveRateBytesPerSecond ?? RECEIVE_RATE_BYTES_DEFAULT,
        pingIntervalMs: options.pingIntervalMs ?? PING_INTERVAL_MS,
        pongTimeoutMs: options.pongTimeoutMs ?? PONG_TIMEOUT_MS,
        packetPayloadBytesMax: options.packetPayloadBytesMax ?? PACKET_PAYLOAD_BYTES_MAX,
        ...livenessOf(upgraded.nodeInfo),
      },
      {
        clock,
        turns,
        metrics,
        handler: {
          message: (channel, from, bytes) =>
            reactorOf.get(channel.id)?.receive(channel.id, from, bytes),
          sendable: (channelId, to) => reactorOf.get(channelId)?.onSendable?.(channelId, to),
        },
      },
    );
    peers.set(id, peer);
    metrics.peers.set(peers.size);
    dialer.found(id);
    logger.info("Peer connected", {
      peer: id,
      address: upgraded.remoteAddress,
      isOutbound: upgraded.isOutbound,
      moniker: upgraded.nodeInfo.moniker,
    });
    for (const reactor of reactors) reactor.addPeer(peer);
    // After addPeer everywhere, so that removePeer never comes first.
    peer.onClose((reason) => removePeer(peer, reason));
    peer.start();
  };

  const upgrade = async (socket: Socket, expectedId: NodeId | undefined): Promise<void> => {
    handshakes.add(socket);
    try {
      const upgraded = await upgradeConnection(
        {
          socket,
          ourInfo: nodeInfo(),
          expectedId,
          timeoutMs: options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
        },
        { signer: nodeKey, verifySignature: dependencies.verifySignature, clock },
      );
      try {
        addPeer(upgraded);
      } catch (error) {
        const reason = toP2pError(error, "P2P_MESSAGE_INVALID", "the peer could not be added");
        upgraded.connection.close(reason);
        throw reason;
      }
    } finally {
      handshakes.delete(socket);
    }
  };
  /** So that who says nothing cannot keep all places until the handshake times out. */
  const evictStranger = (): void => {
    for (const [socket, sinceMs] of strangers) {
      if (clock.monotonicMs() - sinceMs >= PENDING_HANDSHAKE_SAFE_MS) socket.destroy();
      return;
    }
  };
  const accept = (socket: Socket): void => {
    socket.on("error", () => {});
    const host = socket.remoteAddress ?? "";
    if (!isRunning || !guard.enter(host)) {
      metrics.dropped.inc({ reason: "peer_limit" });
      socket.destroy();
      if (guard.pending >= PENDING_HANDSHAKES_MAX) evictStranger();
      return;
    }
    strangers.set(socket, clock.monotonicMs());
    metrics.pendingHandshakes.set(guard.pending);
    upgrade(socket, undefined)
      .catch((error: unknown) => {
        const reason = toP2pError(error, "P2P_HANDSHAKE_MALFORMED", "inbound connection refused");
        metrics.dropped.inc({ reason: "handshake" });
        logger.debug("Inbound connection refused", { code: reason.code, error: reason.message });
      })
      .finally(() => {
        guard.done(host);
        strangers.delete(socket);
        metrics.pendingHandshakes.set(guard.pending);
      });
  };

  const dial = async (
    address: PeerAddress,
    attempt?: { readonly signal: AbortSignal; readonly onConnected: () => void },
  ): Promise<void> => {
    if (peers.has(address.id)) {
      throw new P2pError("P2P_PEER_DUPLICATE", `peer ${address.id} is connected already`);
    }
    assertNotBanned(address.id);
    const timeoutMs = options.dialTimeoutMs ?? DIAL_TIMEOUT_MS;
    const signal = attempt?.signal;
    let giveUp = (): void => {};
    try {
      const socket = await dialTcp({ address, timeoutMs, signal }, { clock });
      giveUp = () => socket.destroy();
      signal?.addEventListener("abort", giveUp);
      attempt?.onConnected();
      await upgrade(socket, address.id);
      metrics.dials.inc({ outcome: "ok" });
    } catch (error) {
      metrics.dials.inc({ outcome: "failed" });
      throw error;
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
  };
  const dialer = createDialer(
    { delayMaxMs: options.persistentPeersMaxDialPeriodMs ?? 0 },
    {
      clock,
      random: dependencies.random,
      isConnected: (id) => peers.has(id),
      connect: dial,
      onFailure: (address, attempt, error) => {
        logger.debug("Dial failed", { peer: address.id, attempt, error });
      },
    },
  );
  const dialAddress = async (address: PeerAddress): Promise<void> => {
    if (dialing.has(address.id)) {
      throw new P2pError("P2P_PEER_DUPLICATE", `peer ${address.id} is being dialed already`);
    }
    dialing.add(address.id);
    try {
      await dial(address);
    } finally {
      dialing.delete(address.id);
    }
  };
  const addPersistentPeer = (text: string): void => {
    const address = parsePeerAddress(text);
    if (address.id !== nodeKey.id) dialer.watch(address);
  };
  const reportPending = (): void => {
    if (!isRunning) return;
    for (const peer of peers.values()) peer.report();
    metrics.bannedPeers.set(bans.banned().length);
    pendingTimer = clock.after(PENDING_REPORT_MS, reportPending);
  };
  let pendingTimer: Cancel | undefined;

  for (const address of options.persistentPeers) addPersistentPeer(address);

  return {
    async start() {
      assert(!isRunning, "a switch starts once");
      if (options.listenAddress !== undefined) {
        server = createServer({ noDelay: true }, accept);
        boundAddress = await listen(server, options.listenAddress);
      }
      validateNodeInfo(nodeInfo());
      isRunning = true;
      logger.info("Listening for peers", { address: boundAddress, id: nodeKey.id });
      dialer.start();
      reportPending();
    },
    async stop() {
      if (!isRunning) return;
      isRunning = false;
      pendingTimer?.cancel();
      dialer.stop();
      const closed =
        server === undefined
          ? Promise.resolve()
          : new Promise<void>((resolve) => server?.close(() => resolve()));
      for (const socket of handshakes) socket.destroy();
      for (const peer of peers.values()) {
        peer.close(new P2pError("P2P_STOPPED", "the node is stopping"));
      }
      await closed;
    },
    nodeInfo,
    listenAddress: () => boundAddress,
    peers: () => [...peers.values()],
    peer: (id) => peers.get(id),
    broadcast(channelId, message) {
      let taken = 0;
      for (const peer of peers.values()) if (peer.trySend(channelId, message)) taken += 1;
      return taken;
    },
    dial: (address) => dialAddress(parsePeerAddress(address)),
    dialAddress,
    addPersistentPeer,
    addUnconditionalPeer: (id) => void unconditionalIds.add(id),
    unreached: () => dialer.unreached(),
    isConnectedOrDialing: (id) => peers.has(id) || dialing.has(id) || dialer.isDialing(id),
    outboundRoom() {
      let taken = dialing.size;
      for (const peer of peers.values()) {
        if (peer.isOutbound && !unconditionalIds.has(peer.id)) taken += 1;
      }
      return Math.max(0, outboundMax - taken);
    },
    banned: () => bans.banned(),
    score: (id) => bans.score(id),
  };
}

/** Interval at which peers' traffic is told to the metrics. */
const PENDING_REPORT_MS = 1_000;

/**
 * Whether a second connection to a peer replaces the first. Two nodes that dial each other at once
 * both keep the one that the lower id dialed. Otherwise the newer wins: its owner has proven its
 * key, and would not have dialed had it not lost the older one.
 */
function isPreferred(
  ourId: NodeId,
  newer: UpgradedConnection,
  existing: ManagedPeer,
  nowMs: number,
): boolean {
  const isSimultaneous =
    newer.isOutbound !== existing.isOutbound &&
    existing.silentMs < SILENCE_SUSPECT_MS &&
    nowMs - existing.connectedAtMs < SIMULTANEOUS_DIAL_MS;
  if (!isSimultaneous) return true;
  const isOursLower = ourId < existing.id;
  return newer.isOutbound === isOursLower;
}

async function listen(server: Server, address: string): Promise<string> {
  const { host, port } = parseHostPort(address);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host: host === "" ? "0.0.0.0" : host }, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
  server.on("error", () => {});
  const bound = server.address();
  assert(bound !== null && typeof bound === "object", "a listening TCP server has an address");
  return formatHostPort({ host: bound.address, port: bound.port });
}

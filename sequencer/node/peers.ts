/** Peers of a node, from its configuration: the switch's settings, bans and peer exchange. */
import { isAbsolute, join } from "node:path";
import { NodeId } from "../../proto/brands.ts";
import { timeToMs } from "../../proto/time.ts";
import { APP_VERSION } from "../app/genesis-checks.ts";
import type { Genesis } from "../engine/genesis.ts";
import { formatHostPort, parsePeerAddress } from "../p2p/address.ts";
import type { P2pMetrics } from "../p2p/metrics.ts";
import { createPeerBans, type PeerBans } from "../p2p/peer-bans.ts";
import { readBansFile, writeBansFile } from "../p2p/peer-bans-file.ts";
import { type AddressBook, createAddressBook } from "../p2p/pex/address-book.ts";
import { createBookKey, readBookFile, writeBookFile } from "../p2p/pex/address-book-file.ts";
import { netAddress } from "../p2p/pex/net-address.ts";
import { createPexReactor, type PexReactor } from "../p2p/pex/pex-reactor.ts";
import type { SwitchOptions } from "../p2p/switch.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { yieldToLoop } from "../ports/yield-to-loop.ts";
import { type Config, splitList } from "./config-schema.ts";
import { durationMs } from "./config.ts";
import type { Home } from "./home.ts";
import { listenAddress } from "./listen-address.ts";
import { VERSION } from "./version.ts";

export function switchOptions(genesis: Genesis, config: Config): SwitchOptions {
  const { p2p, rpc } = config;
  const listen = listenAddress(p2p.laddr);
  return {
    listenAddress: listen === undefined ? undefined : formatHostPort(listen),
    externalAddress: p2p.external_address === "" ? undefined : p2p.external_address,
    network: genesis.chainId,
    moniker: config.moniker,
    version: VERSION.cometbft,
    appVersion: APP_VERSION,
    rpcAddress: rpc.laddr,
    isTxIndexOn: config.tx_index.indexer === "kv",
    persistentPeers: splitList(p2p.persistent_peers),
    persistentPeersMaxDialPeriodMs: durationMs(p2p.persistent_peers_max_dial_period),
    unconditionalPeerIds: splitList(p2p.unconditional_peer_ids),
    inboundPeersMax: p2p.max_num_inbound_peers,
    outboundPeersMax: p2p.max_num_outbound_peers,
    allowsDuplicateIp: p2p.allow_duplicate_ip,
    packetPayloadBytesMax: p2p.max_packet_msg_payload_size,
    sendRateBytesPerSecond: p2p.send_rate,
    receiveRateBytesPerSecond: p2p.recv_rate,
    silenceTimeoutMs: durationMs(p2p.silence_timeout),
    handshakeTimeoutMs: durationMs(p2p.handshake_timeout),
    dialTimeoutMs: durationMs(p2p.dial_timeout),
  };
}

export interface PeerExchange {
  readonly bans: PeerBans;
  /** Undefined when `pex` is off. */
  readonly pex: PexReactor | undefined;
  readonly book: AddressBook | undefined;
}

/** Reads bans and address book. */
export async function openPeerExchange(
  options: { readonly home: Home; readonly config: Config; readonly ownId: NodeId },
  dependencies: {
    readonly clock: Clock;
    readonly random: () => number;
    readonly logger: Logger;
    readonly metrics: P2pMetrics;
  },
): Promise<PeerExchange> {
  const { home, config, ownId } = options;
  const { clock, random, metrics } = dependencies;
  const logger = dependencies.logger.child({ module: "p2p" });
  const nowMs = (): number => timeToMs(clock.now());
  const { p2p } = config;
  const bans: PeerBans = createPeerBans(
    { entries: readBansFile(home.peerBansFile, logger) },
    {
      nowMs,
      onBan: () => {
        try {
          writeBansFile(home.peerBansFile, bans.entries());
        } catch (error) {
          // The ban holds until the process ends.
          logger.warn("bans could not be saved", { error: String(error) });
        }
      },
    },
  );
  if (!p2p.pex) return { bans, pex: undefined, book: undefined };
  const file = p2p.addr_book_file;
  const path = isAbsolute(file) ? file : join(home.root, file);
  const stored = await readBookFile(path, logger);
  const book = createAddressBook(
    {
      isStrict: p2p.addr_book_strict,
      ownId,
      privateIds: splitList(p2p.private_peer_ids).map(NodeId),
      key: stored?.key ?? createBookKey(),
    },
    { nowMs, random, isBanned: (id) => bans.isBanned(id) },
  );
  let taken = 0;
  for (const entry of stored?.entries ?? []) if (book.restore(entry)) taken += 1;
  if (stored !== undefined) logger.info("address book read", { path, addresses: taken });
  for (const { id, host, port } of splitList(p2p.persistent_peers).map(parsePeerAddress)) {
    const address = netAddress(id, host, port);
    if (address !== undefined) book.add(address, address);
  }
  const pex = createPexReactor(
    { isSeed: p2p.seed_mode, seeds: splitList(p2p.seeds).map(parsePeerAddress) },
    {
      book,
      clock,
      random,
      logger,
      metrics,
      save: () => writeBookFile(path, book, yieldToLoop),
    },
  );
  return { bans, pex, book };
}

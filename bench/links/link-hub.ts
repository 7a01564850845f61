/**
 * The wire between namespaces: every Ethernet frame of every node arrives here in a VXLAN packet and
 * leaves towards its receiver after the link's delay, or not at all. TCP above it is the kernel's own,
 * with its retransmissions; the kernel's `netem` is not needed.
 */
import { createSocket } from "node:dgram";
import { LINK_QUEUE_FRAMES_MAX, VXLAN_PORT } from "./limits.ts";
import { HUB_ADDRESS, type NodeNamespace } from "./namespaces.ts";

/** One direction of a link. */
export interface LinkShape {
  readonly delayMs: number;
  /** Probability that a frame is lost. */
  readonly loss: number;
}

export interface LinkHub {
  /** Nodes of different groups no longer reach each other; undefined: all do. */
  partition(groups: readonly (readonly number[])[] | undefined): void;
  readonly frames: { readonly carried: number; readonly lost: number; readonly cut: number };
  close(): void;
}

const VXLAN_HEADER_BYTES = 8;
const ETHERNET_HEADER_BYTES = 14;
const PROTOCOL_TCP = 6;

/** Runs in the hub's namespace. `shape` is asked once per link and direction. */
export async function startLinkHub(options: {
  readonly nodes: readonly NodeNamespace[];
  readonly shape: (from: number, to: number) => LinkShape;
  readonly random: () => number;
}): Promise<LinkHub> {
  const { nodes, random } = options;
  const links = nodes.map((_, from) =>
    nodes.map((_, to) => ({ ...options.shape(from, to), queued: 0 })),
  );
  let groupOf: readonly number[] | undefined;
  const frames = { carried: 0, lost: 0, cut: 0 };
  const socket = createSocket("udp4");
  let isClosed = false;
  const send = (packet: Uint8Array, to: number): void => {
    if (!isClosed) socket.send(packet, VXLAN_PORT, nodes[to]?.controlAddress);
  };
  socket.on("message", (packet, { address }) => {
    const from = nodes.findIndex(({ controlAddress }) => controlAddress === address);
    const to = (packet[VXLAN_HEADER_BYTES + 5] ?? 0) - 1;
    const link = links[from]?.[to];
    // Multicast of the kernel's own, such as IPv6 discovery.
    if (link === undefined || (packet[VXLAN_HEADER_BYTES] ?? 1) % 2 === 1) return;
    if (groupOf !== undefined && groupOf[from] !== groupOf[to]) {
      frames.cut += 1;
      return;
    }
    if (random() < link.loss || link.queued >= LINK_QUEUE_FRAMES_MAX) {
      frames.lost += 1;
      return;
    }
    frames.carried += 1;
    completeChecksum(packet);
    if (link.delayMs === 0) {
      send(packet, to);
      return;
    }
    link.queued += 1;
    setTimeout(() => {
      link.queued -= 1;
      send(packet, to);
    }, link.delayMs);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(VXLAN_PORT, HUB_ADDRESS, resolve);
  });
  socket.setRecvBufferSize(8 << 20);
  socket.setSendBufferSize(8 << 20);
  socket.on("error", () => {});
  return {
    partition(groups) {
      groupOf = groups && nodes.map((_, i) => groups.findIndex((group) => group.includes(i)));
    },
    frames,
    close() {
      isClosed = true;
      socket.close();
    },
  };
}

/** The kernel leaves the TCP checksum to hardware that is not there. */
function completeChecksum(packet: Buffer): void {
  const ip = VXLAN_HEADER_BYTES + ETHERNET_HEADER_BYTES;
  const isIpv4 = packet.readUInt16BE(VXLAN_HEADER_BYTES + 12) === 0x0800;
  if (!isIpv4 || packet[ip + 9] !== PROTOCOL_TCP) return;
  const end = ip + packet.readUInt16BE(ip + 2);
  const tcp = ip + ((packet[ip] ?? 0) & 15) * 4;
  packet.writeUInt16BE(0, tcp + 16);
  const pseudoHeader = sum(packet, ip + 12, ip + 20, PROTOCOL_TCP + (end - tcp));
  packet.writeUInt16BE(~sum(packet, tcp, end, pseudoHeader) & 0xffff, tcp + 16);
}

/** Ones' complement sum of 16-bit words (RFC 1071). */
function sum(bytes: Uint8Array, start: number, end: number, initial: number): number {
  let total = initial;
  for (let at = start; at + 1 < end; at += 2) {
    total += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  }
  if ((end - start) % 2 === 1) total += (bytes[end - 1] ?? 0) << 8;
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

/** An address that peers tell each other: `id@ip:port`, never a name. */
import { NodeId } from "../../../proto/brands.ts";
import type { NodeInfo } from "../../../proto/messages.ts";
import { parseHostPort, type PeerAddress } from "../address.ts";
import { isUsableIp, parseIp } from "./ip-address.ts";

/** `host` is an IP address. */
export type NetAddress = PeerAddress;

/** Undefined when it is not the address of a node: malformed, unspecified, or without a port. */
export function netAddress(id: string, ip: string, port: number): NetAddress | undefined {
  const bytes = parseIp(ip);
  const isPort = Number.isInteger(port) && port > 0 && port <= 65_535;
  if (!/^[0-9a-f]{40}$/.test(id) || bytes === undefined || !isUsableIp(bytes) || !isPort) {
    return undefined;
  }
  return { id: NodeId(id), host: ip, port };
}

/**
 * Where a peer says that it listens. One that listens on every address of its machine is taken to
 * listen where it came from.
 */
export function announcedAddress(info: NodeInfo, remoteAddress: string): NetAddress | undefined {
  const { host, port } = parseHostPort(info.listenAddress);
  const isUnspecified = host === "" || host === "0.0.0.0" || host === "::";
  return netAddress(info.nodeId, isUnspecified ? parseHostPort(remoteAddress).host : host, port);
}

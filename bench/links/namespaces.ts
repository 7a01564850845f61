/**
 * Network namespaces of this machine: one per node, one for the hub that all links go through. Needs
 * root and `ip`. Nothing outside the namespaces is changed; removing them removes all of it.
 */
import { execFileSync } from "node:child_process";
import { ETHERNET_MTU, NODES_MAX, VXLAN_ID, VXLAN_PORT } from "./limits.ts";

export interface NodeNamespace {
  readonly name: string;
  /** Address on the emulated network, where nodes meet. */
  readonly address: string;
  /** Address on the wire below, which only the hub and whoever measures uses. */
  readonly controlAddress: string;
}

export interface Namespaces {
  readonly hub: string;
  readonly nodes: readonly NodeNamespace[];
  remove(): void;
}

/** Address of the hub on the wire below. */
export const HUB_ADDRESS = "10.99.0.254";

/** Why namespaces cannot be made here; undefined when they can. */
export function namespacesFault(): string | undefined {
  if (process.platform !== "linux")
    return `network namespaces are of Linux, not ${process.platform}`;
  if (process.getuid?.() !== 0) return "network namespaces need root";
  const probe = `weft-${process.pid}-probe`;
  try {
    ip("netns", "add", probe);
  } catch (error) {
    return `"ip netns add" failed: ${firstLine(error)}`;
  }
  try {
    vxlan(probe, 1, "lo");
    return undefined;
  } catch (error) {
    return `the kernel has no vxlan: ${firstLine(error)}`;
  } finally {
    ip("netns", "del", probe);
  }
}

/** @throws when the kernel or the rights do not allow it; what was made is removed again */
export function createNamespaces(count: number): Namespaces {
  if (count < 2 || count > NODES_MAX) throw new RangeError(`expected 2 to ${NODES_MAX} nodes`);
  const prefix = `weft-${process.pid}`;
  const hub = `${prefix}-hub`;
  const nodes = Array.from({ length: count }, (_, i) => ({
    name: `${prefix}-${i}`,
    address: nodeAddress(i),
    controlAddress: `10.99.0.${i + 1}`,
  }));
  const made: string[] = [];
  const remove = (): void => {
    for (const name of made.splice(0)) ip("netns", "del", name);
  };
  const add = (name: string): void => {
    ip("netns", "add", name);
    made.push(name);
    ip("-n", name, "link", "set", "lo", "up");
  };
  try {
    add(hub);
    ip("-n", hub, "link", "add", "br0", "type", "bridge");
    ip("-n", hub, "addr", "add", `${HUB_ADDRESS}/24`, "dev", "br0");
    ip("-n", hub, "link", "set", "br0", "up");
    for (const [i, node] of nodes.entries()) {
      add(node.name);
      const port = `port${i}`;
      ip(
        "link",
        "add",
        "eth0",
        "netns",
        node.name,
        "type",
        "veth",
        "peer",
        "name",
        port,
        "netns",
        hub,
      );
      ip("-n", hub, "link", "set", port, "master", "br0");
      ip("-n", hub, "link", "set", port, "up");
      ip("-n", node.name, "addr", "add", `${node.controlAddress}/24`, "dev", "eth0");
      ip("-n", node.name, "link", "set", "eth0", "up");
      vxlan(node.name, i, "eth0", node.controlAddress);
      ip("-n", node.name, "addr", "add", `${node.address}/24`, "dev", "vx0");
      ip("-n", node.name, "link", "set", "vx0", "up");
      // No neighbour discovery: a router would answer for the other side of a cut link.
      for (let j = 0; j < count; j++) {
        if (j === i) continue;
        const at = [nodeAddress(j), "lladdr", nodeMac(j), "nud", "permanent", "dev", "vx0"];
        ip("-n", node.name, "neigh", "replace", ...at);
      }
    }
    return { hub, nodes, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Runs `command` in a namespace: the words to give to `spawn`. */
export function inNamespace(name: string, command: string, args: readonly string[]): string[] {
  return ["ip", "netns", "exec", name, command, ...args];
}

export function nodeAddress(index: number): string {
  return `10.98.0.${index + 1}`;
}

/** The last byte of a node's MAC address is its number; the hub reads it. */
function nodeMac(index: number): string {
  return `02:00:00:00:00:${(index + 1).toString(16).padStart(2, "0")}`;
}

function vxlan(namespace: string, index: number, device: string, local = "127.0.0.1"): void {
  // One segment per packet: the hub forwards what a wire would carry.
  const link = ["vx0", "address", nodeMac(index), "mtu", `${ETHERNET_MTU}`, "gso_max_segs", "1"];
  const tunnel = ["id", `${VXLAN_ID}`, "local", local, "remote", HUB_ADDRESS];
  const port = ["dstport", `${VXLAN_PORT}`, "dev", device, "nolearning"];
  ip("-n", namespace, "link", "add", ...link, "type", "vxlan", ...tunnel, ...port);
}

function ip(...args: readonly string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error))
    .split("\n")
    .slice(0, 2)
    .join(": ");
}

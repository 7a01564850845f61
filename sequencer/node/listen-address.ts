/** Listen addresses of config.toml: `tcp://host:port`, `host:port`, `:port`; empty where a listener is off. */
import type { Config } from "./config-schema.ts";

const ANY_HOST: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/** Host and port of a checked listen address; undefined when the listener is off. */
export function listenAddress(text: string): { host: string; port: number } | undefined {
  if (text === "") return undefined;
  const bare = text.replace(/^tcp:\/\//, "");
  const colon = bare.lastIndexOf(":");
  const host = bare.slice(0, colon).replace(/^\[|\]$/g, "");
  return { host: host === "" ? "0.0.0.0" : host, port: Number(bare.slice(colon + 1)) };
}

/**
 * Listeners of `weft start` that cannot both have what they ask for, a sentence each. Not a part of reading a
 * configuration: other commands use the same file and few of its listeners.
 */
export function meetingListeners(config: Config): string[] {
  const { prometheus, prometheus_listen_addr: metrics } = config.instrumentation;
  const listeners: readonly (readonly [key: string, address: string])[] = [
    ["p2p.laddr", config.p2p.laddr],
    ["rpc.laddr", config.rpc.laddr],
    ["grpc.laddr", config.grpc.laddr],
    ["instrumentation.prometheus_listen_addr", prometheus ? metrics : ""],
  ];
  return listeners.flatMap(([key, address], i) => {
    const other = listeners.slice(0, i).find(([, earlier]) => meetAtAPort(earlier, address));
    if (other === undefined) return [];
    return [`${key}: ${address} and ${other[0]}, ${other[1]}, meet: expected a port of its own`];
  });
}

/** Whether only one of two checked addresses can be had; false where one is off or has any free port. */
function meetAtAPort(a: string, b: string): boolean {
  const one = listenAddress(a);
  const other = listenAddress(b);
  if (one === undefined || one.port === 0 || one.port !== other?.port) return false;
  return one.host === other.host || ANY_HOST.has(one.host) || ANY_HOST.has(other.host);
}

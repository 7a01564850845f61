/** Listen addresses of config.toml: `tcp://host:port`, `host:port`, `:port`; empty where a listener is off. */

const ANY_HOST: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/** Host and port of a checked listen address; undefined when the listener is off. */
export function listenAddress(text: string): { host: string; port: number } | undefined {
  if (text === "") return undefined;
  const bare = text.replace(/^tcp:\/\//, "");
  const colon = bare.lastIndexOf(":");
  const host = bare.slice(0, colon).replace(/^\[|\]$/g, "");
  return { host: host === "" ? "0.0.0.0" : host, port: Number(bare.slice(colon + 1)) };
}

/** Whether only one of two checked addresses can be had; false where one is off or has any free port. */
export function meetAtAPort(a: string, b: string): boolean {
  const one = listenAddress(a);
  const other = listenAddress(b);
  if (one === undefined || one.port === 0 || one.port !== other?.port) return false;
  return one.host === other.host || ANY_HOST.has(one.host) || ANY_HOST.has(other.host);
}

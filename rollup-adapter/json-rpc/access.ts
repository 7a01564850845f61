/** Who calls a JSON-RPC server, and how often they may: by API key where one is given, by address else. */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isIP, isIPv6 } from "node:net";
import { createRateLimit } from "./rate-limit.ts";

export interface ApiKey {
  /** What logs and quotas call its owner. */
  readonly name: string;
  /** SHA-256 of the key, hex: the configuration holds no secret. */
  readonly sha256: string;
  /** Calls a second in the long run, and at once; left out: those of an address. 0: no limit. */
  readonly requestsPerSecond?: number | undefined;
  readonly requestsBurst?: number | undefined;
}

export interface AccessOptions {
  /** Calls a second of one address in the long run; 0: no limit. */
  readonly requestsPerSecond: number;
  /** Calls of one address at once. */
  readonly requestsBurst: number;
  readonly keys: readonly ApiKey[];
  /** Whether nobody is served without a key. */
  readonly isKeyRequired: boolean;
  /** Proxies in front that add to X-Forwarded-For; 0: the header is not believed. */
  readonly proxyHops: number;
}

export interface Caller {
  readonly address: string;
  /** Whom quotas and limits count for: `key NAME`, or `address ADDRESS` (of IPv6 its network of 64 bits). */
  readonly requester: string;
  /** Takes tokens for so many calls; the refusal when there are too few. */
  readonly admit: (calls: number) => string | undefined;
}

export interface Access {
  /** Who sends the request; a text that says what is wrong with its key. */
  callerOf(request: Pick<IncomingMessage, "headers" | "socket" | "url">): Caller | string;
}

export const OPEN_ACCESS: AccessOptions = {
  requestsPerSecond: 0,
  requestsBurst: 1,
  keys: [],
  isKeyRequired: false,
  proxyHops: 0,
};

/** @param monotonicMs a clock that never goes back */
export function createAccess(options: AccessOptions, monotonicMs: () => number): Access {
  const { requestsPerSecond, requestsBurst, isKeyRequired, proxyHops } = options;
  const byAddress = createRateLimit(
    { perSecond: requestsPerSecond, burst: requestsBurst },
    monotonicMs,
  );
  const keys = new Map(
    options.keys.map((key) => {
      const perSecond = key.requestsPerSecond ?? requestsPerSecond;
      const burst = key.requestsBurst ?? requestsBurst;
      const limit = createRateLimit({ perSecond, burst }, monotonicMs);
      return [key.sha256.toLowerCase(), { name: key.name, perSecond, burst, limit }];
    }),
  );

  return {
    callerOf(request) {
      const address = addressOf(request, proxyHops);
      const given = keyOf(request);
      if (given === undefined) {
        if (isKeyRequired) {
          return "an API key is required: authorization: Bearer KEY, x-api-key: KEY, or the path /key/KEY";
        }
        const requester = `address ${networkOf(address)}`;
        return {
          address,
          requester,
          admit: (calls) =>
            byAddress.take([requester], calls)
              ? undefined
              : tooMany(requester, requestsPerSecond, requestsBurst),
        };
      }
      // Found by its hash: how long that takes tells nothing of any key.
      const key = keys.get(createHash("sha256").update(given).digest("hex"));
      if (key === undefined) return "this API key is not known here";
      const { name, perSecond, burst, limit } = key;
      const requester = `key ${name}`;
      return {
        address,
        requester,
        admit: (calls) =>
          limit.take([name], calls) ? undefined : tooMany(requester, perSecond, burst),
      };
    },
  };
}

function tooMany(requester: string, perSecond: number, burst: number): string {
  return `too many calls of ${requester}: ${perSecond} a second in the long run, ${burst} at once; try again later`;
}

function keyOf({ headers, url }: Pick<IncomingMessage, "headers" | "url">): string | undefined {
  const [scheme, bearer] = headers.authorization?.split(" ") ?? [];
  if (scheme?.toLowerCase() === "bearer" && bearer !== undefined) return bearer;
  const header = headers["x-api-key"];
  if (typeof header === "string") return header;
  // Wallets know nothing but a URL.
  return /^\/key\/([^/?]+)/.exec(url ?? "")?.[1];
}

/** The last address that a proxy of ours has added, counted from the right. */
function addressOf(
  { headers, socket }: Pick<IncomingMessage, "headers" | "socket">,
  proxyHops: number,
): string {
  const remote = socket.remoteAddress ?? "";
  if (proxyHops === 0) return remote;
  const header = headers["x-forwarded-for"];
  const text = Array.isArray(header) ? header.join(",") : (header ?? "");
  const hops = text.split(",").map((hop) => hop.trim());
  const added = hops.at(-proxyHops) ?? "";
  return isIP(added) === 0 ? remote : added;
}

/** An address of the machine itself. */
export function isLoopback(address: string): boolean {
  return address === "::1" || /^(::ffff:)?127\./.test(address);
}

/** One line of a household or a server has 64 bits of addresses to itself. */
export function networkOf(address: string): string {
  if (!isIPv6(address) || address.startsWith("::ffff:")) return address;
  const [head = "", tail] = address.split("::");
  const front = head === "" ? [] : head.split(":");
  if (tail === undefined) return `${front.slice(0, 4).join(":")}::/64`;
  const back = tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => "0");
  return `${[...front, ...zeros, ...back].slice(0, 4).join(":")}::/64`;
}

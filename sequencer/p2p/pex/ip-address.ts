/** IP addresses as bytes, and what kind of place they name (CometBFT `p2p/netaddress.go`). */
import { isIP } from "node:net";

const IPV4_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** The 16 bytes of an address, IPv4 mapped into IPv6; undefined when the text is none. */
export function parseIp(text: string): Uint8Array | undefined {
  const kind = isIP(text);
  if (kind === 4) return Uint8Array.from([...IPV4_PREFIX, ...text.split(".").map(Number)]);
  // A zone names an interface of one machine.
  if (kind !== 6 || text.includes("%")) return undefined;
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const hex = (high: string | undefined, low: string | undefined): string =>
    (Number(high) * 256 + Number(low)).toString(16);
  const plain =
    dotted === null
      ? text
      : `${dotted[1] ?? ""}${hex(dotted[2], dotted[3])}:${hex(dotted[4], dotted[5])}`;
  const [head = "", tail] = plain.split("::");
  const groups = (part: string | undefined): string[] =>
    part === undefined || part === "" ? [] : part.split(":");
  const [first, last] = [groups(head), groups(tail)];
  const zeros = Array<string>(8 - first.length - last.length).fill("0");
  return Uint8Array.from(
    [...first, ...zeros, ...last].flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 0xff];
    }),
  );
}

/** Whether the address can be of a node at all: not unspecified, broadcast or documentation. */
export function isUsableIp(ip: Uint8Array): boolean {
  return !isIn(ip, UNUSABLE);
}

/** Whether a stranger on the Internet could reach it. */
export function isRoutableIp(ip: Uint8Array): boolean {
  return isUsableIp(ip) && !isIn(ip, UNROUTABLE) && !isLocalIp(ip);
}

export function isLocalIp(ip: Uint8Array): boolean {
  return isIn(ip, LOCAL);
}

/**
 * Who may own many addresses: /16 of IPv4, /32 of IPv6 (/36 of he.net), what a tunnel carries. One
 * group fills only few buckets of the address book.
 */
export function ipGroup(ip: Uint8Array, isStrict: boolean): string {
  if (isStrict && isLocalIp(ip)) return "local";
  if (isStrict && !isRoutableIp(ip)) return "unroutable";
  if (isIn(ip, [V4_MAPPED, V4_TRANSLATED])) return v4Group(ip.subarray(12));
  if (isIn(ip, [SIX_TO_FOUR])) return v4Group(ip.subarray(2, 6));
  if (isIn(ip, [TEREDO])) return v4Group(ip.subarray(12).map((byte) => byte ^ 0xff));
  const bits = isIn(ip, [HURRICANE_ELECTRIC]) ? 36 : 32;
  return [...masked(ip, bits)].join(".");
}

interface Range {
  readonly prefix: Uint8Array;
  readonly bits: number;
}

function range(text: string, bits: number): Range {
  const prefix = parseIp(text);
  if (prefix === undefined) throw new RangeError(`${text} is no address`);
  return { prefix, bits: text.includes(":") ? bits : 96 + bits };
}

const V4_MAPPED: Range = { prefix: Uint8Array.from([...IPV4_PREFIX, 0, 0, 0, 0]), bits: 96 };
/** RFC 6052. */
const V4_TRANSLATED = range("64:ff9b::", 96);
/** RFC 3964. */
const SIX_TO_FOUR = range("2002::", 16);
/** RFC 4380. */
const TEREDO = range("2001::", 32);
const HURRICANE_ELECTRIC = range("2001:470::", 32);

const LOCAL = [range("127.0.0.0", 8), range("0.0.0.0", 8), range("::1", 128)];
const UNUSABLE = [
  range("0.0.0.0", 32),
  range("::", 128),
  range("255.255.255.255", 32),
  // RFC 3849.
  range("2001:db8::", 32),
];
const UNROUTABLE = [
  // RFC 1918.
  range("10.0.0.0", 8),
  range("172.16.0.0", 12),
  range("192.168.0.0", 16),
  // RFC 3927.
  range("169.254.0.0", 16),
  // RFC 4193, 4843, 4862.
  range("fc00::", 7),
  range("2001:10::", 28),
  range("fe80::", 64),
];

function isIn(ip: Uint8Array, ranges: readonly Range[]): boolean {
  return ranges.some(({ prefix, bits }) => {
    for (let bit = 0; bit < bits; bit += 8) {
      const mask = bits - bit >= 8 ? 0xff : (0xff << (8 - (bits - bit))) & 0xff;
      const at = bit / 8;
      if ((((ip[at] ?? 0) ^ (prefix[at] ?? 0)) & mask) !== 0) return false;
    }
    return true;
  });
}

function v4Group(ip: Uint8Array): string {
  return `${ip[0] ?? 0}.${ip[1] ?? 0}.0.0`;
}

function masked(ip: Uint8Array, bits: number): Uint8Array {
  return ip.map((byte, i) => {
    const left = Math.min(8, Math.max(0, bits - 8 * i));
    return byte & ((0xff << (8 - left)) & 0xff);
  });
}

/** Moments in queries and attributes, as nanoseconds since the Unix epoch. */

/** `YYYY-MM-DD` at midnight UTC; undefined when it is no such date. */
export function parseDate(text: string): bigint | undefined {
  const match = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
  if (match === null) return undefined;
  return toNanos(match, 0n);
}

/** RFC 3339 with optional fraction; undefined when it is none. */
export function parseTime(text: string): bigint | undefined {
  const match =
    /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/.exec(text);
  if (match === null) return undefined;
  const [hour, minute, second] = [Number(match[4]), Number(match[5]), Number(match[6])];
  const zoneHour = Number(match[9] ?? 0);
  const zoneMinute = Number(match[10] ?? 0);
  if (hour > 23 || minute > 59 || second > 59 || zoneHour > 23 || zoneMinute > 59) return undefined;
  const zoneSeconds = (zoneHour * 3600 + zoneMinute * 60) * (match[8] === "-" ? 1 : -1);
  const seconds = hour * 3600 + minute * 60 + second + zoneSeconds;
  const fraction = BigInt((match[7] ?? "").slice(0, 9).padEnd(9, "0"));
  return toNanos(match, BigInt(seconds) * 1_000_000_000n + fraction);
}

function toNanos(match: RegExpExecArray, nanosOfDay: bigint): bigint | undefined {
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  return BigInt(date.getTime()) * 1_000_000n + nanosOfDay;
}

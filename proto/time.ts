/** Times of blocks and votes, exact to the nanosecond (spec/cometbft-v0.38.md §2.8, §10.3). */
import { toHex } from "./bytes.ts";
import { WeftError } from "./errors.ts";
import { BlockIdFlag, ZERO_TIME, type Commit, type Timestamp, type ValidatorSet } from "./types.ts";

const NANOS_PER_SECOND = 1_000_000_000n;
const SECONDS_PER_DAY = 86_400;
/** Days from 0000-03-01 to 1970-01-01. */
const EPOCH_DAYS = 719_468;
const RFC3339 =
  /^(\d{4})-(\d{2})-(\d{2})T(\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d+))?(?:Z|([+-])(\d{2}):(\d{2}))$/;

/** Why a time was refused. */
export type TimeErrorCode =
  /** The text is no RFC 3339 as Go reads it. */
  | "TIME_FORMAT"
  /** A commit names a validator that its set does not have. */
  | "TIME_UNKNOWN_VALIDATOR";

/** Negative, zero or positive as `a` is before, at or after `b`. */
export function compareTime(a: Timestamp, b: Timestamp): number {
  if (a.seconds !== b.seconds) return a.seconds < b.seconds ? -1 : 1;
  return a.nanos - b.nanos;
}

/** True for Go's zero time, which an absent signature carries. */
export function isZeroTime(time: Timestamp): boolean {
  return compareTime(time, ZERO_TIME) === 0;
}

/** Nanoseconds since the Unix epoch. */
export function timeToNanos(time: Timestamp): bigint {
  return time.seconds * NANOS_PER_SECOND + BigInt(time.nanos);
}

export function timeFromNanos(nanoseconds: bigint): Timestamp {
  const rest = nanoseconds % NANOS_PER_SECOND;
  const nanos = rest < 0n ? rest + NANOS_PER_SECOND : rest;
  return { seconds: (nanoseconds - nanos) / NANOS_PER_SECOND, nanos: Number(nanos) };
}

/** From milliseconds since the Unix epoch, a safe integer. */
export function timeFromMs(milliseconds: number): Timestamp {
  return timeFromNanos(BigInt(milliseconds) * 1_000_000n);
}

/** Milliseconds since the Unix epoch, rounded down. */
export function timeToMs(time: Timestamp): number {
  return Number(time.seconds) * 1000 + Math.floor(time.nanos / 1_000_000);
}

export function addNanos(time: Timestamp, nanoseconds: bigint): Timestamp {
  return timeFromNanos(timeToNanos(time) + nanoseconds);
}

export function addMs(time: Timestamp, milliseconds: number): Timestamp {
  return addNanos(time, BigInt(milliseconds) * 1_000_000n);
}

/** The later of two times. */
export function laterTime(a: Timestamp, b: Timestamp): Timestamp {
  return compareTime(a, b) >= 0 ? a : b;
}

/** Go's RFC3339Nano in UTC: trailing zeros of the fraction are trimmed. */
export function formatTime(time: Timestamp): string {
  const seconds = Number(time.seconds);
  const days = Math.floor(seconds / SECONDS_PER_DAY);
  const secondOfDay = seconds - days * SECONDS_PER_DAY;
  const { year, month, day } = dateFromDays(days);
  const date = `${digits(year, 4)}-${digits(month, 2)}-${digits(day, 2)}`;
  const hour = Math.floor(secondOfDay / 3600);
  const minute = Math.floor((secondOfDay % 3600) / 60);
  const clock = `${digits(hour, 2)}:${digits(minute, 2)}:${digits(secondOfDay % 60, 2)}`;
  const fraction = time.nanos === 0 ? "" : `.${digits(time.nanos, 9).replace(/0+$/, "")}`;
  return `${date}T${clock}${fraction}Z`;
}

/**
 * Reads RFC 3339 with any offset, as Go's `time.Parse` does: what is finer than a nanosecond is cut off,
 * a comma may stand for the point and one digit for the hour. Throws TIME_FORMAT.
 */
export function parseTime(text: string): Timestamp {
  const match = RFC3339.exec(text);
  if (match === null) throw badFormat(text);
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number);
  const nanos = Number((match[7] ?? "").slice(0, 9).padEnd(9, "0"));
  const [offsetHours, offsetMinutes] = [Number(match[9] ?? 0), Number(match[10] ?? 0)];
  if (year === undefined || month === undefined || day === undefined) throw badFormat(text);
  if (hour === undefined || minute === undefined || second === undefined) throw badFormat(text);
  const days = daysFromDate(year, month, day);
  const back = dateFromDays(days);
  const isReal = back.year === year && back.month === month && back.day === day;
  if (!isReal || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59) {
    throw badFormat(text);
  }
  if (offsetHours > 23 || offsetMinutes > 59) throw badFormat(text);
  const offset = (match[8] === "-" ? -1 : 1) * (offsetHours * 3600 + offsetMinutes * 60);
  const seconds = days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset;
  return { seconds: BigInt(seconds), nanos };
}

export interface WeightedTime {
  readonly time: Timestamp;
  readonly weight: bigint;
}

/** CometBFT's weighted median (spec §10.3); Go's zero time when there is no entry. */
export function weightedMedian(entries: readonly WeightedTime[]): Timestamp {
  let total = 0n;
  for (const { weight } of entries) total += weight;
  let median = total / 2n;
  for (const { time, weight } of entries.toSorted((a, b) => compareTime(a.time, b.time))) {
    if (median <= weight) return time;
    median -= weight;
  }
  return ZERO_TIME;
}

/**
 * Time of the block that carries `commit` as its last commit: the median of all timestamps but those
 * of absent signatures, weighted by the set that signed. Throws TIME_UNKNOWN_VALIDATOR.
 */
export function medianTime(commit: Commit, signers: ValidatorSet): Timestamp {
  const powers = new Map(
    signers.validators.map((validator) => [toHex(validator.address), validator.votingPower]),
  );
  const entries: WeightedTime[] = [];
  for (const sig of commit.signatures) {
    if (sig.blockIdFlag === BlockIdFlag.ABSENT) continue;
    const address = toHex(sig.validatorAddress);
    const weight = powers.get(address);
    if (weight === undefined) {
      const code: TimeErrorCode = "TIME_UNKNOWN_VALIDATOR";
      throw new WeftError({ code }, `the commit names ${address}, which is not in its set`);
    }
    entries.push({ time: sig.timestamp, weight });
  }
  return weightedMedian(entries);
}

/** Days since the epoch of a date of the proleptic Gregorian calendar. */
function daysFromDate(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const leaps = Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100);
  return era * 146_097 + yearOfEra * 365 + leaps + dayOfYear - EPOCH_DAYS;
}

function dateFromDays(days: number): { year: number; month: number; day: number } {
  const shifted = days + EPOCH_DAYS;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const leaps = Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100);
  const dayOfYear = dayOfEra - (365 * yearOfEra + leaps);
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth + (shiftedMonth < 10 ? 3 : -9);
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

function digits(value: number, count: number): string {
  return String(value).padStart(count, "0");
}

function badFormat(text: string): Error {
  const code: TimeErrorCode = "TIME_FORMAT";
  return new WeftError({ code }, `expected RFC 3339, got ${JSON.stringify(text.slice(0, 64))}`);
}

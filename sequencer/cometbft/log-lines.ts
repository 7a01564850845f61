/** What CometBFT writes, one JSON object per line (`log_format = "json"`), as lines of our own log. */
import type { Logger, LogFields } from "../ports/logger.ts";
import {
  LAST_WORDS_MS,
  LOG_ENTRY_BYTES_MAX,
  LOG_LINE_BYTES_MAX,
  TAIL_LINES_MAX,
} from "./limits.ts";

export interface CometLogLine {
  readonly level: "error" | "warn" | "info" | "debug";
  readonly message: string;
  /** `part` is what CometBFT calls its module: consensus, p2p, state and so on. */
  readonly fields: LogFields;
}

/**
 * Reads a line. Whatever is no JSON object (a panic, a message of its command line) is an error: CometBFT
 * writes nothing else beside its log.
 */
export function readLogLine(line: string): CometLogLine {
  const entry = line.length <= LOG_ENTRY_BYTES_MAX ? parseObject(line) : undefined;
  if (entry === undefined) {
    return { level: "error", message: "CometBFT says", fields: { text: shortened(line) } };
  }
  const { _msg: message, level, module: part, ts: _time, ...rest } = entry;
  return {
    level: level === "error" || level === "debug" ? level : "info",
    message: typeof message === "string" && message !== "" ? message : "CometBFT says",
    fields: Object.fromEntries(
      Object.entries(part === undefined ? rest : { part, ...rest }).map(([name, value]) => [
        name,
        typeof value === "string" ? shortened(value) : value,
      ]),
    ),
  };
}

function shortened(text: string): string {
  return text.slice(0, LOG_LINE_BYTES_MAX);
}

/**
 * Judges the lines of one run, in their order. CometBFT has no warnings: some of its errors ask nothing of
 * an operator, and are told with the level that they would have with us. Everything else stays as it is.
 */
export function createLineJudge(): (line: CometLogLine) => CometLogLine {
  let isCaughtUp = false;
  return (line) => {
    const { message, fields } = line;
    const { part, err, reason } = fields;
    if (part === "blocksync" && message.startsWith("Time to switch to consensus")) {
      isCaughtUp = true;
    }
    if (line.level !== "error") return line;
    // The book of addresses takes none of loopback or a private network while it is strict; the peers of the
    // configuration are dialed all the same (p2p/switch.go, dialPeersAsync).
    const isNonRoutable = typeof err === "string" && err.startsWith("Cannot add non-routable");
    if (message === "Can't add peer's address to addrbook" && isNonRoutable) {
      return { ...line, level: "debug" };
    }
    // Of a request that was open when the node had caught up: the pool is stopped then, and nobody is
    // dropped for it (blocksync/pool.go, sendError).
    if (isCaughtUp && message === "SendTimeout" && part === "blocksync") {
      if (reason === "peer did not send us anything") return { ...line, level: "debug" };
    }
    // A peer that is not up yet, as in any network that starts; it is dialed again (reconnectToPeer).
    const isRefused = typeof err === "string" && err.endsWith("connect: connection refused");
    if (message === "Error dialing peer" && isRefused) return { ...line, level: "warn" };
    // A peer that closed the connection, as each does that is stopped (p2p/conn, recvRoutine).
    if (message === "Stopping peer for error" && err === "EOF") return { ...line, level: "info" };
    return line;
  };
}

/** Writes a line of CometBFT's to our log, with its level. */
export function relayLogLine(line: CometLogLine, logger: Logger): void {
  logger[line.level](line.message, line.fields);
}

/**
 * Why consensus has stopped for good, when a line says so: the process stays alive after that, as a
 * validator that may be confused must not sign (`consensus/state.go`, receiveRoutine).
 */
export function consensusFailure(line: CometLogLine): string | undefined {
  if (!line.message.startsWith("CONSENSUS FAILURE")) return undefined;
  const err: unknown = line.fields["err"];
  return `CometBFT's consensus has stopped: ${typeof err === "string" ? err : JSON.stringify(line.fields)}`;
}

/** A line for people. */
export function plainText({ message, fields }: CometLogLine): string {
  const { text, part: _part, ...rest } = fields;
  if (typeof text === "string") return text;
  return Object.keys(rest).length === 0 ? message : `${message} ${JSON.stringify(rest)}`;
}

/** A line that is kept to tell why a process ended. */
export interface KeptLine {
  readonly text: string;
  readonly atMs: number;
}

/**
 * What a process said last before it ended at `endMs`; what it said long before that is not why. A panic
 * says why in its first lines, and goroutines fill the rest: those are left out.
 */
export function lastWords(kept: readonly KeptLine[], endMs: number): readonly string[] {
  const lines = kept.flatMap(({ text, atMs }) => (endMs - atMs > LAST_WORDS_MS ? [] : [text]));
  const panic = lines.findLastIndex((line) => /\bpanic: /.test(line));
  const from = panic === -1 ? Math.max(0, lines.length - TAIL_LINES_MAX) : panic;
  const frames = lines.findIndex((line, at) => at > from && /\bgoroutine \d+/.test(line));
  const to = panic === -1 || frames === -1 ? lines.length : frames;
  return lines.slice(from, Math.min(to, from + TAIL_LINES_MAX));
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value))
      : undefined;
  } catch {
    // Cut, or not JSON after all: told as it is.
    return undefined;
  }
}

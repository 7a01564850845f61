import { type DestinationStream, type Logger as PinoLogger, pino, stdSerializers } from "pino";
import { prettyFactory } from "pino-pretty";
import type { LogFields, Logger } from "./logger.ts";

export interface LoggerOptions {
  readonly level: "error" | "warn" | "info" | "debug";
  /** `plain` is for people, `json` for machines. */
  readonly format: "plain" | "json";
}

/**
 * The production logger, on standard error so that standard output stays for results and status
 * lines. Writes are synchronous: a line written before a crash is not lost.
 */
export function createPinoLogger(options: LoggerOptions): Logger {
  const base = {
    level: options.level,
    base: null,
    serializers: { error: stdSerializers.err },
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const output = standardError();
  if (options.format === "json") return wrap(pino(base, output));
  const pretty = prettyFactory({
    colorize: process.stderr.isTTY,
    translateTime: "SYS:HH:MM:ss.l",
    singleLine: true,
    ignore: "pid,hostname",
  });
  const lines = { write: (line: string): void => output.write(pretty(line)) };
  return wrap(pino({ ...base, formatters: {} }, lines));
}

/**
 * Lines that cannot be written are lost: neither a full disk nor a reader that is gone may end a node.
 * Once there is room again the next line is written.
 */
function standardError(): DestinationStream {
  let destination = open();
  return { write: (line) => void destination.write(line) };

  function open() {
    const opened = pino.destination({ dest: 2, sync: true });
    opened.on("error", (error: NodeJS.ErrnoException) => {
      // It would keep what it could not write, without end. After EPIPE it drops all lines by itself.
      if (error.code !== "EPIPE") destination = open();
    });
    return opened;
  }
}

function wrap(logger: PinoLogger): Logger {
  return {
    error: (message, fields) => logger.error(printable(fields), message),
    warn: (message, fields) => logger.warn(printable(fields), message),
    info: (message, fields) => logger.info(printable(fields), message),
    debug: (message, fields) => {
      if (logger.isLevelEnabled("debug")) logger.debug(printable(fields), message);
    },
    child: (fields) => wrap(logger.child(printable(fields))),
  };
}

/** bigint has no JSON form and bytes are unreadable as one: both become text. */
function printable(fields: LogFields | undefined): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields ?? {})) {
    if (typeof value === "bigint") out[key] = value.toString();
    else if (value instanceof Uint8Array) out[key] = Buffer.from(value).toString("hex");
    else out[key] = value;
  }
  return out;
}

import { inspect } from "node:util";
import { WeftError } from "../../proto/errors.ts";
import { ExitCode } from "./exit-codes.ts";

export type CliErrorInfo = {
  /** Name of the exit code. */
  readonly code: keyof typeof ExitCode;
};

/** A failure that a person caused or can mend; the message says how. */
export function cliError(
  code: keyof typeof ExitCode,
  message: string,
  cause?: unknown,
): WeftError<CliErrorInfo> {
  return new WeftError<CliErrorInfo>({ code }, message, cause === undefined ? {} : { cause });
}

const SYSTEM_CODES: Readonly<Record<string, keyof typeof ExitCode>> = {
  EADDRINUSE: "PORT",
  EADDRNOTAVAIL: "PORT",
  EACCES: "FILE",
  EPERM: "FILE",
  ENOENT: "FILE",
  ENOSPC: "FILE",
  EROFS: "FILE",
  ENOTDIR: "FILE",
  EISDIR: "FILE",
  ECONNREFUSED: "UNREACHABLE",
  ECONNRESET: "UNREACHABLE",
  ENOTFOUND: "UNREACHABLE",
  ETIMEDOUT: "UNREACHABLE",
};

/** Prefixes of error codes of other modules and what they mean for a script. */
const MODULE_CODES: readonly (readonly [RegExp, keyof typeof ExitCode])[] = [
  [/^(CONFIG|GENESIS)_/, "CONFIG"],
  [/^(KEY|PRIVVAL|NODE_KEY)_/, "KEY"],
  [/_PORT_|_LISTEN_|ADDRESS_IN_USE/, "PORT"],
  [/LOCK|^(HOME|STORE|WAL)_/, "FILE"],
];

/** The exit code of any error: ours by their code, the system's by `errno`, else UNEXPECTED. */
export function exitCodeOf(error: unknown): ExitCode {
  for (let e: unknown = error; e instanceof Error; e = e.cause) {
    if (e instanceof WeftError) {
      const code = String(e.code);
      if (isExitName(code)) return ExitCode[code];
      const known = MODULE_CODES.find(([pattern]) => pattern.test(code));
      if (known !== undefined) return ExitCode[known[1]];
    }
    const errno: unknown = "code" in e ? e.code : undefined;
    const system = typeof errno === "string" ? SYSTEM_CODES[errno] : undefined;
    if (system !== undefined) return ExitCode[system];
  }
  return ExitCode.UNEXPECTED;
}

/** The text for a person: the message, then the chain of causes, without stacks. */
export function describeError(error: unknown): string {
  const lines: string[] = [];
  for (let e: unknown = error; e !== undefined && lines.length < 5; ) {
    const message = e instanceof Error ? e.message : inspect(e);
    if (!lines.some((line) => line.includes(message))) lines.push(message);
    e = e instanceof Error ? e.cause : undefined;
  }
  return lines.join("\n  because: ");
}

function isExitName(code: string): code is keyof typeof ExitCode {
  return Object.hasOwn(ExitCode, code);
}

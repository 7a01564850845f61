import { inspect } from "node:util";
import { WeftError } from "../../proto/errors.ts";
import { ExitCode, isExitName } from "./exit-codes.ts";

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
  LEVEL_LOCKED: "FILE",
};

/** Prefixes of error codes of other modules and what they mean for a script. */
const MODULE_CODES: readonly (readonly [RegExp, keyof typeof ExitCode])[] = [
  [/^(CONFIG|GENESIS)_|_GENESIS(_|$)/, "CONFIG"],
  [
    /^(ENGINE_(CONSENSUS_PARAMS|API_SECRET_INVALID)|P2P_(ADDRESS_INVALID|NODE_INFO_INVALID|PEER_LIMIT))$/,
    "CONFIG",
  ],
  [/^DRIVER_(TRUST_AHEAD|OTHER_CHAIN)$/, "CONFIG"],
  [/^(KEY|PRIVVAL)_|_NODE_KEY_/, "KEY"],
  [/^(SIGNER|ABCI)_ADDRESS_INVALID$|^COMETBFT_CONFIG_UNSUPPORTED$/, "CONFIG"],
  [/^COMETBFT_(NOT_FOUND|UNUSABLE|VERSION_WRONG|SOCKET_PATH|BLOCKS_MISSING)$/, "FILE"],
  [/^COMETBFT_TRUST_CONFLICT$/, "VERIFICATION"],
  [/^SIGNER_START_TIMEOUT$/, "UNREACHABLE"],
  [/_LISTEN_/, "PORT"],
  [/^(STORE|TRUST_STORE|WAL|STATE)_|^ENGINE_(HANDSHAKE|REPLAY|ROLLBACK)$/, "FILE"],
  [/^(DRIVER_(FORK|UNVERIFIABLE)|EXECUTION_CONFLICT)$/, "VERIFICATION"],
  [/^CONFORMANCE_NOT_FRESH$/, "USAGE"],
  [/^CONFORMANCE_UNREACHABLE$/, "UNREACHABLE"],
  [/^CONFORMANCE_PAYLOADS$/, "FILE"],
  [/^APP_UPGRADE_NEEDED$/, "UPGRADE"],
  [/^VERIFY_|^REPLAY_HASH_MISMATCH$|^SIGNATURE_SELF_TEST$/, "VERIFICATION"],
  [/^REPLAY_/, "USAGE"],
  [/^LIGHT_(ATTACK|INVALID|TRUST_CONFLICT|PRIORITIES_DIVERGE)$/, "VERIFICATION"],
  [/^LIGHT_(EXPIRED|NOT_INITIALIZED|OPTIONS)$|^COMET_RPC_URL$/, "USAGE"],
  [/^PROVIDER_BAD_BLOCK$|^COMET_RPC_(MALFORMED|TOO_LARGE)$/, "VERIFICATION"],
  [/^PROVIDER_NO_RESPONSE$|^COMET_RPC_UNREACHABLE$|^LIGHT_NOT_CROSS_CHECKED$/, "UNREACHABLE"],
  [/^PROVIDER_(NOT_FOUND|HEIGHT_TOO_HIGH)$/, "NOT_FOUND"],
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
    // A port below 1024 is refused like a file that may not be read.
    if ("syscall" in e && e.syscall === "listen") return ExitCode.PORT;
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

/**
 * Exit codes of every command; stable, one table. Scripts may rely on them.
 */
export const ExitCode = {
  /** Done. */
  OK: 0,
  /** A bug or something unforeseen. */
  UNEXPECTED: 1,
  /** A flag, argument or command is unknown, missing or malformed. */
  USAGE: 2,
  /** config.toml or genesis.json is wrong. */
  CONFIG: 3,
  /** A key is missing, malformed, for another account, or its file is readable by others. */
  KEY: 4,
  /** A port is taken or may not be bound. */
  PORT: 5,
  /** A file or folder cannot be read, written or is in use by another process. */
  FILE: 6,
  /** A node does not answer. */
  UNREACHABLE: 7,
  /** The network refused the transaction, or it failed. */
  REJECTED: 8,
  /** What was asked for does not exist. */
  NOT_FOUND: 9,
  /** Something did not happen in the time given. */
  TIMEOUT: 10,
  /** A check (proof, store, log) found a fault. */
  VERIFICATION: 11,
  /** The chain needs an upgrade that this software does not have. */
  UPGRADE: 12,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** The name of a code of this table; undefined for any other. */
export function exitCodeName(code: number | undefined): keyof typeof ExitCode | undefined {
  for (const [name, value] of Object.entries(ExitCode)) {
    if (value === code && isExitName(name)) return name;
  }
  return undefined;
}

export function isExitName(name: string): name is keyof typeof ExitCode {
  return Object.hasOwn(ExitCode, name);
}

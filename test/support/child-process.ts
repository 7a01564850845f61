/** A program that a test starts, whose last words are kept for the report of a failure. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";

export interface RunningChild {
  readonly pid: number;
  readonly isRunning: () => boolean;
  /** Sends the signal. A stopped process is not woken by SIGTERM: send SIGCONT as well. */
  signal(signal: NodeJS.Signals): void;
  /** How it ended, such as `exit code 0` or `signal SIGKILL`. */
  readonly ended: Promise<string>;
  /** The last lines that it wrote. */
  tail(): string;
}

const TAIL_LINES = 40;

/** Starts it; both its outputs are appended to `logFile`. */
export function startChild(
  program: string,
  args: readonly string[],
  options: {
    readonly logFile: string;
    readonly environment?: Readonly<Record<string, string>>;
  },
): RunningChild {
  const log = openSync(options.logFile, "a", 0o600);
  let child: ChildProcess;
  try {
    child = spawn(program, args, {
      // `weft` reads the end of its standard input as "my parent is gone" and stops.
      stdio: ["pipe", log, log],
      env: { ...process.env, ...options.environment },
    });
  } finally {
    closeSync(log);
  }
  const { pid } = child;
  if (pid === undefined) throw new Error(`cannot start ${program}`);
  let isRunning = true;
  const ended = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => {
      isRunning = false;
      resolve(signal === null ? `exit code ${code ?? "?"}` : `signal ${signal}`);
    });
  });
  return {
    pid,
    isRunning: () => isRunning,
    signal: (signal) => {
      if (isRunning) process.kill(pid, signal);
    },
    ended,
    tail: () => readFileSync(options.logFile, "utf8").split("\n").slice(-TAIL_LINES).join("\n"),
  };
}

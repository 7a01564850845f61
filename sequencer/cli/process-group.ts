/** Child processes of a local network: started, logged to a file each, watched, and stopped in order. */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, type WriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { shellWord } from "../ports/shell-word.ts";

/** Set for a child that must not outlive the process that started it. */
export const SUPERVISED = "WEFT_SUPERVISED";

export interface ChildSpec {
  readonly name: string;
  /** The program's file; the group's when it is not given. */
  readonly entry?: string;
  /** Arguments after the entry, such as `["start", "--home", "..."]`. */
  readonly args: readonly string[];
  readonly logFile: string;
  /** Called with each line the child writes to standard output. */
  readonly onLine: (line: string) => void;
}

export interface ChildFailure {
  readonly name: string;
  readonly reason: string;
  /** Undefined when a signal ended it, or it could not be started. */
  readonly exitCode: number | undefined;
}

export interface ProcessGroup {
  start(spec: ChildSpec): void;
  /** Resolves with the name and reason of the first child that ended by itself. */
  readonly failed: Promise<ChildFailure>;
  /** SIGTERM to all in reverse order of start, SIGKILL after `graceMs`; resolves when all ended. */
  stop(graceMs: number): Promise<void>;
  /** Process ids by name, for tests and for people who want to kill one. */
  pids(): Readonly<Record<string, number>>;
}

interface Child {
  readonly name: string;
  readonly process: ChildProcess;
  readonly log: WriteStream;
  readonly ended: Promise<void>;
}

/** @param onEnded told of each child that ends by itself, with its command to start it again */
export function createProcessGroup(
  entry: string,
  onEnded: (child: {
    readonly name: string;
    readonly reason: string;
    readonly restart: string;
  }) => void,
): ProcessGroup {
  const children: Child[] = [];
  let isStopping = false;
  let fail: (failure: ChildFailure) => void = () => {};
  const failed = new Promise<ChildFailure>((resolve) => {
    fail = resolve;
  });

  return {
    failed,
    start(spec) {
      const log = createWriteStream(spec.logFile, { flags: "a", mode: 0o600 });
      const child = spawn(process.execPath, [spec.entry ?? entry, ...spec.args], {
        // The child reads the end of its standard input as "my parent is gone" and stops.
        stdio: ["pipe", "pipe", "pipe"],
        env: { ...process.env, [SUPERVISED]: "1" },
        // A group of its own: Ctrl-C reaches the parent alone, which stops the children in order.
        detached: true,
      });
      const tail: string[] = [];
      createInterface({ input: child.stdout }).on("line", spec.onLine);
      child.stderr.on("data", (chunk: Buffer) => {
        log.write(chunk);
        tail.push(...chunk.toString("utf8").split("\n").filter(Boolean));
        tail.splice(0, Math.max(0, tail.length - 5));
      });
      const ended = new Promise<void>((resolve) => {
        child.once("error", (error) => {
          fail({ name: spec.name, reason: error.message, exitCode: undefined });
          resolve();
        });
        // After its exit there may be more to read of what it wrote.
        child.once("close", () => log.end());
        child.once("exit", (code, signal) => {
          if (!isStopping) {
            const how = signal === null ? `exit code ${code ?? "?"}` : `signal ${signal}`;
            const reason = `ended with ${how}`;
            fail({
              name: spec.name,
              reason: `${reason}\n${tail.join("\n")}`,
              exitCode: code ?? undefined,
            });
            onEnded({
              name: spec.name,
              reason,
              restart: `weft ${spec.args.map(shellWord).join(" ")}`,
            });
          }
          resolve();
        });
      });
      children.push({ name: spec.name, process: child, log, ended });
    },
    async stop(graceMs) {
      isStopping = true;
      for (const child of [...children].reverse()) child.process.kill("SIGTERM");
      const timer = setTimeout(() => {
        for (const child of children) child.process.kill("SIGKILL");
      }, graceMs);
      await Promise.all(children.map((child) => child.ended));
      clearTimeout(timer);
    },
    pids() {
      return Object.fromEntries(
        children.flatMap(({ name, process: { pid } }) => (pid === undefined ? [] : [[name, pid]])),
      );
    },
  };
}

/**
 * Runs CometBFT as a child: its log becomes lines of ours, an end that nobody asked for is told with its
 * last words and followed by a new start, a bounded number of times, and it never outlives us by design:
 * it ends when the application's socket closes, whatever became of this process.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { isWeftError } from "../../proto/errors.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import {
  READY_POLL_MS,
  RESTART_MS_FIRST,
  RESTARTS_MAX,
  STABLE_MS,
  STATUS_POLL_MS,
  STOP_GRACE_MS,
  TAIL_LINE_LENGTH_MAX,
  KEPT_LINES_MAX,
} from "./limits.ts";
import { CometBftError } from "./errors.ts";
import {
  type CometLogLine,
  consensusFailure,
  createLineJudge,
  type KeptLine,
  lastWords,
  plainText,
  readLogLine,
  relayLogLine,
} from "./log-lines.ts";
import type { CometBftMetrics } from "./metrics.ts";
import { removePidFile, untilNoOrphan, writePidFile } from "./orphan.ts";

export interface SupervisorOptions {
  /** Absolute path of the program. */
  readonly binary: string;
  /** CometBFT's home: its configuration is there already. */
  readonly homeDirectory: string;
  readonly pidFile: string;
}

export interface SupervisorDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: CometBftMetrics;
  /** Before each start: removes what an earlier run has left. */
  readonly prepare: () => Promise<void>;
  /** Whether it answers; asked until it does. */
  readonly isReady: () => Promise<boolean>;
  /**
   * It answers, after the first start and after each further one. Called again when it rejects because an
   * answer was late (COMET_RPC_UNREACHABLE); any other rejection ends the node.
   */
  readonly onUp: () => Promise<void>;
  /** It ended, or is about to be ended. */
  readonly onDown: (reason: string) => void;
  /** Its consensus has stopped for good, though the process is there. */
  readonly onConsensusFailure: (reason: string) => void;
  /** Whether another start is of any use. */
  readonly mayRestart: () => boolean;
}

export interface Supervisor {
  /** Resolves when it answers. @throws CometBftError when it ends before that */
  start(): Promise<void>;
  /** Resolves when it has ended by itself for the last time. */
  readonly failed: Promise<CometBftError>;
  /** From now on its end is no fault: whoever stops this process may have told both to. */
  expectEnd(): void;
  /** SIGTERM, and SIGKILL when that takes too long; resolves when it has ended. */
  stop(): Promise<void>;
  pid(): number | undefined;
}

interface Run {
  readonly child: ChildProcess;
  readonly startedMs: number;
  readonly ended: Promise<CometBftError>;
  hasEnded: boolean;
}

export function createSupervisor(
  options: SupervisorOptions,
  deps: SupervisorDependencies,
): Supervisor {
  const { binary, homeDirectory, pidFile } = options;
  const { clock, logger, metrics } = deps;
  let run: Run | undefined;
  let isStopping = false;
  let fail: (error: CometBftError) => void = () => {};
  const failed = new Promise<CometBftError>((resolve) => {
    fail = resolve;
  });
  let wake: (() => void) | undefined;
  /** The last resort of a process that ends without stopping anything. */
  const onExit = (): void => void run?.child.kill("SIGTERM");

  /** Undefined when it is not wanted any more. */
  async function launch(): Promise<Run | undefined> {
    await untilNoOrphan(pidFile, homeDirectory, { clock, logger });
    await deps.prepare();
    // `stop` saw no child to end; from here to the end of this function nothing else runs.
    if (isStopping) return undefined;
    const child = spawn(binary, ["start", "--home", homeDirectory], {
      cwd: homeDirectory,
      env: environmentWithoutSettings(process.env),
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own: Ctrl-C reaches this process alone, which stops what it has started in order.
      detached: true,
    });
    const tail: KeptLine[] = [];
    const judge = createLineJudge();
    const closed = [relay(child.stdout, tail, judge), relay(child.stderr, tail, judge)];
    const { pid } = child;
    if (pid !== undefined) writePidFile(pidFile, pid);
    const ended = new Promise<CometBftError>((resolve) => {
      child.once("error", (cause) => {
        const info = { code: "COMETBFT_UNUSABLE", path: binary } as const;
        resolve(new CometBftError(info, `cannot run ${binary}: ${cause.message}`, { cause }));
      });
      child.once("exit", (code, signal) => {
        const how = signal === null ? `exit code ${code ?? "?"}` : `signal ${signal}`;
        const endMs = clock.monotonicMs();
        void Promise.all(closed).then(() => {
          const lastLines = lastWords(tail, endMs);
          const said = lastLines.length === 0 ? "" : `; its last lines:\n${lastLines.join("\n")}`;
          const info = { code: "COMETBFT_ENDED", lastLines } as const;
          resolve(new CometBftError(info, `CometBFT ended with ${how}${said}`));
        });
      });
    });
    const begun: Run = { child, startedMs: clock.monotonicMs(), ended, hasEnded: false };
    void ended.then(() => {
      begun.hasEnded = true;
      removePidFile(pidFile);
    });
    logger.info("CometBFT started", { pid, program: binary });
    run = begun;
    return begun;
  }

  /** Resolves when the stream is at its end. */
  function relay(
    stream: Readable,
    tail: KeptLine[],
    judge: (line: CometLogLine) => CometLogLine,
  ): Promise<void> {
    const lines = createInterface({ input: stream });
    lines.on("line", (text) => {
      const line = judge(readLogLine(text));
      if (line.level !== "debug") {
        const shown = plainText(line).slice(0, TAIL_LINE_LENGTH_MAX);
        tail.push({ text: shown, atMs: clock.monotonicMs() });
      }
      if (tail.length > KEPT_LINES_MAX) tail.shift();
      // An end that was asked for closes listeners under their servers, which CometBFT calls errors.
      relayLogLine(isStopping ? { ...line, level: "debug" } : line, logger);
      const reason = consensusFailure(line);
      if (reason !== undefined) deps.onConsensusFailure(reason);
    });
    return new Promise((resolve) => lines.once("close", resolve));
  }

  /** Resolves when it answers; false when it has ended before that. */
  async function untilReady(begun: Run): Promise<boolean> {
    while (!begun.hasEnded && !isStopping) {
      if (await deps.isReady().catch(() => false)) return !begun.hasEnded;
      await pause(READY_POLL_MS);
    }
    return false;
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer: Cancel = clock.after(ms, () => wake?.());
      wake = () => {
        timer.cancel();
        wake = undefined;
        resolve();
      };
    });
  }

  /** Tells that it answers, again where an answer is lost meanwhile; false when it has ended before that. */
  async function up(begun: Run): Promise<boolean> {
    metrics.up.set(1);
    while (!begun.hasEnded && !isStopping) {
      try {
        await deps.onUp();
        return !begun.hasEnded;
      } catch (error) {
        if (!isWeftError(error) || error.code !== "COMET_RPC_UNREACHABLE") throw error;
        if (isStopping) return false;
        logger.warn("CometBFT answers late; asking again", { error: error.message });
        await pause(STATUS_POLL_MS);
      }
    }
    return false;
  }

  /** Starts it again after each end, for as long as that is of use. */
  async function supervise(first: Run): Promise<void> {
    let current = first;
    for (let restarts = 0; ; ) {
      const error = await current.ended;
      metrics.up.set(0);
      if (isStopping) return;
      deps.onDown(error.message);
      if (clock.monotonicMs() - current.startedMs >= STABLE_MS) restarts = 0;
      if (!deps.mayRestart()) return;
      if (restarts >= RESTARTS_MAX) {
        logger.error("CometBFT ended again; it is not started any more", { error: error.message });
        fail(error);
        return;
      }
      const waitMs = RESTART_MS_FIRST * 2 ** restarts;
      restarts += 1;
      logger.error("CometBFT ended by itself; it is started again", {
        error: error.message,
        attempt: restarts,
        of: RESTARTS_MAX,
        inSeconds: waitMs / 1_000,
      });
      await pause(waitMs);
      if (isStopping) return;
      metrics.restarts.inc();
      const next = await launch();
      if (next === undefined) return;
      current = next;
      if (await untilReady(current)) await up(current);
    }
  }

  return {
    failed,
    pid: () => (run?.hasEnded === false ? run.child.pid : undefined),
    async start() {
      process.once("exit", onExit);
      const first = await launch();
      if (first === undefined) {
        const info = { code: "COMETBFT_ENDED", lastLines: [] } as const;
        throw new CometBftError(info, "stopped before CometBFT was started");
      }
      if (!(await untilReady(first)) || !(await up(first))) throw await first.ended;
      supervise(first).catch((cause: unknown) => {
        const info = { code: "COMETBFT_ENDED", lastLines: [] } as const;
        fail(new CometBftError(info, "CometBFT could not be started again", { cause }));
      });
    },
    expectEnd() {
      isStopping = true;
      wake?.();
    },
    async stop() {
      isStopping = true;
      wake?.();
      process.off("exit", onExit);
      if (run === undefined || run.hasEnded) return;
      const { child, ended } = run;
      deps.onDown("stopping");
      child.kill("SIGTERM");
      const force = clock.after(STOP_GRACE_MS, () => {
        logger.warn("CometBFT does not stop; killing it", { afterMs: STOP_GRACE_MS });
        child.kill("SIGKILL");
      });
      await ended;
      force.cancel();
    },
  };
}

/** CometBFT takes settings and its home from the environment, over its file and its flags: none of ours shall. */
function environmentWithoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !/^(CMT|TM)(HOME$|_)/.test(name)),
  );
}

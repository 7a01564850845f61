/** The end of a command that runs until it is told to stop. */
import { ExitCode } from "./exit-codes.ts";
import { STOP_TIMEOUT_MS } from "./limits.ts";
import { SUPERVISED } from "./process-group.ts";

/**
 * Resolves on the first SIGINT, SIGTERM or SIGHUP, or when the supervising process is gone. A second
 * SIGINT or SIGTERM ends the process at once.
 */
export async function untilStopped(): Promise<string> {
  return await new Promise((resolve) => {
    let reason: string | undefined;
    const stop = (why: string): void => {
      if (reason !== undefined) process.exit(130);
      reason = why;
      resolve(why);
    };
    process.on("SIGINT", () => stop("SIGINT"));
    process.on("SIGTERM", () => stop("SIGTERM"));
    // Of a terminal that is closed it may come twice, from the kernel and from the shell: nobody is impatient.
    process.on("SIGHUP", () => reason ?? stop("SIGHUP"));
    if (process.env[SUPERVISED] === "1") {
      process.stdin.resume();
      // It is listened to, but must not keep the process alive when all else has stopped or failed.
      process.stdin.unref();
      process.stdin.on("end", () => stop("the supervising process ended"));
      process.stdin.on("error", () => stop("the supervising process ended"));
    }
  });
}

/** What is being opened; the process ends at the first of `untilStopped`, for nothing runs yet that has to be stopped. */
export async function unlessStopped<T>(stopped: Promise<string>, opening: Promise<T>): Promise<T> {
  let isOpen = false;
  void stopped.then(() => {
    if (!isOpen) process.exit(ExitCode.OK);
  });
  return await opening.finally(() => (isOpen = true));
}

/** Runs a graceful stop; ends the process when it takes too long, for its disk is good at any moment. */
export async function stopInTime(stop: () => Promise<void>): Promise<void> {
  const timer = setTimeout(() => {
    process.stderr.write(`weft: not stopped after ${STOP_TIMEOUT_MS / 1_000} s, ending anyway\n`);
    process.exit(ExitCode.TIMEOUT);
  }, STOP_TIMEOUT_MS);
  try {
    await stop();
  } finally {
    clearTimeout(timer);
  }
}

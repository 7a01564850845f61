/**
 * What a command does when its standard output or error cannot be written: the reader of a pipe is gone,
 * the disk of a log is full, the terminal was closed. Without this the process ends with a stack.
 */
import { ExitCode } from "./exit-codes.ts";

/** A command whose work is not what it prints, by the words that name it: it goes on unheard. */
const UNHEARD: ReadonlySet<string> = new Set([
  "start",
  "dev",
  "abci",
  "signer",
  "light",
  "rollup start",
]);

export interface StandardStreams {
  readonly stdout: Stream;
  readonly stderr: Stream;
}

interface Stream {
  on(event: "error", listener: (error: Error) => void): unknown;
  write(text: string): unknown;
}

export interface StreamGuard {
  /** The command that runs now, by its words. */
  runs(command: string): void;
}

/**
 * From now on a stream that cannot be written ends a command that prints results, quietly when its
 * reader has heard enough, and a node goes on without its printed lines.
 * @param end ends the process; without a code, with the one that the command has set
 */
export function guardStandardStreams(
  { stdout, stderr }: StandardStreams,
  end: (code?: ExitCode) => void,
): StreamGuard {
  let goesOn = false;
  let isTold = false;
  stdout.on("error", (error) => {
    if (isTold) return;
    isTold = true;
    const isReaderGone = "code" in error && error.code === "EPIPE";
    if (goesOn) {
      stderr.write(
        `weft: standard output cannot be written (${error.message}): going on without its lines\n`,
      );
      return;
    }
    if (isReaderGone) return end();
    stderr.write(`weft: standard output cannot be written: ${error.message}\n`);
    end(ExitCode.FILE);
  });
  // There is nowhere left to say it.
  stderr.on("error", () => {});
  return {
    runs(command) {
      goesOn = UNHEARD.has(command);
    },
  };
}

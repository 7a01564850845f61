/** Readers in processes of their own, so that what they cost is not the node's. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ReaderAnswer, ReaderCommand, ReaderReport, ReaderSpec } from "./reader-messages.ts";

const ENTRY = fileURLToPath(new URL("./readers-main.js", import.meta.url));

export interface Readers {
  readonly pids: readonly number[];
  /** Resolves when each reader has had a message, but for deaf ones. */
  open(address: string, readers: readonly ReaderSpec[]): Promise<void>;
  report(): Promise<ReaderReport>;
  close(): Promise<void>;
  stop(): void;
}

export function startReaders(processes: number): Readers {
  const children = Array.from({ length: processes }, () => fork(ENTRY));
  const ask = async <Kind extends ReaderAnswer["kind"]>(
    kind: Kind,
    commands: readonly ReaderCommand[],
  ): Promise<Extract<ReaderAnswer, { readonly kind: Kind }>[]> =>
    Promise.all(
      children.map((child, i) => {
        const answered = once(child, kind);
        const command = commands[i];
        if (command !== undefined) child.send(command);
        return answered;
      }),
    );
  const all = (command: ReaderCommand) => children.map(() => command);
  return {
    pids: children.map(({ pid }) => pid ?? 0),
    async open(address, readers) {
      const shares = children.map((_, i) => readers.filter((__, at) => at % processes === i));
      await ask(
        "opened",
        shares.map((share) => ({ kind: "open", address, readers: share })),
      );
    },
    async report() {
      const reports = await ask("report", all({ kind: "report" }));
      const ended: Record<string, number> = {};
      for (const one of reports) {
        for (const [status, count] of Object.entries(one.ended)) {
          ended[status] = (ended[status] ?? 0) + count;
        }
      }
      const sum = (of: (one: ReaderReport) => number) =>
        reports.reduce((total, one) => total + of(one), 0);
      return {
        messages: sum((one) => one.messages),
        bytes: sum((one) => one.bytes),
        gaps: sum((one) => one.gaps),
        lastHeights: [
          Math.min(...reports.map((one) => one.lastHeights[0])),
          Math.max(...reports.map((one) => one.lastHeights[1])),
        ],
        ended,
      };
    },
    async close() {
      await ask("closed", all({ kind: "close" }));
    },
    stop() {
      for (const child of children) child.disconnect();
    },
  };
}

function once<Kind extends ReaderAnswer["kind"]>(
  child: ChildProcess,
  kind: Kind,
): Promise<Extract<ReaderAnswer, { readonly kind: Kind }>> {
  return new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error("a process of readers ended"));
    child.once("exit", ended);
    const listen = (answer: ReaderAnswer): void => {
      if (!isOf(answer, kind)) return;
      child.off("message", listen);
      child.off("exit", ended);
      resolve(answer);
    };
    child.on("message", listen);
  });
}

function isOf<Kind extends ReaderAnswer["kind"]>(
  answer: ReaderAnswer,
  kind: Kind,
): answer is Extract<ReaderAnswer, { readonly kind: Kind }> {
  return answer.kind === kind;
}

/** An executor's process: started, killed, frozen, started again on the same home. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Ed25519KeyPair } from "../../proto/verify/ed25519.ts";
import type { RollupHome } from "../../sequencer/cli/rollup-files.ts";
import type { ExecutorEvent, Trap } from "./executor-protocol.ts";

/** The built program; this file may be its source or itself be built. */
const PROGRAM = fileURLToPath(
  new URL(
    import.meta.url.endsWith(".ts")
      ? "../../dist/test/atomic-swaps/executor-main.js"
      : "executor-main.js",
    import.meta.url,
  ),
);
const LOG_TAIL_LINES = 30;

export interface Executor {
  readonly name: string;
  readonly key: Ed25519KeyPair;
  /** Where it answers; undefined while it does not run, or is frozen. */
  readonly rpcUrl: string | undefined;
  /** Of the sequencer: the last block that it said it had executed. */
  readonly height: number;
  /** Votes and reports that nodes did not take, by their names in its store, and why; of all its lives. */
  readonly refused: ReadonlyMap<string, string>;
  /** Resolves when it serves. */
  start(): Promise<void>;
  kill(): Promise<void>;
  /** Resolves when it has come to the trap: it is dead then, or frozen. False: it ended otherwise before. */
  trap(trap: Trap): Promise<boolean>;
  /** Goes on where it was frozen. */
  wake(): void;
  /** Takes everything from its disk but its files and keys. It must not run. */
  wipe(): void;
  /** Lets it end by itself; it is not to be started again. */
  stop(): Promise<void>;
}

interface Life {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  rpcUrl: string | undefined;
  height: number;
  isFrozen: boolean;
  /** Its end is what somebody wanted. */
  isDoomed: boolean;
  /** Not sprung, by their numbers. */
  readonly traps: Map<number, { readonly trap: Trap; readonly spring: () => void }>;
}

/** @param onDeath told when it ends though nobody wanted it, with its last words */
export function createExecutorProcess(
  options: { readonly name: string; readonly home: RollupHome; readonly key: Ed25519KeyPair },
  onDeath: (report: string) => void,
): Executor {
  const { name, home, key } = options;
  const logFile = join(home.root, "executor.log");
  const refused = new Map<string, string>();
  let trapCount = 0;
  let isOver = false;
  let life: Life | undefined;

  function begin(): { readonly life: Life; readonly ready: Promise<void> } {
    const log = openSync(logFile, "a", 0o600);
    const child = spawn(process.execPath, [PROGRAM, home.root], { stdio: ["pipe", "pipe", log] });
    closeSync(log);
    const { stdin, stdout } = child;
    if (stdin === null || stdout === null) throw new Error(`cannot speak with ${name}`);
    // It may be dead before it reads: then its end tells.
    stdin.on("error", () => {});
    let end: () => void = () => {};
    const ended = new Promise<void>((done) => {
      end = done;
    });
    const self: Life = {
      child,
      ended,
      rpcUrl: undefined,
      height: 0,
      isFrozen: false,
      isDoomed: false,
      traps: new Map(),
    };
    const ready = new Promise<void>((done, fail) => {
      createInterface({ input: stdout }).on("line", (line) => {
        const event = JSON.parse(line) as ExecutorEvent;
        if (event.kind === "ready") {
          self.rpcUrl = event.rpcUrl;
          done();
        }
        if (event.kind === "height") self.height = event.height;
        if (event.kind === "refused") refused.set(event.statement, event.reason);
        if (event.kind === "trapped") spring(self, event.id);
      });
      // All that it wrote was read.
      child.once("close", (code, signal) => {
        const how = signal === null ? `exit code ${code ?? "?"}` : `signal ${signal}`;
        const report = `executor ${name} ended with ${how}\n${tail()}`;
        self.rpcUrl = undefined;
        fail(new Error(report));
        if (!self.isDoomed) onDeath(report);
        end();
      });
    });
    return { life: self, ready };
  }

  function spring(self: Life, id: number): void {
    const sprung = self.traps.get(id);
    if (sprung === undefined) return;
    self.traps.delete(id);
    sprung.spring();
    if (sprung.trap.signal === "SIGSTOP") {
      self.isFrozen = true;
      return;
    }
    self.rpcUrl = undefined;
    self.isDoomed = true;
  }

  function tail(): string {
    return readFileSync(logFile, "utf8").split("\n").slice(-LOG_TAIL_LINES).join("\n");
  }

  function running(): Life {
    if (life === undefined) throw new Error(`${name} does not run`);
    return life;
  }

  return {
    name,
    key,
    refused,
    get rpcUrl() {
      return life === undefined || life.isFrozen ? undefined : life.rpcUrl;
    },
    get height() {
      return life?.height ?? 0;
    },
    async start() {
      if (life !== undefined || isOver) throw new Error(`${name} runs, or is not to run any more`);
      const begun = begin();
      ({ life } = begun);
      void life.ended.then(() => {
        life = undefined;
      });
      await begun.ready;
    },
    async kill() {
      const self = running();
      self.isDoomed = true;
      self.rpcUrl = undefined;
      self.child.kill("SIGKILL");
      await self.ended;
    },
    async trap(trap) {
      const self = running();
      trapCount += 1;
      const id = trapCount;
      let isSprung = false;
      const sprung = new Promise<void>((done) => {
        const spring = (): void => {
          isSprung = true;
          done();
        };
        self.traps.set(id, { trap, spring });
      });
      self.child.stdin?.write(`${JSON.stringify({ ...trap, id })}\n`);
      await (trap.signal === "SIGKILL" ? self.ended : Promise.race([sprung, self.ended]));
      return isSprung;
    },
    wake() {
      const self = running();
      self.isFrozen = false;
      self.child.kill("SIGCONT");
    },
    wipe() {
      if (life !== undefined) throw new Error(`${name} runs`);
      rmSync(home.dataDir, { recursive: true, force: true });
    },
    async stop() {
      isOver = true;
      if (life === undefined) return;
      life.isDoomed = true;
      life.child.kill("SIGCONT");
      life.child.stdin?.end();
      await life.ended;
    },
  };
}

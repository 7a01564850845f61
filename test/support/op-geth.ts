/** The op-geth that tests run. Without it they are skipped with a line that says so; in CI they fail. */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { OpGenesisDocument } from "../../rollup-adapter/engine-api/genesis-file.ts";
import { freePorts } from "../../sequencer/cli/free-ports.ts";
import { type RunningChild, startChild } from "./child-process.ts";

const built = fileURLToPath(new URL("../../ops/op-geth/bin/geth", import.meta.url));
const program = process.env["WEFT_OP_GETH"] ?? built;
const isThere = existsSync(program);
if (!isThere) {
  process.stderr.write(
    `tests with op-geth are skipped: ${program} is not there; "npm run op-geth" builds it (needs Go)\n`,
  );
}

/** Tests that need op-geth run, or fail for want of it, when this is false: `describe.skipIf(isOpGethAway)`. */
export const isOpGethAway = !isThere && process.env["CI"] === undefined;

export interface OpGeth {
  readonly engineUrl: string;
  readonly rpcUrl: string;
  readonly secretFile: string;
  /** Ends it as an operator does, or at once. */
  stop(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Stops it in its tracks until `resume`. */
  suspend(): void;
  resume(): void;
  /** Starts it again on the same data and ports. */
  start(): Promise<void>;
  /** Takes all data from one that was stopped; the next start is from the genesis. */
  wipe(): Promise<void>;
  tail(): string;
}

export interface OpGethOptions {
  readonly folder: string;
  readonly genesis: OpGenesisDocument;
  /** Of the authenticated and the public RPC; default: free ones. */
  readonly ports?: readonly [number, number];
  /** Default: one in `folder`. */
  readonly secretFile?: string;
}

const START_TIMEOUT_MS = 60_000;

/** Initialises a data directory in `folder`, unless there is one, and starts the client. */
export async function startOpGeth(options: OpGethOptions): Promise<OpGeth> {
  const { folder, genesis } = options;
  const data = join(folder, "geth");
  const secretFile = options.secretFile ?? join(folder, "jwt.hex");
  const logFile = join(folder, "geth.log");
  mkdirSync(folder, { recursive: true });
  if (!existsSync(secretFile)) {
    writeFileSync(secretFile, `${"5e".repeat(32)}\n`, { mode: 0o600 });
  }
  const [authPort = 0, httpPort = 0] = options.ports ?? (await freePorts(2));
  // State on disk with every block, so that a killed client is at most a few blocks behind.
  const command = `
    --datadir ${data} --ipcdisable --nodiscover --maxpeers 0 --port 0
    --authrpc.addr 127.0.0.1 --authrpc.port ${authPort} --authrpc.jwtsecret ${secretFile}
    --http --http.addr 127.0.0.1 --http.port ${httpPort}
    --syncmode full --state.scheme hash --gcmode archive
    --rollup.disabletxpoolgossip --cache 64`
    .trim()
    .split(/\s+/);
  let child: RunningChild | undefined;

  async function initialise(): Promise<void> {
    const file = join(folder, "genesis.json");
    writeFileSync(file, JSON.stringify(genesis));
    await promisify(execFile)(program, ["init", "--datadir", data, "--state.scheme", "hash", file]);
  }

  async function start(): Promise<void> {
    if (!existsSync(data)) await initialise();
    const from = existsSync(logFile) ? readFileSync(logFile).length : 0;
    const started = startChild(program, command, { logFile });
    child = started;
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      const said = readFileSync(logFile).subarray(from).toString("utf8");
      if (said.includes("HTTP server started") && /HTTP server started.*auth=true/.test(said))
        return;
      if (!started.isRunning() || Date.now() > deadline) {
        throw new Error(`op-geth does not start:\n${started.tail()}`);
      }
      await new Promise((resolve) => {
        setTimeout(resolve, 25);
      });
    }
  }

  await start();
  return {
    engineUrl: `http://127.0.0.1:${authPort}`,
    rpcUrl: `http://127.0.0.1:${httpPort}`,
    secretFile,
    start,
    async stop(signal = "SIGTERM") {
      child?.signal("SIGCONT");
      child?.signal(signal);
      await child?.ended;
    },
    wipe: () => rm(data, { recursive: true, force: true }),
    suspend: () => child?.signal("SIGSTOP"),
    resume: () => child?.signal("SIGCONT"),
    tail: () => child?.tail() ?? "",
  };
}

/** Commands whose standard output or log cannot be written: a reader that is gone, a disk that is full. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ExitCode } from "../../sequencer/cli/exit-codes.ts";
import { freePorts } from "../../sequencer/cli/free-ports.ts";
import { ENTRY, until } from "../support/local-network.ts";

test("a node whose lines and log nobody takes makes blocks, and is stopped in order by SIGHUP", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weft-unheard-"));
  try {
    const home = join(folder, "home");
    expect(shell(`weft init --home ${home}`).code).toBe(ExitCode.OK);
    // A pipe whose reader has had enough, of the log too, and a disk that is full.
    for (const redirection of ["2>&1 | head -1 >/dev/null", ">/dev/full 2>&1"]) {
      const [p2p, rpc, grpc, metrics] = await freePorts(4);
      const settings = `consensus.timeout_commit=50ms p2p.laddr=tcp://127.0.0.1:${p2p} rpc.laddr=tcp://127.0.0.1:${rpc} grpc.laddr=tcp://127.0.0.1:${grpc} instrumentation.prometheus_listen_addr=tcp://127.0.0.1:${metrics}`;
      const command = `{ echo "$BASHPID" >&3; exec ${WEFT} start --home ${home} --set ${settings}; } ${redirection}`;
      const node = spawn("bash", ["-o", "pipefail", "-c", command], {
        stdio: ["ignore", "ignore", "ignore", "pipe"],
      });
      const exited = new Promise<number | null>((resolve) => node.once("exit", resolve));
      const pid = new Promise<number>((resolve) =>
        node.stdio[3]?.once("data", (data: Buffer) => resolve(Number(data.toString()))),
      );
      const height = async (): Promise<number> => {
        const answer = await fetch(`http://127.0.0.1:${rpc}/status`);
        const { result } = (await answer.json()) as {
          result: { sync_info: { latest_block_height: string } };
        };
        return Number(result.sync_info.latest_block_height);
      };
      const early = await until("the first blocks", async () => {
        const now = await height().catch(() => 0);
        return now > 2 ? now : undefined;
      });
      const later = await until("more of them", async () => {
        const now = await height();
        return now > early + 2 ? now : undefined;
      });
      expect(later).toBeGreaterThan(early);
      process.kill(await pid, "SIGHUP");
      process.kill(await pid, "SIGHUP");
      expect(await exited, redirection).toBe(ExitCode.OK);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a command whose reader is gone ends quietly, and one whose disk is full says so in a line", () => {
  expect(shell("weft config docs | true")).toEqual({ code: ExitCode.OK, stderr: "" });
  expect(shell("weft config docs >/dev/full")).toEqual({
    code: ExitCode.FILE,
    stderr: expect.stringMatching(/^weft: standard output cannot be written: ENOSPC.*\n$/),
  });
  // What went wrong before keeps its code.
  expect(shell("weft --json keys show /nowhere 2>/dev/null | true").code).toBe(ExitCode.KEY);
});

const WEFT = `'${process.execPath}' '${ENTRY}'`;

/** The code is the command's own where it writes into a pipe. */
function shell(command: string): { readonly code: number | null; readonly stderr: string } {
  const script = `weft() { ${WEFT} "$@"; }; ${command}`;
  const { status, stderr } = spawnSync("bash", ["-o", "pipefail", "-c", script], {
    encoding: "utf8",
    timeout: 60_000,
  });
  return { code: status, stderr };
}

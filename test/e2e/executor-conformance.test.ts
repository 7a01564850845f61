/** `weft rollup conformance` against executors that people would write, as they would call it. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createExecutorServer } from "../../rollup-adapter/driver/grpc-executor.ts";
import { CHECKS, runConformance } from "../../rollup-adapter/conformance/suite.ts";
import { connectTarget } from "../../rollup-adapter/conformance/target.ts";
import { EvmExecutor } from "../../rollup-adapter/evm/executor.ts";
import { NULL_EVM_METRICS } from "../../rollup-adapter/evm/metrics.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { CAROL, deskLegs, deskLegsGenesis } from "../support/desk-legs.ts";
import { signed } from "../support/evm-rollup.ts";
import { EXAMPLE_PAYLOADS, startTypeScriptExecutor } from "../support/example-executors.ts";
import { serveKillable } from "../support/killable-server.ts";
import { ENTRY } from "../support/local-network.ts";
import { createPlainExecutor } from "../support/plain-executor.ts";

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "weft-conformance-"));
});

afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

function folder(name: string): string {
  return mkdtempSync(join(directory, `${name}-`));
}

/** A shell command that has `restart` called, and ends when that has. */
async function startRestarter(restart: () => Promise<void>) {
  let count = 0;
  const server = createServer((_request, response) => {
    count += 1;
    restart().then(
      () => response.end(),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const at = server.address();
  const port = typeof at === "object" && at !== null ? at.port : 0;
  const ask = `fetch("http://127.0.0.1:${port}").then(({ok}) => process.exit(ok ? 0 : 1))`;
  return {
    command: `${process.execPath} -e '${ask}'`,
    count: () => count,
    stop: () => server.close(),
  };
}

interface Run {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

function conformance(...args: string[]): Promise<Run> {
  return new Promise((resolve) => {
    const all = [ENTRY, "rollup", "conformance", ...args];
    execFile(process.execPath, all, (error, output, errors) => {
      resolve({ code: Number(error?.code ?? 0), output, errors });
    });
  });
}

describe("weft rollup conformance", () => {
  it("passes the example in TypeScript, killed by the restart command in the middle of blocks", async () => {
    const [one, two] = [
      await startTypeScriptExecutor("names", folder("one")),
      await startTypeScriptExecutor("names", folder("two")),
    ];
    // The command of an operator; here it asks the one who started the process.
    const restarts = await startRestarter(() => one.restart());
    try {
      const { code, output } = await conformance(
        one.address,
        "--second",
        two.address,
        "--payloads",
        EXAMPLE_PAYLOADS,
        "--restart-command",
        restarts.command,
      );
      const ofLevel1 = CHECKS.filter(({ level }) => level === 1).length;
      expect(output.split("\n").filter((line) => !line.startsWith("ok  "))).toEqual([
        `checking ${one.address}; what it holds is of no use afterwards`,
        `level 0: ${ofLevel1} checks of level 1 do not apply`,
        `${CHECKS.length - ofLevel1} passed, 0 failed, 0 not run`,
        "",
      ]);
      expect(code).toBe(0);
      expect(restarts.count()).toBeGreaterThan(3);
    } finally {
      restarts.stop();
      await one.kill();
      await two.kill();
    }
  });

  it("says what is broken and what was not asked, with exit codes for scripts", async () => {
    const server = await serveKillable(createPlainExecutor({ isHashChecked: false }));
    const { code, output } = await conformance(server.address, "--json");
    expect(code).toBe(11);
    const report: { failed: number; notRun: number; checks: { id: string; outcome: string }[] } =
      JSON.parse(output);
    const failed = report.checks.filter(({ outcome }) => outcome === "failed");
    expect(failed.map(({ id }) => id)).toEqual(["conflict", "first-fault"]);
    const needing = CHECKS.filter(({ needs, level = 0 }) => needs !== undefined && level === 0);
    expect(report.notRun).toBe(needing.length);
    const again = await conformance(server.address);
    expect(again.code).toBe(2);
    expect(again.errors).toContain("follows a sequencer already");
    server.kill();

    const list = await conformance("--list", "--json");
    const named: { checks: { id: string }[] } = JSON.parse(list.output);
    expect(named.checks.map(({ id }) => id)).toEqual(CHECKS.map(({ id }) => id));
    expect((await conformance()).code).toBe(2);
    const wrong = join(directory, "wrong.hex");
    writeFileSync(wrong, "c0ffee\nnot hex\n");
    const bad = await conformance(server.address, "--payloads", wrong);
    expect(bad.code).toBe(6);
    expect(bad.errors).toContain("line 2");
  });
});

it("the reference EVM rollup passes the whole suite with transactions of its own, level 1 with legs", async () => {
  const paths = [folder("evm"), folder("evm")] as const;
  const open = async (dataDirectory: string, port: number) => {
    const executor = await EvmExecutor.open(
      { dataDirectory, genesis: deskLegsGenesis() },
      { logger: NULL_LOGGER, metrics: NULL_EVM_METRICS },
    );
    const server = createExecutorServer({ host: "127.0.0.1", port }, executor);
    const bound = await server.start();
    return {
      port: bound,
      close: async () => {
        await server.stop();
        await executor.close();
      },
    };
  };
  let first = await open(paths[0], 0);
  const second = await open(paths[1], 0);
  const { port } = first;
  const restart = async (): Promise<void> => {
    await first.close();
    first = await open(paths[0], port);
  };
  const legs = await deskLegs();
  const payloads: Uint8Array[] = [];
  // Fees that blocks of gibberish and of months cannot make too low.
  for (let nonce = 0; nonce < 40; nonce++) payloads.push(await signed(CAROL, { nonce }));
  const [target, other] = [`127.0.0.1:${port}`, `127.0.0.1:${second.port}`].map(connectTarget);
  if (target === undefined || other === undefined) throw new Error("unreachable");
  const results = await runConformance(
    { payloads, legs },
    { target, second: other, restart },
    () => {},
  );
  for (const one of [target, other]) one.close();
  await first.close();
  await second.close();
  const others = results.filter(({ outcome }) => outcome !== "passed");
  expect(others).toMatchObject([{ id: "level-0", outcome: "notApplicable" }]);
});

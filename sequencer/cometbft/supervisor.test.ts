import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WeftError } from "../../proto/errors.ts";
import type { Clock } from "../ports/clock.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import { createSystemClock } from "../ports/system-clock.ts";
import { NULL_COMETBFT_METRICS } from "./metrics.ts";
import { createSupervisor, type Supervisor, type SupervisorDependencies } from "./supervisor.ts";

const SYSTEM_CLOCK = createSystemClock();
/** Pauses before restarts and between questions are none. */
const CLOCK: Clock = { ...SYSTEM_CLOCK, after: (_ms, task) => SYSTEM_CLOCK.after(1, task) };

let directory = "";
let supervisor: Supervisor | undefined;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "weft-supervisor-"))));
afterEach(async () => {
  await supervisor?.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** A program that ends by itself when it has been up for the first time, and then only when it is told to. */
function supervised(deps: Partial<SupervisorDependencies>): Supervisor {
  const { onUp = () => Promise.resolve() } = deps;
  const binary = join(directory, "program");
  const mayEnd = join(directory, "may-end");
  const script = `#!/bin/sh\nmkdir ${join(directory, "first")} || exec sleep 600\nwhile [ ! -e ${mayEnd} ]; do sleep 0.01; done\nexit 3\n`;
  writeFileSync(binary, script, { mode: 0o755 });
  supervisor = createSupervisor(
    { binary, homeDirectory: directory, pidFile: join(directory, "pid") },
    {
      clock: CLOCK,
      logger: NULL_LOGGER,
      metrics: NULL_COMETBFT_METRICS,
      prepare: () => Promise.resolve(),
      isReady: () => Promise.resolve(true),
      onDown: () => {},
      onConsensusFailure: () => {},
      mayRestart: () => true,
      ...deps,
      async onUp() {
        await onUp();
        writeFileSync(mayEnd, "");
      },
    },
  );
  return supervisor;
}

describe("the supervisor", () => {
  test("starts nothing once it was stopped while a restart was prepared", async () => {
    let prepared = 0;
    let isStopped: (stop: Promise<void>) => void = () => {};
    const stopped = new Promise<void>((resolve) => (isStopped = resolve));
    const made = supervised({
      async prepare() {
        prepared += 1;
        if (prepared === 2) isStopped(made.stop());
        await Promise.resolve();
      },
    });
    await made.start();
    await stopped;
    expect(made.pid()).toBeUndefined();
    expect(existsSync(join(directory, "pid"))).toBe(false);
  });

  test("asks again where an answer after a restart comes late", async () => {
    let ups = 0;
    let isUp: (value: "up") => void = () => {};
    const up = new Promise<"up">((resolve) => (isUp = resolve));
    const made = supervised({
      async onUp() {
        ups += 1;
        const info = { code: "COMET_RPC_UNREACHABLE", url: "" };
        if (ups === 2) throw new WeftError(info, "net_info: no answer in 5000 ms");
        if (ups === 3) isUp("up");
        await Promise.resolve();
      },
    });
    await made.start();
    expect(await Promise.race([up, made.failed])).toBe("up");
    expect(made.pid()).toBeDefined();
  });

  test("ends when what came up may not run", async () => {
    let ups = 0;
    const made = supervised({
      async onUp() {
        ups += 1;
        if (ups === 2) throw new WeftError({ code: "KEY_APPLICATION_MISMATCH" }, "another key");
        await Promise.resolve();
      },
    });
    await made.start();
    expect((await made.failed).cause).toMatchObject({ code: "KEY_APPLICATION_MISMATCH" });
  });
});

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  execute,
  openExecutor,
  removeDirectory,
  scriptedPayloads,
  temporaryDirectory,
} from "../support/evm-rollup.ts";

const CHILD = resolve("dist/test/support/evm-crash-child.js");
const HEIGHTS = 60;
/** Heights after which the process is killed, in one life after the other. */
const KILL_AFTER = [1, 2, 4, 5, 9, 14, 15, 23, 31, 32, 44, 57];

let directory: string;

beforeEach(async () => {
  directory = await temporaryDirectory();
});

afterEach(async () => {
  await removeDirectory(directory);
});

/** One life: runs until it has said `killAfter`, then is killed at whatever it is doing. */
async function live(data: string, killAfter: number): Promise<number> {
  const child = spawn(process.execPath, [CHILD, data, String(HEIGHTS)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  let last = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    last = Number(line);
    if (last >= killAfter) child.kill("SIGKILL");
  }
  await exited;
  return last;
}

describe("an EVM rollup that is killed again and again", () => {
  test("goes on without a gap and without doing anything twice", async () => {
    expect(existsSync(CHILD), "build first: npm run build").toBe(true);
    const killed = join(directory, "killed");
    for (const killAfter of KILL_AFTER) {
      const done = await live(killed, killAfter);
      const executor = await openExecutor(killed);
      const next = (await executor.getStatus()).nextSequencerHeight ?? 0;
      // What it said it had done is there; it may have done one more without saying so.
      expect(next).toBeGreaterThan(done);
      await executor.close();
    }
    expect(await live(killed, Number.POSITIVE_INFINITY)).toBe(HEIGHTS);

    const steady = await openExecutor(join(directory, "steady"));
    for (let height = 1; height <= HEIGHTS; height++) {
      await execute(steady, height, await scriptedPayloads(height));
    }
    const survivor = await openExecutor(killed);
    expect(await survivor.getStatus()).toEqual(await steady.getStatus());
    expect(survivor.head().number).toBe(HEIGHTS - HEIGHTS / 3);
    await survivor.close();
    await steady.close();
  });
});

/** What a killed process left in the page cache is durable before the next process acts on it. */
import { beforeEach, describe, expect, test } from "vitest";
import { utf8ToBytes } from "../../proto/bytes.ts";
import { openSignStateFile, SignStep } from "../../sequencer/engine/privval/sign-state.ts";
import { openLogFiles } from "../../sequencer/engine/wal/log-files.ts";
import { frameRecord } from "../../sequencer/engine/wal/record-frames.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { Random } from "../support/random.ts";
import { Life } from "./life.ts";
import { Scheduler } from "./scheduler.ts";
import { SimFiles } from "./sim-files.ts";

const AT_ONCE = { syncMs: () => 0, doesLie: false, fails: () => false };

describe("after a kill", () => {
  let files = new SimFiles(new Random(1));
  beforeEach(() => {
    files = new SimFiles(new Random(1));
  });

  /** One process: what it does, until it ends or nothing happens any more. */
  async function live(work: (mount: ReturnType<SimFiles["mount"]>) => Promise<unknown>) {
    const scheduler = new Scheduler();
    const life = new Life("node", scheduler);
    const done = work(files.mount(life, AT_ONCE)).catch((error: unknown) => error);
    for (let i = 0; i < 100; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      await scheduler.step();
    }
    life.end();
    return done;
  }

  test("the records of a log are durable once it is open", async () => {
    const options = { directory: "/d/cs.wal", onCorruption: "refuse" as const };
    const record = utf8ToBytes("signed");
    await live(async (fileSystem) => {
      const log = await openLogFiles(options, { fileSystem, logger: NULL_LOGGER });
      log.append(record);
      await log.flush();
    });
    expect(files.durableBytes("/d/cs.wal/wal").length).toBe(0);
    await live((fileSystem) => openLogFiles(options, { fileSystem, logger: NULL_LOGGER }));
    expect(files.durableBytes("/d/cs.wal/wal")).toEqual(frameRecord(record));
  });

  test("the signer's state is durable once it is read", async () => {
    const path = "/d/priv_validator_state.json";
    const signed = { signature: Uint8Array.of(1), signBytes: Uint8Array.of(2) };
    await live(async (fileSystem) => {
      await fileSystem.makeDirectory("/d");
      const file = await openSignStateFile(path, true, fileSystem);
      await file.save({ height: 5, round: 0, step: SignStep.PREVOTE, signed });
      // The next state is renamed into place; the process dies before the directory is synced.
      const next = fileSystem.replaceSync(`${path}.new`);
      next.writeSync(new TextDecoder().decode(files.durableBytes(path)).replace('"5"', '"6"'));
      await next.datasync();
      fileSystem.renameSync(`${path}.new`, path);
    });
    const durableText = () => new TextDecoder().decode(files.durableBytes(path));
    expect(durableText()).toContain('"height": "5"');
    const opened = await live((fileSystem) => openSignStateFile(path, false, fileSystem));
    expect(opened).toMatchObject({ state: { height: 6 } });
    expect(durableText()).toContain('"height": "6"');
  });
});

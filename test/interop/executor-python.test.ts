/** The example in Python on grpcio as Debian packages it, against the suite and against the same rollup in TypeScript. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { rollupData, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { readPayloads } from "../../rollup-adapter/conformance/payloads.ts";
import { CHECKS, runConformance } from "../../rollup-adapter/conformance/suite.ts";
import { connectTarget } from "../../rollup-adapter/conformance/target.ts";
import { createGrpcExecutor } from "../../rollup-adapter/driver/grpc-executor.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { type RunningChild, startChild } from "../support/child-process.ts";
import {
  EXAMPLE_PAYLOADS,
  type ExampleExecutor,
  pythonMissing,
  startPythonExecutor,
  startTypeScriptExecutor,
} from "../support/example-executors.ts";
import {
  createTestNetwork,
  ENTRY,
  height,
  type TestNetwork,
  until,
  validatorAt,
} from "../support/local-network.ts";
import { sendOne } from "../support/traffic.ts";

const isSkipped = pythonMissing !== undefined && process.env["CI"] === undefined;
if (isSkipped) process.stderr.write(`the example in Python is not tested: ${pythonMissing}\n`);

/** Payloads that are sent in the network, and after which of them something is killed. */
const SENT = 12;
const EXECUTOR_KILLED_AFTER = 4;
const DRIVER_KILLED_AFTER = 8;

let directory: string;
let network: TestNetwork | undefined;
const executors: ExampleExecutor[] = [];
const drivers: RunningChild[] = [];

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "weft-python-"));
});

afterAll(async () => {
  for (const driver of drivers) driver.signal("SIGTERM");
  await Promise.all(drivers.map(({ ended }) => ended));
  for (const executor of executors) await executor.kill();
  await network?.close();
  rmSync(directory, { recursive: true, force: true });
});

async function startBoth(): Promise<readonly [ExampleExecutor, ExampleExecutor]> {
  expect(pythonMissing).toBe(undefined);
  const python = await startPythonExecutor("names", mkdtempSync(join(directory, "python-")));
  executors.push(python);
  const other = await startTypeScriptExecutor("names", mkdtempSync(join(directory, "ts-")));
  executors.push(other);
  return [python, other];
}

it.skipIf(isSkipped)(
  "the example in Python passes the whole suite, killed in the middle too, with the hashes of the one in TypeScript",
  async () => {
    const [python, other] = await startBoth();
    const [target, second] = [connectTarget(python.address), connectTarget(other.address)];
    const payloads = await readPayloads(EXAMPLE_PAYLOADS);
    const restart = () => python.restart();
    const results = await runConformance({ payloads }, { target, second, restart }, () => {});
    for (const one of [target, second]) one.close();
    const others = results.filter(({ outcome }) => outcome !== "passed").map(({ id }) => id);
    expect(others).toEqual(CHECKS.filter(({ level }) => level === 1).map(({ id }) => id));
    expect(results).toHaveLength(CHECKS.length);
  },
);

it.skipIf(isSkipped)(
  "a network drives both to one state, while an executor and a driver are killed",
  async () => {
    const [python, other] = await startBoth();
    network = await createTestNetwork({ validators: 1, rollups: ["names"] });
    const node = validatorAt(network, 0);
    network.start(node.name);
    await until("the validator commits", async () => (await height(node)) > 0);
    const start = (home: string): RunningChild => {
      const args = [ENTRY, "rollup", "start", "--home", home];
      const driver = startChild(process.execPath, args, { logFile: `${home}.log` });
      drivers.push(driver);
      return driver;
    };
    const homes = [python, other].map(({ address }, index) => {
      const home = join(directory, `home-${index}`);
      const init = ["rollup", "init", "names", "--home", home, "--no-metrics"];
      const where = ["--executor", "grpc", "--executor-address", address];
      const network = ["--sequencer-genesis", homeAt(node.home).genesisFile];
      const at = ["--sequencer", `127.0.0.1:${node.grpcPort}`];
      execFileSync(process.execPath, [ENTRY, ...init, ...where, ...network, ...at]);
      return home;
    });
    const [pythonHome = "", otherHome = ""] = homes;
    const pythonDriver = start(pythonHome);
    start(otherHome);

    const payloads = (await readPayloads(EXAMPLE_PAYLOADS)).slice(0, SENT);
    const id = rollupIdOfName("names");
    let last = 0;
    for (const [index, payload] of payloads.entries()) {
      const action = rollupData(id, [Buffer.from(`JUNK ${index}`), payload]);
      const sender = { clients: [node.client], key: network.owner };
      last = (await sendOne(sender, 0, action)).height;
      if (index === EXECUTOR_KILLED_AFTER) await python.restart();
      if (index === DRIVER_KILLED_AFTER) {
        pythonDriver.signal("SIGKILL");
        await pythonDriver.ended;
        start(pythonHome);
      }
    }
    const statuses = await Promise.all(
      [python, other].map(({ address }) =>
        until(`the executor at ${address} has executed all`, async () => {
          const executor = createGrpcExecutor(address);
          const status = await executor.getStatus().finally(() => executor.close());
          // The labels follow the block, by a call of their own.
          const isFinal = status.finalized.number === status.head.number;
          return (status.sequencer?.height ?? 0) >= last && isFinal && status;
        }),
      ),
    );
    const [ofPython, ofOther] = statuses;
    expect(ofPython?.head).toEqual(ofOther?.head);
    expect(ofPython?.finalized).toEqual(ofPython?.head);
    // Each transaction had a block of its own, because the one before was in one.
    expect(ofPython?.head.number).toBe(SENT);
    const expected = payloads.reduce((root, payload) => hash(root, payload), new Uint8Array(32));
    expect(ofPython?.head.stateRoot).toEqual(new Uint8Array(expected));
  },
);

/** The rollup's state root goes on so with each line that it takes. */
function hash(...parts: readonly Uint8Array[]): Uint8Array {
  return createHash("sha256").update(Buffer.concat(parts)).digest();
}

/** The example executors as processes of their own, which a test may kill. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "../../" : "../../../", import.meta.url),
);
/** Debian's, for which the packages of grpcio and protobuf are. */
const PYTHON = "/usr/bin/python3";
const BUILT = join(root, "dist/docs/examples/executor-ts/executor.js");

/** Payloads that the rollup of the examples can use. */
export const EXAMPLE_PAYLOADS = join(root, "docs/examples/names.hex");

export interface ExampleExecutor {
  readonly address: string;
  /** SIGKILL, and again with the same data at the same address. */
  restart(): Promise<void>;
  kill(): Promise<void>;
}

/** Why the example in Python cannot be run here; undefined: it can. */
export const pythonMissing: string | undefined = (() => {
  try {
    execFileSync(PYTHON, ["-c", "import grpc, google.protobuf"], { stdio: "pipe" });
    execFileSync("protoc", ["--version"], { stdio: "pipe" });
    return undefined;
  } catch {
    return "the Debian packages python3-grpcio, python3-protobuf and protobuf-compiler are not installed";
  }
})();

/** `directory` takes the generated code and the data. */
export function startPythonExecutor(rollup: string, directory: string): Promise<ExampleExecutor> {
  const source = "weft/execution/v1/execution.proto";
  execFileSync("protoc", [
    `--proto_path=${join(root, "proto")}`,
    `--python_out=${directory}`,
    source,
  ]);
  return startExecutor(
    PYTHON,
    [join(root, "docs/examples/executor-python/executor.py"), rollup, join(directory, "rollup.db")],
    [],
    { PYTHONPATH: directory },
  );
}

export function startTypeScriptExecutor(
  rollup: string,
  directory: string,
): Promise<ExampleExecutor> {
  if (!existsSync(BUILT)) throw new Error(`${BUILT} is missing; run: npm run build`);
  const args = [BUILT, rollup, join(directory, "rollup.log")];
  return startExecutor(process.execPath, args, [join(root, "proto")], {});
}

async function startExecutor(
  program: string,
  before: readonly string[],
  after: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<ExampleExecutor> {
  const run = async (at: string) => {
    const child = spawn(program, [...before, at, ...after], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...environment },
    });
    const ended = once(child, "exit");
    const ready = (async () => {
      for await (const line of createInterface({ input: child.stdout })) {
        const port = /^executor ready at port (\d+)$/.exec(line)?.[1];
        if (port !== undefined) return `127.0.0.1:${port}`;
      }
      throw new Error(`${before[0] ?? program} ended before it was ready`);
    })();
    const kill = async (): Promise<void> => {
      child.kill("SIGKILL");
      await ended;
    };
    return { address: await ready, kill };
  };
  let running = await run("127.0.0.1:0");
  const { address } = running;
  return {
    address,
    async restart() {
      await running.kill();
      running = await run(address);
    },
    kill: () => running.kill(),
  };
}

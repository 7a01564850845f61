/**
 * The container image, without a container engine: what the Dockerfile copies is copied, what it builds
 * is built, and the result starts a node. So a file that the image lacks fails here.
 */
import { execFile, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const DOCKERFILE = readFileSync(join(ROOT, "ops/compose/Dockerfile"), "utf8");
const IGNORED = readFileSync(join(ROOT, ".dockerignore"), "utf8").split("\n");
const MODULES = join(ROOT, "node_modules");

interface Copy {
  readonly sources: readonly string[];
  readonly target: string;
}
interface Stage {
  readonly copies: readonly Copy[];
  readonly commands: readonly string[];
}

const [build, image] = stagesOf(DOCKERFILE);
let folder: string;
/** `/opt/weft` of the image. */
let opt: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "weft-image-"));
  const src = join(folder, "src");
  opt = join(folder, "opt");
  mkdirSync(src);
  mkdirSync(opt);
  for (const { sources, target } of build.copies) {
    for (const source of sources) place(join(ROOT, source), src, source, target);
  }
  symlinkSync(MODULES, join(src, "node_modules"));
  for (const command of build.commands.filter((one) => one.startsWith("npx tsc "))) {
    await run(
      process.execPath,
      [join(MODULES, "typescript/bin/tsc"), ...command.split(" ").slice(2)],
      {
        cwd: src,
      },
    );
  }
  for (const { sources, target } of image.copies) {
    for (const source of sources) {
      const path = source.replace(/^\/src\//, "");
      if (path === "node_modules") linkProductionPackages(join(opt, path));
      else place(join(src, path), opt, path, target);
    }
  }
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the image", () => {
  it("is built from what the context lets through, which holds no homes and no keys", () => {
    expect(IGNORED).toContain("*");
    for (const { sources } of build.copies) {
      for (const source of sources) expect(IGNORED, source).toContain(`!${source}`);
    }
  });

  it("writes a home and runs a node that makes blocks", async () => {
    const home = join(folder, "home");
    const [, ...entry] = entrypointOf(DOCKERFILE);
    const env = { PATH: process.env["PATH"], HOME: folder, NODE_ENV: "production" };
    await run(process.execPath, [...entry, "init", "--home", home], { cwd: opt, env });
    const settings = [
      "p2p.laddr=tcp://127.0.0.1:0",
      "rpc.laddr=tcp://127.0.0.1:0",
      "grpc.laddr=tcp://127.0.0.1:0",
      "instrumentation.prometheus_listen_addr=tcp://127.0.0.1:0",
      "log_level=error",
    ];
    const child = spawn(
      process.execPath,
      [...entry, "start", "--home", home, "--set", ...settings],
      { cwd: opt, env, stdio: ["ignore", "pipe", "pipe"] },
    );
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const ended = new Promise<string>((resolve) => {
      child.once("exit", (code) => resolve(`ended with ${code}: ${said}`));
    });
    const block = new Promise<string>((resolve) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        said += `${line}\n`;
        if (/block 2\b/.test(line)) resolve("block 2");
      });
    });
    expect(await Promise.race([block, ended])).toBe("block 2");
    child.kill("SIGTERM");
    expect(await ended).toMatch(/^ended with 0/);
  });
});

/** `COPY` and `RUN` of each stage, as far as this Dockerfile uses them. */
function stagesOf(text: string): readonly [Stage, Stage] {
  const stages: { copies: Copy[]; commands: string[] }[] = [];
  for (const line of text.split("\n")) {
    const [instruction = "", ...words] = line.trim().split(/\s+/);
    const stage = stages.at(-1);
    if (instruction === "FROM") stages.push({ copies: [], commands: [] });
    else if (instruction === "COPY") {
      const paths = words.filter((word) => !word.startsWith("--"));
      stage?.copies.push({ sources: paths.slice(0, -1), target: paths.at(-1) ?? "" });
    } else if (instruction === "RUN") stage?.commands.push(...words.join(" ").split(" && "));
  }
  const [first, second] = stages;
  if (first === undefined || second === undefined || stages.length !== 2) {
    throw new Error(`expected two stages, got ${stages.length}`);
  }
  return [first, second];
}

function entrypointOf(text: string): string[] {
  const line = text.split("\n").find((one) => one.startsWith("ENTRYPOINT "));
  const words: unknown = JSON.parse(line?.slice("ENTRYPOINT ".length) ?? "[]");
  return Array.isArray(words) ? words.map(String) : [];
}

/** Docker's rule: into a folder when the target ends in a slash, else as the target. */
function place(from: string, root: string, source: string, target: string): void {
  const to = target.endsWith("/") ? join(root, target, basename(source)) : join(root, target);
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true });
}

/** What `npm prune --omit=dev` leaves, by the lock file. */
function linkProductionPackages(folder: string): void {
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<
      Record<string, { readonly dev?: boolean; readonly optional?: boolean }>
    >;
  };
  for (const [path, { dev, optional }] of Object.entries(lock.packages)) {
    const name = path.slice("node_modules/".length);
    if (path === "" || dev === true || optional === true || name.includes("node_modules/"))
      continue;
    const link = join(folder, name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(MODULES, name), link);
  }
}

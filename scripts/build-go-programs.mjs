// Builds the Go programs that a module of ours under ops pins into its bin folder: once, and again when the pins
// change. Usage: node scripts/build-go-programs.mjs cometbft|op-geth
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const MODULES = {
  cometbft: {
    title: "CometBFT",
    programs: [
      ["cometbft", "github.com/cometbft/cometbft/cmd/cometbft"],
      ["abci-cli", "github.com/cometbft/cometbft/abci/cmd/abci-cli"],
      ["cometbft-load-test", "github.com/cometbft/cometbft-load-test/cmd/cometbft-load-test"],
    ],
    without:
      "The embedded engine needs none of this; only --engine cometbft and the tests against Go do.",
  },
  "op-geth": {
    title: "op-geth",
    programs: [["geth", "github.com/ethereum/go-ethereum/cmd/geth"]],
    without: "Nothing of Weft needs it at run time; only the tests of the Engine API driver do.",
  },
};
// What a build depends on beside the two files: no paths of this machine in the programs, no C compiler, checksums
// as they stand.
const FLAGS = ["-trimpath", "-mod=readonly", "-buildvcs=false"];

const name = process.argv[2] ?? "";
if (!Object.hasOwn(MODULES, name)) {
  process.stderr.write(`which module? one of: ${Object.keys(MODULES).join(", ")}\n`);
  process.exit(2);
}
const { title, programs, without } = MODULES[name];
const moduleDirectory = fileURLToPath(new URL(`../ops/${name}/`, import.meta.url));
const binDirectory = path.join(moduleDirectory, "bin");
const stampFile = path.join(binDirectory, "built-from.txt");
const outDirectory = path.join(moduleDirectory, `bin.building-${process.pid}`);
const goVersionMin = /^go (\d+)\.(\d+)(?:\.(\d+))?$/m
  .exec(readFileSync(path.join(moduleDirectory, "go.mod"), "utf8"))
  .slice(1)
  .map((n) => Number(n ?? 0));

const hash = createHash("sha256").update(JSON.stringify([programs, FLAGS]));
for (const file of ["go.mod", "go.sum"]) {
  hash.update(readFileSync(path.join(moduleDirectory, file)));
}
const stamp = `${hash.digest("hex")}\n`;
const isBuilt =
  existsSync(stampFile) &&
  readFileSync(stampFile, "utf8") === stamp &&
  programs.every(([program]) => existsSync(path.join(binDirectory, program)));
if (isBuilt) {
  process.stdout.write(`ops/${name}/bin is up to date\n`);
  process.exit(0);
}

const wanted = `${title} is built with Go ${goVersionMin.join(".")} or later`;
const found = spawnSync("go", ["version"], { cwd: moduleDirectory, encoding: "utf8" });
if (found.error !== undefined) {
  fail(`Go is not on this machine (${found.error.message}). ${wanted}: https://go.dev/dl.`);
}
const version = /go(\d+)\.(\d+)(?:\.(\d+))?/.exec(found.stdout);
if (
  found.status !== 0 ||
  version === null ||
  isOlder(version.slice(1).map((n) => Number(n ?? 0)))
) {
  const said = `${found.stdout}${found.stderr}`.trim();
  fail(`${wanted}; "go version" here says: ${said}`);
}

process.stdout.write(`building ${title} (a few minutes the first time, ${version[0]})\n`);
mkdirSync(outDirectory, { recursive: true });
try {
  const { status } = spawnSync(
    "go",
    ["build", ...FLAGS, "-o", `${outDirectory}${path.sep}`, ...programs.map(([, pkg]) => pkg)],
    { cwd: moduleDirectory, stdio: ["ignore", 2, 2], env: { ...process.env, CGO_ENABLED: "0" } },
  );
  if (status !== 0)
    fail("go build failed: see above. Modules come from GOPROXY, their checksums stand in go.sum.");
  mkdirSync(binDirectory, { recursive: true });
  // The stamp goes first and comes last, so that it never stands beside programs of other pins.
  rmSync(stampFile, { force: true });
  for (const [program] of programs) {
    renameSync(path.join(outDirectory, program), path.join(binDirectory, program));
  }
  writeFileSync(stampFile, stamp);
} finally {
  rmSync(outDirectory, { recursive: true, force: true });
}
process.stdout.write(
  `built ${programs.map(([program]) => `ops/${name}/bin/${program}`).join(", ")}\n`,
);

function isOlder(parts) {
  for (const [i, least] of goVersionMin.entries()) {
    if (parts[i] !== least) return parts[i] < least;
  }
  return false;
}

function fail(message) {
  process.stderr.write(`${message}\n${without}\n`);
  rmSync(outDirectory, { recursive: true, force: true });
  process.exit(1);
}

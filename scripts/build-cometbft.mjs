// Builds the Go programs that ops/cometbft pins into ops/cometbft/bin: once, and again when the pins change.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const GO_VERSION_MIN = [1, 22, 11];
const PROGRAMS = [
  ["cometbft", "github.com/cometbft/cometbft/cmd/cometbft"],
  ["abci-cli", "github.com/cometbft/cometbft/abci/cmd/abci-cli"],
  ["cometbft-load-test", "github.com/cometbft/cometbft-load-test/cmd/cometbft-load-test"],
];
// What a build depends on beside the two files: no paths of this machine in the programs, no C compiler, checksums
// as they stand.
const FLAGS = ["-trimpath", "-mod=readonly", "-buildvcs=false"];
const WITHOUT_GO =
  "The embedded engine needs none of this; only --engine cometbft and the tests against Go do.";

const moduleDirectory = fileURLToPath(new URL("../ops/cometbft/", import.meta.url));
const binDirectory = path.join(moduleDirectory, "bin");
const stampFile = path.join(binDirectory, "built-from.txt");

const hash = createHash("sha256").update(JSON.stringify([PROGRAMS, FLAGS]));
for (const name of ["go.mod", "go.sum"]) {
  hash.update(readFileSync(path.join(moduleDirectory, name)));
}
const stamp = `${hash.digest("hex")}\n`;
const isBuilt =
  existsSync(stampFile) &&
  readFileSync(stampFile, "utf8") === stamp &&
  PROGRAMS.every(([name]) => existsSync(path.join(binDirectory, name)));
if (isBuilt) {
  process.stdout.write(`ops/cometbft/bin is up to date\n`);
  process.exit(0);
}

const found = spawnSync("go", ["version"], { cwd: moduleDirectory, encoding: "utf8" });
if (found.error !== undefined) {
  fail(
    `Go is not on this machine (${found.error.message}). CometBFT is built with Go ${GO_VERSION_MIN.join(".")} or later: https://go.dev/dl.`,
  );
}
const version = /go(\d+)\.(\d+)(?:\.(\d+))?/.exec(found.stdout);
if (
  found.status !== 0 ||
  version === null ||
  isOlder(version.slice(1).map((n) => Number(n ?? 0)))
) {
  const said = `${found.stdout}${found.stderr}`.trim();
  fail(
    `CometBFT is built with Go ${GO_VERSION_MIN.join(".")} or later; "go version" here says: ${said}`,
  );
}

process.stdout.write(`building CometBFT (a few minutes the first time, ${version[0]})\n`);
const outDirectory = path.join(moduleDirectory, `bin.building-${process.pid}`);
mkdirSync(outDirectory, { recursive: true });
try {
  const { status } = spawnSync(
    "go",
    ["build", ...FLAGS, "-o", `${outDirectory}${path.sep}`, ...PROGRAMS.map(([, pkg]) => pkg)],
    { cwd: moduleDirectory, stdio: ["ignore", 2, 2], env: { ...process.env, CGO_ENABLED: "0" } },
  );
  if (status !== 0)
    fail("go build failed: see above. Modules come from GOPROXY, their checksums stand in go.sum.");
  mkdirSync(binDirectory, { recursive: true });
  // The stamp goes first and comes last, so that it never stands beside programs of other pins.
  rmSync(stampFile, { force: true });
  for (const [name] of PROGRAMS) {
    renameSync(path.join(outDirectory, name), path.join(binDirectory, name));
  }
  writeFileSync(stampFile, stamp);
} finally {
  rmSync(outDirectory, { recursive: true, force: true });
}
process.stdout.write(`built ${PROGRAMS.map(([name]) => `ops/cometbft/bin/${name}`).join(", ")}\n`);

function isOlder(parts) {
  for (const [i, wanted] of GO_VERSION_MIN.entries()) {
    if (parts[i] !== wanted) return parts[i] < wanted;
  }
  return false;
}

function fail(message) {
  process.stderr.write(`${message}\n${WITHOUT_GO}\n`);
  rmSync(path.join(moduleDirectory, `bin.building-${process.pid}`), {
    recursive: true,
    force: true,
  });
  process.exit(1);
}

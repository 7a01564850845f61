// Builds the native module of ops/ed25519-batch into its bin folder: once, and again when its files change.
// Usage: node scripts/build-ed25519-batch.mjs [--if-rust]   (--if-rust: without Rust, say so and exit 0)
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const WITHOUT =
  "Nothing needs it: without it signatures are checked one by one, at a half to a third of the speed.";
const LIBRARIES = {
  darwin: "libweft_ed25519_batch.dylib",
  win32: "weft_ed25519_batch.dll",
};

const isOptional = process.argv.includes("--if-rust");
const moduleDirectory = fileURLToPath(new URL("../ops/ed25519-batch/", import.meta.url));
const binDirectory = path.join(moduleDirectory, "bin");
const stampFile = path.join(binDirectory, "built-from.txt");
const moduleFile = path.join(binDirectory, "ed25519-batch.node");
const manifest = readFileSync(path.join(moduleDirectory, "Cargo.toml"), "utf8");
const rustVersionMin = /^rust-version = "([\d.]+)"$/m.exec(manifest)[1];

const hash = createHash("sha256");
for (const file of ["Cargo.toml", "Cargo.lock", "build.rs", "src/lib.rs"]) {
  hash.update(readFileSync(path.join(moduleDirectory, file)));
}
const stamp = `${hash.digest("hex")} ${process.platform}-${process.arch}\n`;
if (existsSync(moduleFile) && existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp) {
  process.stdout.write("ops/ed25519-batch/bin is up to date\n");
  process.exit(0);
}

const found = spawnSync("cargo", ["--version"], { cwd: moduleDirectory, encoding: "utf8" });
if (found.error !== undefined || found.status !== 0) {
  const said = found.error?.message ?? found.stderr.trim();
  const message = `Rust ${rustVersionMin} or later is needed and not on this machine (${said}).\n${WITHOUT}\n`;
  if (isOptional) {
    process.stdout.write(message);
    process.exit(0);
  }
  process.stderr.write(message);
  process.exit(1);
}

process.stdout.write(
  `building the batch verifier (half a minute the first time, ${found.stdout.trim()})\n`,
);
const { status } = spawnSync("cargo", ["build", "--release", "--locked"], {
  cwd: moduleDirectory,
  stdio: ["ignore", 2, 2],
  env: { ...process.env, CARGO_TARGET_DIR: path.join(moduleDirectory, "target") },
});
if (status !== 0) {
  process.stderr.write(
    `cargo build failed: see above. Rust ${rustVersionMin} or later is needed.\n${WITHOUT}\n`,
  );
  process.exit(1);
}
mkdirSync(binDirectory, { recursive: true });
const library = LIBRARIES[process.platform] ?? "libweft_ed25519_batch.so";
// Renamed into place: a node that has the old one loaded keeps it.
const newFile = `${moduleFile}.${process.pid}`;
copyFileSync(path.join(moduleDirectory, "target", "release", library), newFile);
renameSync(newFile, moduleFile);
writeFileSync(stampFile, stamp);
process.stdout.write("built ops/ed25519-batch/bin/ed25519-batch.node\n");

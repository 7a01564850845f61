// `npm run wasm`: compiles mev/seal/group/wasm (ristretto255 by curve25519-dalek) to WebAssembly and
// writes it as base64 into mev/seal/group/gen/module.ts. `--check` compares instead of writing.
//
// Needs cargo, and of the toolchain that rust-toolchain.toml names the target wasm32-unknown-unknown:
//   rustup toolchain install 1.95.0 --profile minimal --target wasm32-unknown-unknown
// The same sources, lockfile and compiler give the same bytes on every machine and in every folder.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const TARGET = "wasm32-unknown-unknown";
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const crate = join(root, "mev/seal/group/wasm");
const output = join(root, "mev/seal/group/gen/module.ts");
const SOURCES = [
  "mev/seal/group/wasm/Cargo.toml",
  "mev/seal/group/wasm/Cargo.lock",
  "mev/seal/group/wasm/rust-toolchain.toml",
  "mev/seal/group/wasm/src/lib.rs",
  "scripts/build-wasm.mjs",
];
const isCheck = process.argv.includes("--check");

/** Ends with a message for whoever ran this. */
function fail(message) {
  process.stderr.write(`build-wasm: ${message}\n`);
  process.exit(1);
}

/** Settings of the caller's environment must not change the bytes. */
function environment() {
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !/^(RUSTFLAGS$|RUSTC|RUSTUP_TOOLCHAIN$|CARGO_(PROFILE|BUILD|TARGET|ENCODED|INCREMENTAL))/.test(
        name,
      ),
  );
  return Object.fromEntries(kept);
}

function run(command, args, env) {
  const { error, status, stdout, stderr } = spawnSync(command, args, {
    cwd: crate,
    env,
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (error?.code === "ENOENT") {
    fail(`${command} is not installed; see https://rustup.rs, then run this again`);
  }
  if (status === 0) return stdout;
  if (/may not be installed|can't find crate for `(core|std)`/.test(stderr)) {
    const { channel } = readFileSync(join(crate, "rust-toolchain.toml"), "utf8").match(
      /channel = "(?<channel>[^"]+)"/,
    ).groups;
    fail(
      `the target ${TARGET} is missing; run: rustup toolchain install ${channel} --profile minimal --target ${TARGET}`,
    );
  }
  return fail(`${command} ${args.join(" ")} failed:\n${stderr}`);
}

/** Paths that the compiler writes into panic messages, and what it writes instead. */
function remaps(env) {
  const metadata = JSON.parse(
    run(
      "cargo",
      ["metadata", "--locked", "--format-version", "1", "--filter-platform", TARGET],
      env,
    ),
  );
  return metadata.packages.map(({ name, version, manifest_path: path }) => [
    dirname(path),
    `/${name}-${version}`,
  ]);
}

function build() {
  const env = environment();
  const pairs = remaps(env);
  const target = mkdtempSync(join(tmpdir(), "weft-wasm-"));
  try {
    const flags = [
      // Twice as fast as 64: WebAssembly has no product of 64 by 64 to 128 bits.
      "--cfg",
      'curve25519_dalek_bits="32"',
      ...pairs.map(([from, to]) => `--remap-path-prefix=${from}=${to}`),
    ];
    run("cargo", ["build", "--locked", "--release", "--target", TARGET, "--target-dir", target], {
      ...env,
      CARGO_ENCODED_RUSTFLAGS: flags.join("\x1f"),
    });
    return readFileSync(join(target, TARGET, "release/weft_seal_group.wasm"));
  } finally {
    rmSync(target, { recursive: true, force: true });
  }
}

/** SHA-256 over name and text of all that the module is made from: a test compares it without a compiler. */
function sourcesDigest() {
  const hash = createHash("sha256");
  for (const name of SOURCES) {
    hash.update(`${name}\n`).update(readFileSync(join(root, name)));
  }
  return hash.digest("hex");
}

const wasm = build();
for (const path of [root, homedir(), tmpdir()]) {
  if (wasm.includes(path)) fail(`the module holds a path of this machine, ${path}`);
}
if (!WebAssembly.validate(wasm)) fail("the module is not valid");
const sha256 = createHash("sha256").update(wasm).digest("hex");
const text = `// Written by scripts/build-wasm.mjs from mev/seal/group/wasm. Do not edit.
// sources ${sourcesDigest()}
// ${wasm.length} bytes, sha256 ${sha256}
export const GROUP_MODULE_BASE64: string =
  "${wasm.toString("base64")}";
`;
if (!isCheck) {
  mkdirSync(dirname(output), { recursive: true });
  writeFileSync(output, text);
  process.stdout.write(`mev/seal/group/gen/module.ts: ${wasm.length} bytes, sha256 ${sha256}\n`);
} else if (readFileSync(output, "utf8") === text) {
  process.stdout.write(`mev/seal/group/gen/module.ts is what its sources give, sha256 ${sha256}\n`);
} else {
  const compiler = execFileSync("cargo", ["--version"], { cwd: crate, encoding: "utf8" }).trim();
  fail(`mev/seal/group/gen/module.ts differs from what ${compiler} makes; run: npm run wasm`);
}

// Makes test/interop/cometbft-home: the data folder of a real CometBFT v0.38.25 that was killed between its own
// precommit and the commit of a block, so that its log holds a lock. Run by hand when the format changes:
// node scripts/capture-cometbft-home.mjs
import { execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const program = process.env.WEFT_COMETBFT || path.join(root, "ops", "cometbft", "bin", "cometbft");
const target = path.join(root, "test", "interop", "cometbft-home");
// The blocks before the kill; the third holds a transaction that makes it a block of two parts.
const HEIGHTS = 8;

const home = mkdtempSync(path.join(tmpdir(), "weft-capture-"));
execFileSync(program, ["init", "--home", home], { stdio: "ignore" });
const genesisFile = path.join(home, "config", "genesis.json");
const genesis = JSON.parse(readFileSync(genesisFile, "utf8"));
genesis.consensus_params.abci.vote_extensions_enable_height = "3";
genesis.chain_id = "captured";
writeFileSync(genesisFile, JSON.stringify(genesis, null, 2));
const configFile = path.join(home, "config", "config.toml");
const config = readFileSync(configFile, "utf8")
  .replace(
    'laddr = "tcp://127.0.0.1:26657"',
    'laddr = "unix://' + path.join(home, "rpc.sock") + '"',
  )
  .replace('laddr = "tcp://0.0.0.0:26656"', 'laddr = "tcp://127.0.0.1:0"')
  .replace('timeout_commit = "1s"', 'timeout_commit = "200ms"');
writeFileSync(configFile, config);

const first = start({});
await until(async () => (await height()) >= 2);
await submit(`large=${"x".repeat(70_000)}`);
for (let i = 0; i < 3; i++) await submit(`key${i}=value${i}`);
await until(async () => (await height()) >= HEIGHTS);
await end(first);
rmSync(path.join(home, "rpc.sock"), { force: true });
// The second point at which CometBFT kills itself when told to: its own precommit is in the log.
await new Promise((resolve) => start({ FAIL_TEST_INDEX: "1" }).on("exit", resolve));

rmSync(target, { recursive: true, force: true });
for (const name of [
  "blockstore.db",
  "state.db",
  "evidence.db",
  "cs.wal",
  "priv_validator_state.json",
]) {
  cpSync(path.join(home, "data", name), path.join(target, "data", name), { recursive: true });
}
for (const name of ["LOCK", "LOG", "CURRENT.bak"]) {
  for (const db of ["blockstore.db", "state.db", "evidence.db"]) {
    rmSync(path.join(target, "data", db, name), { force: true });
  }
}
cpSync(genesisFile, path.join(target, "genesis.json"));
// A key that no other chain knows: with it CometBFT can be started on what conversions make.
cpSync(
  path.join(home, "config", "priv_validator_key.json"),
  path.join(target, "priv_validator_key.json"),
);
rmSync(home, { recursive: true });
process.stdout.write(`${target} made\n`);

function start(environment) {
  return spawn(program, ["node", "--home", home, "--proxy_app", "kvstore"], {
    stdio: "ignore",
    env: { ...process.env, ...environment },
  });
}

async function end(child) {
  const exited = new Promise((resolve) => child.on("exit", resolve));
  child.kill("SIGKILL");
  await exited;
}

async function height() {
  if (!existsSync(path.join(home, "rpc.sock"))) return 0;
  const answer = await call("status", {});
  return Number(answer?.sync_info?.latest_block_height ?? 0);
}

function submit(text) {
  return call("broadcast_tx_commit", { tx: Buffer.from(text).toString("base64") });
}

async function call(method, params) {
  const { request } = await import("node:http");
  return new Promise((resolve) => {
    const socketPath = path.join(home, "rpc.sock");
    const options = { socketPath, method: "POST", headers: { "content-type": "application/json" } };
    const asked = request(options, (response) => {
      let body = "";
      response.on("data", (chunk) => (body += chunk));
      response.on("end", () => resolve(JSON.parse(body).result));
    });
    asked.on("error", () => resolve(undefined));
    asked.end(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }));
  });
}

async function until(condition) {
  for (let i = 0; i < 600; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("CometBFT did not come so far");
}

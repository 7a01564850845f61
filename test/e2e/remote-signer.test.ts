/** Validators whose keys live in `weft signer` processes: over TCP and over a Unix socket. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../../proto/bytes.ts";
import { ed25519Address } from "../../proto/verify/ed25519.ts";
import { freeBasePorts } from "../../sequencer/cli/free-ports.ts";
import { createProcessGroup, type ProcessGroup } from "../../sequencer/cli/process-group.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import { loadOrCreateNodeKey } from "../../sequencer/p2p/node-key.ts";
import {
  createTestNetwork,
  ENTRY,
  height,
  metric,
  rpc,
  type TestNetwork,
  type TestValidator,
  until,
  untilHeight,
} from "../support/local-network.ts";

interface Signer {
  readonly name: string;
  readonly node: TestValidator;
  /** Upper-case hex, as in commits. */
  readonly address: string;
  readonly args: readonly string[];
  readonly logFile: string;
}

let network: TestNetwork;
let processes: ProcessGroup;
const ended = new Map<string, () => void>();
let tcp: Signer;
let unix: Signer;

beforeAll(async () => {
  network = await createTestNetwork({});
  processes = createProcessGroup(ENTRY, ({ name }) => ended.get(name)?.());
  const [ports] = await freeBasePorts(1);
  const [first, second] = network.validators;
  if (first === undefined || second === undefined || ports === undefined) {
    throw new Error("the network has two validators");
  }
  // As tmkms does it: the node listens, the signer dials and pins the node's key.
  const laddr = `127.0.0.1:${ports.p2p}`;
  const nodeId = loadOrCreateNodeKey(homeAt(first.home).nodeKeyFile).id;
  tcp = moveKey("signer-tcp", first, `priv_validator_laddr = "tcp://${laddr}"`, [
    "--connect",
    `tcp://${nodeId}@${laddr}`,
  ]);
  // The other way round.
  const path = join(network.root, "signer.sock");
  unix = moveKey("signer-unix", second, `priv_validator_dial_addr = "unix://${path}"`, [
    "--listen",
    `unix://${path}`,
  ]);
  start(tcp, true);
  start(unix, true);
  await network.startAll();
});
afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  process.stderr.write(await network.report());
  for (const { logFile } of [tcp, unix]) process.stderr.write(readFileSync(logFile, "utf8"));
});
afterAll(async () => {
  await network.close();
  await processes.stop(10_000);
});

/** The operator's way: key to the signer's folder, public half and the address into the node's home. */
function moveKey(
  name: string,
  node: TestValidator,
  setting: string,
  args: readonly string[],
): Signer {
  const home = homeAt(node.home);
  const folder = join(network.root, name);
  mkdirSync(folder, { mode: 0o700 });
  const keyFile = join(folder, "key.json");
  const address = toHex(ed25519Address(readKeyFile(home.validatorKeyFile).publicKey)).toUpperCase();
  renameSync(home.validatorKeyFile, keyFile);
  const { priv_key: _secret, ...publicHalf } = JSON.parse(readFileSync(keyFile, "utf8")) as Record<
    string,
    unknown
  >;
  writeFileSync(home.validatorKeyFile, JSON.stringify(publicHalf));
  const config = readFileSync(home.configFile, "utf8");
  const key = setting.slice(0, setting.indexOf(" ="));
  writeFileSync(home.configFile, config.replace(new RegExp(`^${key} = .*$`, "m"), setting));
  return {
    name,
    node,
    address,
    logFile: join(folder, "signer.log"),
    args: [
      "signer",
      "--chain-id=weft-e2e",
      `--key-file=${keyFile}`,
      `--state-file=${join(folder, "state", "priv_validator_state.json")}`,
      ...args,
    ],
  };
}

function start({ name, args, logFile }: Signer, isNew = false): void {
  const all = isNew ? [...args, "--new-state"] : args;
  processes.start({ name, args: all, logFile, onLine: () => {} });
}

async function kill({ name }: Signer): Promise<void> {
  const pid = processes.pids()[name];
  if (pid === undefined) throw new Error(`${name} is not running`);
  const end = new Promise<void>((resolve) => ended.set(name, resolve));
  process.kill(pid, "SIGKILL");
  await end;
}

/** Whether the commit of a block holds a signature of the signer's validator for it. */
async function hasSigned(signer: Signer, at: number): Promise<boolean> {
  const answer = await rpc<{
    signed_header: {
      commit: { signatures: { block_id_flag: number; validator_address: string }[] };
    };
  }>(signer.node, "commit", { height: String(at) });
  return answer.signed_header.commit.signatures.some(
    (entry) => entry.validator_address === signer.address && entry.block_id_flag === 2,
  );
}

/** A canonical commit, the one in the next block: the tip's may still grow. */
const lastSettled = async (signer: Signer): Promise<number> => (await height(signer.node)) - 1;

const untilSigning = (signer: Signer, from: number): Promise<boolean> =>
  until(`the validator of ${signer.name} signs after height ${from}`, async () => {
    const at = await lastSettled(signer);
    return at > from && (await hasSigned(signer, at));
  });

describe("validators with remote signers", () => {
  it("sign blocks", async () => {
    await untilHeight(network.validators, 3);
    await untilSigning(tcp, 1);
    await untilSigning(unix, 1);
    expect(await metric(tcp.node.metrics, "weft_privval_connected")).toBe(1);
  });

  it("have one signer: a second on the state, or one without its state, does not start", () => {
    const run = (args: readonly string[]) =>
      spawnSync(process.execPath, [ENTRY, "--json", ...args], { encoding: "utf8" });
    const second = run(tcp.args);
    expect(second.status).toBe(6);
    expect(second.stdout).toMatch(/is in use by process \d+/);
    const elsewhere = join(network.root, "no-state");
    const forgetful = run(
      tcp.args.map((arg) =>
        arg.startsWith("--state-file") ? `--state-file=${join(elsewhere, "state.json")}` : arg,
      ),
    );
    expect(forgetful.status).toBe(4);
    expect(forgetful.stdout).toMatch(/state .* is missing: bring the newest one/);
    const again = run([...tcp.args, "--new-state"]);
    expect(again.status).toBe(4);
    expect(again.stdout).toMatch(/is there already/);
    const open = run(["signer", "--listen", "tcp://127.0.0.1:0", ...tcp.args.slice(1, 4)]);
    expect(open.status).toBe(2);
    expect(open.stdout).toMatch(/needs --allow/);
  });

  it("miss blocks while their signer is down, and sign again when it is back", async () => {
    await kill(tcp);
    await until("the node sees it", async () => {
      return (await metric(tcp.node.metrics, "weft_privval_connected")) === 0;
    });
    const from = await height(tcp.node);
    await untilHeight(network.validators, from + 5);
    expect(await hasSigned(tcp, from + 3)).toBe(false);
    start(tcp);
    await untilSigning(tcp, from + 5);
    expect(
      await metric(tcp.node.metrics, "weft_engine_signatures_missed_total", "late"),
    ).toBeGreaterThan(0);
  });

  it("a chain that needs them waits for them, and goes on", async () => {
    await Promise.all([kill(tcp), kill(unix)]);
    await until("both nodes see it", async () => {
      const pages = [tcp, unix].map(({ node }) => metric(node.metrics, "weft_privval_connected"));
      return (await Promise.all(pages)).every((value) => value === 0);
    });
    const before = await height(tcp.node);
    // Half of the power is away: at most the height under way is decided.
    start(tcp);
    await until("one is back", async () => {
      return (await metric(tcp.node.metrics, "weft_privval_connected")) === 1;
    });
    start(unix);
    await untilHeight(network.validators, before + 5);
    await untilSigning(tcp, before);
    await untilSigning(unix, before);
    for (const { metrics } of network.validators) {
      expect(await metric(metrics, "weft_engine_halted")).toBe(0);
      expect(await metric(metrics, "cometbft_consensus_byzantine_validators")).toBe(0);
    }
  });
});

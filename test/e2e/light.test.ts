/** `weft light` against a running network, and against nodes that lie to it. */
import { execFile, type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Comet38Client, connectComet } from "@cosmjs/tendermint-rpc";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { formatAddress } from "../../proto/address.ts";
import { toHex } from "../../proto/bytes.ts";
import { headerHash, txHash } from "../../proto/hashes.ts";
import { signedHeaderFromJson, signedHeaderToJson } from "../../proto/json.ts";
import { JsonNode } from "../../proto/json-reader.ts";
import { commitSigSignBytes } from "../../proto/sign-bytes.ts";
import type { Header, SignedHeader } from "../../proto/types.ts";
import {
  ed25519Address,
  type Ed25519KeyPair,
  ed25519KeyPairFromPrivateKey,
  signEd25519,
} from "../../proto/verify/ed25519.ts";
import { ExitCode } from "../../sequencer/cli/exit-codes.ts";
import { LIGHT_CHAIN_ID, lightChain, serveLightChain } from "../support/light-chain.ts";
import {
  createTestNetwork,
  ENTRY,
  metric,
  rpc,
  type TestNetwork,
  type TestValidator,
  until,
  untilHeight,
} from "../support/local-network.ts";
import { type AlterAnswer, type RpcProxy, startRpcProxy } from "../support/rpc-proxy.ts";
import { type CommittedTx, sendOne, signAction } from "../support/traffic.ts";

const RECEIVER = new Uint8Array(20).fill(0x66);

interface Light {
  readonly url: string;
  readonly metrics: string | undefined;
  readonly child: ChildProcess;
  /** What it logged so far, JSON lines. */
  log(): string;
}

let network: TestNetwork;
let nodes: readonly [TestValidator, TestValidator, TestValidator];
let folder: string;
let proxy: RpcProxy;
let sent: CommittedTx;
let trust: readonly string[];
let homes = 0;
const lights: Light[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "weft-light-"));
  network = await createTestNetwork();
  await network.startAll();
  const [a, b, c] = network.validators;
  if (a === undefined || b === undefined || c === undefined) throw new Error("four validators");
  nodes = [a, b, c];
  proxy = await startRpcProxy(a.rpc);
  const action = { kind: "transfer", to: RECEIVER, amount: 7n } as const;
  sent = await sendOne({ clients: [a.client], key: network.owner }, 0, action);
  await untilHeight(nodes, sent.height + 3);
  const { block_id } = await rpc<{ block_id: { hash: string } }>(a, "block", { height: "2" });
  trust = ["--trusted-height", "2", "--trusted-hash", block_id.hash];
});
afterEach(() => {
  proxy.setAlter(undefined);
  proxy.setDown(false);
});
afterAll(async () => {
  const ends = lights.map(
    ({ child }) =>
      new Promise<void>((resolve) => {
        if (child.exitCode !== null) return resolve();
        child.once("exit", () => resolve());
        child.kill("SIGTERM");
      }),
  );
  await Promise.all(ends);
  proxy.stop();
  await network.close();
  rmSync(folder, { recursive: true, force: true });
});

function lightArgs(
  primary: string,
  witnesses: readonly string[],
  home: string,
  chainId = "weft-e2e",
): string[] {
  const cross = witnesses.flatMap((url) => ["--witness", url]);
  const listen = ["--laddr", "tcp://127.0.0.1:0", "--home", home];
  return ["--json", "light", chainId, "--primary", primary, ...cross, ...listen];
}

async function startLight(
  primary: string,
  witnesses: readonly string[],
  more: readonly string[] = [],
  home = join(folder, `home-${homes++}`),
): Promise<Light> {
  const args = [...lightArgs(primary, witnesses, home), ...more];
  const child = spawn(process.execPath, [ENTRY, ...args]);
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString("utf8")));
  for await (const line of createInterface({ input: child.stdout })) {
    const ready = JSON.parse(line) as { rpc?: string; metrics?: string; error?: string };
    const { rpc: url, metrics, error } = ready;
    if (url === undefined) throw new Error(error);
    const light = { url, metrics, child, log: () => log };
    lights.push(light);
    return light;
  }
  throw new Error(`weft light ended: ${log}`);
}

/** Calls the proxy of `weft light`; rejects with what it says. */
async function ask<T>(
  { url }: Light,
  method: string,
  params: Readonly<Record<string, unknown>> = {},
): Promise<T> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body });
  const answer = (await response.json()) as { result?: T; error?: { data?: string } };
  if (answer.result === undefined) throw new Error(answer.error?.data);
  return answer.result;
}

function without<T extends object>(answer: T): Omit<T, "unverified"> {
  const { unverified: _, ...rest } = answer as T & { unverified?: unknown };
  return rest;
}

describe("over honest nodes", () => {
  let light: Light;
  let client: Comet38Client;
  beforeAll(async () => {
    light = await startLight(nodes[0].rpc, [nodes[1].rpc, nodes[2].rpc], trust);
    // CosmJS asks for the status first and takes the proxy for a node of CometBFT 0.38.
    client = (await connectComet(light.url)) as Comet38Client;
  });
  afterAll(() => client.disconnect());

  it("gives what the node gives: headers, commits, validators, blocks, results, parameters", async () => {
    const at = { height: String(sent.height) };
    for (const method of ["header", "commit", "validators", "block", "block_results"]) {
      const verified = await ask<object>(light, method, at);
      expect(without(verified), method).toEqual(await rpc(nodes[0], method, at));
    }
    const params = await ask<object>(light, "consensus_params", at);
    expect(without(params)).toEqual(await rpc(nodes[0], "consensus_params", at));
    const range = { minHeight: "2", maxHeight: String(sent.height) };
    const chain = await ask<{ block_metas: unknown[] }>(light, "blockchain", range);
    const direct = await rpc<{ block_metas: unknown[] }>(nodes[0], "blockchain", range);
    expect(chain.block_metas).toEqual(direct.block_metas);
    // Height 1 lies below the trusted one: it is reached by its links.
    expect(await ask(light, "commit", { height: "1" })).toEqual(
      await rpc(nodes[0], "commit", { height: "1" }),
    );
    await expect(ask(light, "header", { height: "99999999" })).rejects.toThrow(
      /must be less than or equal to/,
    );
  });

  it("serves CosmJS: status, transactions with proofs, state with proofs", async () => {
    expect((await client.status()).nodeInfo.network).toBe("weft-e2e");
    const found = await client.tx({ hash: txHash(sent.item), prove: true });
    expect([found.height, found.result.code]).toEqual([sent.height, 0]);
    const path = `/account/${formatAddress(RECEIVER)}`;
    const account = await client.abciQuery({ path, data: new Uint8Array(0) });
    expect(account.value.length).toBeGreaterThan(0);
    const nobody = `/account/${"00".repeat(20)}`;
    const absent = await client.abciQuery({ path: nobody, data: new Uint8Array(0) });
    expect(absent.value).toHaveLength(0);
    await expect(client.abciQuery({ path: "/nonsense", data: new Uint8Array(0) })).rejects.toThrow(
      /proves nothing/,
    );
  });

  it("passes transactions on, marked, and finds them in verified blocks", async () => {
    const action = { kind: "transfer", to: RECEIVER, amount: 9n } as const;
    const { item } = await signAction(nodes[0].client, network.owner, action);
    const tx = Buffer.from(item).toString("base64");
    const answer = await ask<{ code: number; unverified: string[] }>(light, "broadcast_tx_sync", {
      tx,
    });
    expect([answer.code, answer.unverified]).toEqual([0, ["*"]]);
    const hash = Buffer.from(txHash(item)).toString("base64");
    const found = await until("it is in a block", () =>
      ask<{ tx: string; tx_result: { code: number } }>(light, "tx", { hash }),
    );
    expect([found.tx, found.tx_result.code]).toEqual([tx, 0]);
  });

  it("passes subscriptions on, marked", async () => {
    const [first, second] = await blocksOf(light.url, 2);
    expect(second).toEqual([(first?.[0] ?? 0) + 1, ["*"]]);
  });

  it("verifies every header when told to, and goes on from its folder", async () => {
    const home = join(folder, "sequential");
    const strict = await startLight(nodes[0].rpc, [nodes[1].rpc], [...trust, "--sequential"], home);
    const at = { height: String(sent.height) };
    const commit = await ask(strict, "commit", at);
    expect(commit).toEqual(await rpc(nodes[0], "commit", at));
    await ended(strict);
    const again = await startLight(nodes[1].rpc, [nodes[0].rpc], [], home);
    expect(await ask(again, "commit", at)).toEqual(commit);
  });
});

describe("over a primary that lies or is down", () => {
  let light: Light;
  /** With a witness to spare. */
  let cautious: Light;
  beforeAll(async () => {
    const metrics = ["--metrics", "127.0.0.1:0"];
    [light, cautious] = await Promise.all([
      startLight(proxy.url, [nodes[1].rpc], [...trust, ...metrics]),
      startLight(proxy.url, [nodes[1].rpc, nodes[2].rpc], trust),
    ]);
  });

  it.each<[string, AlterAnswer, string, () => Readonly<Record<string, unknown>>]>([
    [
      "a byte of a header",
      replacing("commit", /"app_hash":"../, '"app_hash":"00'),
      "header",
      () => ({ height: String(sent.height + 1) }),
    ],
    [
      "a validator's power",
      replacing("validators", /"voting_power":"10"/, '"voting_power":"11"'),
      "validators",
      () => ({ height: String(sent.height + 2) }),
    ],
    [
      "a transaction of a block",
      replacing("block", /"txs":\["../, '"txs":["AA'),
      "block",
      () => ({ height: String(sent.height) }),
    ],
    [
      "the result of a transaction",
      replacing("block_results", /"code":0/, '"code":5'),
      "block_results",
      () => ({ height: String(sent.height) }),
    ],
    [
      "the result that comes with a transaction",
      replacing("tx", /"code":0/, '"code":5'),
      "tx",
      () => ({ hash: Buffer.from(txHash(sent.item)).toString("base64") }),
    ],
    [
      "a parameter",
      replacing("consensus_params", /"max_bytes":"\d/, '"max_bytes":"9'),
      "consensus_params",
      () => ({ height: String(sent.height) }),
    ],
    [
      "the value of the state",
      replacing("abci_query", /"value":"../, '"value":"AA'),
      "abci_query",
      () => ({ path: `/account/${formatAddress(RECEIVER)}`, data: "" }),
    ],
    [
      "the proof of the state",
      replacing("abci_query", /(?<="data":".{60})[^"]/, "A"),
      "abci_query",
      () => ({ path: "/params", data: "" }),
    ],
  ])("refuses %s", async (_what, alter, method, params) => {
    let altered = 0;
    proxy.setAlter((...args) => {
      const result = alter(...args);
      if (result !== args[1]) altered++;
      return result;
    });
    await expect(ask(light, method, params())).rejects.toThrow(/does not verify|is not valid/);
    expect(altered).toBeGreaterThan(0);
    proxy.setAlter(undefined);
    expect(await ask(light, method, params())).toBeDefined();
  });

  it("refuses the proven value of another key", async () => {
    const path = `/account/${formatAddress(RECEIVER)}`;
    const other = await rpc(nodes[0], "abci_query", { path: "/params", data: "", prove: true });
    proxy.setAlter((method, result) => (method === "abci_query" ? other : result));
    await expect(ask(light, "abci_query", { path, data: "" })).rejects.toThrow(/its key is/);
  });

  it("asks a witness instead, and says so, when there are enough", async () => {
    proxy.setAlter(replacing("commit", /"app_hash":"../, '"app_hash":"00'));
    const at = { height: String(sent.height + 1) };
    expect(await ask(cautious, "header", at)).toEqual(await rpc(nodes[1], "header", at));
    await until("the log says so", async () => cautious.log().includes("primary replaced"));
  });

  it("asks a witness instead while the primary is down", async () => {
    proxy.setDown(true);
    const at = { height: String(sent.height + 3) };
    expect(await ask(cautious, "block", at)).toMatchObject({ block: { header: at } });
    // The one witness takes over, and nobody is left to confirm what it says.
    await expect(ask(light, "block", at)).rejects.toThrow(/no witness confirms|socket hang up/);
  });

  it("counts what it verified and what it refused", async () => {
    const page = light.metrics ?? "";
    expect(await metric(page, "weft_light_trusted_height")).toBeGreaterThan(sent.height);
    const refused = await metric(page, "weft_light_answers_total", 'outcome="refused"');
    const verified = await metric(page, "weft_light_answers_total", 'outcome="verified"');
    expect([refused > 4, verified > 4]).toEqual([true, true]);
  });
});

describe("as scripts start it", () => {
  async function outcome(...args: readonly string[]): Promise<{ code: number; error: string }> {
    return new Promise((resolve) => {
      execFile(process.execPath, [ENTRY, ...args], { timeout: 60_000 }, (failure, stdout) => {
        const { error } = JSON.parse(stdout) as { error: string };
        resolve({ code: Number(failure?.code ?? 0), error });
      });
    });
  }
  const args = (primary: string): string[] =>
    lightArgs(primary, [nodes[1].rpc], join(folder, `home-${homes++}`));

  it("refuses a hash that is not the chain's", async () => {
    const wrong = ["--trusted-height", "2", "--trusted-hash", "ab".repeat(32)];
    const { code, error } = await outcome(...args(nodes[0].rpc), ...wrong);
    expect([code, error]).toEqual([ExitCode.VERIFICATION, expect.stringMatching(/ABABAB/)]);
  });

  it("needs something to trust, and a node", async () => {
    const nobody = lightArgs("127.0.0.1:1", ["127.0.0.1:1"], join(folder, `home-${homes++}`));
    const [nothing, unreachable, old] = await Promise.all([
      outcome(...args(nodes[0].rpc)),
      outcome(...nobody, ...trust),
      outcome(...args(nodes[0].rpc), ...trust, "--trusting-period", "1ms"),
    ]);
    expect([nothing.code, nothing.error]).toEqual([
      ExitCode.USAGE,
      expect.stringMatching(/supply a height and its hash/),
    ]);
    expect(unreachable.code).toBe(ExitCode.UNREACHABLE);
    expect([old.code, old.error]).toEqual([
      ExitCode.USAGE,
      expect.stringMatching(/older than the trusting period/),
    ]);
  });
});

it("stops at an attack, with the evidence in its home and at the other node", async () => {
  const validators = (): readonly number[] => [0, 1, 2, 3];
  const honest = lightChain({ heights: 9, validators });
  const steal = (header: Header): Header => ({ ...header, appHash: new Uint8Array(32).fill(9) });
  const fork = lightChain({ heights: 9, validators, base: honest, forkHeight: 6, change: steal });
  const [liar, witness] = await Promise.all([serveLightChain(fork), serveLightChain(honest)]);
  const home = join(folder, `home-${homes++}`);
  const hash = toHex(headerHash(honest.at(2).signedHeader.header));
  const args = lightArgs(liar.url, [witness.url], home, LIGHT_CHAIN_ID);
  args.push("--trusted-height", "2", "--trusted-hash", hash, "--trusting-period", "876000h");
  const child = spawn(process.execPath, [ENTRY, ...args]);
  child.stdout.resume();
  child.stderr.resume();
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  expect(code).toBe(ExitCode.VERIFICATION);
  const [against, ...more] = JSON.parse(
    readFileSync(join(home, "attack-9.json"), "utf8"),
  ) as unknown[];
  expect(against).toMatchObject({
    type: "tendermint/LightClientAttackEvidence",
    value: { CommonHeight: "2" },
  });
  expect(witness.evidence).toEqual([against]);
  expect(liar.evidence).toEqual(more);
  liar.stop();
  witness.stop();
});

it("has an attack by the validators themselves ordered by the network they validate", async () => {
  const keys = new Map(network.validators.map((place) => validatorKey(place.home)));
  proxy.setAlter((method, result) => {
    if (method !== "commit") return result;
    const signed = signedHeaderFromJson(new JsonNode(result).get("signed_header"));
    const forged = signed.header.height <= 2 ? signed : forge(signed, keys);
    return { signed_header: signedHeaderToJson(forged), canonical: true };
  });
  const home = join(folder, `home-${homes++}`);
  const args = lightArgs(proxy.url, [nodes[1].rpc], home);
  const child = spawn(process.execPath, [ENTRY, ...args, ...trust]);
  child.stdout.resume();
  child.stderr.resume();
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  expect(code).toBe(ExitCode.VERIFICATION);
  proxy.setAlter(undefined);
  // The witness took the evidence while the chain went on: it stands in a block soon after the attack.
  const [file = ""] = readdirSync(home).filter((name) => name.startsWith("attack-"));
  let next = Number(/\d+/.exec(file)?.[0]);
  const { type, value } = await until("the evidence is in a block", async () => {
    const { block } = await rpc<{
      block: { evidence: { evidence: readonly { type: string; value: Attack }[] } };
    }>(nodes[2], "block", { height: String(next) });
    const [found] = block.evidence.evidence;
    if (found === undefined) next++;
    return found;
  });
  expect(type).toBe("tendermint/LightClientAttackEvidence");
  expect(value).toMatchObject({ CommonHeight: "2", TotalVotingPower: "40" });
  expect(value.ByzantineValidators.length).toBeGreaterThan(2);
  const results = await rpc<{ finalize_block_events: readonly { type: string }[] }>(
    nodes[2],
    "block_results",
    { height: String(next) },
  );
  const told = results.finalize_block_events.filter(({ type }) => type === "misbehavior");
  expect(told).toHaveLength(value.ByzantineValidators.length);
});

/** As far as it is looked at. */
interface Attack {
  readonly ByzantineValidators: readonly unknown[];
}

function validatorKey(home: string): readonly [address: string, key: Ed25519KeyPair] {
  const file = readFileSync(join(home, "config", "priv_validator_key.json"), "utf8");
  const { priv_key: key } = JSON.parse(file) as { priv_key: { value: string } };
  const pair = ed25519KeyPairFromPrivateKey(new Uint8Array(Buffer.from(key.value, "base64")));
  return [toHex(ed25519Address(pair.publicKey)), pair];
}

/** A header with another state, signed by all whose keys are known. */
function forge(
  { header, commit }: SignedHeader,
  keys: ReadonlyMap<string, Ed25519KeyPair>,
): SignedHeader {
  const forged = { ...header, appHash: new Uint8Array(32).fill(9) };
  const blockId = { ...commit.blockId, hash: headerHash(forged) };
  const frame = { height: commit.height, round: commit.round, blockId };
  const signatures = commit.signatures.map((sig) => {
    const key = keys.get(toHex(sig.validatorAddress));
    if (key === undefined) return sig;
    const bytes = commitSigSignBytes(header.chainId, frame, sig);
    return { ...sig, signature: signEd25519(key, bytes) };
  });
  return { header: forged, commit: { ...frame, signatures } };
}

/** Alters the JSON text of one method's result. */
function replacing(wanted: string, pattern: RegExp, instead: string): AlterAnswer {
  return (method, result) => {
    const text = JSON.stringify(result);
    if (method !== wanted || !pattern.test(text)) return result;
    return JSON.parse(text.replace(pattern, instead)) as unknown;
  };
}

async function ended({ child }: Light): Promise<number | null> {
  const exit = new Promise<number | null>((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  return exit;
}

/** The first `count` blocks of a subscription: height, and what is said to be unverified. */
async function blocksOf(
  url: string,
  count: number,
): Promise<readonly (readonly [height: number, unverified: readonly string[] | undefined])[]> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/websocket`);
  const query = "tm.event='NewBlock'";
  const found: (readonly [number, readonly string[] | undefined])[] = [];
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("open", () =>
      socket.send(
        JSON.stringify({ jsonrpc: "2.0", id: 5, method: "subscribe", params: { query } }),
      ),
    );
    socket.on("message", (data: Buffer) => {
      const { result, error } = JSON.parse(data.toString("utf8")) as {
        result?: {
          data?: { value: { block: { header: { height: string } } } };
          events?: Readonly<Record<string, readonly string[]>>;
        };
        error?: { data: string };
      };
      if (error !== undefined) reject(new Error(error.data));
      if (result?.data === undefined) return;
      const { height } = result.data.value.block.header;
      found.push([Number(height), result.events?.["light.unverified"]]);
      if (found.length < count) return;
      socket.close();
      resolve(found);
    });
  });
}

/** CometBFT's own `light` command follows a chain of our validators and answers what it verified. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatAddress } from "../../proto/address.ts";
import { fromHex } from "../../proto/bytes.ts";
import { rollupData, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { JsonNode } from "../../proto/json-reader.ts";
import { stateProofFault } from "../../proto/verify/ics23.ts";
import { queryAnswerFromJson } from "../../rollup-adapter/light/answers.ts";
import { freePorts } from "../../sequencer/cli/free-ports.ts";
import { cometBft, isCometBftAway } from "../support/cometbft.ts";
import {
  createTestNetwork,
  rpc,
  type TestNetwork,
  type TestValidator,
  until,
  untilHeight,
} from "../support/local-network.ts";
import { type CommittedTx, sendOne } from "../support/traffic.ts";

const TRUSTED = 2;
/** Far above the trusted height: what lies between is skipped. */
const LAST = 40;
const RECEIVER = new Uint8Array(20).fill(0x66);
/** More than one part. */
const LARGE_BYTES = 150_000;

interface CommitAnswer {
  readonly signed_header: {
    readonly header: { readonly app_hash: string };
    readonly commit: { readonly block_id: { readonly hash: string } };
  };
}

/** Empty lists as null: what Go writes for some of those that it has read. */
function reread(answer: unknown): unknown {
  const text = JSON.stringify(answer, (_, value: unknown) =>
    Array.isArray(value) && value.length === 0 ? null : value,
  );
  return JSON.parse(text);
}

describe.skipIf(isCometBftAway)("the light client of CometBFT", () => {
  let network: TestNetwork;
  let primary: TestValidator;
  let folder: string;
  let child: ChildProcess | undefined;
  let url = "";
  let log = "";
  let sent: CommittedTx;
  let large: CommittedTx;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "weft-go-light-"));
    network = await createTestNetwork({ rollups: ["alpha"] });
    network.start(...network.validators.map(({ name }) => name));
    const [a, b, c] = network.validators;
    if (a === undefined || b === undefined || c === undefined) throw new Error("four validators");
    primary = a;
    await untilHeight(network.validators, TRUSTED);
    const trusted = await rpc<CommitAnswer>(a, "commit", { height: String(TRUSTED) });
    const sender = { clients: [a.client], key: network.owner };
    sent = await sendOne(sender, 0, { kind: "transfer", to: RECEIVER, amount: 7n });
    const data = new Uint8Array(LARGE_BYTES).fill(0x77);
    large = await sendOne(sender, 0, rollupData(rollupIdOfName("alpha"), [data]));
    await untilHeight(network.validators, LAST + 2);
    const [port = 0] = await freePorts(1);
    url = `http://127.0.0.1:${port}`;
    const { path: program } = await cometBft();
    const args = `light weft-e2e --verbose --primary ${a.rpc} --witnesses ${b.rpc},${c.rpc}
      --laddr tcp://127.0.0.1:${port} --height ${TRUSTED}
      --hash ${trusted.signed_header.commit.block_id.hash}`.split(/\s+/);
    const homes = ["--home", folder, "--home-dir", join(folder, "light")];
    child = spawn(program, [...args, ...homes]);
    child.stdout?.on("data", (chunk: Buffer) => (log += chunk.toString("utf8")));
    child.stderr?.on("data", (chunk: Buffer) => (log += chunk.toString("utf8")));
    await until("it answers", () => ask("health"));
  });
  afterAll(async () => {
    if (child !== undefined && child.exitCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    }
    await network.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function ask<T>(method: string, params: object = {}): Promise<T> {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    // One connection for each call: the proxy closes idle ones.
    const headers = { "content-type": "application/json", connection: "close" };
    const response = await fetch(url, { method: "POST", headers, body }).catch((cause: unknown) => {
      throw new Error(`${method}: no answer; it said: ${log.slice(-2_000)}`, { cause });
    });
    const { result, error } = (await response.json()) as {
      result?: T;
      error?: { data?: string };
    };
    if (error !== undefined) throw new Error(`${method}: ${error.data}`);
    return result as T;
  }

  /**
   * Asks for something at the newest height. Where the primary has that header and a witness not yet,
   * `light` sleeps for 30 s before it asks the witness again (`compareNewHeaderWithWitness`), and its own
   * server gives the request up after 11: the answer is lost, and asked for again.
   */
  async function askAgain<T>(method: string, params: object): Promise<T> {
    try {
      return await ask<T>(method, params);
    } catch (error) {
      if (!String(error).includes("no answer")) throw error;
      return await ask<T>(method, params);
    }
  }

  it("verifies headers over a stretch of heights that it skips, and backwards", async () => {
    for (const height of [LAST, LAST - 1, 20, TRUSTED + 1, TRUSTED, 1]) {
      const at = { height: String(height) };
      const commit = await ask<CommitAnswer>("commit", at);
      for (const node of network.validators) {
        const { signed_header: direct } = await rpc<CommitAnswer>(node, "commit", at);
        expect(commit.signed_header.header, `${node.name} ${height}`).toEqual(direct.header);
      }
      expect(commit.signed_header).toEqual(
        (await rpc<CommitAnswer>(primary, "commit", at)).signed_header,
      );
    }
    const skipped = /VerifyNonAdjacent|Verify non-adjacent/i.exec(log);
    expect(skipped, log.slice(-2_000)).not.toBeNull();
    expect(log).not.toMatch(/attack|diverge|invalid header/i);
  });

  it("gives what the node gives: blocks of several parts, validators, results, parameters", async () => {
    for (const { height } of [sent, large]) {
      const at = { height: String(height) };
      for (const method of ["block", "validators", "block_results", "consensus_params", "header"]) {
        expect(reread(await ask(method, at)), method).toEqual(
          reread(await rpc(primary, method, at)),
        );
      }
    }
    const block = await ask<{ block_id: { parts: { total: number } } }>("block", {
      height: String(large.height),
    });
    expect(block.block_id.parts.total).toBeGreaterThan(2);
    // It has to know each of them already: it verifies no other header of a range than the last.
    const range = { minHeight: "20", maxHeight: "20" };
    expect(await ask<{ block_metas: unknown }>("blockchain", range)).toMatchObject({
      block_metas: (await rpc<{ block_metas: unknown }>(primary, "blockchain", range)).block_metas,
    });
  });

  it("proves a transaction to be in its block", async () => {
    const hash = Buffer.from(sent.hash, "hex").toString("base64");
    const wanted = { hash, prove: true };
    expect(await ask("tx", wanted)).toEqual(await rpc(primary, "tx", wanted));
  });

  it("leads to the header that the application's proofs end in; those it cannot read itself", async () => {
    const query = { path: `/account/${formatAddress(RECEIVER)}`, data: "", prove: true };
    // It takes key paths of the Cosmos SDK's stores only; before it looks, it asks for the next header,
    // which does not exist yet, of a node or application that answers for its newest state.
    const limits = /can't build merkle key path|height requested is too high/;
    await expect(askAgain("abci_query", query)).rejects.toThrow(limits);
    const { response } = await rpc<{ response: unknown }>(primary, "abci_query", query);
    const { key, value, height, proofOps } = queryAnswerFromJson(new JsonNode(response));
    await untilHeight(network.validators, height + 1);
    const { signed_header: signed } = await ask<CommitAnswer>("commit", {
      height: String(height + 1),
    });
    const [proof] = proofOps;
    if (proof === undefined) throw new Error("there is no proof");
    const appHash = fromHex(signed.header.app_hash.toLowerCase());
    expect(value.length).toBeGreaterThan(0);
    expect(stateProofFault(appHash, key, value, proof.data)).toBeUndefined();
    expect(stateProofFault(appHash, key, undefined, proof.data)).toBeDefined();
  });
});

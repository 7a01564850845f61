/**
 * What the owner of a rollup does, with `weft` alone: sell the top of its blocks, watch what that earns, and claim it; beside
 * a bidder who pays out of escrow.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { formatAddress } from "../../proto/address.ts";
import { accountAddress } from "../../proto/codec/weft-tx.ts";
import { generateEd25519KeyPair } from "../../proto/verify/ed25519.ts";
import { readKeyFile, writeKeyFile } from "../../sequencer/ports/key-file.ts";
import {
  ENTRY,
  height,
  type TestNetwork,
  type TestValidator,
  until,
  validatorAt,
} from "../support/local-network.ts";
import { createSealedNetwork, untilKey } from "../support/sealed-network.ts";

const TIMEOUT_MS = 240_000;
const POLICY_DELAY = 3;
const RESERVE = 1_000_000n;
const BID = 20_000_000n;
const ESCROW = 300_000_000n;
/** Basis points of what a rollup's top earns that are the rollup's. */
const SHARE_BPS = 9_000n;

let network: TestNetwork;
let node: TestValidator;
let folder: string;
let bidderKey: string;
let bidder: string;

type Json = Readonly<Record<string, unknown>>;

/** A command that succeeds, with `--json`. */
function weft(...args: readonly string[]): Promise<Json> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [ENTRY, "--json", ...args], (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout) as Json);
      else reject(new Error(`${args.join(" ")}: ${stderr}${stdout}`));
    });
  });
}

const tx = (from: string, ...args: readonly string[]): Promise<Json> =>
  weft("tx", ...args, "--from", from, "--node", node.grpc);

const query = (...args: readonly string[]): Promise<Json> =>
  weft("query", ...args, "--rpc", `http://127.0.0.1:${node.rpcPort}`);

async function balance(address: string): Promise<bigint> {
  const answer = await weft("query", "account", address, "--node", node.grpc);
  return BigInt(String(answer["balance"]));
}

async function amountOf(name: string): Promise<bigint> {
  return BigInt(String((await query("revenue", "alpha"))[name]));
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "weft-mev-owner-"));
  network = await createSealedNetwork({
    rollups: ["alpha"],
    params: { policy_delay: POLICY_DELAY },
    config: { signature_workers: 0 },
  });
  network.start(...network.validators.map(({ name }) => name));
  await untilKey(network.validators);
  node = validatorAt(network, 0);
  bidderKey = join(folder, "bidder.json");
  writeKeyFile(bidderKey, generateEd25519KeyPair());
  bidder = formatAddress(accountAddress(readKeyFile(bidderKey).publicKey));
  await tx(network.ownerKeyFile, "transfer", bidder, String(10n * ESCROW));
  await tx(bidderKey, "escrow", "deposit", String(ESCROW));
}, TIMEOUT_MS);
afterAll(async () => {
  await network.close();
  rmSync(folder, { recursive: true, force: true });
});

it(
  "sells the top of its blocks from the height on that its policy says",
  async () => {
    expect(await query("escrow", bidder)).toMatchObject({ balance: String(ESCROW) });
    const bid = ["bid", "--group", "alpha", "--leg", "alpha=68690a", "--amount", String(BID)];
    await expect(tx(bidderKey, ...bid)).rejects.toThrow(/BID_GROUP|leads no auction/);
    const policy = `update-rollup alpha --auction on --reserve ${RESERVE} --revenue-share-bps ${SHARE_BPS}`;
    const changed = await tx(network.ownerKeyFile, ...policy.split(" "));
    const from = Number(changed["height"]) + POLICY_DELAY;
    await until("the policy is in force", async () => (await height(node)) >= from);
    const sent = await tx(bidderKey, ...bid);
    expect(sent["state"]).toBe("committed");
    const auction = await until("the auction is settled", async () => {
      const answer = await query("auction", "alpha", String(sent["height"]));
      return Number(answer["settledHeight"]) > 0 && answer;
    });
    expect(auction["winners"]).toMatchObject([{ price: String(BID), bidder }]);
    const status = await weft("query", "bundle", String(sent["id"]), "--node", node.grpc);
    expect(status).toMatchObject({ state: "INCLUDED" });
    expect(await query("escrow", bidder)).toMatchObject({ balance: String(ESCROW - BID) });
  },
  TIMEOUT_MS,
);

it(
  "sees what that has earned, and claims it once",
  async () => {
    const part = (BID * SHARE_BPS) / 10_000n;
    expect(await amountOf("auction")).toBe(part);
    const unclaimed = await amountOf("unclaimed");
    expect(unclaimed).toBeGreaterThanOrEqual(part);
    const owner = formatAddress(accountAddress(network.owner.publicKey));
    const before = await balance(owner);
    const claim = await tx(network.ownerKeyFile, "staking", "claim-revenue", "alpha");
    expect(claim).toMatchObject({
      from: owner,
      claimed: String(await amountOf("claimed")),
      unit: "nweft",
    });
    const after = await balance(owner);
    // Its own fee is all that it pays, and may come back to it in part.
    expect(after - before).toBeGreaterThan(unclaimed - FEE_MAX);
    expect(after - before).toBeLessThanOrEqual(unclaimed);
    expect(await amountOf("claimed")).toBeGreaterThanOrEqual(part);
    expect(await amountOf("unclaimed")).toBeLessThan(FEE_MAX);
    await expect(
      tx(bidderKey, "staking", "claim-revenue", "alpha"),
      "only the owner may",
    ).rejects.toThrow(/owner/);
  },
  TIMEOUT_MS,
);

/** nweft; far above the fee of one small transaction. */
const FEE_MAX = 1_000_000n;

/** Stake from the command line, as people use it: the built `weft` against a live network. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatAddress } from "../../proto/address.ts";
import { Height, Round } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { accountAddress } from "../../proto/codec/weft-tx.ts";
import { proposalSignBytes } from "../../proto/sign-bytes.ts";
import { generateEd25519KeyPair, signEd25519 } from "../../proto/verify/ed25519.ts";
import { ExitCode } from "../../sequencer/cli/exit-codes.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { readKeyFile, writeKeyFile } from "../../sequencer/ports/key-file.ts";
import { createTestNetwork, ENTRY, type TestNetwork, until } from "../support/local-network.ts";

const EPOCH = 5;
const DEPOSIT = 100_000_000_000n;

let network: TestNetwork;
let folder: string;
let node: string;
/** Account of the network's owner, as text. */
let owner: string;
let [first, second] = ["", ""];

interface Outcome {
  readonly code: number;
  readonly stderr: string;
  readonly value: Readonly<Record<string, unknown>>;
}

function weft(...args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [ENTRY, "--json", ...args], (error, stdout, stderr) => {
      const code = typeof error?.code === "number" ? error.code : 0;
      resolve({
        code,
        stderr,
        value: JSON.parse(stdout === "" ? "{}" : stdout) as Outcome["value"],
      });
    });
  });
}

/** A transaction of the owner, or of the key in `from`. */
async function tx(args: readonly string[], from = network.ownerKeyFile): Promise<void> {
  const { code, value, stderr } = await weft("tx", ...args, "--from", from, "--node", node);
  expect(code, `${args.join(" ")}: ${stderr}`).toBe(ExitCode.OK);
  expect(value["state"], args.join(" ")).toBe("committed");
}

/** What the chain answers to a transaction of the owner that it does not take. */
function refusal(...args: readonly string[]): Promise<Outcome> {
  return weft("tx", "staking", ...args, "--from", network.ownerKeyFile, "--node", node);
}

async function query(...args: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const { code, value, stderr } = await weft("query", ...args, "--node", node);
  expect(code, `${args.join(" ")}: ${stderr}`).toBe(ExitCode.OK);
  expect(value["height"], "answers say their height").toBeGreaterThan(0);
  return value;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "weft-staking-cli-"));
  network = await createTestNetwork({
    validators: 2,
    rollups: ["alpha"],
    params: { epoch_length: EPOCH },
    config: { "consensus.timeout_commit": "50ms" },
  });
  await network.startAll();
  const [validator, other] = network.validators;
  if (validator === undefined || other === undefined) throw new Error("the network is not there");
  node = validator.grpc;
  owner = formatAddress(accountAddress(readKeyFile(network.ownerKeyFile).publicKey));
  [first, second] = [addressOf(validator.home), addressOf(other.home)];
});
afterAll(async () => {
  await network.close();
  rmSync(folder, { recursive: true, force: true });
});

function addressOf(home: string): string {
  return toHex(accountAddress(readKeyFile(homeAt(home).validatorKeyFile).publicKey));
}

describe("stake from the command line", () => {
  it("delegates, moves, takes back and shows it; the set follows at the end of the epoch", async () => {
    const before = await query("staking", "validators");
    expect(before["next"]).toBe("");
    expect(before["validators"]).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ address: first, status: "bonded", power: "10" }),
        expect.objectContaining({ address: second, tokens: "10000000" }),
      ]),
    );

    await tx(["staking", "delegate", first, "5000000"]);
    const delegations = await query("staking", "delegations", owner);
    expect(delegations["delegations"]).toEqual([
      expect.objectContaining({ validator: first, delegator: owner, tokens: "5000000" }),
    ]);
    await until("the power follows the stake", async () => {
      const { power } = (await query("staking", "validator", first)) as { readonly power?: string };
      return power === "15";
    });

    await tx(["staking", "redelegate", first, second, "2000000"]);
    const moved = await query("staking", "redelegations", owner);
    expect(moved["redelegations"]).toEqual([
      expect.objectContaining({ source: first, destination: second }),
    ]);

    await tx(["staking", "undelegate", first, "1000000"]);
    const unbonding = (await query("staking", "unbondings", owner)) as {
      readonly unbondings?: readonly { readonly entries: readonly { readonly id: number }[] }[];
    };
    const id = unbonding.unbondings?.[0]?.entries[0]?.id;
    expect(unbonding.unbondings).toMatchObject([
      { validator: first, entries: [{ balance: "1000000" }] },
    ]);
    await tx(["staking", "cancel", first, String(id), "400000"]);
    expect(await query("staking", "unbondings", owner)).toMatchObject({
      unbondings: [{ entries: [{ id, balance: "600000" }] }],
    });
    const pools = await query("staking", "pools");
    expect(pools).toMatchObject({ notBonded: "600000", bonded: "24400000" });

    const refused = await refusal("undelegate", first, "9000000");
    expect(refused.code).toBe(ExitCode.REJECTED);
    expect(String(refused.value["error"])).toMatch(/9000000/);
  });

  it("pays rewards to where one wants them, and the community", async () => {
    const other = formatAddress(accountAddress(generateEd25519KeyPair().publicKey));
    await tx(["staking", "set-withdraw", other]);
    await until("fees have earned the delegation something", async () => {
      const { rewards } = (await query("rewards", owner)) as { readonly rewards?: string };
      return BigInt(rewards ?? 0) > 0n;
    });
    expect(await query("rewards", owner)).toMatchObject({ withdrawAddress: other });
    await tx(["staking", "withdraw-rewards", first]);
    const account = await weft("query", "account", other, "--node", node);
    expect(BigInt(String(account.value["balance"]))).toBeGreaterThan(0n);
    const { community } = await query("staking", "pools");
    await tx(["staking", "fund-community", "1000"]);
    const after = await query("staking", "pools");
    expect(BigInt(String(after["community"]))).toBeGreaterThanOrEqual(
      BigInt(String(community)) + 1_000n,
    );
    await tx(["rollup-data", "alpha", "aabb"]);
    await tx(["staking", "claim-revenue", "alpha"]);
  });

  it("registers a validator, edits it, gives it another key and retires it", async () => {
    const home = join(folder, "new-validator");
    const { genesisFile } = homeAt(network.validators[0]?.home ?? "");
    const made = await weft("init", "--home", home, "--genesis", genesisFile);
    expect(made.code, made.stderr).toBe(ExitCode.OK);
    const terms = ["--amount", "1000000", "--moniker", "third", "--home", home];
    const keyless = await refusal("create-validator", ...terms);
    expect(keyless.code).toBe(ExitCode.KEY);
    expect(keyless.value["error"]).toMatch(/weft keys validator --home/);
    const keys = await weft("keys", "validator", "--home", home);
    expect(keys.value["validator"]).toBe(addressOf(home));
    await tx(["staking", "create-validator", ...terms]);
    const third = addressOf(home);
    await tx(["staking", "edit-validator", third, "--moniker", "3rd", "--details", "of three"]);
    const keyFile = join(folder, "application.json");
    const key = generateEd25519KeyPair();
    writeKeyFile(keyFile, key);
    await tx(["staking", "rotate-key", third, "--application-key-file", keyFile]);
    await tx(["staking", "retire", third]);
    expect(await query("staking", "validator", third)).toMatchObject({
      moniker: "3rd",
      details: "of three",
      operator: owner,
      applicationKey: toHex(key.publicKey),
      retired: true,
    });
    const page = await query("staking", "validators", "--limit", "2");
    expect(page["validators"]).toHaveLength(2);
    const rest = await query("staking", "validators", "--after", String(page["next"]));
    expect(rest["validators"]).toHaveLength(1);
    const unknown = await weft("query", "staking", "validator", "ab".repeat(20), "--node", node);
    expect(unknown.code).toBe(ExitCode.NOT_FOUND);
    const jailed = await refusal("unjail", third);
    expect(jailed.code).toBe(ExitCode.REJECTED);
  });

  it("proposes, deposits and votes", async () => {
    const title = [
      "--title",
      "Longer epochs",
      "--param",
      "epochLength=7",
      "votingPeriodSeconds=60",
    ];
    await tx(["gov", "submit", ...title, "--deposit", String(DEPOSIT / 2n)]);
    const open = (await query("gov", "proposals")) as {
      readonly proposals?: readonly { readonly id: number }[];
    };
    expect(open.proposals).toMatchObject([{ id: 1, status: "deposit", title: "Longer epochs" }]);
    await tx(["gov", "deposit", "1", String(DEPOSIT / 2n)]);
    await tx(["gov", "vote", "1", "yes"]);
    expect(await query("gov", "proposal", "1")).toMatchObject({
      status: "voting",
      content: { kind: "parameters", changes: [{ name: "epochLength", value: "7" }, {}] },
      tally: { yes: expect.stringMatching(/^[45][0-9]{6}$/), no: "0" },
    });
    expect(await query("gov", "votes", "1")).toMatchObject({
      votes: [{ voter: owner, option: "yes" }],
    });
    expect(await query("gov", "tally", "1")).toMatchObject({
      yes: expect.stringMatching(/^[45][0-9]{6}$/),
      status: "rejected",
      reason: expect.stringMatching(/nweft voted/),
      partial: false,
    });
    expect(await query("gov", "deposits", "1")).toMatchObject({
      deposits: [{ depositor: owner, amount: String(DEPOSIT) }],
    });
    const [validator] = network.validators;
    const operator = homeAt(validator?.home ?? "").applicationKeyFile;
    await tx(["gov", "halt", first], operator);
    expect(await query("gov", "plans")).toMatchObject({
      upgrade: null,
      haltHeight: null,
      haltVotes: [{ validator: first }],
    });
    await tx(["gov", "halt", first, "--undo"], operator);
    expect(await query("gov", "plans")).toMatchObject({ haltVotes: [] });
  });

  it("shows the epoch, and any record with its proof over the JSON-RPC", async () => {
    const epoch = await query("staking", "epoch");
    expect(Number(epoch["lastHeight"])).toBe(Number(epoch["startHeight"]) + EPOCH - 1);
    expect(await query("staking", "evidence")).toMatchObject({ evidence: [], next: "" });
    const [validator] = network.validators;
    const path = `"/delegation/${first}/${owner}"`;
    const answer = await fetch(
      `${validator?.rpc}/abci_query?path=${encodeURIComponent(path)}&prove=true`,
    );
    const { result } = (await answer.json()) as {
      readonly result: {
        readonly response: {
          readonly info: string;
          readonly proofOps: { readonly ops: unknown[] };
        };
      };
    };
    expect(JSON.parse(result.response.info)).toMatchObject({ stake: expect.any(String) });
    expect(result.response.proofOps.ops).toHaveLength(1);
  });
});

describe("reflection", () => {
  it("names the services that a node serves, and no other", async () => {
    const client = new Client(node, credentials.createInsecure());
    const call = client.makeBidiStreamRequest(
      "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
      (request: Buffer) => request,
      (answer) => answer.toString("latin1"),
    );
    const answer = new Promise<string>((resolve, reject) => {
      call.once("data", resolve).once("error", reject);
    });
    // Field 7, list_services.
    call.write(Buffer.from([0x3a, 1, 0x2a]));
    const names = (await answer).match(/weft\.[a-z]+\.v1\.[A-Za-z]+/g);
    call.end();
    client.close();
    expect(names?.toSorted()).toEqual([
      "weft.mev.v1.MevService",
      "weft.rollup.v1.RollupService",
      "weft.staking.v1.StakingService",
    ]);
  });
});

describe("a fault that somebody reports", () => {
  it("costs the validator stake and its place, pays the reporter, and shows everywhere", async () => {
    const place = network.validators[1];
    const key = readKeyFile(homeAt(place?.home ?? "").validatorKeyFile);
    const { value: chain } = await weft("query", "chain", "--node", node);
    const height = Height(Number(chain["height"]) - 1);
    const proposal = (fill: number) => {
      const hash = new Uint8Array(32).fill(fill);
      const message = proposalSignBytes(String(chain["chainId"]), {
        height,
        round: Round(3),
        polRound: Round(-1),
        blockId: { hash, partSetHeader: { total: 1, hash } },
        timestamp: { seconds: 5n, nanos: 6 },
      });
      return {
        pol_round: -1,
        block_hash: toHex(hash),
        parts_total: 1,
        parts_hash: toHex(hash),
        time_seconds: 5,
        time_nanos: 6,
        signature: toHex(signEd25519(key, message)),
      };
    };
    const file = join(folder, "evidence.json");
    const rest = { consensus_key: toHex(key.publicKey), height, round: 3 };
    const write = (first: unknown, other: unknown): void => {
      const evidence = { kind: "duplicate-proposal", ...rest, first, second: other };
      writeFileSync(file, JSON.stringify(evidence));
    };
    write(proposal(1), proposal(1));
    const same = await refusal("submit-evidence", file);
    expect([same.code, same.value["error"]]).toEqual([
      ExitCode.REJECTED,
      expect.stringMatching(/same block/),
    ]);
    write(proposal(1), { ...proposal(2), signature: "00".repeat(64) });
    expect((await refusal("submit-evidence", file)).code).toBe(ExitCode.REJECTED);
    write(proposal(1), { ...proposal(2), signature: "00" });
    expect((await refusal("submit-evidence", file)).code).toBe(ExitCode.USAGE);

    const before = (await query("staking", "validator", second)) as { readonly tokens?: string };
    write(proposal(1), proposal(2));
    await tx(["staking", "submit-evidence", file]);
    const after = await query("staking", "validator", second);
    expect(after).toMatchObject({ jailed: true, tombstoned: true, power: "0" });
    const lost = BigInt(before.tokens ?? 0) - BigInt(String(after["tokens"]));
    const { evidence } = (await query("staking", "evidence")) as {
      readonly evidence?: readonly Readonly<Record<string, string>>[];
    };
    expect(evidence).toMatchObject([
      { route: "duplicate-proposal", validator: second, reporter: owner, height },
    ]);
    const { burned, reward } = evidence?.[0] ?? {};
    expect(lost).toBe((BigInt(before.tokens ?? 0) * 500n) / 10_000n);
    expect(BigInt(burned ?? 0) + BigInt(reward ?? 0)).toBe(lost);
    expect(BigInt(reward ?? 0)).toBe(lost / 10n);
    expect((await query("staking", "pools"))["burned"]).toBe(burned);
    expect((await refusal("submit-evidence", file)).code).toBe(ExitCode.REJECTED);

    const page = await (await fetch(network.validators[0]?.metrics ?? "")).text();
    expect(page).toContain('weft_staking_slashes_total{reason="duplicate-proposal"} 1');
    expect(page).toContain(`weft_staking_validator_jailed{validator="${second.toUpperCase()}"} 2`);
    // The other validator goes on alone.
    await tx(["transfer", owner, "1"]);
  });
});

describe("a network with unequal powers", () => {
  it("has them in genesis, and refuses powers that fit nobody", async () => {
    const output = join(folder, "testnet");
    const asked = ["testnet", "--validators", "3", "--output", output];
    const early = await weft(...asked, "--param", "unbondingSeconds=60");
    expect(early.code).toBe(ExitCode.USAGE);
    expect(early.value["error"]).toMatch(/unbondingSeconds 60 is not above/);
    const params = ["--param", "epochLength=7", "proposalDepositMin=1000"];
    const made = await weft(...asked, "--powers", "10,20,70", ...params);
    expect(made.code, made.stderr).toBe(ExitCode.OK);
    const genesis = JSON.parse(
      readFileSync(homeAt(join(output, "validator-0")).genesisFile, "utf8"),
    ) as {
      readonly validators: readonly { readonly power: string }[];
      readonly app_state: { readonly params: unknown };
    };
    // Amounts are text in genesis, numbers are numbers.
    const written = { epoch_length: 7, proposal_deposit_min: "1000" };
    expect(genesis.app_state.params).toEqual(written);
    expect(genesis.validators.map(({ power }) => power)).toEqual(["10", "20", "70"]);
    const again = await weft(...asked);
    expect(again.value["error"]).toMatch(/power of validator 1: 20 is there, 10 was asked for/);
    expect((await weft(...asked, "--powers", "1,2")).code).toBe(ExitCode.USAGE);
    expect((await weft(...asked, "--powers", "1,2,x")).code).toBe(ExitCode.USAGE);
  });
});

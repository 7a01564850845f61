/**
 * Governance as a network lives it: real transactions of real operators, and what nodes do when the chain
 * is halted on purpose or needs other software. On either engine.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Height } from "../../proto/brands.ts";
import { ProposalStatus } from "../../proto/codec/governance-state.ts";
import { type ProposalContent, VoteOption } from "../../proto/codec/governance-tx.ts";
import { type Action, accountAddress } from "../../proto/codec/weft-tx.ts";
import { type Ed25519KeyPair, generateEd25519KeyPair } from "../../proto/verify/ed25519.ts";
import { ExitCode } from "../../sequencer/cli/exit-codes.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import { configureHome } from "../support/home-changes.ts";
import {
  createTestNetwork,
  height,
  metric,
  rpc,
  type TestNetwork,
  type TestValidator,
  until,
  untilHeight,
} from "../support/local-network.ts";
import { sendOne } from "../support/traffic.ts";

const DEPOSIT = 1_000_000n;
const TIMEOUT_MS = 120_000;

let network: TestNetwork;

afterEach(async ({ task }) => {
  if (task.result?.state === "fail") process.stderr.write(await network.report());
});

async function send(key: Ed25519KeyPair, action: Action): Promise<void> {
  const clients = network.validators.map(({ client }) => client);
  await sendOne({ clients, key }, 0, action);
}

function propose(title: string, content: ProposalContent): Promise<void> {
  const action = { kind: "submitProposal", title, summary: "", content, deposit: DEPOSIT } as const;
  return send(network.owner, action);
}

function operator({ home }: TestValidator): Ed25519KeyPair {
  return readKeyFile(homeAt(home).applicationKeyFile);
}

/** A path of the state, as a node tells it; undefined when nothing is there. */
async function state(
  node: TestValidator,
  path: string,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const { response } = await rpc<{ response: { info: string } }>(node, "abci_query", { path });
  if (response.info === "") return undefined;
  return JSON.parse(response.info) as Readonly<Record<string, unknown>>;
}

/** Resolves when every node shows the proposal in that status. */
async function untilStatus(id: number, status: ProposalStatus): Promise<void> {
  for (const node of network.validators) {
    await until(`${node.name} has proposal ${id} in status ${status}`, async () => {
      const proposal = await state(node, `/proposal/${id}`);
      return proposal?.["status"] === status;
    });
  }
}

async function health(node: TestValidator): Promise<Readonly<Record<string, unknown>>> {
  const answer = await fetch(node.metrics.replace("/metrics", "/health"));
  return { code: answer.status, ...((await answer.json()) as object) };
}

describe("four validators", () => {
  beforeAll(async () => {
    network = await createTestNetwork({
      params: {
        epoch_length: 5,
        proposal_deposit_min: DEPOSIT.toString(),
        voting_period_seconds: 10,
        timelock_seconds: 1,
      },
    });
    await network.startAll();
  }, TIMEOUT_MS);
  afterAll(() => network.close());

  it(
    "decide by votes of stake: a parameter on every node, a payment, and a veto that costs the deposit",
    async () => {
      const payee = accountAddress(generateEd25519KeyPair().publicKey);
      await send(network.owner, { kind: "fundCommunity", amount: 5_000n });
      const changes = [{ name: "unbondingEntriesMax", value: 5n }];
      await propose("Fewer entries", { kind: "parameters", changes });
      await propose("Nonsense", { kind: "text" });
      await propose("A grant", { kind: "communitySpend", to: payee, amount: 1_234n });
      const options = [VoteOption.YES, VoteOption.VETO, VoteOption.YES];
      const voters = network.validators.slice(0, 3).map(operator);
      await Promise.all(
        voters.flatMap((key) =>
          options.map((option, i) => send(key, { kind: "vote", proposal: i + 1, option })),
        ),
      );
      const [first] = network.validators;
      if (first === undefined) throw new Error("there are validators");
      expect((await state(first, "/params"))?.["unbondingEntriesMax"]).toBe(7);
      await untilStatus(2, ProposalStatus.VETOED);
      await untilStatus(1, ProposalStatus.EXECUTED);
      await untilStatus(3, ProposalStatus.EXECUTED);
      for (const node of network.validators) {
        expect((await state(node, "/params"))?.["unbondingEntriesMax"], node.name).toBe(5);
        expect(await state(node, "/supply"), node.name).toMatchObject({
          governanceDeposits: "0",
          burned: DEPOSIT.toString(),
        });
        expect((await node.client.account(payee)).balance, node.name).toBe(1_234n);
      }
    },
    TIMEOUT_MS,
  );

  it(
    "halt the chain, answer while it stands, and go on when three of them are told to",
    async () => {
      const { validators } = network;
      const asking = validators.slice(0, 3);
      await Promise.all(
        asking.map((node) => {
          const key = readKeyFile(homeAt(node.home).validatorKeyFile);
          const validator = accountAddress(key.publicKey);
          return send(operator(node), { kind: "voteHalt", validator, halt: true });
        }),
      );
      const halted = await until("the chain is halted", async () => {
        const [first] = validators;
        const record = first && (await state(first, "/halt"));
        return record && Number(record["height"]);
      });
      for (const node of validators) {
        await until(`${node.name} says that it is halted`, async () => {
          const { status } = await health(node);
          return status === "halted";
        });
        // Rounds go by, and none of them decides.
        await until(`${node.name} is in a later round`, async () => {
          const { round_state: round } = await rpc<{
            round_state: { readonly "height/round/step": string };
          }>(node, "consensus_state");
          const [at, number] = round["height/round/step"].split("/").map(Number);
          return at === halted + 1 && (number ?? 0) >= 2;
        });
        expect(await height(node), node.name).toBe(halted);
        expect(await health(node), node.name).toMatchObject({
          code: 200,
          height: halted,
          reason: expect.stringContaining(`--resume-after-halt ${halted}`),
        });
        expect(await metric(node.metrics, "weft_governance_halted"), node.name).toBe(1);
        expect(readFileSync(join(node.home, "node.log"), "utf8")).toContain("halted on purpose");
      }

      for (const place of asking) {
        expect(await network.end(place.name, "SIGTERM")).toContain("exit code 0");
        configureHome(place, { resume_after_halt: halted });
        network.start(place.name);
      }
      // The last one was not told: it follows, and votes again.
      await untilHeight(validators, halted + 3, 60_000);
      for (const node of validators) {
        await until(
          `${node.name} is ready`,
          async () => (await health(node))["status"] === "ready",
        );
        expect(await metric(node.metrics, "weft_governance_halted"), node.name).toBe(0);
      }
    },
    TIMEOUT_MS,
  );
});

describe("a planned upgrade", () => {
  beforeAll(async () => {
    network = await createTestNetwork({
      validators: 1,
      params: {
        proposal_deposit_min: DEPOSIT.toString(),
        voting_period_seconds: 2,
        timelock_seconds: 0,
      },
    });
    await network.startAll();
  }, TIMEOUT_MS);
  afterAll(() => network.close());

  it(
    "ends software that does not know it before its height, with a code of its own, and keeps it from starting",
    async () => {
      const [node] = network.validators;
      if (node === undefined) throw new Error("there is a validator");
      const at = Height((await height(node)) + 90);
      await propose("Version 2", { kind: "upgrade", name: "v2", height: at, info: "see notes" });
      await send(operator(node), { kind: "vote", proposal: 1, option: VoteOption.YES });
      await untilStatus(1, ProposalStatus.EXECUTED);
      await until("the node warns of it", async () => {
        return (await metric(node.metrics, "weft_governance_upgrade_height")) === at;
      });
      expect(await network.untilEnded(node.name)).toContain(`exit code ${ExitCode.UPGRADE}`);
      network.start(node.name);
      expect(await network.untilEnded(node.name)).toContain(`exit code ${ExitCode.UPGRADE}`);
      const log = readFileSync(join(node.home, "node.log"), "utf8");
      expect(log).toContain(`blocks from height ${at} on need the upgrade "v2" (see notes)`);
    },
    TIMEOUT_MS,
  );
});

/**
 * A validator's double vote, reported to one node of a running network over RPC: gossiped, committed by a
 * block of another node, and handed to the application, once, whatever else is reported of it.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { Height } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { evidenceToJson } from "../../proto/json.ts";
import type { DuplicateVoteEvidence } from "../../proto/types.ts";
import { ed25519Address } from "../../proto/verify/ed25519.ts";
import { makeLightClientAttackEvidence } from "../../proto/verify/light-client-attack.ts";
import { keyFromBytes } from "../../sequencer/engine/privval/key-file.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import { createCometRpcClient } from "../../sequencer/ports/comet-rpc/client.ts";
import { createRpcLightProvider } from "../../sequencer/ports/comet-rpc/light-provider.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { doubleVoteOf } from "../support/double-vote.ts";
import { forge, setOf } from "../support/forks.ts";
import { eventsAt } from "../support/live-stake.ts";
import {
  createTestNetwork,
  rpc,
  type TestNetwork,
  type TestValidator,
  until,
  untilHeight,
  validatorAt,
} from "../support/local-network.ts";

const POWER = 10n;

let network: TestNetwork;
beforeAll(async () => {
  network = await createTestNetwork();
  await network.startAll();
  await untilHeight(network.validators, 3);
});
afterAll(() => network.close());

interface RpcBlock {
  readonly block: {
    readonly header: {
      readonly height: string;
      readonly time: string;
      readonly proposer_address: string;
    };
    readonly evidence: { readonly evidence: readonly unknown[] };
  };
}

/** What the traitor could have signed. */
function doubleVote(traitor: TestValidator, round: number): Promise<DuplicateVoteEvidence> {
  const power = { one: POWER, all: POWER * 4n };
  return doubleVoteOf({ ...traitor, chainId: "weft-e2e" }, { round, power });
}

async function report(to: TestValidator, evidence: DuplicateVoteEvidence): Promise<string> {
  const params = { evidence: evidenceToJson(evidence) };
  return (await rpc<{ hash: string }>(to, "broadcast_evidence", params)).hash;
}

/** Heights whose results tell of misbehaviour, as the application's events are indexed. */
async function punishedHeights(at: TestValidator): Promise<readonly string[]> {
  const found = await rpc<{
    blocks: readonly { readonly block: { readonly header: { readonly height: string } } }[];
  }>(at, "block_search", { query: "misbehavior.type='duplicateVote'", order_by: "asc" });
  return found.blocks.map(({ block }) => block.header.height);
}

it("a double vote reported at one node stands in a block of another and reaches the application", async () => {
  const reporter = validatorAt(network, 0);
  const traitor = validatorAt(network, 3);
  const own = toHex(
    ed25519Address(readKeyFile(homeAt(reporter.home).validatorKeyFile).publicKey),
  ).toUpperCase();
  const others = validatorAt(network, 1);
  const proposers: string[] = [];
  const heights: string[] = [];
  // Whose turn it is when the report comes is chance; the next report meets the next proposer.
  for (let round = 0; proposers.every((one) => one === own) && round < 12; round++) {
    const evidence = await doubleVote(traitor, round);
    await report(reporter, evidence);
    const found = await until(
      "the evidence stands in a block",
      async () => {
        const all = await punishedHeights(others);
        return all.length > heights.length && all;
      },
      30_000,
    );
    heights.splice(0, heights.length, ...found);
    const { block } = await rpc<RpcBlock>(others, "block", { height: found.at(-1) ?? "" });
    expect(block.evidence.evidence).toEqual([JSON.parse(JSON.stringify(evidenceToJson(evidence)))]);
    proposers.push(block.header.proposer_address);
  }
  expect(proposers.some((one) => one !== own)).toBe(true);

  const validator = toHex(
    ed25519Address(readKeyFile(homeAt(traitor.home).validatorKeyFile).publicKey),
  ).toUpperCase();
  // The first piece costs the traitor its place for good; those that follow are told all the same.
  for (const [i, height] of heights.entries()) {
    const told = await eventsAt(others, Number(height));
    expect(told.slice(0, 2), height).toMatchObject([
      {
        type: "misbehavior",
        attributes: { type: "duplicateVote", validator, height: "2", power: "10" },
      },
      i === 0
        ? { type: "slash", attributes: { validator, reason: "duplicate-vote", burned: "500000" } }
        : { type: "evidence_ignored", attributes: { validator, code: "VALIDATOR_TOMBSTONED" } },
    ]);
    expect(told.filter(({ type }) => type === "tombstone")).toHaveLength(i === 0 ? 1 : 0);
  }
}, 60_000);

it("the same offence is not taken twice, and what proves nothing not at all", async () => {
  const reporter = validatorAt(network, 1);
  const evidence = await doubleVote(validatorAt(network, 3), 0);
  const before = await punishedHeights(reporter);
  // Another index is another piece for CometBFT: no signature covers it.
  const copy = { ...evidence, voteA: { ...evidence.voteA, validatorIndex: 0 } };
  await report(reporter, { ...copy, voteB: { ...evidence.voteB, validatorIndex: 0 } });
  const fresh = await doubleVote(validatorAt(network, 3), 50);
  const voteB = { ...fresh.voteB, signature: new Uint8Array(64) };
  await expect(report(reporter, { ...fresh, voteB })).rejects.toThrow(
    /failed to add evidence: a signature does not verify/,
  );
  const status = await rpc<{ sync_info: { latest_block_height: string } }>(reporter, "status");
  const goal = Number(status.sync_info.latest_block_height) + 5;
  await until("five more blocks", async () => {
    const now = await rpc<{ sync_info: { latest_block_height: string } }>(reporter, "status");
    return Number(now.sync_info.latest_block_height) >= goal;
  });
  expect(await punishedHeights(reporter)).toEqual(before);
}, 60_000);

it("an attack on light clients blames each validator that signed the forged block", async () => {
  const clients = network.validators.map(({ rpc: url }) => createCometRpcClient(url));
  try {
    const [witness, other] = clients;
    if (witness === undefined || other === undefined) throw new Error("there are four nodes");
    const provider = createRpcLightProvider(witness, createSystemClock());
    const [common, trusted] = await Promise.all([
      provider.lightBlock(Height(1)),
      provider.lightBlock(Height(3)),
    ]);
    const traitors = [2, 3].map((i) =>
      keyFromBytes(readKeyFile(homeAt(validatorAt(network, i).home).validatorKeyFile).privateKey),
    );
    const conflicting = forge(trusted, {
      signers: traitors,
      validators: setOf(traitors),
      header: { appHash: sha256(utf8ToBytes("a state that never was")) },
      chainId: "weft-e2e",
    });
    const evidence = makeLightClientAttackEvidence(conflicting, trusted, common);
    expect(evidence.byzantineValidators.length).toBe(2);
    await provider.reportEvidence(evidence);

    const at = validatorAt(network, 1);
    const query = "misbehavior.type='lightClientAttack'";
    const height = await until("the evidence stands in a block", async () => {
      const { blocks } = await rpc<{ blocks: readonly RpcBlock[] }>(at, "block_search", { query });
      return blocks[0]?.block.header.height;
    });
    const { block } = await rpc<RpcBlock>(at, "block", { height });
    expect(block.evidence.evidence).toEqual([JSON.parse(JSON.stringify(evidenceToJson(evidence)))]);
    const told = await eventsAt(at, Number(height));
    expect(told.filter(({ type }) => type === "misbehavior")).toMatchObject(
      evidence.byzantineValidators.map(({ address }) => ({
        attributes: {
          type: "lightClientAttack",
          validator: toHex(address).toUpperCase(),
          height: "1",
          power: "10",
        },
      })),
    );
    // One of them had signed votes twice before, and has nothing more to lose.
    const [fresh, former] = [2, 3].map((i) =>
      toHex(
        ed25519Address(
          readKeyFile(homeAt(validatorAt(network, i).home).validatorKeyFile).publicKey,
        ),
      ).toUpperCase(),
    );
    expect(told.filter(({ type }) => type === "slash")).toMatchObject([
      { attributes: { validator: fresh, reason: "light-client-attack", burned: "500000" } },
    ]);
    expect(told.filter(({ type }) => type === "evidence_ignored")).toMatchObject([
      { attributes: { validator: former, code: "VALIDATOR_TOMBSTONED" } },
    ]);
    // What differs in the order of signers or in who says so is the same offence.
    await createRpcLightProvider(other, createSystemClock()).reportEvidence(evidence);
  } finally {
    for (const client of clients) client.close();
  }
}, 60_000);

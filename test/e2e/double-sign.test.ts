/**
 * A validator of a running network really signs twice. Nobody reports it: those who count the votes find
 * it, make the evidence, commit it, and every application is told.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { toHex } from "../../proto/bytes.ts";
import { isNilBlockId } from "../../proto/codec/canonical.ts";
import { SignedMsgType } from "../../proto/types.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { loadOrCreateNodeKey } from "../../sequencer/p2p/node-key.ts";
import {
  type CommittedEvidence,
  createDoubleSigningNetwork,
  type DoubleSigningNetwork,
  provokeEvidence,
} from "../support/double-signer.ts";
import type { Offence } from "../support/double-signing.ts";
import { metric, rpc, type TestValidator, until, untilHeight } from "../support/local-network.ts";

const TIMEOUT_MS = 120_000;

let network: DoubleSigningNetwork;
beforeAll(async () => {
  network = await createDoubleSigningNetwork({
    validators: 6,
    doubleSigners: 3,
    config: { log_format: "json" },
  });
  await network.startAll();
}, TIMEOUT_MS);
afterAll(() => network.close());

/** How a node came to know of the offence: its log has one line for each, when it has learnt of it. */
async function sourceOf({ name, home }: TestValidator, { first }: Offence): Promise<string> {
  return await until(`${name} knows of the offence`, async () => {
    const lines = readFileSync(join(home, "node.log"), "utf8").split("\n").slice(0, -1);
    const found = lines
      .filter((line) => line.includes("evidence of misbehaviour"))
      .map((line) => JSON.parse(line) as { readonly height: number; readonly source: string })
      .filter(({ height }) => height === first.height)
      .map(({ source }) => source);
    expect(found.length, `${name}: ${found.join()}`).toBeLessThan(2);
    return found[0];
  });
}

function sourcesOf(nodes: readonly TestValidator[], offence: Offence): Promise<readonly string[]> {
  return Promise.all(nodes.map((node) => sourceOf(node, offence)));
}

/** Every node, the offender's own among them, tells its application the same. */
async function expectPunished(
  { first }: Offence,
  { height, evidence }: CommittedEvidence,
): Promise<void> {
  const [witness] = network.honest;
  if (witness === undefined) throw new Error("there are honest validators");
  const at = { height: String(first.height) };
  const { block } = await rpc<{ block: { header: { time: string } } }>(witness, "block", at);
  const { validators } = await rpc<{ validators: readonly { voting_power: string }[] }>(
    witness,
    "validators",
    at,
  );
  const total = validators.reduce((sum, { voting_power: power }) => sum + Number(power), 0);
  expect(evidence).toMatchObject({
    type: "tendermint/DuplicateVoteEvidence",
    value: {
      TotalVotingPower: String(total),
      ValidatorPower: "10",
      Timestamp: block.header.time,
    },
  });
  await untilHeight(network.validators, height + 1);
  for (const node of network.validators) {
    const { finalize_block_events: events } = await rpc<{
      finalize_block_events: readonly { readonly type: string }[];
    }>(node, "block_results", { height: String(height) });
    expect(
      events.filter(({ type }) => type === "misbehavior"),
      node.name,
    ).toMatchObject([
      {
        attributes: [
          { key: "type", value: "duplicateVote" },
          { key: "validator", value: toHex(first.validatorAddress).toUpperCase() },
          { key: "height", value: String(first.height) },
          { key: "power", value: "10" },
        ],
      },
    ]);
  }
}

function doubleSignerAt(index: number): TestValidator {
  const node = network.doubleSigners[index];
  if (node === undefined) throw new Error(`there is no double signer ${index}`);
  return node;
}

/** Pieces that blocks held, as the nodes' engines and applications count them. */
async function committed(): Promise<readonly number[]> {
  return Promise.all(
    network.validators.map(async ({ name, metrics }) => {
      const pieces = await metric(metrics, "weft_evidence_total", 'outcome="committed"');
      const told = await metric(metrics, "weft_app_misbehavior_total", 'type="duplicateVote"');
      expect(told, name).toBe(pieces);
      return pieces;
    }),
  );
}

it(
  "prevotes a block and nil: who counts the votes finds it, and one block holds it",
  async () => {
    const doubleSigner = doubleSignerAt(0);
    const { offence, ...found } = await provokeEvidence(doubleSigner, network.validators);
    const { first, second } = offence;
    expect([first.type, second.type]).toEqual([SignedMsgType.PREVOTE, SignedMsgType.PREVOTE]);
    expect([first, second].filter(({ blockId }) => isNilBlockId(blockId))).toHaveLength(1);
    await expectPunished(offence, found);
    expect(await sourcesOf(network.honest, offence)).toContain("own observation");
    expect(await sourceOf(doubleSigner, offence)).not.toBe("own observation");
    expect(await committed()).toEqual(Array(6).fill(1));
  },
  TIMEOUT_MS,
);

it(
  "is told of by the only node that got both votes",
  async () => {
    const [witness, ...others] = network.honest;
    if (witness === undefined) throw new Error("there are honest validators");
    const { id } = loadOrCreateNodeKey(homeAt(witness.home).nodeKeyFile);
    const order = { secondTo: [id] };
    const { offence, ...found } = await provokeEvidence(
      doubleSignerAt(1),
      network.validators,
      order,
    );
    await expectPunished(offence, found);
    expect(await sourceOf(witness, offence)).toBe("own observation");
    expect(await sourcesOf(others, offence)).not.toContain("own observation");
  },
  TIMEOUT_MS,
);

it(
  "precommits a block and nil: the same",
  async () => {
    const order = { type: "precommit" } as const;
    const { offence, ...found } = await provokeEvidence(
      doubleSignerAt(2),
      network.validators,
      order,
    );
    expect(offence.first.type).toBe(SignedMsgType.PRECOMMIT);
    await expectPunished(offence, found);
    expect(await committed()).toEqual(Array(6).fill(3));
  },
  TIMEOUT_MS,
);

/**
 * Validators that really sign twice before nodes of both kinds: whoever counts both votes makes the evidence
 * himself, and the other kind takes it.
 */
import { copyFileSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toHex } from "../../../proto/bytes.ts";
import { homeAt } from "../../../sequencer/node/home.ts";
import { compareChains } from "../../support/chain-comparison.ts";
import { isCometBftAway } from "../../support/cometbft.ts";
import { DOUBLE_SIGNER, provokeEvidence } from "../../support/double-signer.ts";
import type { OffenceOrder } from "../../support/double-signing.ts";
import { rpc, until } from "../../support/local-network.ts";
import {
  createMixedNetwork,
  type EngineKind,
  heightOf,
  type MixedNetwork,
  type MixedNode,
  untilHeights,
} from "../../support/mixed-network.ts";
import { startMixedTraffic } from "../../support/mixed-traffic.ts";

const TIMEOUT_MS = 240_000;
const ROLLUP = "alpha";
const KINDS: readonly EngineKind[] = ["weft", "cometbft"];

/** Heights of offences for which the node itself counted both votes, as its log tells. */
function observed({ kind, logFile }: MixedNode): readonly number[] {
  const lines = readFileSync(logFile, "utf8").split("\n").slice(0, -1);
  if (kind === "cometbft") {
    // "Verified", with a capital, is said of what others sent.
    return lines
      .filter((line) => line.includes('"verified new evidence of byzantine behavior"'))
      .map((line) => Number(/ (\d+)\/\d+\/SIGNED_MSG_TYPE_/.exec(line)?.[1]));
  }
  return lines
    .filter((line) => line.includes('"source":"own observation"'))
    .map((line) => (JSON.parse(line) as { readonly height: number }).height);
}

/** Misbehaviour that every application was told of in the block at `height`, as [type, validator, height]. */
async function punishedAt(
  nodes: readonly MixedNode[],
  height: number,
): Promise<readonly (readonly string[])[]> {
  const answers = await Promise.all(
    nodes.map((node) => rpc<ResultsAnswer>(node, "block_results", { height: String(height) })),
  );
  const told = answers.map(({ finalize_block_events: events }) =>
    // Go says null for none.
    (events ?? [])
      .filter(({ type }) => type === "misbehavior")
      .map(({ attributes }) =>
        attributes.filter(({ key }) => key !== "power").map(({ value }) => value),
      ),
  );
  for (const [i, one] of told.entries()) expect(one, nodes[i]?.name).toEqual(told[0]);
  return told[0] ?? [];
}

interface ResultsAnswer {
  readonly finalize_block_events:
    | readonly {
        readonly type: string;
        readonly attributes: readonly { readonly key: string; readonly value: string }[];
      }[]
    | null;
}

describe.skipIf(isCometBftAway)("a TypeScript validator that signs twice", () => {
  let network: MixedNetwork;
  const doubleSigner = (): MixedNode => nodeAt(network, 1);
  beforeAll(async () => {
    network = await createMixedNetwork({
      validators: ["weft", "weft", "cometbft", "cometbft"],
      programs: { 1: DOUBLE_SIGNER },
      config: { log_format: "json" },
    });
    await Promise.all(network.validators.map((node) => node.start()));
    await untilHeights(network.validators, 2, TIMEOUT_MS);
  }, TIMEOUT_MS);
  afterAll(() => network.close());

  test.each<[kind: EngineKind, type: NonNullable<OffenceOrder["type"]>]>([
    ["cometbft", "prevote"],
    ["cometbft", "precommit"],
    ["weft", "prevote"],
  ])(
    "before %s nodes alone, with a %s: they find it, and all commit it",
    async (kind, type) => {
      const witnesses = network.validators.filter(
        (node) => node.kind === kind && node !== doubleSigner(),
      );
      const secondTo = witnesses.map(({ peerAddress }) => peerAddress.split("@")[0] ?? "");
      const order = { type, secondTo };
      const { offence, height } = await provokeEvidence(doubleSigner(), network.validators, order);
      const { first } = offence;
      await untilHeights(network.validators, height + 1, TIMEOUT_MS);
      const address = toHex(first.validatorAddress).toUpperCase();
      expect(await punishedAt(network.validators, height)).toContainEqual([
        "duplicateVote",
        address,
        String(first.height),
      ]);
      expect(witnesses.flatMap(observed)).toContain(first.height);
      const others = network.validators.filter((node) => !witnesses.includes(node));
      expect(others.flatMap(observed)).not.toContain(first.height);
    },
    TIMEOUT_MS,
  );

  test(
    "is told of once for each offence, whoever found it, in one chain",
    async () => {
      const at = await heightOf(doubleSigner());
      // Long enough for every proposer to add what it still has.
      await untilHeights(network.validators, at + 6, TIMEOUT_MS);
      const { heights } = await compareChains(network.validators);
      const told: string[] = [];
      for (let height = 1; height <= heights; height++) {
        const pieces = await punishedAt(network.validators, height);
        told.push(...pieces.map((piece) => piece.join(" ")));
      }
      expect(told).toEqual([...new Set(told)]);
      expect(told.length).toBeGreaterThan(2);
    },
    TIMEOUT_MS,
  );
});

/** An operator's mistake: a second machine is started with the validator's key, on the other engine. */
describe.skipIf(isCometBftAway)("one validator's key on a Go node and on a TypeScript node", () => {
  let network: MixedNetwork;
  let twins: readonly [MixedNode, MixedNode];
  beforeAll(async () => {
    network = await createMixedNetwork({
      validators: ["cometbft", "cometbft", "weft", "weft"],
      followers: [
        // Ours proposes faster, and CometBFT would vote for what it got instead of its own.
        { name: "twin", kind: "weft", config: { "consensus.timeout_commit": "150ms" } },
      ],
      rollups: [ROLLUP],
      // What one twin has in its block, the other has not.
      config: { log_format: "json", "mempool.broadcast": false },
    });
    const [twin] = network.followers;
    if (twin === undefined) throw new Error("there is no twin");
    twins = [nodeAt(network, 0), twin];
    const [from, to] = twins.map(({ home }) => homeAt(home));
    if (from === undefined || to === undefined) throw new Error("there are no homes");
    copyFileSync(from.validatorKeyFile, to.validatorKeyFile);
    copyFileSync(from.applicationKeyFile, to.applicationKeyFile);
    await Promise.all(network.nodes.map((node) => node.start()));
    await untilHeights(network.nodes, 2, TIMEOUT_MS);
  }, TIMEOUT_MS);
  afterAll(() => network.close());

  test(
    "contradict each other in public, and both kinds find it",
    async () => {
      const [original] = twins;
      const honest = network.validators.filter((node) => node !== original);
      const traffic = startMixedTraffic({
        nodes: network.nodes,
        owner: network.owner,
        rollup: ROLLUP,
        bytes: 1_000,
        inFlight: 6,
      });
      await until(
        "nodes of both kinds have counted votes that contradict each other",
        async () =>
          KINDS.every((kind) => honest.some((n) => n.kind === kind && observed(n).length > 0)),
        TIMEOUT_MS,
      );
      const offences = new Set(honest.flatMap(observed).map(String));
      let height = 0;
      await until(
        "blocks hold evidence of all of them",
        async () => {
          await untilHeights(network.nodes, height + 2, TIMEOUT_MS);
          height += 1;
          for (const [type, address, at = ""] of await punishedAt(network.nodes, height)) {
            expect([type, address]).toEqual(["duplicateVote", original.validatorAddress]);
            offences.delete(at);
          }
          return offences.size === 0;
        },
        TIMEOUT_MS,
      );
      await traffic.stop();
      expect((await compareChains(network.nodes)).heights).toBeGreaterThan(height);
    },
    TIMEOUT_MS,
  );
});

function nodeAt({ validators }: MixedNetwork, index: number): MixedNode {
  const node = validators[index];
  if (node === undefined) throw new Error(`there is no validator ${index}`);
  return node;
}

/**
 * Validators that really sign twice before nodes of both kinds: whoever counts both votes makes the evidence
 * himself, and the other kind takes it.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toHex } from "../../../proto/bytes.ts";
import { compareChains } from "../../support/chain-comparison.ts";
import { isCometBftAway } from "../../support/cometbft.ts";
import { DOUBLE_SIGNER, provokeEvidence, shareKeys } from "../../support/double-signer.ts";
import type { OffenceOrder } from "../../support/double-signing.ts";
import { metric, rpc, until, validatorAt } from "../../support/local-network.ts";
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

/** One for each offence. */
const DOUBLE_SIGNERS: readonly number[] = [1, 2];

describe.skipIf(isCometBftAway)("a TypeScript validator that signs twice", () => {
  let network: MixedNetwork;
  beforeAll(async () => {
    network = await createMixedNetwork({
      validators: ["weft", "weft", "weft", "cometbft", "cometbft"],
      programs: Object.fromEntries(DOUBLE_SIGNERS.map((i) => [i, DOUBLE_SIGNER])),
      config: { log_format: "json" },
    });
    await Promise.all(network.validators.map((node) => node.start()));
    await untilHeights(network.validators, 2, TIMEOUT_MS);
  }, TIMEOUT_MS);
  afterAll(() => network.close());

  test.each<[kind: EngineKind, type: NonNullable<OffenceOrder["type"]>, offender: number]>([
    ["cometbft", "precommit", 1],
    ["weft", "prevote", 2],
  ])(
    "before %s nodes alone, with a %s: they find it, and all commit it",
    async (kind, type, offender) => {
      const witnesses = network.validators.filter(
        (node, i) => node.kind === kind && !DOUBLE_SIGNERS.includes(i),
      );
      const secondTo = witnesses.map(({ peerAddress }) => peerAddress.split("@")[0] ?? "");
      const order = { type, secondTo };
      const { offence, height } = await provokeEvidence(
        validatorAt(network, offender),
        network.validators,
        order,
      );
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
      const at = await heightOf(validatorAt(network, 0));
      // Long enough for every proposer to add what it still has.
      await untilHeights(network.validators, at + 6, TIMEOUT_MS);
      const { heights } = await compareChains(network.validators);
      const told: string[] = [];
      for (let height = 1; height <= heights; height++) {
        const pieces = await punishedAt(network.validators, height);
        told.push(...pieces.map((piece) => piece.join(" ")));
      }
      expect(told).toEqual([...new Set(told)]);
      expect(told.length).toBeGreaterThan(1);
      for (const { name, metrics } of network.validators) {
        const counted = await metric(metrics, "weft_app_misbehavior_total", 'type="duplicateVote"');
        expect(counted, name).toBe(told.length);
      }
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
      config: { log_format: "json" },
    });
    const [twin] = network.followers;
    if (twin === undefined) throw new Error("there is no twin");
    twins = [validatorAt(network, 0), twin];
    shareKeys(...twins);
    await Promise.all(network.nodes.map((node) => node.start()));
    await untilHeights(network.nodes, 2, TIMEOUT_MS);
  }, TIMEOUT_MS);
  afterAll(() => network.close());

  test(
    "contradict each other in public, and blocks hold the evidence",
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
      // They propose at slightly different times, with what came in between. Whether each does so before it
      // hears of the other's block is chance, one turn in a few.
      await until(
        "somebody has counted votes that contradict each other",
        async () => honest.some((node) => observed(node).length > 0),
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
      expect((await compareChains(network.nodes)).heights).toBeGreaterThanOrEqual(height);
    },
    TIMEOUT_MS,
  );
});

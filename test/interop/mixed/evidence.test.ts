/** A double vote reported to one kind of node, committed in a block of the other kind. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { evidenceToJson } from "../../../proto/json.ts";
import { compareChains } from "../../support/chain-comparison.ts";
import { isCometBftAway } from "../../support/cometbft.ts";
import { doubleVoteOf } from "../../support/double-vote.ts";
import { eventsAt } from "../../support/live-stake.ts";
import { rpc, until, validatorAt } from "../../support/local-network.ts";
import {
  CHAIN_ID,
  createMixedNetwork,
  type EngineKind,
  heightOf,
  type MixedNetwork,
  type MixedNode,
  untilHeights,
} from "../../support/mixed-network.ts";

const TIMEOUT_MS = 240_000;
/** Whose turn it is when the report comes is chance; the next report meets the next proposer. */
const REPORTS_MAX = 16;
const POWER = { one: 10n, all: 40n };

interface BlockAnswer {
  readonly block: {
    readonly header: { readonly height: string; readonly proposer_address: string };
    readonly evidence: { readonly evidence: readonly unknown[] };
  };
}
describe.skipIf(isCometBftAway)("evidence in a network of two kinds", () => {
  let network: MixedNetwork;
  beforeAll(async () => {
    network = await createMixedNetwork({
      validators: ["weft", "cometbft", "weft", "cometbft"],
    });
    await Promise.all(network.validators.map((node) => node.start()));
    await untilHeights(network.validators, 3, TIMEOUT_MS);
  }, TIMEOUT_MS);
  afterAll(() => network.close());

  const nodeAt = (index: number): MixedNode => validatorAt(network, index);
  let round = 0;

  /** The block from `height` on that holds evidence, as `at` has it. */
  async function blockWithEvidence(at: MixedNode, from: number): Promise<BlockAnswer["block"]> {
    let height = from;
    return await until(
      "the evidence stands in a block",
      async () => {
        const { block } = await rpc<BlockAnswer>(at, "block", { height: String(height) });
        height += 1;
        return block.evidence.evidence.length > 0 && block;
      },
      TIMEOUT_MS,
    );
  }

  test.each<[from: EngineKind, to: EngineKind, reporter: number, traitor: number]>([
    ["weft", "cometbft", 0, 3],
    ["cometbft", "weft", 1, 2],
  ])(
    "reported to a %s node, it is committed by a %s node and told to every application",
    async (_, to, reporter, traitor) => {
      const proposers = network.validators
        .filter(({ kind }) => kind === to)
        .map(({ validatorAddress }) => validatorAddress);
      for (let i = 0; i < REPORTS_MAX; i++) {
        const offence = { round: round++, power: POWER };
        const evidence = await doubleVoteOf({ ...nodeAt(traitor), chainId: CHAIN_ID }, offence);
        const json = JSON.parse(JSON.stringify(evidenceToJson(evidence))) as unknown;
        const from = await heightOf(nodeAt(reporter));
        await rpc(nodeAt(reporter), "broadcast_evidence", { evidence: json });
        const block = await blockWithEvidence(nodeAt(reporter), from + 1);
        expect(block.evidence.evidence).toEqual([json]);
        if (!proposers.includes(block.header.proposer_address)) continue;
        const { height } = block.header;
        await untilHeights(network.validators, Number(height) + 2, TIMEOUT_MS);
        const validator = nodeAt(traitor).validatorAddress;
        for (const node of network.validators) {
          const told = await eventsAt(node, Number(height));
          const [first, second] = told;
          expect(first, node.name).toMatchObject({
            type: "misbehavior",
            attributes: { type: "duplicateVote", validator },
          });
          // The first piece costs the traitor its place for good, and is what all others are ignored for.
          expect(second, node.name).toMatchObject(
            i === 0
              ? { type: "slash", attributes: { validator, burned: "500000" } }
              : { type: "evidence_ignored", attributes: { validator } },
          );
          expect(told.filter(({ type }) => type === "tombstone")).toHaveLength(i === 0 ? 1 : 0);
        }
        return;
      }
      throw new Error(`none of ${REPORTS_MAX} pieces was committed by a ${to} node`);
    },
    TIMEOUT_MS,
  );

  test("leaves one chain", async () => {
    expect((await compareChains(network.validators)).heights).toBeGreaterThan(3);
  });
});

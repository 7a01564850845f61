import { describe, expect, test } from "vitest";
import { NULL_LOGGER } from "../../ports/logger.ts";
import { refused } from "../execution/refused-block.ts";
import type { BlockContent, ProposalBuilder } from "./build-block.ts";
import { type CheckProposal, checkedProposal } from "./fallback.ts";

const BLOCKS: Readonly<Record<BlockContent, readonly Uint8Array[]>> = {
  full: [Uint8Array.of(1)],
  minimal: [Uint8Array.of(2)],
  obligated: [Uint8Array.of(3)],
};

/** What is proposed when these shapes of the block are refused, and what was counted. */
async function propose(refusedContents: readonly BlockContent[]) {
  const built: BlockContent[] = [];
  const steps: string[] = [];
  const builder: ProposalBuilder = {
    build: (content) => {
      built.push(content);
      return Promise.resolve(BLOCKS[content]);
    },
  };
  const check: CheckProposal = (txs) =>
    Promise.resolve(
      refusedContents.some((content) => BLOCKS[content] === txs)
        ? refused("P9", "LANE_ORDER", "injected")
        : { kind: "executed" },
    );
  const txs = await checkedProposal(7, builder, check, {
    logger: NULL_LOGGER,
    metrics: {
      fallbackProposals: {
        inc(labels?: { readonly step: string }) {
          steps.push(labels?.step ?? "");
        },
      },
    },
  });
  return { txs, built, steps };
}

describe("behavior: a proposal that fails its own check gives way", () => {
  test.each<[string, readonly BlockContent[], BlockContent, readonly string[]]>([
    ["not at all when it holds", [], "full", []],
    ["to the minimal block", ["full"], "minimal", ["minimal"]],
    ["to one without CONTROL", ["full", "minimal"], "obligated", ["minimal", "obligated"]],
    [
      "to the last one, which is proposed whatever the check says",
      ["full", "minimal", "obligated"],
      "obligated",
      ["minimal", "obligated", "unchecked"],
    ],
  ])("%s", async (_, refusedContents, expected, steps) => {
    const proposal = await propose(refusedContents);
    expect(proposal.txs).toBe(BLOCKS[expected]);
    expect(proposal.steps).toEqual(steps);
    expect(proposal.built.at(-1)).toBe(expected);
  });
});

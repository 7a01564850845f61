import type { Logger } from "../../ports/logger.ts";
import type { ExecutedBlock } from "../execution/execute-block.ts";
import type { RefusedBlock } from "../execution/refused-block.ts";
import type { AppMetrics } from "../metrics.ts";
import type { BlockContent, ProposalBuilder } from "./build-block.ts";

/** What an own proposal gives way to. "unchecked": the last one, although it fails its check as well. */
export type FallbackStep = Exclude<BlockContent, "full"> | "unchecked";

/** Runs what every other validator will run. */
export type CheckProposal = (
  txs: readonly Uint8Array[],
) => Promise<Pick<ExecutedBlock, "kind"> | RefusedBlock>;

interface FallbackDependencies {
  readonly logger: Logger;
  readonly metrics: Pick<AppMetrics, "fallbackProposals">;
}

const LADDER: readonly (readonly [content: BlockContent, giveWayTo: FallbackStep])[] = [
  ["full", "minimal"],
  ["minimal", "obligated"],
  ["obligated", "unchecked"],
];

/**
 * The first block that passes its own check: with everything; without SEALED, ATOMIC and DEFAULT; without
 * CONTROL too. That the first fails takes a bug, or a body that is due and that nobody sends. A block that
 * fails in every shape is proposed all the same: others may know better, and if they refuse it the next proposer follows.
 */
export async function checkedProposal(
  height: number,
  builder: ProposalBuilder,
  check: CheckProposal,
  { logger, metrics }: FallbackDependencies,
): Promise<readonly Uint8Array[]> {
  let txs: readonly Uint8Array[] = [];
  for (const [content, step] of LADDER) {
    txs = await builder.build(content);
    const outcome = await check(txs);
    if (outcome.kind === "executed") return txs;
    const { check: broken, code, reason } = outcome;
    metrics.fallbackProposals.inc({ step });
    logger.error("own proposal is invalid", { height, content, step, check: broken, code, reason });
  }
  return txs;
}

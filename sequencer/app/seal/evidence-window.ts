import type { StakingReader } from "../staking/context.ts";
import { SEAL_EVIDENCE_BLOCKS_MAX } from "./items/limits.ts";

/** Blocks for which it is kept what was asked of validators: as long as shares can be evidence. */
export function sealEvidenceBlocks({
  evidenceMaxAgeBlocks,
}: Pick<StakingReader, "evidenceMaxAgeBlocks">): number {
  return Math.min(evidenceMaxAgeBlocks, SEAL_EVIDENCE_BLOCKS_MAX);
}

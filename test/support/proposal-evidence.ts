/** Evidence against nodes of a `TestChain`. */
import { Height } from "../../proto/brands.ts";
import type { SubmitEvidence } from "../../proto/codec/staking-tx.ts";
import { duplicateProposal } from "./duplicate-proposal.ts";
import { CHAIN_ID, consensusKey } from "./weft-app.ts";

/** Two proposals of a node for one round: evidence, lane CONTROL. */
export function evidenceAgainst(node: number): SubmitEvidence {
  return duplicateProposal(CHAIN_ID, consensusKey(node), Height(1));
}

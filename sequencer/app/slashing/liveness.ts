/** Who signs blocks, and who is jailed for not doing so (spec staking C1, C3). */
import { assert } from "../../../proto/errors.ts";
import type { VoteInfo } from "../../abci/application.ts";
import type { StakingContext } from "../staking/context.ts";

/**
 * Begin of a block. `votes`: of the last commit, whole set. Writes for validators alone whose bit changes.
 */
export function recordSignatures(ctx: StakingContext, _votes: readonly VoteInfo[]): void {
  assert(false, `signatures at ${ctx.height}: follow`);
}

export { clearLiveness } from "./liveness-records.ts";

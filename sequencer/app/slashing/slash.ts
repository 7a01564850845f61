/** Stake that is lost (spec staking C1, with the token budget of C2). */
import { assert } from "../../../proto/errors.ts";
import type { StakingContext } from "../staking/context.ts";

export interface Slash {
  /** Consensus address, 40 lower-case hex characters. */
  readonly validator: string;
  readonly infractionHeight: number;
  /** In the set at the infraction; its tokens are what the fraction is of. */
  readonly power: bigint;
  readonly fractionBps: number;
  /** Name of the route or rule, for the event. */
  readonly reason: string;
  /** Who gets a part of what is cut; nobody without it. */
  readonly reporter?: string | undefined;
}

/** nweft; what is burned and the reward together are what was cut. */
export interface SlashOutcome {
  readonly burned: bigint;
  readonly reward: bigint;
}

/** Takes the fraction from all stake that stood behind the validator at the infraction. */
export function slash(_ctx: StakingContext, { validator }: Slash): SlashOutcome {
  assert(false, `slash ${validator}: follows`);
}

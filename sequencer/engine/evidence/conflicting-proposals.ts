import { toHex } from "../../../proto/bytes.ts";
import { validatorAddress } from "../../../proto/validator-set.ts";
import type { ConsensusEffect } from "../../consensus/effects.ts";
import type { Logger } from "../../ports/logger.ts";
import type { EventBus } from "../event-bus.ts";
import type { EngineMetrics } from "../metrics.ts";

/**
 * Says that a validator proposed two blocks in one round. CometBFT knows no evidence of this: whoever wants it
 * punished submits it to the application as a transaction.
 */
export function reportConflictingProposals(
  { first, second, proposer }: Extract<ConsensusEffect, { kind: "conflictingProposals" }>,
  {
    metrics,
    logger,
    events,
  }: { readonly metrics: EngineMetrics; readonly logger: Logger; readonly events: EventBus },
): void {
  metrics.conflictingProposals.inc();
  logger.warn("a validator signed two proposals of one round for different blocks", {
    validator: toHex(validatorAddress(proposer)),
    height: first.height,
    round: first.round,
  });
  events.publish({ kind: "ConflictingProposals", first, second, proposer });
}

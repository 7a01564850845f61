/** The evidence router: faults by name, each with what proves it and what it costs (spec staking C1, C4). */
import type { SignatureCheck } from "../../../mev/signatures.ts";
import type { SubmitEvidence, SubmittedEvidence } from "../../../proto/codec/staking-tx.ts";
import { assert } from "../../../proto/errors.ts";
import type { Misbehavior } from "../../abci/application.ts";
import type { Failure } from "../codes.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";

/** Begin of a block: faults that consensus has proven. */
export function handleMisbehavior(ctx: StakingContext, _misbehavior: readonly Misbehavior[]): void {
  assert(false, `misbehavior at ${ctx.height}: follows`);
}

/** Why the evidence punishes nobody, or undefined. Signatures are checked before: `evidenceSignatures`. */
export function submitEvidenceFault(
  _ctx: StakingReader,
  sender: string,
  _action: SubmitEvidence,
): Failure | undefined {
  assert(false, `evidence of ${sender}: follows`);
}

/** Punishes, and rewards the sender. */
export function submitEvidence(
  _ctx: StakingContext,
  sender: string,
  _action: SubmitEvidence,
): void {
  assert(false, `evidence of ${sender}: follows`);
}

/**
 * Signatures that the evidence stands on, from its bytes alone: `TxDecoder` lists them beside the
 * transaction's own, and an item with one that does not hold is refused like an unsigned one.
 */
export function evidenceSignatures(
  chainId: string,
  evidence: SubmittedEvidence,
): readonly SignatureCheck[] {
  assert(false, `${evidence.kind} on ${chainId}: follows`);
}

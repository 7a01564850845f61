/** What happens in a block before its first item and after its last. */
import type { InjectedLists } from "../../../mev/injected-commit.ts";
import { toHex } from "../../../proto/bytes.ts";
import type { Misbehavior, ValidatorUpdate, VoteInfo } from "../../abci/application.ts";
import { allocateFees } from "../distribution/rewards.ts";
import { endOfBlockGovernance } from "../governance/end-of-block.ts";
import { voidCommits } from "../seal/commits/commits.ts";
import { recordAsk } from "../seal/items/ask.ts";
import { expireItems } from "../seal/items/expiry.ts";
import { endGeneration, startGeneration } from "../seal/keys/generation.ts";
import { forgetKeys, updateKeys } from "../seal/keys/keys.ts";
import { sharesMissingEvent } from "../seal/events.ts";
import { handleMisbehavior } from "../slashing/evidence.ts";
import { recordSignatures } from "../slashing/liveness.ts";
import { missingShares } from "../slashing/missing-shares.ts";
import { endOfBlockUpdates } from "../staking/epoch.ts";
import { matureQueue } from "../staking/maturity.ts";
import type { WorkingState } from "../state/working-state.ts";

/** What a block says of the validators before it. */
export interface BlockBegin {
  readonly misbehavior: readonly Misbehavior[];
  /** Of the last commit, whole set. */
  readonly votes: readonly VoteInfo[];
  /** Parts of extensions that the injected commit brings of it. */
  readonly lists: readonly InjectedLists[];
}

/** Before the first item: faults that consensus has proven, and who signed the block before. */
export function beginBlock(working: WorkingState, { misbehavior, votes, lists }: BlockBegin): void {
  handleMisbehavior(working, misbehavior);
  const height = working.height - 1;
  const withoutShares = missingShares(working, height, lists);
  for (const validator of withoutShares) working.emit(sharesMissingEvent(validator, height));
  recordSignatures(working, votes, withoutShares);
}

/** After the last item, and before the manifest, which says it: what nobody has opened in time. */
export function settleOverdue(working: WorkingState): void {
  expireItems(working);
  voidCommits(working);
}

export interface BlockEnd {
  readonly blockBytesMax: number;
  readonly proposerAddress: Uint8Array;
}

/**
 * After the last item: fees are shared by the powers of this block, then what was waiting for its time
 * happens, then the set changes, and validators are asked for what opens sealed items. Returns what the
 * engine is told.
 */
export function endBlock(
  working: WorkingState,
  { blockBytesMax, proposerAddress }: BlockEnd,
): readonly ValidatorUpdate[] {
  const fees = working.pool("feePool");
  const { rollupFees } = working;
  allocateFees(working, { proposer: toHex(proposerAddress), fees, rollupFees });
  matureQueue(working);
  const params = endOfBlockGovernance(working);
  if (params !== undefined) working.setParams(params);
  endGeneration(working);
  const updates = endOfBlockUpdates(working);
  updateKeys(working, updates.length > 0);
  startGeneration(working);
  recordAsk(working, blockBytesMax);
  forgetKeys(working);
  return updates.map(({ consensusKey, power }) => ({
    publicKey: { type: "ed25519", bytes: consensusKey },
    power,
  }));
}

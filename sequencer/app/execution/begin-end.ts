/** What happens in a block before its first item and after its last. */
import type { InjectedLists } from "../../../mev/injected-commit.ts";
import type { ManifestBuilder } from "../../../mev/manifest.ts";
import { toHex } from "../../../proto/bytes.ts";
import type { Misbehavior, ValidatorUpdate, VoteInfo } from "../../abci/application.ts";
import { type DecidedBundle, decideBundles, endReports } from "../atomic/decisions.ts";
import { payExecutors } from "../atomic/executors.ts";
import { payEscrow } from "../auction/escrow.ts";
import { forgetBundleKeys } from "../bundles/keys.ts";
import { forgetResults, recordAuctions, settleAuctions } from "../auction/settle.ts";
import { allocateFees } from "../distribution/rewards.ts";
import type { DecodedTx } from "./decoded-tx.ts";
import { obligatedRoomBytes } from "../inclusion/due-set.ts";
import { foldInclusion, forgetListings, settleListings } from "../inclusion/inclusion.ts";
import { endOfBlockGovernance } from "../governance/end-of-block.ts";
import { decideOrders } from "../ordering/shuffles.ts";
import { voidCommits } from "../seal/commits/commits.ts";
import { recordAsk } from "../seal/items/ask.ts";
import { expireItems } from "../seal/items/expiry.ts";
import { applyOpenings, type VerifiedOpenings } from "../seal/items/openings.ts";
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
  /** What it opens of earlier blocks; they hold. */
  readonly openings: VerifiedOpenings;
  readonly proposerAddress: Uint8Array;
}

/**
 * Before the first transaction: faults that consensus has proven, who signed the block before, and sealed
 * items of earlier blocks that are opened.
 */
export function beginBlock(
  working: WorkingState,
  { misbehavior, votes, lists, openings, proposerAddress }: BlockBegin,
): void {
  handleMisbehavior(working, misbehavior);
  const height = working.height - 1;
  foldInclusion(working, lists);
  const withoutShares = missingShares(working, height, lists);
  for (const validator of withoutShares) working.emit(sharesMissingEvent(validator, height));
  recordSignatures(working, votes, withoutShares);
  applyOpenings(working, openings, proposerAddress);
}

/**
 * After the last item: what nobody has opened in time; then the block's manifest is told what became of
 * entries of earlier blocks, in which order they are executed and what becomes of atomic bundles, and is complete.
 *
 * @returns what is decided about atomic bundles
 */
export function settleOverdue(
  working: WorkingState,
  manifest: ManifestBuilder,
): readonly DecidedBundle[] {
  expireItems(working);
  voidCommits(working);
  settleAuctions(working);
  for (const { rollupId, fill } of working.fills) manifest.addFill(rollupId, fill);
  for (const { rollupId, decision } of decideOrders(working)) {
    manifest.addDecision(rollupId, decision);
  }
  const decided = decideBundles(working);
  for (const { rollupIds, decision, detail } of decided) {
    for (const rollupId of rollupIds) manifest.addDecision(rollupId, decision, detail);
  }
  return decided;
}

export interface BlockEnd {
  /** Transactions of the block, without what is excused. */
  readonly txs: Iterable<DecodedTx | undefined>;
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
  { txs, blockBytesMax, proposerAddress }: BlockEnd,
): readonly ValidatorUpdate[] {
  settleListings(working, txs);
  const fees = working.pool("feePool");
  const { rollupFees } = working;
  allocateFees(working, { proposer: toHex(proposerAddress), fees, rollupFees });
  matureQueue(working);
  payEscrow(working);
  endReports(working);
  payExecutors(working);
  forgetBundleKeys(working);
  recordAuctions(working, proposerAddress);
  forgetResults(working);
  const params = endOfBlockGovernance(working);
  if (params !== undefined) working.setParams(params);
  endGeneration(working);
  const updates = endOfBlockUpdates(working);
  updateKeys(working, updates.length > 0);
  startGeneration(working);
  recordAsk(working, blockBytesMax);
  forgetKeys(working);
  forgetListings(working, obligatedRoomBytes(params ?? working.params, blockBytesMax));
  return updates.map(({ consensusKey, power }) => ({
    publicKey: { type: "ed25519", bytes: consensusKey },
    power,
  }));
}

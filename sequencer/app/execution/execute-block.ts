import { createLaneRules, Lane } from "../../../mev/lanes.ts";
import { obligationFault } from "../../../mev/inclusion/obligations.ts";
import type { ListRoots } from "../../../mev/list-roots.ts";
import { createManifestBuilder } from "../../../mev/manifest.ts";
import {
  type CommitVote,
  type InjectedLists,
  verifyInjectedCommit,
} from "../../../mev/injected-commit.ts";
import type { Height, Round } from "../../../proto/brands.ts";
import { bytesEqual, EMPTY_BYTES, toHex } from "../../../proto/bytes.ts";
import { assert } from "../../../proto/errors.ts";
import type {
  AbciEvent,
  CommitInfo,
  ExecTxResult,
  Misbehavior,
  ProcessProposalRequest,
  ValidatorUpdate,
} from "../../abci/application.ts";
import { EMPTY_TX_RESULT } from "../../abci/empty-result.ts";
import type { Timestamp } from "../../../proto/types.ts";
import { decisionsEvents } from "../atomic/block-events.ts";
import { ordersEvents } from "../ordering/events.ts";
import { placeEntries } from "../ordering/place.ts";
import { excuse } from "../inclusion/inclusion.ts";
import { excuseFault } from "../inclusion/excuses.ts";
import { priceOrderFault } from "../ordering/price-order.ts";
import { fillsEvents } from "../seal/fills.ts";
import type { OpenedBatches } from "../seal/items/opened-batches.ts";
import { NOTHING_TO_OPEN, planOpenings, verifyOpenings } from "../seal/items/openings.ts";
import { SealedRoom } from "../seal/items/room.ts";
import { sealTermsAt } from "../proposal/seal-terms.ts";
import { WorkingState } from "../state/working-state.ts";
import { FILLS_PER_SLICE } from "../limits.ts";
import { laneParams } from "../params.ts";
import type { TxTerms } from "./action-rules.ts";
import { isCostly, placeAction } from "./actions.ts";
import { applyTx, validityFault } from "./apply-tx.ts";
import { nextBaseFee } from "./base-fee.ts";
import { beginBlock, endBlock, settleOverdue } from "./begin-end.ts";
import type { DecodedTx } from "./decoded-tx.ts";
import { obligatedEvent, txResult } from "./events.ts";
import { type BlockItemsDependencies, decodeBlockItems, unverifiedFault } from "./block-items.ts";
import { refused, refusedItem, type RefusedBlock } from "./refused-block.ts";

/** Transactions that are applied in one go: a few milliseconds. */
const TXS_PER_SLICE = 256;

/** All that a block's validity and outcome depend on, beside the committed state. */
export interface BlockInput {
  readonly height: Height;
  readonly time: Timestamp;
  readonly proposerAddress: Uint8Array;
  readonly nextValidatorsHash: Uint8Array;
  readonly misbehavior: readonly Misbehavior[];
  readonly round: Round;
  /** Votes of the block's last commit, all validators in set order; empty at the initial height. */
  readonly votes: readonly CommitVote[];
  readonly txs: readonly Uint8Array[];
}

/** The fields of a request that decide a block's outcome. */
export function blockInput(
  request: Pick<
    ProcessProposalRequest,
    "height" | "time" | "proposerAddress" | "nextValidatorsHash" | "misbehavior"
  >,
  lastCommit: Pick<CommitInfo, "round" | "votes">,
  txs: readonly Uint8Array[],
): BlockInput {
  const { height, time, proposerAddress, nextValidatorsHash, misbehavior } = request;
  const { round, votes } = lastCommit;
  return {
    height,
    time,
    proposerAddress,
    nextValidatorsHash,
    misbehavior,
    round,
    votes,
    txs,
  };
}

export interface ExecuteDependencies extends BlockItemsDependencies {
  readonly opened: OpenedBatches;
  /** Of the manifests of the height. */
  readonly listRoots: ListRoots;
}

/** A valid block and what it does. */
export interface ExecutedBlock {
  readonly kind: "executed";
  readonly input: BlockInput;
  readonly working: WorkingState;
  /** One per item. */
  readonly results: readonly ExecTxResult[];
  /** One per item; undefined for system items. */
  readonly txs: readonly (DecodedTx | undefined)[];
  /** What its injected commit brings of validators. */
  readonly lists: readonly InjectedLists[];
  /** One per item: the lane that it stands in. */
  readonly lanes: readonly Lane[];
  /** Of the begin and the end of the block. */
  readonly events: readonly AbciEvent[];
  /** What the engine is told; in force two heights later. */
  readonly validatorUpdates: readonly ValidatorUpdate[];
}

/**
 * The one function behind ProcessProposal and FinalizeBlock: a block is valid
 * when it has an outcome. A pure function of the input and the committed state, on a branch of its own;
 * it awaits only the ports of signatures and proofs, and the event loop.
 */
export async function executeBlock(
  input: BlockInput,
  dependencies: ExecuteDependencies,
): Promise<ExecutedBlock | RefusedBlock> {
  const { committed, yieldToLoop } = dependencies;
  const { chain, params, baseFeePerByte, lastBlock } = committed.requireTerms();
  assert(input.height === committed.nextHeight(), "blocks are executed in order of height");
  const isInitialHeight = lastBlock === undefined;

  const block = await decodeBlockItems(input.txs, dependencies);
  if ("kind" in block) return block;
  const { items } = block;
  const rules = createLaneRules(laneParams(params, chain.blockBytesMax), isInitialHeight);
  for (const item of items) {
    const fault = rules.take(item.use);
    if (fault !== undefined) {
      const check = fault.code === "LANE_FORCED" ? "P2" : "P9";
      return refused(check, fault.code, fault.reason);
    }
  }
  const unfinished = rules.finish();
  if (unfinished !== undefined) return refused("P9", unfinished.code, unfinished.reason);
  const unmet = obligationFault(committed.due().txs, block.obligated);
  if (unmet !== undefined) return refused("P7", unmet.code, unmet.reason);
  const terms: TxTerms = { height: input.height, params, baseFeePerByte };
  const disorder = priceOrderFault(items, committed, terms);
  if (disorder !== undefined) return refused("P10", disorder.code, disorder.reason);

  const unproven = await unverifiedFault(block, dependencies);
  if (unproven !== undefined) return unproven;
  let plan = NOTHING_TO_OPEN;
  let lists: readonly InjectedLists[] = [];
  if (lastBlock !== undefined) {
    const injected = block.injectedCommit;
    assert(injected !== undefined, "the lane rules put the injected commit at item 1");
    const { chainId, blockBytesMax } = chain;
    const { height, hash: blockHash } = lastBlock;
    const seal = sealTermsAt(committed.staking, height);
    const context = { chainId, height, blockHash, blockBytesMax, seal };
    const verdict = await verifyInjectedCommit(
      context,
      injected,
      input.votes,
      (address) => committed.applicationKey(address, lastBlock.height),
      dependencies.verify,
    );
    if ("code" in verdict) return refused("P1", verdict.code, verdict.reason);
    lists = verdict;
    plan = planOpenings(committed.staking, lastBlock.height, lists);
  }
  const verified = await verifyOpenings(plan, block.openings, dependencies);
  if (typeof verified === "string") return refused("P4", "OPENINGS", verified);

  const working = new WorkingState(committed, input);
  beginBlock(working, { ...input, lists, openings: verified });
  const begun = working.takeEvents();
  const room = SealedRoom.of(working, chain.blockBytesMax);
  const manifest = createManifestBuilder(dependencies.listRoots);
  const results: ExecTxResult[] = [];
  let usedBytes = 0;
  for (const [index, { use, decoded, excused }] of items.entries()) {
    if (index % TXS_PER_SLICE === TXS_PER_SLICE - 1) await yieldToLoop();
    if (excused !== undefined) {
      const excusedFor = excuseFault(working, excused, terms, room);
      if (excusedFor === undefined) {
        const reason = `item ${index}: ${excused.idText} could stand there`;
        return refused("P7", "OBLIGATION_NOT_EXCUSED", reason);
      }
      results.push(excuse(working, excused, excusedFor));
      continue;
    }
    if (decoded === undefined) {
      // What only a proposer makes: it holds, or the block is refused.
      results.push(EMPTY_TX_RESULT);
      continue;
    }
    const fault = validityFault(working, decoded, terms);
    if (fault !== undefined) return refusedItem(index, fault, decoded.isStrict);
    const applied = applyTx(working, decoded, terms);
    usedBytes += decoded.item.length;
    if (
      applied.failure !== undefined &&
      use.lane === Lane.OBLIGATED &&
      decoded.lane === Lane.SEALED
    ) {
      // It would pay for nothing and show its ciphertext: that is not the proposer's to choose.
      const reason = `item ${index}: ${decoded.idText} would fail and has to be excused`;
      return refused("P7", "OBLIGATION_NOT_EXCUSED", reason);
    }
    if (applied.failure === undefined) {
      const full = room.fault(decoded);
      if (full !== undefined) return refusedItem(index, full);
      const isDue = use.lane === Lane.OBLIGATED;
      placeAction(working, decoded, placeEntries(working, decoded, manifest, isDue), terms);
      room.take(decoded);
      if (isDue) working.emit(obligatedEvent());
      addRollupFee(working, decoded, applied.fee);
    }
    results.push(txResult(decoded, applied, working.takeEvents()));
    if (isCostly(decoded)) await yieldToLoop();
  }
  const decided = settleOverdue(working, manifest);
  if (working.fills.length >= FILLS_PER_SLICE) await yieldToLoop();
  const made = manifest.build().item;
  const shown = input.txs[0] ?? EMPTY_BYTES;
  if (!bytesEqual(made, shown)) return refused("P5", "MANIFEST", manifestReason(made, shown));
  working.setBaseFee(nextBaseFee(baseFeePerByte, usedBytes, params));
  const { proposerAddress } = input;
  const txs = items.map(({ decoded }) => decoded);
  const validatorUpdates = endBlock(working, {
    txs,
    blockBytesMax: chain.blockBytesMax,
    proposerAddress,
  });
  return {
    kind: "executed",
    input,
    working,
    results,
    txs,
    lists,
    lanes: items.map(({ use }) => use.lane),
    events: [
      ...begun,
      ...working.takeEvents(),
      ...fillsEvents(working.fills),
      ...ordersEvents(working.shuffles.decided),
      ...decisionsEvents(decided),
      ...working.entryTerms.events(),
    ],
    validatorUpdates,
  };
}

/** What the data of a rollup pays: its owner has a part of that. */
function addRollupFee(working: WorkingState, { tx, rollupId }: DecodedTx, fee: bigint): void {
  if (tx.body.action.kind === "rollupData") working.addRollupFee(rollupId, fee);
}

function manifestReason(made: Uint8Array, shown: Uint8Array): string {
  const pair = `expected ${toHex(made)}, got ${toHex(shown)}`;
  return `the manifest is not the one that the items make: ${pair}`;
}

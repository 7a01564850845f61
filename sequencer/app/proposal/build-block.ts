import { bytesToDigest } from "../../../proto/hash.ts";
import {
  buildInjectedCommit,
  type ExtendedCommitVote,
  type InjectedLists,
} from "../../../mev/injected-commit.ts";
import {
  createLaneRules,
  itemBlockBytes,
  Lane,
  laneBytesMax,
  type LaneRules,
  type LaneUse,
  laneUse,
} from "../../../mev/lanes.ts";
import type { DueTx } from "../../../mev/inclusion/keys.ts";
import { createManifestBuilder, type ManifestBuilder } from "../../../mev/manifest.ts";
import type { SealCompute } from "../../../mev/seal/compute.ts";
import type { VerifySignatures } from "../../../mev/signatures.ts";
import type { Height } from "../../../proto/brands.ts";
import { EMPTY_BYTES } from "../../../proto/bytes.ts";
import { encodeItem, type Item } from "../../../proto/codec/weft-block.ts";
import { assert } from "../../../proto/errors.ts";
import { BlockIdFlag, type Timestamp } from "../../../proto/types.ts";
import type { Misbehavior } from "../../abci/application.ts";
import type { Logger } from "../../ports/logger.ts";
import type { YieldToLoop } from "../../ports/yield-to-loop.ts";
import type { TxTerms } from "../execution/action-rules.ts";
import { actionFault, isCostly, placeAction } from "../execution/actions.ts";
import { applyTx, validityFault } from "../execution/apply-tx.ts";
import { txFee } from "../execution/base-fee.ts";
import { beginBlock, settleOverdue } from "../execution/begin-end.ts";
import type { DecodedTx } from "../execution/decoded-tx.ts";
import { excuse } from "../inclusion/inclusion.ts";
import { excuseFault, excuseItem } from "../inclusion/excuses.ts";
import {
  CONTROL_DRAWS_MAX,
  FILLS_PER_SLICE,
  MANIFEST_ITEM_BYTES_MAX,
  PREPARE_MISFITS_MAX,
  VALIDATOR_LABELS_MAX,
} from "../limits.ts";
import type { AppMetrics } from "../metrics.ts";
import { laneParams } from "../params.ts";
import { placeEntries } from "../ordering/place.ts";
import type { Pool } from "../pool/pool.ts";
import type { Selection } from "../pool/selection.ts";
import {
  NO_OPENINGS,
  planOpenings,
  type VerifiedOpenings,
  verifyOpenings,
} from "../seal/items/openings.ts";
import { SealedRoom } from "../seal/items/room.ts";
import type { CommittedState } from "../state/committed-state.ts";
import { WorkingState } from "../state/working-state.ts";
import type { BodyStore } from "./body-store.ts";
import { buildOpenings } from "./build-openings.ts";
import { ControlDraw } from "./control-draw.ts";
import type { KeptWork } from "./kept-work.ts";
import { isOfShares, sealTermsAt } from "./seal-terms.ts";
import type { ShareWatch } from "./share-watch.ts";

/** Transactions that are tried in one go: a few milliseconds. */
const TXS_PER_SLICE = 256;

export interface BuildRequest {
  readonly height: Height;
  readonly time: Timestamp;
  readonly proposerAddress: Uint8Array;
  /** Bytes that the items may take together, framing included. */
  readonly txBytesMax: number;
  /** Extended votes of the last commit; empty at the initial height. */
  readonly votes: readonly ExtendedCommitVote[];
  readonly misbehavior: readonly Misbehavior[];
}

export interface BuildDependencies {
  readonly committed: CommittedState;
  readonly pool: Pool;
  /** Where transactions are that are due. */
  readonly bodies: Pick<BodyStore, "find">;
  readonly verify: VerifySignatures;
  readonly seal: SealCompute;
  readonly kept: KeptWork;
  /** Is shown what the commit holds, late votes too, which nobody has checked. */
  readonly watch: ShareWatch;
  readonly yieldToLoop: YieldToLoop;
  readonly logger: Logger;
  readonly metrics: AppMetrics;
}

/**
 * What a proposal draws from the pool. "minimal": what has room of its own in every block. "obligated": only
 * what others refuse a block without.
 */
export type BlockContent = "full" | "minimal" | "obligated";

/** Makes items for one proposal, as often as it takes. */
export interface ProposalBuilder {
  build(content: BlockContent): Promise<readonly Uint8Array[]>;
}

/**
 * Items for a proposal: manifest, injected commit, what the shares of the last commit open, then what the
 * pool offers, as far as it fits and is valid in that order. Bad input is dropped, never proposed
 * (spec/mev.md R2). What the last commit brings is looked at once.
 */
export async function beginProposal(
  request: BuildRequest,
  dependencies: BuildDependencies,
): Promise<ProposalBuilder> {
  const system = await systemItems(request, dependencies);
  return { build: (content) => buildBlock(request, dependencies, system, content) };
}

async function buildBlock(
  request: BuildRequest,
  dependencies: BuildDependencies,
  system: SystemItems,
  content: BlockContent,
): Promise<readonly Uint8Array[]> {
  const { committed, pool, yieldToLoop } = dependencies;
  const due = committed.due();
  const selection = pool.select();
  let attempt = beginAttempt(request, dependencies, system);
  if (content !== "obligated") {
    const control = drawControl(selection, committed, attempt.bytesLeft());
    for (let draws = 0; draws < CONTROL_DRAWS_MAX && control.draw(); draws++) {
      if (draws > 0) {
        await yieldToLoop();
        attempt = beginAttempt(request, dependencies, system);
      }
      for (const [at, tx] of control.chosen().entries()) {
        if (!attempt.tryTx(tx)) control.refuse(tx);
        if (isCostly(tx) || at % TXS_PER_SLICE === TXS_PER_SLICE - 1) await yieldToLoop();
      }
    }
  }
  for (const one of due.txs) {
    const tx = attempt.obey(one);
    if (tx === undefined) continue;
    selection.placed(tx);
    if (isCostly(tx)) await yieldToLoop();
  }
  for (const lane of content === "full" ? PRICED_LANES : []) {
    let misfits = 0;
    let tried = 0;
    for (;;) {
      if (++tried % TXS_PER_SLICE === 0) await yieldToLoop();
      const tx = selection.next(lane)?.tx;
      if (tx === undefined || misfits >= PREPARE_MISFITS_MAX) break;
      if (itemBlockBytes(tx.item.length) > attempt.bytesLeft()) {
        misfits++;
        continue;
      }
      if (!attempt.tryTx(tx)) continue;
      selection.take();
      misfits = 0;
    }
  }
  return attempt.finish(yieldToLoop);
}

/** Draws for lane CONTROL, which leaves room for what is due. */
function drawControl(
  selection: Selection,
  committed: CommittedState,
  bytesLeft: number,
): ControlDraw {
  const { chain, params } = committed.requireTerms();
  const lanes = laneParams(params, chain.blockBytesMax);
  let room = bytesLeft;
  for (const { size } of committed.due().txs) room -= itemBlockBytes(size);
  room = Math.min(room, laneBytesMax(lanes, Lane.CONTROL) ?? 0);
  return new ControlDraw(selection, room, lanes.controlPerSignerMax);
}

/** A block under way, on a state of its own. */
interface Attempt {
  /** Bytes that items may still take, framing included. */
  bytesLeft(): number;
  /** Takes the transaction, which is not due, as the next item; whether it may stand there. */
  tryTx(tx: DecodedTx): boolean;
  /** Takes something due, or what excuses it; returns the transaction, if that. One that is not here is left out: others will refuse the block. */
  obey(due: DueTx): DecodedTx | undefined;
  /** All items, when nothing more comes. */
  finish(yieldToLoop: YieldToLoop): Promise<readonly Uint8Array[]>;
}

/** With nothing but what only a proposer makes. */
function beginAttempt(
  request: BuildRequest,
  { committed, bodies, kept }: BuildDependencies,
  system: SystemItems,
): Attempt {
  const { chain, params, baseFeePerByte, lastBlock } = committed.requireTerms();
  const lanes = laneParams(params, chain.blockBytesMax);
  const rules = createLaneRules(lanes, lastBlock === undefined);
  takeSystemItem(rules, decodedManifest(), createManifestBuilder().build().item.length);
  let bytesLeft = request.txBytesMax - itemBlockBytes(MANIFEST_ITEM_BYTES_MAX);
  for (const { item, bytes } of system.items) {
    takeSystemItem(rules, item, bytes.length);
    bytesLeft -= itemBlockBytes(bytes.length);
  }

  const working = begin(request, committed, system);
  const room = SealedRoom.of(working, chain.blockBytesMax);
  const terms: TxTerms = { height: request.height, params, baseFeePerByte };
  const manifest = createManifestBuilder(kept.listRoots);
  const chosen: Uint8Array[] = [];
  const due = committed.due();

  function tryTx(tx: DecodedTx): boolean {
    if (due.has(tx.idKey, tx.item.length) || room.fault(tx) !== undefined) return false;
    if (validityFault(working, tx, terms) !== undefined) return false;
    if (wouldShowForNothing(working, tx, terms)) return false;
    return tryPlace(tx, false);
  }

  /** As `tryTx`, of one without a fault. */
  function tryPlace(tx: DecodedTx, isObligated: boolean): boolean {
    if (rules.take(tx.laneUse(isObligated)) !== undefined) return false;
    const applied = applyTx(working, tx, terms);
    if (applied.failure === undefined) {
      placeAction(working, tx, placeEntries(working, tx, manifest, isObligated), terms);
      room.take(tx);
    }
    addItem(tx.item);
    return true;
  }

  function addItem(item: Uint8Array): void {
    chosen.push(item);
    bytesLeft -= itemBlockBytes(item.length);
  }

  function obey({ id, size }: DueTx): DecodedTx | undefined {
    const tx = bodies.find(bytesToDigest(id));
    if (tx === undefined || tx.item.length !== size) return undefined;
    const fault = excuseFault(working, tx, terms, room);
    if (fault === undefined) return tryPlace(tx, true) ? tx : undefined;
    const { use, bytes } = excuseOf(tx);
    if (rules.take(use) !== undefined) return undefined;
    excuse(working, tx, fault);
    addItem(bytes);
    return undefined;
  }

  async function finish(yieldToLoop: YieldToLoop): Promise<readonly Uint8Array[]> {
    const first = await finishManifest(working, manifest, yieldToLoop);
    return [first, ...system.items.map(({ bytes }) => bytes), ...chosen];
  }

  return { bytesLeft: () => bytesLeft, tryTx, obey, finish };
}

/** What only a proposer makes, in the order of the block, without the manifest. */
interface SystemItems {
  readonly lists: readonly InjectedLists[];
  readonly openings: VerifiedOpenings;
  readonly items: readonly { readonly item: Item; readonly bytes: Uint8Array }[];
}

/** The state of the block before its first transaction. */
function begin(
  request: BuildRequest,
  committed: CommittedState,
  { lists, openings }: SystemItems,
): WorkingState {
  const working = new WorkingState(committed, request);
  beginBlock(working, { ...request, lists, openings });
  return working;
}

/** Item 0 of a block whose transactions have been applied. */
async function finishManifest(
  working: WorkingState,
  manifest: ManifestBuilder,
  yieldToLoop: YieldToLoop,
): Promise<Uint8Array> {
  settleOverdue(working, manifest);
  if (working.fills.length >= FILLS_PER_SLICE) await yieldToLoop();
  const { item } = manifest.build();
  assert(item.length <= MANIFEST_ITEM_BYTES_MAX, "room was kept for the manifest");
  return item;
}

/**
 * A sealed item that fails would cost its sender a fee and show its ciphertext, and the sender may still
 * seal the content anew.
 */
function wouldShowForNothing(working: WorkingState, tx: DecodedTx, terms: TxTerms): boolean {
  if (tx.lane !== Lane.SEALED) return false;
  const balance = working.balance(tx.sender) - txFee(tx, terms.baseFeePerByte);
  return actionFault(working, tx, terms, balance) !== undefined;
}

/** Lanes of pending transactions that the price orders, in the order of the block. */
const PRICED_LANES: readonly Lane[] = [Lane.SEALED, Lane.ATOMIC, Lane.DEFAULT];

/** None at the initial height. */
async function systemItems(
  request: BuildRequest,
  { committed, verify, seal, kept, watch, logger, metrics }: BuildDependencies,
): Promise<SystemItems> {
  const { chain, lastBlock } = committed.requireTerms();
  if (lastBlock === undefined) return { lists: [], items: [], openings: NO_OPENINGS };
  const { height, hash: blockHash } = lastBlock;
  const { chainId, blockBytesMax } = chain;
  const context = {
    chainId,
    height,
    blockHash,
    blockBytesMax,
    seal: sealTermsAt(committed.staking, height),
  };
  const keyOf = (address: Uint8Array) => committed.applicationKey(address, height);
  const { votes } = request;
  const built = await buildInjectedCommit(context, votes, keyOf, { verify, compute: seal });
  const refusals = new Map(built.blanks.map((one) => [one.validatorIndex, one.refusal]));
  for (const [index, { validator, blockIdFlag, voteExtension }] of votes.entries()) {
    if (blockIdFlag !== BlockIdFlag.COMMIT) continue;
    watch.look({
      context: { ...context, validatorCount: votes.length },
      address: validator.address,
      publicKey: keyOf(validator.address),
      extension: voteExtension,
      refusal: refusals.get(index),
    });
  }
  for (const { validatorIndex, refusal } of built.blanks) {
    const validator = Math.min(validatorIndex, VALIDATOR_LABELS_MAX - 1).toString();
    metrics.extensionBlanks.inc({ validator });
    if (isOfShares(refusal)) metrics.sealPartsRejected.inc({ code: refusal.code });
    logger.warn("vote extension left blank", { validatorIndex, ...refusal });
  }
  if (!built.hasQuorum) {
    logger.error("too few usable vote extensions for a valid block", {
      height: request.height,
      blanks: built.blanks.length,
      votes: request.votes.length,
    });
  }
  const commit: Item = { kind: "injectedCommit", injectedCommit: built.commit };
  const plan = planOpenings(committed.staking, height, []);
  const { opened } = kept;
  const made = await buildOpenings(plan, built.shares, { opened, seal, ahead: kept.ahead });
  const verified = await verifyOpenings(plan, made, { opened, seal });
  const holds = typeof verified !== "string";
  if (!holds) {
    // Takes a bug. If something is due, others refuse the block and the next proposer opens it.
    logger.error("own openings do not hold: proposing none", { height, reason: verified });
  }
  const openings: readonly Item[] =
    made === undefined || !holds ? [] : [{ kind: "openings", openings: made }];
  return {
    lists: built.lists,
    openings: holds ? verified : NO_OPENINGS,
    items: [commit, ...openings].map((item) => ({ item, bytes: encodeItem(item) })),
  };
}

/** What excuses a transaction that is due, as the lane rules and the block see it. */
function excuseOf(tx: DecodedTx): { readonly use: LaneUse; readonly bytes: Uint8Array } {
  const bytes = excuseItem(tx);
  const { bodyBytes, body } = tx.tx;
  const item: Item = { kind: "excused", excused: { bodyBytes, body } };
  return { use: laneUse(item, bytes.length, EMPTY_BYTES, true), bytes };
}

function takeSystemItem(rules: LaneRules, item: Item, itemBytes: number): void {
  const fault = rules.take(laneUse(item, itemBytes, EMPTY_BYTES, false));
  assert(fault === undefined, `system items come first: ${fault?.reason}`);
}

/** The rules look at the kind of a system item only. */
function decodedManifest(): Item {
  return { kind: "manifest", manifest: createManifestBuilder().build().manifest };
}

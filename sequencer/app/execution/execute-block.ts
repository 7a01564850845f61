import { createLaneRules, Lane, type LaneUse, laneUse } from "../../../mev/lanes.ts";
import { obligationFault, type ObligatedItem } from "../../../mev/inclusion/obligations.ts";
import { createManifestBuilder } from "../../../mev/manifest.ts";
import {
  type CommitVote,
  type InjectedLists,
  verifyInjectedCommit,
} from "../../../mev/injected-commit.ts";
import type { SealCompute, SealProof } from "../../../mev/seal/compute.ts";
import type { SignatureCheck, VerifySignatures } from "../../../mev/signatures.ts";
import type { Height, Round } from "../../../proto/brands.ts";
import { bytesEqual, EMPTY_BYTES, toHex } from "../../../proto/bytes.ts";
import type { Openings } from "../../../proto/codec/seal-block.ts";
import { isCodecError } from "../../../proto/codec/errors.ts";
import {
  decodeItem,
  type InjectedCommit,
  type Item,
  ItemKind,
} from "../../../proto/codec/weft-block.ts";
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
import type { YieldToLoop } from "../../ports/yield-to-loop.ts";
import type { Timestamp } from "../../../proto/types.ts";
import { type Failure, failure } from "../codes.ts";
import { ordersEvents } from "../ordering/events.ts";
import { placeEntries } from "../ordering/place.ts";
import { excuse } from "../inclusion/inclusion.ts";
import { excusedTx, excuseFault } from "../inclusion/excuses.ts";
import { priceOrderFault } from "../ordering/price-order.ts";
import { fillsEvents } from "../seal/fills.ts";
import type { OpenedBatches } from "../seal/items/opened-batches.ts";
import { NOTHING_TO_OPEN, planOpenings, verifyOpenings } from "../seal/items/openings.ts";
import { SealedRoom } from "../seal/items/room.ts";
import { sealTermsAt } from "../proposal/seal-terms.ts";
import type { CommittedState } from "../state/committed-state.ts";
import { WorkingState } from "../state/working-state.ts";
import { laneParams } from "../params.ts";
import type { TxTerms } from "./action-rules.ts";
import { isCostly, placeAction } from "./actions.ts";
import { applyTx, validityFault } from "./apply-tx.ts";
import { nextBaseFee } from "./base-fee.ts";
import { beginBlock, endBlock, settleOverdue } from "./begin-end.ts";
import type { DecodedTx } from "./decoded-tx.ts";
import { obligatedEvent, txResult } from "./events.ts";
import { checkOfFault, refused, type RefusedBlock } from "./refused-block.ts";
import type { VerifiedTxs } from "./verified-txs.ts";

/** Transactions that are decoded or applied in one go: a few milliseconds. */
const TXS_PER_SLICE = 256;
/** Signatures of transactions that are verified before the next are looked at. */
const CHECKS_PER_SLICE = 128;
/** Proofs that are verified together, before the next are looked at. */
const PROOFS_PER_SLICE = 512;

/** First byte of an item that is an excuse. */
const EXCUSED_TAG = (ItemKind.EXCUSED << 3) | 2;

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

export interface ExecuteDependencies {
  readonly committed: CommittedState;
  readonly verified: VerifiedTxs;
  readonly verify: VerifySignatures;
  readonly seal: SealCompute;
  readonly opened: OpenedBatches;
  readonly yieldToLoop: YieldToLoop;
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

  const items = await decodeItems(input.txs, dependencies);
  if (!Array.isArray(items)) return items;
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
  const unmet = obligationFault(committed.due().txs, obligatedItems(items));
  if (unmet !== undefined) return refused("P7", unmet.code, unmet.reason);
  const terms: TxTerms = { height: input.height, params, baseFeePerByte };
  const disorder = priceOrderFault(items, committed, terms);
  if (disorder !== undefined) return refused("P10", disorder.code, disorder.reason);

  const unproven =
    (await signatureFault(items, dependencies)) ?? (await proofFault(items, dependencies));
  if (unproven !== undefined) return unproven;
  let plan = NOTHING_TO_OPEN;
  let lists: readonly InjectedLists[] = [];
  if (lastBlock !== undefined) {
    const injected = items[1]?.injectedCommit;
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
  const { openings } = items.find(({ use }) => use.lane === Lane.REVEAL) ?? NOTHING_TO_CHECK;
  const verified = await verifyOpenings(plan, openings, dependencies);
  if (typeof verified === "string") return refused("P4", "OPENINGS", verified);

  const working = new WorkingState(committed, input);
  beginBlock(working, { ...input, lists, openings: verified });
  const begun = working.takeEvents();
  const room = SealedRoom.of(working, chain.blockBytesMax);
  const manifest = createManifestBuilder();
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
  settleOverdue(working, manifest);
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
      ...working.entryTerms.events(),
    ],
    validatorUpdates,
  };
}

interface BlockItem {
  readonly use: LaneUse;
  readonly decoded: DecodedTx | undefined;
  /** What stands in the place of something due: its body, and nothing that it does. */
  readonly excused: DecodedTx | undefined;
  /** Left to do; none when the signatures are known to hold. */
  readonly signatureChecks: readonly SignatureCheck[];
  readonly proofs: readonly SealProof[];
  readonly injectedCommit: InjectedCommit | undefined;
  readonly openings: Openings | undefined;
}

const NOTHING_TO_CHECK = {
  excused: undefined,
  signatureChecks: [],
  proofs: [],
  injectedCommit: undefined,
  openings: undefined,
};

async function decodeItems(
  txs: readonly Uint8Array[],
  { committed, verified, yieldToLoop }: ExecuteDependencies,
): Promise<BlockItem[] | RefusedBlock> {
  const items: BlockItem[] = [];
  const due = committed.due();
  for (const [index, bytes] of txs.entries()) {
    if (index % TXS_PER_SLICE === TXS_PER_SLICE - 1) await yieldToLoop();
    const known = verified.get(bytes);
    if (known !== undefined) {
      const use = known.laneUse(due.has(known.idKey, bytes.length));
      items.push({ ...NOTHING_TO_CHECK, use, decoded: known });
      continue;
    }
    // Items of the proposer stand in front, excuses where their transaction would; anything else has to be one.
    const mayBeProposers = index < 3 || bytes[0] === EXCUSED_TAG;
    const item = mayBeProposers ? systemItem(bytes) : undefined;
    if (item?.kind === "excused") {
      const excused = excusedTx(committed.txDecoder, item.excused);
      if ("code" in excused) return refusedItem(index, excused);
      const use = laneUse(item, bytes.length, EMPTY_BYTES, true);
      items.push({ ...NOTHING_TO_CHECK, use, decoded: undefined, excused });
      continue;
    }
    if (item !== undefined && item.kind !== "tx") {
      items.push({
        ...NOTHING_TO_CHECK,
        use: laneUse(item, bytes.length, EMPTY_BYTES, false),
        decoded: undefined,
        injectedCommit: item.kind === "injectedCommit" ? item.injectedCommit : undefined,
        openings: item.kind === "openings" ? item.openings : undefined,
      });
      continue;
    }
    const tx = committed.txDecoder.decode(bytes);
    if ("code" in tx) return refusedItem(index, tx);
    items.push({
      ...NOTHING_TO_CHECK,
      use: tx.decoded.laneUse(due.has(tx.decoded.idKey, bytes.length)),
      decoded: tx.decoded,
      signatureChecks: tx.signatureChecks,
      proofs: tx.proofs,
    });
  }
  return items;
}

/** Of what stands in OBLIGATED, which transactions that is about. */
function obligatedItems(items: readonly BlockItem[]): readonly ObligatedItem[] {
  const obligated: ObligatedItem[] = [];
  for (const { use, decoded, excused } of items) {
    const tx = decoded ?? excused;
    if (use.lane !== Lane.OBLIGATED || tx === undefined) continue;
    obligated.push({ id: tx.id, size: tx.item.length });
  }
  return obligated;
}

/** The item, or undefined when the bytes are none; then `decodeTx` says why. */
function systemItem(bytes: Uint8Array): Item | undefined {
  try {
    return decodeItem(bytes);
  } catch (error) {
    // The proposer's bytes, refused by the caller. Anything else is a bug.
    if (!isCodecError(error)) throw error;
    return undefined;
  }
}

interface SignatureOfItem {
  readonly index: number;
  readonly check: SignatureCheck;
  /** The transaction, if that is the last thing to be known of it. */
  readonly holds: DecodedTx | undefined;
}

/**
 * Verifies what is not known yet and remembers it; stops at the first slice with a signature that
 * fails. To reject one costs twenty times what accepting one does, and nobody pays for a refused block.
 */
async function signatureFault(
  items: readonly BlockItem[],
  { verify, verified }: ExecuteDependencies,
): Promise<RefusedBlock | undefined> {
  const unknown: SignatureOfItem[] = [];
  for (const [index, { decoded, signatureChecks, proofs }] of items.entries()) {
    for (const [at, check] of signatureChecks.entries()) {
      const isLast = at === signatureChecks.length - 1 && proofs.length === 0;
      unknown.push({ index, check, holds: isLast ? decoded : undefined });
    }
  }
  for (let at = 0; at < unknown.length; at += CHECKS_PER_SLICE) {
    const slice = unknown.slice(at, at + CHECKS_PER_SLICE);
    const verdicts = await verify(slice.map(({ check }) => check));
    const bad = slice.find((_, position) => verdicts[position] !== true);
    if (bad !== undefined) return refusedItem(bad.index, failure("TX_SIGNATURE"));
    for (const { holds } of slice) if (holds !== undefined) verified.add(holds);
  }
  return undefined;
}

/** The same for proofs, once all signatures hold. */
async function proofFault(
  items: readonly BlockItem[],
  { seal, verified }: ExecuteDependencies,
): Promise<RefusedBlock | undefined> {
  const unknown = items.flatMap(({ decoded, proofs }, index) =>
    proofs.map((proof, at) => ({
      index,
      proof,
      holds: at === proofs.length - 1 ? decoded : undefined,
    })),
  );
  for (let at = 0; at < unknown.length; at += PROOFS_PER_SLICE) {
    const slice = unknown.slice(at, at + PROOFS_PER_SLICE);
    const verdicts = await seal.check(slice.map(({ proof }) => proof));
    const bad = slice.find((_, position) => verdicts[position] !== true);
    if (bad !== undefined) return refusedItem(bad.index, failure("TX_PROOF"));
    for (const { holds } of slice) if (holds !== undefined) verified.add(holds);
  }
  return undefined;
}

/** What the data of a rollup pays: its owner has a part of that. */
function addRollupFee(working: WorkingState, { tx, rollupId }: DecodedTx, fee: bigint): void {
  if (tx.body.action.kind === "rollupData") working.addRollupFee(rollupId, fee);
}

function manifestReason(made: Uint8Array, shown: Uint8Array): string {
  const pair = `expected ${toHex(made)}, got ${toHex(shown)}`;
  return `the manifest is not the one that the items make: ${pair}`;
}

function refusedItem(index: number, { code, reason }: Failure, isStrict = false): RefusedBlock {
  return refused(checkOfFault(code, isStrict), code, `item ${index}: ${reason}`);
}

/** A block's items taken apart, and what is left to be verified of them. */
import { Lane, type LaneUse, laneUse } from "../../../mev/lanes.ts";
import type { ObligatedItem } from "../../../mev/inclusion/obligations.ts";
import type { SealCompute, SealProof } from "../../../mev/seal/compute.ts";
import type { SignatureCheck, VerifySignatures } from "../../../mev/signatures.ts";
import { EMPTY_BYTES } from "../../../proto/bytes.ts";
import { isCodecError } from "../../../proto/codec/errors.ts";
import type { Openings } from "../../../proto/codec/seal-block.ts";
import {
  decodeItem,
  type InjectedCommit,
  type Item,
  ItemKind,
} from "../../../proto/codec/weft-block.ts";
import type { YieldToLoop } from "../../ports/yield-to-loop.ts";
import { failure } from "../codes.ts";
import { excusedTx } from "../inclusion/excuses.ts";
import type { CommittedState } from "../state/committed-state.ts";
import type { DecodedTx, UnverifiedTx } from "./decoded-tx.ts";
import { refusedItem, type RefusedBlock } from "./refused-block.ts";
import type { VerifiedTxs } from "./verified-txs.ts";

/** Transactions that are decoded in one go: a few milliseconds. */
const TXS_PER_SLICE = 256;
/** Signatures of transactions that are verified before the next are looked at. */
const CHECKS_PER_SLICE = 128;
/** Proofs that are verified together, before the next are looked at. */
const PROOFS_PER_SLICE = 512;
/** First byte of an item that is an excuse. */
const EXCUSED_TAG = (ItemKind.EXCUSED << 3) | 2;

/** What is looked at of every item of a block: one small object each. */
export interface BlockItem {
  readonly use: LaneUse;
  /** Undefined for what only a proposer makes. */
  readonly decoded: DecodedTx | undefined;
  /** What stands in the place of something due: its body, and nothing that it does. */
  readonly excused: DecodedTx | undefined;
}

export interface BlockItems {
  readonly items: readonly BlockItem[];
  /** In lane OBLIGATED: which transactions that is about. */
  readonly obligated: readonly ObligatedItem[];
  readonly injectedCommit: InjectedCommit | undefined;
  readonly openings: Openings | undefined;
  /** Transactions whose signatures and proofs nobody has verified yet, by their place. */
  readonly unverified: readonly (UnverifiedTx & { readonly index: number })[];
}

export interface BlockItemsDependencies {
  readonly committed: CommittedState;
  readonly verified: VerifiedTxs;
  readonly verify: VerifySignatures;
  readonly seal: SealCompute;
  readonly yieldToLoop: YieldToLoop;
}

/** Takes a block's items apart, or says which of them is none. */
export async function decodeBlockItems(
  txs: readonly Uint8Array[],
  { committed, verified, yieldToLoop }: BlockItemsDependencies,
): Promise<BlockItems | RefusedBlock> {
  const items: BlockItem[] = [];
  const obligated: ObligatedItem[] = [];
  const unverified: (UnverifiedTx & { readonly index: number })[] = [];
  let injectedCommit: InjectedCommit | undefined;
  let openings: Openings | undefined;
  const due = committed.due();

  function addTx(decoded: DecodedTx): void {
    const { idKey, item } = decoded;
    const use = decoded.laneUse(due.has(idKey, item.length));
    items.push({ use, decoded, excused: undefined });
    if (use.lane === Lane.OBLIGATED) obligated.push({ id: decoded.id, size: item.length });
  }

  for (const [index, bytes] of txs.entries()) {
    if (index % TXS_PER_SLICE === TXS_PER_SLICE - 1) await yieldToLoop();
    const known = verified.get(bytes);
    if (known !== undefined) {
      addTx(known);
      continue;
    }
    // Items of the proposer stand in front, excuses where their transaction would; anything else has to be one.
    const mayBeProposers = index < 3 || bytes[0] === EXCUSED_TAG;
    const item = mayBeProposers ? proposerItem(bytes) : undefined;
    if (item === undefined) {
      const tx = committed.txDecoder.decode(bytes);
      if ("code" in tx) return refusedItem(index, tx);
      addTx(tx.decoded);
      unverified.push({ index, ...tx });
      continue;
    }
    const use = laneUse(item, bytes.length, EMPTY_BYTES, false);
    if (item.kind !== "excused") {
      if (item.kind === "injectedCommit") injectedCommit ??= item.injectedCommit;
      if (item.kind === "openings") openings ??= item.openings;
      items.push({ use, decoded: undefined, excused: undefined });
      continue;
    }
    const excused = excusedTx(committed.txDecoder, item.excused);
    if ("code" in excused) return refusedItem(index, excused);
    items.push({ use, decoded: undefined, excused });
    obligated.push({ id: excused.id, size: excused.item.length });
  }
  return { items, obligated, injectedCommit, openings, unverified };
}

/** What only a proposer makes; undefined for a transaction and for what is no item: then its decoder says why. */
function proposerItem(bytes: Uint8Array): Exclude<Item, { readonly kind: "tx" }> | undefined {
  try {
    const item = decodeItem(bytes);
    return item.kind === "tx" ? undefined : item;
  } catch (error) {
    // The proposer's bytes, refused by the caller. Anything else is a bug.
    if (!isCodecError(error)) throw error;
    return undefined;
  }
}

/** Why the transactions of the block do not hold, or undefined: then all of them are known to. */
export async function unverifiedFault(
  { unverified }: Pick<BlockItems, "unverified">,
  dependencies: BlockItemsDependencies,
): Promise<RefusedBlock | undefined> {
  if (unverified.length === 0) return undefined;
  return (
    (await signatureFault(unverified, dependencies)) ?? (await proofFault(unverified, dependencies))
  );
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
  txs: BlockItems["unverified"],
  { verify, verified }: BlockItemsDependencies,
): Promise<RefusedBlock | undefined> {
  const unknown: SignatureOfItem[] = [];
  for (const { index, decoded, signatureChecks, proofs } of txs) {
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

interface ProofOfItem {
  readonly index: number;
  readonly proof: SealProof;
  readonly holds: DecodedTx | undefined;
}

/** The same for proofs, once all signatures hold. */
async function proofFault(
  txs: BlockItems["unverified"],
  { seal, verified }: BlockItemsDependencies,
): Promise<RefusedBlock | undefined> {
  const unknown = txs.flatMap(({ index, decoded, proofs }) =>
    proofs.map(
      (proof, at): ProofOfItem => ({
        index,
        proof,
        holds: at === proofs.length - 1 ? decoded : undefined,
      }),
    ),
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

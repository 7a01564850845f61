/**
 * Blocks that somebody changes after they were made, as a proposer with other software would: items are
 * moved, left out, cut and put in, and the manifest is made anew.
 */
import { bytesEqual, fromHex } from "../../proto/bytes.ts";
import {
  decodeItem,
  encodeItem,
  encodeTxItem,
  type InjectedCommit,
  type Item,
} from "../../proto/codec/weft-block.ts";
import { type Action, encodeTxBody, type SignedTx } from "../../proto/codec/weft-tx.ts";
import { sha256Concat } from "../../proto/hash.ts";
import type {
  Application,
  PrepareProposalRequest,
  ProcessProposalRequest,
} from "../../sequencer/abci/application.ts";

/** The transaction of an item; undefined for what only a proposer makes. */
export function txOf(item: Uint8Array): SignedTx | undefined {
  const decoded = decodeItem(item);
  return decoded.kind === "tx" ? decoded.tx : undefined;
}

export function actionOf(item: Uint8Array): Action | undefined {
  return txOf(item)?.body.action;
}

/** Of the item at that place; undefined where there is none. */
export function actionAt(txs: readonly Uint8Array[], at: number): Action | undefined {
  const item = txs[at];
  return item && actionOf(item);
}

/** Places of the transactions with an action of that kind. */
export function placesOf(txs: readonly Uint8Array[], kind: Action["kind"]): readonly number[] {
  return txs.flatMap((item, at) => (actionOf(item)?.kind === kind ? [at] : []));
}

export function without(txs: readonly Uint8Array[], at: number): readonly Uint8Array[] {
  return txs.toSpliced(at, 1);
}

export function inserted(
  txs: readonly Uint8Array[],
  at: number,
  ...items: readonly Uint8Array[]
): readonly Uint8Array[] {
  return txs.toSpliced(at, 0, ...items);
}

/** The item at `from` stands at `to` of the block without it. */
export function moved(txs: readonly Uint8Array[], from: number, to: number): readonly Uint8Array[] {
  const item = txs[from];
  return item === undefined ? txs : inserted(without(txs, from), to, item);
}

export function swapped(txs: readonly Uint8Array[], a: number, b: number): readonly Uint8Array[] {
  const [first, second] = [txs[a], txs[b]];
  if (first === undefined || second === undefined) return txs;
  return txs.with(a, second).with(b, first);
}

/** What a proposer says in the place of a transaction that is due. */
export function excuseOf(item: Uint8Array): Uint8Array {
  const tx = txOf(item);
  if (tx === undefined) throw new Error("only a transaction can be excused");
  const { bodyBytes, body } = tx;
  return encodeItem({ kind: "excused", excused: { bodyBytes, body } });
}

/** The transaction with another action under its old signature. */
export function withAction(item: Uint8Array, change: (action: Action) => Action): Uint8Array {
  const tx = txOf(item);
  if (tx === undefined) throw new Error("only a transaction has an action");
  const bodyBytes = encodeTxBody({ ...tx.body, action: change(tx.body.action) });
  return encodeTxItem({ bodyBytes, signature: tx.signature });
}

/** Changes what the block says of the votes before it. */
export function withInjected(
  txs: readonly Uint8Array[],
  change: (commit: InjectedCommit) => InjectedCommit,
): readonly Uint8Array[] {
  return txs.map((bytes) => {
    const item = decodeItem(bytes);
    if (item.kind !== "injectedCommit") return bytes;
    return encodeItem({ kind: "injectedCommit", injectedCommit: change(item.injectedCommit) });
  });
}

export function injectedOf(txs: readonly Uint8Array[]): InjectedCommit | undefined {
  const items = txs.slice(0, 2).map(decodeItem);
  return items.find(
    (item): item is Extract<Item, { kind: "injectedCommit" }> => item.kind === "injectedCommit",
  )?.injectedCommit;
}

/** What other validators are asked about a block that is prepared. */
export function processRequestOf(
  request: PrepareProposalRequest,
  txs: readonly Uint8Array[],
): ProcessProposalRequest {
  const { height, time, misbehavior, nextValidatorsHash, proposerAddress } = request;
  const { round, votes } = request.localLastCommit;
  return {
    height,
    time,
    misbehavior,
    nextValidatorsHash,
    proposerAddress,
    txs,
    proposedLastCommit: {
      round,
      votes: votes.map(({ validator, blockIdFlag }) => ({ validator, blockIdFlag })),
    },
    hash: sha256Concat(...txs),
  };
}

export interface Remade {
  readonly txs: readonly Uint8Array[];
  /** What refuses it under the manifest that its items make; undefined: nothing. */
  readonly refusal: string | undefined;
}

/**
 * The items below the manifest that they make, so that it is not the manifest that refuses them. The
 * application says which one it is when it is shown another, once all earlier checks hold: where one does
 * not, the manifest changes nothing.
 */
export async function remade(
  application: Pick<Application, "processProposal">,
  request: ProcessProposalRequest,
): Promise<Remade> {
  const { txs } = request;
  const first = await refusalOf(application, request);
  const expected = first === undefined ? undefined : MANIFEST_MADE.exec(first)?.[1];
  if (expected === undefined) return { txs, refusal: first };
  const anew = txs.with(0, fromHex(expected));
  return { txs: anew, refusal: await refusalOf(application, { ...request, txs: anew }) };
}

async function refusalOf(
  application: Pick<Application, "processProposal">,
  request: ProcessProposalRequest,
): Promise<string | undefined> {
  const verdict = await application.processProposal(request);
  return verdict.accept ? undefined : verdict.reason;
}

const MANIFEST_MADE = /^P5 MANIFEST: .*expected ([0-9a-f]+), got/;

export function areSameItems(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return (
    a.length === b.length && a.every((item, at) => bytesEqual(item, b[at] ?? new Uint8Array()))
  );
}

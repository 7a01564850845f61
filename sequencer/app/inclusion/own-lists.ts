import { bytesToDigest } from "../../../proto/hash.ts";
import { listingKey } from "../../../mev/inclusion/keys.ts";
import { chooseListed, chooseWithdrawn, type HeldTx } from "../../../mev/inclusion/lister.ts";
import type { ListedTx } from "../../../proto/codec/weft-extension.ts";
import type { TxTerms } from "../execution/action-rules.ts";
import { actionFault, costlyActionFault } from "../execution/actions.ts";
import { validityFault } from "../execution/apply-tx.ts";
import { txFee } from "../execution/base-fee.ts";
import type { DecodedTx } from "../execution/decoded-tx.ts";
import type { Pool } from "../pool/pool.ts";
import type { BodyStore } from "../proposal/body-store.ts";
import type { CommittedState } from "../state/committed-state.ts";
import type { Digest } from "../state-tree/node.ts";
import { obligatedRoomBytes } from "./due-set.ts";
import { isPassing } from "./excuses.ts";
import { tallyOf } from "./tally-state.ts";

/** What a validator says in LISTS, beside its shares. */
export interface OwnLists {
  /** The most wanted first. */
  readonly listed: readonly ListedTx[];
  readonly withdrawn: readonly Uint8Array[];
  /** The transactions of `listed`. */
  readonly txs: readonly DecodedTx[];
}

export const NO_LISTS: OwnLists = { listed: [], withdrawn: [], txs: [] };

/** Heights from a vote to the first block that its lists decide about: the vote's own, and the one that brings it. */
const EFFECT_BLOCKS = 2;

/**
 * What the validator at `address` lists and withdraws in its vote on the block at the next height. What that
 * block holds itself (`isIncluded`) is not listed: it would stand in the tally when nothing is left of it.
 */
export function ownLists(
  address: Uint8Array,
  isIncluded: (id: Digest) => boolean,
  { committed, pool, bodies }: OwnListsDependencies,
): OwnLists {
  const { params, baseFeePerByte, chain } = committed.requireTerms();
  const height = committed.nextHeight();
  const terms: TxTerms = { height, params, baseFeePerByte };
  const tally = tallyOf(committed.staking);
  const txs = new Map<HeldTx, DecodedTx>();

  function* held(): Iterable<HeldTx> {
    for (const { tx, agoMs } of pool.waiting()) {
      if (isIncluded(tx.idKey)) continue;
      const { rollupKeys } = tx.laneUse(false);
      const one: HeldTx = { id: tx.id, size: tx.item.length, agoMs, rollupKeys };
      txs.set(one, tx);
      yield one;
    }
  }
  // All of what is listed has to find its room on disk, not each by itself.
  let reserved = 0;
  const canKeep = (one: HeldTx): boolean => {
    const tx = txs.get(one);
    if (tx === undefined || !bodies.hasRoom(tx, reserved)) return false;
    if (blockFault(committed, tx, terms) !== undefined) return false;
    reserved += bodies.bytesFor(tx);
    return true;
  };
  const roomBytes = obligatedRoomBytes(params, chain.blockBytesMax);
  const limits = { validator: address, height, roomBytes, canKeep };
  const listed = chooseListed(held(), tally, limits);
  const isListed = new Set(listed.map(listingKey));
  const kept = [...txs].filter(([one]) => isListed.has(listingKey(one))).map(([, tx]) => tx);

  const withdrawn = chooseWithdrawn(tally, address, height + EFFECT_BLOCKS, (due) => {
    const id = bytesToDigest(due.id);
    if (isIncluded(id)) return true;
    const tx = bodies.find(id);
    if (tx === undefined) return false;
    const fault = blockFault(committed, tx, terms);
    return fault === undefined || isPassing(fault);
  });
  return { listed, withdrawn, txs: kept };
}

export interface OwnListsDependencies {
  readonly committed: CommittedState;
  readonly pool: Pool;
  readonly bodies: BodyStore;
}

/** Why the next block may not hold it in its first place, or would hold it for nothing. */
function blockFault(committed: CommittedState, tx: DecodedTx, terms: TxTerms) {
  const fault = validityFault(committed, tx, terms);
  if (fault !== undefined) return fault;
  const balance = committed.account(tx.sender).balance - txFee(tx, terms.baseFeePerByte);
  return actionFault(committed, tx, terms, balance) ?? costlyActionFault(committed, tx);
}

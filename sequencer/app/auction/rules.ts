/** Actions 14, 81 and 82 (docs/formats.md, "Bundles and bids"; docs/adr/0020). */
import { earlyFault, pastFault, windowFault } from "../../../mev/bundle/window.ts";
import { labelOfSealed } from "../../../mev/seal/sealed-content.ts";
import { toHex } from "../../../proto/bytes.ts";
import type { Bid, DepositEscrow, WithdrawEscrow } from "../../../proto/codec/mev-tx.ts";
import { SealedItemKind } from "../../../proto/codec/seal-state.ts";
import { assert } from "../../../proto/errors.ts";
import type { Refusal } from "../../../proto/refusal.ts";
import { type Failure, failure } from "../codes.ts";
import { type ActionRules, noValue } from "../execution/action-rules.ts";
import { ciphertextProof } from "../seal/items/ciphertext-proof.ts";
import {
  bondFault,
  holdDeposits,
  keyFault,
  lateKeyFault,
  placeItem,
  placesOf,
} from "../seal/items/inclusion.ts";
import type { StakingReader } from "../staking/context.ts";
import {
  depositEscrow,
  depositEscrowFault,
  escrowOf,
  withdrawEscrow,
  withdrawEscrowFault,
} from "./escrow.ts";
import { BIDS_PER_ACCOUNT_MAX } from "./limits.ts";

/**
 * Strict: with a fault it may not stand in a block, or a proposer could use it up by placing it early, or without
 * its funds.
 */
export const BID_RULES: ActionRules<Bid> = {
  isStrict: true,
  fault({ staking }, { sender }, action, { height, params }, balance) {
    return (
      ofHeights(windowFault(action, height)) ??
      groupFault(staking, action) ??
      keyFault(staking, action.key, height) ??
      bondFault(balance, params.sealBond) ??
      fundsFault(staking, sender) ??
      countFault(staking, sender) ??
      // Last: one that only is early may wait.
      ofHeights(earlyFault(action, height))
    );
  },
  late({ staking }, action, height) {
    return (
      ofHeights(pastFault(action, height)) ??
      groupFault(staking, action) ??
      lateKeyFault(staking, action.key, height)
    );
  },
  run(state, tx, _action, terms) {
    holdDeposits(state, tx, terms);
  },
  placed(state, tx, action, positions, terms) {
    const { group, key, kem, body } = action;
    const leader = toHex(group);
    const members = state.auctionGroup(leader)?.members ?? [];
    assert(
      members.length > 0 && members.length === positions.length,
      "a bid has an entry in the list of each member of its group",
    );
    const rollupIds = members.map(({ rollupId }) => rollupId);
    const places = placesOf(rollupIds, positions);
    const kind = SealedItemKind.BID;
    const item = { kind, kem, body, label: tx.label, places, tips: [], group };
    placeItem(state, tx, key, item, terms);
    state.bids.place(leader, tx.sender);
  },
  value: (_action, { sealBond }) => sealBond,
  proofs: (chainId, body, action) => [
    ciphertextProof(labelOfSealed(chainId, body, action), action),
  ],
};

export const DEPOSIT_ESCROW_RULES: ActionRules<DepositEscrow> = {
  fault: ({ staking }, { sender }, action, _terms, balance) =>
    depositEscrowFault(staking, sender, action, balance),
  run: (state, { sender }, action) => depositEscrow(state, sender, action),
  value: ({ amount }) => amount,
};

export const WITHDRAW_ESCROW_RULES: ActionRules<WithdrawEscrow> = {
  fault: ({ staking }, { sender }, action) => withdrawEscrowFault(staking, sender, action),
  run: (state, { sender }, action) => withdrawEscrow(state, sender, action),
  value: noValue,
};

const CODES_OF_BIDS = {
  BUNDLE_WINDOW: "BID_HEIGHT",
  BUNDLE_EARLY: "BID_EARLY",
  BUNDLE_LATE: "BID_LATE",
} as const;

/** Bids have the windows of bundles. */
function ofHeights(refusal: Refusal<keyof typeof CODES_OF_BIDS> | undefined): Failure | undefined {
  return refusal && failure(CODES_OF_BIDS[refusal.code], refusal.reason);
}

function groupFault(reader: StakingReader, action: Bid): Failure | undefined {
  const group = toHex(action.group);
  return reader.auctionGroup(group) === undefined ? failure("BID_GROUP", group) : undefined;
}

function fundsFault(reader: StakingReader, sender: string): Failure | undefined {
  const { balance } = escrowOf(reader, sender);
  const { bidEscrowMin } = reader.params;
  if (balance >= bidEscrowMin) return undefined;
  return failure("BID_NOT_FUNDED", `the escrow is ${balance} nweft, at least ${bidEscrowMin}`);
}

function countFault(reader: StakingReader, sender: string): Failure | undefined {
  if (reader.bidsOf(sender) < BIDS_PER_ACCOUNT_MAX) return undefined;
  return failure("BID_TOO_MANY", `at most ${BIDS_PER_ACCOUNT_MAX}`);
}

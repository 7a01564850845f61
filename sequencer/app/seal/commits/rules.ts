/** Actions 17 and 71: where the rules of commit and reveal meet the transaction. */
import { toHex } from "../../../../proto/bytes.ts";
import type { Reveal, SealCommit } from "../../../../proto/codec/seal-tx.ts";
import { type ActionRules, noValue } from "../../execution/action-rules.ts";
import { pastFault, rollupsFault } from "../items/inclusion.ts";
import {
  commitBond,
  drawRevealFee,
  heldForReveal,
  placeCommit,
  reveal,
  revealFault,
  revealFee,
  sealCommit,
  sealCommitFault,
} from "./commits.ts";

export const SEAL_COMMIT_RULES: ActionRules<SealCommit> = {
  fault(state, { sender, tx }, action, _terms, balance) {
    const held = commitBond(state.staking, sender) + revealFee(action, tx.body.fee.maxFeePerByte);
    const commit = { sender, held, balance };
    return rollupsFault(state, action) ?? sealCommitFault(state.staking, action, commit);
  },
  late: (_state, action, height) => pastFault(action, height),
  run(state, { sender, tx }, action) {
    sealCommit(state, sender, action, tx.body.fee.maxFeePerByte);
  },
  placed(state, { id, sender, tx }, action, positions) {
    const { maxFeePerByte } = tx.body.fee;
    const places = action.rollupIds.map((rollupId, at) => ({
      rollupId,
      position: positions[at] ?? 0,
    }));
    placeCommit(state, { id, sender, action, maxFeePerByte, places });
  },
  // Of an account whose commits were all revealed, and without the fee of the reveal, which only the
  // transaction says: the check before each block is exact.
  value: (_action, { sealCommitBond }) => sealCommitBond,
};

export const REVEAL_RULES: ActionRules<Reveal> = {
  fault: (state, { sender }, action) => revealFault(state.staking, sender, action),
  run: (state, { sender }, action) => reveal(state, sender, action),
  feeHold(state, { sender }, action) {
    const amount = heldForReveal(state.staking, sender, action);
    return amount === 0n ? undefined : { key: `${action.height}/${toHex(action.id)}`, amount };
  },
  drawFeeHold: (state, { sender }, action, amount) => drawRevealFee(state, sender, action, amount),
  value: noValue,
};

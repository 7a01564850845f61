/** Rules of the actions of atomic execution; they meet the transaction here. */
import { toHex } from "../../../proto/bytes.ts";
import type { AtomicAction } from "../../../proto/codec/atomic-tx.ts";
import {
  bondExecutor,
  bondFault,
  unbondExecutor,
  unbondFault,
  unjailExecutor,
  unjailFault,
} from "../atomic/executors.ts";
import { castVote, reportFault, takeReport, voteFault } from "../atomic/votes.ts";
import { noValue, type RulesOf } from "./action-rules.ts";

export const ATOMIC_RULES: RulesOf<AtomicAction["kind"]> = {
  executorVote: {
    isStrict: true,
    fault: ({ staking }, { tx }, action) => voteFault(staking, tx.body.publicKey, action),
    late: ({ staking }, action, _height, { tx }) => voteFault(staking, tx.body.publicKey, action),
    run: (state, { tx }, action) => castVote(state, tx.body.publicKey, action),
    value: noValue,
  },
  executorReport: {
    isStrict: true,
    fault: ({ staking }, { tx }, action) => reportFault(staking, tx.body.publicKey, action),
    late: ({ staking }, action, _height, { tx }) => reportFault(staking, tx.body.publicKey, action),
    run: (state, { tx }, action) => takeReport(state, tx.body.publicKey, action),
    value: noValue,
  },
  bondExecutor: {
    fault: (state, { tx }, action, _terms, balance) =>
      bondFault(state, toHex(tx.body.publicKey), action, balance),
    run: (state, { sender, tx }, action) =>
      bondExecutor(state, sender, toHex(tx.body.publicKey), action),
    value: ({ amount }) => amount,
  },
  unbondExecutor: {
    fault: ({ staking }, { tx }, action) => unbondFault(staking, toHex(tx.body.publicKey), action),
    run: (state, { tx }, action) => unbondExecutor(state, toHex(tx.body.publicKey), action),
    value: noValue,
  },
  unjailExecutor: {
    fault: ({ staking }, { tx }, action) => unjailFault(staking, toHex(tx.body.publicKey), action),
    run: (state, { tx }, { rollupId }) =>
      unjailExecutor(state, toHex(rollupId), toHex(tx.body.publicKey)),
    value: noValue,
  },
};

/** Rules of the actions of atomic execution; they meet the transaction here. */
import type { AtomicAction } from "../../../proto/codec/atomic-tx.ts";
import { toHex } from "../../../proto/bytes.ts";
import { assert } from "../../../proto/errors.ts";
import { failure } from "../codes.ts";
import { type ActionRules, noValue, type RulesOf } from "./action-rules.ts";

/** No rollup has executors yet: nothing of the kind may stand in a block. */
const NOBODY: ActionRules<AtomicAction> = {
  isStrict: true,
  fault: (_state, _tx, { rollupId }) => failure("EXECUTOR_UNKNOWN", toHex(rollupId)),
  run() {
    assert(false, "what has a fault is not run");
  },
  value: noValue,
};

export const ATOMIC_RULES: RulesOf<AtomicAction["kind"]> = {
  executorVote: NOBODY,
  executorReport: NOBODY,
  bondExecutor: NOBODY,
  unbondExecutor: NOBODY,
  unjailExecutor: NOBODY,
};

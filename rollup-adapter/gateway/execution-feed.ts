/**
 * From what the driver feeds and the executor answers to what became of each payload: an executor that gathers answers for
 * payloads of requests before, with or without those of the request that it answers.
 */
import type { ExecuteBlockResponse } from "../execution.ts";

/** One payload of a block that the executor made; `reason`: why it was left out. */
export interface ExecutedPayload {
  readonly payload: Uint8Array;
  readonly reason: string | undefined;
}

export interface ExecutionFeed {
  /**
   * What this answer settles, in the order of execution. `isComplete` is false where payloads were executed that this
   * process has not seen being fed: after a start, for what an executor had gathered before.
   */
  executed(
    payloads: readonly Uint8Array[],
    answer: Pick<ExecuteBlockResponse, "outcome" | "included" | "skipped">,
  ): { readonly payloads: readonly ExecutedPayload[]; readonly isComplete: boolean };
}

export function createExecutionFeed(): ExecutionFeed {
  let gathered: readonly Uint8Array[] = [];

  return {
    executed(payloads, { outcome, included, skipped }) {
      const all = [...gathered, ...payloads];
      if (outcome !== "block") {
        gathered = all;
        return { payloads: [], isComplete: true };
      }
      const count = included + skipped.length;
      const settled = count === gathered.length ? gathered : all;
      const isComplete = count === settled.length;
      gathered = settled === gathered ? payloads : [];
      if (!isComplete) return { payloads: [], isComplete };
      const reasons = new Map(skipped.map(({ index, reason }) => [index, reason]));
      return {
        payloads: settled.map((payload, index) => ({ payload, reason: reasons.get(index) })),
        isComplete,
      };
    },
  };
}

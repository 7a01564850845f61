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
   * process has not seen being fed: after a start, for what an executor had gathered before, and where heights are missing.
   * @param height of the sequencer block; one that was fed before is fed again by a driver whose executor has lost what it
   * had gathered
   */
  executed(
    payloads: readonly Uint8Array[],
    answer: Pick<ExecuteBlockResponse, "outcome" | "included" | "skipped">,
    height?: number,
  ): { readonly payloads: readonly ExecutedPayload[]; readonly isComplete: boolean };
}

/** What one request brought, of those that wait for their block. */
interface Gathered {
  readonly height: number | undefined;
  readonly payloads: readonly Uint8Array[];
}

export function createExecutionFeed(): ExecutionFeed {
  let gathered: readonly Gathered[] = [];
  /** It is an executor that gathers. */
  let gathers = false;
  let lastHeight: number | undefined;
  /** Heights were missing since the last block: what they brought is not among what is gathered. */
  let hasGap = false;

  return {
    executed(payloads, { outcome, included, skipped }, height) {
      if (lastHeight !== undefined && height !== undefined && height > lastHeight + 1) {
        hasGap = gathers;
      }
      lastHeight = height;
      gathers ||= outcome === "gathered";
      const isOld = (one: Gathered): boolean =>
        height === undefined || one.height === undefined || one.height < height;
      const before = gathered.every(isOld) ? gathered : gathered.filter(isOld);
      const request = { height, payloads };
      if (outcome !== "block") {
        // Blocks without payloads settle nothing, and there may be any number of them.
        gathered = payloads.length === 0 ? before : [...before, request];
        return { payloads: [], isComplete: true };
      }
      const count = included + skipped.length;
      const earlier = before.flatMap((one) => one.payloads);
      const all = [...earlier, ...payloads];
      const isComplete = !hasGap && (count === earlier.length || count === all.length);
      const isWithRequest = isComplete && count !== earlier.length;
      hasGap = false;
      // An executor that answers for something else than it was seen to be fed is taken to gather still.
      gathered = isWithRequest ? [] : [request];
      if (!isComplete) return { payloads: [], isComplete };
      const reasons = new Map(skipped.map(({ index, reason }) => [index, reason]));
      return {
        payloads: (isWithRequest ? all : earlier).map((payload, index) => ({
          payload,
          reason: reasons.get(index),
        })),
        isComplete,
      };
    },
  };
}

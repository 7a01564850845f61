/** What requests must be for this executor: the rules of all executors, against its store, and those of atomic bundles. */
import { Height } from "../../proto/brands.ts";
import { compareBytes } from "../../proto/bytes.ts";
import { assert } from "../../proto/errors.ts";
import type {
  DecideBundleRequest,
  ExecuteBlockRequest,
  PrepareBundleRequest,
} from "../execution.ts";
import {
  checkHeight,
  checkParent,
  checkSameBlock,
  checkTime,
  failure,
  forgotten,
  invalid,
  notInitialized,
} from "../execution-checks.ts";
import { LOCKS_MAX } from "./atomic/limits.ts";
import type { ChainStore } from "./chain-store.ts";
import type { SequencerRecord } from "./records.ts";

/** Throws EXECUTION_INVALID_REQUEST for a leg that no state of the rollup could make valid. */
export function checkPrepare(request: PrepareBundleRequest): void {
  const { leg, legs, siblingRollupIds, locksMax } = request;
  checkPlace(request);
  if (leg >= legs || siblingRollupIds.length !== legs - 1) {
    throw invalid(`leg ${leg} of ${legs} with ${siblingRollupIds.length} siblings`);
  }
  for (const [index, id] of siblingRollupIds.entries()) {
    const before = siblingRollupIds[index - 1];
    if (id.length !== 32 || (before !== undefined && compareBytes(before, id) >= 0)) {
      throw invalid("rollup ids of siblings have 32 bytes and ascend");
    }
  }
  if (locksMax < 1 || locksMax > LOCKS_MAX) {
    throw invalid(`a leg may lock 1 to ${LOCKS_MAX}, got ${locksMax}`);
  }
  checkTime(request);
}

export function checkDecide(request: DecideBundleRequest): void {
  checkPlace(request);
}

/** Legs can be prepared here, and the sequencer chain is known. */
export function checkAtomic(store: ChainStore, isAtomic: boolean): void {
  if (!isAtomic) {
    throw failure(
      { code: "EXECUTION_ATOMIC_UNSUPPORTED" },
      "this rollup includes legs of bundles together and does not execute them atomically; its genesis would have to say so",
    );
  }
  if (store.binding() === undefined) throw notInitialized();
}

function checkPlace(
  request: Pick<PrepareBundleRequest, "sequencerBlockHash" | "sequencerHeight" | "bundleId">,
): void {
  const { sequencerBlockHash, sequencerHeight, bundleId } = request;
  if (sequencerBlockHash.length !== 32 || bundleId.length !== 32) {
    throw invalid(
      `a sequencer block hash and a bundle id have 32 bytes, got ${sequencerBlockHash.length} and ${bundleId.length}`,
    );
  }
  if (sequencerHeight < 1) throw invalid(`sequencer heights start at 1, got ${sequencerHeight}`);
}

/** What the same request came to before; anything else at a past height is an error. */
export function earlierRecord(
  store: ChainStore,
  request: ExecuteBlockRequest,
): SequencerRecord | undefined {
  const height = request.sequencerHeight;
  const cursor = store.cursor();
  if (cursor === undefined || height > cursor.height) return undefined;
  const record = store.sequencerRecord(height);
  if (record === undefined) throw forgotten(height, cursor.height);
  checkSameBlock(request, record.blockHash);
  return record;
}

/** The request has to start at the next height, on the head. */
export function checkPosition(
  store: ChainStore,
  request: ExecuteBlockRequest,
  head: Uint8Array,
): void {
  if (store.binding() === undefined) throw notInitialized();
  checkHeight(request, nextHeight(store));
  checkParent(request, head);
}

/** The sequencer height that comes next, after `init`. */
export function nextHeight(store: ChainStore): Height {
  const cursor = store.cursor();
  if (cursor !== undefined) return Height(cursor.height + 1);
  const binding = store.binding();
  assert(binding !== undefined, "the next height is asked for after init");
  return binding.sequencerStartHeight;
}

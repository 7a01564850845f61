/**
 * Gathers sequencer blocks of one second of BFT time into one request, for executors whose blocks lie at least a second
 * apart: those behind the Engine API. A second is executed when a block of a later one comes, so the answer to a
 * request describes the block of the second before.
 *
 * A gathered request starts at the first height of its second that carries payloads and ends at the last one of that second:
 * a function of the order alone. What is gathered is in memory only: after a restart the executor's next height is the one
 * after its newest block, and the driver of the same process feeds from there. So it is not for serving to others over
 * weft.execution.v1, whose contract has what is gathered survive a crash.
 */
import { Height } from "../../proto/brands.ts";
import { bytesEqual, copyBytes, toHex } from "../../proto/bytes.ts";
import type {
  ExecuteBlockRequest,
  ExecuteBlockResponse,
  ExecutedBlock,
  Executor,
  PayloadLeg,
  SkippedPayload,
} from "../execution.ts";
import { checkHeight, checkParent, failure } from "../execution-checks.ts";
import { GATHERED_BYTES_MAX, GATHERED_PAYLOADS_MAX } from "../limits.ts";
import { createTurns } from "../turns.ts";

/** Why payloads of a second were not handed on: it holds more than `GATHERED_PAYLOADS_MAX` or `GATHERED_BYTES_MAX`. */
export const GATHERED_TOO_MUCH = "GATHERED_TOO_MUCH";

interface OpenSecond {
  readonly seconds: bigint;
  readonly first: Height;
  /** The rollup's head, on which it will be executed. */
  readonly head: ExecutedBlock;
  readonly heights: { readonly height: Height; readonly hash: Uint8Array }[];
  readonly payloads: Uint8Array[];
  readonly legs: PayloadLeg[];
  /** Index of each payload among all of the second; those in between were too much. */
  readonly indexes: number[];
  readonly skipped: SkippedPayload[];
  bytes: number;
  /** Payloads of the second so far, those left out included. */
  count: number;
  last: ExecuteBlockRequest;
}

/** An executor that takes every sequencer block and hands `executor` whole seconds. */
export function gatherSeconds(executor: Executor): Executor {
  let open: OpenSecond | undefined;
  const calls = createTurns();

  async function take(request: ExecuteBlockRequest): Promise<ExecuteBlockResponse> {
    if (open === undefined) return begin(request);
    const first = request.sequencerHeightFirst ?? request.sequencerHeight;
    if (request.sequencerHeight < open.first) return executor.executeBlock(request);
    if (first <= open.last.sequencerHeight) return again(open, request);
    checkHeight(request, Height(open.last.sequencerHeight + 1));
    checkParent(request, open.head.hash);
    if (request.timestamp.seconds <= open.seconds) {
      add(open, request);
      return waiting(open);
    }
    const { parentHash: _checked, ...next } = request;
    const done = await executeSecond(open);
    open = undefined;
    await begin(next);
    return done;
  }

  async function begin(request: ExecuteBlockRequest): Promise<ExecuteBlockResponse> {
    const { nextSequencerHeight: next, head } = await executor.getStatus();
    const first = request.sequencerHeightFirst ?? request.sequencerHeight;
    // What carries nothing, or cannot be taken, the executor answers itself.
    if (request.payloads.length === 0 || first !== next) return executor.executeBlock(request);
    checkParent(request, head.hash);
    open = {
      seconds: request.timestamp.seconds,
      first,
      head,
      heights: [],
      payloads: [],
      legs: [],
      indexes: [],
      skipped: [],
      bytes: 0,
      count: 0,
      last: request,
    };
    add(open, request);
    return waiting(open);
  }

  async function executeSecond(second: OpenSecond): Promise<ExecuteBlockResponse> {
    const { last, first } = second;
    const answer = await executor.executeBlock({
      sequencerBlockHash: last.sequencerBlockHash,
      sequencerHeight: last.sequencerHeight,
      ...(first === last.sequencerHeight ? {} : { sequencerHeightFirst: first }),
      timestamp: last.timestamp,
      payloads: second.payloads,
      legs: second.legs,
    });
    const skipped = answer.skipped.map(({ index, reason }) => ({
      index: second.indexes[index] ?? index,
      reason,
    }));
    return {
      ...answer,
      skipped: [...skipped, ...second.skipped].toSorted((a, b) => a.index - b.index),
    };
  }

  return {
    init: (request) =>
      calls.take(async () => {
        const answer = await executor.init(request);
        // Whoever calls it feeds from the height that it answers.
        open = undefined;
        // Legs are prepared and decided between blocks of one height; a gathered second has no such place.
        return { ...answer, atomicLevel: 0 };
      }),
    executeBlock: (request) => calls.take(() => take(request)),
    setFinality: (request) => calls.take(() => executor.setFinality(request)),
    async getStatus() {
      const status = await executor.getStatus();
      if (open === undefined) return status;
      const { sequencerHeight: height, sequencerBlockHash: blockHash } = open.last;
      return {
        ...status,
        sequencer: { height, blockHash },
        nextSequencerHeight: Height(height + 1),
        gatheredPayloads: open.payloads.length,
      };
    },
  };
}

function add(open: OpenSecond, request: ExecuteBlockRequest): void {
  open.last = request;
  open.heights.push({ height: request.sequencerHeight, hash: request.sequencerBlockHash });
  const placed = new Map<number, number>();
  for (const [i, payload] of request.payloads.entries()) {
    const index = open.count;
    open.count += 1;
    const isTooMuch =
      open.payloads.length >= GATHERED_PAYLOADS_MAX ||
      open.bytes + payload.length > GATHERED_BYTES_MAX;
    if (isTooMuch) {
      open.skipped.push({ index, reason: GATHERED_TOO_MUCH });
      continue;
    }
    placed.set(i, open.payloads.length);
    open.indexes.push(index);
    open.payloads.push(copyBytes(payload));
    open.bytes += payload.length;
  }
  for (const leg of request.legs ?? []) {
    const first = placed.get(leg.first);
    const isWhole = placed.has(leg.first + leg.count - 1);
    if (first !== undefined && isWhole) open.legs.push({ ...leg, first });
  }
}

function again(open: OpenSecond, request: ExecuteBlockRequest): ExecuteBlockResponse {
  const known = open.heights.find(({ height }) => height === request.sequencerHeight);
  if (known !== undefined && bytesEqual(known.hash, request.sequencerBlockHash)) {
    return waiting(open);
  }
  throw failure(
    { code: "EXECUTION_CONFLICT", height: request.sequencerHeight },
    `sequencer height ${request.sequencerHeight} was gathered as another block than ${toHex(request.sequencerBlockHash)}`,
  );
}

function waiting(open: OpenSecond): ExecuteBlockResponse {
  return { ...open.head, outcome: "gathered", included: 0, skipped: [] };
}

/**
 * Gathers sequencer blocks of one second of BFT time into one request, for executors whose blocks lie at least a second
 * apart: those behind the Engine API. A second is executed when a block of a later one comes, so the answer to a
 * request describes the block of the second before.
 *
 * A gathered request starts at the first height of its second that carries payloads and ends at the last one of that second:
 * a function of the order alone. What is gathered and what was answered are in memory only: after a restart the executor's
 * next height is the one after its newest block, and the driver of the same process feeds from there. So it is not for
 * serving to others over weft.execution.v1, whose contract has both survive a crash; all else of it holds.
 */
import { Height } from "../../proto/brands.ts";
import { bytesEqual, copyBytes } from "../../proto/bytes.ts";
import type {
  ExecuteBlockRequest,
  ExecuteBlockResponse,
  ExecutedBlock,
  Executor,
  PayloadLeg,
  SkippedPayload,
} from "../execution.ts";
import {
  checkHeight,
  checkParent,
  checkRequest,
  checkSameBlock,
  forgotten,
} from "../execution-checks.ts";
import {
  ANSWERED_SKIPS_KEPT,
  ANSWERS_KEPT,
  GATHERED_BYTES_MAX,
  GATHERED_PAYLOADS_MAX,
} from "../limits.ts";
import { createTurns } from "../turns.ts";

/** Why payloads of a second were not handed on: it holds more than `GATHERED_PAYLOADS_MAX` or `GATHERED_BYTES_MAX`. */
export const GATHERED_TOO_MUCH = "GATHERED_TOO_MUCH";

interface OpenSecond {
  readonly seconds: bigint;
  readonly first: Height;
  /** The rollup's head, on which it will be executed. */
  readonly head: ExecutedBlock;
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
  /** Of a second that was executed for a request that failed then. */
  let unanswered: ExecuteBlockResponse | undefined;
  const calls = createTurns();
  const answers = createKeptAnswers();

  async function take(request: ExecuteBlockRequest): Promise<ExecuteBlockResponse> {
    checkRequest(request);
    const known = answers.to(request);
    if (known !== undefined) return known;
    const answer = await takeNext(request);
    answers.keep(request, answer);
    return answer;
  }

  async function takeNext(request: ExecuteBlockRequest): Promise<ExecuteBlockResponse> {
    if (unanswered !== undefined) return beginAfter(unanswered, request);
    if (open === undefined) return begin(request);
    const { sequencerHeight: height } = request;
    if (height < open.first) return executor.executeBlock(request);
    // Gathered before, in a request with others: for the height alone no answer was given.
    if (height <= open.last.sequencerHeight) throw forgotten(height, open.last.sequencerHeight);
    checkHeight(request, Height(open.last.sequencerHeight + 1));
    checkParent(request, open.head.hash);
    if (request.timestamp.seconds <= open.seconds) {
      add(open, request);
      return waiting(open);
    }
    unanswered = await executeSecond(open);
    open = undefined;
    return beginAfter(unanswered, request);
  }

  /** The request that has ended a second gets that one's answer; when it fails, the answer waits until it comes again. */
  async function beginAfter(
    done: ExecuteBlockResponse,
    { parentHash: _checked, ...request }: ExecuteBlockRequest,
  ): Promise<ExecuteBlockResponse> {
    await begin(request);
    unanswered = undefined;
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
        const { nextSequencerHeight: next, head } = answer;
        // Whoever calls it feeds from the height that it answers: an executor that went back is fed again from there.
        if (open?.first !== next || !bytesEqual(open.head.hash, head.hash)) open = undefined;
        if (unanswered !== undefined && !bytesEqual(unanswered.hash, head.hash)) {
          unanswered = undefined;
        }
        const after = open === undefined ? next : Height(open.last.sequencerHeight + 1);
        answers.forgetFrom(after);
        // Legs are prepared and decided between blocks of one height; a gathered second has no such place.
        return { ...answer, nextSequencerHeight: after, atomicLevel: 0 };
      }),
    executeBlock: (request) => calls.take(() => take(request)),
    setFinality: (request) => calls.take(() => executor.setFinality(request)),
    // Between the others: head and place belong together.
    getStatus: () =>
      calls.take(async () => {
        const status = await executor.getStatus();
        if (open === undefined) return status;
        const { sequencerHeight: height, sequencerBlockHash: blockHash } = open.last;
        return {
          ...status,
          sequencer: { height, blockHash },
          nextSequencerHeight: Height(height + 1),
          gatheredPayloads: open.payloads.length,
        };
      }),
  };
}

function add(open: OpenSecond, request: ExecuteBlockRequest): void {
  open.last = request;
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

/** What was answered to requests that may be repeated, the newest of them. */
function createKeptAnswers() {
  const kept = new Map<
    Height,
    { readonly hash: Uint8Array; readonly answer: ExecuteBlockResponse }
  >();
  /** Skipped payloads that they tell of. */
  let skips = 0;

  function forget(height: Height): void {
    skips -= kept.get(height)?.answer.skipped.length ?? 0;
    kept.delete(height);
  }

  return {
    /** @throws WeftError<ExecutionErrorInfo> EXECUTION_CONFLICT for another block at that height */
    to(request: ExecuteBlockRequest): ExecuteBlockResponse | undefined {
      const known = kept.get(request.sequencerHeight);
      if (known === undefined) return undefined;
      checkSameBlock(request, known.hash);
      return known.answer;
    },
    keep(request: ExecuteBlockRequest, answer: ExecuteBlockResponse): void {
      const height = request.sequencerHeight;
      kept.set(height, { hash: copyBytes(request.sequencerBlockHash), answer });
      skips += answer.skipped.length;
      for (const oldest of kept.keys()) {
        const isFull = kept.size > ANSWERS_KEPT || skips > ANSWERED_SKIPS_KEPT;
        if (!isFull || oldest === height) break;
        forget(oldest);
      }
    },
    forgetFrom(first: Height): void {
      for (const height of kept.keys()) if (height >= first) forget(height);
    },
  };
}

function waiting(open: OpenSecond): ExecuteBlockResponse {
  return { ...open.head, outcome: "gathered", included: 0, skipped: [] };
}

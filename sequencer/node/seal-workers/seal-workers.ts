/**
 * `SealCompute` on threads of its own, apart from those of signatures: each has its instance of the group and
 * one task at a time. What consensus waits for goes before what is checked for the pool, and checks that are
 * asked for while all threads are busy go together: a batch costs half as much for each.
 */
import { Worker } from "node:worker_threads";
import type { SealCompute, SealProof, SharesToVerify } from "../../../mev/seal/compute.ts";
import { POINT_BYTES } from "../../../proto/codec/seal-tx.ts";
import { assert, WeftError } from "../../../proto/errors.ts";
import type { Logger } from "../../ports/logger.ts";
import {
  SEAL_CHECKED_HERE_MAX,
  SEAL_CHECKS_PER_TASK,
  SEAL_INCOMING_WAITING_MAX,
  SEAL_ITEMS_PER_TASK,
  SEAL_SHARES_PER_TASK,
} from "../limits.ts";
import {
  MADE,
  OPENED,
  type Operation,
  type Packing,
  POINTS,
  PROOFS,
  type Task,
  TO_COMBINE,
  TO_MAKE,
  TO_OPEN,
  TO_VERIFY,
  VERDICTS,
} from "./packing.ts";

export type SealWorkersErrorInfo =
  /** So many checks for the pool wait that another one is not worth taking; try again. */
  { readonly code: "SEAL_COMPUTE_BUSY"; readonly waiting: number };

export interface SealWorkers {
  /** For blocks, votes and own shares. Never refuses: extensions and blocks have bounds. */
  readonly compute: SealCompute;
  /**
   * For what comes in, which waits behind the other.
   * @throws WeftError<SealWorkersErrorInfo> SEAL_COMPUTE_BUSY when `incomingWaitingMax` proofs wait
   */
  readonly incoming: SealCompute;
  /** What is under way is given up: nothing answers any more. */
  stop(): Promise<void>;
}

/** Compiled code only: a thread cannot load TypeScript. */
const WORKER_FILE = import.meta.url.endsWith(".ts")
  ? new URL("../../../dist/sequencer/node/seal-workers/worker.js", import.meta.url)
  : new URL("./worker.js", import.meta.url);

/** A piece of work for one thread. */
interface Job {
  readonly operation: Operation;
  /** The buffer to give away. */
  pack(): ArrayBuffer;
  answered(buffer: ArrayBuffer): void;
  /** The same on this thread. */
  doHere(): Promise<void>;
}

interface Thread {
  readonly worker: Worker;
  job: Job | undefined;
  isDead: boolean;
}

/**
 * The threads start with the first task. When one ends, its task is done here, on the main loop, and an error is logged; the
 * others go on, and without any all work is done here.
 * @param threads at least 1
 * @param local the same arithmetic on this thread
 * @param onStarted given each thread, for whoever watches it
 */
export function createSealWorkers(
  {
    threads: threadCount,
    incomingWaitingMax = SEAL_INCOMING_WAITING_MAX,
  }: { readonly threads: number; readonly incomingWaitingMax?: number },
  deps: {
    readonly local: SealCompute;
    readonly logger: Logger;
    readonly onStarted?: (worker: Worker) => void;
  },
): SealWorkers {
  const { local, logger } = deps;
  assert(threadCount >= 1, "without a thread there is nothing to start");
  let isStopped = false;
  let isFlushDue = false;
  const urgent = new Queue();
  const later = new Queue();
  let threads: readonly Thread[] | undefined;

  /** The first task begins them: a node that never has one needs none. */
  function started(): readonly Thread[] {
    threads ??= Array.from({ length: threadCount }, start);
    return threads;
  }

  function start(): Thread {
    const worker = new Worker(WORKER_FILE);
    deps.onStarted?.(worker);
    const thread: Thread = { worker, job: undefined, isDead: false };
    worker.on("message", (answer: ArrayBuffer) => {
      const { job } = thread;
      thread.job = undefined;
      job?.answered(answer);
      flush();
    });
    worker.on("error", (error) =>
      ended(thread, error instanceof Error ? error.message : "unknown"),
    );
    worker.on("exit", (code) => ended(thread, `exit code ${code}`));
    return thread;
  }

  function ended(thread: Thread, reason: string): void {
    if (thread.isDead || isStopped) return;
    thread.isDead = true;
    const left = started().filter(({ isDead }) => !isDead).length;
    logger.error(
      left > 0
        ? "a thread for sealed transactions ended; the others go on more slowly: restart the node when convenient"
        : "the last thread for sealed transactions ended; their work slows the main loop from now on: restart the node",
      { reason, left },
    );
    const { job } = thread;
    thread.job = undefined;
    if (job !== undefined) void job.doHere();
    flush();
  }

  function enqueue(queue: Queue, job: Job): void {
    queue.push(job);
    if (isFlushDue) return;
    isFlushDue = true;
    // What is asked for within one turn goes together.
    queueMicrotask(flush);
  }

  function flush(): void {
    isFlushDue = false;
    if (isStopped) return;
    const alive = started().filter(({ isDead }) => !isDead);
    if (alive.length === 0) {
      for (let job = next(); job !== undefined; job = next()) void job.doHere();
      return;
    }
    for (const thread of alive) {
      if (thread.job !== undefined) continue;
      const job = next();
      if (job === undefined) return;
      thread.job = job;
      const buffer = job.pack();
      const task: Task = { operation: job.operation, buffer };
      thread.worker.postMessage(task, [buffer]);
    }
  }

  function next(): Job | undefined {
    return urgent.shift() ?? later.shift();
  }

  function onThreads(queue: Queue, waitingMax: number): SealCompute {
    /** One job, one answer. */
    function ask<Input, Answer>(
      operation: Operation,
      input: Input,
      [to, from]: readonly [Packing<Input>, Packing<Answer>],
      here: (input: Input) => Promise<Answer>,
    ): Promise<Answer> {
      return new Promise((resolve, reject) => {
        enqueue(queue, {
          operation,
          pack: () => to.pack(input),
          answered: (buffer) => resolve(from.unpack(buffer)),
          doHere: () => here(input).then(resolve, reject),
        });
      });
    }

    const put = (job: Job): void => enqueue(queue, job);
    const proofs = createVerdictLane<SealProof>(
      { operation: "check", packing: PROOFS, sizeMax: SEAL_CHECKS_PER_TASK, sizeOf: proofSize },
      { put, here: (some) => local.check(some) },
    );
    const vectors = createVerdictLane<SharesToVerify>(
      {
        operation: "verifyShares",
        packing: TO_VERIFY,
        sizeMax: SEAL_SHARES_PER_TASK,
        sizeOf: ({ points }) => pointCount(points),
      },
      { put, here: (some) => local.verifyShares(some) },
    );

    return {
      async check(items) {
        // Rare, and done sooner than a thread is told of them.
        if (items.length <= SEAL_CHECKED_HERE_MAX && items.every(isPossession)) {
          return local.check(items);
        }
        const { waiting } = proofs;
        if (waiting + items.length > waitingMax) {
          throw new WeftError<SealWorkersErrorInfo>(
            { code: "SEAL_COMPUTE_BUSY", waiting },
            `${waiting} proofs wait, at most ${waitingMax} may: submit again later, or to another node`,
          );
        }
        return proofs.check(items);
      },
      verifyShares: (asked) => vectors.check(asked),
      async makeShares(asked) {
        const made = asked.map((one) =>
          ask("makeShares", [one], [TO_MAKE, MADE], (some) => local.makeShares(some)),
        );
        return (await Promise.all(made)).flat();
      },
      combine: (asked) => ask("combine", asked, [TO_COMBINE, POINTS], (one) => local.combine(one)),
      async open({ publicKey, items, points }) {
        const slices = [];
        for (let at = 0; at < items.length; at += SEAL_ITEMS_PER_TASK) {
          const end = at + SEAL_ITEMS_PER_TASK;
          const batch = {
            publicKey,
            items: items.slice(at, end),
            points: points.subarray(at * POINT_BYTES, end * POINT_BYTES),
          };
          slices.push(ask("open", batch, [TO_OPEN, OPENED], (one) => local.open(one)));
        }
        return (await Promise.all(slices)).flat();
      },
    };
  }

  return {
    compute: onThreads(urgent, Infinity),
    incoming: onThreads(later, incomingWaitingMax),
    async stop() {
      isStopped = true;
      await Promise.all((threads ?? []).map(({ worker }) => worker.terminate()));
    },
  };
}

/** First in, first out. */
class Queue {
  #jobs: Job[] = [];
  #head = 0;

  push(job: Job): void {
    this.#jobs.push(job);
  }

  shift(): Job | undefined {
    const job = this.#jobs[this.#head];
    if (job === undefined) return undefined;
    this.#head += 1;
    if (this.#head === this.#jobs.length) {
      this.#jobs = [];
      this.#head = 0;
    }
    return job;
  }
}

interface VerdictRequest<One> {
  readonly items: readonly One[];
  readonly resolve: (verdicts: readonly boolean[]) => void;
  readonly reject: (reason: unknown) => void;
}

interface VerdictLane<One> {
  /** Items that wait for a thread. */
  readonly waiting: number;
  check(items: readonly One[]): Promise<readonly boolean[]>;
}

interface VerdictLaneOptions<One> {
  readonly operation: Operation;
  readonly packing: Packing<readonly One[]>;
  /** Most that one task holds, as `sizeOf` counts; a larger item goes alone. */
  readonly sizeMax: number;
  readonly sizeOf: (item: One) => number;
}

/** Yes-or-no questions of all who ask, in tasks of a bounded size. */
function createVerdictLane<One>(
  { operation, packing, sizeMax, sizeOf }: VerdictLaneOptions<One>,
  deps: {
    readonly put: (job: Job) => void;
    readonly here: (items: readonly One[]) => Promise<readonly boolean[]>;
  },
): VerdictLane<One> {
  let waiting = 0;
  /** The task that waits last: it takes what still fits. */
  let open: { readonly requests: VerdictRequest<One>[]; size: number } | undefined;

  function add(request: VerdictRequest<One>): void {
    const size = request.items.reduce((sum, item) => sum + sizeOf(item), 0);
    waiting += request.items.length;
    if (open !== undefined && open.size + size <= sizeMax) {
      open.requests.push(request);
      open.size += size;
      return;
    }
    const requests = [request];
    const task = { requests, size };
    open = task;
    const begun = (): readonly One[] => {
      if (open === task) open = undefined;
      const items = requests.flatMap((one) => one.items);
      waiting -= items.length;
      return items;
    };
    let items: readonly One[] | undefined;
    const settle = (verdicts: readonly boolean[]): void => {
      let at = 0;
      for (const one of requests) one.resolve(verdicts.slice(at, (at += one.items.length)));
    };
    deps.put({
      operation,
      pack: () => packing.pack((items = begun())),
      answered: (buffer) => settle(VERDICTS.unpack(buffer)),
      doHere: () =>
        deps.here((items ??= begun())).then(settle, (error: unknown) => {
          // It is theirs to handle.
          for (const { reject } of requests) reject(error);
        }),
    });
  }

  return {
    get waiting() {
      return waiting;
    },
    async check(all) {
      const slices = sliced(all, sizeOf, sizeMax).map(
        (items) =>
          new Promise<readonly boolean[]>((resolve, reject) => {
            add({ items, resolve, reject });
          }),
      );
      return (await Promise.all(slices)).flat();
    },
  };
}

function isPossession({ kind }: SealProof): boolean {
  return kind === "possession";
}

function pointCount(points: Uint8Array): number {
  return points.length / POINT_BYTES;
}

/** As many as the points that it is about. */
function proofSize(proof: SealProof): number {
  return proof.kind === "shares" ? pointCount(proof.of.points) : 1;
}

/** Runs of at most `sizeMax` together; one that is larger by itself is alone. */
function sliced<One>(
  items: readonly One[],
  sizeOf: (item: One) => number,
  sizeMax: number,
): readonly (readonly One[])[] {
  const slices: One[][] = [];
  let size = Infinity;
  for (const item of items) {
    const own = sizeOf(item);
    if (size + own > sizeMax) {
      slices.push([]);
      size = 0;
    }
    slices.at(-1)?.push(item);
    size += own;
  }
  return slices;
}

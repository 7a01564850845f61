/**
 * A `SignatureVerifier` on a thread of its own: accepted or rejected, a signature costs the main loop
 * next to nothing. What is asked for within one turn crosses as one message, in a buffer that goes there
 * and comes back. One verifier is one lane; give votes and transactions one each, so that votes do not
 * wait behind transactions.
 */
import { Worker } from "node:worker_threads";
import {
  createEd25519Verifier,
  isAcceptedAtOnce,
  type SignatureVerifier,
  signedBytes,
  type SignedItem,
  verifyEd25519Sync,
} from "../../../proto/verify/ed25519.ts";
import type { Logger } from "../../ports/logger.ts";
import {
  SIGNATURE_BATCH_BYTES,
  SIGNATURE_BATCH_MAX,
  SIGNATURE_BATCHES_ABROAD_MAX,
  SIGNATURES_CHECKED_HERE_BYTES_MAX,
  SIGNATURES_CHECKED_HERE_MAX,
} from "../limits.ts";
import { areAcceptedAtOnce, openNativeBatch } from "./native-batch.ts";
import { isPackable, ITEM_HEAD_BYTES, packedLength, packItems } from "./packing.ts";
import type { WorkerData } from "./worker.ts";

export interface WorkerVerifier extends SignatureVerifier {
  /** Whether the native module of `ops/ed25519-batch` checks batches. */
  readonly isNative: boolean;
  stop(): Promise<void>;
}

/** What crosses together: within the bounds of a batch, unless it is one item. */
interface Batch {
  readonly items: readonly SignedItem[];
  /** Signed ones. */
  readonly bytes: number;
}

interface Request extends Batch {
  readonly resolve: (verdicts: readonly boolean[]) => void;
}

/** Holds every batch but one of a single larger message. */
const CARRIER_BYTES = SIGNATURE_BATCH_BYTES + (SIGNATURE_BATCH_MAX + 1) * ITEM_HEAD_BYTES;

/** Compiled code only: a worker cannot load TypeScript. */
const WORKER_FILE = import.meta.url.endsWith(".ts")
  ? new URL("../../../dist/sequencer/node/signature-workers/worker.js", import.meta.url)
  : new URL("./worker.js", import.meta.url);

/**
 * Starts the thread. If it ever dies, checks go on here, on the main loop, and an error is logged.
 * @param onStarted given the thread, for whoever watches it
 * @param checkedHereMax so many that are asked for at once while the thread is idle are checked here
 */
export function createWorkerVerifier(
  logger: Logger,
  onStarted: (worker: Worker) => void = () => {},
  checkedHereMax = SIGNATURES_CHECKED_HERE_MAX,
): WorkerVerifier {
  const native = openNativeBatch(logger);
  const workerData: WorkerData = { isNative: native !== undefined };
  const worker = new Worker(WORKER_FILE, { workerData });
  onStarted(worker);
  /** For everything, should the thread end. */
  const local = createEd25519Verifier();
  /** Asked for, not sent; and sent, in order, not answered. */
  let waiting: Request[] = [];
  const abroad: (readonly Request[])[] = [];
  /** What batches cross in, as many as are abroad at once; each is here or there. */
  const carriers: ArrayBuffer[] = [];
  let isFlushDue = false;
  let isDead = false;

  function check(items: readonly SignedItem[]): Promise<readonly boolean[]> {
    const batches = batchesOf(items);
    const [only] = batches;
    if (only !== undefined && batches.length === 1) return ask(only);
    return Promise.all(batches.map(ask)).then((verdicts) => verdicts.flat());
  }

  function ask({ items, bytes }: Batch): Promise<readonly boolean[]> {
    if (isDead) return local.verifyBatch(items);
    return new Promise((resolve) => {
      waiting.push({ items, bytes, resolve });
      if (isFlushDue) return;
      isFlushDue = true;
      queueMicrotask(flush);
    });
  }

  function flush(): void {
    isFlushDue = false;
    if (abroad.length === 0 && isFew()) settleHere();
    while (waiting.length > 0 && abroad.length < SIGNATURE_BATCHES_ABROAD_MAX) {
      const batch = takeBatch();
      abroad.push(batch);
      const packed = pack(batch.flatMap(({ items }) => items.filter(isPackable)));
      worker.postMessage(packed, [packed.buffer]);
    }
  }

  function pack(items: readonly SignedItem[]): Uint8Array<ArrayBuffer> {
    const length = packedLength(items);
    // A single larger message: such a buffer is not kept.
    if (length > CARRIER_BYTES) return packItems(items);
    return packItems(items, carriers.pop() ?? new ArrayBuffer(CARRIER_BYTES));
  }

  /** So few that to wake the thread up, and to be woken by it, costs more than the checks. */
  function isFew(): boolean {
    let count = 0;
    let size = 0;
    for (const { items, bytes } of waiting) {
      count += items.length;
      size += bytes;
    }
    return count <= checkedHereMax && size <= SIGNATURES_CHECKED_HERE_BYTES_MAX;
  }

  function settleHere(): void {
    if (
      areAcceptedAtOnce(
        native,
        waiting.flatMap(({ items }) => items),
      )
    ) {
      for (const { items, resolve } of waiting.splice(0)) resolve(items.map(() => true));
      return;
    }
    waiting = waiting.filter((request) => !isSettledHere(request));
  }

  /** Good signatures are accepted at once; what is not is slow to decide, and left to the thread. */
  function isSettledHere({ items, resolve }: Request): boolean {
    if (!items.every(isAcceptedAtOnce)) return false;
    resolve(items.map(() => true));
    return true;
  }

  function takeBatch(): Request[] {
    let count = 0;
    let size = 0;
    let requests = 0;
    for (const { items, bytes } of waiting) {
      count += items.length;
      size += bytes;
      if (requests > 0 && isTooMuch(count, size)) break;
      requests += 1;
    }
    return waiting.splice(0, requests);
  }

  worker.on("message", (verdicts: Uint8Array<ArrayBuffer>) => {
    let at = 0;
    for (const { items, resolve } of abroad.shift() ?? []) {
      resolve(items.map((item) => isPackable(item) && verdicts[at++] === 1));
    }
    if (verdicts.buffer.byteLength === CARRIER_BYTES) carriers.push(verdicts.buffer);
    flush();
  });
  const onEnd = (reason: string): void => {
    if (isDead) return;
    isDead = true;
    logger.error(
      "the signature thread ended; signatures are checked on the main loop from now on",
      {
        reason,
      },
    );
    const orphans = [...abroad.flat(), ...waiting];
    abroad.length = 0;
    waiting = [];
    for (const { items, resolve } of orphans) void local.verifyBatch(items).then(resolve);
  };
  worker.on("error", (error) => onEnd(error instanceof Error ? error.message : "unknown"));
  worker.on("exit", (code) => onEnd(`exit code ${code}`));

  return {
    isNative: native !== undefined,
    verifySync: verifyEd25519Sync,
    async verify(publicKey, message, signature) {
      const [isValid] = await check([{ publicKey, message, signature }]);
      return isValid === true;
    },
    verifyBatch: (items) => (items.length === 0 ? Promise.resolve([]) : check(items)),
    async stop() {
      isDead = true;
      await worker.terminate();
    },
  };
}

function isTooMuch(count: number, bytes: number): boolean {
  return count > SIGNATURE_BATCH_MAX || bytes > SIGNATURE_BATCH_BYTES;
}

/** `items` in their order, in lists of what one batch may hold; nearly always one list. */
function batchesOf(items: readonly SignedItem[]): readonly Batch[] {
  const bytes = items.reduce((sum, item) => sum + signedBytes(item), 0);
  if (!isTooMuch(items.length, bytes)) return [{ items, bytes }];
  const batches: { readonly items: SignedItem[]; bytes: number }[] = [];
  for (const item of items) {
    const size = signedBytes(item);
    const last = batches.at(-1);
    if (last === undefined || isTooMuch(last.items.length + 1, last.bytes + size)) {
      batches.push({ items: [item], bytes: size });
    } else {
      last.items.push(item);
      last.bytes += size;
    }
  }
  return batches;
}

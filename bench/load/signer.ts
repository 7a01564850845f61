/** Signing on other threads, so that the load is ready before the window begins. */
import { Worker } from "node:worker_threads";
import { SIGNED_CHUNK_BYTES } from "../limits.ts";
import type { LoadShape, SignedItem } from "./shape.ts";

/** One request of the signing thread; the answer is a `SignedItem[]`. */
export interface SignRequest {
  readonly count: number;
  readonly expiryHeight: number;
}

export interface Signer {
  sign(count: number, expiryHeight: number): Promise<readonly SignedItem[]>;
  stop(): Promise<void>;
}

export function createSigner(shape: LoadShape, threads: number): Signer {
  const workers = Array.from(
    { length: threads },
    () => new Worker(new URL("./signer-thread.js", import.meta.url), { workerData: shape }),
  );
  const chunk = Math.max(
    1,
    Math.floor(SIGNED_CHUNK_BYTES / (shape.payloadsPerItem * shape.payloadBytes)),
  );

  /** One worker, chunk after chunk, until the common counter is used up. */
  async function work(
    worker: Worker,
    rest: { count: number },
    expiryHeight: number,
    out: SignedItem[],
  ): Promise<void> {
    while (rest.count > 0) {
      const count = Math.min(chunk, rest.count);
      rest.count -= count;
      const request: SignRequest = { count, expiryHeight };
      worker.postMessage(request, []);
      out.push(...(await nextMessage(worker)));
    }
  }

  return {
    async sign(count, expiryHeight) {
      const out: SignedItem[] = [];
      const rest = { count };
      await Promise.all(workers.map((worker) => work(worker, rest, expiryHeight, out)));
      return out;
    },
    async stop() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

function nextMessage(worker: Worker): Promise<readonly SignedItem[]> {
  return new Promise((resolve, reject) => {
    const onMessage = (items: readonly SignedItem[]): void => {
      worker.off("error", onError);
      resolve(items);
    };
    const onError = (error: unknown): void => {
      worker.off("message", onMessage);
      reject(error instanceof Error ? error : new Error("the signing thread failed"));
    };
    worker.once("message", onMessage);
    worker.once("error", onError);
  });
}

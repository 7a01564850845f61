/** The worker's side: a batch comes as one buffer, its verdicts go back as one. */
import { parentPort, workerData } from "node:worker_threads";
import { verifyEd25519Sync } from "../../../proto/verify/ed25519.ts";
import { NATIVE_BATCH_MIN } from "../limits.ts";
import { loadNativeBatch } from "./native-batch.ts";
import { packedCount, unpackItems } from "./packing.ts";

/** Whoever started the thread has loaded the module before it says so. */
const native = (workerData as WorkerData).isNative ? loadNativeBatch() : undefined;

/** What the thread is started with. */
export interface WorkerData {
  readonly isNative: boolean;
}

parentPort?.on("message", (packed: Uint8Array<ArrayBuffer>) => {
  const verdicts = decide(packed);
  parentPort?.postMessage(verdicts, [verdicts.buffer]);
});

/** 1 or 0 for each item, in the bytes that the items lay in. */
function decide(packed: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const count = packedCount(packed);
  const verdicts = packed.subarray(0, count);
  if (count >= NATIVE_BATCH_MIN && native?.areAllValid(packed) === true) return verdicts.fill(1);
  const decided = unpackItems(packed).map(({ publicKey, message, signature }) =>
    verifyEd25519Sync(publicKey, message, signature),
  );
  for (const [i, isValid] of decided.entries()) verdicts[i] = isValid ? 1 : 0;
  return verdicts;
}

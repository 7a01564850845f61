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

parentPort?.on("message", (buffer: ArrayBuffer) => {
  const verdicts = verdictsOf(buffer);
  parentPort?.postMessage(verdicts, [verdicts.buffer]);
});

function verdictsOf(buffer: ArrayBuffer): Uint8Array<ArrayBuffer> {
  const count = packedCount(buffer);
  if (count >= NATIVE_BATCH_MIN && native?.areAllValid(new Uint8Array(buffer)) === true) {
    return new Uint8Array(count).fill(1);
  }
  return Uint8Array.from(unpackItems(buffer), ({ publicKey, message, signature }) =>
    verifyEd25519Sync(publicKey, message, signature) ? 1 : 0,
  );
}

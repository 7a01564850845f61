/** The worker's side: a batch comes as one buffer, its verdicts go back as one. */
import { parentPort } from "node:worker_threads";
import { verifyEd25519Sync } from "../../../proto/verify/ed25519.ts";
import { unpackItems } from "./packing.ts";

parentPort?.on("message", (buffer: ArrayBuffer) => {
  const verdicts = Uint8Array.from(unpackItems(buffer), ({ publicKey, message, signature }) =>
    verifyEd25519Sync(publicKey, message, signature) ? 1 : 0,
  );
  parentPort?.postMessage(verdicts, [verdicts.buffer]);
});

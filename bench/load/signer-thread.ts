/** The signing thread of `signer.ts`. */
import { parentPort, workerData } from "node:worker_threads";
import { createItemFactory, type LoadShape } from "./shape.ts";
import type { SignRequest } from "./signer.ts";

const make = createItemFactory(workerData as LoadShape);

parentPort?.on("message", ({ count, expiryHeight }: SignRequest) => {
  const items = Array.from({ length: count }, () => make(expiryHeight));
  // The items' bytes move, they are not copied.
  const buffers = new Set(items.map(({ item }) => item.buffer));
  parentPort?.postMessage(
    items,
    [...buffers].filter((buffer) => buffer instanceof ArrayBuffer),
  );
});

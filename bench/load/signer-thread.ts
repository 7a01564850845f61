/** The signing thread of `signer.ts`. */
import { parentPort, workerData } from "node:worker_threads";
import { createSealedFactory } from "./sealed-shape.ts";
import { createItemFactory, type LoadShape } from "./shape.ts";
import type { SignRequest } from "./signer.ts";

const shape = workerData as LoadShape;
const make =
  shape.sealing === undefined
    ? createItemFactory(shape)
    : createSealedFactory({ ...shape, sealing: shape.sealing });

parentPort?.on("message", ({ count, expiryHeight }: SignRequest) => {
  const items = Array.from({ length: count }, () => make(expiryHeight));
  // The items' bytes move, they are not copied.
  const buffers = new Set(items.map(({ item }) => item.buffer));
  parentPort?.postMessage(
    items,
    [...buffers].filter((buffer) => buffer instanceof ArrayBuffer),
  );
});

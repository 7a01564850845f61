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
  const items = Array.from({ length: count }, () => {
    const made = make(expiryHeight);
    // A buffer of its own, so that it can move: an encoded message may share one with others.
    return { ...made, item: new Uint8Array(made.item) };
  });
  parentPort?.postMessage(
    items,
    items.map(({ item }) => item.buffer),
  );
});

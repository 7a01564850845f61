/** Transactions for the comparison, as frames that are ready to go on the wire. */
import { randomBytes } from "node:crypto";
import type { SignedItem } from "../load/shape.ts";
import type { Signer } from "../load/signer.ts";
import { submission } from "./comet-rpc.ts";
import { textFrame } from "./frames.ts";

/** Random bytes of a value's end, as hex: the transaction's name. */
const UNIQUE_BYTES = 32;
const KEY_BYTES = 24;

/** Transactions `key=value` of exactly so many bytes for CometBFT's key-value application; nobody signs them. */
export function createKvMaker(txBytes: number): Signer {
  let made = 0;
  // One filling for all: the application copies and stores bytes, whatever they are.
  const filling = "x".repeat(txBytes - KEY_BYTES - 1 - UNIQUE_BYTES * 2);
  const run = randomBytes(4).toString("hex");
  return {
    sign(count) {
      const random = randomBytes(UNIQUE_BYTES * count).toString("hex");
      const items = Array.from({ length: count }, (_, i) => {
        made += 1;
        const unique = random.slice(i * UNIQUE_BYTES * 2, (i + 1) * UNIQUE_BYTES * 2);
        const key = `${run}${String(made).padStart(KEY_BYTES - run.length, "0")}`;
        const text = `${key}=${filling}${unique}`;
        return {
          id: "",
          item: Buffer.from(text, "latin1"),
          expiryHeight: Number.POSITIVE_INFINITY,
        };
      });
      return Promise.resolve(items);
    },
    stop: () => Promise.resolve(),
  };
}

/** The same items as WebSocket frames with a `broadcast_tx_async` each, named as their block shows them. */
export function asCometFrames(signer: Signer): Signer {
  return {
    async sign(count, expiryHeight) {
      const items = await signer.sign(count, expiryHeight);
      return items.map(({ item, expiryHeight: until }): SignedItem => {
        const { id, text } = submission(Buffer.from(item).toString("base64"));
        return { id, item: textFrame(text), expiryHeight: until };
      });
    },
    stop: () => signer.stop(),
  };
}

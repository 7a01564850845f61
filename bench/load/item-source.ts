/** Signed items that wait to be submitted, within a bound. */
import { EXPIRY_AHEAD, EXPIRY_MARGIN } from "../limits.ts";
import type { SignedItem } from "./shape.ts";
import type { Signer } from "./signer.ts";

export interface ItemSource {
  /** Signs ahead until `count` items are ready. */
  fill(count: number): Promise<void>;
  /**
   * The next one that will not expire soon; undefined when none is ready. Then more are signed while the
   * load runs, which costs the system under test some of the machine: `signedLate` says how many.
   */
  next(): SignedItem | undefined;
  readonly signedLate: number;
  /** Left unsent because they would have expired. */
  readonly stale: number;
}

/** @param refillCount items signed in one go when the source runs dry */
export function createItemSource(
  signer: Signer,
  height: () => number,
  refillCount: number,
): ItemSource {
  let ready: SignedItem[] = [];
  let at = 0;
  let signedLate = 0;
  let stale = 0;
  let refilling: Promise<void> | undefined;

  async function add(count: number): Promise<void> {
    const items = await signer.sign(count, height() + EXPIRY_AHEAD);
    ready = ready.slice(at);
    at = 0;
    for (const item of items) ready.push(item);
  }

  return {
    async fill(count) {
      const missing = count - (ready.length - at);
      if (missing > 0) await add(missing);
    },
    next() {
      for (;;) {
        const item = ready[at];
        if (item === undefined) break;
        at += 1;
        if (item.expiryHeight > height() + EXPIRY_MARGIN) return item;
        stale += 1;
      }
      refilling ??= add(refillCount).finally(() => {
        signedLate += refillCount;
        refilling = undefined;
      });
      return undefined;
    },
    get signedLate() {
      return signedLate;
    },
    get stale() {
      return stale;
    },
  };
}

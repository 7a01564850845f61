/** Asks the nodes of a rollup what came of bundles: one question for all that wait, so that asking costs little. */
import { toHex } from "../../proto/bytes.ts";
import type { Executor } from "./executor-process.ts";
import { type BundleAnswer, jsonRpcs, type SwapRollup } from "./network.ts";

/** From one question to a node to the next; there are three, and blocks take longer. */
const PAUSE_MS = 150;

export interface BundleWatch {
  /** As the first node says that knows of a decision. */
  untilDecided(bundleId: Uint8Array): Promise<BundleAnswer>;
  /** Whether any node has heard of it. */
  isKnown(bundleId: Uint8Array): boolean;
  close(): void;
}

export function createBundleWatch({ executors }: SwapRollup): BundleWatch {
  const waiting = new Map<string, (answer: BundleAnswer) => void>();
  const known = new Set<string>();
  let isClosed = false;
  for (const executor of executors) void askOn(executor);

  /** Each by itself: one that is behind, or is frozen while it is asked, keeps nobody else. */
  async function askOn(executor: Executor): Promise<void> {
    while (!isClosed) {
      await ask(executor);
      await new Promise((resolve) => {
        setTimeout(resolve, PAUSE_MS);
      });
    }
  }

  async function ask({ rpcUrl: url }: Executor): Promise<void> {
    const ids = [...waiting.keys()];
    if (url === undefined || ids.length === 0) return;
    const calls = ids.map((id) => ["weft_getAtomicBundle", [`0x${id}`]] as const);
    // It may die, or be frozen, while it is asked; the others answer.
    const answers = await jsonRpcs<BundleAnswer | null>(url, calls).catch(() => []);
    for (const [i, answer] of answers.entries()) {
      const id = ids[i];
      if (answer === null || id === undefined) continue;
      known.add(id);
      if (answer.state === "PREPARED") continue;
      waiting.get(id)?.(answer);
      waiting.delete(id);
    }
  }

  return {
    untilDecided: (bundleId) =>
      new Promise((resolve) => {
        waiting.set(toHex(bundleId), resolve);
      }),
    isKnown: (bundleId) => known.has(toHex(bundleId)),
    close() {
      isClosed = true;
    },
  };
}

/** What the application puts around the arithmetic of sealed transactions that it is given. */
import type { SealCompute, SharesToVerify } from "../../../mev/seal/compute.ts";
import { concatBytes } from "../../../proto/bytes.ts";
import { sha256Latin1 } from "../../../proto/hash.ts";
import type { Clock } from "../../ports/clock.ts";
import { REMEMBERED_SHARES_MAX } from "../limits.ts";
import type { SealMetrics } from "./metrics.ts";

/** Tells how long each batch took, waiting for a thread included. */
export function measureCompute(
  compute: SealCompute,
  { clock, metrics }: { readonly clock: Clock; readonly metrics: SealMetrics },
): SealCompute {
  async function timed<T>(work: string, task: () => Promise<T>): Promise<T> {
    const startMs = clock.monotonicMs();
    const result = await task();
    metrics.sealWorkSeconds.observe((clock.monotonicMs() - startMs) / 1_000, { work });
    return result;
  }
  return {
    check: (proofs) => timed("check", () => compute.check(proofs)),
    makeShares: (asked) => timed("make", () => compute.makeShares(asked)),
    verifyShares: (asked) => timed("verify", () => compute.verifyShares(asked)),
    combine: (asked) => timed("combine", () => compute.combine(asked)),
    open: (batch) => timed("open", () => compute.open(batch)),
  };
}

/**
 * Remembers shares that hold: they are asked about when the vote comes, and again by the proposer of the next
 * block, who trusts no extension that it was given; those that settle a dispute also by whoever is shown that
 * block. To hash them costs a three-hundredth of checking them.
 * Two generations: when the young one is full, the old one is forgotten.
 */
export function rememberShares(
  compute: SealCompute,
  generationMax = REMEMBERED_SHARES_MAX / 2,
): SealCompute {
  let young = new Set<string>();
  let old = new Set<string>();

  function remember(key: string): void {
    if (young.size >= generationMax) {
      old = young;
      young = new Set();
    }
    young.add(key);
  }

  return {
    ...compute,
    async verifyShares(asked) {
      const keys = asked.map(keyOf);
      const known = keys.map((key) => young.has(key) || old.has(key));
      const unknown = asked.filter((_, i) => known[i] !== true);
      if (unknown.length === 0) return known;
      const verdicts = await compute.verifyShares(unknown);
      let at = 0;
      return known.map((isKnown, i) => {
        if (isKnown) return true;
        const holds = verdicts[at++] === true;
        const key = keys[i];
        if (holds && key !== undefined) remember(key);
        return holds;
      });
    },
  };
}

/** Of everything that the verdict depends on. */
function keyOf({ context, publicShare, points, shares, proof }: SharesToVerify): string {
  const all = [context, publicShare, points, shares, proof];
  const lengths = new Uint8Array(Uint32Array.from(all, ({ length }) => length).buffer);
  return sha256Latin1(concatBytes(lengths, ...all));
}

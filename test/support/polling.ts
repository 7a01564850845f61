/** How often tests ask whether something has happened. */

/** At first. */
const PAUSE_MS = 10;
/** In the end: questions to real nodes cost them and this process about a millisecond each. */
const PAUSE_MS_MAX = 50;
/** What asking too late may add to a wait. */
const LATE_SHARE = 0.1;

/** A pause before the next question: short at first, longer the longer one has waited. */
export async function pauseSince(startMs: number): Promise<void> {
  const waited = performance.now() - startMs;
  await new Promise((resolve) => {
    setTimeout(resolve, Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS, waited * LATE_SHARE)));
  });
}

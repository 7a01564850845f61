/** What somebody may have meant by a name that is not known. */
import { NAME_DISTANCE_MAX } from "./limits.ts";

/**
 * The known name that differs least from one that is not known; undefined when none is near.
 * @param distance in edits; of `known` to `unknown`
 */
export function nearestName(
  unknown: string,
  known: Iterable<string>,
  distance: (known: string, unknown: string) => number = editDistance,
): string | undefined {
  let nearest: string | undefined;
  let least = Math.min(NAME_DISTANCE_MAX, Math.floor(unknown.length / 3));
  for (const name of known) {
    const edits = distance(name, unknown);
    if (edits > least || (edits === least && nearest !== undefined)) continue;
    nearest = name;
    least = edits;
  }
  return nearest;
}

/** Levenshtein's distance. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, same));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

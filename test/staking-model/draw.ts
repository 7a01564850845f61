import * as fc from "fast-check";
import { type Draft, draft } from "./steps.ts";

/** Commands of one story. */
const STORY_STEPS_MAX = 100;

export const drafts: fc.Arbitrary<Draft[]> = fc.array(draft, {
  minLength: 10,
  maxLength: STORY_STEPS_MAX,
  size: "max",
});

/** The story of a seed. */
export function drawStory(seed: number): readonly Draft[] {
  return fc.sample(drafts, { seed, numRuns: 1 })[0] ?? [];
}

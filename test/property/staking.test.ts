/**
 * The rules of stake against a naive model in exact fractions (spec/staking.md C6, S1-S14). A slice of what
 * `npm run staking:model` runs at length; WEFT_SEED draws other stories.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { drafts } from "../staking-model/draw.ts";
import { playDrafts, tellShort } from "../staking-model/story.ts";

test("property: whatever accounts and validators do, the state is the model's and the invariants hold", () => {
  fc.assert(
    fc.property(drafts, fc.nat(3), (story, n) => {
      const played = playDrafts(story, n === 0);
      const told = played.failure === undefined ? undefined : tellShort(played);
      expect(told, told).toBeUndefined();
    }),
    // Stories are shortened by leaving steps out, which reads better than smaller numbers.
    { numRuns: 30, endOnFailure: true },
  );
});

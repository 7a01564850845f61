/**
 * The decision about atomic bundles against a second implementation that is as plain as the rule: it asks of every
 * way in which the votes that are missing may still come.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Bundle, decide } from "../../mev/atomic/decide.ts";
import { Height } from "../../proto/brands.ts";
import { compareBytes, EMPTY_BYTES } from "../../proto/bytes.ts";
import { AbortReason } from "../../proto/codec/atomic-decision.ts";
import type { AtomicLegState, AtomicVoteState } from "../../proto/codec/atomic-state.ts";
import { AtomicOutcome, type Box, Verdict } from "../../proto/codec/atomic-tx.ts";

const id = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const SENDER_FAULTS = [1, 3, 4, 5, 6];

/** What one executor has said: effects 1 or 2, minus a reason, 0 nothing, and whether that was struck. */
interface Said {
  readonly what: number;
  readonly isStruck: boolean;
}
interface Case {
  readonly legs: readonly {
    readonly quorum: number;
    readonly said: readonly Said[];
    /** By effects: roots for and from other legs, 0 for none. */
    readonly out: readonly (readonly number[])[];
    readonly in: readonly (readonly number[])[];
  }[];
  readonly filled: number;
  readonly voteBlocks: number;
  readonly height: number;
}

const roots = fc.array(fc.array(fc.constantFrom(0, 0, 0, 1), { minLength: 3, maxLength: 3 }), {
  minLength: 2,
  maxLength: 2,
});
const leg = fc.integer({ min: 1, max: 5 }).chain((keys) =>
  fc.record({
    quorum: fc.integer({ min: Math.floor(keys / 2) + 1, max: keys }),
    said: fc.array(
      fc.record({
        what: fc.oneof(
          { weight: 6, arbitrary: fc.constant(1) },
          { weight: 1, arbitrary: fc.constant(2) },
          { weight: 2, arbitrary: fc.constant(0) },
          { weight: 2, arbitrary: fc.integer({ min: -7, max: -1 }) },
        ),
        isStruck: fc.nat(9).map((n) => n === 0),
      }),
      { minLength: keys, maxLength: keys },
    ),
    out: roots,
    in: roots,
  }),
);
const cases: fc.Arbitrary<Case> = fc.record({
  legs: fc.array(leg, { minLength: 1, maxLength: 3 }),
  filled: fc.nat(20),
  voteBlocks: fc.integer({ min: 1, max: 32 }),
  height: fc.nat(60),
});

function boxesOf(list: readonly number[], own: number, count: number): readonly Box[] {
  return list
    .slice(0, count)
    .flatMap((root, to) =>
      root === 0 || to === own ? [] : [{ rollupId: id(10 + to), root: id(root) }],
    );
}

function stateOf({ legs, filled, voteBlocks }: Case): Bundle {
  return {
    terms: { voteBlocks, locks: legs.map(() => 1) },
    filledHeight: Height(filled),
    legs: legs.map(({ quorum, said, out, in: received }, own): AtomicLegState => {
      const votes = said.flatMap(({ what, isStruck }, executor): readonly AtomicVoteState[] => {
        if (what === 0) return [];
        const isYes = what > 0;
        const verdict = isYes ? Verdict.YES : Verdict.NO;
        const reason = isYes ? 0 : -what;
        const digest = isYes ? id(100 + what) : EMPTY_BYTES;
        return [{ executor, verdict, reason, digest, isStruck, isReported: false }];
      });
      const effects = [1, 2]
        .filter((what) => said.some((one) => one.what === what))
        .map((what) => ({
          digest: id(100 + what),
          effectsHash: id(50 + what),
          outbox: boxesOf(out[what - 1] ?? [], own, legs.length),
          inbox: boxesOf(received[what - 1] ?? [], own, legs.length),
        }))
        .sort((a, b) => compareBytes(a.digest, b.digest));
      const committee = said.map((_, n) => id(200 + n));
      return { rollupId: id(10 + own), quorum, committee, votes, effects, decided: EMPTY_BYTES };
    }),
  };
}

/** "waits", "COMMIT", or a reason and whether the sender is at fault. */
function naive({ legs, filled, voteBlocks, height }: Case): string {
  const ofLegs = legs.map(({ quorum, said }) => {
    const counted = said.filter(({ isStruck }) => !isStruck);
    const missing = said.filter(({ what }) => what === 0).length;
    const of = (what: number): number => counted.filter((one) => one.what === what).length;
    const effects = [1, 2].find((what) => of(what) >= quorum);
    if (effects !== undefined) return { yes: effects };
    // All that are missing may yet say the same, of something known or new.
    if ([1, 2, 3].some((what) => (what === 3 ? 0 : of(what)) + missing >= quorum)) return "open";
    let [reason, most]: [number, number] = [AbortReason.SPLIT, 0];
    for (let one = 1; one <= 7; one++) if (of(-one) > most) [reason, most] = [one, of(-one)];
    return { reason, fault: most >= quorum && SENDER_FAULTS.includes(reason) };
  });
  const refused = ofLegs.flatMap((one) => (one !== "open" && "reason" in one ? [one] : []));
  const [first] = [...refused.filter(({ fault }) => fault), ...refused];
  if (first !== undefined) return `${first.reason} ${first.fault}`;
  const yes = ofLegs.flatMap((one) => (one !== "open" && "yes" in one ? [one.yes] : []));
  if (yes.length < legs.length) {
    return filled > 0 && height >= filled + voteBlocks ? `${AbortReason.TIMEOUT} false` : "waits";
  }
  for (const a of legs.keys()) {
    for (const b of legs.keys()) {
      if (a === b) continue;
      const sent = legs[a]?.out[(yes[a] ?? 1) - 1]?.[b] ?? 0;
      const got = legs[b]?.in[(yes[b] ?? 1) - 1]?.[a] ?? 0;
      if (sent !== got) return `${AbortReason.BOXES_DIFFER} true`;
    }
  }
  return "COMMIT";
}

function textOf(decided: ReturnType<typeof decide>): string {
  if (decided === undefined) return "waits";
  const { decision, isSenderFault } = decided;
  if (decision.outcome === AtomicOutcome.COMMIT) return "COMMIT";
  return `${decision.reason} ${isSenderFault}`;
}

test("property: the decision is that of a plain second implementation, for any votes", () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(cases, (one) => {
      const decided = decide(stateOf(one), one.height);
      const expected = naive(one);
      seen.set(expected, (seen.get(expected) ?? 0) + 1);
      expect(textOf(decided)).toBe(expected);
    }),
    { numRuns: 3_000 },
  );
  for (const end of ["COMMIT", "waits", "16 false", "17 true", "18 false"]) {
    expect(seen.get(end) ?? 0, end).toBeGreaterThan(5);
  }
});

test("property: what is decided stays so, whatever is voted after it", () => {
  fc.assert(
    fc.property(cases, fc.nat(4), fc.constantFrom(1, 2, -1, -2), (one, member, what) => {
      const before = decide(stateOf(one), one.height);
      if (before === undefined || before.decision.reason === AbortReason.TIMEOUT) return;
      const legs = one.legs.map((of) => ({
        ...of,
        said: of.said.map((said, n) =>
          n === member && said.what === 0 ? { what, isStruck: false } : said,
        ),
      }));
      const after = decide(stateOf({ ...one, legs }), one.height);
      expect(after?.decision.outcome).toBe(before.decision.outcome);
    }),
    { numRuns: 2_000 },
  );
});

import { describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import { AbortReason } from "../../proto/codec/atomic-decision.ts";
import type { AtomicLegState, AtomicVoteState } from "../../proto/codec/atomic-state.ts";
import { AtomicOutcome, type Box, NoReason, Verdict } from "../../proto/codec/atomic-tx.ts";
import { type Bundle, decide } from "./decide.ts";
import { voteDigest } from "./digest.ts";

const id = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const [A, B, C] = [id(10), id(20), id(30)];
const box = (rollupId: Uint8Array, root: number): Box => ({ rollupId, root: id(root) });

interface Says {
  readonly yes?: number;
  readonly no?: number;
  readonly outbox?: readonly Box[];
  readonly inbox?: readonly Box[];
  readonly struck?: boolean;
}
const yes = (boxes: Omit<Says, "yes" | "no"> = {}): Says => ({ yes: 1, ...boxes });
const no = (reason: number): Says => ({ no: reason });

/** A leg whose executors, in order, say this; undefined: nothing. */
function leg(
  rollupId: Uint8Array,
  says: readonly (Says | undefined)[],
  quorum = 2,
  committee = 3,
): AtomicLegState {
  const effects = new Map<string, AtomicLegState["effects"][number]>();
  const votes = says.flatMap((said, executor): readonly AtomicVoteState[] => {
    if (said === undefined) return [];
    const isStruck = said.struck === true;
    if (said.yes === undefined) {
      const reason = said.no ?? NoReason.OTHER;
      const verdict = Verdict.NO;
      return [{ executor, verdict, reason, digest: EMPTY_BYTES, isStruck, isReported: false }];
    }
    const content = {
      preStateRoot: id(1),
      effectsHash: id(100 + said.yes),
      outbox: said.outbox ?? [],
      inbox: said.inbox ?? [],
    };
    const digest = voteDigest(content);
    effects.set(digest.join(), { digest, ...content });
    return [{ executor, verdict: Verdict.YES, reason: 0, digest, isStruck, isReported: false }];
  });
  return {
    rollupId,
    quorum,
    committee: Array.from({ length: committee }, (_, n) => id(200 + n)),
    votes,
    effects: [...effects.values()],
    decided: EMPTY_BYTES,
  };
}

function outcome(legs: readonly AtomicLegState[], height = 5, filledHeight = 4): string {
  const bundle: Bundle = {
    terms: { voteBlocks: 8, locks: legs.map(() => 1) },
    filledHeight: Height(filledHeight),
    legs,
  };
  const decided = decide(bundle, height);
  if (decided === undefined) return "waits";
  const { decision, isSenderFault } = decided;
  if (decision.outcome === AtomicOutcome.COMMIT) return "COMMIT";
  const name = Object.entries(AbortReason).find(([, value]) => value === decision.reason)?.[0];
  return `${name}${isSenderFault ? ", sender's fault" : ""}`;
}

const Y = [yes(), yes()];

describe("what becomes of an atomic bundle", () => {
  const cases: readonly [string, readonly AtomicLegState[], string][] = [
    ["a quorum of YES of each leg", [leg(A, Y), leg(B, [undefined, yes(), yes()])], "COMMIT"],
    ["one leg alone", [leg(A, Y)], "COMMIT"],
    ["one vote too few", [leg(A, Y), leg(B, [yes()])], "waits"],
    ["nobody has voted", [leg(A, []), leg(B, [])], "waits"],
    [
      "YES that say different things, one to come",
      [leg(A, Y), leg(B, [yes(), { yes: 2 }])],
      "waits",
    ],
    ["YES that agree on nothing", [leg(A, Y), leg(B, [yes(), { yes: 2 }, { yes: 3 }])], "SPLIT"],
    ["a struck vote counts for nothing", [leg(A, [yes(), yes({ struck: true })])], "waits"],
    [
      "two struck votes leave no quorum",
      [leg(A, [yes(), yes({ struck: true }), yes({ struck: true })])],
      "SPLIT",
    ],
    ["one NO of three", [leg(A, [no(1), yes(), yes()])], "COMMIT"],
    ["a quorum of NO", [leg(A, Y), leg(B, [no(1), no(1)])], "REVERTED, sender's fault"],
    ["a quorum of NO for a lock", [leg(A, [no(2), no(2)])], "LOCKED"],
    ["a quorum of OTHER", [leg(A, [no(7), no(7)])], "OTHER"],
    ["reasons that differ are no quorum's", [leg(A, [no(1), no(3)])], "REVERTED"],
    ["a single NO where all are needed", [leg(A, [no(6)], 2, 2)], "MALFORMED"],
    [
      "the leg at fault counts, not the first one",
      [leg(A, [no(2), no(2)]), leg(B, [no(5), no(5)])],
      "MAILBOX, sender's fault",
    ],
  ];
  test.each(cases)("%s", (_name, legs, expected) => {
    expect(outcome(legs)).toBe(expected);
  });

  test("at the deadline, what is not decided is aborted, and votes of its last block count", () => {
    const waiting = [leg(A, Y), leg(B, [yes()])];
    expect(outcome(waiting, 11)).toBe("waits");
    expect(outcome(waiting, 12)).toBe("TIMEOUT");
    expect(outcome([leg(A, Y), leg(B, Y)], 12)).toBe("COMMIT");
  });

  test("there is no deadline before the bundle's block is filled", () => {
    expect(outcome([leg(A, Y), leg(B, [])], 1_000, 0)).toBe("waits");
  });
});

describe("mailboxes of an atomic bundle", () => {
  const all = (says: Says): readonly Says[] => [says, says];
  test("what each sends is what the other receives, also in a ring of three", () => {
    expect(
      outcome([
        leg(A, all(yes({ outbox: [box(B, 1)], inbox: [box(C, 3)] }))),
        leg(B, all(yes({ outbox: [box(C, 2)], inbox: [box(A, 1)] }))),
        leg(C, all(yes({ outbox: [box(A, 3)], inbox: [box(B, 2)] }))),
      ]),
    ).toBe("COMMIT");
  });

  const differ: readonly [string, Says, Says][] = [
    ["sent, not received", yes({ outbox: [box(B, 1)] }), yes()],
    ["received, not sent", yes(), yes({ inbox: [box(A, 1)] })],
    ["another message", yes({ outbox: [box(B, 1)] }), yes({ inbox: [box(A, 2)] })],
    ["sent to a stranger", yes({ outbox: [box(C, 1)] }), yes()],
    ["received from itself", yes({ inbox: [box(A, 1)], outbox: [box(A, 1)] }), yes()],
  ];
  test.each(differ)("%s: aborted, which the sender answers for", (_name, first, second) => {
    expect(outcome([leg(A, all(first)), leg(B, all(second))])).toBe("BOXES_DIFFER, sender's fault");
  });
});

import { expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { SignedMsgType, type VoteType } from "../../proto/types.ts";
import type { RoundStateView } from "../consensus/round-state.ts";
import { Step } from "../consensus/step.ts";
import { isIdleWait } from "./idle-wait.ts";
import { IDLE_WAIT_ROUNDS } from "./limits.ts";

/** A height whose prevotes are all in and whose precommits lack one of four. */
function view(round: number): Pick<RoundStateView, "height" | "round" | "validators" | "votes"> {
  const sums: Readonly<Record<number, bigint>> = {
    [SignedMsgType.PREVOTE]: 40n,
    [SignedMsgType.PRECOMMIT]: 30n,
  };
  return {
    height: Height(5),
    round: Round(round),
    validators: {
      validators: [],
      proposer: {
        address: new Uint8Array(20),
        publicKey: { type: "ed25519", bytes: new Uint8Array(32) },
        votingPower: 10n,
        proposerPriority: 0n,
      },
      totalVotingPower: 40n,
    },
    votes: (of, type: VoteType) => ({
      height: Height(5),
      round: of,
      type,
      size: 4,
      bitArray: () => ({ bits: 0, elems: [] }),
      bitArrayFor: () => ({ bits: 0, elems: [] }),
      voteAt: () => undefined,
      majority: () => undefined,
      sum: sums[type] ?? 0n,
      hasTwoThirdsAny: () => true,
    }),
  };
}

const wait = (step: Step, round = 0, height = 5) =>
  ({
    kind: "scheduleTimeout",
    height: Height(height),
    round: Round(round),
    step,
    durationMs: 1_000,
  }) as const;

test("only a wait for votes that are all in is idle", () => {
  expect(isIdleWait(view(0), wait(Step.PREVOTE_WAIT))).toBe(true);
  expect(isIdleWait(view(0), wait(Step.PRECOMMIT_WAIT))).toBe(false);
  expect(isIdleWait(view(0), wait(Step.PROPOSE))).toBe(false);
  expect(isIdleWait(view(0), wait(Step.NEW_HEIGHT))).toBe(false);
});

test("of the height and round under way, and not in late rounds", () => {
  expect(isIdleWait(view(1), wait(Step.PREVOTE_WAIT, 0))).toBe(false);
  expect(isIdleWait(view(0), wait(Step.PREVOTE_WAIT, 0, 4))).toBe(false);
  const last = IDLE_WAIT_ROUNDS - 1;
  expect(isIdleWait(view(last), wait(Step.PREVOTE_WAIT, last))).toBe(true);
  expect(isIdleWait(view(last + 1), wait(Step.PREVOTE_WAIT, last + 1))).toBe(false);
});

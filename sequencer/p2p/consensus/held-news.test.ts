import { describe, expect, test } from "vitest";
import { Height, NodeId, Round } from "../../../proto/brands.ts";
import { decodeConsensusMessage } from "../../../proto/codec/consensus-messages.ts";
import type { HasVoteMessage } from "../../../proto/messages.ts";
import { SignedMsgType } from "../../../proto/types.ts";
import { createManualClock } from "../../../test/support/manual-clock.ts";
import { Step } from "../../consensus/step.ts";
import { HELD_VOTES_MAX, NEWS_HOLD_MS } from "../limits.ts";
import { HeldNews, type NewsTarget } from "./held-news.ts";

interface Sent {
  readonly what: string;
  readonly mayWait: boolean;
}

function setup(...kinds: readonly ("weft" | "comet")[]) {
  const clock = createManualClock();
  const targets = new Map<NodeId, NewsTarget & { readonly state: { height: Height } }>();
  const sent: Sent[][] = [];
  for (const [i, kind] of kinds.entries()) {
    const id = NodeId(String(i).repeat(40));
    const log: Sent[] = [];
    sent.push(log);
    const peer = {
      id,
      trySend(_channel: number, bytes: Uint8Array, mayWait = false) {
        const message = decodeConsensusMessage(bytes);
        const what =
          message.kind === "newRoundStep"
            ? `step ${message.height}/${message.round}/${message.step}`
            : message.kind === "hasVote"
              ? `vote ${message.height}/${message.type}/${message.index}`
              : message.kind;
        log.push({ what, mayWait });
        return true;
      },
    };
    targets.set(id, { peer, state: { height: Height(0) }, keepsEarly: kind === "weft" });
  }
  const news = new HeldNews(targets, clock);
  const step = (height: number, round: number, at: Step): void =>
    news.step({
      height: Height(height),
      round: Round(round),
      step: at,
      secondsSinceStartTime: 0,
      lastCommitRound: Round(0),
    });
  const vote = (height: number, type: HasVoteMessage["type"], index: number): void =>
    news.vote(
      { kind: "hasVote", height: Height(height), round: Round(0), type, index },
      new Set([NodeId("0".repeat(40))]),
    );
  const taken = (): string[][] => sent.map((log) => log.splice(0).map(({ what }) => what));
  return { clock, targets: [...targets.values()], news, step, vote, sent, taken };
}

const { PREVOTE, PRECOMMIT } = SignedMsgType;

describe("held news", () => {
  test("the last step goes along with what is urgent, the ones before are left out", () => {
    const { news, step, targets, sent, taken } = setup("weft", "weft");
    step(5, 0, Step.NEW_HEIGHT);
    step(5, 0, Step.PROPOSE);
    step(5, 0, Step.PREVOTE);
    expect(taken()).toEqual([[], []]);
    const [first] = targets;
    if (first === undefined) throw new Error("two peers");
    news.goAlong(first);
    news.goAlong(first);
    expect(sent[0]).toEqual([{ what: "step 5/0/4", mayWait: true }]);
    expect(sent[1]).toEqual([]);
  });

  test("whoever was sent nothing urgent is told after a while, once", async () => {
    const { clock, step, vote, taken } = setup("weft", "weft");
    step(5, 0, Step.PREVOTE);
    vote(5, PREVOTE, 2);
    await clock.advance(NEWS_HOLD_MS);
    expect(taken()).toEqual([["step 5/0/4"], ["step 5/0/4", "vote 5/1/2"]]);
    await clock.advance(NEWS_HOLD_MS);
    expect(taken()).toEqual([[], []]);
  });

  test("who keeps no early messages hears of heights and rounds at once; so does who is ahead", async () => {
    const { clock, step, targets, taken } = setup("comet", "weft", "weft");
    const ahead = targets[2]?.state;
    if (ahead === undefined) throw new Error("three peers");
    ahead.height = Height(9);
    step(5, 0, Step.NEW_HEIGHT);
    expect(taken()).toEqual([["step 5/0/1"], [], ["step 5/0/1"]]);
    step(5, 0, Step.PREVOTE);
    expect(taken()).toEqual([[], [], []]);
    step(5, 1, Step.NEW_ROUND);
    expect(taken()).toEqual([["step 5/1/2"], ["step 5/1/2"], ["step 5/1/2"]]);
    await clock.advance(NEWS_HOLD_MS);
    expect(taken()).toEqual([[], [], []]);
  });

  test("votes of a height that is over are left out, its precommits while they still count", async () => {
    const { clock, step, vote, taken } = setup("weft", "weft");
    step(5, 0, Step.PREVOTE);
    vote(5, PREVOTE, 1);
    vote(5, PRECOMMIT, 2);
    step(6, 0, Step.NEW_HEIGHT);
    await clock.advance(NEWS_HOLD_MS);
    expect(taken()[1]).toEqual(["step 6/0/1", "vote 5/2/2"]);
    vote(5, PRECOMMIT, 3);
    step(6, 0, Step.PROPOSE);
    await clock.advance(NEWS_HOLD_MS);
    expect(taken()[1]).toEqual(["step 6/0/3"]);
  });

  test("more votes than are held leave at once, and nothing after a stop", async () => {
    const { clock, news, step, vote, taken } = setup("weft", "weft");
    for (let i = 0; i < HELD_VOTES_MAX; i++) vote(5, PREVOTE, i);
    expect(taken()[1]).toHaveLength(HELD_VOTES_MAX);
    step(5, 0, Step.PRECOMMIT);
    news.stop();
    await clock.advance(NEWS_HOLD_MS);
    expect(taken()).toEqual([[], []]);
  });
});

import { expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { DEFAULT_CONSENSUS_TIMEOUTS } from "./options.ts";
import { Step } from "./step.ts";
import { Ticker, timeoutMs } from "./ticker.ts";

function timer(height: number, round: number, step: Step) {
  return { height: Height(height), round: Round(round), step, durationMs: 1 };
}

test("behavior: a timer replaces one for an earlier moment only", () => {
  const ticker = new Ticker();
  expect(ticker.schedule(timer(2, 1, Step.PREVOTE_WAIT))).toBe(true);
  const refused = [
    timer(1, 9, Step.PRECOMMIT_WAIT),
    timer(2, 0, Step.PRECOMMIT_WAIT),
    timer(2, 1, Step.PROPOSE),
    timer(2, 1, Step.PREVOTE_WAIT),
  ];
  for (const one of refused) expect(ticker.schedule(one), JSON.stringify(one)).toBe(false);
  expect(ticker.schedule(timer(2, 1, Step.PRECOMMIT_WAIT))).toBe(true);
  expect(ticker.schedule(timer(2, 2, Step.PROPOSE))).toBe(true);
  expect(ticker.schedule(timer(3, 0, Step.NEW_HEIGHT))).toBe(true);
});

test("behavior: a timer that fired is not running, and still bars earlier ones", () => {
  const ticker = new Ticker();
  ticker.schedule(timer(2, 0, Step.PREVOTE_WAIT));
  ticker.elapsed(Height(2), Round(0), Step.PROPOSE);
  expect(ticker.running()).toEqual(timer(2, 0, Step.PREVOTE_WAIT));
  ticker.elapsed(Height(2), Round(0), Step.PREVOTE_WAIT);
  expect(ticker.running()).toBeUndefined();
  expect(ticker.schedule(timer(2, 0, Step.PROPOSE))).toBe(false);
});

test("behavior: timeouts grow by their delta each round", () => {
  const lengths = [0, 1, 4].map((round) => [
    timeoutMs(DEFAULT_CONSENSUS_TIMEOUTS, Step.PROPOSE, round),
    timeoutMs(DEFAULT_CONSENSUS_TIMEOUTS, Step.PREVOTE_WAIT, round),
    timeoutMs(DEFAULT_CONSENSUS_TIMEOUTS, Step.PRECOMMIT_WAIT, round),
  ]);
  expect(lengths).toEqual([
    [3000, 1000, 1000],
    [3500, 1500, 1500],
    [5000, 3000, 3000],
  ]);
});

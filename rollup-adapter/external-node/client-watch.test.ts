import { expect, test } from "vitest";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { CLIENT_WATCH_MS } from "../limits.ts";
import { watchClient, withClient } from "./client-watch.ts";

test("a client that goes and comes back is noticed without traffic", async () => {
  const clock = createManualClock();
  let isThere = true;
  let asked = 0;
  const ask = () => {
    asked++;
    return isThere ? Promise.resolve(1n) : Promise.reject(new Error("nobody answers at x"));
  };
  const watch = watchClient(ask, { clock, logger: NULL_LOGGER });
  await clock.advance(0);
  expect(withClient({ status: "ready" }, watch.failure())).toEqual({ status: "ready" });
  isThere = false;
  await clock.advance(CLIENT_WATCH_MS);
  expect(withClient({ status: "ready" }, watch.failure())).toEqual({
    status: "stalled",
    reason: "the execution client does not answer: nobody answers at x",
  });
  // What holds up the order itself is said first.
  const syncing = { status: "syncing", reason: "not following a sequencer yet" } as const;
  expect(withClient(syncing, watch.failure())).toEqual(syncing);
  isThere = true;
  await clock.advance(CLIENT_WATCH_MS);
  expect(watch.failure()).toBeUndefined();
  watch.close();
  const before = asked;
  await clock.advance(10 * CLIENT_WATCH_MS);
  expect(asked).toBe(before);
});

test("an answer that comes after the end asks no more", async () => {
  const clock = createManualClock();
  let answer = () => {};
  let asked = 0;
  const ask = () => {
    asked++;
    return new Promise<void>((resolve) => {
      answer = resolve;
    });
  };
  const watch = watchClient(ask, { clock, logger: NULL_LOGGER });
  watch.close();
  answer();
  await clock.advance(10 * CLIENT_WATCH_MS);
  expect(asked).toBe(1);
});

import { describe, expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { createEventBus, type EngineEvent } from "./event-bus.ts";
import { EVENT_SUBSCRIPTIONS_MAX } from "./limits.ts";

const event = (height: number): EngineEvent => ({
  kind: "ValidBlock",
  height: Height(height),
  round: Round(0),
  step: 4,
});

describe("event bus", () => {
  test("a subscriber gets its kinds, in order, until it cancels", async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe(["ValidBlock"]);
    bus.publish({ kind: "Halted", reason: "not asked for" });
    bus.publish(event(1));
    bus.publish(event(2));
    const heights: number[] = [];
    for await (const { height } of subscription) {
      heights.push(height);
      if (heights.length === 1) bus.publish(event(3));
      if (heights.length === 3) break;
    }
    expect(heights).toEqual([1, 2, 3]);
    expect(subscription.ended).toBe("cancelled");
    expect(bus.subscriptionCount).toBe(0);
  });

  test("one that waits is woken by the event", async () => {
    const bus = createEventBus();
    const next = bus.subscribe(["ValidBlock"])[Symbol.asyncIterator]().next();
    bus.publish(event(7));
    expect((await next).value).toEqual(event(7));
  });

  test("one that does not read is ended as too slow, and only that one", () => {
    const bus = createEventBus();
    const slow = bus.subscribe(["ValidBlock"], { queueMax: 2 });
    const other = bus.subscribe(["ValidBlock"]);
    for (let height = 1; height <= 3; height++) bus.publish(event(height));
    expect(slow.ended).toBe("tooSlow");
    expect(other.ended).toBeUndefined();
    expect([slow.poll(), slow.poll(), slow.poll()]).toEqual([event(1), event(2), undefined]);
  });

  test("too many are refused; closing ends all", async () => {
    const bus = createEventBus();
    const all = Array.from({ length: EVENT_SUBSCRIPTIONS_MAX }, () => bus.subscribe(["Vote"]));
    expect(() => bus.subscribe(["Vote"])).toThrow(/at most 1000 event subscriptions/);
    bus.close();
    expect(new Set(all.map(({ ended }) => ended))).toEqual(new Set(["busClosed"]));
    const rest: EngineEvent[] = [];
    for await (const waiting of all[0] ?? []) rest.push(waiting);
    expect(rest).toEqual([]);
  });

  test("a listener hears everything until it is removed", () => {
    const bus = createEventBus();
    const heard: string[] = [];
    const remove = bus.on(({ kind }) => heard.push(kind));
    bus.publish(event(1));
    remove();
    bus.publish(event(2));
    expect(heard).toEqual(["ValidBlock"]);
  });
});

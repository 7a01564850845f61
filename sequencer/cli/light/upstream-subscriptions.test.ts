import { afterEach, describe, expect, test } from "vitest";
import { eventually } from "../../../test/support/loopback.ts";
import { startTestNode, type TestNode } from "../../../test/support/rpc-node.ts";
import type { EventSink, JsonEvent } from "../../rpc/subscriptions.ts";
import { UpstreamSubscriptions } from "./upstream-subscriptions.ts";

const NEW_BLOCK = "tm.event='NewBlock'";

let node: TestNode | undefined;
let subscriptions: UpstreamSubscriptions | undefined;
afterEach(async () => {
  subscriptions?.stop();
  await node?.stop();
  node = undefined;
});

interface Recorder extends EventSink<JsonEvent> {
  readonly events: readonly string[];
  readonly reasons: readonly string[];
}

function recorder(): Recorder {
  const events: string[] = [];
  const reasons: string[] = [];
  return {
    events,
    reasons,
    deliver: (event) => events.push(event.eventsJson()),
    cancelled: (reason) => reasons.push(reason),
  };
}

async function start(): Promise<{ node: TestNode; subscriptions: UpstreamSubscriptions }> {
  const running = await startTestNode();
  node = running;
  const url = `${running.url.replace("http", "ws")}/websocket`;
  subscriptions = new UpstreamSubscriptions(() => url);
  return { node: running, subscriptions };
}

describe("subscriptions at the primary", () => {
  test("each client gets its own events, marked, until it unsubscribes or is gone", async () => {
    const { node: at, subscriptions: upstream } = await start();
    const [one, other] = [recorder(), recorder()];
    await upstream.subscribe("one", NEW_BLOCK, one);
    await upstream.subscribe("other", NEW_BLOCK, other);
    await expect(upstream.subscribe("one", NEW_BLOCK, one)).rejects.toThrow("already subscribed");
    await at.chain.commitBlock([]);
    await eventually(() => one.events.length + other.events.length === 2, "both are told");
    expect(JSON.parse(one.events[0] ?? "")).toMatchObject({
      "tm.event": ["NewBlock"],
      "light.unverified": ["*"],
    });
    await upstream.unsubscribe("one", NEW_BLOCK);
    upstream.dropClient("other");
    await at.chain.commitBlock([]);
    const third = recorder();
    await upstream.subscribe("third", NEW_BLOCK, third);
    await at.chain.commitBlock([]);
    await eventually(() => third.events.length === 1, "a later one is told");
    expect([one.events.length, other.events.length]).toEqual([1, 1]);
    await expect(upstream.unsubscribe("one", NEW_BLOCK)).rejects.toThrow("not found");
  });

  test("a client that goes and comes at once keeps what it came for, and leaves nothing behind", async () => {
    const { node: at, subscriptions: upstream } = await start();
    const again = recorder();
    await upstream.subscribe("one", NEW_BLOCK, recorder());
    upstream.dropClient("one");
    await upstream.subscribe("one", NEW_BLOCK, again);
    await at.chain.commitBlock([]);
    await eventually(() => again.events.length === 1, "the new one is told");
    await expect(upstream.unsubscribe("one", NEW_BLOCK)).resolves.toBeUndefined();
  });

  test("what the primary refuses, and its end, reach the client in words", async () => {
    const { node: at, subscriptions: upstream } = await start();
    const sink = recorder();
    await expect(upstream.subscribe("one", "no query", sink)).rejects.toThrow(/parse query/);
    for (let i = 0; i < 5; i++) {
      await upstream.subscribe("one", `tm.event='Tx' AND tx.height = ${i + 1}`, sink);
    }
    await expect(upstream.subscribe("one", NEW_BLOCK, sink)).rejects.toThrow(
      /max_subscriptions_per_client 5/,
    );
    await at.server.stop();
    await eventually(() => sink.reasons.length === 5, "every subscription is cancelled");
    await expect(upstream.subscribe("two", NEW_BLOCK, sink)).rejects.toThrow(
      /does not take subscriptions|closed the connection/,
    );
  });
});

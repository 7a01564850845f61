import { describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { TEST_CHAIN_ID } from "../../test/support/chain-builder.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import type { ChainInfo } from "../client/sequencer-client.ts";
import { BEHIND_BLOCKS_MAX, FRESH_BLOCK_MS, HEAD_ASK_MS, STREAM_SILENCE_MS } from "../limits.ts";
import { createAdapterMetrics } from "../metrics.ts";
import { createPrometheusRegistry } from "../../sequencer/ports/prometheus.ts";
import { createCatchUp } from "./catch-up.ts";

/** A node whose word a test sets; undefined: it does not answer. */
function node(height: number | undefined, chainId = TEST_CHAIN_ID) {
  const self = {
    height,
    asked: 0,
    chainInfo: (): Promise<ChainInfo> => {
      self.asked += 1;
      if (self.height === undefined) return Promise.reject(new Error("away"));
      return Promise.resolve({
        chainId,
        height: Height(self.height),
        initialHeight: Height(1),
        earliestHeight: Height(1),
        baseFeePerByte: 1n,
        unorderedWindow: 600,
        itemBytesMax: 1_000,
        isCatchingUp: false,
      });
    },
  };
  return self;
}

function watch(clients: readonly ReturnType<typeof node>[]) {
  const clock = createManualClock();
  const registry = createPrometheusRegistry();
  const metrics = createAdapterMetrics(registry).driver;
  const catchUp = createCatchUp({ clients, chainId: TEST_CHAIN_ID }, { clock, metrics });
  catchUp.start();
  /** A block of that age arrives and is executed, and the next one is waited for. */
  const execute = (client: (typeof clients)[number], height: number, ageMs: number): void => {
    const { seconds, nanos } = clock.now();
    const time = { seconds: seconds - BigInt(Math.floor(ageMs / 1_000)), nanos };
    catchUp.waited();
    catchUp.executed(client, { height: Height(height), time });
    catchUp.waits();
  };
  const head = async (): Promise<number> => {
    const [, value] = /^weft_rollup_sequencer_head (\d+)$/m.exec(await registry.text()) ?? [];
    return Number(value);
  };
  return { catchUp, clock, execute, head };
}

const OLD_MS = 10 * FRESH_BLOCK_MS;

describe("catching up", () => {
  test("lasts while a node tells of more than a few heights above the executed one", async () => {
    const only = node(1_000);
    const { catchUp, execute, head } = watch([only]);
    expect(catchUp.state()).toBeUndefined();
    catchUp.told(only, Height(1_000));
    catchUp.resumed(Height(400));
    expect(catchUp.state()).toEqual({ height: 400, head: 1_000 });
    execute(only, 1_000 - BEHIND_BLOCKS_MAX - 1, OLD_MS);
    expect(catchUp.state()).toEqual({ height: 989, head: 1_000 });
    expect(await head()).toBe(1_000);
    execute(only, 1_000 - BEHIND_BLOCKS_MAX, OLD_MS);
    expect(catchUp.state()).toBeUndefined();
    catchUp.stop();
  });

  test("begins again where an executor has lost blocks", () => {
    const only = node(1_000);
    const { catchUp, execute } = watch([only]);
    catchUp.told(only, Height(1_000));
    catchUp.resumed(Height(999));
    execute(only, 1_000, 100);
    expect(catchUp.state()).toBeUndefined();
    catchUp.resumed(Height(900));
    expect(catchUp.state()).toEqual({ height: 900, head: 1_000 });
    catchUp.stop();
  });

  test("is no node's to claim once young blocks are executed, and the metric forgets the claim", async () => {
    const [honest, liar] = [node(50), node(1_000_000)];
    const { catchUp, clock, execute, head } = watch([honest, liar]);
    catchUp.told(honest, Height(50));
    catchUp.resumed(Height(49));
    expect(catchUp.state()).toBeUndefined();
    await clock.advance(HEAD_ASK_MS);
    expect(catchUp.state()).toEqual({ height: 49, head: 1_000_000 });
    execute(honest, 50, FRESH_BLOCK_MS);
    expect(catchUp.state()).toBeUndefined();
    expect(await head()).toBe(50);
    const { asked } = liar;
    await clock.advance(5 * HEAD_ASK_MS);
    expect([catchUp.state(), liar.asked]).toEqual([undefined, asked]);
    catchUp.stop();
  });

  test("ends after a limited wait for blocks that nobody sends", async () => {
    const liar = node(1_000_000);
    const { catchUp, clock } = watch([node(50), liar]);
    catchUp.told(liar, Height(1_000_000));
    catchUp.resumed(Height(50));
    catchUp.waits();
    await clock.advance(STREAM_SILENCE_MS - 1);
    expect(catchUp.state()).toMatchObject({ head: 1_000_000 });
    await clock.advance(1);
    expect(catchUp.state()).toBeUndefined();
    catchUp.stop();
  });

  test("does not begin where a rollup waits at the head for openings", async () => {
    const only = node(50);
    const { catchUp, clock, execute } = watch([only]);
    catchUp.resumed(Height(49));
    execute(only, 50, 200);
    only.height = 90;
    await clock.advance(2 * FRESH_BLOCK_MS);
    expect(catchUp.state()).toBeUndefined();
    catchUp.stop();
  });

  test("is seen through another node while the followed one is behind, whatever the others do", async () => {
    const [behind, away, other, ahead] = [
      node(500),
      node(undefined),
      node(9_000, "another-chain"),
      node(1_000),
    ];
    const { catchUp, clock, execute } = watch([behind, away, other, ahead]);
    catchUp.told(behind, Height(500));
    catchUp.resumed(Height(499));
    execute(behind, 500, OLD_MS);
    expect(catchUp.state()).toBeUndefined();
    await clock.advance(HEAD_ASK_MS);
    expect(catchUp.state()).toEqual({ height: 500, head: 1_000 });
    ahead.height = 1_001;
    await clock.advance(HEAD_ASK_MS);
    expect(catchUp.state()).toEqual({ height: 500, head: 1_001 });
    catchUp.stop();
  });

  test("is not where a fresh rollup's first height is still to come", () => {
    const only = node(10);
    const { catchUp } = watch([only]);
    catchUp.told(only, Height(10));
    catchUp.resumed(Height(4_999));
    expect(catchUp.state()).toBeUndefined();
    catchUp.stop();
  });
});

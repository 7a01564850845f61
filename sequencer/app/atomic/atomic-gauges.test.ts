import { expect, test } from "vitest";
import { AtomicWorld } from "../../../test/support/atomic-world.ts";
import { NULL_ATOMIC_METRICS } from "./metrics.ts";
import { AtomicGauges } from "./atomic-gauges.ts";

test("counts what became of atomic bundles, votes, reports and faults, and blocks to the decision", async () => {
  const shown: Record<string, number> = {};
  const count = (labels?: object): void => {
    const name = Object.values(labels ?? { none: "report" }).join(" ");
    shown[name] = (shown[name] ?? 0) + 1;
  };
  const blocks: number[] = [];
  const gauges = new AtomicGauges({
    ...NULL_ATOMIC_METRICS,
    atomicDecisions: { inc: count },
    atomicVotes: { inc: count },
    atomicReports: { inc: count },
    executorFaults: { inc: (labels) => count({ fault: labels?.fault ?? "" }) },
    atomicDecisionBlocks: { observe: (value) => blocks.push(value) },
  });
  const world = await AtomicWorld.start();
  const { chain } = world;
  const step = async (): Promise<void> => {
    const { height, response } = await chain.step(0);
    gauges.advance(height, [response.events, ...response.txResults.map(({ events }) => events)]);
  };
  const id = await world.place();
  for (const rollup of [0, 1]) await world.vote(rollup, [0, 1], world.yes(id, rollup));
  await step();
  await world.vote(0, [0], world.report(id, 0, ""));
  await world.vote(0, [1], world.report(id, 0, "other"));
  for (let n = 0; n < 75; n++) await step();
  expect(shown).toEqual({ commit: 1, yes: 4, report: 1, slashed: 1, jailed: 2 });
  expect(blocks).toEqual([1]);
});

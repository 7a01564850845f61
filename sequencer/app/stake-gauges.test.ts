import { describe, expect, test } from "vitest";
import { EMPTY_SUPPLY } from "../../proto/codec/weft-state.ts";
import { createStakingContext } from "../../test/support/staking-context.ts";
import { STAKE_CODECS } from "../../test/support/stake-arbitraries.ts";
import * as fc from "fast-check";
import { VALIDATOR_CODEC } from "../../proto/codec/staking-state.ts";
import type { Gauge } from "../ports/instruments.ts";
import { event, plain } from "./abci-event.ts";
import { METRIC_VALIDATORS_MAX } from "./limits.ts";
import { NULL_APP_METRICS } from "./metrics.ts";
import { DEFAULT_PARAMS } from "./params.ts";
import { type ShownState, StakeGauges } from "./stake-gauges.ts";
import { VALIDATORS } from "./state/tables.ts";

const [sample] = fc.sample(
  STAKE_CODECS.find(({ name }) => name === "VALIDATOR_CODEC")?.bytes ?? fc.constant(undefined),
  { numRuns: 1, seed: 1 },
);
const template = VALIDATOR_CODEC.decode(sample ?? new Uint8Array(0));
const address = (index: number): string => index.toString(16).padStart(40, "0");

function setUp(count: number, power: bigint) {
  const ctx = createStakingContext();
  for (let i = 0; i < count; i++) {
    ctx.records.set(VALIDATORS, address(i), {
      ...template,
      power,
      jailed: false,
      tombstoned: false,
    });
  }
  const terms = { supply: { ...EMPTY_SUPPLY, bonded: 5n, burned: 7n }, params: DEFAULT_PARAMS };
  const state = {
    terms,
    requireTerms: () => terms,
    validators: () => ctx.records.keys(VALIDATORS),
    staking: ctx,
  } as unknown as ShownState;
  const shown = new Map<string, number>();
  const gauge = (name: string): Gauge<string> => ({
    set: (value, labels) =>
      shown.set(`${name} ${Object.values(labels ?? {}).join()}`.trim(), value),
  });
  const counter = (name: string) => ({
    inc: (labels?: Readonly<Record<string, string>>, by = 1) => {
      const key = `${name} ${Object.values(labels ?? {}).join()}`;
      shown.set(key, (shown.get(key) ?? 0) + by);
    },
  });
  const gauges = new StakeGauges(state, {
    ...NULL_APP_METRICS,
    validatorPower: gauge("power"),
    validatorJailed: gauge("jailed"),
    poolAmount: gauge("pool"),
    burned: gauge("burned"),
    slashes: counter("slashes"),
    slashedAmount: counter("slashed"),
  });
  return { ctx, gauges, shown };
}

describe("stake in metrics", () => {
  test("behavior: all validators of the set once, then those that a block changes", () => {
    const { ctx, gauges, shown } = setUp(2, 10n);
    gauges.reset();
    expect(shown.get(`power ${address(1)}`)).toBe(10);
    expect([shown.get("pool bonded"), shown.get("burned")]).toEqual([5, 7]);

    const changed = ctx.records.get(VALIDATORS, address(1));
    if (changed === undefined) throw new Error("the validator is there");
    ctx.records.set(VALIDATORS, address(1), { ...changed, power: 0n, jailed: true });
    ctx.records.set(VALIDATORS, address(0), undefined);
    const slash = event("slash", [
      plain("reason", "duplicate-vote"),
      plain("burned", "40"),
      plain("reward", "2"),
    ]);
    gauges.advance(new Map([[`validator/${address(1)}`, new Uint8Array(1)]]), [[slash], [slash]]);
    expect(shown.get(`power ${address(1)}`)).toBe(0);
    expect(shown.get(`jailed ${address(1)}`)).toBe(1);
    expect(shown.get("slashes duplicate-vote")).toBe(2);
    expect(shown.get("slashed duplicate-vote")).toBe(84);
    // The other one is gone, which only a change tells.
    expect(shown.get(`power ${address(0)}`)).toBe(10);
    gauges.advance(new Map([[`validator/${address(0)}`, undefined]]), []);
    expect(shown.get(`power ${address(0)}`)).toBe(0);
  });

  test("behavior: a validator has a label of its own if it has series, all others share one", () => {
    const { gauges } = setUp(2, 10n);
    gauges.reset();
    expect(gauges.labelOf(`${"0".repeat(39)}1`)).toBe(`${"0".repeat(39)}1`);
    expect(gauges.labelOf("ab".repeat(20))).toBe("others");
  });

  test("behavior: candidates without power have no series, and there are so many at most", () => {
    const candidates = setUp(3, 0n);
    candidates.gauges.reset();
    expect([...candidates.shown.keys()].filter((key) => key.startsWith("power"))).toEqual([]);
    const many = setUp(METRIC_VALIDATORS_MAX + 5, 1n);
    many.gauges.reset();
    expect([...many.shown.keys()].filter((key) => key.startsWith("power"))).toHaveLength(
      METRIC_VALIDATORS_MAX,
    );
  });
});

import { expect, test } from "vitest";
import { Network, type NetworkOptions } from "../support/consensus-network.ts";
import { Random } from "../support/random.ts";

/**
 * One seed again: `WEFT_SEED=123 npx vitest run test/property/consensus-agreement.test.ts`; more of
 * them with `WEFT_SEEDS=5000`.
 */
const SEED = process.env["WEFT_SEED"];
const SEED_COUNT = Number(process.env["WEFT_SEEDS"] ?? 120);
const SEEDS =
  SEED === undefined ? Array.from({ length: SEED_COUNT }, (_, i) => i + 1) : [Number(SEED)];
const DISTURBED_EVENTS = 300;
const STORM_PHASES = 20;
const STORM_HEIGHTS_MAX = 4;
const TIMERS_MAX = 400;

const FOUR = [10n, 10n, 10n, 10n];
/** Sum 31; indices 0 and 6 together hold 10, which is less than a third. */
const SEVEN = [9n, 6n, 5n, 4n, 3n, 3n, 1n];

/** Each seed draws its own mix of faults. */
function drawOptions(seed: number): NetworkOptions {
  const random = new Random(seed * 7919);
  const isSmall = random.chance(60);
  const faulty = isSmall ? [random.below(4)] : [0, 6];
  const fault = random.pick([0, 0, 0, 1, 2]) ?? 0;
  return {
    seed,
    powers: isSmall ? FOUR : SEVEN,
    byzantine: fault === 0 ? faulty : [],
    silent: fault === 1 ? faulty : [],
    isExtended: random.chance(30),
    startDelayMs: random.chance(50) ? 0 : 10,
    skipTimeoutCommit: random.chance(50),
    lossPercent: random.below(40),
    duplicatePercent: random.below(20),
    crashPerMille: random.chance(50) ? random.below(10) : 0,
    changesValidators: fault === 2 && random.chance(50),
  };
}

/** Runs one seed; an error names it, so that it can be run again alone. */
function run(seed: number): { readonly network: Network; readonly height: number } {
  const network = new Network(drawOptions(seed));
  try {
    network.storm(STORM_PHASES, STORM_HEIGHTS_MAX);
    network.disturb(DISTURBED_EVENTS);
    network.storm(STORM_PHASES, STORM_HEIGHTS_MAX);
    const height = Math.max(...network.honest().map((node) => node.height)) + 2;
    if (!network.settle(height, TIMERS_MAX)) throw new Error(`height ${height} was not decided`);
    return { network, height };
  } catch (cause) {
    const state = network.honest().map(({ index, core: { view } }) => {
      return `${index}: ${view.height}/${view.round}/${view.step}`;
    });
    throw new Error(`seed ${seed}: ${String(cause)}; nodes at ${state.join(", ")}`, { cause });
  }
}

test("behavior: nodes agree under faults, and go on once the faults stop", {
  timeout: 600_000,
}, () => {
  let evidenceCount = 0;
  for (const seed of SEEDS) {
    const { network, height } = run(seed);
    evidenceCount += network.evidenceCount;
    expect(height, `seed ${seed}`).toBeGreaterThan(2);
  }
  // The faults are real: somebody was caught, unless one chosen seed has nobody to catch.
  expect(evidenceCount).toBeGreaterThan(SEED === undefined ? 0 : -1);
});

test("behavior: the same seed takes the same course", () => {
  for (const seed of SEEDS.slice(0, 5)) {
    const digests = [1, 2].map(() =>
      run(seed).network.nodes.map((node) => node.core.stateDigest()),
    );
    expect(digests[0], `seed ${seed}`).toEqual(digests[1]);
  }
});

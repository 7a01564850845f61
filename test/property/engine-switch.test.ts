/**
 * Nodes that change engine, and back, each time they crash, in the adversarial network of
 * `consensus-agreement.test.ts`: a lock that a change of engine forgets shows as two decisions.
 */
import { expect, test } from "vitest";
import { bytesEqual } from "../../proto/bytes.ts";
import type { Vote } from "../../proto/types.ts";
import { CometStoreError } from "../../sequencer/cometbft/stores/errors.ts";
import {
  decodeCometLogMessage,
  encodeCometLogMessage,
} from "../../sequencer/cometbft/stores/comet-log-message.ts";
import { replayHeight } from "../../sequencer/cometbft/stores/height-under-way.ts";
import { logFromComet } from "../../sequencer/cometbft/stores/log-from-comet.ts";
import { logToComet } from "../../sequencer/cometbft/stores/log-to-comet.ts";
import type { ConsensusInput } from "../../sequencer/consensus/inputs.ts";
import { Network, type NetworkOptions } from "../support/consensus-network.ts";
import type { RewriteLog } from "../support/consensus-node.ts";
import { Random } from "../support/random.ts";

/** `WEFT_SEED=123` runs one seed again, `WEFT_SEEDS=5000` runs more of them. */
const SEED = process.env["WEFT_SEED"];
const SEED_COUNT = Number(process.env["WEFT_SEEDS"] ?? 12);
const SEEDS =
  SEED === undefined ? Array.from({ length: SEED_COUNT }, (_, i) => i + 1) : [Number(SEED)];
const TIME = { seconds: 1n, nanos: 0 };
/** Signatures of the simulated network are made up. */
const deps = { verify: () => true };

interface Tally {
  changes: number;
  locked: number;
  refused: number;
}

/** To CometBFT's bytes and back; a refusal leaves the node with the engine it has. */
function changeTwice(tally: Tally): RewriteLog {
  return (at, log) => {
    const height = { ...at, chainId: "test-chain" };
    const logged = { startDelayMs: 0, inputs: log };
    const before = replayHeight(height, logged);
    try {
      const bytes = logToComet(logged, height, deps).map((message) =>
        encodeCometLogMessage(message, TIME),
      );
      const { inputs } = logFromComet(bytes.map(decodeCometLogMessage), height, deps);
      const after = replayHeight(height, { startDelayMs: 0, inputs });
      tally.changes += 1;
      if (before.view.lockedRound >= 0) tally.locked += 1;
      if (after.view.lockedRound < before.view.lockedRound) throw new Error("a lock was lost");
      for (const vote of ownVotes(log)) {
        if (ownVotes(inputs).some((other) => bytesEqual(other.signature, vote.signature))) continue;
        throw new Error("a vote was lost");
      }
      return inputs;
    } catch (error) {
      if (!(error instanceof CometStoreError)) throw error;
      // CometBFT logs no claim of a majority, without which it does not count a second vote.
      if (!log.some(({ kind }) => kind === "majorityClaimed")) throw error;
      tally.refused += 1;
      return log;
    }
  };
}

/** Of the height under way: a late precommit of the one before is in its stored commit. */
function ownVotes(log: readonly ConsensusInput[]): readonly Vote[] {
  const heights = log.flatMap((input) => (input.kind === "timeoutElapsed" ? [input.height] : []));
  const height = Math.max(...heights);
  return log.flatMap((input) => {
    if (input.kind !== "voteSigned" || input.vote === undefined) return [];
    return input.vote.height === height ? [input.vote] : [];
  });
}

function drawOptions(seed: number, tally: Tally): NetworkOptions {
  const random = new Random(seed * 104_729);
  const fault = random.pick([0, 1, 2]) ?? 0;
  const faulty = [random.below(4)];
  return {
    seed,
    powers: [10n, 10n, 10n, 10n],
    byzantine: fault === 0 ? faulty : [],
    silent: fault === 1 ? faulty : [],
    isExtended: random.chance(50),
    startDelayMs: random.chance(50) ? 0 : 10,
    skipTimeoutCommit: random.chance(50),
    lossPercent: random.below(40),
    duplicatePercent: random.below(20),
    crashPerMille: 20 + random.below(60),
    changesValidators: fault === 2 && random.chance(50),
    rewriteLog: changeTwice(tally),
  };
}

test("behavior: nodes agree although they change engine whenever they crash", {
  timeout: 600_000,
}, () => {
  const tally: Tally = { changes: 0, locked: 0, refused: 0 };
  for (const seed of SEEDS) {
    const network = new Network(drawOptions(seed, tally));
    try {
      network.storm(20, 4);
      network.disturb(300);
      network.storm(20, 4);
      const height = Math.max(...network.honest().map((node) => node.height)) + 2;
      expect(network.settle(height, 400), `seed ${seed}`).toBe(true);
    } catch (cause) {
      throw new Error(`seed ${seed}: ${String(cause)}`, { cause });
    }
  }
  // What is tested happens; refusals are for who is told of two votes of one validator.
  expect(tally.changes).toBeGreaterThan(SEEDS.length);
  expect(tally.locked).toBeGreaterThan(SEED === undefined ? SEEDS.length / 2 : -1);
  expect(tally.refused).toBeLessThan(tally.changes / 10);
});

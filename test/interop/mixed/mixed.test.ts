/**
 * Networks whose validators are ours and CometBFT's. This is a slice; `npm run interop` takes hundreds of
 * blocks and every fault on every node.
 */
import { describe, expect, test } from "vitest";
import { isCometBftAway } from "../../support/cometbft.ts";
import type { EngineKind } from "../../support/mixed-network.ts";
import type { Fault } from "./perturbations.ts";
import { runMixed } from "./run-mixed.ts";

const BLOCKS = 12;
/** Idle, a network takes half a minute; a machine that is busy otherwise takes several times that. */
const TIMEOUT_MS = 600_000;

const NETWORKS: readonly {
  readonly name: string;
  readonly validators: readonly EngineKind[];
  readonly faults: readonly (readonly [number, Fault])[];
  readonly isSupervised?: boolean;
}[] = [
  {
    name: "three of ours and one of CometBFT's",
    validators: ["weft", "weft", "weft", "cometbft"],
    faults: [
      [3, "kill"],
      [0, "cut"],
    ],
  },
  {
    name: "two of each",
    validators: ["weft", "weft", "cometbft", "cometbft"],
    faults: [
      [0, "kill"],
      [3, "pause"],
      [2, "cut"],
    ],
  },
  {
    name: "one of ours and three of CometBFT's",
    validators: ["weft", "cometbft", "cometbft", "cometbft"],
    faults: [
      [0, "pause"],
      [2, "restart"],
      [0, "restart"],
    ],
    // As operators run it.
    isSupervised: true,
  },
];

/** As many of one kind as of the other: parted, neither half decides. */
function isEven(kinds: readonly EngineKind[]): boolean {
  return kinds.filter((kind) => kind === "weft").length * 2 === kinds.length;
}

describe.skipIf(isCometBftAway)("a network of", () => {
  test.each(NETWORKS)(
    "$name commits the same blocks, and takes back whom it lost",
    async ({ validators, faults, isSupervised = false }) => {
      const result = await runMixed({
        validators,
        blocks: BLOCKS,
        faults,
        isSupervised,
        isParted: isEven(validators),
        onProgress: (line) => process.stdout.write(`${line}\n`),
      });
      const { chain, shares } = result;
      const { heights, multiPart, partsMax, lateRounds, intervalMs } = chain;
      process.stdout.write(
        `${JSON.stringify({ heights, multiPart, partsMax, lateRounds, intervalMs, shares, txs: result.txs })}\n`,
      );
      expect(chain.heights).toBeGreaterThan(BLOCKS);
      expect(chain.multiPart, "blocks over 64 KiB").toBeGreaterThan(0);
      expect(chain.proposers.size, "validators that proposed").toBe(validators.length);
      expect(result.recoveries.length).toBe(faults.length);
      // Votes of both kinds stand in the logs of ours.
      expect(result.votes).toBeGreaterThan(chain.heights * validators.length);
      expect(result.conflicts).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

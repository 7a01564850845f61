import { describe, expect, test } from "vitest";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { toHex } from "../../proto/bytes.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { buildWhatRuns, type Refused } from "./block-builder.ts";
import type { BuiltPayload } from "./engine-client.ts";
import type { Candidate } from "./selection.ts";

/** Stands for a built block: what the client was given. */
function payloadOf(candidates: readonly Candidate[]): BuiltPayload {
  return { json: {}, transactions: candidates.map(({ raw }) => raw) } as unknown as BuiltPayload;
}

function candidates(count: number, alterable: readonly number[] = []): Candidate[] {
  return Array.from({ length: count }, (_, index) => {
    const raw = Uint8Array.of(index >> 8, index);
    return { index, raw, hash: keccak_256(raw), isAlterable: alterable.includes(index) };
  });
}

/** A client that refuses each transaction of `bad`, the first in its way, and names it or does not. */
function client(bad: readonly number[], isNaming: boolean) {
  const builds: number[] = [];
  return {
    builds,
    attempt: (list: readonly Candidate[]): Promise<BuiltPayload | Refused> => {
      builds.push(list.length);
      const refused = list.find(({ index }) => bad.includes(index));
      if (refused === undefined) return Promise.resolve(payloadOf(list));
      const name = isNaming ? ` 0x${toHex(refused.hash)}` : "";
      return Promise.resolve({ refusal: `cannot${name}`, error: new Error("refused") });
    },
  };
}

describe("what a client refuses is left out", () => {
  test.each([0, 1, 57, 99])("transaction %i, named by the client or found, alike", async (bad) => {
    for (const isNaming of [true, false]) {
      const { attempt, builds } = client([bad], isNaming);
      const outcome = await buildWhatRuns(candidates(100), attempt, NULL_LOGGER);
      expect(outcome.left).toEqual([{ index: bad, reason: "BLOCK_GAS_EXHAUSTED" }]);
      expect(outcome.candidates.map(({ index }) => index)).not.toContain(bad);
      expect(outcome.candidates.length).toBe(99);
      expect(outcome.refusals).toBe(1);
      expect(builds.length, "builds").toBeLessThanOrEqual(isNaming ? 2 : 10);
    }
  });

  test("four one by one, then what others can alter, then all from the next refused one on", async () => {
    for (const isNaming of [true, false]) {
      // 5, 9 and 80 delegate; 10 to 13 and 60 are refused.
      const { attempt } = client([5, 10, 11, 12, 13, 60], isNaming);
      const outcome = await buildWhatRuns(candidates(100, [5, 9, 80]), attempt, NULL_LOGGER);
      const reasons = new Map(outcome.left.map(({ index, reason }) => [index, reason]));
      expect([5, 10, 11, 12].map((i) => reasons.get(i))).toEqual(Array(4).fill("REFUSED_BY_VM"));
      expect([9, 80].map((i) => reasons.get(i))).toEqual(Array(2).fill("DELEGATION_HELD_BACK"));
      expect([13, 14, 60, 99].map((i) => reasons.get(i))).toEqual(
        Array(4).fill("BLOCK_GAS_EXHAUSTED"),
      );
      expect(outcome.candidates.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 6, 7, 8]);
    }
  });

  test("a client that can build nothing at all fails the block, and costs nobody a transaction", async () => {
    for (const list of [candidates(0), candidates(8)]) {
      const attempt = (): Promise<Refused> =>
        Promise.resolve({ refusal: "no", error: new Error("disk full") });
      await expect(buildWhatRuns(list, attempt, NULL_LOGGER)).rejects.toThrow("disk full");
    }
  });

  test("a client that fails for a moment fails the block, and costs nobody a transaction", async () => {
    let calls = 0;
    const attempt = (list: readonly Candidate[]): Promise<BuiltPayload | Refused> => {
      calls += 1;
      if (calls > 3) return Promise.resolve(payloadOf(list));
      return Promise.resolve({ refusal: "shutting down", error: new Error("refused") });
    };
    await expect(buildWhatRuns(candidates(8), attempt, NULL_LOGGER)).rejects.toThrow(
      "could not build a moment ago",
    );
  });
});

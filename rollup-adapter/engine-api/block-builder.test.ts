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
    return {
      index,
      raw,
      hash: keccak_256(raw),
      isAlterable: alterable.includes(index),
      gasLimit: 21_000n,
      sender: `0x${index}`,
      authorities: () => (index === 2 ? ["0x90", "0x91"] : []),
    };
  });
}

type Manner = "names" | "leaves out" | "is silent";
const MANNERS: readonly Manner[] = ["names", "leaves out", "is silent"];
/** Room for fifty of them. */
const ROOM = 50n * 21_000n;

/** A client that refuses each transaction of `bad`, the first in its way, and says so in its manner. */
function client(bad: readonly number[], manner: Manner) {
  const builds: number[] = [];
  return {
    builds,
    attempt: (list: readonly Candidate[]): Promise<BuiltPayload | Refused> => {
      builds.push(list.length);
      const refused = list.find(({ index }) => bad.includes(index));
      if (refused === undefined) return Promise.resolve(payloadOf(list));
      const error = new Error("refused");
      if (manner === "names") {
        return Promise.resolve({ refusal: `cannot 0x${toHex(refused.hash)}`, error });
      }
      if (manner === "is silent") return Promise.resolve({ refusal: "cannot", error });
      return Promise.resolve({ refusal: "", error, at: list.indexOf(refused) });
    },
  };
}

describe("what a client refuses is left out", () => {
  test.each([0, 1, 57, 99])("transaction %i, named by the client or found, alike", async (bad) => {
    for (const manner of MANNERS) {
      const { attempt, builds } = client([bad], manner);
      const outcome = await buildWhatRuns(candidates(100), ROOM, attempt, NULL_LOGGER);
      const reason = bad < 50 ? "REFUSED_BY_VM" : "BLOCK_GAS_EXHAUSTED";
      expect(outcome.left).toEqual([{ index: bad, reason }]);
      expect(outcome.candidates.map(({ index }) => index)).not.toContain(bad);
      expect(outcome.candidates.length).toBe(99);
      expect(outcome.refusals).toBe(1);
      expect(builds.length, "builds").toBeLessThanOrEqual(manner === "is silent" ? 10 : 2);
    }
  });

  test("four one by one, then what others can alter, then all from the next refused one on", async () => {
    for (const manner of MANNERS) {
      // 5, 9 and 80 delegate, 2 made 90 and 91 delegate; 6 and 10 to 13 are refused, and 60.
      const { attempt, builds } = client([6, 10, 11, 12, 13, 60], manner);
      const outcome = await buildWhatRuns(candidates(100, [5, 9, 80]), ROOM, attempt, NULL_LOGGER);
      const reasons = new Map(outcome.left.map(({ index, reason }) => [index, reason]));
      const of = (...indexes: number[]) => new Set(indexes.map((i) => reasons.get(i)));
      expect(of(6, 10, 11, 12)).toEqual(new Set(["REFUSED_BY_VM"]));
      // What ran before stays, though it delegates.
      expect(of(2, 5, 9)).toEqual(new Set([undefined]));
      expect(of(80, 90, 91)).toEqual(new Set(["DELEGATION_HELD_BACK"]));
      expect(of(13, 14, 60, 99)).toEqual(new Set(["BLOCK_GAS_EXHAUSTED"]));
      expect(outcome.candidates.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 7, 8, 9]);
      // What a second can cost the client, whatever is in it: little where it names what it refuses.
      expect(builds.length).toBeLessThanOrEqual(manner === "is silent" ? 60 : 7);
    }
  });

  test("a client that can build nothing at all fails the block, and costs nobody a transaction", async () => {
    for (const list of [candidates(0), candidates(8)]) {
      const attempt = (): Promise<Refused> =>
        Promise.resolve({ refusal: "no", error: new Error("disk full") });
      await expect(buildWhatRuns(list, ROOM, attempt, NULL_LOGGER)).rejects.toThrow("disk full");
    }
  });

  test("a client that fails for a moment fails the block, and costs nobody a transaction", async () => {
    let calls = 0;
    const attempt = (list: readonly Candidate[]): Promise<BuiltPayload | Refused> => {
      calls += 1;
      if (calls > 3) return Promise.resolve(payloadOf(list));
      return Promise.resolve({ refusal: "shutting down", error: new Error("refused") });
    };
    await expect(buildWhatRuns(candidates(8), ROOM, attempt, NULL_LOGGER)).rejects.toThrow(
      "could not build a moment ago",
    );
  });
});

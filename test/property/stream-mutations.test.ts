/**
 * Whoever stands between a node and a rollup may alter anything. Each altered byte of a recorded stream is refused, at any
 * level, and so is whatever is left out, doubled, moved or added. All bytes: `npm run streams:mutations`.
 */
import { beforeAll, describe, expect, it } from "vitest";
import {
  believedChanges,
  believedFlips,
  readerAfter,
  recordStreams,
  type RecordedStream,
} from "../support/recorded-streams.ts";

let streams: readonly RecordedStream[] = [];
beforeAll(async () => {
  streams = await recordStreams();
});

function stream(name: string): RecordedStream {
  const found = streams.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no stream ${name}`);
  return found;
}

const NAMES = [
  "alpha filled",
  "beta filled",
  "delta filled, shuffled",
  "gamma filled, absent",
  "alpha committed",
  "four rollups filled",
  "bundle committed",
  "bids filled",
  "alpha filled, empty omitted",
  "beta committed, empty omitted",
  "two rollups, empty omitted",
  "headers",
  "headers, sparse commits",
] as const;
/** Of every message one byte in so many is altered here, each time another one. */
const STRIDE = 89;
/** Of the changes to fields, which are some ten thousand, one in so many. */
const FIELDS_STRIDE = 3;

describe("attack: a recorded stream", () => {
  it("is what the tests below say it is, and is believed as it stands", async () => {
    expect(streams.map(({ name }) => name)).toEqual(NAMES);
    for (const one of streams) {
      const reader = await readerAfter(one, 0);
      for (const message of one.messages) expect(await reader.accepts(message)).toBe(true);
    }
  });

  it.each(NAMES)(
    "%s: an altered byte is refused, and the truth is believed after it",
    async (name) => {
      const shift = NAMES.indexOf(name);
      const { lies, believed } = await believedFlips(stream(name), (position) =>
        position % STRIDE === shift ? [1 << (shift % 8), 0xff] : [],
      );
      expect(believed).toEqual([]);
      expect(lies).toBeGreaterThan(30);
    },
  );

  it.each(NAMES)("%s: messages that are left out, doubled or swapped are refused", async (name) => {
    const { messages } = stream(name);
    for (const [index, message] of messages.entries()) {
      const after = await readerAfter(stream(name), index + 1);
      expect(await after.accepts(message), `message ${index} again`).toBe(false);
      const before = await readerAfter(stream(name), index);
      const next = messages[index + 1] ?? message.subarray(1);
      expect(await before.accepts(next), `no ${index}`).toBe(false);
    }
  });

  it.each(NAMES)(
    "%s: fields that are left out, doubled, moved or added are refused",
    async (name) => {
      const { lies, believed } = await believedChanges(stream(name), FIELDS_STRIDE);
      expect(believed).toEqual([]);
      expect(lies).toBeGreaterThan(15);
    },
  );

  it("of another rollup, or at another level, is refused", async () => {
    const filled = [
      "alpha filled",
      "beta filled",
      "delta filled, shuffled",
      "gamma filled, absent",
    ];
    for (const own of filled) {
      for (const other of filled) {
        if (own === other) continue;
        for (const [index, message] of stream(other).messages.entries()) {
          const honest = stream(own).messages[index];
          // Two absent rollups between the same neighbours have the same proof.
          if (honest?.equals(message) === true) continue;
          const reader = await readerAfter(stream(own), index);
          if (!(await reader.accepts(message))) continue;
          // Where both are absent, the proof of one may be the proof of the other.
          expect.soft(`${other} as ${own}`, `message ${index}`).toBe("refused");
        }
      }
    }
    for (const [index, message] of stream("alpha committed").messages.entries()) {
      const reader = await readerAfter(stream("alpha filled"), index);
      expect(await reader.accepts(message)).toBe(false);
    }
  });
});

import { keccak_256 } from "@noble/hashes/sha3.js";
import { describe, expect, it, vi } from "vitest";
import { RollupId } from "../../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../../proto/bytes.ts";
import { rollupData } from "../../../proto/codec/weft-tx.ts";
import { EntryKind } from "../../../proto/verify/manifest.ts";
import { NULL_LOGGER } from "../../../sequencer/ports/logger.ts";
import type { OrderedPlace } from "../../client/failover-client.ts";
import { createMemoryJournalStore } from "../journal/journal-store.ts";
import { createJournal } from "../journal/journal.ts";
import { NULL_GATEWAY_METRICS } from "../metrics.ts";
import { createPlacements, type PlacedBlock } from "./placements.ts";

const ROLLUP = RollupId("ab".repeat(32));
const ROLLUP_BYTES = new Uint8Array(32).fill(0xab);
const ITEM = new Uint8Array(32).fill(1);

const hashOf = (text: string): string => toHex(keccak_256(utf8ToBytes(text)));

function entryOf(...texts: string[]) {
  const { payload } = rollupData(ROLLUP_BYTES, texts.map(utf8ToBytes));
  const place = { lane: 0, itemId: ITEM, bundleId: undefined, leg: 0, legs: 1 };
  return { kind: EntryKind.ROLLUP_DATA, payload, fill: undefined, content: payload, ...place };
}

/** A block with an entry for each list of payloads. */
function blockOf(height: number, ...entries: string[][]): PlacedBlock {
  return {
    header: { height },
    filled: entries.map((texts) => entryOf(...texts)),
    order: entries.map((_, position) => position),
    payloads: entries.flat().map(utf8ToBytes),
  };
}

const done = (included: number, ...skipped: { index: number; reason: string }[]) =>
  ({ outcome: "block", included, skipped }) as const;

function start(records: Map<string, Uint8Array>, places: readonly OrderedPlace[] = []) {
  const ordered = vi.fn(() => Promise.resolve(places));
  const journal = createJournal(createMemoryJournalStore(records), NULL_GATEWAY_METRICS);
  const deps = { client: { ordered }, journal, logger: NULL_LOGGER };
  return { placements: createPlacements(ROLLUP, deps), journal, ordered };
}

describe("places of transactions", () => {
  it("behavior: name the payload in its entry, and what the executor made of it", async () => {
    const records = new Map<string, Uint8Array>();
    const { placements, journal, ordered } = start(records);
    await placements.restore();
    placements.blockExecuted(blockOf(6), done(0));
    await vi.waitFor(() => {
      expect(ordered).toHaveResolved();
    });
    placements.blockExecuted(
      blockOf(7, ["a"], ["b", "c"]),
      done(2, { index: 2, reason: "NONCE_TOO_HIGH" }),
    );
    expect(placements.of(hashOf("b"))).toMatchObject({
      height: 7,
      position: 1,
      index: 0,
      itemId: toHex(ITEM),
      outcome: "executed",
    });
    const skipped = { position: 1, index: 1, outcome: "skipped", reason: "NONCE_TOO_HIGH" };
    expect(placements.of(hashOf("c"))).toMatchObject(skipped);
    // Where it was executed counts: neither a place before nor one after.
    placements.blockExecuted(blockOf(8, ["c"]), done(1));
    placements.blockExecuted(blockOf(9, ["c"]), done(0, { index: 0, reason: "NONCE_TOO_LOW" }));
    expect(placements.of(hashOf("c"))).toMatchObject({ height: 8, outcome: "executed" });
    await journal.close();

    const next = start(records);
    await next.placements.restore();
    expect(next.placements.of(hashOf("c"))).toMatchObject({ height: 8, outcome: "executed" });
  });

  it("behavior: that a crash took are looked up again", async () => {
    const { placements, ordered } = start(new Map(), [
      { height: 5, position: 3, entry: entryOf("x", "y") },
    ]);
    await placements.restore();
    placements.blockExecuted(blockOf(6, ["z"]), done(1));
    await vi.waitFor(() => {
      expect(placements.of(hashOf("y"))).toMatchObject({ height: 5, position: 3, index: 1 });
    });
    expect(ordered).toHaveBeenCalledExactlyOnceWith(ROLLUP, 1, 5);
    expect(placements.of(hashOf("z"))).toMatchObject({ height: 6 });
  });

  it("behavior: that a crash took are looked up for what was skipped at a place before, and kept", async () => {
    const records = new Map<string, Uint8Array>();
    const first = start(records);
    await first.placements.restore();
    first.placements.blockExecuted(blockOf(4), done(0));
    await vi.waitFor(() => {
      expect(first.ordered).toHaveResolved();
    });
    first.placements.blockExecuted(
      blockOf(5, ["early"]),
      done(0, { index: 0, reason: "NONCE_TOO_HIGH" }),
    );
    await first.journal.close();

    // Executed at 6, of which the note is lost.
    const places = [
      { height: 5, position: 0, entry: entryOf("early") },
      { height: 6, position: 2, entry: entryOf("other", "early") },
    ];
    const second = start(records, places);
    await second.placements.restore();
    second.placements.blockExecuted(blockOf(7, ["z"]), done(1));
    const executed = { height: 6, position: 2, index: 1, outcome: "ordered" };
    await vi.waitFor(() => {
      expect(second.placements.of(hashOf("early"))).toMatchObject(executed);
    });
    await second.journal.close();

    const third = start(records);
    await third.placements.restore();
    expect(third.placements.of(hashOf("early"))).toMatchObject(executed);
    expect(third.placements.of(hashOf("z"))).toMatchObject({ height: 7, outcome: "executed" });
  });

  it("behavior: of blocks after a start are noted after those that are looked up, so that no second crash hides a gap", async () => {
    const records = new Map<string, Uint8Array>();
    const journal = createJournal(createMemoryJournalStore(records), NULL_GATEWAY_METRICS);
    let answer: (places: readonly OrderedPlace[]) => void = () => {};
    const ordered = () =>
      new Promise<readonly OrderedPlace[]>((resolve) => {
        answer = resolve;
      });
    const placements = createPlacements(ROLLUP, {
      client: { ordered },
      journal,
      logger: NULL_LOGGER,
    });
    await placements.restore();
    placements.blockExecuted(blockOf(6, ["z"]), done(1));
    await journal.write([]);
    expect(records.size).toBe(0);
    answer([{ height: 5, position: 0, entry: entryOf("y") }]);
    await vi.waitFor(() => {
      expect([...records.keys()].sort()).toEqual(
        ["y", "z"].map((text) => `at/${hashOf(text)}`).sort(),
      );
    });
    await journal.close();
  });
});

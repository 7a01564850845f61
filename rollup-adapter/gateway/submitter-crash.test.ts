/**
 * The gateway dies at every single write of its journal, and before and after every submission. What the disk held
 * then is started again: whatever was promised is ordered, and no payload is paid for twice.
 */
import { describe, expect, it, vi } from "vitest";
import { Height, RollupId } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { rollupDataEntries, rollupIdOfName, txId } from "../../proto/codec/weft-tx.ts";
import { WeftError } from "../../proto/errors.ts";
import { type DeliveredEntry, EntryKind } from "../../proto/verify/manifest.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import type { OrderedPlace } from "../client/failover-client.ts";
import type { ChainInfo, SubmitOutcome } from "../client/sequencer-client.ts";
import { createMemoryJournalStore, type JournalStore } from "./journal/journal-store.ts";
import { createJournal } from "./journal/journal.ts";
import { NULL_GATEWAY_METRICS } from "./metrics.ts";
import { createSubmitter, type Submitter } from "./submitter.ts";

const ROLLUP = RollupId(toHex(rollupIdOfName("alpha")));
const CHAIN_ID = "weft-test";
const EXPIRY_BLOCKS = 10;

/** A sequencer that orders what it holds, and counts what it is paid for. */
class Sequencer {
  height = 5;
  /** Blocks until one takes what is in the pool. */
  isHolding = false;
  readonly pool = new Map<string, { readonly item: Uint8Array; readonly expiry: number }>();
  readonly blocks = new Map<number, string[]>();
  readonly paid: string[] = [];
  readonly items: string[] = [];

  submit(item: Uint8Array): SubmitOutcome {
    const decoded = decodeItem(item);
    if (decoded.kind !== "tx") throw new Error("expected a transaction");
    const { replay, action } = decoded.tx.body;
    if (replay.kind !== "unordered" || action.kind !== "rollupData") throw new Error("unexpected");
    const id = txId(CHAIN_ID, decoded.tx.bodyBytes);
    const name = toHex(id);
    const isOrdered = [...this.blocks.values()].some((ids) => ids.includes(name));
    const isDuplicate = this.pool.has(name);
    const code = isOrdered ? 23 : replay.expiryHeight <= this.height + 1 ? 22 : 0;
    if (code === 0) this.pool.set(name, { item, expiry: replay.expiryHeight });
    return { id, hash: id, code, codespace: "weft", reason: `code ${code}`, isDuplicate };
  }

  block(): { readonly height: Height; readonly itemIds: Uint8Array[]; readonly unopenedIds: [] } {
    this.height += 1;
    const ids: string[] = [];
    for (const [name, { item, expiry }] of this.pool) {
      if (expiry <= this.height) this.pool.delete(name);
      else if (!this.isHolding) {
        this.pool.delete(name);
        ids.push(name);
        const decoded = decodeItem(item);
        if (decoded.kind !== "tx" || decoded.tx.body.action.kind !== "rollupData") continue;
        for (const payload of rollupDataEntries(decoded.tx.body.action.payload)) {
          this.paid.push(Buffer.from(payload).toString());
        }
      }
    }
    this.blocks.set(this.height, ids);
    const itemIds = ids.map((id) => new Uint8Array(Buffer.from(id, "hex")));
    return { height: Height(this.height), itemIds, unopenedIds: [] };
  }
}

function chainInfo(sequencer: Sequencer): ChainInfo {
  return {
    chainId: CHAIN_ID,
    height: Height(sequencer.height),
    initialHeight: Height(1),
    earliestHeight: Height(1),
    baseFeePerByte: 1n,
    unorderedWindow: 600,
    itemBytesMax: 1 << 20,
    isCatchingUp: false,
  };
}

function entryOf(id: string): DeliveredEntry {
  const itemId = new Uint8Array(Buffer.from(id, "hex"));
  const place = { bundleId: undefined, leg: 0, legs: 1, payload: new Uint8Array(0) };
  return { kind: EntryKind.ROLLUP_DATA, lane: 0, itemId, ...place };
}

class Death extends Error {}

/** A gateway on a disk; dies with the operation of that number. */
function startGateway(disk: Map<string, Uint8Array>, sequencer: Sequencer, deathAt = Infinity) {
  let operations = 0;
  let isDead = false;
  const kinds: string[] = [];
  const operation = (kind: string): void => {
    if (isDead) throw new Death();
    kinds.push(kind);
    operations += 1;
    if (operations >= deathAt) {
      isDead = true;
      throw new Death();
    }
  };
  const memory = createMemoryJournalStore(disk);
  const store: JournalStore = {
    ...memory,
    async write(changes, isSynced) {
      operation("before a write");
      await memory.write(changes, isSynced);
      operation("after a write");
    },
  };
  const submitter = createSubmitter(
    { rollupId: ROLLUP, coalesceMs: 0, expiryBlocks: EXPIRY_BLOCKS, tipPerByte: 0n },
    {
      client: {
        chainInfo: async () => chainInfo(sequencer),
        async submit(item) {
          operation("before a submission");
          const outcome = sequencer.submit(item);
          sequencer.items.push(toHex(item));
          operation("after a submission");
          return outcome;
        },
        ordered: async (_, first, last) => {
          const places: OrderedPlace[] = [];
          for (let height = first; height <= last; height++) {
            for (const [position, id] of (sequencer.blocks.get(height) ?? []).entries()) {
              places.push({ height, position, entry: entryOf(id) });
            }
          }
          return places;
        },
      },
      key: { publicKey: new Uint8Array(32).fill(7), sign: () => new Uint8Array(64) },
      journal: createJournal(store, NULL_GATEWAY_METRICS),
      logger: NULL_LOGGER,
      metrics: NULL_GATEWAY_METRICS,
    },
  );
  return { submitter, kinds, isDead: () => isDead };
}

/** Lets everything that is under way go as far as it can. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Payloads that were promised; ends early when the gateway dies. */
async function live(
  gateway: { readonly submitter: Submitter; readonly isDead: () => boolean },
  sequencer: Sequencer,
): Promise<Set<string>> {
  const promised = new Set<string>();
  const send = (text: string): void => {
    gateway.submitter.submit(utf8ToBytes(text)).then(
      () => promised.add(text),
      () => {},
    );
  };
  const step = async (): Promise<void> => {
    await settle();
    const block = sequencer.block();
    if (!gateway.isDead()) gateway.submitter.blockOrdered(block);
    await settle();
  };
  send("one");
  send("two");
  await step();
  // These wait until their submission expires, and are signed anew.
  sequencer.isHolding = true;
  send("three");
  await step();
  send("four");
  for (let i = 0; i < EXPIRY_BLOCKS + 2; i++) await step();
  sequencer.isHolding = false;
  await step();
  await step();
  gateway.submitter.stop();
  await settle();
  return promised;
}

describe("a gateway that dies", () => {
  it("behavior: keeps every promise and pays once, at whichever operation it dies", async () => {
    const quiet = new Sequencer();
    const calm = startGateway(new Map(), quiet);
    expect([...(await live(calm, quiet))].sort()).toEqual(["four", "one", "three", "two"]);
    expect([...quiet.paid].sort()).toEqual(["four", "one", "three", "two"]);
    expect(new Set(calm.kinds).size).toBe(4);

    for (let deathAt = 1; deathAt <= calm.kinds.length; deathAt++) {
      for (const missed of [0, 3]) {
        const what = `death ${deathAt} of ${calm.kinds.length} (${calm.kinds[deathAt - 1]}), ${missed} blocks missed`;
        const sequencer = new Sequencer();
        const disk = new Map<string, Uint8Array>();
        const promised = await live(startGateway(disk, sequencer, deathAt), sequencer);
        // The chain goes on; what it orders meanwhile the next life is never told of.
        for (let i = 0; i < missed; i++) sequencer.block();
        const next = startGateway(disk, sequencer);
        await next.submitter.restore();
        await settle();
        for (let i = 0; i < EXPIRY_BLOCKS + 3; i++) {
          next.submitter.blockOrdered(sequencer.block());
          await settle();
        }
        next.submitter.stop();
        for (const text of promised) expect(sequencer.paid, `${text}: ${what}`).toContain(text);
        expect(new Set(sequencer.paid).size, `${sequencer.paid.join()}: ${what}`).toBe(
          sequencer.paid.length,
        );
        expect(next.submitter.pendingCount(), what).toBe(0);
        expect(disk.size, what).toBe(0);
      }
    }
  });
});

describe("a durable gateway", () => {
  it("behavior: promises nothing before it is on the disk, and sends nothing before", async () => {
    const sequencer = new Sequencer();
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const memory = createMemoryJournalStore();
    const synced: boolean[] = [];
    const store: JournalStore = {
      ...memory,
      async write(changes, isSynced) {
        synced.push(isSynced);
        await held;
        await memory.write(changes, isSynced);
      },
    };
    const told = vi.fn();
    const { submitter } = startOn(store, sequencer);
    const done = submitter.submit(utf8ToBytes("one")).then(told);
    await settle();
    expect([sequencer.items.length, told.mock.calls.length, synced]).toEqual([0, 0, [true]]);
    release();
    await done;
    expect(sequencer.items).toHaveLength(1);
    submitter.stop();
  });

  it("behavior: what nobody answered is sent as it was to whoever asks again, and told so", async () => {
    const sequencer = new Sequencer();
    const { submitter, state } = startOn(createMemoryJournalStore(), sequencer);
    state.isDown = true;
    await expect(submitter.submit(utf8ToBytes("one"))).rejects.toMatchObject({
      code: "GATEWAY_UNREACHABLE",
    });
    state.isDown = false;
    await submitter.submit(utf8ToBytes("one"));
    await submitter.submit(utf8ToBytes("one"));
    submitter.blockOrdered(sequencer.block());
    expect(sequencer.paid).toEqual(["one"]);
    expect(submitter.pendingCount()).toBe(0);
    submitter.stop();
  });

  it("behavior: says so when the disk refuses, and sends nothing", async () => {
    const sequencer = new Sequencer();
    const store: JournalStore = {
      ...createMemoryJournalStore(),
      write: () => Promise.reject(new Error("no space left")),
    };
    const { submitter } = startOn(store, sequencer);
    await expect(submitter.submit(utf8ToBytes("one"))).rejects.toMatchObject({
      code: "GATEWAY_JOURNAL_FAILED",
    });
    expect([sequencer.items.length, submitter.pendingCount()]).toEqual([0, 0]);
    submitter.stop();
  });
});

function startOn(store: JournalStore, sequencer: Sequencer) {
  const state = { isDown: false };
  return {
    state,
    submitter: createSubmitter(
      { rollupId: ROLLUP, coalesceMs: 0, expiryBlocks: EXPIRY_BLOCKS, tipPerByte: 0n },
      {
        client: {
          chainInfo: () => Promise.resolve(chainInfo(sequencer)),
          submit(item) {
            if (state.isDown) {
              return Promise.reject(new WeftError({ code: "SEQUENCER_CALL_FAILED" }, "down"));
            }
            const outcome = sequencer.submit(item);
            sequencer.items.push(toHex(item));
            return Promise.resolve(outcome);
          },
          ordered: () => Promise.resolve([]),
        },
        key: { publicKey: new Uint8Array(32).fill(7), sign: () => new Uint8Array(64) },
        journal: createJournal(store, NULL_GATEWAY_METRICS),
        logger: NULL_LOGGER,
        metrics: NULL_GATEWAY_METRICS,
      },
    ),
  };
}

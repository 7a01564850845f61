import { appendFile, mkdtemp, readFile, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { fromHex, utf8ToBytes } from "../../proto/bytes.ts";
import { encodeBlock } from "../../proto/codec/block.ts";
import {
  buildChain,
  emptyResponse,
  signedCommit,
  testGenesis,
  testKeys,
  testState,
} from "../../test/support/chain-builder.ts";
import { advanceChainState } from "../engine/chain-state.ts";
import { memoryStore } from "../../test/support/memory-store.ts";
import type { BlockStore } from "./block-store.ts";
import type { KeyValueStore } from "./key-value-store.ts";
import { openBlockStore } from "./level-block-store.ts";
import { openLevelKeyValueStore } from "./level-key-value-store.ts";
import { createStateStore } from "./level-state-store.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "weft-store-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const KEYS = testKeys(3);
const CHAIN = buildChain(KEYS, 5);
/** Blocks of five parts each. */
const LARGE_CHAIN = buildChain(KEYS, 5, testGenesis(KEYS), (height) => [
  utf8ToBytes(`tx of ${height}`.padEnd(260_000, ".")),
]);

const openDisk = () => openLevelKeyValueStore(join(directory, "db"));

describe.each<[string, () => Promise<BlockStore>]>([
  ["memory-level", async () => openBlockStore(memoryStore())],
  ["classic-level", async () => openBlockStore(await openDisk())],
  [
    "classic-level and files",
    async () =>
      openBlockStore(await openDisk(), {
        blobDirectory: join(directory, "blocks"),
        blobFileBytesMax: 300_000,
      }),
  ],
])("block store on %s", (_, open) => {
  test("everything of a height comes back", async () => {
    const store = await open();
    expect([store.base(), store.height()]).toEqual([0, 0]);
    for (const record of CHAIN) await store.save(record);
    expect([store.base(), store.height()]).toEqual([1, 5]);
    for (const record of CHAIN) {
      const { height } = record.block.header;
      expect(await store.block(height)).toEqual(record.block);
      expect(await store.blockBytes(height)).toEqual(encodeBlock(record.block));
      expect(await store.seenCommit(height)).toEqual(record.seenCommit);
      expect(await store.extendedCommit(height)).toBeUndefined();
      expect(await store.heightByHash(record.blockId.hash)).toBe(height);
      expect(await store.part(height, 0)).toEqual(record.parts[0]);
      expect(await store.part(height, 1)).toBeUndefined();
      const meta = await store.meta(height);
      expect(meta).toMatchObject({ blockId: record.blockId, txCount: 1 });
    }
    expect(await store.commit(Height(4))).toEqual(CHAIN[4]?.block.lastCommit);
    expect(await store.commit(Height(5))).toBeUndefined();
    expect(await store.block(Height(6))).toBeUndefined();
    await store.close();
  });

  test("a gap is refused, an extended commit is kept", async () => {
    const store = await open();
    const [first, , third] = CHAIN;
    if (first === undefined || third === undefined) throw new Error("the chain is too short");
    const { height, time } = first.block.header;
    const extended = signedCommit(KEYS, first.stateBefore.validators, height, first.blockId, time);
    await store.save({ ...first, extendedCommit: extended });
    expect(await store.extendedCommit(height)).toEqual(extended);
    await expect(store.save(third)).rejects.toThrow(/expected block 2, got 3/);
    expect(store.height()).toBe(1);
    await store.close();
  });

  test("pruned heights are gone, the rest stays", async () => {
    const store = await open();
    for (const record of CHAIN) await store.save(record);
    expect(await store.prune(Height(4))).toBe(3);
    expect(await store.prune(Height(4))).toBe(0);
    expect([store.base(), store.height()]).toEqual([4, 5]);
    expect(await store.block(Height(3))).toBeUndefined();
    expect(await store.part(Height(3), 0)).toBeUndefined();
    expect(await store.heightByHash(CHAIN[2]?.blockId.hash ?? fromHex("00"))).toBeUndefined();
    expect(await store.block(Height(4))).toEqual(CHAIN[3]?.block);
    await store.close();
  });

  test("blocks of many parts come back, whole and by part, also below pruned ones", async () => {
    const store = await open();
    for (const record of LARGE_CHAIN) await store.save(record);
    await store.prune(Height(3));
    for (const { block, parts } of LARGE_CHAIN.slice(2)) {
      const { height } = block.header;
      expect(parts.length).toBeGreaterThan(3);
      expect(await store.blockBytes(height)).toEqual(encodeBlock(block));
      for (const part of parts) expect(await store.part(height, part.index)).toEqual(part);
      expect(await store.part(height, parts.length)).toBeUndefined();
    }
    expect(await store.part(Height(2), 0)).toBeUndefined();
    await store.close();
  });
});

describe("files of block bytes", () => {
  const blobDirectory = () => join(directory, "blocks");
  const open = async () =>
    openBlockStore(await openDisk(), {
      blobDirectory: blobDirectory(),
      blobFileBytesMax: 300_000,
    });

  test("what a crash left behind the last block is cut, and the next block goes there", async () => {
    const first = await open();
    const [one, two, three] = LARGE_CHAIN;
    if (one === undefined || two === undefined || three === undefined) throw new Error("too short");
    await first.save(one);
    await first.close();
    await appendFile(join(blobDirectory(), "blocks.000000"), "half a block");
    await writeFile(join(blobDirectory(), "blocks.000001"), "a block that was never indexed");
    const second = await open();
    await second.save(two);
    await second.save(three);
    for (const { block } of [one, two, three]) {
      expect(await second.block(block.header.height)).toEqual(block);
    }
    await second.close();
  });

  test("files that only pruned blocks lie in are deleted", async () => {
    const store = await open();
    for (const record of LARGE_CHAIN) await store.save(record);
    const before = await readdir(blobDirectory());
    await store.prune(Height(5));
    const after = await readdir(blobDirectory());
    expect(after.length).toBeLessThan(before.length);
    expect(await store.block(Height(5))).toEqual(LARGE_CHAIN[4]?.block);
    await store.close();
  });

  test("a changed byte is found, and so is a file that ends early", async () => {
    const store = await open();
    const [one] = LARGE_CHAIN;
    if (one === undefined) throw new Error("too short");
    await store.save(one);
    const path = join(blobDirectory(), "blocks.000000");
    const bytes = await readFile(path);
    bytes[70_000] = (bytes[70_000] ?? 0) ^ 1;
    await writeFile(path, bytes);
    expect(await store.part(Height(1), 0)).toEqual(one.parts[0]);
    await expect(store.part(Height(1), 1)).rejects.toMatchObject({ code: "STORE_CORRUPTED" });
    await truncate(path, 1_000);
    await expect(store.block(Height(1))).rejects.toMatchObject({ code: "STORE_CORRUPTED" });
    await store.close();
  });
});

describe.each<[string, () => Promise<KeyValueStore>]>([
  ["memory-level", async () => memoryStore()],
  ["classic-level", openDisk],
])("stores on %s", (_, open) => {
  test("state store: the state, and the validators and parameters of each height", async () => {
    const store = createStateStore(await open());
    expect(await store.load()).toBeUndefined();
    const genesis = testState(testGenesis(KEYS));
    await store.save(genesis);
    expect(await store.load()).toEqual(genesis);
    for (const { stateAfter, response } of CHAIN) {
      await store.saveFinalizeBlockResponse(stateAfter.lastBlockHeight, response);
      await store.save(stateAfter);
      expect(await store.load()).toEqual(stateAfter);
      expect(await store.finalizeBlockResponse(stateAfter.lastBlockHeight)).toEqual(response);
    }
    for (const { stateBefore, block } of CHAIN) {
      const { height } = block.header;
      expect(await store.validators(height), `height ${height}`).toEqual(stateBefore.validators);
      expect(await store.consensusParams(height)).toEqual(stateBefore.consensusParams);
    }
    expect(await store.validators(Height(8))).toBeUndefined();
    await store.close();
  });

  test("state store: changed validators and parameters hold from their heights on", async () => {
    const store = createStateStore(await open());
    const [newcomer] = testKeys(4).slice(3);
    if (newcomer === undefined) throw new Error("no key");
    let state = testState(testGenesis(KEYS));
    await store.save(state);
    const byHeight = new Map([
      [1, state.validators],
      [2, state.nextValidators],
    ]);
    const params = { ...state.consensusParams, block: { maxBytes: 2_000_000n, maxGas: -1n } };
    for (const { block, blockId } of CHAIN) {
      const { height } = block.header;
      const change =
        height === 2
          ? {
              validatorUpdates: [{ publicKey: newcomer.publicKey, power: 7n }],
              consensusParamUpdates: params,
            }
          : {};
      state = advanceChainState(state, blockId, block.header, emptyResponse(1, change));
      byHeight.set(height + 2, state.nextValidators);
      await store.save(state);
    }
    expect(byHeight.get(3)?.validators.length).toBe(3);
    expect(byHeight.get(4)?.validators.length).toBe(4);
    for (const [height, set] of byHeight) {
      expect(await store.validators(Height(height)), `height ${height}`).toEqual(set);
    }
    expect((await store.consensusParams(Height(2)))?.block.maxBytes).toBe(22_020_096n);
    for (const height of [3, 4, 6]) {
      expect(await store.consensusParams(Height(height)), `height ${height}`).toEqual(params);
    }
    await store.prune(Height(6));
    expect(await store.validators(Height(5))).toBeUndefined();
    expect(await store.validators(Height(6))).toEqual(byHeight.get(6));
    expect(await store.consensusParams(Height(6))).toEqual(params);
    await store.close();
  });

  test("state store: a chain that begins far above 1 is pruned from there on", async () => {
    const initialHeight = Height(1_000_000);
    const store = createStateStore(await open());
    const chain = buildChain(KEYS, 6, testGenesis(KEYS, { initialHeight }));
    for (const { stateBefore, stateAfter, response } of chain) {
      if (stateBefore.lastBlockHeight === 0) await store.save(stateBefore);
      await store.save(stateAfter, response);
    }
    await store.prune(Height(initialHeight + 4));
    expect(await store.finalizeBlockResponse(Height(initialHeight + 3))).toBeUndefined();
    expect(await store.finalizeBlockResponse(Height(initialHeight + 4))).toBeDefined();
    await store.close();
  });

  test("state store: an answer of the application survives in every field", async () => {
    const store = createStateStore(await open());
    const event = {
      type: "transfer",
      attributes: [{ key: "amount", value: "5", index: true }],
    };
    const [key] = KEYS;
    if (key === undefined) throw new Error("no key");
    const response = emptyResponse(0, {
      events: [event],
      txResults: [
        {
          code: 7,
          data: utf8ToBytes("data"),
          log: "log",
          info: "info",
          gasWanted: 5n,
          gasUsed: 4n,
          events: [event, { type: "other", attributes: [] }],
          codespace: "weft",
        },
      ],
      validatorUpdates: [{ publicKey: key.publicKey, power: 0n }],
      consensusParamUpdates: CHAIN[0]?.stateBefore.consensusParams,
    });
    await store.saveFinalizeBlockResponse(Height(9), response);
    expect(await store.finalizeBlockResponse(Height(9))).toEqual(response);
    await store.close();
  });
});

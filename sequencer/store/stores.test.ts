import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryLevel } from "memory-level";
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
import type { KeyValueStore } from "./key-value-store.ts";
import { openBlockStore } from "./level-block-store.ts";
import { createLevelKeyValueStore, openLevelKeyValueStore } from "./level-key-value-store.ts";
import { createStateStore } from "./level-state-store.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "weft-store-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const KEYS = testKeys(3);
const CHAIN = buildChain(KEYS, 5);

describe.each<[string, () => Promise<KeyValueStore>]>([
  ["memory-level", async () => openMemory()],
  ["classic-level", () => openLevelKeyValueStore(join(directory, "db"))],
])("stores on %s", (_, open) => {
  test("block store: everything of a height comes back", async () => {
    const store = await openBlockStore(await open());
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

  test("block store: a gap is refused, an extended commit is kept", async () => {
    const store = await openBlockStore(await open());
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

  test("block store: pruned heights are gone, the rest stays", async () => {
    const store = await openBlockStore(await open());
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

async function openMemory(): Promise<KeyValueStore> {
  const level = new MemoryLevel<Uint8Array, Uint8Array>({
    keyEncoding: "view",
    valueEncoding: "view",
  });
  await level.open();
  return createLevelKeyValueStore(level);
}

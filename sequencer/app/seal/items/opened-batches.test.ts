import { beforeEach, describe, expect, test } from "vitest";
import type { BatchToOpen, OpenedItem } from "../../../../mev/seal/compute.ts";
import { Height } from "../../../../proto/brands.ts";
import { EMPTY_BYTES, joinBytes } from "../../../../proto/bytes.ts";
import {
  type SealedItemState,
  type SealKeyState,
  SealedItemKind,
} from "../../../../proto/codec/seal-state.ts";
import { OpenedBatches, type OpenedWhen } from "./opened-batches.ts";

const bytes = (length: number, byte = 1): Uint8Array => new Uint8Array(length).fill(byte);
const key: SealKeyState = {
  number: 1,
  publicKey: bytes(32),
  threshold: 1,
  publicShares: bytes(32),
  members: [],
  dealers: [],
  activeHeight: Height(1),
  retiredHeight: Height(0),
};

function item(index: number): SealedItemState {
  return {
    index,
    id: bytes(32, index + 1),
    sender: bytes(20),
    kem: bytes(192),
    body: bytes(272),
    label: bytes(100),
    places: [],
    fee: 0n,
    bond: 0n,
    disputedHeight: Height(0),
    disputedBy: EMPTY_BYTES,
    kind: SealedItemKind.SEALED,
    tips: [],
    group: EMPTY_BYTES,
    proposer: EMPTY_BYTES,
  };
}

let opened: OpenedBatches;
/** Items of each batch that the arithmetic was asked for. */
let asked: number[];
let answer: (batch: BatchToOpen) => Promise<readonly OpenedItem[]>;
let counted: Record<string, number>;

beforeEach(() => {
  asked = [];
  counted = {};
  answer = async ({ items }) => items.map(() => ({ kind: "opened", payloads: [], amount: 0n }));
  opened = new OpenedBatches({
    compute: {
      open: (batch) => {
        asked.push(batch.items.length);
        return answer(batch);
      },
    },
    metrics: {
      sealOpenedItems: {
        inc: ({ when } = { when: "none" }, by = 1) => (counted[when] = (counted[when] ?? 0) + by),
      },
    },
  });
});

/** Items by index, each with its own point. */
function open(indexes: readonly number[], when?: OpenedWhen) {
  const points = joinBytes(indexes.map((index) => bytes(32, index + 7)));
  return opened.open({ key, items: indexes.map(item) }, points, when);
}

describe("what was opened", () => {
  test("behavior: a block that is committed while another of its height is checked takes nothing from it", async () => {
    await open([0]);
    const both = open([0, 1]);
    opened.committed();
    opened.committed();
    expect(await both).toMatchObject([
      { point: bytes(32, 7), opened: { kind: "opened" } },
      { point: bytes(32, 8), opened: { kind: "opened" } },
    ]);
  });

  test("behavior: is there for the block after the one that is committed first, and then forgotten", async () => {
    await open([0, 1], "ahead");
    opened.committed();
    await open([0, 1]);
    expect(asked).toEqual([2]);
    expect(counted).toEqual({ ahead: 2 });
    opened.committed();
    await open([0, 1]);
    expect(asked).toEqual([2, 2]);
    expect(counted).toEqual({ ahead: 2, block: 2 });
  });

  test("behavior: is computed once by all who ask while it is under way", async () => {
    const all = [open([0, 1], "ahead"), open([0, 1]), open([1, 2])];
    const points = (await Promise.all(all)).map((outcomes) =>
      outcomes.map(({ point }) => point[0]),
    );
    expect(points).toEqual([
      [7, 8],
      [7, 8],
      [8, 9],
    ]);
    expect(asked).toEqual([2, 1]);
  });

  test("behavior: work that fails for one is done again by the others", async () => {
    const honest = answer;
    answer = () => {
      answer = honest;
      return Promise.reject(new Error("the thread ended"));
    };
    const [first, second] = await Promise.allSettled([open([0, 1], "ahead"), open([0, 1])]);
    expect(first.status).toBe("rejected");
    expect(second).toMatchObject({
      value: [{ opened: { kind: "opened" } }, { opened: { kind: "opened" } }],
    });
    expect(asked).toEqual([2, 2]);
    expect(counted).toEqual({ block: 2 });
  });

  test("attack: what does not open is not kept, however often it is shown", async () => {
    answer = async ({ items }) => items.map(() => ({ kind: "failed" }));
    await open([0]);
    await open([0]);
    expect(asked).toEqual([1, 1]);
  });
});

import { expect, test } from "vitest";
import {
  type SealedItemState,
  type SealKeyState,
  SealedItemKind,
} from "../../../../proto/codec/seal-state.ts";
import { Height } from "../../../../proto/brands.ts";
import { EMPTY_BYTES, joinBytes } from "../../../../proto/bytes.ts";
import { OpenedBatches } from "./opened-batches.ts";

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

test("behavior: a block that is committed while another of its height is checked takes nothing from it", async () => {
  const opened = new OpenedBatches({
    open: async ({ items }) => {
      await Promise.resolve();
      return items.map(() => ({ kind: "opened", payloads: [], amount: 0n }));
    },
  });
  await opened.open({ key, items: [item(0)] }, bytes(32, 7));
  const both = opened.open(
    { key, items: [item(0), item(1)] },
    joinBytes([bytes(32, 7), bytes(32, 8)]),
  );
  opened.clear();
  expect(await both).toMatchObject([
    { point: bytes(32, 7), opened: { kind: "opened" } },
    { point: bytes(32, 8), opened: { kind: "opened" } },
  ]);
});

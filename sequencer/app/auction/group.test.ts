import { expect, test } from "vitest";
import { Height } from "../../../proto/brands.ts";
import { EMPTY_BYTES, fromHex, toHex } from "../../../proto/bytes.ts";
import { PLAIN_POLICY, type RollupPolicy } from "../../../proto/codec/rollup-policy.ts";
import type { RollupState } from "../../../proto/codec/weft-state.ts";
import { auctionGroup } from "./group.ts";

const [A, B, C, D] = ["0a", "0b", "0c", "0d"].map((byte) => byte.repeat(32)) as [
  string,
  string,
  string,
  string,
];
const ids = (...list: readonly string[]): readonly Uint8Array[] => list.map(fromHex);

function rollup(policy: Partial<RollupPolicy>, changes: Partial<RollupState> = {}): RollupState {
  return {
    name: "r",
    ownerKey: EMPTY_BYTES,
    policy: { ...PLAIN_POLICY, auction: true, ...policy },
    pending: undefined,
    deposit: 0n,
    registeredHeight: Height(1),
    ...changes,
  };
}

/** Ids of the group that `leader` leads at a height; undefined if it leads none. */
function groupOf(
  rollups: Readonly<Record<string, RollupState>>,
  leader: string,
  height = 10,
): readonly string[] | undefined {
  const group = auctionGroup({ height, rollup: (id) => rollups[id] }, leader);
  return group?.members.map(({ rollupId }) => toHex(rollupId));
}

test("behavior: a rollup without leader and members sells alone, at the price rule that it chose", () => {
  const rollups = { [A]: rollup({ secondPrice: true, reserve: 5n, revenueShareBps: 7_000 }) };
  expect(auctionGroup({ height: 10, rollup: (id) => rollups[id] }, A)).toEqual({
    members: [{ rollupId: fromHex(A), reserve: 5n, shareBps: 7_000 }],
    secondPrice: true,
  });
});

test("behavior: a leader sells with those that it lists and that name it, in order of their ids", () => {
  const rollups = {
    [C]: rollup({ auctionMembers: ids(A, B, D) }),
    [A]: rollup({ auctionLeader: fromHex(C) }),
    [B]: rollup({}),
    [D]: rollup({ auctionLeader: fromHex(C) }),
  };
  expect(groupOf(rollups, C)).toEqual([A, C, D]);
  // It names no leader, so that it sells alone, and who is led leads nobody.
  expect(groupOf(rollups, B)).toEqual([B]);
  expect(groupOf(rollups, A)).toBeUndefined();
});

test("behavior: one side is not enough, and who has the auction off sells nothing", () => {
  const rollups = {
    [A]: rollup({ auctionMembers: ids(B) }),
    [B]: rollup({ auctionLeader: fromHex(A), auction: false }),
    [C]: rollup({ auctionLeader: fromHex(A) }),
    [D]: rollup({ auction: false }),
  };
  expect(groupOf(rollups, A)).toEqual([A]);
  expect(groupOf(rollups, D)).toBeUndefined();
  expect(groupOf(rollups, "ee".repeat(32))).toBeUndefined();
});

test("behavior: a rollup that names itself as its leader is one", () => {
  expect(groupOf({ [A]: rollup({ auctionLeader: fromHex(A) }) }, A)).toEqual([A]);
});

test("behavior: policies count as they are in force in the block, and a rollup from the block after its registration on", () => {
  const policy: RollupPolicy = { ...PLAIN_POLICY, auction: true, auctionLeader: fromHex(A) };
  const rollups = {
    [A]: rollup({ auctionMembers: ids(B, C) }),
    [B]: rollup({}, { pending: { policy, effectiveHeight: Height(20) } }),
    [C]: rollup({ auctionLeader: fromHex(A) }, { registeredHeight: Height(15) }),
  };
  expect(groupOf(rollups, A, 10)).toEqual([A]);
  expect(groupOf(rollups, A, 15)).toEqual([A]);
  expect(groupOf(rollups, A, 16)).toEqual([A, C]);
  expect(groupOf(rollups, A, 20)).toEqual([A, B, C]);
});

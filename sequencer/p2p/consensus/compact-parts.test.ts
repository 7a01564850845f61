import { expect, test } from "vitest";
import { Height, Round } from "../../../proto/brands.ts";
import { sha256Latin1 } from "../../../proto/hash.ts";
import { encodeBlock } from "../../../proto/codec/block.ts";
import { splitIntoParts } from "../../../proto/part-set.ts";
import type { Part } from "../../../proto/types.ts";
import { makeBlock } from "../../../test/support/consensus-fixtures.ts";
import type { RoundStateView } from "../../consensus/round-state.ts";
import { COMPACT_PAUSE_MS, COMPACT_TX_AGE_MS } from "../limits.ts";
import { NULL_P2P_METRICS } from "../metrics.ts";
import { CompactParts, type PeerCompactParts } from "./compact-parts.ts";

const tx = new Uint8Array(20_000).fill(7);
const block = { ...makeBlock(5, "compact").block, txs: [tx] };
const [part] = splitIntoParts(encodeBlock(block)).parts as [Part];
const [height, round] = [Height(5), Round(0)];

function start() {
  const clock = { nowMs: 1_000 };
  const held = { tx, atMs: 1_000 };
  const txs = {
    held: (key: string) => (key === sha256Latin1(tx) ? held : undefined),
  };
  const compact = new CompactParts(txs, NULL_P2P_METRICS, () => clock.nowMs);
  const peer: PeerCompactParts = { sent: undefined, taken: undefined, lackedAtMs: undefined };
  return { clock, compact, peer };
}

test("a transaction is named once peers had time to take it", () => {
  const { clock, compact } = start();
  clock.nowMs += COMPACT_TX_AGE_MS - 1;
  expect(compact.encode(block, height, round, part)).toBeUndefined();
  clock.nowMs += 1;
  // What is named in a block is decided once, when its first part leaves.
  expect(compact.encode(block, height, round, part)).toBeUndefined();
  expect(compact.encode({ ...block }, height, round, part)?.length).toBeLessThan(1_000);
});

test("a part is granted whole once, if it was sent compactly; whole ones follow for a while", () => {
  const { clock, compact, peer } = start();
  const wanted = { height, round, index: part.index };
  expect(compact.isGranted(peer, wanted)).toBe(false);
  compact.noteSent(peer, height, round, part, 100);
  expect(compact.isGranted(peer, { ...wanted, round: Round(1) })).toBe(false);
  expect(compact.isFor(peer)).toBe(true);
  expect(compact.isGranted(peer, wanted)).toBe(true);
  expect(compact.isGranted(peer, wanted)).toBe(false);
  expect(compact.isFor(peer)).toBe(false);
  clock.nowMs += COMPACT_PAUSE_MS;
  expect(compact.isFor(peer)).toBe(true);
  expect(compact.isFor(undefined)).toBe(false);
});

test("a compact part is rebuilt once in a round, and only where it is missing or early", () => {
  const { compact, peer } = start();
  const at = (ours: number, inRound = 0, has = false) =>
    ({
      height: Height(ours),
      round: Round(inRound),
      proposalParts: { partAt: () => (has ? part : undefined) },
    }) as unknown as RoundStateView;
  const message = { height, round, part, pieces: [] };
  expect(compact.isOfUse(peer, message, at(3))).toBe(false);
  expect(compact.isOfUse(peer, message, at(6))).toBe(false);
  expect(compact.isOfUse(peer, message, at(5, 0, true))).toBe(false);
  expect(compact.isOfUse(peer, message, at(4))).toBe(true);
  expect(compact.isOfUse(peer, message, at(4))).toBe(false);
  expect(compact.isOfUse(peer, message, at(5))).toBe(true);
  expect(compact.isOfUse(peer, message, at(5))).toBe(false);
  expect(compact.isOfUse(peer, message, at(5, 1))).toBe(true);
});

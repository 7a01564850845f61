import { expect, test } from "vitest";
import { Height, RollupId } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { AtomicOutcome, NoReason, Verdict, type VoteContent } from "../../proto/codec/atomic-tx.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { type Action, decodeTxBody } from "../../proto/codec/weft-tx.ts";
import { generateEd25519KeyPair } from "../../proto/verify/ed25519.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { signerOf } from "../../test/support/traffic.ts";
import { createFailoverClient } from "../client/failover-client.ts";
import { createNodeTurn } from "../client/node-turn.ts";
import type { SubmitOutcome, TransactionState } from "../client/sequencer-client.ts";
import { createMemoryJournalStore } from "../gateway/journal/journal-store.ts";
import { BEHIND_BLOCKS_MAX, STATEMENT_EXPIRY_BLOCKS, STATEMENT_RESEND_BLOCKS } from "../limits.ts";
import { NULL_DRIVER_METRICS } from "./metrics.ts";
import { createVoter, type DueReport, type VoterClient } from "./voter.ts";

const bundleId = new Uint8Array(32).fill(1);
const hash = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const YES: VoteContent = {
  verdict: Verdict.YES,
  reason: 0,
  preStateRoot: hash(2),
  effectsHash: hash(3),
  outbox: [{ rollupId: hash(4), root: hash(5) }],
  inbox: [],
};
const NO: VoteContent = {
  verdict: Verdict.NO,
  reason: NoReason.LOCKED,
  preStateRoot: new Uint8Array(0),
  effectsHash: new Uint8Array(0),
  outbox: [],
  inbox: [],
};
const REPORT: DueReport = {
  bundleId,
  placed: Height(10),
  height: Height(12),
  sequencerBlockHash: hash(6),
  timestamp: { seconds: 7n, nanos: 8 },
  outcome: AtomicOutcome.COMMIT,
  effectsHash: hash(3),
};

/** A node whose chain stands at `height` and that takes what it is told to take. */
function world() {
  const disk = new Map<string, Uint8Array>();
  const key = signerOf(generateEd25519KeyPair());
  const node = {
    height: 10,
    code: 0,
    isAway: false,
    state: "pending" as TransactionState,
    submitted: [] as Uint8Array[],
    /** Whether each was on disk when it came. */
    wasOnDisk: [] as boolean[],
  };
  const client: VoterClient = {
    chainInfo: () =>
      node.isAway
        ? Promise.reject(new Error("connection refused"))
        : Promise.resolve({
            chainId: "test",
            height: Height(node.height),
            initialHeight: Height(1),
            earliestHeight: Height(1),
            baseFeePerByte: 1n,
            unorderedWindow: 600,
            itemBytesMax: 10_000,
            isCatchingUp: false,
          }),
    submit: (item): Promise<SubmitOutcome> => {
      node.submitted.push(item);
      const rows = [...disk.values()].map((row) => Buffer.from(row).toString());
      node.wasOnDisk.push(rows.some((row) => row.includes(toHex(item))));
      return Promise.resolve({
        id: hash(0),
        hash: hash(0),
        code: node.code,
        codespace: "weft",
        reason: "as told",
        isDuplicate: false,
      });
    },
    transactionStatus: () =>
      Promise.resolve({
        state: node.state,
        height: Height(0),
        index: 0,
        code: 0,
        codespace: "",
        reason: "",
        hash: hash(0),
        sealing: undefined,
      }),
  };
  const open = (asked = client) =>
    createVoter(
      { rollupId: RollupId("ab".repeat(32)), tipPerByte: 0n },
      {
        client: asked,
        key,
        store: createMemoryJournalStore(disk),
        logger: NULL_LOGGER,
        metrics: NULL_DRIVER_METRICS,
      },
    );
  return { node, client, disk, open };
}

/** What was submitted, taken apart. */
function actions(items: readonly Uint8Array[]): Action[] {
  return items.map((bytes) => {
    const item = decodeItem(bytes);
    if (item.kind !== "tx") throw new Error("expected a transaction");
    return decodeTxBody(item.tx.bodyBytes).action;
  });
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

test("behavior: a vote is on disk before it is sent, and sent until a block holds it", async () => {
  const { node, open } = world();
  node.isAway = true;
  const voter = await open();
  await voter.vote({ bundleId, height: Height(10), content: YES });
  await settle();
  expect(node.submitted).toEqual([]);
  node.isAway = false;
  voter.blockExecuted(Height(11));
  await settle();
  expect(actions(node.submitted)).toMatchObject([{ kind: "executorVote", ...YES, bundleId }]);
  expect(node.wasOnDisk).toEqual([true]);
  // In the pool: nothing more to do. Lost from it: the same bytes again.
  voter.blockExecuted(Height(12));
  await settle();
  expect(node.submitted).toHaveLength(1);
  node.state = "unknown";
  node.height += STATEMENT_RESEND_BLOCKS;
  voter.blockExecuted(Height(13));
  await settle();
  expect(node.submitted).toHaveLength(2);
  expect(node.submitted[1]).toEqual(node.submitted[0]);
  node.state = "committed";
  voter.blockExecuted(Height(14));
  await settle();
  expect(voter.pendingCount()).toBe(0);
  await voter.stop();
});

test("behavior: sends the same bytes after a restart, new ones of the same content once they expired", async () => {
  const { node, open } = world();
  const first = await open();
  await first.vote({ bundleId, height: Height(10), content: YES });
  await settle();
  await first.stop();
  const second = await open();
  node.state = "unknown";
  await second.vote({ bundleId, height: Height(10), content: YES });
  await settle();
  expect(node.submitted).toHaveLength(2);
  expect(node.submitted[1]).toEqual(node.submitted[0]);
  node.height += STATEMENT_EXPIRY_BLOCKS;
  node.state = "expired";
  second.blockExecuted(Height(80));
  await settle();
  expect(node.submitted).toHaveLength(3);
  expect(node.submitted[2]).not.toEqual(node.submitted[0]);
  expect(actions(node.submitted)[2]).toEqual(actions(node.submitted)[0]);
  await second.stop();
});

test("behavior: leaves a node that is cut off with a vote in its pool", async () => {
  const [cutOff, up] = [world(), world()];
  const unused = () => {
    throw new Error("not asked for here");
  };
  const more = { blocks: unused, entryProof: unused, rollup: unused, sealKey: unused };
  const nodes = [cutOff, up].map(({ client }) => ({ ...client, ...more }));
  const turn = createNodeTurn(nodes);
  const voter = await cutOff.open(createFailoverClient(nodes, turn));
  await voter.vote({ bundleId, height: Height(10), content: YES });
  await settle();
  up.node.state = "unknown";
  for (let height = 11; height <= 11 + BEHIND_BLOCKS_MAX; height++) {
    up.node.height = height;
    expect(up.node.submitted, `at height ${height}`).toEqual([]);
    turn.verified(height);
    voter.blockExecuted(Height(height));
    await settle();
  }
  expect(up.node.submitted).toEqual(cutOff.node.submitted);
  expect(cutOff.node.submitted).toHaveLength(1);
  await voter.stop();
});

test("error: never says two things about one bundle, also after a restart", async () => {
  const { node, open } = world();
  const first = await open();
  await first.vote({ bundleId, height: Height(10), content: YES });
  await expect(first.vote({ bundleId, height: Height(10), content: NO })).rejects.toMatchObject({
    code: "VOTER_CONTRADICTION",
  });
  await first.stop();
  const second = await open();
  const other = { ...YES, effectsHash: hash(9) };
  await expect(second.vote({ bundleId, height: Height(10), content: other })).rejects.toMatchObject(
    {
      code: "VOTER_CONTRADICTION",
    },
  );
  await settle();
  await second.stop();
  expect(new Set(actions(node.submitted).map((action) => JSON.stringify(action))).size).toBe(1);
});

test("behavior: reports once the block is known, also when the process ended in between", async () => {
  const { node, open } = world();
  const first = await open();
  await first.vote({ bundleId, height: Height(10), content: YES });
  await settle();
  await first.decided(REPORT);
  expect(first.unexecuted()).toEqual([
    { height: 12, sequencerBlockHash: hash(6), timestamp: REPORT.timestamp },
  ]);
  await first.stop();
  const second = await open();
  expect(second.unexecuted()).toHaveLength(1);
  await second.executed(Height(12), hash(7));
  await settle();
  expect(actions(node.submitted).at(-1)).toMatchObject({
    kind: "executorReport",
    bundleId,
    outcome: AtomicOutcome.COMMIT,
    effectsHash: hash(3),
    blockHash: hash(7),
  });
  expect(second.unexecuted()).toEqual([]);
  await second.stop();
});

test("behavior: what it did not vote about it does not report, and a decided vote is sent no more", async () => {
  const { node, open } = world();
  const voter = await open();
  await voter.decided(REPORT);
  expect(voter.unexecuted()).toEqual([]);
  node.isAway = true;
  await voter.vote({ bundleId, height: Height(10), content: NO });
  await settle();
  await voter.decided({ ...REPORT, outcome: AtomicOutcome.ABORT, effectsHash: new Uint8Array(0) });
  node.isAway = false;
  voter.blockExecuted(Height(13));
  await settle();
  expect(node.submitted).toEqual([]);
  await voter.executed(Height(12), hash(7));
  await settle();
  expect(actions(node.submitted).map(({ kind }) => kind)).toEqual(["executorReport"]);
  await voter.stop();
});

test("behavior: tries again what a node does not take yet, gives up what the chain takes of nobody", async () => {
  const { node, open } = world();
  node.code = 304;
  const voter = await open();
  await voter.vote({ bundleId, height: Height(10), content: YES });
  await settle();
  node.state = "unknown";
  voter.blockExecuted(Height(11));
  await settle();
  expect(node.submitted).toHaveLength(2);
  expect(voter.pendingCount()).toBe(1);
  node.code = 310;
  voter.blockExecuted(Height(12));
  await settle();
  expect(voter.pendingCount()).toBe(0);
  await voter.stop();
});

test("behavior: votes again about a bundle that is placed again, in its own right", async () => {
  const { node, open } = world();
  const voter = await open();
  await voter.vote({ bundleId, height: Height(10), content: YES });
  await settle();
  await voter.decided(REPORT);
  await voter.executed(Height(12), hash(7));
  await settle();
  await voter.vote({ bundleId, height: Height(200), content: NO });
  await settle();
  expect(actions(node.submitted).map(({ kind }) => kind)).toEqual([
    "executorVote",
    "executorReport",
    "executorVote",
  ]);
  await voter.stop();
});

test("behavior: gives up a report that no vote stands for, or of a bundle that is forgotten", async () => {
  for (const code of [318, 304]) {
    const { node, open } = world();
    const voter = await open();
    await voter.vote({ bundleId, height: Height(10), content: YES });
    await voter.decided(REPORT);
    await settle();
    node.code = code;
    node.height = 20;
    node.state = "unknown";
    await voter.executed(Height(12), hash(7));
    await settle();
    expect(voter.pendingCount()).toBe(0);
    await voter.stop();
  }
});

test("behavior: a report that nobody can make any more is no longer waited for", async () => {
  const { open } = world();
  const voter = await open();
  await voter.vote({ bundleId, height: Height(10), content: YES });
  await voter.decided(REPORT);
  await voter.abandon(Height(12));
  expect(voter.unexecuted()).toEqual([]);
  await settle();
  await voter.stop();
});

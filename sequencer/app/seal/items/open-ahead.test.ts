import { beforeEach, describe, expect, test } from "vitest";
import type { SealCompute } from "../../../../mev/seal/compute.ts";
import { decodeShares } from "../../../../mev/seal/share-evidence.ts";
import { Height } from "../../../../proto/brands.ts";
import { bytesEqual, toHex } from "../../../../proto/bytes.ts";
import { type Shares, SHARES_CODEC } from "../../../../proto/codec/seal-block.ts";
import { decodeVoteExtension, PartType } from "../../../../proto/codec/weft-extension.ts";
import { assert } from "../../../../proto/errors.ts";
import { damagedExtension } from "../../../../test/support/seal-faults.ts";
import { LOCAL_SEAL_COMPUTE } from "../../../../test/support/seal-compute.ts";
import {
  eventsOf,
  openingsIn,
  type SealedChain,
  startSealedChain,
  stepUntil,
  submitSealed,
  withNoise,
} from "../../../../test/support/sealed-app.ts";
import { CHAIN_ID } from "../../../../test/support/weft-app.ts";
import { NULL_LOGGER } from "../../../ports/logger.ts";
import { yieldToLoop } from "../../../ports/yield-to-loop.ts";
import { buildOpenings } from "../../proposal/build-openings.ts";
import { NULL_SEAL_METRICS } from "../metrics.ts";
import { OpenAhead } from "./open-ahead.ts";
import { OpenedBatches } from "./opened-batches.ts";
import { type OpeningPlan, planOpenings } from "./openings.ts";

const ITEMS = 3;

let sealed: SealedChain;

/** A chain whose last votes brought shares of the items of block 1. */
async function ready(): Promise<void> {
  sealed = await startSealedChain();
  for (let n = 0; n < ITEMS; n++) await submitSealed(sealed, n, `text ${n}`);
  await stepUntil(sealed.chain, 2);
}

const combined = () => sealed.chain.nodes.map(({ watch }) => watch.combined);
const opened = () => sealed.chain.nodes.map(({ watch }) => watch.openedItems);

describe("a node", () => {
  beforeEach(ready);

  test("behavior: opens a batch while votes come in, and not again to propose, check and finalize", async () => {
    const { chain } = sealed;
    for (let turn = 0; turn < 3; turn++) await yieldToLoop();
    expect(combined()).toEqual([1, 1, 1, 1]);
    expect(opened()).toEqual([ITEMS, ITEMS, ITEMS, ITEMS]);
    const block = await chain.step(1);
    expect(eventsOf(block, "seal_opened")).toHaveLength(ITEMS);
    expect(combined()).toEqual([1, 1, 1, 1]);
    expect(opened()).toEqual([ITEMS, ITEMS, ITEMS, ITEMS]);
  });

  test("behavior: proposes the same bytes after a restart, which forgets what was opened", async () => {
    const { chain } = sealed;
    const before = await chain.prepare(1);
    expect(openingsIn(before)?.batches).toHaveLength(1);
    expect(combined()[1]).toBe(1);
    await chain.restart(1);
    expect((await chain.prepare(1)).map(toHex)).toEqual(before.map(toHex));
    expect(combined()[1]).toBe(2);
    expect(eventsOf(await chain.decide(before, 1), "seal_opened")).toHaveLength(ITEMS);
  });

  test("behavior: combines itself where nothing came of it", async () => {
    const { chain } = sealed;
    await chain.step(0);
    const { id } = await submitSealed(sealed, 0, "another");
    await chain.step(0);
    chain.opensAhead = false;
    await chain.step(0);
    expect(eventsOf(await chain.step(2), "seal_opened")).toMatchObject([{ id }]);
  });
});

test("behavior: votes of other rounds count, each validator once", async () => {
  sealed = await startSealedChain();
  const { chain } = sealed;
  await submitSealed(sealed, 0, "text");
  await stepUntil(chain, 1);
  const txs = await chain.prepare(0);
  const request = chain.processRequest(txs, 0);
  const target = chain.node(3).app;
  for (const [round, voters] of [[0, 1], [1, 0], [2]].entries()) {
    expect(chain.node(3).watch.combined).toBe(0);
    // A block that nobody decides.
    const other = { ...request, hash: new Uint8Array(32).fill(round) };
    for (const voter of voters) {
      const { app, consensusAddress } = chain.node(voter);
      const verdict = await target.verifyVoteExtension({
        hash: other.hash,
        height: other.height,
        validatorAddress: consensusAddress,
        voteExtension: await app.extendVote(other),
      });
      expect(verdict.accept).toBe(true);
    }
  }
  expect(chain.node(3).watch.combined).toBe(1);
  await chain.decide(txs);
  expect(eventsOf(await chain.step(3), "seal_opened")).toHaveLength(1);
  expect(chain.node(3).watch.combined).toBe(1);
});

test.each([
  ["are refused", false],
  ["nobody has checked", true],
])("attack: shares that %s open nothing ahead, and spoil nothing", async (_, isLate) => {
  sealed = await startSealedChain({ threshold: 4 });
  const { chain } = sealed;
  await submitSealed(sealed, 0, "text");
  await stepUntil(chain, 1);
  chain.alter = (voter, request, own) => {
    const { applicationKey } = chain.node(voter);
    const damage = { chainId: CHAIN_ID, applicationKey };
    const extension =
      voter === 0 ? damagedExtension(damage, request, own, "wrongShares") : undefined;
    return extension && { extension, isLate };
  };
  await chain.step(0);
  // The liar knows its own shares.
  expect(combined()).toEqual([1, 0, 0, 0]);
  chain.alter = () => undefined;
  // Nor does the liar propose what the votes of the block do not have.
  expect(eventsOf(await chain.step(0), "seal_opened")).toEqual([]);
  // Asked again at every second height.
  expect(eventsOf(await chain.step(1), "seal_opened")).toEqual([]);
  expect(eventsOf(await chain.step(2), "seal_opened")).toHaveLength(1);
});

test("attack: an item that nobody can open is disputed on shares that the proposer has checked itself", async () => {
  sealed = await startSealedChain();
  const { chain } = sealed;
  const { id } = await submitSealed(sealed, 0, "noise", { damage: withNoise });
  await submitSealed(sealed, 1, "text");
  await stepUntil(chain, 2);
  expect(combined()).toEqual([1, 1, 1, 1]);
  const block = await chain.step(0);
  expect(eventsOf(block)).toMatchObject([
    { type: "seal_opened" },
    { type: "seal_disputed", id },
    { type: "seal_fills" },
  ]);
  expect(combined()).toEqual([2, 1, 1, 1]);
});

describe("what was made ahead", () => {
  let plan: OpeningPlan;
  let given: { readonly address: Uint8Array; readonly shares: Shares }[];
  let next: number;
  let asked: number;
  let errors: number;
  let compute: SealCompute;
  let batches: OpenedBatches;
  let ahead: OpenAhead;

  const logger = { ...NULL_LOGGER, error: () => errors++ };

  beforeEach(async () => {
    await ready();
    const { chain } = sealed;
    plan = planOpenings(chain.app.read.staking(), Height(chain.height), []);
    given = chain.lastVotes.map(({ validator: { address }, voteExtension }) => ({
      address,
      shares: sharesOf(voteExtension),
    }));
    asked = errors = 0;
    next = plan.sharesHeight;
    compute = {
      ...LOCAL_SEAL_COMPUTE,
      combine: (all) => {
        asked++;
        return LOCAL_SEAL_COMPUTE.combine(all);
      },
    };
    start({});
  });

  function start(changed: Partial<SealCompute>): void {
    compute = { ...compute, ...changed };
    batches = new OpenedBatches({ compute, metrics: NULL_SEAL_METRICS });
    ahead = new OpenAhead({
      opened: batches,
      seal: compute,
      planAt: () => plan,
      nextHeight: () => next,
      logger,
    });
  }

  function addAll(height = plan.sharesHeight): void {
    for (const { address, shares } of given) ahead.add(height, address, shares);
  }

  function points(): Promise<Uint8Array | undefined> {
    const [batch] = plan.batches;
    assert(batch !== undefined, "something is asked");
    return ahead.points(plan.sharesHeight, batch);
  }

  const build = (made: Pick<OpenAhead, "points">) =>
    buildOpenings(plan, given, { opened: batches, seal: compute, ahead: made });

  test("behavior: is there from the shares of t tickets on, whoever they are of", async () => {
    const results: string[] = [];
    for (const without of [0, 1, 2, 3]) {
      start({});
      const [first, second, third] = given.filter((_, at) => at !== without);
      assert(first !== undefined && second !== undefined && third !== undefined, "three are left");
      ahead.add(plan.sharesHeight, first.address, first.shares);
      // The same validator again, with what it would gain by lying.
      ahead.add(plan.sharesHeight, first.address, second.shares);
      ahead.add(plan.sharesHeight, second.address, second.shares);
      expect(await points()).toBeUndefined();
      ahead.add(plan.sharesHeight, third.address, third.shares);
      results.push(toHex((await points()) ?? new Uint8Array()));
    }
    expect(asked).toBe(4);
    expect(new Set(results).size).toBe(1);
    expect(results[0]).toHaveLength(ITEMS * 64);
  });

  test("behavior: does not change when the buffers that shares came in are used again", async () => {
    addAll();
    const right = await points();
    start({});
    for (const { address, shares } of given.slice(0, 3)) {
      const copy = decodeShares(SHARES_CODEC.encode(shares));
      assert(copy !== undefined, "it is a part");
      ahead.add(plan.sharesHeight, address, copy);
      for (const { points: received } of copy.batches[0]?.tickets ?? []) received.fill(0);
    }
    expect(await points()).toEqual(right);
  });

  test("behavior: is of the last height and the one that is voted on, and forgotten after them", async () => {
    addAll(Height(next + 1));
    addAll(Height(next - 2));
    expect(asked).toBe(0);
    addAll();
    expect(await points()).toBeDefined();
    next += 1;
    ahead.committed();
    expect(await points()).toBeDefined();
    next += 1;
    ahead.committed();
    expect(await points()).toBeUndefined();
  });

  test("behavior: is of no use once something else is asked", async () => {
    addAll();
    const [batch] = plan.batches;
    assert(batch !== undefined, "something is asked");
    const { height } = batch;
    expect(await ahead.points(plan.sharesHeight, { height, asked: new Uint8Array(96) })).toBe(
      undefined,
    );
  });

  const broken = () => Promise.reject(new Error("no thread"));
  test.each([
    ["the combination", { combine: broken }],
    ["the arithmetic after it", { open: broken }],
    ["a combination of another length", { combine: () => Promise.resolve(new Uint8Array(32)) }],
  ])("behavior: where %s fails, it is told, and the block is made without it", async (_, once) => {
    start(once);
    addAll();
    await points();
    await yieldToLoop();
    expect(errors).toBe(1);
    Object.assign(compute, LOCAL_SEAL_COMPUTE);
    expect((await build(ahead))?.batches).toHaveLength(1);
    expect(errors).toBe(1);
  });

  test.each([
    ["of another item", (right: Uint8Array) => right.slice().copyWithin(0, 32)],
    ["that are no points", (right: Uint8Array) => right.slice().fill(0xff)],
    ["of another number of items", (right: Uint8Array) => right.slice(32)],
  ])("attack: points %s are not proposed", async (_, change) => {
    const right = await build({ points: async () => undefined });
    addAll();
    const good = await points();
    assert(good !== undefined && right !== undefined, "there are enough shares");
    const before = asked;
    batches = new OpenedBatches({ compute, metrics: NULL_SEAL_METRICS });
    expect(await build({ points: async () => change(good) })).toEqual(right);
    expect(asked, "combined from shares that were checked").toBe(before + 1);
    expect(await build({ points: async () => good })).toEqual(right);
    expect(asked).toBe(before + 1);
    expect(right.batches[0]?.points.every((byte) => byte === 0)).toBe(false);
    expect(bytesEqual(right.batches[0]?.points ?? new Uint8Array(), good)).toBe(true);
  });
});

function sharesPart(extension: Uint8Array): Uint8Array {
  const part = decodeVoteExtension(extension).parts.find(({ type }) => type === PartType.SHARES);
  assert(part !== undefined, "it shares");
  return part.content;
}

function sharesOf(extension: Uint8Array): Shares {
  const shares = decodeShares(sharesPart(extension));
  assert(shares !== undefined, "it is a part");
  return shares;
}

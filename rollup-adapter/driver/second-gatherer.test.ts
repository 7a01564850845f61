import { describe, expect, test } from "vitest";
import { Height, RollupId } from "../../proto/brands.ts";
import { RevertMode } from "../../proto/codec/mev-tx.ts";
import { sha256 } from "../../proto/hash.ts";
import type { ExecuteBlockRequest, ExecutedBlock, Executor } from "../execution.ts";
import { GATHERED_PAYLOADS_MAX } from "../limits.ts";
import { GATHERED_TOO_MUCH, gatherSeconds } from "./second-gatherer.ts";

const ID = RollupId("aa".repeat(32));
const HEAD = {
  number: 0,
  hash: new Uint8Array(32),
  parentHash: new Uint8Array(32),
  stateRoot: new Uint8Array(32),
  receiptsRoot: new Uint8Array(32),
  timestampSeconds: 0n,
  gasUsed: 0n,
};

/** Takes what it is given, makes a block of whatever has payloads, and skips the payload 0xff. */
function recorder() {
  const taken: ExecuteBlockRequest[] = [];
  let next = Height(1);
  let head: ExecutedBlock = HEAD;
  let failing = 0;
  const executor: Executor = {
    init: () =>
      Promise.resolve({
        rollupId: ID,
        chainId: 1n,
        genesisHash: HEAD.hash,
        head,
        nextSequencerHeight: next,
        supportsGroupRevert: false,
        atomicLevel: 1,
      }),
    executeBlock: (request) => {
      if (request.sequencerHeight === failing) {
        failing = 0;
        return Promise.reject(new Error("away"));
      }
      taken.push(request);
      next = Height(request.sequencerHeight + 1);
      const skipped = request.payloads.flatMap((payload, index) =>
        payload[0] === 0xff ? [{ index, reason: "EMPTY" }] : [],
      );
      if (request.payloads.length > 0) {
        head = { ...HEAD, number: head.number + 1, hash: request.sequencerBlockHash };
      }
      return Promise.resolve({
        ...head,
        outcome: request.payloads.length === 0 ? "none" : "block",
        included: request.payloads.length - skipped.length,
        skipped,
      });
    },
    setFinality: () => Promise.resolve({ safe: HEAD, finalized: HEAD }),
    getStatus: () =>
      Promise.resolve({
        isInitialized: true,
        rollupId: ID,
        chainId: 1n,
        genesisHash: HEAD.hash,
        head,
        safe: HEAD,
        finalized: HEAD,
        sequencer: undefined,
        nextSequencerHeight: next,
        gatheredPayloads: 0,
        openBundles: [],
        openBundleCount: 0,
      }),
  };
  const rewind = (height: number): void => {
    next = Height(height);
    head = HEAD;
  };
  /** Once, for the request of that height. */
  const failNext = (height: number): void => {
    failing = height;
  };
  return { executor: gatherSeconds(executor), taken, rewind, failNext };
}

function block(height: number, seconds: number, ...payloads: number[]): ExecuteBlockRequest {
  return {
    sequencerBlockHash: sha256(Uint8Array.of(height)),
    sequencerHeight: Height(height),
    timestamp: { seconds: BigInt(seconds), nanos: 5 },
    payloads: payloads.map((one) => Uint8Array.of(one)),
  };
}

describe("gathering seconds", () => {
  test("one request for a second, from the first height with payloads to its last height", async () => {
    const { executor, taken } = recorder();
    const outcomes: string[] = [];
    const feed = [block(1, 10), block(2, 10, 1), block(3, 10), block(4, 10, 0xff, 3), block(5, 10)];
    for (const one of [...feed, block(6, 12), block(7, 12, 4)]) {
      outcomes.push((await executor.executeBlock(one)).outcome);
    }
    expect(outcomes.join(" ")).toBe("none gathered gathered gathered gathered block gathered");
    expect(taken.map((one) => [one.sequencerHeightFirst, one.sequencerHeight])).toEqual([
      [undefined, 1],
      [2, 5],
      [undefined, 6],
    ]);
    expect(taken[1]).toMatchObject({
      payloads: [[1], [0xff], [3]].map((one) => Uint8Array.from(one)),
    });
    expect(taken[1]?.sequencerBlockHash).toEqual(block(5, 10).sequencerBlockHash);
    expect((await executor.getStatus()).nextSequencerHeight).toBe(8);
  });

  test("the same again is gathered once, another block of that height is a conflict, a gap is one", async () => {
    const { executor, taken } = recorder();
    await executor.executeBlock(block(1, 10, 1));
    expect((await executor.executeBlock(block(1, 10, 1))).outcome).toBe("gathered");
    const other = { ...block(1, 10, 1), sequencerBlockHash: new Uint8Array(32) };
    await expect(executor.executeBlock(other)).rejects.toMatchObject({
      code: "EXECUTION_CONFLICT",
    });
    await expect(executor.executeBlock(block(3, 10))).rejects.toMatchObject({
      code: "EXECUTION_HEIGHT_GAP",
    });
    await executor.executeBlock(block(2, 11));
    expect(taken[0]?.payloads.length).toBe(1);
  });

  test("init keeps what was gathered while the executor stands where it stood; such an executor is of level 0", async () => {
    const { executor, taken, rewind } = recorder();
    const init = () =>
      executor.init({ rollupId: ID, sequencerChainId: "a", sequencerStartHeight: Height(1) });
    await executor.executeBlock(block(1, 10, 1));
    expect(await init()).toMatchObject({ nextSequencerHeight: 2, atomicLevel: 0 });
    await executor.executeBlock(block(2, 11, 2));
    expect(await init()).toMatchObject({ nextSequencerHeight: 3 });
    await executor.executeBlock(block(3, 12, 3));
    expect(taken.map((one) => one.payloads.length)).toEqual([1, 1]);
    // A client that has lost its newest block: what came after it is fed again, and answered anew.
    rewind(2);
    expect(await init()).toMatchObject({ nextSequencerHeight: 2 });
    expect((await executor.executeBlock(block(2, 11, 2))).outcome).toBe("gathered");
    expect((await executor.executeBlock(block(3, 12, 3))).outcome).toBe("block");
    expect(taken.map((one) => one.sequencerHeight)).toEqual([1, 2, 2]);
  });

  test("a second's answer is not lost where the request that ended it fails after it was executed", async () => {
    const { executor, taken, rewind, failNext } = recorder();
    const init = () =>
      executor.init({ rollupId: ID, sequencerChainId: "a", sequencerStartHeight: Height(1) });
    await executor.executeBlock(block(1, 10, 1));
    failNext(2);
    await expect(executor.executeBlock(block(2, 11))).rejects.toThrow("away");
    expect(await init()).toMatchObject({ nextSequencerHeight: 2 });
    const late = await executor.executeBlock(block(2, 11));
    expect(late).toMatchObject({ outcome: "block", included: 1 });
    expect(await executor.executeBlock(block(2, 11))).toEqual(late);
    expect(taken.map((one) => one.sequencerHeight)).toEqual([1, 2]);
    // Lost with the block.
    await executor.executeBlock(block(3, 12, 3));
    failNext(4);
    await expect(executor.executeBlock(block(4, 13))).rejects.toThrow("away");
    rewind(3);
    expect(await init()).toMatchObject({ nextSequencerHeight: 3 });
    expect((await executor.executeBlock(block(3, 12, 3))).outcome).toBe("gathered");
  });

  test("repeated requests are answered as they were, whatever was answered since", async () => {
    const { executor, taken } = recorder();
    const feed = [block(1, 10), block(2, 10, 1), block(3, 11, 0xff), block(4, 12), block(5, 13)];
    const answers = [];
    for (const one of feed) answers.push(await executor.executeBlock(one));
    expect(answers.map(({ outcome }) => outcome).join(" ")).toBe("none gathered block block none");
    for (const [i, one] of feed.entries()) {
      expect(await executor.executeBlock({ ...one, payloads: [] })).toEqual(answers[i]);
    }
    expect(taken.length).toBe(5);
    // Not the heights in between of a request that gathers itself, and nothing without its form.
    await executor.executeBlock({ ...block(8, 14, 1), sequencerHeightFirst: Height(6) });
    await expect(executor.executeBlock(block(7, 14, 1))).rejects.toMatchObject({
      code: "EXECUTION_HEIGHT_FORGOTTEN",
    });
    await expect(
      executor.executeBlock({ ...block(9, 14, 1), sequencerBlockHash: new Uint8Array(0) }),
    ).rejects.toMatchObject({ code: "EXECUTION_INVALID_REQUEST" });
    expect((await executor.getStatus()).gatheredPayloads).toBe(1);
  });

  test("legs keep their payloads; what is too much for a second is left out and told", async () => {
    const { executor, taken } = recorder();
    const leg = {
      bundleId: new Uint8Array(32),
      leg: 0,
      legs: 2,
      revertMode: RevertMode.ALLOW,
      first: 1,
      count: 1,
    };
    await executor.executeBlock(block(1, 10, 1, 2));
    await executor.executeBlock({ ...block(2, 10, 3, 4), legs: [leg] });
    const many = Array<number>(GATHERED_PAYLOADS_MAX).fill(5);
    await executor.executeBlock(block(3, 10, ...many));
    const answer = await executor.executeBlock(block(4, 11));
    expect(taken[0]?.legs).toEqual([{ ...leg, first: 3 }]);
    expect(taken[0]?.payloads.length).toBe(GATHERED_PAYLOADS_MAX);
    expect(answer.skipped).toEqual(
      [0, 1, 2, 3].map((i) => ({ index: GATHERED_PAYLOADS_MAX + i, reason: GATHERED_TOO_MUCH })),
    );
  });
});

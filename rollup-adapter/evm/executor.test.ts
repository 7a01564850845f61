import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  ALICE,
  BOB,
  PAUPER,
  TEST_CHAIN_ID,
  blockRequest,
  execute,
  openExecutor,
  removeDirectory,
  signed,
  temporaryDirectory,
  testGenesis,
} from "../../test/support/evm-rollup.ts";
import { Height, RollupId } from "../../proto/brands.ts";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { RevertMode } from "../../proto/codec/mev-tx.ts";
import { createAddressFromString } from "@ethereumjs/util";
import { createPrometheusRegistry } from "../../sequencer/ports/prometheus.ts";
import type { PayloadLeg } from "../execution.ts";
import { createAdapterMetrics } from "../metrics.ts";
import type { EvmExecutor } from "./executor.ts";
import { SEQUENCER_RECORDS_KEPT, TRANSACTION_BYTES_MAX } from "./limits.ts";
import { createPacer } from "./pacer.ts";
import { StateView } from "./virtual-machine.ts";

let directory: string;
let executor: EvmExecutor;

beforeEach(async () => {
  directory = await temporaryDirectory();
  executor = await openExecutor(directory);
});

afterEach(async () => {
  await executor.close();
  await removeDirectory(directory);
});

async function reopen(): Promise<void> {
  await executor.close();
  executor = await openExecutor(directory);
}

function stateAt(root: Uint8Array): StateView {
  const { common, db } = executor;
  return new StateView({ common, db, root, pacer: createPacer(Number.POSITIVE_INFINITY) });
}

async function balance(address: string): Promise<bigint> {
  const state = stateAt(executor.head().header.stateRoot);
  return (await state.getAccount(createAddressFromString(address)))?.balance ?? 0n;
}

describe("init", () => {
  test("answers the same again, and refuses another rollup or network", async () => {
    const request = {
      rollupId: executor.rollupId,
      sequencerChainId: "test-network",
      sequencerStartHeight: Height(1),
    };
    const answer = await executor.init(request);
    expect(answer).toEqual(await executor.init(request));
    expect(answer.nextSequencerHeight).toBe(1);
    expect(answer.head.number).toBe(0);
    for (const change of [
      { rollupId: RollupId("00".repeat(32)) },
      { sequencerChainId: "other" },
      { sequencerStartHeight: Height(2) },
    ]) {
      await expect(executor.init({ ...request, ...change })).rejects.toMatchObject({
        info: { code: "EXECUTION_GENESIS_MISMATCH" },
      });
    }
  });

  test("error: a directory of another genesis is not touched", async () => {
    await executor.close();
    const other = testGenesis({ gasLimit: 1_000_000 });
    await expect(openExecutor(directory, other)).rejects.toMatchObject({
      info: { code: "EXECUTION_GENESIS_MISMATCH" },
    });
    executor = await openExecutor(directory);
  });

  test("two genesis documents that differ in rules only have different genesis hashes", async () => {
    const elsewhere = await temporaryDirectory();
    const other = await openExecutor(elsewhere, testGenesis({ unprotectedTransactions: true }));
    expect(toHex(other.head().hash)).not.toBe(toHex(executor.head().hash));
    await other.close();
    await removeDirectory(elsewhere);
  });
});

const TWO_PAYLOADS = [Uint8Array.of(1), Uint8Array.of(2)];

/** A leg that its sender wants whole or not at all. */
function leg(changes: Partial<PayloadLeg>): PayloadLeg {
  const bundleId = new Uint8Array(32).fill(7);
  return { bundleId, leg: 0, legs: 2, revertMode: RevertMode.FAIL, first: 0, count: 1, ...changes };
}

/** What says of two payloads what cannot be. */
const LEGS_OUT_OF_PLACE: readonly (readonly PayloadLeg[])[] = [
  [leg({ first: 1, count: 2 })],
  [leg({ count: 0 })],
  [leg({ first: 0, count: 2 }), leg({ first: 1 })],
  [leg({ leg: 2 })],
  [leg({ bundleId: new Uint8Array(31) })],
];

describe("executeBlock", () => {
  test("makes a block of what it is given and moves money", async () => {
    const answer = await execute(executor, 1, [
      await signed(ALICE, { nonce: 0, to: PAUPER.address, value: 7n }),
    ]);
    expect(answer).toMatchObject({ outcome: "block", number: 1, included: 1, skipped: [] });
    expect(answer.gasUsed).toBe(21_000n);
    expect(answer.timestampSeconds).toBe(1_700_000_001n);
    expect(await balance(PAUPER.address)).toBe(7n);
    // Tip of 0.001 gwei, the base fee is burnt.
    expect(await balance(`0x${"fe".repeat(20)}`)).toBe(21_000n * 1_000_000n);
    const { header } = executor.head();
    expect(toHex(header.parentBeaconBlockRoot ?? new Uint8Array(0))).toBe(
      toHex(blockRequest(1, []).sequencerBlockHash),
    );
  });

  test("behavior: no block for a sequencer block without payloads, but it counts", async () => {
    expect(await execute(executor, 1, [])).toMatchObject({ outcome: "none", number: 0 });
    await execute(executor, 2, [await signed(ALICE, { nonce: 0 })]);
    expect(await execute(executor, 3, [])).toMatchObject({ outcome: "none", number: 1 });
    await reopen();
    expect((await executor.getStatus()).nextSequencerHeight).toBe(4);
  });

  test("behavior: answers the same request again without running it", async () => {
    const payloads = [await signed(ALICE, { nonce: 0 }), Uint8Array.of(1, 2, 3)];
    const first = await execute(executor, 1, payloads);
    const empty = await execute(executor, 2, []);
    const root = executor.head().header.stateRoot;
    const write = vi.spyOn(executor.store, "commitBlock");
    expect(await execute(executor, 1, payloads)).toEqual(first);
    expect(await execute(executor, 2, [])).toEqual(empty);
    expect(write).not.toHaveBeenCalled();
    await reopen();
    expect(await execute(executor, 1, payloads)).toEqual(first);
    expect(await execute(executor, 2, [])).toEqual(empty);
    expect(executor.head().header.stateRoot).toEqual(root);
    expect(executor.head().number).toBe(1);
  });

  test("behavior: overlapping calls with the same block run it once", async () => {
    const payloads = [await signed(ALICE, { nonce: 0 })];
    const answers = await Promise.all([1, 2, 3].map(() => execute(executor, 1, payloads)));
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
    expect(executor.head().number).toBe(1);
  });

  test("error: a gap, another block at a past height, another parent, a malformed request", async () => {
    await execute(executor, 1, [await signed(ALICE, { nonce: 0 })]);
    const before = await executor.getStatus();
    const cases = [
      [blockRequest(3, []), "EXECUTION_HEIGHT_GAP"],
      [{ ...blockRequest(3, []), sequencerHeightFirst: Height(1) }, "EXECUTION_HEIGHT_GAP"],
      [blockRequest(1, [], "fork"), "EXECUTION_CONFLICT"],
      [{ ...blockRequest(2, []), parentHash: new Uint8Array(32) }, "EXECUTION_PARENT_MISMATCH"],
      [
        { ...blockRequest(2, []), sequencerBlockHash: new Uint8Array(31) },
        "EXECUTION_INVALID_REQUEST",
      ],
      [{ ...blockRequest(2, []), sequencerHeightFirst: Height(3) }, "EXECUTION_INVALID_REQUEST"],
      ...LEGS_OUT_OF_PLACE.map(
        (legs) =>
          [{ ...blockRequest(2, TWO_PAYLOADS), legs }, "EXECUTION_INVALID_REQUEST"] as const,
      ),
    ] as const;
    for (const [request, code] of cases) {
      await expect(executor.executeBlock(request)).rejects.toMatchObject({ info: { code } });
    }
    expect(await executor.getStatus()).toEqual(before);
  });

  test("behavior: legs of bundles are executed as any payload, whatever their revert modes say", async () => {
    const payloads = [await signed(ALICE, { nonce: 0 }), Uint8Array.of(1)];
    const legs = [leg({ first: 0, count: 2 })];
    const answer = await executor.executeBlock({ ...blockRequest(1, payloads), legs });
    expect(answer).toMatchObject({ outcome: "block", included: 1, skipped: [{ index: 1 }] });
  });

  test("behavior: a driver may gather several sequencer blocks into one", async () => {
    await execute(executor, 1, []);
    const answer = await executor.executeBlock({
      ...blockRequest(5, [await signed(ALICE, { nonce: 0 })]),
      sequencerHeightFirst: Height(2),
    });
    expect(answer).toMatchObject({ outcome: "block", number: 1 });
    expect((await executor.getStatus()).nextSequencerHeight).toBe(6);
    await expect(execute(executor, 3, [])).rejects.toMatchObject({
      info: { code: "EXECUTION_HEIGHT_FORGOTTEN" },
    });
  });

  test("behavior: forgets the answers of long ago, never the position", async () => {
    const start = SEQUENCER_RECORDS_KEPT;
    await executor.executeBlock({
      ...blockRequest(start, []),
      sequencerHeightFirst: Height(1),
    });
    await execute(executor, start + 1, []);
    await executor.executeBlock({
      ...blockRequest(2 * start, []),
      sequencerHeightFirst: Height(start + 2),
    });
    await expect(execute(executor, start, [])).rejects.toMatchObject({
      info: { code: "EXECUTION_HEIGHT_FORGOTTEN" },
    });
    expect(await execute(executor, start + 1, [])).toMatchObject({ outcome: "none" });
  });

  test("timestamps never fall, whatever BFT time is given", async () => {
    await execute(executor, 1, [await signed(ALICE, { nonce: 0 })]);
    const early = { seconds: 5n, nanos: 0 };
    const request = blockRequest(2, [await signed(ALICE, { nonce: 1 })]);
    const answer = await executor.executeBlock({ ...request, timestamp: early });
    expect(answer.timestampSeconds).toBe(1_700_000_001n);
  });

  test("the base fee follows how full blocks are", async () => {
    const fees: bigint[] = [];
    for (let height = 1; height <= 3; height++) {
      await execute(executor, height, [await signed(ALICE, { nonce: height - 1 })]);
      fees.push(executor.head().header.baseFeePerGas ?? 0n);
    }
    // EIP-1559: a nearly empty block lowers the fee by almost 1/8.
    expect(fees[0]).toBe(1_000_000_000n);
    const target = 30_000_000n;
    expect(fees[1]).toBe(1_000_000_000n - (1_000_000_000n * (target - 21_000n)) / target / 8n);
    expect(fees[2]).toBeLessThan(fees[1] ?? 0n);
  });
});

describe("payloads are arbitrary bytes", () => {
  test("every kind of gibberish is skipped with its reason, and the rest is executed", async () => {
    const good = await signed(ALICE, { nonce: 0 });
    const blob = fromHex(
      (
        await ALICE.signTransaction({
          type: "eip4844",
          chainId: TEST_CHAIN_ID,
          nonce: 1,
          to: PAUPER.address,
          gas: 21_000n,
          maxFeePerGas: 2_000_000_000n,
          maxFeePerBlobGas: 1_000_000n,
          blobVersionedHashes: [`0x01${"00".repeat(31)}`],
        })
      ).slice(2),
    );
    const nested = new Uint8Array(60_000).fill(0xc1);
    const deep = nestedLists(30_000);
    const badSignature = withSignature(good, 0xff);
    const cases: readonly (readonly [Uint8Array, string])[] = [
      [new Uint8Array(0), "EMPTY"],
      [new Uint8Array(TRANSACTION_BYTES_MAX + 1), "TOO_LARGE"],
      [Uint8Array.of(0x7e, 1, 2, 3), "TYPE_FORBIDDEN"],
      [Uint8Array.of(0x05, 0xc0), "TYPE_FORBIDDEN"],
      [Uint8Array.of(0x00, 0xc0), "TYPE_FORBIDDEN"],
      [blob, "BLOB_FORBIDDEN"],
      [Uint8Array.of(0x80), "UNDECODABLE"],
      [Uint8Array.of(0xc0), "UNDECODABLE"],
      [Uint8Array.of(0x02, 0xc0), "UNDECODABLE"],
      [Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), "UNDECODABLE"],
      [nested, "UNDECODABLE"],
      [deep, "UNDECODABLE"],
      [good.slice(0, -1), "UNDECODABLE"],
      [Uint8Array.from([...good, 0]), "UNDECODABLE"],
      [await legacyTransfer(undefined), "UNPROTECTED"],
      [await legacyTransfer(1), "WRONG_CHAIN_ID"],
      [await signed(ALICE, { nonce: 0, chainId: 1 }), "WRONG_CHAIN_ID"],
      [badSignature, "INVALID_FIELDS"],
      [withSignature(good, 0), "BAD_SIGNATURE"],
      [await signed(ALICE, { nonce: 0, gas: 20_999n }), "INTRINSIC_GAS_TOO_LOW"],
      [
        await signed(ALICE, { nonce: 0, gas: 21_100n, data: `0x${"ff".repeat(64)}` }),
        "INTRINSIC_GAS_TOO_LOW",
      ],
      [await signed(ALICE, { nonce: 0, gas: 60_000_001n }), "GAS_LIMIT_ABOVE_BLOCK"],
      [
        await signed(ALICE, { nonce: 0, maxFeePerGas: 999_999_999n, maxPriorityFeePerGas: 0n }),
        "FEE_BELOW_BASE_FEE",
      ],
      [await signed(PAUPER, { nonce: 0 }), "INSUFFICIENT_FUNDS"],
      [await signed(ALICE, { nonce: 0, value: 10n ** 21n }), "INSUFFICIENT_FUNDS"],
      [await signed(ALICE, { nonce: 1 }), "NONCE_TOO_HIGH"],
      [good, "included"],
      [good, "NONCE_TOO_LOW"],
      [await legacyTransfer(TEST_CHAIN_ID), "included"],
      [await signed(BOB, { nonce: 1, gas: 59_999_999n }), "BLOCK_GAS_EXHAUSTED"],
      [await signed(BOB, { nonce: 1 }), "included"],
    ];
    const answer = await execute(
      executor,
      1,
      cases.map(([payload]) => payload),
    );
    const reasons = cases.map(
      (_, index) => answer.skipped.find((skip) => skip.index === index)?.reason ?? "included",
    );
    expect(reasons).toEqual(cases.map(([, reason]) => reason));
    expect(answer.included).toBe(3);
  });

  test("behavior: what is skipped depends on state and order alone", async () => {
    const payloads = await Promise.all([
      signed(ALICE, { nonce: 1 }),
      signed(ALICE, { nonce: 0 }),
      signed(ALICE, { nonce: 1 }),
      signed(BOB, { nonce: 0 }),
    ]);
    const one = await execute(executor, 1, payloads);
    const elsewhere = await temporaryDirectory();
    const other = await openExecutor(elsewhere);
    const two = await execute(other, 1, payloads);
    expect(two).toEqual(one);
    expect(one.skipped).toEqual([{ index: 0, reason: "NONCE_TOO_HIGH" }]);
    await other.close();
    await removeDirectory(elsewhere);
  });

  test("a block of nothing but gibberish is an empty block", async () => {
    const answer = await execute(executor, 1, [Uint8Array.of(1), Uint8Array.of(2)]);
    expect(answer).toMatchObject({ outcome: "block", number: 1, included: 0 });
    expect(answer.skipped).toHaveLength(2);
  });

  test("a contract that calls the KZG precompile runs like any other", async () => {
    // Constructor: STATICCALL 0x0a with no input; return its success flag as code.
    const init = "0x5f5f5f5f600a5afa5f5260205ff3";
    const answer = await execute(executor, 1, [
      await signed(ALICE, { nonce: 0, gas: 500_000n, data: init, value: 0n }),
    ]);
    expect(answer.included).toBe(1);
  });
});

describe("the event loop", () => {
  test("behavior: others get their turns while a long transaction runs", async () => {
    const loop = "0x5b5f56"; // JUMPDEST PUSH0 JUMP: uses all the gas it has
    const text = await ALICE.signTransaction({
      type: "eip1559",
      chainId: TEST_CHAIN_ID,
      nonce: 0,
      gas: 3_000_000n,
      data: loop,
      maxFeePerGas: 2_000_000_000n,
    });
    let turns = 0;
    let isRunning = true;
    const turn = (): void => {
      turns += 1;
      if (isRunning) setImmediate(turn);
    };
    turn();
    const answer = await execute(executor, 1, [fromHex(text.slice(2))]);
    isRunning = false;
    expect(answer.gasUsed).toBe(3_000_000n);
    // Hundreds of milliseconds of work, cut into slices of a few.
    expect(turns).toBeGreaterThan(10);
  });
});

describe("crashes", () => {
  test("behavior: a failed write leaves nothing, and the request may be repeated", async () => {
    await execute(executor, 1, [await signed(ALICE, { nonce: 0 })]);
    const request = blockRequest(2, [await signed(ALICE, { nonce: 1, to: PAUPER.address })]);
    vi.spyOn(executor.store, "commitBlock").mockRejectedValueOnce(new Error("disk full"));
    await expect(executor.executeBlock(request)).rejects.toMatchObject({
      info: { code: "EXECUTION_INTERNAL" },
    });
    expect(executor.head().number).toBe(1);
    expect(await balance(PAUPER.address)).toBe(0n);
    const answer = await executor.executeBlock(request);
    expect(answer).toMatchObject({ number: 2, included: 1 });
    expect(await balance(PAUPER.address)).toBe(1n);
  });

  test("behavior: a write that failed after reaching the disk is not done twice", async () => {
    const request = blockRequest(1, [await signed(ALICE, { nonce: 0, to: PAUPER.address })]);
    const write = executor.store.commitBlock.bind(executor.store);
    vi.spyOn(executor.store, "commitBlock").mockImplementationOnce(async (commit) => {
      await write(commit);
      throw new Error("lost the answer");
    });
    await expect(executor.executeBlock(request)).rejects.toThrow(/could not be executed/);
    expect(await executor.executeBlock(request)).toMatchObject({ number: 1, included: 1 });
    expect(await balance(PAUPER.address)).toBe(1n);
    await execute(executor, 2, [await signed(ALICE, { nonce: 1, to: PAUPER.address })]);
    expect(await balance(PAUPER.address)).toBe(2n);
  });

  test("behavior: a failed read of state stops the block instead of skipping a transaction", async () => {
    await reopen();
    const payload = await signed(ALICE, { nonce: 0 });
    vi.spyOn(executor.db, "lookup").mockImplementationOnce(() => {
      throw new Error("bad sector");
    });
    await expect(execute(executor, 1, [payload])).rejects.toMatchObject({
      info: { code: "EXECUTION_INTERNAL" },
    });
    expect(await execute(executor, 1, [payload])).toMatchObject({ included: 1 });
  });

  test("behavior: reopened after every block, it is where one that never stopped would be", async () => {
    const elsewhere = await temporaryDirectory();
    const steady = await openExecutor(elsewhere);
    let nonce = 0;
    for (let height = 1; height <= 6; height++) {
      const payloads =
        height % 3 === 0
          ? []
          : [await signed(ALICE, { nonce: nonce++, to: PAUPER.address }), Uint8Array.of(height)];
      expect(await execute(executor, height, payloads)).toEqual(
        await execute(steady, height, payloads),
      );
      await reopen();
    }
    expect(await executor.getStatus()).toEqual(await steady.getStatus());
    await steady.close();
    await removeDirectory(elsewhere);
  });

  test("error: calls after close are refused", async () => {
    await executor.close();
    await expect(execute(executor, 1, [])).rejects.toMatchObject({
      info: { code: "EXECUTION_CLOSED" },
    });
  });
});

describe("setFinality", () => {
  test("moves forward only, survives a restart, and knows its blocks", async () => {
    for (let height = 1; height <= 3; height++) {
      await execute(executor, height, [await signed(ALICE, { nonce: height - 1 })]);
    }
    const hash = (number: number): Uint8Array => executor.blockHash(number) ?? new Uint8Array(0);
    const status = await executor.setFinality({ safeHash: hash(3), finalizedHash: hash(1) });
    expect([status.safe.number, status.finalized.number]).toEqual([3, 1]);
    await executor.setFinality({ safeHash: hash(3), finalizedHash: hash(1) });
    for (const [safe, finalized] of [
      [2, 1],
      [3, 0],
    ] as const) {
      await expect(
        executor.setFinality({ safeHash: hash(safe), finalizedHash: hash(finalized) }),
      ).rejects.toMatchObject({ info: { code: "EXECUTION_FINALITY_REGRESSION" } });
    }
    await expect(
      executor.setFinality({ safeHash: new Uint8Array(32), finalizedHash: hash(1) }),
    ).rejects.toMatchObject({ info: { code: "EXECUTION_BLOCK_UNKNOWN" } });
    await reopen();
    const after = await executor.getStatus();
    expect([after.safe.number, after.finalized.number]).toEqual([3, 1]);
  });

  test("D7: each label has its own metric, which moves with it and is right after a restart", async () => {
    await executor.close();
    const open = async () => {
      const registry = createPrometheusRegistry();
      executor = await openExecutor(directory, testGenesis(), createAdapterMetrics(registry).evm);
      return async () => {
        const text = await registry.text();
        return ["head", "safe", "finalized"].map((label) =>
          Number(new RegExp(`^weft_evm_${label}_number (\\d+)$`, "m").exec(text)?.[1]),
        );
      };
    };
    let shown = await open();
    for (let height = 1; height <= 4; height++) {
      await execute(executor, height, [await signed(ALICE, { nonce: height - 1 })]);
    }
    expect(await shown()).toEqual([4, 0, 0]);
    const hash = (number: number): Uint8Array => executor.blockHash(number) ?? new Uint8Array(0);
    for (const [safe, finalized] of [
      [2, 1],
      [3, 1],
      [3, 2],
    ] as const) {
      await executor.setFinality({ safeHash: hash(safe), finalizedHash: hash(finalized) });
      expect(await shown()).toEqual([4, safe, finalized]);
    }
    await executor.close();
    shown = await open();
    expect(await shown()).toEqual([4, 3, 2]);
  });

  test("error: finalized above safe", async () => {
    await execute(executor, 1, [await signed(ALICE, { nonce: 0 })]);
    const genesis = executor.blockHash(0) ?? new Uint8Array(32);
    const safeHash = genesis;
    await expect(
      executor.setFinality({ safeHash, finalizedHash: executor.head().hash }),
    ).rejects.toMatchObject({ info: { code: "EXECUTION_FINALITY_REGRESSION" } });
  });
});

/** RLP of as many nested lists as fit, correctly encoded: deep enough to exhaust a recursive reader. */
function nestedLists(depth: number): Uint8Array {
  const heads: number[][] = [];
  let length = 0;
  for (let i = 0; i < depth; i++) {
    const size: number[] = [];
    for (let rest = length; rest > 0; rest >>= 8) size.unshift(rest & 0xff);
    const head = length < 56 ? [0xc0 + length] : [0xf7 + size.length, ...size];
    heads.push(head);
    length += head.length;
  }
  return Uint8Array.from(heads.reverse().flat());
}

/** The transaction with its s set to 0xff.., or (fill 0) its r set to the order of the group. */
function withSignature(raw: Uint8Array, fill: number): Uint8Array {
  const copy = raw.slice();
  const order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
  if (fill === 0) copy.set(fromHex(order), copy.length - 65);
  else copy.fill(fill, copy.length - 32);
  return copy;
}

/** A legacy transfer of Bob's, with or without a chain id. */
async function legacyTransfer(chainId: number | undefined): Promise<Uint8Array> {
  const text = await BOB.signTransaction({
    type: "legacy",
    nonce: 0,
    to: PAUPER.address,
    gas: 21_000n,
    gasPrice: 2_000_000_000n,
    ...(chainId === undefined ? {} : { chainId }),
  });
  return fromHex(text.slice(2));
}

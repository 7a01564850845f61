import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createAddressFromString } from "@ethereumjs/util";
import { toFunctionSelector } from "viem";
import {
  atomicGenesis,
  bundleId,
  counterOf,
  decideRequest,
  DESK,
  deskTransaction,
  openDesk,
  prepare,
  prepareRequest,
  SIBLING,
  stateOf,
  tokensOf,
} from "../../../test/support/atomic-evm.ts";
import {
  ALICE,
  BOB,
  blockRequest,
  execute,
  openExecutor,
  PAUPER,
  removeDirectory,
  signed,
  temporaryDirectory,
} from "../../../test/support/evm-rollup.ts";
import { deskCall, expectedPayment, type SwapSide } from "../../../test/support/swap-desk.ts";
import { AtomicOutcome, NoReason, Verdict } from "../../../proto/codec/atomic-tx.ts";
import { toHex } from "../../../proto/bytes.ts";
import { Height } from "../../../proto/brands.ts";
import { NULL_LOGGER } from "../../../sequencer/ports/logger.ts";
import { EvmExecutor } from "../executor.ts";
import { NULL_EVM_METRICS } from "../metrics.ts";
import { REGISTRY_ADDRESS } from "./predeploys.ts";

const { COMMIT, ABORT } = AtomicOutcome;

let directory: string;
let executor: EvmExecutor;

beforeEach(async () => {
  directory = await temporaryDirectory();
  executor = await openExecutor(directory, atomicGenesis());
  await openDesk(executor);
});

afterEach(async () => {
  await executor.close();
  await removeDirectory(directory);
});

async function reopen(): Promise<void> {
  await executor.close();
  executor = await openExecutor(directory, atomicGenesis());
}

const root = (): string => toHex(executor.head().header.stateRoot);
const pay = (nonce: number, amount: bigint): Promise<Uint8Array> =>
  deskTransaction(BOB, nonce, deskCall.transfer(ALICE.address, amount));

async function balance(address: string): Promise<bigint> {
  return (await stateOf(executor).getAccount(createAddressFromString(address)))?.balance ?? 0n;
}

describe("a leg that can be executed", () => {
  test("is answered YES, changes nothing, and commits as it was staged, first in the block", async () => {
    const before = root();
    const answer = await prepare(executor, 2, "one", [await pay(0, 5n)]);
    expect(answer).toMatchObject({ verdict: Verdict.YES, reason: 0 });
    expect(toHex(answer.preStateRoot)).toBe(before);
    expect(answer.effectsHash).toHaveLength(32);
    expect(await execute(executor, 2, [])).toMatchObject({ outcome: "none" });
    expect(root()).toBe(before);

    expect(await executor.decideBundle(decideRequest(3, "one", COMMIT))).toEqual({
      prepared: answer,
    });
    const block = await execute(executor, 3, [await signed(ALICE, { nonce: 3 })]);
    expect(block).toMatchObject({ outcome: "block", included: 2, skipped: [] });
    expect(await tokensOf(executor, ALICE.address)).toBe(1_005n);
    const receipts = executor.store.receipts(executor.head().number) ?? [];
    expect(receipts.map(({ isSuccess }) => isSuccess)).toEqual([true, true]);
    const [leg, plain] = receipts;
    expect(leg?.sender).toEqual(createAddressFromString(BOB.address).bytes);
    expect(plain?.cumulativeGasUsed).toBe((leg?.gasUsed ?? 0n) + 21_000n);
    expect(block.gasUsed).toBe(plain?.cumulativeGasUsed);
    expect((await executor.getStatus()).openBundleCount).toBe(0);
  });

  test("behavior: comes to the very state that running it as a transaction comes to", async () => {
    const transaction = await pay(0, 5n);
    await prepare(executor, 2, "one", [transaction]);
    await execute(executor, 2, []);
    await executor.decideBundle(decideRequest(3, "one", COMMIT));
    await execute(executor, 3, []);
    const committed = await Promise.all([
      tokensOf(executor, BOB.address),
      balance(BOB.address),
      balance(`0x${"fe".repeat(20)}`),
    ]);
    const elsewhere = await temporaryDirectory();
    const plain = await openExecutor(elsewhere, atomicGenesis());
    await openDesk(plain);
    await execute(plain, 2, [transaction]);
    const [kept] = [executor];
    executor = plain;
    const executed = await Promise.all([
      tokensOf(executor, BOB.address),
      balance(BOB.address),
      balance(`0x${"fe".repeat(20)}`),
    ]);
    executor = kept;
    await plain.close();
    await removeDirectory(elsewhere);
    expect(committed).toEqual(executed);
  });

  test("behavior: leaves no trace when it is aborted, and its sender may go on", async () => {
    const before = root();
    await prepare(executor, 2, "one", [await pay(0, 5n)]);
    await execute(executor, 2, []);
    await executor.decideBundle(decideRequest(3, "one", ABORT));
    expect(await execute(executor, 3, [])).toMatchObject({ outcome: "none" });
    expect(root()).toBe(before);
    expect(await execute(executor, 4, [await pay(0, 7n)])).toMatchObject({ included: 1 });
    expect(await tokensOf(executor, ALICE.address)).toBe(1_007n);
  });

  test("behavior: no block is made for a decision to abort, one for a commit without payloads", async () => {
    const head = executor.head().number;
    await prepare(executor, 2, "one", [await pay(0, 5n)]);
    await execute(executor, 2, []);
    expect(executor.head().number).toBe(head);
    await executor.decideBundle(decideRequest(3, "one", COMMIT));
    expect(await execute(executor, 3, [])).toMatchObject({ outcome: "block", included: 1 });
  });
});

describe("locks", () => {
  test("behavior: a transaction that touches one pays and has no effect, its sender's other ones go on", async () => {
    await prepare(executor, 2, "one", [await pay(0, 5n)]);
    const touching = await deskTransaction(ALICE, 3, deskCall.transfer(BOB.address, 1n));
    const elsewhere = await deskTransaction(ALICE, 4, deskCall.mint(PAUPER.address, 9n));
    const answer = await execute(executor, 2, [touching, elsewhere]);
    expect(answer).toMatchObject({ included: 2, skipped: [] });
    const receipts = executor.store.receipts(executor.head().number) ?? [];
    expect(receipts.map(({ isSuccess }) => isSuccess)).toEqual([false, true]);
    expect(receipts[0]?.logs).toEqual([]);
    expect(await tokensOf(executor, ALICE.address)).toBe(1_000n);
    expect(await tokensOf(executor, PAUPER.address)).toBe(9n);
    await executor.decideBundle(decideRequest(3, "one", COMMIT));
    // Free again before the payloads of the very height that decides.
    const again = await deskTransaction(ALICE, 5, deskCall.transfer(BOB.address, 1n));
    await execute(executor, 3, [again]);
    expect(await tokensOf(executor, ALICE.address)).toBe(1_004n);
  });

  test("behavior: transactions of a locked sender are skipped, and money to it comes back", async () => {
    await prepare(executor, 2, "one", [await pay(0, 5n)]);
    const answer = await execute(executor, 2, [
      await signed(BOB, { nonce: 0 }),
      await signed(ALICE, { nonce: 3, to: BOB.address, value: 7n, gas: 50_000n }),
    ]);
    expect(answer).toMatchObject({ included: 1, skipped: [{ index: 0, reason: "LOCKED" }] });
    expect(await balance(BOB.address)).toBe(1_000n * 10n ** 18n);
    expect(executor.store.receipts(executor.head().number)?.[0]?.isSuccess).toBe(false);
  });

  test("behavior: two legs may call one contract, where they write what is not the same", async () => {
    const transfer = deskCall.transfer(PAUPER.address, 1n);
    const one = await prepare(executor, 2, "one", [await deskTransaction(BOB, 0, transfer)]);
    const other = await prepare(executor, 2, "other", [
      await deskTransaction(ALICE, 3, deskCall.count()),
    ]);
    expect([one.verdict, other.verdict]).toEqual([Verdict.YES, Verdict.YES]);
    await execute(executor, 2, []);
    await executor.decideBundle(decideRequest(3, "other", COMMIT));
    await executor.decideBundle(decideRequest(3, "one", COMMIT));
    expect(await execute(executor, 3, [])).toMatchObject({ included: 2 });
    expect([await tokensOf(executor, PAUPER.address), await counterOf(executor)]).toEqual([1n, 1n]);
    const senders = executor.store
      .receipts(executor.head().number)
      ?.map(({ sender }) => toHex(sender));
    expect(senders).toEqual([ALICE, BOB].map(({ address }) => address.slice(2).toLowerCase()));
  });

  test("behavior: a leg that finds one is answered NO and waits for nothing", async () => {
    await prepare(executor, 2, "first", [await deskTransaction(BOB, 0, deskCall.count())]);
    const second = await prepare(executor, 2, "second", [
      await deskTransaction(ALICE, 3, deskCall.count()),
    ]);
    expect(second).toMatchObject({ verdict: Verdict.NO, reason: NoReason.LOCKED });
    expect(second.preStateRoot).toHaveLength(0);
    await execute(executor, 2, []);
    const sender = await prepare(executor, 3, "third", [await signed(BOB, { nonce: 0 })]);
    expect(sender.reason).toBe(NoReason.LOCKED);
    await execute(executor, 3, []);
    await executor.decideBundle(decideRequest(4, "first", COMMIT));
    const fourth = await prepare(executor, 4, "fourth", [
      await deskTransaction(ALICE, 3, deskCall.count()),
    ]);
    expect(fourth.verdict).toBe(Verdict.YES);
    await execute(executor, 4, []);
    expect(await counterOf(executor)).toBe(1n);
    await executor.decideBundle(decideRequest(5, "fourth", COMMIT));
    await execute(executor, 5, []);
    expect(await counterOf(executor)).toBe(2n);
  });

  test("behavior: a caught failure in a locked contract does not save the transaction around it", async () => {
    // PUSH4 count(), MSTORE; CALL(gas, desk, 0, 28, 4, 0, 0); POP; SSTORE(0, 1): whatever the desk answers.
    const call = deskCall.count().slice(2, 10);
    const runtime = `63${call}600052600060006004601c600073${DESK.slice(2)}5af150600160005500`;
    const size = (runtime.length / 2).toString(16).padStart(2, "0");
    const init: `0x${string}` = `0x60${size}600c60003960${size}6000f3${runtime}`;
    const make = await ALICE.signTransaction({
      type: "eip1559",
      chainId: 7_001,
      nonce: 3,
      gas: 500_000n,
      maxFeePerGas: 2_000_000_000n,
      data: init,
    });
    await execute(executor, 2, [new Uint8Array(Buffer.from(make.slice(2), "hex"))]);
    const address = executor.store.receipts(executor.head().number)?.[0]?.contractAddress;
    const at: `0x${string}` = `0x${toHex(address ?? new Uint8Array(0))}`;
    await prepare(executor, 3, "two", [await deskTransaction(PAUPER, 0, deskCall.count())]);
    await execute(executor, 3, [await deskTransaction(ALICE, 4, "0x", at)]);
    // Nobody holds the counter (the pauper cannot pay): both writes stand.
    expect(executor.store.receipts(executor.head().number)?.[0]?.isSuccess).toBe(true);
    expect(await counterOf(executor)).toBe(1n);
    await executor.decideBundle(decideRequest(4, "two", ABORT));
    await prepare(executor, 4, "three", [await deskTransaction(BOB, 0, deskCall.count())]);
    await execute(executor, 4, [await deskTransaction(ALICE, 5, "0x", at)]);
    expect(executor.store.receipts(executor.head().number)?.[0]?.isSuccess).toBe(false);
    expect(await counterOf(executor)).toBe(1n);
  });
});

describe("a leg that cannot be executed", () => {
  const refusals: readonly [string, NoReason, () => Promise<readonly Uint8Array[]>][] = [
    ["nothing", NoReason.MALFORMED, () => Promise.resolve([])],
    ["gibberish", NoReason.MALFORMED, async () => [await pay(0, 1n), Uint8Array.of(1, 2)]],
    [
      "a message that is none",
      NoReason.MALFORMED,
      async () => [await pay(0, 1n), Uint8Array.of(0x6d, 0xc0)],
    ],
    ["a revert", NoReason.REVERTED, async () => [await pay(0, 5_000n)]],
    ["a nonce that is not next", NoReason.REVERTED, async () => [await pay(4, 1n)]],
    [
      "a sender without money",
      NoReason.REVERTED,
      async () => [await deskTransaction(PAUPER, 0, deskCall.count())],
    ],
    [
      "money for an account that did not opt in",
      NoReason.NOT_LOCKABLE,
      async () => [await signed(BOB, { nonce: 0, to: PAUPER.address, value: 1n })],
    ],
    [
      "storage of a contract that did not opt in",
      NoReason.NOT_LOCKABLE,
      async () => [await deskTransaction(BOB, 0, toFunctionSelector("optIn()"), REGISTRY_ADDRESS)],
    ],
    [
      "a new contract",
      NoReason.NOT_LOCKABLE,
      async () => [
        new Uint8Array(
          Buffer.from(
            (
              await BOB.signTransaction({
                type: "eip1559",
                chainId: 7_001,
                nonce: 0,
                gas: 100_000n,
                maxFeePerGas: 2_000_000_000n,
                data: "0x6001600c60003960016000f300",
              })
            ).slice(2),
            "hex",
          ),
        ),
      ],
    ],
  ];
  test.each(refusals)("%s", async (_, reason, payloads) => {
    const before = root();
    const answer = await prepare(executor, 2, "one", await payloads());
    expect(answer.reason).toBe(reason);
    expect(answer.verdict).toBe(Verdict.NO);
    await execute(executor, 2, []);
    await executor.decideBundle(decideRequest(3, "one", ABORT));
    expect(await execute(executor, 3, [])).toMatchObject({ outcome: "none" });
    expect(root()).toBe(before);
  });

  test("more locks than its sender paid for", async () => {
    const payloads = [await pay(0, 1n)];
    const answer = await prepare(executor, 2, "few", payloads, { locksMax: 3 });
    expect(answer.reason).toBe(NoReason.TOO_MANY_LOCKS);
    // Bob's account, the desk's, and two balances.
    expect((await prepare(executor, 2, "enough", payloads, { locksMax: 4 })).verdict).toBe(
      Verdict.YES,
    );
  });

  test("behavior: more gas than its locks stand for is more than its sender paid for, and is not run", async () => {
    // Locks of two payments of one account to another: four; gas limits: 400,000.
    const payloads = [await pay(0, 1n), await pay(1, 1n)];
    const legs = [
      [4, 0],
      [3, NoReason.TOO_MANY_LOCKS],
    ] as const;
    for (const [locksMax, reason] of legs.toReversed()) {
      const answer = await prepare(executor, 2, `${locksMax}`, payloads, { locksMax });
      expect(answer.reason, `${locksMax} locks`).toBe(reason);
    }
    // It would revert, if it were run.
    const poor = [await pay(0, 10n ** 30n)];
    const of = async (locksMax: number) =>
      (await prepare(executor, 2, `poor ${locksMax}`, poor, { locksMax })).reason;
    expect(await of(1)).toBe(NoReason.TOO_MANY_LOCKS);
  });

  test("behavior: what legs of one height are run for is bounded, whatever comes of them", async () => {
    // JUMPDEST PUSH1 0 JUMP: uses all it is given.
    const loop = async (nonce: number, gas: bigint) => [
      new Uint8Array(
        Buffer.from(
          (
            await ALICE.signTransaction({
              type: "eip1559",
              chainId: 7_001,
              nonce,
              gas,
              maxFeePerGas: 2_000_000_000n,
              data: "0x5b600056",
            })
          ).slice(2),
          "hex",
        ),
      ),
    ];
    // Half of a block's 60,000,000 for all; three of 12,000,000 are too much.
    const gas = 12_000_000n;
    const LOCKS = { locksMax: 256 };
    const reasons: number[] = [];
    for (const name of ["one", "two", "three"]) {
      reasons.push((await prepare(executor, 2, name, await loop(3, gas), LOCKS)).reason);
    }
    expect(reasons).toEqual([NoReason.REVERTED, NoReason.REVERTED, NoReason.OTHER]);
    await reopen();
    expect((await prepare(executor, 2, "four", await loop(3, gas), LOCKS)).reason).toBe(
      NoReason.OTHER,
    );
    // One that could not pay was not run, and takes nothing of it; the next height begins anew.
    await execute(executor, 2, []);
    const poor = await deskTransaction(PAUPER, 0, deskCall.count());
    expect((await prepare(executor, 3, "poor", [poor])).reason).toBe(NoReason.REVERTED);
    expect((await prepare(executor, 3, "five", [await pay(0, 1n)])).verdict).toBe(Verdict.YES);
  });

  test("error: a node that said NO does not commit", async () => {
    await prepare(executor, 2, "one", [await pay(4, 1n)]);
    await execute(executor, 2, []);
    await expect(executor.decideBundle(decideRequest(3, "one", COMMIT))).rejects.toMatchObject({
      code: "EXECUTION_HALTED",
    });
  });
});

describe("messages", () => {
  const side: SwapSide = {
    rollup: `0x${toHex(SIBLING)}`,
    desk: `0x${"dd".repeat(20)}`,
    session: `0x${"01".repeat(32)}`,
    other: BOB.address,
    give: 10n,
    take: 20n,
  };
  const own = { desk: DESK, payee: ALICE.address };

  test("behavior: a leg reads what it declares, and both boxes are in its answer", async () => {
    const swap = await deskTransaction(ALICE, 3, deskCall.swap(side));
    const answer = await prepare(executor, 2, "one", [expectedPayment(side, own), swap]);
    expect(answer.verdict).toBe(Verdict.YES);
    expect(answer.outbox).toMatchObject([{ rollupId: SIBLING }]);
    expect(answer.inbox).toMatchObject([{ rollupId: SIBLING }]);
    await execute(executor, 2, []);
    await executor.decideBundle(decideRequest(3, "one", COMMIT));
    await execute(executor, 3, []);
    expect(await tokensOf(executor, ALICE.address)).toBe(990n);
  });

  test("error: nothing declared, something else declared, from a stranger, one key twice", async () => {
    const swap = await deskTransaction(ALICE, 3, deskCall.swap(side));
    const message = expectedPayment(side, own);
    const reasonOf = async (name: string, payloads: readonly Uint8Array[]) =>
      (await prepare(executor, 2, name, payloads)).reason;
    expect(await reasonOf("none", [swap])).toBe(NoReason.REVERTED);
    const less = expectedPayment({ ...side, take: 19n }, own);
    expect(await reasonOf("less", [less, swap])).toBe(NoReason.REVERTED);
    const stranger = expectedPayment({ ...side, rollup: `0x${"77".repeat(32)}` }, own);
    expect(await reasonOf("stranger", [stranger, message, swap])).toBe(NoReason.MAILBOX);
    expect(await reasonOf("twice", [message, message, swap])).toBe(NoReason.MAILBOX);
  });

  test("behavior: an unread declared message is part of the inbox", async () => {
    const swap = await deskTransaction(ALICE, 3, deskCall.swap(side));
    const unread = expectedPayment({ ...side, session: `0x${"02".repeat(32)}` }, own);
    const one = await prepare(executor, 2, "one", [expectedPayment(side, own), unread, swap]);
    await execute(executor, 2, []);
    await executor.decideBundle(decideRequest(3, "one", ABORT));
    const other = await prepare(executor, 3, "two", [expectedPayment(side, own), swap]);
    expect(one.inbox[0]?.root).not.toEqual(other.inbox[0]?.root);
    expect(one.outbox).toEqual(other.outbox);
  });

  test("behavior: outside of a leg nothing can be written", async () => {
    const answer = await execute(executor, 2, [
      await deskTransaction(ALICE, 3, deskCall.swap(side)),
    ]);
    expect(answer.included).toBe(1);
    expect(executor.store.receipts(executor.head().number)?.[0]?.isSuccess).toBe(false);
  });
});

describe("calls that come again, late, or out of order", () => {
  test("behavior: the same answers after a restart at every point", async () => {
    const leg = [await pay(0, 5n)];
    const answer = await prepare(executor, 2, "one", leg);
    await reopen();
    expect(await prepare(executor, 2, "one", leg)).toEqual(answer);
    const touching = await deskTransaction(ALICE, 3, deskCall.transfer(BOB.address, 1n));
    await execute(executor, 2, [touching]);
    expect(executor.store.receipts(executor.head().number)?.[0]?.isSuccess).toBe(false);
    await reopen();
    expect(await prepare(executor, 2, "one", leg)).toEqual(answer);
    expect((await executor.getStatus()).openBundles).toEqual([
      { bundleId: bundleId("one"), sequencerHeight: 2, verdict: Verdict.YES },
    ]);
    const decision = decideRequest(3, "one", COMMIT);
    await executor.decideBundle(decision);
    await reopen();
    expect(await executor.decideBundle(decision)).toEqual({ prepared: answer });
    const block = await execute(executor, 3, []);
    await reopen();
    expect(await executor.decideBundle(decision)).toEqual({ prepared: answer });
    expect(await execute(executor, 3, [])).toEqual(block);
    expect(await prepare(executor, 2, "one", leg)).toEqual(answer);
    expect(await tokensOf(executor, ALICE.address)).toBe(1_005n);
  });

  test("error: unknown bundles, other heights, other blocks, other outcomes", async () => {
    const leg = [await pay(0, 5n)];
    await expect(executor.decideBundle(decideRequest(2, "none", ABORT))).rejects.toMatchObject({
      code: "EXECUTION_BUNDLE_UNKNOWN",
    });
    await expect(prepare(executor, 5, "one", leg)).rejects.toMatchObject({
      info: { code: "EXECUTION_HEIGHT_GAP", expected: 2, got: 5 },
    });
    await prepare(executor, 2, "one", leg);
    const { sequencerBlockHash } = blockRequest(9, []);
    await expect(prepare(executor, 2, "one", leg, { sequencerBlockHash })).rejects.toMatchObject({
      code: "EXECUTION_CONFLICT",
    });
    await expect(executor.decideBundle(decideRequest(2, "one", COMMIT))).rejects.toMatchObject({
      code: "EXECUTION_INVALID_REQUEST",
    });
    await expect(
      executor.executeBlock({ ...blockRequest(2, []), sequencerBlockHash }),
    ).rejects.toMatchObject({ code: "EXECUTION_CONFLICT" });
    await execute(executor, 2, []);
    await executor.decideBundle(decideRequest(3, "one", COMMIT));
    await expect(executor.decideBundle(decideRequest(3, "one", ABORT))).rejects.toMatchObject({
      code: "EXECUTION_CONFLICT",
    });
    await expect(
      executor.executeBlock({ ...blockRequest(3, []), sequencerBlockHash }),
    ).rejects.toMatchObject({ code: "EXECUTION_CONFLICT" });
    for (const wrong of [
      { locksMax: 0 },
      { locksMax: 257 },
      { siblingRollupIds: [] },
      { bundleId: new Uint8Array(31) },
      { leg: 2 },
    ]) {
      await expect(
        executor.prepareBundle({ ...prepareRequest(3, "two", leg), ...wrong }),
      ).rejects.toMatchObject({ code: "EXECUTION_INVALID_REQUEST" });
    }
  });

  test("behavior: a bundle that is placed again after its decision is another one", async () => {
    const leg = async (nonce: number) => [await pay(nonce, 5n)];
    await prepare(executor, 2, "one", await leg(0));
    await execute(executor, 2, []);
    await expect(prepare(executor, 3, "one", await leg(0))).rejects.toMatchObject({
      code: "EXECUTION_INVALID_REQUEST",
    });
    await executor.decideBundle(decideRequest(3, "one", ABORT));
    await execute(executor, 3, []);
    const again = await prepare(executor, 4, "one", await leg(0));
    expect(again.verdict).toBe(Verdict.YES);
    await execute(executor, 4, []);
    await reopen();
    await executor.decideBundle(decideRequest(5, "one", COMMIT));
    await execute(executor, 5, []);
    expect(await tokensOf(executor, ALICE.address)).toBe(1_005n);
    expect(executor.bundles.find(bundleId("one"))).toMatchObject({ height: 4 });
  });

  test("error: a decision after the preparations of its height", async () => {
    await prepare(executor, 2, "one", [await pay(0, 5n)]);
    await execute(executor, 2, []);
    await prepare(executor, 3, "two", [await deskTransaction(ALICE, 3, deskCall.count())]);
    await expect(executor.decideBundle(decideRequest(3, "one", ABORT))).rejects.toMatchObject({
      code: "EXECUTION_INVALID_REQUEST",
    });
  });

  test("error: a rollup whose genesis does not say atomic offers level 0", async () => {
    const elsewhere = await temporaryDirectory();
    const plain = await openExecutor(elsewhere, atomicGenesis({ atomic: false }));
    const init = await plain.init({
      rollupId: plain.rollupId,
      sequencerChainId: "test-network",
      sequencerStartHeight: Height(1),
    });
    expect(init.atomicLevel).toBe(0);
    await expect(prepare(plain, 1, "one", [])).rejects.toMatchObject({
      code: "EXECUTION_ATOMIC_UNSUPPORTED",
    });
    await plain.close();
    await removeDirectory(elsewhere);
  });

  test("error: a rollup whose payloads may wait for their block offers level 0, whatever its genesis says", async () => {
    const elsewhere = await temporaryDirectory();
    const gathering = await EvmExecutor.open(
      {
        dataDirectory: elsewhere,
        genesis: atomicGenesis(),
        environmentSource: { next: () => ({ kind: "gather" }) },
      },
      { logger: NULL_LOGGER, metrics: NULL_EVM_METRICS },
    );
    const init = await gathering.init({
      rollupId: gathering.rollupId,
      sequencerChainId: "test-network",
      sequencerStartHeight: Height(1),
    });
    expect(init.atomicLevel).toBe(0);
    expect(await execute(gathering, 1, [await pay(0, 1n)])).toMatchObject({ outcome: "gathered" });
    await expect(prepare(gathering, 2, "one", [await pay(0, 1n)])).rejects.toMatchObject({
      code: "EXECUTION_ATOMIC_UNSUPPORTED",
    });
    await gathering.close();
    await removeDirectory(elsewhere);
  });
});

import { beforeEach, describe, expect, test } from "vitest";
import { Height } from "../../../proto/brands.ts";
import { fromHex, toHex } from "../../../proto/bytes.ts";
import { ESCROW_CODEC } from "../../../proto/codec/mev-state.ts";
import { sha256 } from "../../../proto/hash.ts";
import { StakeWorld } from "../../../test/support/stake-world.ts";
import type { TestStakingContext } from "../../../test/support/staking-context.ts";
import { openingBlocks } from "../seal/items/room.ts";
import { AUCTIONS, ESCROW, ESCROW_QUEUE, heightKey } from "../state/tables.ts";
import {
  backingOf,
  depositEscrow,
  depositEscrowFault,
  escrowOf,
  freeEscrow,
  payEscrow,
  takeEscrow,
  withdrawEscrow,
  withdrawEscrowFault,
} from "./escrow.ts";

const ALICE = toHex(sha256(fromHex("01")).subarray(0, 20));
const BOB = toHex(sha256(fromHex("02")).subarray(0, 20));
const START = 1_000n;

let ctx: TestStakingContext;

beforeEach(() => {
  const world = new StakeWorld({ balances: { [ALICE]: START, [BOB]: START } });
  world.addValidator("v", 5_000_000n);
  world.start();
  ({ ctx } = world);
});

const deposit = (account: string, amount: bigint): void => {
  const action = { kind: "depositEscrow", amount } as const;
  expect(depositEscrowFault(ctx, account, action, ctx.balance(account))).toBeUndefined();
  depositEscrow(ctx, account, action);
};
const ask = (account: string, amount: bigint): void => {
  const action = { kind: "withdrawEscrow", amount } as const;
  expect(withdrawEscrowFault(ctx, account, action)).toBeUndefined();
  withdrawEscrow(ctx, account, action);
};
const faultOfAsking = (account: string, amount: bigint): string | undefined =>
  withdrawEscrowFault(ctx, account, { kind: "withdrawEscrow", amount })?.code;

/** Whether bids of the block at `height` wait. */
function setWaiting(height: number, isWaiting: boolean): void {
  const auction = {
    proposer: fromHex(ALICE),
    members: [],
    secondPrice: false,
    openBids: 1,
    bids: [],
  };
  ctx.records.set(AUCTIONS, heightKey(height, "alpha"), isWaiting ? auction : undefined);
}

/** Ends blocks up to that height, itself included; what stood in the pool at its end. */
function endBlocks(last: number): void {
  while (ctx.height <= last) {
    payEscrow(ctx);
    ctx.checkSupply();
    ctx.advance();
  }
}

describe("escrow", () => {
  test("behavior: what is deposited leaves the balance, and comes back some blocks after it was asked for", () => {
    deposit(ALICE, 600n);
    expect(ctx.balance(ALICE)).toBe(400n);
    expect(ctx.pool("escrow")).toBe(600n);
    const asked = ctx.height;
    ask(ALICE, 250n);
    expect(freeEscrow(escrowOf(ctx, ALICE))).toBe(350n);
    endBlocks(asked + 63);
    // It still backs bids.
    expect(escrowOf(ctx, ALICE).balance).toBe(600n);
    endBlocks(asked + 64);
    expect(ctx.balance(ALICE)).toBe(650n);
    expect(escrowOf(ctx, ALICE)).toEqual({ balance: 350n, withdrawals: [], deposits: [] });
    expect(ctx.records.keys(ESCROW_QUEUE)).toEqual([]);
    expect(ctx.events.map(({ type }) => type).filter((type) => type.includes("escrow"))).toEqual([
      "deposit_escrow",
      "withdraw_escrow",
      "pay_escrow",
    ]);
  });

  test("behavior: more than the balance, or than is not asked back yet, is refused", () => {
    const over = { kind: "depositEscrow", amount: START + 1n } as const;
    expect(depositEscrowFault(ctx, ALICE, over, ctx.balance(ALICE))?.code).toBe("ESCROW_FUNDS");
    expect(faultOfAsking(ALICE, 1n)).toBe("ESCROW_FUNDS");
    deposit(ALICE, 100n);
    ask(ALICE, 60n);
    expect(faultOfAsking(ALICE, 41n)).toBe("ESCROW_FUNDS");
    ask(ALICE, 40n);
  });

  test("behavior: requests of one block are one; a seventeenth block has to wait", () => {
    deposit(ALICE, 100n);
    for (let n = 0; n < 16; n++) {
      ask(ALICE, 1n);
      ask(ALICE, 2n);
      endBlocks(ctx.height);
    }
    expect(escrowOf(ctx, ALICE).withdrawals.map(({ amount }) => amount)).toEqual(
      Array.from({ length: 16 }, () => 3n),
    );
    expect(faultOfAsking(ALICE, 1n)).toBe("ESCROW_FULL");
    endBlocks(escrowOf(ctx, ALICE).withdrawals[0]?.height ?? 0);
    expect(faultOfAsking(ALICE, 1n)).toBeUndefined();
  });

  test("behavior: a payment takes free money first, then the latest request, and leaves the earlier ones", () => {
    deposit(ALICE, 100n);
    ask(ALICE, 20n);
    endBlocks(ctx.height);
    ask(ALICE, 30n);
    endBlocks(ctx.height);
    ask(ALICE, 10n);
    const pay = (amount: bigint): readonly bigint[] => {
      takeEscrow(ctx, ALICE, amount, ctx.height);
      ctx.burn("escrow", amount);
      return escrowOf(ctx, ALICE).withdrawals.map((one) => one.amount);
    };
    expect(pay(40n)).toEqual([20n, 30n, 10n]);
    expect(pay(15n)).toEqual([20n, 25n]);
    expect(ctx.records.keys(ESCROW_QUEUE)).toHaveLength(2);
    expect(pay(45n)).toEqual([]);
    expect(ctx.records.get(ESCROW, ALICE)).toBeUndefined();
    expect(ctx.records.keys(ESCROW_QUEUE)).toEqual([]);
    ctx.checkSupply();
  });

  test("behavior: nothing asked back is paid before bids of its block can be settled, however the windows change", () => {
    ctx.setParams({ escrowDelayBlocks: 1 });
    deposit(ALICE, 100n);
    ask(ALICE, 10n);
    const [first] = escrowOf(ctx, ALICE).withdrawals;
    // Ordered in this block, disputed in the last block that may open it, settled in the last after that.
    const lastSettled = ctx.height + 1 + openingBlocks(ctx) + 1 + openingBlocks(ctx);
    expect(first?.height).toBeGreaterThan(lastSettled);
    ctx.setParams({ escrowDelayBlocks: 500 });
    ask(ALICE, 10n);
    ctx.setParams({ escrowDelayBlocks: 1 });
    endBlocks(ctx.height);
    ask(ALICE, 10n);
    const heights = escrowOf(ctx, ALICE).withdrawals.map(({ height }) => height);
    expect(heights).toEqual(heights.toSorted((a, b) => a - b));
  });

  test("behavior: accounts are paid in order of their time, each what is due", () => {
    deposit(ALICE, 10n);
    deposit(BOB, 10n);
    ask(BOB, 4n);
    endBlocks(ctx.height);
    ask(ALICE, 10n);
    ask(BOB, 6n);
    endBlocks(ctx.height + 70);
    expect([ctx.balance(ALICE), ctx.balance(BOB)]).toEqual([START, START]);
    expect(ctx.pool("escrow")).toBe(0n);
  });
});

describe("what escrow backs", () => {
  /** What backs bids of each of these blocks. */
  const backings = (...heights: readonly number[]) =>
    heights.map((height) => backingOf(escrowOf(ctx, ALICE), height));
  const pay = (amount: bigint, height: number): void => {
    takeEscrow(ctx, ALICE, amount, height);
    ctx.burn("escrow", amount);
  };

  test("behavior: a deposit backs bids of its own block and of later ones", () => {
    const first = ctx.height;
    deposit(ALICE, 100n);
    setWaiting(first, true);
    endBlocks(first);
    deposit(ALICE, 30n);
    deposit(ALICE, 10n);
    endBlocks(first + 1);
    deposit(ALICE, 5n);
    expect(backings(first, first + 1, first + 2)).toEqual([100n, 140n, 145n]);
    expect(escrowOf(ctx, ALICE).deposits).toEqual([
      { height: first + 1, amount: 40n },
      { height: first + 2, amount: 5n },
    ]);
  });

  test("attack: money that an auction took is not replaced by a later deposit", () => {
    const first = ctx.height;
    deposit(ALICE, 100n);
    setWaiting(first, true);
    endBlocks(first);
    pay(100n, first);
    expect(ctx.records.get(ESCROW, ALICE)).toBeUndefined();
    deposit(ALICE, 100n);
    expect(backings(first, first + 1)).toEqual([0n, 100n]);
  });

  test("behavior: bids are paid with what was put in last before them, so that earlier ones keep theirs", () => {
    const first = ctx.height;
    deposit(ALICE, 100n);
    setWaiting(first, true);
    for (const amount of [20n, 30n, 40n]) {
      endBlocks(ctx.height);
      deposit(ALICE, amount);
    }
    pay(45n, first + 2);
    expect(backings(first, first + 1, first + 2, first + 3)).toEqual([100n, 105n, 105n, 145n]);
    pay(25n, first + 2);
    expect(backings(first, first + 1, first + 2, first + 3)).toEqual([80n, 80n, 80n, 120n]);
    expect(() => takeEscrow(ctx, ALICE, 81n, first + 2)).toThrow(/nweft of escrow/);
  });

  test("behavior: what is asked back is what was put in first", () => {
    const first = ctx.height;
    deposit(ALICE, 100n);
    setWaiting(first, true);
    ask(ALICE, 80n);
    endBlocks(first);
    deposit(ALICE, 50n);
    pay(60n, first);
    // Free money went first, so that 80 of 90 are still asked back.
    endBlocks(first + 70);
    expect(escrowOf(ctx, ALICE)).toEqual({
      balance: 10n,
      withdrawals: [],
      deposits: [{ height: first + 1, amount: 10n }],
    });
    expect(backings(first)).toEqual([0n]);
  });

  test("behavior: a record without deposits has the bytes that it always had", () => {
    const state = {
      balance: 300n,
      withdrawals: [{ height: Height(7), amount: 2n }],
      deposits: [],
    };
    expect(toHex(ESCROW_CODEC.encode(state))).toBe("08ac02120408071002");
    expect(ESCROW_CODEC.decode(fromHex("08ac02120408071002"))).toEqual(state);
    const late = { ...state, deposits: [{ height: Height(9), amount: 1n }] };
    expect(toHex(ESCROW_CODEC.encode(late))).toBe("08ac021204080710021a0408091001");
  });

  test("behavior: deposits are told apart while bids wait only; of 64 blocks at most", () => {
    const first = ctx.height;
    deposit(ALICE, 100n);
    expect(escrowOf(ctx, ALICE).deposits).toEqual([]);
    setWaiting(first, true);
    for (let n = 0; n < 64; n++) {
      endBlocks(ctx.height);
      deposit(ALICE, 1n);
    }
    deposit(ALICE, 1n);
    setWaiting(ctx.height, true);
    endBlocks(ctx.height);
    const action = { kind: "depositEscrow", amount: 1n } as const;
    const fault = () => depositEscrowFault(ctx, ALICE, action, ctx.balance(ALICE))?.code;
    expect(fault()).toBe("ESCROW_FULL");
    // The oldest auction is settled: what came before the next one backs all that wait.
    setWaiting(first, false);
    expect(fault()).toBeUndefined();
    deposit(ALICE, 1n);
    expect(escrowOf(ctx, ALICE).deposits).toEqual([{ height: ctx.height, amount: 1n }]);
  });
});

import { beforeEach, describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../../proto/bytes.ts";
import { sha256 } from "../../../proto/hash.ts";
import { StakeWorld } from "../../../test/support/stake-world.ts";
import type { TestStakingContext } from "../../../test/support/staking-context.ts";
import { openingBlocks } from "../seal/items/room.ts";
import { ESCROW, ESCROW_QUEUE } from "../state/tables.ts";
import {
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
  expect(depositEscrowFault(action, ctx.balance(account))).toBeUndefined();
  depositEscrow(ctx, account, action);
};
const ask = (account: string, amount: bigint): void => {
  const action = { kind: "withdrawEscrow", amount } as const;
  expect(withdrawEscrowFault(ctx, account, action)).toBeUndefined();
  withdrawEscrow(ctx, account, action);
};
const faultOfAsking = (account: string, amount: bigint): string | undefined =>
  withdrawEscrowFault(ctx, account, { kind: "withdrawEscrow", amount })?.code;

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
    expect(escrowOf(ctx, ALICE)).toEqual({ balance: 350n, withdrawals: [] });
    expect(ctx.records.keys(ESCROW_QUEUE)).toEqual([]);
    expect(ctx.events.map(({ type }) => type).filter((type) => type.includes("escrow"))).toEqual([
      "deposit_escrow",
      "withdraw_escrow",
      "pay_escrow",
    ]);
  });

  test("behavior: more than the balance, or than is not asked back yet, is refused", () => {
    const over = { kind: "depositEscrow", amount: START + 1n } as const;
    expect(depositEscrowFault(over, ctx.balance(ALICE))?.code).toBe("ESCROW_FUNDS");
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
      takeEscrow(ctx, ALICE, amount);
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

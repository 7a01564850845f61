/**
 * The same as `mev-ledger`, on an application: random deposits, requests, bids, bundles with tips, data with fees and
 * claims, validators that withhold their shares until bids expire. After each block all nweft are somewhere.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { toHex } from "../../proto/bytes.ts";
import type { Action } from "../../proto/codec/weft-tx.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { escrowOf } from "../../sequencer/app/auction/escrow.ts";
import { NO_REVENUE } from "../../sequencer/app/distribution/rewards.ts";
import { AUCTIONS, REVENUE, SEALED } from "../../sequencer/app/state/tables.ts";
import { makeBid } from "../support/bidding.ts";
import { bundleOf } from "../support/bundles.ts";
import {
  expectSupply,
  loseSecrets,
  type SealedChain,
  startSealedChain,
} from "../support/sealed-app.ts";
import {
  type ChainOptions,
  dataFor,
  signedItem,
  unordered,
  type Wallet,
  wallet,
} from "../support/weft-app.ts";

const ROLLUPS: NonNullable<ChainOptions["rollups"]> = {
  alpha: { auction: true, auction_members: ["beta", "gamma"], reserve: "1000" },
  beta: { auction: true, auction_leader: "alpha", revenue_share_bps: 10_000 },
  gamma: { auction: true, auction_leader: "alpha", revenue_share_bps: 0 },
  solo: { auction: true, second_price: true, reserve: "10" },
};
const NAMES = Object.keys(ROLLUPS);
const WALLETS = 4;

const sender = fc.nat(WALLETS - 1);
const amount = fc.bigInt({ min: 1n, max: 3_000_000n });
const name = fc.constantFrom(...NAMES);
const command = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("deposit" as const), sender, amount }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("withdraw" as const), sender, amount }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("bid" as const),
      sender,
      amount,
      tops: fc.uniqueArray(fc.constantFrom("alpha", "beta", "gamma"), { minLength: 1 }),
      isSolo: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("bundle" as const), sender, name, amount }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("data" as const), sender, name }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("claim" as const), name }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("block" as const) }) },
);
type Command = typeof command extends fc.Arbitrary<infer Value> ? Value : never;

function itemOf(sealed: SealedChain, salt: string, one: Exclude<Command, { kind: "block" }>) {
  const { chain, keys } = sealed;
  const replay = unordered(chain.height + 20, salt);
  const by = (from: Wallet, action: Action): Uint8Array => signedItem(from, replay, action);
  switch (one.kind) {
    case "deposit":
      return by(wallet(one.sender), { kind: "depositEscrow", amount: one.amount });
    case "withdraw":
      return by(wallet(one.sender), { kind: "withdrawEscrow", amount: one.amount });
    case "bid": {
      const names = one.isSolo ? ["solo"] : one.tops;
      const tops = Object.fromEntries(names.map((rollup) => [rollup, salt]));
      const offer = { amount: one.amount, tops, group: one.isSolo ? "solo" : "alpha" };
      return makeBid(wallet(one.sender), replay, keys[0], chain.height + 1, offer).item;
    }
    case "bundle": {
      const maxHeight = chain.height + 20;
      const legs = [{ rollup: one.name, tip: one.amount }];
      return by(wallet(one.sender), bundleOf(legs, { maxHeight }));
    }
    case "data":
      return by(wallet(one.sender), dataFor(one.name, salt));
    case "claim":
      // The owner of all rollups.
      return by(wallet(0), { kind: "claimRollupRevenue", rollupId: rollupIdOfName(one.name) });
  }
}

async function checkBlock({ chain }: SealedChain): Promise<void> {
  await expectSupply(chain);
  const supply = chain.app.read.supply();
  const reader = chain.app.read.staking();
  let escrow = 0n;
  for (let n = 0; n < WALLETS; n++) {
    escrow += escrowOf(reader, toHex(wallet(n).address)).balance;
  }
  expect(escrow).toBe(supply.escrow);
  let revenue = 0n;
  for (const one of NAMES) {
    const id = toHex(rollupIdOfName(one));
    const { accrued, claimed } = reader.records.get(REVENUE, id) ?? NO_REVENUE;
    revenue += accrued - claimed;
  }
  expect(revenue).toBe(supply.rollupRevenue);
  let held = 0n;
  for (const key of reader.records.keys(SEALED)) {
    for (const { fee, bond } of reader.records.get(SEALED, key)?.items ?? []) held += fee + bond;
  }
  for (const key of reader.records.keys(AUCTIONS)) {
    for (const { fee, bond } of reader.records.get(AUCTIONS, key)?.bids ?? []) held += fee + bond;
  }
  expect(held).toBe(supply.sealed);
}

test("property: after each block of an application, all nweft of auctions, tips, escrow and claims are somewhere", async () => {
  let settled = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(command, { minLength: 30, maxLength: 60 }),
      fc.boolean(),
      async (commands, isShy) => {
        const sealed = await startSealedChain({
          validators: 1,
          rollups: ROLLUPS,
          wallets: WALLETS,
          params: { bid_escrow_min: "1000", escrow_delay_blocks: 1 },
        });
        const { chain } = sealed;
        for (let n = 0; n < WALLETS; n++) {
          const one = { kind: "deposit", sender: n, amount: 1_000_000n } as const;
          await chain.submit(itemOf(sealed, `first ${n}`, one));
        }
        await chain.step(0);
        const giveBack = isShy ? loseSecrets(chain, [0]) : () => {};
        const step = async (): Promise<void> => {
          const { response } = await chain.step(0);
          settled += response.events.filter(({ type }) => type === "auction_settled").length;
          await checkBlock(sealed);
        };
        for (const [at, one] of commands.entries()) {
          if (one.kind === "block") await step();
          // What the pool refuses is refused: accounts run out of escrow.
          else await chain.submit(itemOf(sealed, `salt ${at}`, one));
          if (at === commands.length - 5) giveBack();
        }
        for (let n = 0; n < 24; n++) await step();
        expect(chain.app.read.supply().sealed).toBe(0n);
        expect(chain.app.read.staking().records.keys(AUCTIONS)).toEqual([]);
      },
    ),
    { numRuns: 5 },
  );
  expect(settled).toBeGreaterThan(5);
});

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pooledSupply } from "../../proto/codec/weft-state.ts";
import { block, submitDrafts, VALIDATORS, WALLETS } from "../support/tx-drafts.ts";
import {
  dataFor,
  nonce,
  signedItem,
  sumOfBalances,
  TestChain,
  unordered,
  wallet,
} from "../support/weft-app.ts";

describe("application properties", () => {
  test("property: every prepared block is accepted by every node whatever its pool, and supply is conserved", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(block, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1_500, max: 20_000 }),
        async (blocks, maxTxBytes) => {
          // Tight, so that quotas and counts decide what goes in.
          const params = {
            rollup_deposit: "1000000",
            policy_delay: 1,
            block_bytes_target: 4_096,
            unordered_per_block_max: 3,
            rollup_quota_bps: 800,
            rollup_quota_bytes_floor: 1_024,
          };
          const chain = await TestChain.start({
            validators: VALIDATORS,
            wallets: WALLETS,
            maxTxBytes,
            blockBytesMax: 65_536,
            params,
          });
          const total = chain.app.read.supply().total;
          for (const [at, { drafts, proposer }] of blocks.entries()) {
            await submitDrafts(chain, drafts, at);
            // Asserts that all nodes accept and reach one app hash.
            const { txs } = await chain.step(proposer);
            const size = txs.reduce((sum, tx) => sum + tx.length + 5, 0);
            expect(size).toBeLessThanOrEqual(maxTxBytes);
            for (const node of chain.nodes) {
              const supply = node.app.read.supply();
              expect(supply.total).toBe(total);
              expect((await sumOfBalances(node)) + pooledSupply(supply)).toBe(total);
            }
          }
          // Not by falling back to the minimal block, which would hide a bad builder.
          for (const { watch } of chain.nodes) expect(watch.fallbacks).toBe(0);
          // A node that starts again from its database goes on with the others.
          await chain.restart(1);
          await chain.step(1);
          // One that gets the decided blocks only ends where they are.
          const replayed = await chain.replay();
          expect(replayed.read.appHash()).toEqual(chain.app.read.appHash());
        },
      ),
      { numRuns: 25 },
    );
  }, 60_000);

  test("property: whatever bytes a proposer sends, nothing throws and nothing changes", async () => {
    const chain = await TestChain.start({ validators: VALIDATORS, wallets: WALLETS });
    await chain.step();
    await chain.submit(signedItem(wallet(0), nonce(0), dataFor("alpha", "one", "two")));
    await chain.submit(signedItem(wallet(1), unordered(9), dataFor("alpha", "three")));
    // All of it is data for one rollup, so the manifest pins every item and its place.
    const good = await chain.prepare(0);
    const before = chain.app.read.appHash();
    const damage = fc.record({
      item: fc.nat(good.length - 1),
      at: fc.nat(2_000),
      byte: fc.nat(255),
      action: fc.constantFrom("set", "cut", "insert", "drop", "repeat", "replace", "swap"),
      junk: fc.uint8Array({ maxLength: 80 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 3 }), async (damages) => {
        const txs = good.map((tx) => tx.slice());
        for (const { item, at, byte, action, junk } of damages) {
          const index = item % Math.max(txs.length, 1);
          const target = txs[index];
          if (target === undefined) continue;
          const place = at % Math.max(target.length, 1);
          if (action === "set") target[place] = byte;
          else if (action === "cut") txs[index] = target.slice(0, place);
          else if (action === "insert") {
            txs[index] = Uint8Array.from([
              ...target.slice(0, place),
              ...junk,
              ...target.slice(place),
            ]);
          } else if (action === "drop") txs.splice(index, 1);
          else if (action === "repeat") txs.push(target);
          else if (action === "replace") txs[index] = junk;
          else txs.reverse();
        }
        const isSame =
          txs.length === good.length &&
          txs.every((tx, n) => Buffer.compare(tx, good[n] ?? tx) === 0);
        const reason = await chain.refusal(txs, 1);
        expect(reason === undefined, reason ?? "accepted").toBe(isSame);
        expect(chain.node(1).app.read.appHash()).toEqual(before);
      }),
      { numRuns: 400 },
    );
    await chain.decide(good);
  }, 60_000);

  test("property: whatever bytes are submitted, CheckTx answers with a code", async () => {
    const chain = await TestChain.start({ validators: 1, wallets: WALLETS });
    const good = signedItem(wallet(0), nonce(0), dataFor("alpha", "one", "two"));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => good.with(at, byte)),
        ),
        async (bytes) => {
          const isGood = Buffer.compare(bytes, good) === 0;
          const { code, log } = await chain.app.checkTx({ tx: bytes, type: "new" });
          expect(code !== 0 || isGood).toBe(true);
          expect(code === 0 || log !== "").toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  }, 60_000);
});

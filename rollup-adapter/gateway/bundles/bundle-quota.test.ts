import { describe, expect, it } from "vitest";
import { RevertMode } from "../../../proto/codec/mev-tx.ts";
import { createQuota } from "../quota.ts";
import { type BundleSender, createBundleQuota } from "./bundle-quota.ts";
import type { BundleRequest } from "./requests.ts";

const rollupId = new Uint8Array(32);
const EMPTY = new Uint8Array(0);

function request(maxHeight: number): BundleRequest {
  const legs = [{ rollupId, txs: [new Uint8Array(10)], revertMode: RevertMode.ALLOW, tip: 0n }];
  return { legs, minHeight: undefined, maxHeight, replacement: undefined, isEncrypted: false };
}

function fixture(spendPerMinute = 0n) {
  let count = 0;
  const state = { isRefusing: false };
  const send = () => {
    if (state.isRefusing) return Promise.reject(new Error("refused"));
    count += 1;
    const id = new Uint8Array(32).fill(count);
    return Promise.resolve({ id, bundleId: EMPTY, sequence: undefined });
  };
  const gateway: BundleSender = { sendBundle: send, sendSealed: send, sendBid: send };
  const quota = createQuota(
    () => ({ waitingMax: 2, spendPerMinute }),
    () => 0,
  );
  return { state, bundles: createBundleQuota(gateway, quota, () => Promise.resolve(1n)) };
}

describe("a searcher's share of the gateway's account", () => {
  it("behavior: is its own, and free again when its bundle is ordered, or its window over", async () => {
    const { bundles } = fixture();
    const one = bundles.senderFor("key one");
    const first = await one.sendBundle(request(20), EMPTY);
    await one.sendSealed(rollupId, new Uint8Array(5));
    await expect(one.sendBundle(request(20), EMPTY)).rejects.toThrow(
      "2 of key one wait already, at most 2 may",
    );
    // Others notice nothing of it.
    await bundles.senderFor("address 1.1.1.1").sendBundle(request(20), EMPTY);
    bundles.blockOrdered(11, [first.id]);
    await one.sendBundle(request(13), EMPTY);
    await expect(one.sendBundle(request(20), EMPTY)).rejects.toThrow("wait already");
    bundles.blockOrdered(12, []);
    await expect(one.sendBundle(request(20), EMPTY)).rejects.toThrow("wait already");
    bundles.blockOrdered(13, []);
    await one.sendBundle(request(20), EMPTY);
  });

  it("behavior: has the tips and bids in it that are offered in the gateway's name", async () => {
    const { bundles } = fixture(100n);
    const one = bundles.senderFor("key one");
    const legs = [{ rollupId, txs: [new Uint8Array(10)] }];
    const bid = { legs, amount: 60n, minHeight: undefined, maxHeight: 20 };
    await one.sendBid(bid);
    await expect(one.sendBid(bid)).rejects.toThrow("ordering costs 61 nweft");
    const [leg] = request(20).legs;
    if (leg === undefined) throw new Error("a bundle has a leg");
    const tipped = { ...request(20), legs: [{ ...leg, tip: 39n }] };
    await expect(one.sendBundle(tipped, EMPTY)).rejects.toThrow("39 are left");
    await one.sendBundle(request(20), EMPTY);
  });

  it("behavior: is not used up by what the sequencer refuses", async () => {
    const { state, bundles } = fixture();
    const one = bundles.senderFor("key one");
    state.isRefusing = true;
    for (let i = 0; i < 3; i++) {
      await expect(one.sendBundle(request(20), EMPTY)).rejects.toThrow("refused");
    }
    state.isRefusing = false;
    await one.sendBundle(request(20), EMPTY);
    await one.sendBundle(request(20), EMPTY);
  });
});

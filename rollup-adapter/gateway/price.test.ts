import { describe, expect, it } from "vitest";
import { createGroup } from "../../mev/seal/group/group.ts";
import { sealContent } from "../../mev/seal/sealed-content.ts";
import { createTdh2 } from "../../mev/seal/tdh2.ts";
import { Height, RollupId } from "../../proto/brands.ts";
import { fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { txItemBytes } from "../../proto/codec/weft-block.ts";
import { rollupData, rollupIdOfName, type TxBody } from "../../proto/codec/weft-tx.ts";
import { sha512Concat } from "../../proto/hash.ts";
import { sealRandomness } from "../client/seal-transaction.ts";
import type { ChainInfo } from "../client/sequencer-client.ts";
import { PRICE_AGE_MS } from "../limits.ts";
import { createOrderPrice } from "./price.ts";

const rollupId = RollupId(toHex(rollupIdOfName("alpha")));
const CHAIN: ChainInfo = {
  chainId: "weft-test",
  height: Height(10),
  initialHeight: Height(1),
  earliestHeight: Height(1),
  baseFeePerByte: 3n,
  unorderedWindow: 600,
  itemBytesMax: 1 << 20,
  isCatchingUp: false,
};
const TERMS: Omit<TxBody, "action"> = {
  publicKey: new Uint8Array(32).fill(7),
  replay: { kind: "unordered", expiryHeight: Height(70), salt: new Uint8Array(8) },
  fee: { maxFeePerByte: 8n, tipPerByte: 2n },
};

function fixture() {
  const state = { nowMs: 0, asked: 0, chain: CHAIN as ChainInfo | undefined };
  const client = {
    chainInfo() {
      state.asked += 1;
      return state.chain === undefined
        ? Promise.reject(new Error("away"))
        : Promise.resolve(state.chain);
    },
  };
  const monotonicMs = () => state.nowMs;
  return { state, price: createOrderPrice({ rollupId, tipPerByte: 2n }, { client, monotonicMs }) };
}

describe("what the order of a payload costs", () => {
  it("behavior: is what a submission of it alone is charged, or a little more", async () => {
    const { price } = fixture();
    const group = createGroup();
    const tdh2 = createTdh2(group);
    const secret = group.scalars.reduceWide(sha512Concat(utf8ToBytes("secret")));
    const key = { number: 1, publicKey: group.mulBase(secret) };
    for (const bytes of [1, 110, 1_000, 30_000, 65_000]) {
      const payload = new Uint8Array(bytes).fill(1);
      const plain = txItemBytes({ ...TERMS, action: rollupData(fromHex(rollupId), [payload]) });
      const sealed = sealContent(
        tdh2,
        {
          ...TERMS,
          chainId: "weft-test",
          key,
          parts: [{ rollupId: fromHex(rollupId), data: [payload] }],
          maxHeight: Height(69),
        },
        sealRandomness(),
      );
      const sealedSize = txItemBytes({ ...TERMS, action: sealed });
      for (const [size, isSealed] of [
        [plain, false],
        [sealedSize, true],
      ] as const) {
        const cost = await price.costOf(bytes, isSealed);
        expect(cost).toBeGreaterThanOrEqual(BigInt(size) * 5n);
        expect(cost).toBeLessThan(BigInt(size + 64) * 5n);
      }
    }
  });

  it("behavior: is asked of a node now and then, by all that ask at once together", async () => {
    const { state, price } = fixture();
    await Promise.all([price.costOf(1, false), price.costOf(2, false)]);
    state.nowMs = PRICE_AGE_MS;
    await price.costOf(1, false);
    expect(state.asked).toBe(1);
    state.nowMs += 1;
    state.chain = { ...CHAIN, baseFeePerByte: 0n };
    expect(await price.costOf(1, false)).toBeLessThan(1_000n);
    expect(state.asked).toBe(2);
  });

  it("error: is unknown while no node answers, and asked for again by the next one", async () => {
    const { state, price } = fixture();
    state.chain = undefined;
    await expect(price.costOf(1, false)).rejects.toThrow("away");
    state.chain = CHAIN;
    expect(await price.costOf(1, false)).toBeGreaterThan(0n);
  });
});

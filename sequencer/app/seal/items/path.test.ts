import { describe, expect, test } from "vitest";
import { toHex } from "../../../../proto/bytes.ts";
import { decodeItem } from "../../../../proto/codec/weft-block.ts";
import { eventsOf, sealText, startSealedChain } from "../../../../test/support/sealed-app.ts";
import { idOf, nonce, START_BALANCE, wallet } from "../../../../test/support/weft-app.ts";
import { DEFAULT_PARAMS } from "../../params.ts";

const BOND = DEFAULT_PARAMS.sealBond;

describe("the path of a sealed item", () => {
  test("behavior: ordered in block b, shared in the votes on b + 1, opened in b + 2", async () => {
    const { chain, keys } = await startSealedChain();
    const [key] = keys;
    const { item } = sealText(wallet(0), nonce(0), key, "hidden", { rollups: ["alpha", "beta"] });
    expect(await chain.submit(item)).toBe(0);
    const ordered = await chain.step(0);
    const id = toHex(idOf(item));
    const fee = BigInt(item.length) * 2n;
    expect(ordered.txs.map((tx) => decodeItem(tx).kind)).toEqual(["manifest", "tx"]);
    expect(eventsOf(ordered)).toMatchObject([{ type: "seal_ordered", id, key: "1" }]);
    expect(chain.app.read.supply().sealed).toBe(fee + BOND);
    expect(chain.app.read.account(wallet(0).address).balance).toBe(START_BALANCE - fee - BOND);

    const between = await chain.step(1);
    expect(between.txs.map((tx) => decodeItem(tx).kind)).toEqual(["manifest", "injectedCommit"]);
    expect(eventsOf(between)).toEqual([]);

    const opened = await chain.step(2);
    expect(opened.txs.map((tx) => decodeItem(tx).kind)).toEqual([
      "manifest",
      "injectedCommit",
      "openings",
    ]);
    expect(eventsOf(opened)).toMatchObject([
      { type: "seal_opened", id, height: String(ordered.height), by: "committee" },
      { type: "seal_fills" },
    ]);
    expect(chain.app.read.supply()).toMatchObject({ sealed: 0n, feePool: 0n });
    expect(chain.app.read.account(wallet(0).address).balance).toBe(START_BALANCE - fee);
    for (const { watch } of chain.nodes) expect(watch.fallbacks).toBe(0);
    expect((await chain.replay()).read.appHash()).toEqual(chain.app.read.appHash());
  });
});

import { describe, expect, it } from "vitest";
import { BUNDLE_TXS_MAX } from "../../gateway/bundles/limits.ts";
import type { DecodedPayload } from "../payload.ts";
import { mevMethods } from "./mev-methods.ts";

type Arguments = Parameters<typeof mevMethods>;

/** The methods with nothing behind them but a decoder that counts what it is given. */
function setUp() {
  const counts = { decoded: 0 };
  const transaction = { hash: new Uint8Array(32) };
  const decoder = {
    decode: () => {
      counts.decoded += 1;
      return { kind: "transaction", decoded: transaction } as DecodedPayload;
    },
  };
  const rollupId = new Uint8Array(32);
  const port = { gateway: {}, limit: { take: () => true }, rollupId } as unknown as Arguments[0];
  const methods = mevMethods(port, { decoder, pool: {} } as unknown as Arguments[1]);
  const call = async (method: string, request: unknown) =>
    await methods[method]?.([request], {
      address: "",
      requester: "",
      signature: undefined,
      body: "",
    });
  return { counts, call, rollupId: `0x${"00".repeat(32)}` };
}

describe("requests of searchers", () => {
  it("behavior: senders are recovered of no more transactions than a request may have", async () => {
    const { counts, call, rollupId } = setUp();
    const txs = Array.from({ length: 5_000 }, () => "0xc0ffee");
    const oneByOne = txs.map((tx) => ({ rollupId, tx }));
    for (const [method, request] of [
      ["eth_sendBundle", { txs }],
      ["weft_sendBundle", { legs: [{ rollupId, txs }] }],
      ["weft_sendBundle", { legs: oneByOne }],
      ["weft_submitBid", { legs: oneByOne, amount: "1" }],
    ] as const) {
      counts.decoded = 0;
      await expect(call(method, request)).rejects.toMatchObject({ data: { code: "TOO_LARGE" } });
      expect(counts.decoded).toBeLessThanOrEqual(BUNDLE_TXS_MAX);
    }
  });
});

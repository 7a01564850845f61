import { describe, expect, test } from "vitest";
import { sealText, startSealedChain } from "../../../test/support/sealed-app.ts";
import { idOf, nonce, TestChain, wallet } from "../../../test/support/weft-app.ts";
import { Height } from "../../../proto/brands.ts";
import { toHex } from "../../../proto/bytes.ts";
import { CODES } from "../codes.ts";

const asked = (path: string) => ({
  path,
  data: new Uint8Array(0),
  height: Height(0),
  prove: false,
});

/** What ABCI Query answers, as JSON. */
async function json(chain: TestChain, path: string): Promise<unknown> {
  const { code, info } = await chain.app.query(asked(path));
  return code === 0 ? JSON.parse(info) : code;
}

describe("what users are told of sealed transactions", () => {
  test("behavior: status and query follow an item from its place to its content", async () => {
    const { chain, keys } = await startSealedChain();
    const { item } = sealText(wallet(0), nonce(0), keys[0], "hidden");
    const id = idOf(item);
    await chain.submit(item);
    expect(chain.app.transactionStatus(id)).toMatchObject({ state: "pending" });
    const { height } = await chain.step(0);
    expect(chain.app.transactionStatus(id)).toMatchObject({
      state: "committed",
      height,
      sealing: { state: "sealed", height, reason: expect.stringContaining("key 1") },
    });
    expect(await json(chain, "/seal/pending")).toEqual([
      {
        height,
        key: 1,
        id: toHex(id),
        sender: toHex(wallet(0).address),
        disputedHeight: 0,
      },
    ]);
    await chain.step(1);
    expect(chain.app.transactionStatus(id)).toMatchObject({ sealing: { state: "sealed" } });
    await chain.step(2);
    expect(chain.app.transactionStatus(id)).toMatchObject({
      state: "committed",
      height,
      sealing: { state: "opened", height: height + 2, reason: "" },
    });
    expect(await json(chain, "/seal/pending")).toEqual([]);
  });

  test("behavior: the key to seal for is told with the one after it, others by number", async () => {
    const { chain, keys } = await startSealedChain({
      moreKeys: 1,
      seal: { nextKey: 2, nextKeyHeight: Height(3) },
    });
    const publicKey = (at: 0 | 1) => toHex(keys[at]?.state.publicKey ?? new Uint8Array(0));
    const first = { number: 1, publicKey: publicKey(0) };
    const second = { number: 2, publicKey: publicKey(1) };
    await chain.step();
    const begin = await json(chain, "/seal/key");
    expect(begin).toMatchObject({ isOpen: true, reason: "", key: first, next: second });
    expect(await json(chain, "/seal/key/2")).toMatchObject({
      isOpen: false,
      reason: "key 2 is taken from block 3 on",
      key: second,
    });
    expect(await json(chain, "/seal/key/3")).toBe(CODES.QUERY_NOT_FOUND.number);
    await chain.step();
    expect(await json(chain, "/seal/key")).toMatchObject({ isOpen: true, key: second });
    expect(await json(chain, "/seal/key/1")).toMatchObject({
      isOpen: false,
      reason: "the key in force is 2",
    });
    expect(await json(chain, "/seal/generation")).toBe(CODES.QUERY_NOT_FOUND.number);
    expect(await json(chain, "/seal/other")).toBe(CODES.QUERY_PATH.number);
  });

  test("behavior: where there is no key, that is said, and what it would cost", async () => {
    const chain = await TestChain.start();
    await chain.step();
    expect(await json(chain, "/seal/key")).toMatchObject({
      isOpen: false,
      reason: expect.stringContaining("there is no key yet"),
      bond: "10000000",
    });
    const { chain: closed } = await startSealedChain({ seal: { isOpen: false } });
    expect(await json(closed, "/seal/key")).toMatchObject({
      isOpen: false,
      reason: expect.stringContaining("too little of the power"),
    });
  });
});

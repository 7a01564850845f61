import { describe, expect, test } from "vitest";
import {
  dataFor,
  idOf,
  nonce,
  signedItem,
  TestChain,
  transferTo,
  unordered,
  wallet,
} from "../../../test/support/weft-app.ts";
import { evidenceAgainst } from "../../../test/support/proposal-evidence.ts";
import { compareBytes, toHex } from "../../../proto/bytes.ts";
import { decodeItem } from "../../../proto/codec/weft-block.ts";

async function begun(params?: Record<string, number>): Promise<TestChain> {
  const chain = await TestChain.start({ params });
  await chain.step(0);
  return chain;
}

async function included(chain: TestChain): Promise<readonly string[]> {
  const { txs } = await chain.step(0);
  return txs.filter((tx) => decodeItem(tx).kind === "tx").map((tx) => toHex(idOf(tx)));
}

const ids = (items: readonly Uint8Array[]): readonly string[] => items.map((x) => toHex(idOf(x)));

describe("selection by lane", () => {
  test("behavior: CONTROL comes first in its own order, however little it pays", async () => {
    const chain = await begun();
    const rich = signedItem(wallet(0), nonce(0), dataFor("alpha", "x"), { tipPerByte: 900n });
    const reports = [1, 2].map((n) =>
      signedItem(wallet(n), nonce(0), evidenceAgainst(n), { tipPerByte: BigInt(n) }),
    );
    for (const item of [rich, ...reports]) expect(await chain.submit(item)).toBe(0);
    const byKey = [1, 2].sort((a, b) =>
      compareBytes(wallet(a).key.publicKey, wallet(b).key.publicKey),
    );
    const control = byKey.flatMap((n) => reports[n - 1] ?? []);
    expect(await included(chain)).toEqual(ids([...control, rich]));
  });

  test("behavior: a nonce of a later lane follows one of an earlier lane in the same block", async () => {
    const chain = await begun();
    const report = signedItem(wallet(0), nonce(0), evidenceAgainst(1));
    const transfer = signedItem(wallet(0), nonce(1), transferTo(wallet(1).address, 1n));
    for (const item of [report, transfer]) expect(await chain.submit(item)).toBe(0);
    expect(await included(chain)).toEqual(ids([report, transfer]));
  });

  test("behavior: a nonce of an earlier lane waits for the block after the one of a later lane", async () => {
    const chain = await begun();
    const transfer = signedItem(wallet(0), nonce(0), transferTo(wallet(1).address, 1n));
    const report = signedItem(wallet(0), nonce(1), evidenceAgainst(1), { tipPerByte: 900n });
    for (const item of [transfer, report]) expect(await chain.submit(item)).toBe(0);
    expect(await included(chain)).toEqual(ids([transfer]));
    expect(await included(chain)).toEqual(ids([report]));
  });

  test("behavior: an account's surplus in CONTROL waits, and leaves its room to others", async () => {
    const chain = await begun({ control_per_signer_max: 1 });
    const own = [1, 2].map((n) =>
      signedItem(wallet(0), unordered(40, `${n}`), evidenceAgainst(n), { tipPerByte: 50n }),
    );
    const other = signedItem(wallet(1), nonce(0), evidenceAgainst(3));
    for (const item of [...own, other]) expect(await chain.submit(item)).toBe(0);
    const first = await included(chain);
    expect(first).toHaveLength(2);
    expect(first).toContain(ids([other])[0]);
    const second = await included(chain);
    expect([...first, ...second].sort()).toEqual([...ids([...own, other])].sort());
  });
});

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
import { Height } from "../../../proto/brands.ts";
import { compareBytes, EMPTY_BYTES, toHex } from "../../../proto/bytes.ts";
import { decodeItem } from "../../../proto/codec/weft-block.ts";

async function begun(params?: Record<string, number>): Promise<TestChain> {
  const chain = await TestChain.start({ params });
  await chain.step(0);
  return chain;
}

async function included(chain: TestChain): Promise<readonly string[]> {
  const { txs } = await chain.step(0);
  for (const { watch } of chain.nodes) expect(watch.fallbacks).toBe(0);
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

describe("room of CONTROL", () => {
  const ATTACKERS = 12;
  /** Unordered cancellations below one cancel nonce: whichever of an account comes first, the others are not valid. */
  const cancels = (sender: number, tipPerByte: bigint) =>
    Array.from({ length: 8 }, (_, n) =>
      signedItem(wallet(sender), unordered(40, `${n}`), CANCEL, { tipPerByte }),
    );
  const CANCEL = {
    kind: "cancelBundles",
    key: EMPTY_BYTES,
    sequence: 0n,
    untilHeight: Height(0),
    cancelNonce: 1n,
  } as const;

  /** CONTROL has room for some 60 of its transactions. */
  async function smallChain(): Promise<TestChain> {
    const chain = await TestChain.start({
      wallets: ATTACKERS + 4,
      blockBytesMax: 200_000,
      maxTxBytes: 190_000,
    });
    await chain.step(0);
    return chain;
  }

  test("attack: transactions of which one in eight can be valid do not keep others out", async () => {
    const chain = await smallChain();
    const senders = Array.from({ length: ATTACKERS }, (_, n) => n);
    const attack = senders.map((sender) => cancels(sender, 900n));
    const honest = [0, 1, 2, 3].map((n) =>
      signedItem(wallet(ATTACKERS + n), nonce(0), evidenceAgainst(n), { tipPerByte: BigInt(n) }),
    );
    for (const item of [...attack.flat(), ...honest]) expect(await chain.submit(item)).toBe(0);
    const block = await included(chain);
    for (const id of ids(honest)) expect(block).toContain(id);
    for (const own of attack) {
      expect(ids(own).filter((id) => block.includes(id))).toHaveLength(1);
    }
    expect(block).toHaveLength(ATTACKERS + honest.length);
  });

  test("behavior: what is valid of an account stays, and what follows it in another lane comes after it", async () => {
    const chain = await smallChain();
    const good = signedItem(wallet(0), nonce(0), evidenceAgainst(1));
    const next = signedItem(wallet(0), nonce(1), transferTo(wallet(1).address, 1n));
    const attack = [...cancels(0, 900n), ...cancels(1, 900n).slice(0, 2)];
    for (const item of [good, next, ...attack]) expect(await chain.submit(item)).toBe(0);
    const other = signedItem(wallet(2), nonce(0), evidenceAgainst(3));
    expect(await chain.submit(other)).toBe(0);
    const block = await included(chain);
    expect(block).toEqual(expect.arrayContaining([...ids([other])]));
    expect(block.filter((id) => ids(attack).includes(id))).toHaveLength(2);
    // Eight of the account paid more: it has waited for them, and now nothing is left of them.
    expect(await included(chain)).toEqual(ids([good, next]));
  });
});

import { describe, expect, test } from "vitest";
import { encodeContent, padContent } from "../../../../mev/seal/content.ts";
import { Height } from "../../../../proto/brands.ts";
import { EMPTY_BYTES, toHex, utf8ToBytes } from "../../../../proto/bytes.ts";
import type { Openings } from "../../../../proto/codec/seal-block.ts";
import { rollupIdOfName } from "../../../../proto/codec/weft-tx.ts";
import {
  balanceOf,
  eventsOf,
  expectSupply,
  loseSecrets,
  openingsIn,
  type SealedText,
  startSealedChain,
  stepUntil,
  submitSealed,
  withNoise,
  withOpenings,
} from "../../../../test/support/sealed-app.ts";
import {
  idOf,
  nonce,
  signedItem,
  START_BALANCE,
  wallet,
} from "../../../../test/support/weft-app.ts";
import { CODES } from "../../codes.ts";
import { DEFAULT_PARAMS } from "../../params.ts";

const BOND = DEFAULT_PARAMS.sealBond;

describe("a ciphertext that nobody can open", () => {
  test("attack: noise under the mask is disputed, settled by single shares, and costs its sender the bond", async () => {
    const sealed = await startSealedChain();
    const { chain } = sealed;
    const { total } = chain.app.read.supply();
    const good = await submitSealed(sealed, 0, "good", { tipPerByte: 9n });
    const noise = await submitSealed(sealed, 1, "noise", { damage: withNoise });
    const ordered = await chain.step(0);
    const disputed = await stepUntil(chain, ordered.height + 2);
    const proposer = toHex(chain.node(0).consensusAddress).toUpperCase();
    expect(eventsOf(disputed)).toMatchObject([
      { type: "seal_opened", id: good.id },
      { type: "seal_disputed", id: noise.id, proposer },
      { type: "seal_fills" },
    ]);
    await chain.step(0);
    const txs = await chain.prepare(0);
    expect(openingsIn(txs)?.disputes[0]?.shares.map(({ ticket }) => ticket)).toEqual([1, 2, 3]);
    const without = withOpenings(txs, () => undefined);
    expect(await chain.refusal(without, 1)).toMatch(
      /dispute of item 1 of batch 1 has to be settled/,
    );
    const settled = await chain.decide(txs);
    expect(eventsOf(settled)).toMatchObject([
      { type: "seal_invalid", id: noise.id, by: "dispute", bond: "burned" },
      { type: "seal_fills" },
    ]);
    expect(chain.app.read.supply().total).toBe(total - BOND);
    expect(balanceOf(chain, 1)).toBe(START_BALANCE - BOND - BigInt(noise.item.length) * 2n);
    await expectSupply(chain);
    expect((await chain.replay()).read.appHash()).toEqual(chain.app.read.appHash());
  });

  test("attack: its sender cannot choose to open it later, though it knows r", async () => {
    const sealed = await startSealedChain();
    const { chain } = sealed;
    const { seed, item } = await submitSealed(sealed, 1, "noise", { damage: withNoise });
    const { height } = await chain.step(0);
    const reveal = signedItem(wallet(1), nonce(1), {
      kind: "selfReveal",
      height,
      id: idOf(item),
      seed,
    });
    expect(await chain.submit(reveal)).toBe(CODES.SEAL_SEED.number);
  });

  test("attack: shares of a dispute that are swapped, of another ticket, or too many are refused", async () => {
    const sealed = await startSealedChain();
    const { chain } = sealed;
    await submitSealed(sealed, 1, "noise", { damage: withNoise });
    await stepUntil(chain, 4);
    const txs = await chain.prepare(0);
    type Shares = Openings["disputes"][number]["shares"];
    const withShares = (change: (shares: Shares) => Shares) =>
      withOpenings(txs, (openings) => ({
        ...openings,
        disputes: openings.disputes.map((one) => ({ ...one, shares: change(one.shares) })),
      }));
    const swapped = withShares((shares) =>
      shares.map((share, at) => ({
        ...share,
        ticket: shares[at]?.ticket ?? 0,
        ...other(shares, at),
      })),
    );
    expect(await chain.refusal(swapped, 1)).toMatch(/share of ticket 1 is not proven/);
    const few = withShares((shares) => shares.slice(1));
    expect(await chain.refusal(few, 1)).toMatch(/needs shares of 3 tickets, got 2/);
    const nobody = withShares((shares) =>
      shares.map((share, at) => (at === 2 ? { ...share, ticket: 9 } : share)),
    );
    expect(await chain.refusal(nobody, 1)).toMatch(/nobody holds ticket 9/);
    await chain.decide(txs);

    /** Point and proof of the next share. */
    function other(shares: Shares, at: number) {
      const { point = EMPTY_BYTES, proof = EMPTY_BYTES } = shares[(at + 1) % shares.length] ?? {};
      return { point, proof };
    }
  });

  test("attack: a proposer that disputes what opens pays for it, and the content is shown two blocks later", async () => {
    const sealed = await startSealedChain({ power: 1_000_000n });
    const { chain } = sealed;
    const { id } = await submitSealed(sealed, 1, "fine");
    const { id: other } = await submitSealed(sealed, 1, "fine too");
    chain.opensAhead = false;
    await stepUntil(chain, 2);
    const offender = chain.node(1);
    offender.watch.failsToOpen = true;
    const disputed = await chain.step(1);
    expect(eventsOf(disputed)).toMatchObject([
      { type: "seal_disputed", id },
      { type: "seal_disputed", id: other },
    ]);
    offender.watch.failsToOpen = false;
    await chain.step(0);
    const settled = await chain.step(0);
    expect(eventsOf(settled)).toMatchObject([
      { type: "seal_opened", id, by: "dispute" },
      { type: "seal_opened", id: other, by: "dispute" },
      { type: "seal_fills" },
    ]);
    // For both at once: a slash looks through all stake that left.
    expect(eventsOf(settled, "slash")).toMatchObject([
      {
        validator: toHex(offender.consensusAddress).toUpperCase(),
        reason: "false-dispute",
        fraction_bps: String(2 * DEFAULT_PARAMS.sealFalseDisputeBps),
      },
    ]);
    // The one who paid for place and bond has its bond.
    expect(chain.app.read.supply().sealed).toBe(0n);
    await expectSupply(chain);
  });

  test("behavior: a dispute that nobody settles expires, as long after it as any item", async () => {
    const sealed = await startSealedChain();
    const { chain } = sealed;
    const { id } = await submitSealed(sealed, 1, "noise", { damage: withNoise });
    const { height } = await chain.step(0);
    await stepUntil(chain, height + 1);
    loseSecrets(chain, [0, 1]);
    const expired = await stepUntil(chain, height + 2 + 1 + 16);
    expect(eventsOf(expired)).toMatchObject([
      {
        type: "seal_expired",
        id,
        reason: `disputed in block ${height + 2}, and too few single shares came in time`,
      },
      {},
    ]);
    expect(balanceOf(chain, 1)).toBe(START_BALANCE);
  });
});

describe("content that is none", () => {
  test.each([
    ["bytes that are no content", new Uint8Array(256).fill(9)],
    [
      "content for another rollup",
      padContent(encodeContent([{ rollupId: rollupIdOfName("beta"), data: [utf8ToBytes("x")] }])),
    ],
  ])("attack: %s is INVALID at once, for the fee", async (_what, plaintext) => {
    const sealed = await startSealedChain();
    const { chain } = sealed;
    const { id, item } = await submitSealed(sealed, 1, "x", { plaintext });
    const block = await stepUntil(chain, 3);
    expect(eventsOf(block)).toMatchObject([
      { type: "seal_invalid", id, by: "committee", bond: "returned" },
      { type: "seal_fills" },
    ]);
    expect(balanceOf(chain, 1)).toBe(START_BALANCE - BigInt(item.length) * 2n);
    const slices = await chain.app.blockSlices(block.txs, block.response);
    const slice = slices.slice(rollupIdOfName("alpha"));
    expect(slice.kind === "presence" && slice.fills).toMatchObject([{ position: 0, status: 2 }]);
    await expectSupply(chain);
  });
});

describe("the sender's own opening", () => {
  const revealOf = (height: Height, { item, seed }: SealedText) =>
    ({ kind: "selfReveal", height, id: idOf(item), seed }) as const;

  test("behavior: opens what the committee has not, by anybody who has the seed", async () => {
    const sealed = await startSealedChain();
    const { chain } = sealed;
    const mine = await submitSealed(sealed, 0, "mine");
    const lost = await submitSealed(sealed, 1, "lost");
    const giveBack = loseSecrets(chain, [0, 1]);
    const { height } = await chain.step(0);
    await stepUntil(chain, 3);
    const reveal = signedItem(wallet(2), nonce(0), revealOf(height, mine));
    expect(await chain.submit(reveal)).toBe(0);
    const block = await chain.step(0);
    expect(eventsOf(block)).toMatchObject([
      { type: "seal_fills" },
      { type: "seal_opened", id: mine.id, by: "sender" },
    ]);
    const again = signedItem(wallet(2), nonce(1), revealOf(height, mine));
    expect(await chain.submit(again)).toBe(CODES.SEAL_ITEM_UNKNOWN.number);
    giveBack();
    const rest = await stepUntil(chain, 7);
    expect(eventsOf(rest)).toMatchObject([
      { type: "seal_opened", id: lost.id, by: "committee" },
      {},
    ]);
    await expectSupply(chain);
  });

  test("behavior: one that comes while shares are on their way leaves the others to be opened by them", async () => {
    const sealed = await startSealedChain();
    const { chain } = sealed;
    const first = await submitSealed(sealed, 0, "first", { tipPerByte: 9n });
    const second = await submitSealed(sealed, 1, "second");
    const { height } = await chain.step(0);
    await chain.submit(signedItem(wallet(2), nonce(0), revealOf(height, first)));
    const shown = await chain.step(0);
    expect(eventsOf(shown)).toMatchObject([
      {},
      { type: "seal_opened", id: first.id, by: "sender" },
    ]);
    const opened = await chain.step(0);
    expect(openingsIn(opened.txs)?.batches).toMatchObject([{ height, points: { length: 32 } }]);
    expect(eventsOf(opened)).toMatchObject([{ type: "seal_opened", id: second.id }, {}]);
  });

  test("behavior: of a disputed item shows that the dispute was false, and whoever disputed pays", async () => {
    const sealed = await startSealedChain({ power: 1_000_000n });
    const { chain } = sealed;
    const mine = await submitSealed(sealed, 0, "mine");
    const { height } = await chain.step(0);
    chain.opensAhead = false;
    await chain.step(0);
    chain.node(1).watch.failsToOpen = true;
    await chain.step(1);
    chain.node(1).watch.failsToOpen = false;
    await chain.submit(signedItem(wallet(2), nonce(0), revealOf(height, mine)));
    const block = await chain.step(0);
    expect(eventsOf(block)).toMatchObject([{}, { type: "seal_opened", id: mine.id, by: "sender" }]);
    expect(eventsOf(block, "slash")).toMatchObject([
      {
        validator: toHex(chain.node(1).consensusAddress).toUpperCase(),
        reason: "false-dispute",
      },
    ]);
    // Shares of the dispute were on their way: there is nothing left to settle.
    const after = await chain.step(0);
    expect(openingsIn(after.txs)).toBeUndefined();
    await expectSupply(chain);
  });

  test("behavior: another seed, item or height is refused", async () => {
    const sealed = await startSealedChain();
    const { chain } = sealed;
    const mine = await submitSealed(sealed, 0, "mine");
    const { height } = await chain.step(0);
    const codeOf = (reveal: ReturnType<typeof revealOf>) =>
      chain.submit(signedItem(wallet(2), nonce(0), reveal));
    const good = revealOf(height, mine);
    // Arithmetic is for whoever has signed.
    const unsigned = signedItem(wallet(2), nonce(0), { ...good, seed: new Uint8Array(32) });
    unsigned[unsigned.length - 1] = (unsigned.at(-1) ?? 0) ^ 1;
    expect(await chain.submit(unsigned)).toBe(CODES.TX_SIGNATURE.number);
    expect(await codeOf({ ...good, seed: new Uint8Array(32) })).toBe(CODES.SEAL_SEED.number);
    expect(await codeOf({ ...good, id: new Uint8Array(32) })).toBe(CODES.SEAL_ITEM_UNKNOWN.number);
    expect(await codeOf({ ...good, height: Height(2) })).toBe(CODES.SEAL_ITEM_UNKNOWN.number);
    expect(await codeOf(good)).toBe(0);
  });
});

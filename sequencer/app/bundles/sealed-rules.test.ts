import { describe, expect, test } from "vitest";
import { encodeContent, padContent } from "../../../mev/seal/content.ts";
import { Lane } from "../../../mev/lanes.ts";
import { Height } from "../../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../../proto/bytes.ts";
import { decodeItem } from "../../../proto/codec/weft-block.ts";
import { rollupIdOfName } from "../../../proto/codec/weft-tx.ts";
import { EntryKind, FillStatus } from "../../../proto/verify/manifest.ts";
import {
  bundleOf,
  cancelKey,
  type LegTerms,
  sealedBundleItem,
  type SealedBundleTerms,
  version,
} from "../../../test/support/bundles.ts";
import {
  balanceOf,
  eventsOf,
  expectSupply,
  loseSecrets,
  type SealedChain,
  startSealedChain,
  stepUntil,
} from "../../../test/support/sealed-app.ts";
import {
  type DecidedBlock,
  idOf,
  nonce,
  ROLLUPS,
  signedItem,
  START_BALANCE,
  type TestChain,
  unordered,
  wallet,
} from "../../../test/support/weft-app.ts";
import { CODES } from "../codes.ts";
import { DEFAULT_PARAMS } from "../params.ts";

const BOND = DEFAULT_PARAMS.sealBond;
const TIPS = 1_500n;
const BOTH: readonly LegTerms[] = [
  { rollup: "alpha", entries: ["a1", "a2"], tip: 1_000n },
  { rollup: "beta", entries: ["b"], tip: 500n },
];
const codeOf = (name: keyof typeof CODES): number => CODES[name].number;

const sealedItem = ({ keys: [key] }: SealedChain, terms: SealedBundleTerms = {}, salt = "") =>
  sealedBundleItem(wallet(0), unordered(500, salt), key.state, BOTH, terms);

/** Statuses of what a block fills for each rollup. */
async function filledIn(chain: TestChain, block: DecidedBlock) {
  const slices = await chain.app.blockSlices(block.txs, block.response);
  return ROLLUPS.map((name) => {
    const slice = slices.slice(rollupIdOfName(name));
    return slice.kind === "presence" ? slice.fills.map(({ status }) => status) : [];
  });
}

describe("sealed bundles", () => {
  test("behavior: all legs have their place in one block and are opened together in a later one", async () => {
    const sealed = await startSealedChain();
    const { chain } = sealed;
    const { item } = sealedItem(sealed);
    expect(await chain.submit(item)).toBe(0);
    const ordered = await chain.step(0);
    const id = toHex(idOf(item));
    const fee = BigInt(item.length) * 2n;
    expect(chain.app.read.supply().sealed).toBe(fee + BOND + TIPS);
    const slices = await chain.app.blockSlices(ordered.txs, ordered.response);
    for (const [leg, name] of ROLLUPS.entries()) {
      const slice = slices.slice(rollupIdOfName(name));
      const entries = slice.kind === "presence" ? slice.entries : [];
      expect(entries).toMatchObject([{ kind: EntryKind.SEALED, lane: Lane.SEALED, legs: 2 }]);
      expect(toHex(entries[0]?.bundleId ?? new Uint8Array()), `leg ${leg}`).toBe(id);
    }
    expect(new Set(ROLLUPS.map((name) => legOf(slices.slice(rollupIdOfName(name)))))).toEqual(
      new Set([0, 1]),
    );

    const opened = await stepUntil(chain, ordered.height + 2);
    expect(await filledIn(chain, opened)).toEqual([[FillStatus.OPENED], [FillStatus.OPENED]]);
    const filling = await chain.app.blockSlices(opened.txs, opened.response);
    const contents = await Promise.all(
      ROLLUPS.map(async (name) => {
        const fills = filling.fills(rollupIdOfName(name), ordered.height);
        const [content] = await slices.contents(fills, filling);
        return Buffer.from(content?.payload ?? new Uint8Array()).toString("latin1");
      }),
    );
    expect(contents[0]).toContain("a1");
    expect(contents[0]).toContain("a2");
    expect(contents[1]).toMatch(/b$/);

    expect(balanceOf(chain, 0)).toBe(START_BALANCE - fee - TIPS);
    expect(chain.app.read.supply().sealed).toBe(0n);
    const tips = eventsOf(opened, "revenue").filter(({ source }) => source === "tip");
    expect(new Set(tips.map(({ gross }) => gross))).toEqual(new Set(["1000", "500"]));
    await expectSupply(chain);
    expect((await chain.replay()).read.appHash()).toEqual(chain.app.read.appHash());
  });

  test("behavior: with too few shares it is on no rollup, and everything comes back, tips too", async () => {
    const sealed = await startSealedChain({ withoutSecrets: [0, 1, 2] });
    const { chain } = sealed;
    const { item } = sealedItem(sealed);
    expect(await chain.submit(item)).toBe(0);
    const ordered = await chain.step(0);
    let filled: readonly (readonly number[])[] = [];
    for (let n = 0; n < 40 && filled.flat().length === 0; n++) {
      filled = await filledIn(chain, await chain.step(0));
    }
    expect(filled).toEqual([[FillStatus.EXPIRED], [FillStatus.EXPIRED]]);
    expect(chain.height).toBeGreaterThan(ordered.height);
    expect(balanceOf(chain, 0)).toBe(START_BALANCE);
    await expectSupply(chain);
  });

  test("behavior: a content for other rollups is no content for any of them; tips and bond come back", async () => {
    const sealed = await startSealedChain();
    const { chain } = sealed;
    const data = [utf8ToBytes("for one only")];
    const plaintext = padContent(encodeContent([{ rollupId: rollupIdOfName("alpha"), data }]));
    const { item } = sealedItem(sealed, { plaintext });
    expect(await chain.submit(item)).toBe(0);
    const opened = await stepUntil(chain, 3);
    expect(await filledIn(chain, opened)).toEqual([[FillStatus.INVALID], [FillStatus.INVALID]]);
    expect(balanceOf(chain, 0)).toBe(START_BALANCE - BigInt(item.length) * 2n);
    await expectSupply(chain);
  });

  test("behavior: its sender opens it when the committee does not", async () => {
    const sealed = await startSealedChain();
    const { chain } = sealed;
    loseSecrets(chain, [0, 1, 2]);
    const { item, seed } = sealedItem(sealed);
    expect(await chain.submit(item)).toBe(0);
    const { height } = await chain.step(0);
    const reveal = signedItem(wallet(1), nonce(0), {
      kind: "selfReveal",
      height,
      id: idOf(item),
      seed,
    });
    expect(await chain.submit(reveal)).toBe(0);
    const block = await chain.step(0);
    expect(await filledIn(chain, block)).toEqual([[FillStatus.OPENED], [FillStatus.OPENED]]);
    expect(chain.app.read.supply().sealed).toBe(0n);
    await expectSupply(chain);
  });

  test("behavior: a ciphertext taken into another bundle, or with other terms, proves nothing", async () => {
    const sealed = await startSealedChain();
    const { action } = sealedItem(sealed);
    const changes = [
      { ...action, minHeight: Height(26) },
      { ...action, legs: action.legs.map((leg) => ({ ...leg, tip: leg.tip + 1n })) },
      { ...action, cancelNonce: 1n },
      { ...action, replacement: version("k", 1) },
    ];
    for (const changed of changes) {
      const item = signedItem(wallet(0), unordered(500), changed);
      expect(await sealed.chain.submit(item)).toBe(codeOf("TX_PROOF"));
    }
    const stolen = signedItem(wallet(1), unordered(500), action);
    expect(await sealed.chain.submit(stolen)).toBe(codeOf("TX_PROOF"));
  });

  test("behavior: without a key there are no sealed bundles, and a wrong key is refused with its reason", async () => {
    const off = await startSealedChain({ seal: { activeKey: 0, isOpen: false } });
    expect(await off.chain.submit(sealedItem(off).item)).toBe(codeOf("SEAL_LANE_OFF"));
    const closed = await startSealedChain({ seal: { isOpen: false } });
    expect(await closed.chain.submit(sealedItem(closed).item)).toBe(codeOf("SEAL_LANE_OFF"));
  });

  test("behavior: keys, cancellations and windows hold as in the clear, across both forms", async () => {
    const sealed = await startSealedChain();
    const { chain } = sealed;
    const replacement = version("k", 1);
    const system = (await chain.prepare(0)).filter((tx) => decodeItem(tx).kind !== "tx");
    const { item } = sealedItem(sealed, { replacement });
    const plain = signedItem(wallet(0), unordered(500, "plain"), bundleOf(BOTH, { replacement }));
    const cancel = signedItem(wallet(0), unordered(500, "cancel"), cancelKey("k", 1, 9));
    expect(await chain.refusal([...system, item, plain])).toMatch(/P8.*BUNDLE_SUPERSEDED/);
    expect(await chain.refusal([...system, cancel, item])).toMatch(/P8.*BUNDLE_CANCELLED/);
    const early = sealedItem(sealed, { minHeight: 2, maxHeight: 9 }).item;
    expect(await chain.refusal([...system, early])).toMatch(/P8.*BUNDLE_EARLY/);
    expect(await chain.submit(early)).toBe(0);
    expect(decodeItem((await chain.step(0)).txs.at(-1) ?? new Uint8Array()).kind).not.toBe("tx");
    expect(eventsOf(await chain.step(0), "seal_ordered")).toHaveLength(1);
  });
});

function legOf(slice: { readonly kind: string; readonly entries?: readonly { leg: number }[] }) {
  return slice.entries?.[0]?.leg;
}

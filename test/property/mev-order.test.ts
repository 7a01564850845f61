/** In which order rollups execute what was sealed: decided by the chain, checked by whoever executes (ADR 0021). */
import * as fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { createManifestBuilder } from "../../mev/manifest.ts";
import { Height, RollupId } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { payloadHash, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { assert, isWeftError } from "../../proto/errors.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { EntryKind, FillStatus, orderHash, type Presence } from "../../proto/verify/manifest.ts";
import { createBlockVerifier } from "../../rollup-adapter/client/block-verifier.ts";
import type { RollupBlock } from "../../rollup-adapter/client/rollup-block.ts";
import type { BlockSlices } from "../../sequencer/app/block-slices.ts";
import type { ProposedBlock } from "../../sequencer/app/weft-application.ts";
import { SHUFFLES } from "../../sequencer/app/state/tables.ts";
import { fundBidders, makeBid } from "../support/bidding.ts";
import { sealedBundleItem } from "../support/bundles.ts";
import { executedTexts, type ServedBlock } from "../support/executed.ts";
import {
  buildOrderedChain,
  ORDERED_ROLLUP,
  type OrderedChain,
  type OrderedEntrySpec,
  waits,
} from "../support/ordered-chain.ts";
import {
  loseSecrets,
  type SealedChain,
  sealText,
  startSealedChain,
  submitSealed,
  withNoise,
} from "../support/sealed-app.ts";
import { dataFor, idOf, nonce, signedItem, unordered, wallet } from "../support/weft-app.ts";

const ALPHA = rollupIdOfName("alpha");
const BETA = rollupIdOfName("beta");
const WALLETS = 5;

interface Draft {
  readonly sender: number;
  readonly kind: "sealed" | "noise" | "notContent" | "data" | "bundle" | "bid";
  readonly tip: bigint;
  readonly amount: bigint;
  /** Whether its sender opens it, in a run where senders do. */
  readonly isRevealed: boolean;
}

const drafts: fc.Arbitrary<readonly Draft[]> = fc.array(
  fc.record({
    sender: fc.nat(WALLETS - 2),
    kind: fc.constantFrom(
      "sealed",
      "sealed",
      "noise",
      "notContent",
      "data",
      "bundle",
      "bid",
      "bid",
    ),
    tip: fc.bigInt(1n, 50n),
    amount: fc.bigInt(1n, 3_000n),
    isRevealed: fc.boolean(),
  }),
  { minLength: 2, maxLength: 10 },
);

/** How the entries of the block are opened. */
type Way = "committee" | "disputed" | "senders" | "late";

interface Decided {
  /** Heights that decide an order of alpha's entries of the block. */
  readonly heights: readonly number[];
  readonly seed: string;
  readonly positions: readonly number[];
  /** Places of alpha's entries of kind SHUFFLED. */
  readonly shuffled: readonly number[];
  /** Texts that the rollups execute of the block. */
  readonly alpha: readonly string[];
  readonly beta: readonly string[];
}

/** Alpha shuffles, beta does not, and both sell their tops together; everything sealed is for both. */
async function run(all: readonly Draft[], way: Way): Promise<Decided> {
  const sealed = await startSealedChain({
    validators: 3,
    wallets: WALLETS,
    params: { seal_bond: "1000", bid_escrow_min: "1000" },
    rollups: {
      alpha: { ordering: "sealed_random", auction: true, auction_members: ["beta"], reserve: "9" },
      beta: { auction: true, auction_leader: "alpha", reserve: "5" },
    },
  });
  const { chain } = sealed;
  await fundBidders(sealed, [0, 1, 2, 3], 4_000n);
  const hidden: (Draft & { readonly item: Uint8Array; readonly seed: Uint8Array })[] = [];
  for (const [n, draft] of all.entries()) {
    const made = itemOf(sealed, draft, n);
    expect(await chain.submit(made.item)).toBe(0);
    if (made.seed !== undefined) hidden.push({ ...draft, item: made.item, seed: made.seed });
  }
  const ordered = await chain.step(0);
  const slices = await chain.app.blockSlices(ordered.txs, ordered.response);
  const shuffled = placesOf(slices, ALPHA, EntryKind.SHUFFLED);
  const count = hidden.filter(({ kind }) => kind !== "bid").length;
  expect(shuffled).toHaveLength(count);
  expect(placesOf(slices, BETA, EntryKind.SEALED)).toHaveLength(count);
  const giveBack = way === "late" ? loseSecrets(chain, [0, 1]) : () => {};
  if (way === "senders") {
    const told = hidden.filter(({ isRevealed }) => isRevealed);
    for (const [n, { seed, item }] of told.entries()) {
      const { height } = ordered;
      const reveal = { kind: "selfReveal" as const, height, id: idOf(item), seed };
      await chain.submit(signedItem(wallet(WALLETS - 1), nonce(n), reveal));
    }
  }
  const found: { readonly height: number; readonly seed: string; positions: readonly number[] }[] =
    [];
  const later: ServedBlock[] = [];
  while (chain.height < ordered.height + 6) {
    const isDisputing = way === "disputed" && chain.height + 1 === ordered.height + 2;
    chain.node(1).watch.failsToOpen = isDisputing;
    chain.opensAhead = way !== "disputed";
    if (chain.height + 1 === ordered.height + 3) giveBack();
    const block = await chain.step(isDisputing ? 1 : 0);
    const opened = await chain.app.blockSlices(block.txs, block.response);
    later.push({ height: block.height, slices: opened });
    expect(opened.order(BETA, ordered.height)).toBeUndefined();
    const slice = opened.slice(ALPHA);
    const decisions = slice.kind === "presence" ? slice.decisions : [];
    const positions = opened.order(ALPHA, ordered.height);
    expect(decisions).toHaveLength(positions === undefined ? 0 : 1);
    for (const { subject, height, detailHash } of decisions) {
      assert(positions !== undefined && height === ordered.height, "it is the block's own order");
      expect(orderHash(positions)).toEqual(detailHash);
      found.push({ height: block.height, seed: toHex(subject), positions });
    }
  }
  expect(chain.app.read.staking().records.keys(SHUFFLES)).toEqual([]);
  expect(chain.app.read.supply().sealed).toBe(0n);
  expect((await chain.replay()).read.appHash()).toEqual(chain.app.read.appHash());
  const [first] = found;
  const served = { height: ordered.height, slices };
  return {
    heights: found.map(({ height }) => height),
    seed: first?.seed ?? "",
    positions: first?.positions ?? [],
    shuffled,
    alpha: await executedTexts(served, later, ALPHA),
    beta: await executedTexts(served, later, BETA),
  };
}

/** `seed`: of what is sealed. */
function itemOf(
  { chain, keys: [key] }: SealedChain,
  { kind, tip: tipPerByte, sender, amount }: Draft,
  n: number,
): { readonly item: Uint8Array; readonly seed?: Uint8Array } {
  const from = wallet(sender);
  const replay = unordered(20, String(n));
  const text = `${kind} ${n}`;
  switch (kind) {
    case "data":
      return { item: signedItem(from, replay, dataFor("alpha", text), { tipPerByte }) };
    case "bundle": {
      const legs = ["alpha", "beta"].map((rollup) => ({ rollup, entries: [text] }));
      return sealedBundleItem(from, replay, key.state, legs, { tipPerByte, maxHeight: 20 });
    }
    case "bid": {
      const tops = n % 2 === 0 ? { alpha: text, beta: text } : { alpha: text };
      return makeBid(from, replay, key, chain.height + 1, { amount, tops, tipPerByte });
    }
    case "noise":
    case "notContent":
    case "sealed":
      return sealText(from, replay, key, text, {
        tipPerByte,
        rollups: ["alpha", "beta"],
        ...(kind === "noise" ? { damage: withNoise } : {}),
        ...(kind === "notContent" ? { plaintext: new Uint8Array(256).fill(1) } : {}),
      });
  }
}

function placesOf(slices: BlockSlices, rollupId: Uint8Array, wanted: EntryKind): readonly number[] {
  const slice = slices.slice(rollupId);
  const entries = slice.kind === "presence" ? slice.entries : [];
  return entries.flatMap(({ kind }, position) => (kind === wanted ? [position] : []));
}

const isBid = (text: string): boolean => text.startsWith("bid");

describe("the order that the chain decides", () => {
  test("property: one permutation on all nodes, decided once and with the last entry, the same whoever opens them and whoever disputes", async () => {
    await fc.assert(
      fc.asyncProperty(drafts, async (all) => {
        const { heights, ...honest } = await run(all, "committee");
        const { shuffled, positions, alpha, beta } = honest;
        const isOrdered = shuffled.length >= 2;
        expect(heights).toHaveLength(isOrdered ? 1 : 0);
        expect([...positions].sort((a, b) => a - b)).toEqual(isOrdered ? shuffled : []);
        for (const texts of [alpha, beta]) {
          // A winner comes first, and there is one at most.
          expect(texts.slice(1).filter(isBid)).toEqual([]);
        }
        const isShown = ({ kind }: Draft) => kind === "sealed" || kind === "bundle";
        const shown = all.flatMap((draft, n) => (isShown(draft) ? [`${draft.kind} ${n}`] : []));
        expect([...beta].filter((text) => !isBid(text)).sort()).toEqual(shown.sort());
        for (const way of ["disputed", "senders", "late"] as const) {
          const { heights: decidedAt, ...other } = await run(all, way);
          expect({ way, ...other }).toEqual({ way, ...honest });
          expect(decidedAt).toHaveLength(heights.length);
        }
      }),
      { numRuns: 4 },
    );
  });
});

describe("a proposer", () => {
  let sealed: SealedChain;
  let txs: readonly Uint8Array[];
  let slices: BlockSlices;
  beforeAll(async () => {
    sealed = await startSealedChain({
      validators: 3,
      rollups: { alpha: { ordering: "sealed_random" }, beta: {} },
    });
    const { chain } = sealed;
    for (let n = 0; n < 4; n++)
      await submitSealed(sealed, n, `text ${n}`, { rollups: ["alpha", "beta"] });
    await chain.step(0);
    await chain.step(0);
    txs = await chain.prepare(0);
    const shown = new Promise<ProposedBlock>((resolve) => chain.app.onProposed(resolve));
    await chain.refusal(txs);
    slices = await (await shown).slices();
  });

  /** The block with the manifest that its slices make, changed. */
  function withManifest(
    change: (presence: Presence) => Partial<Pick<Presence, "decisions" | "fills">>,
  ): readonly Uint8Array[] {
    const builder = createManifestBuilder();
    for (const rollupId of slices.rollupIds) {
      const slice = slices.slice(rollupId);
      assert(slice.kind === "presence", "it is one of the block's rollups");
      const { entries, fills, decisions } = { ...slice, ...change(slice) };
      for (const { payload, ...head } of entries) {
        builder.add(rollupId, { ...head, payloadHash: payloadHash(payload) });
      }
      for (const fill of fills) builder.addFill(rollupId, fill);
      for (const decision of decisions) builder.addDecision(rollupId, decision);
    }
    return txs.with(0, builder.build().item);
  }

  const reversed = (decisions: Presence["decisions"]) =>
    decisions.map((decision) => {
      const positions = slices.order(ALPHA, decision.height) ?? [];
      return { ...decision, detailHash: orderHash(positions.toReversed()) };
    });

  test("behavior: has to write the order that everybody finds", async () => {
    expect(withManifest(() => ({}))).toEqual(txs);
    expect(slices.order(ALPHA, 1)).toHaveLength(4);
  });

  test.each<[string, Parameters<typeof withManifest>[0]]>([
    ["another order", ({ decisions }) => ({ decisions: reversed(decisions) })],
    [
      "another seed",
      ({ decisions }) => ({
        decisions: decisions.map((one) => ({ ...one, subject: one.detailHash })),
      }),
    ],
    ["no order", () => ({ decisions: [] })],
    ["two orders", ({ decisions }) => ({ decisions: [...decisions, ...reversed(decisions)] })],
    [
      "the order of another block",
      ({ decisions }) => ({
        decisions: decisions.map((one) => ({ ...one, height: Height(one.height + 1) })),
      }),
    ],
    ["fills left out", ({ fills }) => ({ fills: fills.slice(1) })],
  ])("attack: that writes %s is refused for its manifest", async (_what, change) => {
    expect(await sealed.chain.refusal(withManifest(change), 1)).toMatch(/^P5 MANIFEST/);
  });
});

const signatures = createEd25519Verifier();

/** What the rollup executes of the first block, as text; or why it refuses it. */
async function execute(
  { trust, message }: OrderedChain,
  change: (
    filling: OrderedChain["message"]["filling"],
  ) => Partial<RollupBlock["filling"]> = () => ({}),
): Promise<readonly string[] | string> {
  const verifier = createBlockVerifier(RollupId(toHex(ORDERED_ROLLUP)), trust, signatures);
  const filling = { ...message.filling, ...change(message.filling) };
  try {
    const { payloads } = await verifier.verifyFilled({ ...message, filling });
    return payloads.map((payload) => Buffer.from(payload).toString());
  } catch (error) {
    if (!isWeftError(error)) throw error;
    const { code, refusal } = error.info as { readonly code: string; readonly refusal?: string };
    return `${code} ${refusal ?? ""}`;
  }
}

const entrySpec: fc.Arbitrary<OrderedEntrySpec> = fc.record({
  kind: fc.constantFrom(
    EntryKind.ROLLUP_DATA,
    EntryKind.SEALED,
    EntryKind.BUNDLE_LEG,
    EntryKind.SHUFFLED,
    EntryKind.SHUFFLED,
    EntryKind.BID,
  ),
  status: fc.constantFrom(FillStatus.OPENED, FillStatus.INVALID, FillStatus.EXPIRED),
  filledAt: fc.integer({ min: 2, max: 4 }),
});

/** One bid wins at most. */
function honest(specs: readonly OrderedEntrySpec[]): readonly OrderedEntrySpec[] {
  let hasWon = false;
  return specs.map((spec) => {
    if (spec.kind !== EntryKind.BID || spec.status !== FillStatus.OPENED) return spec;
    const status = hasWon ? FillStatus.LOST : FillStatus.OPENED;
    hasWon = true;
    return { ...spec, status };
  });
}

const opened = (kind: EntryKind, filledAt = 3): OrderedEntrySpec => ({
  kind,
  filledAt,
  status: FillStatus.OPENED,
});
const { ROLLUP_DATA, SHUFFLED, BID } = EntryKind;

describe("whoever executes a block", () => {
  test("property: executes the winner first, shuffled entries as it was decided, all others at their places", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(entrySpec, { minLength: 1, maxLength: 12 }).map(honest),
        fc.nat(),
        async (specs, turn) => {
          const places = specs.flatMap(({ kind }, at) => (kind === SHUFFLED ? [at] : []));
          const order = places.map((_, n) => places[(n + turn) % places.length] ?? 0);
          const chain = buildOrderedChain(specs, places.length < 2 ? [] : [order]);
          const textAt = (at: number): readonly string[] => {
            const spec = specs[at];
            if (spec === undefined) return [];
            if (!waits(spec.kind)) return [`entry ${at}`];
            return spec.status === FillStatus.OPENED ? [`content ${at}`] : [];
          };
          const turned = places.length < 2 ? places : order;
          const isBid = (at: number) => specs[at]?.kind === BID;
          const all = specs.map((_, at) => at);
          const expected = [
            ...all.filter(isBid),
            ...all
              .filter((at) => !isBid(at))
              .map((at) => (places.includes(at) ? (turned[places.indexOf(at)] ?? at) : at)),
          ];
          expect(await execute(chain)).toEqual(expected.flatMap(textAt));
        },
      ),
      { numRuns: 40 },
    );
  });

  const specs = [opened(SHUFFLED), opened(ROLLUP_DATA), opened(SHUFFLED, 2), opened(SHUFFLED)];
  const order = [3, 0, 2];

  test("attack: another order than the decided one, or none, is refused", async () => {
    const chain = buildOrderedChain(specs, [order]);
    expect(await execute(chain)).toEqual(["content 3", "entry 1", "content 0", "content 2"]);
    for (const positions of [[0, 2, 3], [3, 0], [], [3, 0, 2, 2]]) {
      expect(await execute(chain, () => ({ order: positions }))).toBe(
        "VERIFY_FILLING ORDER_DIFFERS",
      );
    }
  });

  test("attack: a decision that is kept back, or one that nobody made, is refused", async () => {
    const chain = buildOrderedChain(specs, [order]);
    const without = (filling: OrderedChain["message"]["filling"]) => ({
      blocks: filling.blocks.map((block) => ({ ...block, decisions: [] })),
      order: [],
    });
    expect(await execute(chain, without)).toBe("VERIFY_FILLING MANIFEST_DECISION_COUNT");
    const changed = (filling: OrderedChain["message"]["filling"]) => ({
      blocks: filling.blocks.map((block) => ({
        ...block,
        decisions: block.decisions.map((one) => ({ ...one, detailHash: orderHash([0, 2, 3]) })),
      })),
      order: [0, 2, 3],
    });
    expect(await execute(chain, changed)).toBe("VERIFY_FILLING MANIFEST_DECISIONS_DIFFER");
    const undecided = buildOrderedChain([opened(ROLLUP_DATA), opened(SHUFFLED)], []);
    expect(await execute(undecided, () => ({ order: [1] }))).toBe(
      "VERIFY_FILLING ORDER_UNEXPECTED",
    );
  });

  test.each([
    ["no order where there is one to decide", specs, [], "ORDER_MISSING"],
    ["an order that leaves an entry out", specs, [[3, 0]], "ORDER_NOT_A_PERMUTATION"],
    ["an order that names an entry twice", specs, [[3, 0, 0]], "ORDER_NOT_A_PERMUTATION"],
    ["an order that names one that is not shuffled", specs, [[3, 0, 1]], "ORDER_NOT_A_PERMUTATION"],
    ["an order of one entry", [opened(SHUFFLED)], [[0]], "ORDER_NOT_A_PERMUTATION"],
    ["two orders", specs, [order, [0, 2, 3]], "ORDER_TWICE"],
    ["two winners", [opened(BID), opened(ROLLUP_DATA), opened(BID)], [], "TWO_WINNERS"],
  ] as const)(
    "attack: validators that sign %s do not make the rollup execute it",
    async (_what, entries, orders, refusal) => {
      expect(await execute(buildOrderedChain(entries, orders))).toBe(`VERIFY_FILLING ${refusal}`);
    },
  );
});

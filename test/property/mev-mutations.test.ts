/**
 * Each rule of a block refuses what breaks it, and nothing else does: a block with something of every lane is
 * changed in one thing, the manifest is made anew, and two nodes with different pools name the same check.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { createLaneRules, Lane, laneOfAction, type LaneUse } from "../../mev/lanes.ts";
import { Height } from "../../proto/brands.ts";
import { EMPTY_BYTES, toHex } from "../../proto/bytes.ts";
import { decodeItem, encodeItem, isBlank, type Manifest } from "../../proto/codec/weft-block.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import type { BlockCheck } from "../../sequencer/app/execution/refused-block.ts";
import { laneParams } from "../../sequencer/app/params.ts";
import {
  actionAt,
  actionOf,
  excuseOf,
  injectedOf,
  inserted,
  placesOf,
  remade,
  swapped,
  withInjected,
  without,
} from "../support/mev-blocks.ts";
import {
  bidItem,
  bundleItem,
  type BundleTerms,
  cancelKeyItem,
  cancelNonceItem,
  depositItem,
  type LegDraft,
  makeDue,
  MEV_ROLLUP_NAMES,
  replacementOf,
  sealedBundleItem,
  startMevChain,
} from "../support/mev-chain.ts";
import { dueIdsOf } from "../support/mev-due.ts";
import { type SealedChain, sealText, withOpenings, withPoints } from "../support/sealed-app.ts";
import { shareBodies } from "../support/shared-bodies.ts";
import {
  dataFor,
  idOf,
  nonce,
  signedItem,
  transferTo,
  unordered,
  wallet,
} from "../support/weft-app.ts";

type Txs = readonly Uint8Array[];

/** What breaks which rule, by name. */
interface Mutation {
  readonly name: string;
  readonly check: BlockCheck;
  readonly code: string;
  readonly change: (txs: Txs) => Txs;
}

const WALLETS = 16;
const VALIDATORS = 4;
const BLOCK_BYTES = 262_144;
const ESCROW = 200_000_000n;
const LEGS: readonly LegDraft[] = [
  { rollup: "alpha", text: "left", tip: 5n },
  { rollup: "epsilon", text: "right", tip: 5n },
];

let sealed: SealedChain;
/** A block of node 0 with something in every lane. */
let block: Txs;
/** One of its transactions, which names no price. */
let plain: Uint8Array;
/** Transactions that stood in an earlier block. */
let earlier: Txs;

/** Node 0 makes all blocks; the fifth node hears of nothing before a block comes. */
beforeAll(async () => {
  sealed = await startMevChain({
    validators: VALIDATORS,
    followers: 1,
    wallets: WALLETS,
    blockBytesMax: BLOCK_BYTES,
    params: { rollup_quota_bps: 2_000 },
    maxTxBytes: BLOCK_BYTES - 4_000,
  });
  const { chain, keys } = sealed;
  const [key] = keys;
  const give = async (item: Uint8Array): Promise<Uint8Array> => {
    const code = await chain.submit(item, 0);
    assert(code === 0, `the pool refuses ${actionOf(item)?.kind}: code ${code}`);
    return item;
  };
  const first = await Promise.all(
    [7, 8].map((n) => give(depositItem(wallet(n), unordered(200, "deposit"), ESCROW))),
  );
  // A bundle that uses its key up, and what a nonce has cancelled.
  const used = { maxHeight: 12, replacement: replacementOf("used", 5) };
  await give(bundleItem(wallet(9), unordered(200, "used"), LEGS, used));
  await give(cancelNonceItem(wallet(10), unordered(200, "cancels"), 3n));
  await chain.step(0);
  earlier = first;
  // Two that all others list, and one whose account does something else first.
  const due = [
    signedItem(wallet(4), unordered(200, "due"), dataFor("epsilon", "due")),
    bundleItem(wallet(5), unordered(200, "due"), LEGS, { maxHeight: 25 }),
    signedItem(wallet(6), nonce(0), dataFor("epsilon", "overtaken")),
  ];
  const overtaking = signedItem(wallet(6), nonce(0), transferTo(wallet(0).address, 1n), {
    tipPerByte: 9n,
  });
  await makeDue(chain, due, 0, async (blocksLeft) => {
    // Opened in that block.
    if (blocksLeft === 2) await give(sealText(wallet(1), nonce(0), key, "opened").item);
    if (blocksLeft === 1) await give(overtaking);
  });
  shareBodies(chain);
  const { height } = chain;
  const within = { maxHeight: height + 10 };
  plain = signedItem(wallet(14), unordered(200, "plain"), dataFor("epsilon", "plain"));
  const all = [
    plain,
    cancelNonceItem(wallet(0), unordered(200, "cancels"), 2n),
    cancelKeyItem(wallet(1), unordered(200, "cancels"), replacementOf("none", 1), height + 30),
    sealText(wallet(2), nonce(0), key, "sealed").item,
    sealedBundleItem(wallet(3), unordered(200, "sealed"), key, LEGS, within),
    bidItem(wallet(7), unordered(200, "bid"), key, {
      ...within,
      amount: 5_000n,
      legs: LEGS.slice(0, 1),
    }),
    bundleItem(wallet(11), unordered(200, "bundle"), LEGS, within),
    bundleItem(wallet(12), unordered(200, "bundle"), LEGS, within),
    ...[30n, 20n, 10n].map((tipPerByte, at) =>
      signedItem(wallet(13), unordered(200, `priced ${at}`), dataFor("gamma", "priced"), {
        tipPerByte,
      }),
    ),
    signedItem(wallet(14), nonce(0), dataFor("epsilon", "data")),
  ];
  for (const item of all) await give(item);
  block = await chain.prepare(0);
}, 120_000);

/** The lane of a transaction that is not due. */
function laneAt(txs: Txs, at: number): Lane | undefined {
  const action = actionAt(txs, at);
  return action && laneOfAction(action);
}

/** Place of the first transaction of that lane which is not due. */
function firstOf(txs: Txs, lane: Lane): number {
  const dueIds = dueIdsOf(sealed.chain.app);
  const at = txs.findIndex(
    (item, place) => laneAt(txs, place) === lane && !dueIds.has(toHex(idOf(item))),
  );
  assert(at > 0, `the block has something in lane ${lane}`);
  return at;
}

/** Puts an item where its lane begins. */
function into(txs: Txs, ...items: readonly Uint8Array[]): Txs {
  const [first] = items;
  const action = first && actionOf(first);
  assert(action !== undefined, "a transaction");
  return inserted(txs, firstOf(txs, laneOfAction(action)), ...items);
}

function duePlaces(txs: Txs): readonly number[] {
  const dueIds = dueIdsOf(sealed.chain.app);
  return txs.flatMap((item, at) =>
    actionOf(item) !== undefined && dueIds.has(toHex(idOf(item))) ? [at] : [],
  );
}

function at(txs: Txs, place: number | undefined): Uint8Array {
  const item = place === undefined ? undefined : txs[place];
  assert(item !== undefined, "the block has such an item");
  return item;
}

/** What two nodes answer to a block of node 0; they know different things, and say the same. */
async function refusal(txs: Txs): Promise<string | undefined> {
  const { chain } = sealed;
  const request = chain.processRequest(txs, 0);
  const [one, other] = [chain.node(1).app, chain.node(VALIDATORS).app];
  const made = await remade(one, request);
  const verdict = await other.processProposal({ ...request, txs: made.txs });
  expect(verdict.accept ? undefined : verdict.reason).toBe(made.refusal);
  return made.refusal;
}

const sender = (n: number) => wallet(n);
const bundle = (n: number, terms: Partial<BundleTerms>, legs = LEGS): Uint8Array =>
  bundleItem(sender(n), unordered(200, "mutant"), legs, {
    maxHeight: sealed.chain.height + 5,
    ...terms,
  });
const sealedBundle = (n: number, terms: Partial<BundleTerms>): Uint8Array =>
  sealedBundleItem(sender(n), unordered(200, "mutant"), sealed.keys[0], LEGS, {
    maxHeight: sealed.chain.height + 5,
    ...terms,
  });
const bid = (n: number, salt: string, group = "alpha", ahead = 5): Uint8Array =>
  bidItem(sender(n), unordered(200, salt), sealed.keys[0], {
    group,
    amount: 5_000n,
    legs: LEGS.slice(0, 1),
    maxHeight: sealed.chain.height + ahead,
  });
const big = (n: number, rollup: string, bytes: number): Uint8Array =>
  signedItem(sender(n), unordered(200, `big ${n}`), dataFor(rollup, "x".repeat(bytes)));

const MUTATIONS: readonly Mutation[] = [
  {
    name: "an entry of the injected commit is missing",
    check: "P1",
    code: "INJECTED_INCOMPLETE",
    change: (txs) => withInjected(txs, (all) => ({ ...all, entries: all.entries.slice(1) })),
  },
  {
    name: "the injected commit is of another block",
    check: "P1",
    code: "INJECTED_WRONG_BLOCK",
    change: (txs) => withInjected(txs, (all) => ({ ...all, blockHash: sha256(EMPTY_BYTES) })),
  },
  {
    name: "two entries are blank",
    check: "P1",
    code: "INJECTED_NO_QUORUM",
    change: (txs) =>
      withInjected(txs, (all) => ({
        ...all,
        entries: all.entries.map((entry, n) =>
          n < 2 ? { ...entry, lists: EMPTY_BYTES, signature: EMPTY_BYTES } : entry,
        ),
      })),
  },
  {
    name: "two validators have each other's lists",
    check: "P1",
    code: "INJECTED_BAD_ENTRY",
    change: (txs) =>
      withInjected(txs, (all) => ({
        ...all,
        entries: all.entries.map((entry, n) => {
          const { lists, signature } = all.entries[n === 0 ? 1 : n === 1 ? 0 : n] ?? entry;
          return { ...entry, lists, signature };
        }),
      })),
  },
  {
    name: "openings are left out",
    check: "P4",
    code: "OPENINGS",
    change: (txs) => withOpenings(txs, () => undefined),
  },
  {
    name: "a point is another one",
    check: "P4",
    code: "OPENINGS",
    change: (txs) => withPoints(txs, (points) => points.toReversed()),
  },
  {
    name: "a batch is opened that no block holds",
    check: "P4",
    code: "OPENINGS",
    change: (txs) =>
      withOpenings(txs, (openings) => ({
        ...openings,
        batches: openings.batches.map((batch) => ({ ...batch, height: Height(batch.height - 1) })),
      })),
  },
  {
    name: "a due transaction is left out",
    check: "P7",
    code: "OBLIGATION_MISSING",
    change: (txs) => without(txs, duePlaces(txs)[0] ?? 0),
  },
  {
    name: "two due ones change places",
    check: "P7",
    code: "OBLIGATION_ORDER",
    change: (txs) => {
      const [a = 0, b = 0] = duePlaces(txs);
      return swapped(txs, a, b);
    },
  },
  {
    name: "a good one is excused",
    check: "P7",
    code: "OBLIGATION_NOT_EXCUSED",
    change: (txs) => {
      const [place = 0] = duePlaces(txs);
      return txs.with(place, excuseOf(at(txs, place)));
    },
  },
  {
    name: "a due bundle is excused",
    check: "P7",
    code: "OBLIGATION_NOT_EXCUSED",
    change: (txs) => {
      const place = duePlaces(txs).find((one) => actionAt(txs, one)?.kind === "bundle") ?? 0;
      return txs.with(place, excuseOf(at(txs, place)));
    },
  },
  {
    name: "one that is not due is excused",
    check: "P7",
    code: "OBLIGATION_NOT_DUE",
    change: (txs) => {
      const place = firstOf(txs, Lane.DEFAULT);
      return inserted(without(txs, place), duePlaces(txs)[0] ?? 0, excuseOf(at(txs, place)));
    },
  },
  {
    name: "an excuse is left out",
    check: "P7",
    code: "OBLIGATION_MISSING",
    change: (txs) =>
      without(
        txs,
        txs.findIndex((item) => decodeItem(item).kind === "excused"),
      ),
  },
  ...(
    [
      ["BUNDLE_LATE", () => bundle(15, { maxHeight: sealed.chain.height })],
      ["BUNDLE_EARLY", () => bundle(15, { minHeight: sealed.chain.height + 2 })],
      ["BUNDLE_WINDOW", () => bundle(15, { minHeight: 1, maxHeight: sealed.chain.height + 30 })],
      ["BUNDLE_WINDOW", () => bundle(15, { maxHeight: sealed.chain.height + 102 })],
      ["BUNDLE_ROLLUP", () => bundle(15, {}, [{ rollup: "nowhere", text: "x" }])],
      ["BUNDLE_SUPERSEDED", () => bundle(9, { replacement: replacementOf("used", 9) })],
      ["BUNDLE_CANCELLED", () => bundle(1, { replacement: replacementOf("none", 1) })],
      ["BUNDLE_CANCELLED", () => bundle(10, { cancelNonce: 2n })],
      ["BUNDLE_CANCELLED", () => bundle(0, { cancelNonce: 1n })],
      ["BUNDLE_LATE", () => sealedBundle(15, { maxHeight: sealed.chain.height })],
      ["BUNDLE_CANCELLED", () => sealedBundle(10, { cancelNonce: 2n })],
      ["BUNDLE_SUPERSEDED", () => sealedBundle(9, { replacement: replacementOf("used", 9) })],
    ] as const
  ).map(
    ([code, make], n): Mutation => ({
      name: `a bundle may not stand there (${n})`,
      check: "P8",
      code,
      change: (txs) => into(txs, make()),
    }),
  ),
  {
    name: "two neighbours of different lanes change places",
    check: "P9",
    code: "LANE_ORDER",
    change: (txs) => swapped(txs, firstOf(txs, Lane.DEFAULT) - 1, firstOf(txs, Lane.DEFAULT)),
  },
  {
    name: "CONTROL is in another order",
    check: "P9",
    code: "LANE_CONTROL_ORDER",
    change: (txs) => swapped(txs, firstOf(txs, Lane.CONTROL), firstOf(txs, Lane.CONTROL) + 1),
  },
  {
    name: "one rollup takes more than its quota of DEFAULT",
    check: "P9",
    code: "LANE_ROLLUP_QUOTA",
    change: (txs) => [...txs, ...[0, 1, 2, 3].map((n) => big(n, "epsilon", 60_000))],
  },
  {
    name: "bundles take more than their share",
    check: "P9",
    code: "LANE_SHARE",
    change: (txs) =>
      into(
        txs,
        ...[0, 1, 2, 3].map((n) =>
          bundle(
            n + 11,
            { replacement: replacementOf(`big ${n}`, 1) },
            MEV_ROLLUP_NAMES.map((rollup) => ({ rollup, text: "x".repeat(12_000) })),
          ),
        ),
      ),
  },
  {
    name: "one bundle takes more of a rollup than its quota",
    check: "P9",
    code: "LANE_ROLLUP_QUOTA",
    change: (txs) =>
      into(
        txs,
        ...[0, 1, 2, 3].map((n) =>
          bundle(n + 11, {}, [{ rollup: "epsilon", text: "x".repeat(60_000) }]),
        ),
      ),
  },
  {
    name: "an unordered transaction stands there twice",
    check: "P9",
    code: "UNORDERED_",
    change: (txs) => [...txs, plain],
  },
  {
    name: "a transaction of an earlier block stands there again",
    check: "P9",
    code: "UNORDERED_",
    change: (txs) => [...txs, at(earlier, 0)],
  },
  {
    name: "a nonce is used twice",
    check: "P9",
    code: "NONCE_",
    change: (txs) => [...txs, signedItem(sender(14), nonce(0), dataFor("epsilon", "other"))],
  },
  {
    name: "the manifest comes second",
    check: "P9",
    code: "LANE_SYSTEM_ITEMS",
    change: (txs) => swapped(txs, 0, 1),
  },
  {
    name: "the two dearest of a rollup by price change places",
    check: "P10",
    code: "ORDER_PRIORITY",
    change: (txs) => {
      const [a = 0, b = 0] = pricedPlaces(txs);
      return swapped(txs, a, b);
    },
  },
  {
    name: "the cheapest comes first",
    check: "P10",
    code: "ORDER_PRIORITY",
    change: (txs) => {
      const [a = 0, , c = 0] = pricedPlaces(txs);
      return swapped(txs, a, c);
    },
  },
  {
    name: "a dearer one comes last",
    check: "P10",
    code: "ORDER_PRIORITY",
    change: (txs) => [
      ...txs,
      signedItem(sender(15), unordered(200, "dear"), dataFor("gamma", "dear"), { tipPerByte: 90n }),
    ],
  },
  ...(["sealed", "sealedBundle", "bid"] as const).map(
    (kind): Mutation => ({
      name: `somebody else sends the ciphertext of a ${kind}`,
      check: "P11",
      code: "TX_PROOF",
      change: (txs) => {
        const action = actionAt(txs, placesOf(txs, kind)[0] ?? 0);
        assert(action?.kind === kind, "the block has one");
        return into(txs, signedItem(sender(8), unordered(200, "copy"), action));
      },
    }),
  ),
  ...(["sealed", "sealedBundle", "bid"] as const).map(
    (kind): Mutation => ({
      name: `a ${kind} has another body`,
      check: "P11",
      code: "TX_PROOF",
      change: (txs) => {
        const action = actionAt(txs, placesOf(txs, kind)[0] ?? 0);
        assert(action?.kind === kind, "the block has one");
        const body = action.body.with(0, (action.body[0] ?? 0) ^ 1);
        const from = { sealed: 2, sealedBundle: 3, bid: 7 }[kind];
        const replay =
          kind === "sealed" ? nonce(0) : unordered(200, kind === "bid" ? "bid" : "sealed");
        const place = placesOf(txs, kind)[0] ?? 0;
        return txs.with(place, signedItem(sender(from), replay, { ...action, body }));
      },
    }),
  ),
  {
    name: "an account bids six times",
    check: "P11",
    code: "BID_TOO_MANY",
    change: (txs) => into(txs, ...[0, 1, 2, 3, 4, 5].map((n) => bid(8, `bid ${n}`))),
  },
  {
    name: "a bid has nothing in escrow",
    check: "P11",
    code: "BID_NOT_FUNDED",
    change: (txs) => into(txs, bid(15, "poor")),
  },
  {
    name: "a bid is for a rollup that leads no auction",
    check: "P11",
    code: "BID_GROUP",
    change: (txs) => into(txs, bid(8, "group", "gamma")),
  },
  {
    name: "a bid is for an earlier block",
    check: "P11",
    code: "BID_LATE",
    change: (txs) => into(txs, bid(8, "late", "alpha", 0)),
  },
];

function pricedPlaces(txs: Txs): readonly number[] {
  const gamma = rollupIdOfName("gamma");
  return txs.flatMap((item, place) => {
    const action = actionOf(item);
    const isPriced = action?.kind === "rollupData" && toHex(action.rollupId) === toHex(gamma);
    return isPriced ? [place] : [];
  });
}

describe("behavior: a block that breaks one rule is refused by that rule", () => {
  test("the block itself is accepted, and has something in every lane", async () => {
    expect(await refusal(block)).toBeUndefined();
    expect(sealed.chain.node(0).watch.fallbacks).toBe(0);
    const kinds = block.map((item) => decodeItem(item).kind);
    expect(kinds).toContain("openings");
    expect(kinds).toContain("excused");
    expect(duePlaces(block).length).toBe(2);
    for (const lane of [Lane.CONTROL, Lane.SEALED, Lane.ATOMIC, Lane.DEFAULT]) firstOf(block, lane);
    expect(injectedOf(block)?.entries.some((entry) => !isBlank(entry))).toBe(true);
  });

  test.each(MUTATIONS)("$check $code: $name", async ({ check, code, change }) => {
    expect(await refusal(change(block))).toMatch(new RegExp(`^${check} ${code}`));
  });

  test.each([
    ["its root is another", (m: Manifest): Manifest => ({ ...m, root: sha256(m.root) })],
    ["it says one leaf more", (m: Manifest): Manifest => ({ ...m, leafCount: m.leafCount + 1 })],
    ["it says one leaf less", (m: Manifest): Manifest => ({ ...m, leafCount: m.leafCount - 1 })],
  ])("P5 MANIFEST: %s", async (_, change) => {
    const [first] = block.slice(0, 1).map(decodeItem);
    assert(first?.kind === "manifest", "item 0");
    const manifest = change(first.manifest);
    const txs = block.with(0, encodeItem({ kind: "manifest", manifest }));
    const verdict = await sealed.chain
      .node(1)
      .app.processProposal(sealed.chain.processRequest(txs));
    expect(verdict).toMatchObject({ accept: false, reason: expect.stringMatching(/^P5 MANIFEST/) });
  });

  test("P5 MANIFEST: a transaction more or less stands below it", async () => {
    const { chain } = sealed;
    const txs = [
      without(block, block.length - 1),
      [...block, signedItem(sender(15), nonce(0), dataFor("epsilon", "more"))],
      block.with(block.length - 1, signedItem(sender(14), nonce(0), dataFor("epsilon", "dada"))),
    ];
    for (const each of txs) {
      const verdict = await chain.node(1).app.processProposal(chain.processRequest(each));
      expect(verdict.accept ? "" : verdict.reason).toMatch(/^P5 MANIFEST/);
    }
  });

  test.each([0, 1, 2])("P2 LANE_FORCED: nothing may stand in lane FORCED (%i)", (after) => {
    const { app } = sealed.chain.node(1);
    const { params } = { params: app.read.params() };
    const rules = createLaneRules(laneParams(params, BLOCK_BYTES), true);
    const use = (lane: Lane, kind: LaneUse["kind"] = "tx"): LaneUse => ({
      kind,
      lane,
      itemBytes: 100,
      rollupKeys: [],
      control: { publicKey: new Uint8Array(32), nonce: 0n, id: new Uint8Array(32) },
    });
    expect(rules.take(use(Lane.SYS, "manifest"))).toBeUndefined();
    const before = [[], [Lane.CONTROL], [Lane.CONTROL, Lane.OBLIGATED]][after] ?? [];
    for (const lane of before) expect(rules.take(use(lane))).toBeUndefined();
    expect(rules.take(use(Lane.FORCED))).toMatchObject({ code: "LANE_FORCED" });
  });

  test("every rule has three mutations at least", () => {
    const counts = new Map<string, number>();
    for (const { check } of MUTATIONS) counts.set(check, (counts.get(check) ?? 0) + 1);
    for (const check of ["P1", "P4", "P7", "P8", "P9", "P10", "P11"]) {
      expect(counts.get(check), check).toBeGreaterThanOrEqual(3);
    }
  });
});

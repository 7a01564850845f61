/**
 * A chain of real, signed blocks with sealed transactions in them, without engine and application: their
 * items, results and events are what an application leaves behind. For streams and those who verify them.
 */
import { laneOf } from "../../mev/lanes.ts";
import { createManifestBuilder, rollupEntriesOf } from "../../mev/manifest.ts";
import { shuffleOrder } from "../../mev/ordering/shuffle.ts";
import { encodeContent } from "../../mev/seal/content.ts";
import { createGroup } from "../../mev/seal/group/group.ts";
import { sealContent } from "../../mev/seal/sealed-content.ts";
import { createTdh2, kemPoint } from "../../mev/seal/tdh2.ts";
import { Height } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import type { ShuffleState } from "../../proto/codec/mev-state.ts";
import { Ordering, PLAIN_POLICY } from "../../proto/codec/rollup-policy.ts";
import type { Sealed } from "../../proto/codec/seal-tx.ts";
import { decodeItem, encodeTxItem } from "../../proto/codec/weft-block.ts";
import type { RollupState } from "../../proto/codec/weft-state.ts";
import {
  accountAddress,
  type Action,
  encodeTxBody,
  rollupData,
  rollupIdOfName,
  type TxBody,
  txId,
} from "../../proto/codec/weft-tx.ts";
import { sha256, sha512Concat } from "../../proto/hash.ts";
import { DecisionOutcome, FillStatus, orderHash } from "../../proto/verify/manifest.ts";
import { BlockEntryTerms } from "../../sequencer/app/ordering/entry-terms.ts";
import { ordersEvents } from "../../sequencer/app/ordering/events.ts";
import type { DecidedOrder } from "../../sequencer/app/ordering/shuffles.ts";
import {
  fillsEvents,
  openedFills,
  type ResolvedFill,
  unopenedFills,
} from "../../sequencer/app/seal/fills.ts";
import {
  type BuiltBlock,
  buildChain,
  TEST_CHAIN_ID,
  testGenesis,
  testKeys,
} from "./chain-builder.ts";

export const ALPHA = rollupIdOfName("alpha");
export const BETA = rollupIdOfName("beta");
export const GAMMA = rollupIdOfName("gamma");
/** The one that shuffles. */
export const DELTA = rollupIdOfName("delta");
/** Blocks of the chain. */
export const SEALED_CHAIN_HEIGHT = 9;
/** What each rollup executes at each height, from 1 on; as text. */
export const EXECUTED: Readonly<
  Record<"alpha" | "beta" | "gamma" | "delta", readonly (readonly string[])[]>
> = {
  alpha: [["a1"], ["a2", "sealed a", "a2 again"], [], ["a4"], [], [], ["by seed"], [], []],
  beta: [[], ["sealed b", "revealed b"], [], [], [], ["b6"], [], [], []],
  gamma: [[], [], [], [], [], [], [], [], []],
  delta: [[], [], ["d 3", "d 1", "d 2", "d 0"], [], [], [], [], [], []],
};

const group = createGroup();
const tdh2 = createTdh2(group);
const SECRET = group.scalars.reduceWide(sha512Concat(utf8ToBytes("secret of the key")));
const KEY = { number: 1, publicKey: group.mulBase(SECRET) };

/**
 * Nine blocks of four validators, delta's in block 3 alone (sealed, data, sealed, sealed; opened and ordered in block 5); the set changes in block 4, while entries of block 2 are unresolved.
 *
 * | block | alpha | beta | fills |
 * |---|---|---|---|
 * | 1 | data | | |
 * | 2 | data, sealed, garbage, data | the same sealed one, a commit | |
 * | 4 | data, sealed | | 2: sealed opened for both, garbage INVALID |
 * | 5 | | | 2: the commit, by its `Reveal` |
 * | 6 | | data, commit | |
 * | 7 | sealed | | 4: EXPIRED |
 * | 8 | | | 6: VOID; 7: by its seed |
 */
export function buildSealedChain(): readonly BuiltBlock[] {
  const fillsOf = new Map<number, readonly ResolvedFill[]>();
  const txs = new Map<number, readonly Uint8Array[]>();
  const text = (value: string) => utf8ToBytes(value);
  const both = sealed("both", [
    { rollupId: ALPHA, data: [text("sealed a")] },
    { rollupId: BETA, data: [text("sealed b")] },
  ]);
  const garbage = sealed("garbage", [{ rollupId: ALPHA, data: [text("never read")] }]);
  const expired = sealed("expired", [{ rollupId: ALPHA, data: [text("never opened")] }]);
  const bySeed = sealed("by seed", [{ rollupId: ALPHA, data: [text("by seed")] }]);
  const commit = commitTo(BETA);
  const lapsed = commitTo(BETA, 1);
  const reveal = item({
    kind: "reveal",
    height: Height(2),
    id: idOf(commit),
    salt: new Uint8Array(32),
    content: encodeContent([{ rollupId: BETA, data: [text("revealed b")] }]),
  });

  txs.set(1, [dataItem(ALPHA, "a1")]);
  txs.set(2, [dataItem(ALPHA, "a2"), both.item, garbage.item, commit, dataItem(ALPHA, "a2 again")]);
  const shuffled = [0, 2, 3].map((position) =>
    sealed(
      `shuffled ${position}`,
      [{ rollupId: DELTA, data: [text(`d ${position}`)] }],
      position + 1,
    ),
  );
  const [start, ...rest] = shuffled.map(({ item: bytes }) => bytes);
  txs.set(3, [start ?? commit, dataItem(DELTA, "d 1"), ...rest]);
  txs.set(4, [dataItem(ALPHA, "a4"), expired.item]);
  txs.set(5, [reveal]);
  txs.set(6, [dataItem(BETA, "b6"), lapsed]);
  txs.set(7, [bySeed.item]);
  fillsOf.set(4, [
    ...openedFills(
      Height(2),
      [
        { rollupId: ALPHA, position: 1 },
        { rollupId: BETA, position: 0 },
      ],
      [rollupData(ALPHA, [text("sealed a")]).payload, rollupData(BETA, [text("sealed b")]).payload],
      { kind: "point", point: tdh2.makeShares(SECRET, kemPoint(both.action.kem)) },
    ),
    ...unopenedFills(Height(2), [{ rollupId: ALPHA, position: 2 }], FillStatus.INVALID),
  ]);
  const slots = shuffled.map(({ action, sender }, index) => ({
    position: index === 0 ? 0 : index + 1,
    sender,
    isResolved: true,
    point: tdh2.makeShares(SECRET, kemPoint(action.kem)),
  }));
  fillsOf.set(5, [
    ...openedFills(
      Height(2),
      [{ rollupId: BETA, position: 1 }],
      [rollupData(BETA, [text("revealed b")]).payload],
      { kind: "reveal" },
    ),
    ...slots.flatMap(({ position, point }) =>
      openedFills(
        Height(3),
        [{ rollupId: DELTA, position }],
        [rollupData(DELTA, [text(`d ${position}`)]).payload],
        { kind: "point", point },
      ),
    ),
  ]);
  const order = orderOf(slots);
  fillsOf.set(7, unopenedFills(Height(4), [{ rollupId: ALPHA, position: 1 }], FillStatus.EXPIRED));
  fillsOf.set(8, [
    ...unopenedFills(Height(6), [{ rollupId: BETA, position: 1 }], FillStatus.VOID),
    ...openedFills(
      Height(7),
      [{ rollupId: ALPHA, position: 0 }],
      [rollupData(ALPHA, [text("by seed")]).payload],
      { kind: "seed", seed: bySeed.seed },
    ),
  ]);

  const keys = testKeys(5);
  const [newcomer] = keys.slice(4);
  if (newcomer === undefined) throw new Error("expected five keys");
  return buildChain(
    keys,
    SEALED_CHAIN_HEIGHT,
    testGenesis(keys.slice(0, 4)),
    (height) =>
      withManifest(txs.get(height) ?? [], fillsOf.get(height) ?? [], height === 5 ? [order] : []),
    (height) => ({
      events: [
        ...fillsEvents(fillsOf.get(height) ?? []),
        ...ordersEvents(height === 5 ? [order] : []),
        ...(height === 3 ? SHUFFLING.events() : []),
      ],
      validatorUpdates: height === 2 ? [{ publicKey: newcomer.publicKey, power: 10n }] : [],
    }),
  );
}

/** The items of a block that holds these transactions. */
export function withManifest(
  txs: readonly Uint8Array[],
  fills: readonly ResolvedFill[] = [],
  orders: readonly DecidedOrder[] = [],
): readonly Uint8Array[] {
  const builder = createManifestBuilder();
  for (const bytes of txs) {
    const decoded = decodeItem(bytes);
    if (decoded.kind !== "tx") throw new Error("expected a transaction");
    const lane = laneOf(decoded, false);
    for (const { rollupId, entry } of rollupEntriesOf(decoded.tx, idOf(bytes), lane, SHUFFLING)) {
      builder.add(rollupId, entry);
    }
  }
  for (const { rollupId, fill } of fills) builder.addFill(rollupId, fill);
  for (const { rollupId, decision } of orders) builder.addDecision(rollupId, decision);
  return [builder.build().item, ...txs];
}

const TERMS: Pick<TxBody, "publicKey" | "replay" | "fee"> = {
  publicKey: new Uint8Array(32).fill(7),
  replay: { kind: "unordered", expiryHeight: Height(100), salt: new Uint8Array([1]) },
  fee: { maxFeePerByte: 1n, tipPerByte: 0n },
};

/** What the state says of delta, and of nobody else. */
const SHUFFLING = new BlockEntryTerms(TEST_CHAIN_ID, 3, {
  rollup: (id) => (id === toHex(DELTA) ? SHUFFLER : undefined),
  auctionGroup: () => undefined,
});
const SHUFFLER: RollupState = {
  name: "delta",
  ownerKey: new Uint8Array(32),
  policy: { ...PLAIN_POLICY, ordering: Ordering.SEALED_RANDOM },
  pending: undefined,
  registeredHeight: Height(1),
  deposit: 0n,
};

function orderOf(slots: ShuffleState["slots"]): DecidedOrder {
  const { seed, positions } = shuffleOrder(TEST_CHAIN_ID, Height(3), DELTA, slots);
  const detailHash = orderHash(positions);
  return {
    rollupId: DELTA,
    decision: { subject: seed, outcome: DecisionOutcome.ORDER, height: Height(3), detailHash },
    positions,
  };
}

/** A transaction with data of a rollup, as text. */
export function dataItem(id: Uint8Array, ...values: readonly string[]): Uint8Array {
  return item(
    rollupData(
      id,
      values.map((value) => utf8ToBytes(value)),
    ),
  );
}

function item(action: Action, terms = TERMS): Uint8Array {
  const bodyBytes = encodeTxBody({ ...terms, action });
  return encodeTxItem({ bodyBytes, signature: new Uint8Array(64).fill(9) });
}

function idOf(bytes: Uint8Array): Uint8Array {
  const decoded = decodeItem(bytes);
  if (decoded.kind !== "tx") throw new Error("expected a transaction");
  return txId(TEST_CHAIN_ID, decoded.tx.bodyBytes);
}

function sealed(
  name: string,
  parts: Parameters<typeof sealContent>[1]["parts"],
  by = 7,
): {
  readonly item: Uint8Array;
  readonly action: Sealed;
  readonly seed: Uint8Array;
  readonly sender: Uint8Array;
} {
  const terms = { ...TERMS, publicKey: new Uint8Array(32).fill(by) };
  const seed = sha256(utf8ToBytes(`seed of ${name}`));
  const action = sealContent(
    tdh2,
    { ...terms, chainId: TEST_CHAIN_ID, key: KEY, parts, maxHeight: Height(50) },
    { seed, nonce: sha512Concat(utf8ToBytes(`nonce of ${name}`)) },
  );
  return { item: item(action, terms), action, seed, sender: accountAddress(terms.publicKey) };
}

/** The hash is for those who check reveals; nobody does here. */
function commitTo(rollupId: Uint8Array, salt = 0): Uint8Array {
  return item({
    kind: "sealCommit",
    hash: new Uint8Array(32).fill(salt),
    rollupIds: [rollupId],
    maxHeight: Height(50),
    bucket: 256,
  });
}

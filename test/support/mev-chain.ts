/**
 * Chains on which everything of `mev/` happens: rollups that sell their tops, shuffle or order by price, a key
 * for sealed transactions, and wallets that bundle, bid and cancel.
 */
import { Height } from "../../proto/brands.ts";
import { utf8ToBytes } from "../../proto/bytes.ts";
import type { Bundle, Replacement, RevertMode } from "../../proto/codec/mev-tx.ts";
import { type Fee, type Replay, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import { sha256, sha256Concat, sha512Concat } from "../../proto/hash.ts";
import { sealBid } from "../../mev/seal/sealed-content.ts";
import type { EncryptionRandomness } from "../../mev/seal/tdh2.ts";
import {
  bundleOf as makeBundle,
  type BundleTerms as Terms,
  cancelBelow,
  type LegTerms,
  sealedBundleItem as sealBundleItem,
} from "./bundles.ts";
import { armedOf, dueIdsOf } from "./mev-due.ts";
import { type SealedChain, type SealedChainOptions, startSealedChain } from "./sealed-app.ts";
import type { TestSealKey } from "./seal-key.ts";
import { TEST_TDH2 } from "./sealing.ts";
import {
  CHAIN_ID,
  type GenesisPolicy,
  idOf,
  signedItem,
  type TestChain,
  type TxTerms,
  type Wallet,
} from "./weft-app.ts";

/** Alpha leads an auction with beta, gamma orders by price, delta shuffles, epsilon chooses nothing. */
export const MEV_ROLLUPS = {
  alpha: { auction: true, auction_members: ["beta"], reserve: "1000" },
  beta: { auction: true, auction_leader: "alpha", reserve: "1000" },
  gamma: { ordering: "priority_fee" },
  delta: { ordering: "sealed_random" },
  epsilon: {},
} as const satisfies Readonly<Record<string, GenesisPolicy>>;

export type MevRollup = keyof typeof MEV_ROLLUPS;

export const MEV_ROLLUP_NAMES = Object.keys(MEV_ROLLUPS) as readonly MevRollup[];

export function startMevChain(options: SealedChainOptions = {}): Promise<SealedChain> {
  return startSealedChain({ rollups: MEV_ROLLUPS, ...options });
}

export interface LegDraft {
  readonly rollup: string;
  readonly text: string;
  readonly tip?: bigint;
  readonly revertMode?: RevertMode;
}

/** When a bundle may stand in a block, and what voids it. */
export interface BundleTerms extends Terms, TxTerms {
  readonly maxHeight: number;
}

export function bundleOf(legs: readonly LegDraft[], terms: BundleTerms): Bundle {
  return makeBundle(legs.map(legOf), terms);
}

function legOf({ text, ...leg }: LegDraft): LegTerms {
  return { ...leg, entries: [text] };
}

/** A signed bundle in the clear. */
export function bundleItem(
  sender: Wallet,
  replay: Replay,
  legs: readonly LegDraft[],
  terms: BundleTerms,
): Uint8Array {
  return signedItem(sender, replay, bundleOf(legs, terms), terms);
}

/** A signed bundle whose legs nobody reads before its place is final. */
export function sealedBundleItem(
  sender: Wallet,
  replay: Replay,
  key: TestSealKey,
  legs: readonly LegDraft[],
  terms: BundleTerms,
): Uint8Array {
  return sealBundleItem(sender, replay, key.state, legs.map(legOf), terms).item;
}

export interface BidDraft extends TxTerms {
  readonly group?: string;
  readonly amount: bigint;
  readonly legs: readonly LegDraft[];
  readonly minHeight?: number;
  readonly maxHeight: number;
}

/** A signed bid; the same for the same arguments. */
export function bidItem(
  sender: Wallet,
  replay: Replay,
  key: TestSealKey,
  draft: BidDraft,
): Uint8Array {
  const { group = "alpha", amount, legs, minHeight = 0, maxHeight } = draft;
  const fee = feeOf(draft);
  const action = sealBid(
    TEST_TDH2,
    {
      chainId: CHAIN_ID,
      key: key.state,
      publicKey: sender.key.publicKey,
      replay,
      fee,
      group: rollupIdOfName(group),
      amount,
      parts: legs.map(({ rollup, text }) => ({
        rollupId: rollupIdOfName(rollup),
        data: [utf8ToBytes(text)],
      })),
      minHeight: Height(minHeight),
      maxHeight: Height(maxHeight),
    },
    randomnessOf(`bid ${amount}`, sender, replay, legs),
  );
  return signedItem(sender, replay, action, fee);
}

function feeOf({ maxFeePerByte = 1_000n, tipPerByte = 1n }: TxTerms): Fee {
  return { maxFeePerByte, tipPerByte };
}

/** The same for the same arguments, so that tests are too. */
function randomnessOf(
  kind: string,
  { address }: Wallet,
  replay: Replay,
  legs: readonly LegDraft[],
): EncryptionRandomness {
  const text = JSON.stringify([kind, replay, legs], (_, value) =>
    typeof value === "bigint" ? String(value) : (value as unknown),
  );
  const name = utf8ToBytes(text);
  return { seed: sha256Concat(address, name), nonce: sha512Concat(address, name) };
}

/** A replacement key for a name. */
export function replacementOf(name: string, sequence: number | bigint): Replacement {
  return { key: sha256(utf8ToBytes(name)).slice(0, 16), sequence: BigInt(sequence) };
}

/** Cancels bundles with that key, up to that sequence. */
export function cancelKeyItem(
  sender: Wallet,
  replay: Replay,
  { key, sequence }: Replacement,
  untilHeight: number,
): Uint8Array {
  return signedItem(sender, replay, {
    kind: "cancelBundles",
    key,
    sequence,
    untilHeight: Height(untilHeight),
    cancelNonce: 0n,
  });
}

/** Cancels all bundles with a smaller nonce. */
export function cancelNonceItem(sender: Wallet, replay: Replay, cancelNonce: bigint): Uint8Array {
  return signedItem(sender, replay, cancelBelow(cancelNonce));
}

export function depositItem(sender: Wallet, replay: Replay, amount: bigint): Uint8Array {
  return signedItem(sender, replay, { kind: "depositEscrow", amount });
}

export function withdrawItem(sender: Wallet, replay: Replay, amount: bigint): Uint8Array {
  return signedItem(sender, replay, { kind: "withdrawEscrow", amount });
}

/**
 * All validators but the proposer know these items, until the state says that they are due in the next block.
 * The proposer's pool does not hold them. `before`: what happens ahead
 * of the block that comes so many blocks before the one in which they are due, once that is known.
 */
export async function makeDue(
  chain: TestChain,
  items: readonly Uint8Array[],
  proposer = 0,
  before: (blocksLeft: number) => Promise<unknown> = () => Promise.resolve(),
): Promise<void> {
  for (let n = 0; n < chain.nodes.length; n++) {
    if (n === proposer) continue;
    for (const item of items) {
      const code = await chain.submit(item, n);
      assert(code === 0, `the pool of node ${n} refuses it: code ${code}`);
    }
  }
  const ids = items.map((item) => Buffer.from(idOf(item)).toString("hex"));
  for (let steps = 0; ; steps++) {
    const due = dueIdsOf(chain.app);
    if (ids.every((id) => due.has(id))) return;
    assert(steps < DUE_WITHIN_BLOCKS, "what more than two thirds list is due in time");
    const armed = new Map(armedOf(chain.app).map(({ id, dueHeight }) => [id, dueHeight]));
    const dueHeights = ids.flatMap((id) => armed.get(id) ?? []);
    if (dueHeights.length === ids.length) await before(Math.max(...dueHeights) - chain.height - 1);
    await chain.step(proposer);
  }
}

/** One height of delay, one block that brings the lists, and the shortest time until it is due. */
const DUE_WITHIN_BLOCKS = 8;

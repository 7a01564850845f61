/** Bids and escrow on a chain of applications with a key for what is sealed. */
import { type BidTerms, sealBid } from "../../mev/seal/sealed-content.ts";
import { Height } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import type { Bid } from "../../proto/codec/mev-tx.ts";
import { type Replay, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import { sha256, sha512Concat } from "../../proto/hash.ts";
import type { TestSealKey } from "./seal-key.ts";
import type { SealedChain } from "./sealed-app.ts";
import { TEST_TDH2 } from "./sealing.ts";
import { CHAIN_ID, idOf, nonce, signedItem, type Wallet, wallet } from "./weft-app.ts";

export interface BidOffer {
  /** Name of the rollup that leads the group; default: the first one that it is for. */
  readonly group?: string;
  readonly amount: bigint;
  /** By name; what runs at the top of its block. */
  readonly tops: Readonly<Record<string, string>>;
  readonly minHeight?: number;
  readonly maxHeight?: number;
  readonly tipPerByte?: bigint;
}

export interface SealedBid {
  readonly item: Uint8Array;
  readonly action: Bid;
  /** Opens it when the committee does not. */
  readonly seed: Uint8Array;
  /** 64 lower-case hex characters. */
  readonly id: string;
}

/** A signed item, the same for the same arguments. `height`: of the next block; the bid is for 25 from there. */
export function makeBid(
  sender: Wallet,
  replay: Replay,
  key: TestSealKey,
  height: number,
  offer: BidOffer,
): SealedBid {
  const { tops, amount, minHeight = 0, maxHeight = height + 24, tipPerByte = 1n } = offer;
  const group = offer.group ?? Object.keys(tops)[0] ?? "";
  const fee = { maxFeePerByte: 1_000n, tipPerByte };
  const name = utf8ToBytes(`${amount} ${JSON.stringify([tops, replay], (_, v) => String(v))}`);
  const randomness = { seed: sha256(name), nonce: sha512Concat(sender.address, name) };
  const terms: BidTerms = {
    chainId: CHAIN_ID,
    key: key.state,
    publicKey: sender.key.publicKey,
    replay,
    fee,
    group: rollupIdOfName(group),
    amount,
    parts: Object.entries(tops).map(([rollup, text]) => ({
      rollupId: rollupIdOfName(rollup),
      data: [utf8ToBytes(text)],
    })),
    minHeight: Height(minHeight),
    maxHeight: Height(maxHeight),
  };
  const action = sealBid(TEST_TDH2, terms, randomness);
  const item = signedItem(sender, replay, action, fee);
  return { item, action, seed: randomness.seed, id: toHex(idOf(item)) };
}

/** Gives it to the pool of node 0. */
export async function submitBid(
  { chain, keys: [key] }: SealedChain,
  sender: number,
  offer: BidOffer,
): Promise<SealedBid> {
  const { nonce: next } = chain.app.read.pendingAccount(wallet(sender).address);
  const bid = makeBid(wallet(sender), nonce(next), key, chain.height + 1, offer);
  const code = await chain.submit(bid.item);
  assert(code === 0, `the pool refuses the bid: code ${code}`);
  return bid;
}

/** Puts nweft of these accounts into escrow, in one block. */
export async function fundBidders(
  { chain }: SealedChain,
  senders: readonly number[],
  amount: bigint,
): Promise<void> {
  for (const sender of senders) {
    const { nonce: next } = chain.app.read.pendingAccount(wallet(sender).address);
    const action = { kind: "depositEscrow", amount } as const;
    const code = await chain.submit(signedItem(wallet(sender), nonce(next), action));
    assert(code === 0, `the pool refuses the deposit: code ${code}`);
  }
  await chain.step(0);
}

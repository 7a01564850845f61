/** One swap: two legs that pay each other, good or spoilt, in one bundle. */
import { concat, hexToBytes, keccak256, toHex } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import { Height } from "../../proto/brands.ts";
import type { AbortReason } from "../../proto/codec/atomic-decision.ts";
import { RevertMode } from "../../proto/codec/mev-tx.ts";
import { plainBundleTransaction } from "../../rollup-adapter/client/searcher-transactions.ts";
import { deskCall, expectedPayment, type SwapSide } from "../support/swap-desk.ts";
import { signerOf, unorderedTerms } from "../support/traffic.ts";
import { type Hex, type SwapNetwork, type SwapRollup } from "./network.ts";

/**
 * `good`: both pay. `poor`: one cannot pay. `unread`: one declares a message that nobody wrote. `few`: fewer locks than
 * it takes. `shared`: good, and also writes what every other one of its kind writes. `late`: good, and too few of a
 * rollup's executors vote in time. `slow`: good, and one of three executors votes when the others have decided.
 */
export const FATES = ["good", "poor", "unread", "few", "shared", "late", "slow"] as const;
export type Fate = (typeof FATES)[number];

/** What came of a swap: it is committed, or why it is not. */
export type Outcome = "COMMITTED" | keyof typeof AbortReason;

/** What may come of it. TIMEOUT where executors were killed when their votes were needed. */
export const MEANT: Readonly<Record<Fate, readonly Outcome[]>> = {
  good: ["COMMITTED", "TIMEOUT"],
  poor: ["REVERTED", "TIMEOUT"],
  unread: ["BOXES_DIFFER", "TIMEOUT"],
  few: ["TOO_MANY_LOCKS", "TIMEOUT"],
  shared: ["COMMITTED", "LOCKED", "TIMEOUT"],
  late: ["TIMEOUT"],
  slow: ["COMMITTED", "TIMEOUT"],
};

export interface Swap {
  readonly session: Hex;
  readonly fate: Fate;
  readonly bundleId: Uint8Array;
  /** Of the transaction that carries it. */
  readonly id: Uint8Array;
  readonly item: Uint8Array;
  /** Who pays whom how much, on alpha and on beta. */
  readonly payments: readonly Payment[];
}

export interface Payment {
  readonly from: Hex;
  readonly to: Hex;
  readonly amount: bigint;
  /** Of the payer, in its leg. */
  readonly transactions: number;
}

/** Transactions that an account has made on alpha and on beta: its next nonces. No node is asked: it may be behind. */
export type Nonces = Map<Hex, readonly [number, number]>;

/** What the swap has used, if it is committed. */
export function useNonces(nonces: Nonces, { payments }: Swap): void {
  for (const [at, { from, transactions }] of payments.entries()) {
    const [alpha, beta] = nonces.get(from) ?? [0, 0];
    nonces.set(from, at === 0 ? [alpha + transactions, beta] : [alpha, beta + transactions]);
  }
}

export interface SwapTerms {
  readonly seed: number;
  readonly index: number;
  readonly fate: Fate;
  readonly pair: readonly [PrivateKeyAccount, PrivateKeyAccount];
  readonly amounts: readonly [bigint, bigint];
  readonly nonces: Nonces;
}

const VOTE_BLOCKS = 32;
/** Of `late` ones, which nobody should wait for. */
const VOTE_BLOCKS_LATE = 4;
const LOCKS = 12;
/** Enough for its gas, not for what it touches. */
const LOCKS_FEW = 3;
const GAS = 300_000n;

/** Signs it. */
export async function makeSwap(network: SwapNetwork, terms: SwapTerms): Promise<Swap> {
  const { rollups, sequencer, client } = network;
  const { fate, pair, amounts, nonces } = terms;
  const session = keccak256(toHex(`swap ${terms.seed}/${terms.index}`));
  const give = fate === "poor" ? 10n ** 18n : amounts[0];
  const sides = [
    {
      rollup: rollups[0],
      other: rollups[1],
      payer: pair[0],
      payee: pair[1],
      pays: give,
      gets: amounts[1],
    },
    {
      rollup: rollups[1],
      other: rollups[0],
      payer: pair[1],
      payee: pair[0],
      pays: amounts[1],
      gets: give,
    },
  ] as const;
  const legs = await Promise.all(
    sides.map(async ({ rollup, other, payer, payee, pays, gets }, at) => {
      const side: SwapSide = {
        rollup: other.id,
        desk: other.desk,
        session,
        other: payee.address,
        give: pays,
        take: gets,
      };
      const own = { desk: rollup.desk, payee: payer.address };
      const nonce = nonces.get(payer.address)?.[at] ?? 0;
      const data = [
        expectedPayment(side, own),
        await call(rollup, payer, nonce, deskCall.swap(side)),
      ];
      if (at === 0 && fate === "unread") {
        data.push(expectedPayment({ ...side, session: keccak256(session) }, own));
      }
      if (at === 0 && fate === "shared") {
        // With the session behind it, which the desk does not read: the next one of this payer would be the same bytes.
        data.push(await call(rollup, payer, nonce + 1, concat([deskCall.count(), session])));
      }
      return { rollupId: hexToBytes(rollup.id), data, revertMode: RevertMode.ALLOW, tip: 0n };
    }),
  );
  const { chainId, replay, fee } = await unorderedTerms(client);
  const { height } = await client.chainInfo();
  const voteBlocks = fate === "late" ? VOTE_BLOCKS_LATE : VOTE_BLOCKS;
  const { item, id, bundleId } = plainBundleTransaction(
    {
      chainId,
      replay,
      fee,
      legs,
      minHeight: Height(0),
      maxHeight: Height(height + 60),
      replacement: undefined,
      cancelNonce: 0n,
      atomic: { voteBlocks, locks: [fate === "few" ? LOCKS_FEW : LOCKS, LOCKS] },
    },
    { signer: signerOf(sequencer.owner) },
  );
  const payments = sides.map(({ payer, payee, pays }, at) => ({
    from: payer.address,
    to: payee.address,
    amount: pays,
    transactions: at === 0 && fate === "shared" ? 2 : 1,
  }));
  return { session, fate, bundleId, id, item, payments };
}

async function call(
  { chainId, desk: to }: SwapRollup,
  account: PrivateKeyAccount,
  nonce: number,
  data: Hex,
): Promise<Uint8Array> {
  const maxFeePerGas = 2_000_000_000n;
  return hexToBytes(
    await account.signTransaction({
      type: "eip1559",
      chainId,
      nonce,
      gas: GAS,
      maxFeePerGas,
      to,
      data,
    }),
  );
}

/** What the blocks of the benchmark of `mev/` hold: bids, bundles, cancellations, listed transactions, data. */
import { sealBid } from "../../mev/seal/sealed-content.ts";
import { createGroup } from "../../mev/seal/group/group.ts";
import { createTdh2 } from "../../mev/seal/tdh2.ts";
import { formatAddress } from "../../proto/address.ts";
import { Height } from "../../proto/brands.ts";
import { compareBytes, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import type { SealKeyState } from "../../proto/codec/seal-state.ts";
import { encodeTxItem } from "../../proto/codec/weft-block.ts";
import {
  accountAddress,
  type Action,
  encodeTxBody,
  type Fee,
  type Replay,
  rollupData,
  rollupIdOfName,
  txSignBytes,
} from "../../proto/codec/weft-tx.ts";
import { sha256, sha512Concat } from "../../proto/hash.ts";
import { type Ed25519KeyPair, signEd25519 } from "../../proto/verify/ed25519.ts";
import type { GenesisAppState } from "../../sequencer/app/genesis.ts";
import { benchAccount } from "../load/shape.ts";
import { CHAIN_ID } from "./mev-chain.ts";

/** Rollups of the one group, the first of which leads it. */
export const GROUP_ROLLUPS: readonly string[] = Array.from({ length: 12 }, (_, n) => `bench-${n}`);
/** Beside them: one orders by price, one shuffles. */
export const PRICED_ROLLUP = "bench-priced";
export const SHUFFLED_ROLLUP = "bench-shuffled";
export const BIDDERS = 200;
const BIDS_PER_ACCOUNT = 5;
const ESCROW = 1_000_000_000n;
const EXPIRY_HEIGHT = 500;
const LEG_TEXT_BYTES = 100;
const BUNDLE_TEXT_BYTES = 400;
const DATA_BYTES = 1_024;

export function genesisOfLoad(): Required<
  Pick<GenesisAppState, "accounts" | "rollups" | "params">
> {
  const owner = toHex(benchAccount(0).publicKey);
  const [leader = "", ...members] = GROUP_ROLLUPS;
  return {
    accounts: Array.from({ length: BIDDERS }, (_, n) => ({
      address: formatAddress(accountAddress(benchAccount(n).publicKey)),
      balance: "10000000000000",
    })),
    rollups: [
      {
        name: leader,
        owner_key: owner,
        policy: { auction: true, auction_members: members, reserve: "1000" },
      },
      ...members.map((name) => ({
        name,
        owner_key: owner,
        policy: { auction: true, auction_leader: leader, reserve: "1000" },
      })),
      { name: PRICED_ROLLUP, owner_key: owner, policy: { ordering: "priority_fee" } },
      { name: SHUFFLED_ROLLUP, owner_key: owner, policy: { ordering: "sealed_random" } },
    ],
    params: { bid_escrow_min: "1000" },
  };
}

export function deposits(): readonly Uint8Array[] {
  return range(BIDDERS, (n) => signed(n, "deposit", { kind: "depositEscrow", amount: ESCROW }));
}

/** Sealed bids for one to four rollups of the group, five of an account. */
export function bids(
  count: number,
  wave: string,
  key: SealKeyState,
  maxHeight: number,
): readonly Uint8Array[] {
  const tdh2 = createTdh2(createGroup());
  const [leader = ""] = GROUP_ROLLUPS;
  return range(count, (n) => {
    const account = Math.floor(n / BIDS_PER_ACCOUNT);
    const name = `bid ${wave}/${n}`;
    const parts = range(1 + (n % 4), (leg) => ({
      rollupId: rollupIdOfName(GROUP_ROLLUPS[(n * 7 + leg * 5) % GROUP_ROLLUPS.length] ?? ""),
      data: [utf8ToBytes(`${name} ${leg}`.padEnd(LEG_TEXT_BYTES, "x"))],
    }));
    const terms = termsOf(account, name);
    const action = sealBid(
      tdh2,
      {
        ...terms,
        chainId: CHAIN_ID,
        key,
        group: rollupIdOfName(leader),
        amount: 10_000n + BigInt((n * 7_919) % 100_000),
        parts,
        minHeight: Height(0),
        maxHeight: Height(maxHeight),
      },
      { seed: sha256(utf8ToBytes(name)), nonce: sha512Concat(utf8ToBytes(name)) },
    );
    return signedWith(benchAccount(account), terms, action);
  });
}

/** In the clear, across two rollups of the group. */
export function bundles(count: number, maxHeight: number): readonly Uint8Array[] {
  return range(count, (n) => {
    const legs = [n, n + 5].map((at) => {
      const rollup = GROUP_ROLLUPS[at % GROUP_ROLLUPS.length] ?? "";
      const text = utf8ToBytes(`leg ${at} of ${n}`.padEnd(BUNDLE_TEXT_BYTES, "x"));
      const { rollupId, payload } = rollupData(rollupIdOfName(rollup), [text]);
      return { rollupId, payload, revertMode: 0 as const, tip: 1_000n };
    });
    return signed(n, `bundle ${n}`, {
      kind: "bundle",
      legs: legs.toSorted((a, b) => compareBytes(a.rollupId, b.rollupId)),
      minHeight: Height(0),
      maxHeight: Height(maxHeight),
      replacement: undefined,
      cancelNonce: 0n,
      atomic: undefined,
    });
  });
}

/** Each of an account of its own. */
export function cancellations(count: number): readonly Uint8Array[] {
  return range(count, (n) =>
    signed(n, `cancel ${n}`, {
      kind: "cancelBundles",
      key: sha256(utf8ToBytes(`key ${n}`)).slice(0, 16),
      sequence: 1n,
      untilHeight: Height(100),
      cancelNonce: 0n,
    }),
  );
}

/** Data of 1 KiB, to the rollups of the group in turn and every fifth to the one that orders by price. */
export function data(count: number, name: string): readonly Uint8Array[] {
  return range(count, (n) => {
    const rollup = n % 5 === 0 ? PRICED_ROLLUP : (GROUP_ROLLUPS[n % GROUP_ROLLUPS.length] ?? "");
    const text = utf8ToBytes(`${name} ${n}`.padEnd(DATA_BYTES, "x"));
    const tip = BigInt(1 + ((n * 31) % 200));
    return signed(n, `${name} ${n}`, rollupData(rollupIdOfName(rollup), [text]), tip);
  });
}

type Terms = { readonly publicKey: Uint8Array; readonly replay: Replay; readonly fee: Fee };

function termsOf(account: number, salt: string, tipPerByte = 1n): Terms {
  return {
    publicKey: benchAccount(account % BIDDERS).publicKey,
    replay: {
      kind: "unordered",
      expiryHeight: Height(EXPIRY_HEIGHT),
      salt: sha256(utf8ToBytes(salt)).slice(0, 16),
    },
    fee: { maxFeePerByte: 1_000n, tipPerByte },
  };
}

function signed(account: number, salt: string, action: Action, tipPerByte = 1n): Uint8Array {
  const terms = termsOf(account, salt, tipPerByte);
  return signedWith(benchAccount(account % BIDDERS), terms, action);
}

function signedWith(key: Ed25519KeyPair, terms: Terms, action: Action): Uint8Array {
  const bodyBytes = encodeTxBody({ ...terms, action });
  return encodeTxItem({ bodyBytes, signature: signEd25519(key, txSignBytes(CHAIN_ID, bodyBytes)) });
}

function range<T>(count: number, make: (n: number) => T): readonly T[] {
  return Array.from({ length: count }, (_, n) => make(n));
}

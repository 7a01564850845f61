/** What is submitted: transactions of one shape, signed ahead of time. */
import { randomBytes } from "node:crypto";
import { Height } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { encodeTxItem } from "../../proto/codec/weft-block.ts";
import {
  type Action,
  encodeTxBody,
  rollupData,
  rollupIdOfName,
  type TxBody,
  txId,
  txSignBytes,
} from "../../proto/codec/weft-tx.ts";
import { sha256 } from "../../proto/hash.ts";
import {
  type Ed25519KeyPair,
  ed25519KeyPairFromSeed,
  signEd25519,
} from "../../proto/verify/ed25519.ts";
import { utf8ToBytes } from "../../proto/bytes.ts";

/** Payloads of one signed submission. */
export const MODES = { single: 1, batch100: 100, batch1000: 1_000 } as const;
export type Mode = keyof typeof MODES;

/** Two, because a chain keeps part of each block from any one rollup. */
export const ROLLUP_NAMES = ["bench-a", "bench-b"] as const;

/** nweft per byte, above the highest base fee of the benchmark's genesis. */
export const MAX_FEE_PER_BYTE = 1_000n;

export interface LoadShape {
  readonly chainId: string;
  readonly payloadsPerItem: number;
  readonly payloadBytes: number;
  readonly accounts: number;
  /** The key that payloads are sealed for; in the open when it is not given. */
  readonly sealing?: { readonly number: number; readonly publicKey: Uint8Array };
}

export interface SignedItem {
  /** Transaction id, hex. */
  readonly id: string;
  readonly item: Uint8Array;
  readonly expiryHeight: number;
}

/** The benchmark's accounts; anybody can make their keys, so they are worth nothing elsewhere. */
export function benchAccount(index: number): Ed25519KeyPair {
  return ed25519KeyPairFromSeed(sha256(utf8ToBytes(`weft bench account ${index}`)));
}

/** What stands around the action of a submission that is made. */
export type ItemTerms = Omit<TxBody, "action"> & {
  readonly rollupId: Uint8Array;
  readonly expiryHeight: Height;
};

/** Makes signed submissions, all different, accounts and rollups in turn. */
export function createItemFactory(
  shape: LoadShape,
  actionOf: (terms: ItemTerms) => Action = inTheOpen(shape),
): (expiryHeight: number) => SignedItem {
  const { chainId } = shape;
  const keys = Array.from({ length: shape.accounts }, (_, i) => benchAccount(i));
  const rollupIds = ROLLUP_NAMES.map(rollupIdOfName);
  let made = 0;
  return (expiryHeight) => {
    const key = keys[made % keys.length];
    const rollupId = rollupIds[made % rollupIds.length];
    if (key === undefined || rollupId === undefined) throw new RangeError("no account");
    made += 1;
    const head = {
      publicKey: key.publicKey,
      replay: {
        kind: "unordered",
        expiryHeight: Height(expiryHeight),
        salt: new Uint8Array(randomBytes(16)),
      },
      fee: { maxFeePerByte: MAX_FEE_PER_BYTE, tipPerByte: 0n },
    } as const;
    const action = actionOf({ ...head, rollupId, expiryHeight: Height(expiryHeight) });
    const bodyBytes = encodeTxBody({ ...head, action });
    const signature = signEd25519(key, txSignBytes(chainId, bodyBytes));
    return {
      id: toHex(txId(chainId, bodyBytes)),
      item: encodeTxItem({ bodyBytes, signature }),
      expiryHeight,
    };
  };
}

function inTheOpen(shape: LoadShape): (terms: ItemTerms) => Action {
  // Random bytes, so that nothing on the way can compress or share them.
  const pool = new Uint8Array(randomBytes(shape.payloadBytes * shape.payloadsPerItem * 2));
  let made = 0;
  return ({ rollupId }) => rollupData(rollupId, payloads(pool, shape, ++made));
}

/** Views into the pool, at another place for each item. */
function payloads(pool: Uint8Array, shape: LoadShape, item: number): Uint8Array[] {
  const { payloadBytes, payloadsPerItem } = shape;
  const shift = (item * 61) % (payloadBytes * payloadsPerItem);
  return Array.from({ length: payloadsPerItem }, (_, i) =>
    pool.subarray(shift + i * payloadBytes, shift + (i + 1) * payloadBytes),
  );
}

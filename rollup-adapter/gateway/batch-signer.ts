/** Makes one signed submission of payloads: rollup data, or the same sealed for the key that blocks may hold. */
import { setImmediate } from "node:timers/promises";
import { formatAddress } from "../../proto/address.ts";
import { Height, type RollupId } from "../../proto/brands.ts";
import { compareBytes, fromHex } from "../../proto/bytes.ts";
import { txItemBytes } from "../../proto/codec/weft-block.ts";
import {
  accountAddress,
  encodeTxBody,
  rollupData,
  type TxBody,
  txId,
} from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import type { ChainInfo } from "../client/sequencer-client.ts";
import {
  newSalt,
  type SignedItem,
  signTx,
  type TxSigner,
  unorderedTerms,
} from "../client/signed-tx.ts";
import { SALT_TRIES_MAX, SALT_TRY_BYTES_MAX, SEALED_SALT_TRIES_MAX } from "../limits.ts";
import type { GatewayMetrics } from "./metrics.ts";
import type { Sealer } from "./sealer.ts";

const LOWEST_ID = new Uint8Array(32);

export interface BatchSignerOptions {
  readonly rollupId: RollupId;
  /** Heights until a submission expires; at most the chain's window. */
  readonly expiryBlocks: number;
  /** nweft per byte on top of the base fee. */
  readonly tipPerByte: bigint;
}

export interface SignedBatch extends SignedItem {
  /** The chain's height that it was signed at. */
  readonly signedHeight: number;
  /** From this block on nothing of it can be ordered. */
  readonly expiryHeight: number;
  /** Number of the key that it is sealed for; undefined: it is not. */
  readonly key: number | undefined;
}

export interface BatchSigner {
  /** Address of the account that pays. */
  readonly payer: string;
  /**
   * @param isFresh with the key that is in force now
   * @param after id of what is to come before it in a block that holds both; undefined: nothing
   * @throws WeftError<SealerErrorInfo>, and what asking the node throws
   */
  sign(
    chain: ChainInfo,
    payloads: readonly Uint8Array[],
    isFresh: boolean,
    after: Uint8Array | undefined,
  ): Promise<SignedBatch>;
}

export function createBatchSigner(
  options: BatchSignerOptions,
  deps: {
    readonly key: TxSigner;
    readonly sealer: Sealer | undefined;
    readonly metrics: GatewayMetrics;
  },
): BatchSigner {
  const { key, sealer, metrics } = deps;
  const rollupIdBytes = fromHex(options.rollupId);

  return {
    payer: formatAddress(accountAddress(key.publicKey)),
    async sign(chain, payloads, isFresh, after) {
      const sealingKey = await sealer?.key(isFresh);
      // What is sealed for a key that ends is made anew for the next one.
      const end = sealingKey?.endHeight ?? Number.POSITIVE_INFINITY;
      const last = Math.min(chain.height + options.expiryBlocks, end);
      const terms = {
        publicKey: key.publicKey,
        ...unorderedTerms(chain, last, options.tipPerByte),
      };
      const { expiryHeight } = terms.replay;
      const plain = sealingKey === undefined ? rollupData(rollupIdBytes, payloads) : undefined;
      const bodyOf = (salt: Uint8Array): TxBody => {
        const salted = { ...terms, replay: { ...terms.replay, salt } };
        if (plain !== undefined) return { ...salted, action: plain };
        assert(sealer !== undefined && sealingKey !== undefined, "what is not plain is sealed");
        const action = sealer.seal({
          ...salted,
          chainId: chain.chainId,
          key: sealingKey,
          parts: [{ rollupId: rollupIdBytes, data: payloads }],
          maxHeight: Height(expiryHeight - 1),
        });
        return { ...salted, action };
      };
      const triesMax = sealingKey === undefined ? SALT_TRIES_MAX : SEALED_SALT_TRIES_MAX;
      const body = await ordered(chain.chainId, bodyOf, triesMax, after ?? LOWEST_ID);
      metrics.batchBytes.observe(txItemBytes(body));
      const { height: signedHeight } = chain;
      return {
        ...signTx(chain.chainId, body, key),
        signedHeight,
        expiryHeight,
        key: sealingKey?.number,
      };
    },
  };
}

/**
 * Of some bodies, each with another salt, the one whose id is the lowest above `after`. Among transactions of one price
 * a block has the lower id first, whatever came first: by chance every second of two submissions in one block would come
 * before its predecessor, and wallets' transactions in it before their turn, for which the place is paid twice.
 */
async function ordered(
  chainId: string,
  bodyOf: (salt: Uint8Array) => TxBody,
  triesMax: number,
  after: Uint8Array,
): Promise<TxBody> {
  const first = bodyOf(newSalt());
  const tries = Math.min(triesMax, Math.ceil(SALT_TRY_BYTES_MAX / txItemBytes(first)));
  let best: { readonly body: TxBody; readonly id: Uint8Array } | undefined;
  for (let i = 0; i < tries; i++) {
    const body = i === 0 ? first : bodyOf(newSalt());
    const id = txId(chainId, encodeTxBody(body));
    if (compareBytes(id, after) > 0 && (best === undefined || compareBytes(id, best.id) < 0)) {
      best = { body, id };
    }
    // Sealing is work: others get their turn between two.
    if (body.action.kind === "sealed") await setImmediate();
  }
  return best?.body ?? first;
}

/** Makes one signed submission of payloads: rollup data, or the same sealed for the key that blocks may hold. */
import { randomBytes } from "node:crypto";
import { formatAddress } from "../../proto/address.ts";
import { Height, type RollupId } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import { txItemBytes } from "../../proto/codec/weft-block.ts";
import { accountAddress, rollupData, type TxBody } from "../../proto/codec/weft-tx.ts";
import type { ChainInfo } from "../client/sequencer-client.ts";
import { type SignedItem, signTx, type TxSigner } from "../client/signed-tx.ts";
import type { GatewayMetrics } from "./metrics.ts";
import type { Sealer } from "./sealer.ts";

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
   * @throws WeftError<SealerErrorInfo>, and what asking the node throws
   */
  sign(chain: ChainInfo, payloads: readonly Uint8Array[], isFresh: boolean): Promise<SignedBatch>;
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
    async sign(chain, payloads, isFresh) {
      const sealingKey = await sealer?.key(isFresh);
      const ahead = Math.max(1, Math.min(options.expiryBlocks, chain.unorderedWindow));
      // What is sealed for a key that ends is made anew for the next one.
      const end = sealingKey?.endHeight ?? Number.POSITIVE_INFINITY;
      const expiryHeight = Height(Math.min(chain.height + ahead, end));
      const terms: Omit<TxBody, "action"> = {
        publicKey: key.publicKey,
        replay: { kind: "unordered", expiryHeight, salt: new Uint8Array(randomBytes(8)) },
        // The base fee may double before the submission expires out; the tip is paid as stated.
        fee: {
          maxFeePerByte: chain.baseFeePerByte * 2n + options.tipPerByte,
          tipPerByte: options.tipPerByte,
        },
      };
      const action =
        sealer === undefined || sealingKey === undefined
          ? rollupData(rollupIdBytes, payloads)
          : sealer.seal({
              ...terms,
              chainId: chain.chainId,
              key: sealingKey,
              parts: [{ rollupId: rollupIdBytes, data: payloads }],
              maxHeight: Height(expiryHeight - 1),
            });
      const body: TxBody = { ...terms, action };
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

/** What the order of a payload costs the gateway's account, for quotas: as if its submission carried nothing else. */
import { bucketOf } from "../../mev/seal/content.ts";
import { Height, type RollupId } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import { KEM_BYTES, SEAL_BUCKET_MAX, SEAL_BUCKETS } from "../../proto/codec/seal-tx.ts";
import { txItemBytes } from "../../proto/codec/weft-block.ts";
import { type Action, rollupData, type TxBody } from "../../proto/codec/weft-tx.ts";
import { AEAD_TAG_BYTES } from "../../proto/limits.ts";
import type { SequencerClient } from "../client/sequencer-client.ts";
import { PRICE_AGE_MS } from "../limits.ts";

export interface OrderPrice {
  /** nweft, as of at most PRICE_AGE_MS ago. @throws what asking the node throws, while nothing is known */
  costOf(bytes: number, isSealed: boolean): Promise<bigint>;
}

/** @param monotonicMs a clock that never goes back */
export function createOrderPrice(
  options: { readonly rollupId: RollupId; readonly tipPerByte: bigint },
  deps: {
    readonly client: Pick<SequencerClient, "chainInfo">;
    readonly monotonicMs: () => number;
  },
): OrderPrice {
  const { client, monotonicMs } = deps;
  const rollupIdBytes = fromHex(options.rollupId);
  const plainBytes = itemBytes(rollupData(rollupIdBytes, [new Uint8Array(1)]));
  const [smallest = 0] = SEAL_BUCKETS;
  const sealedItem = itemBytes({
    kind: "sealed",
    key: 1_000_000,
    rollupIds: [rollupIdBytes],
    maxHeight: Height(2 ** 40),
    kem: new Uint8Array(KEM_BYTES),
    body: new Uint8Array(smallest + AEAD_TAG_BYTES),
  });
  const sealedBytes = sealedItem - smallest;
  let asked: Promise<bigint> | undefined;
  let askedMs = Number.NEGATIVE_INFINITY;

  function baseFee(): Promise<bigint> {
    if (asked !== undefined && monotonicMs() <= askedMs + PRICE_AGE_MS) return asked;
    askedMs = monotonicMs();
    const answer = client.chainInfo().then(({ baseFeePerByte }) => baseFeePerByte);
    asked = answer;
    answer.catch(() => {
      if (asked === answer) asked = undefined; // the next one asks again
    });
    return answer;
  }

  return {
    async costOf(bytes, isSealed) {
      const fee = (await baseFee()) + options.tipPerByte;
      const size = isSealed
        ? sealedBytes + (bucketOf(bytes + CONTENT_BYTES) ?? SEAL_BUCKET_MAX)
        : plainBytes + bytes;
      return BigInt(size + LENGTHS_BYTES) * fee;
    },
  };
}

/** What stands around one payload in the content that is sealed: rollup id, count and lengths, at most. */
const CONTENT_BYTES = 64;
/** Lengths that are longer than in a small submission. */
const LENGTHS_BYTES = 12;

function itemBytes(action: Action): number {
  const body: TxBody = {
    publicKey: new Uint8Array(32),
    replay: { kind: "unordered", expiryHeight: Height(2 ** 40), salt: new Uint8Array(8) },
    fee: { maxFeePerByte: 1_000_000_000n, tipPerByte: 1_000_000_000n },
    action,
  };
  return txItemBytes(body);
}

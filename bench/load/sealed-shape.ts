/** What is submitted sealed: one payload in each transaction, opened by the validators two blocks later. */
import { randomBytes } from "node:crypto";
import { createGroup } from "../../mev/seal/group/group.ts";
import { sealContent } from "../../mev/seal/sealed-content.ts";
import { createTdh2, NONCE_BYTES, SEED_BYTES } from "../../mev/seal/tdh2.ts";
import { Height } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { encodeTxItem } from "../../proto/codec/weft-block.ts";
import {
  encodeTxBody,
  type Replay,
  rollupIdOfName,
  txId,
  txSignBytes,
} from "../../proto/codec/weft-tx.ts";
import { signEd25519 } from "../../proto/verify/ed25519.ts";
import {
  benchAccount,
  type LoadShape,
  MAX_FEE_PER_BYTE,
  ROLLUP_NAMES,
  type SignedItem,
} from "./shape.ts";

type SealedShape = LoadShape & Required<Pick<LoadShape, "sealing">>;

/** Makes signed submissions, all different, accounts and rollups in turn. */
export function createSealedFactory(shape: SealedShape): (expiryHeight: number) => SignedItem {
  const { chainId, sealing, payloadBytes } = shape;
  const tdh2 = createTdh2(createGroup());
  const keys = Array.from({ length: shape.accounts }, (_, i) => benchAccount(i));
  const rollupIds = ROLLUP_NAMES.map(rollupIdOfName);
  const fee = { maxFeePerByte: MAX_FEE_PER_BYTE, tipPerByte: 0n };
  let made = 0;
  return (expiryHeight) => {
    const key = keys[made % keys.length];
    const rollupId = rollupIds[made % rollupIds.length];
    if (key === undefined || rollupId === undefined) throw new RangeError("no account");
    made += 1;
    const maxHeight = Height(expiryHeight);
    const replay: Replay = {
      kind: "unordered",
      expiryHeight: maxHeight,
      salt: new Uint8Array(randomBytes(16)),
    };
    const { publicKey } = key;
    const action = sealContent(
      tdh2,
      {
        chainId,
        publicKey,
        replay,
        fee,
        key: sealing,
        parts: [{ rollupId, data: [new Uint8Array(randomBytes(payloadBytes))] }],
        maxHeight,
      },
      {
        seed: new Uint8Array(randomBytes(SEED_BYTES)),
        nonce: new Uint8Array(randomBytes(NONCE_BYTES)),
      },
    );
    const bodyBytes = encodeTxBody({ publicKey, replay, fee, action });
    const signature = signEd25519(key, txSignBytes(chainId, bodyBytes));
    return {
      id: toHex(txId(chainId, bodyBytes)),
      item: encodeTxItem({ bodyBytes, signature }),
      expiryHeight,
    };
  };
}

/** What is submitted sealed: one payload in each transaction, opened by the validators two blocks later. */
import { randomBytes } from "node:crypto";
import { createGroup } from "../../mev/seal/group/group.ts";
import { sealContent } from "../../mev/seal/sealed-content.ts";
import { createTdh2, NONCE_BYTES, SEED_BYTES } from "../../mev/seal/tdh2.ts";
import { createItemFactory, type LoadShape, type SignedItem } from "./shape.ts";

type SealedShape = LoadShape & Required<Pick<LoadShape, "sealing">>;

/** Makes signed submissions, all different, accounts and rollups in turn. */
export function createSealedFactory(shape: SealedShape): (expiryHeight: number) => SignedItem {
  const { chainId, sealing, payloadBytes } = shape;
  const tdh2 = createTdh2(createGroup());
  return createItemFactory(shape, ({ publicKey, replay, fee, rollupId, expiryHeight }) =>
    sealContent(
      tdh2,
      {
        chainId,
        publicKey,
        replay,
        fee,
        key: sealing,
        parts: [{ rollupId, data: [new Uint8Array(randomBytes(payloadBytes))] }],
        maxHeight: expiryHeight,
      },
      {
        seed: new Uint8Array(randomBytes(SEED_BYTES)),
        nonce: new Uint8Array(randomBytes(NONCE_BYTES)),
      },
    ),
  );
}

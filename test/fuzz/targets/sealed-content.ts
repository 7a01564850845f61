/** What a sealed transaction holds once it is decrypted, and what evidence of shares brings. */
import * as fc from "fast-check";
import { toHex } from "../../../proto/bytes.ts";
import { rollupDataEntries } from "../../../proto/codec/weft-tx.ts";
import {
  decodeContent,
  encodeContent,
  padContent,
  unpadContent,
} from "../../../mev/seal/content.ts";
import { decodeAsk, decodeShares } from "../../../mev/seal/share-evidence.ts";
import { SEAL_CODECS } from "../../support/seal-arbitraries.ts";
import { plainDecoder, strictCodec, type Target } from "../target.ts";
import { sampled } from "./chain.ts";

const contents = fc
  .uniqueArray(
    fc.record({
      rollupId: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      data: fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), {
        minLength: 1,
        maxLength: 3,
      }),
    }),
    { minLength: 1, maxLength: 3, selector: ({ rollupId }) => toHex(rollupId) },
  )
  .map(encodeContent);

export const SEALED_CONTENT_TARGETS: readonly Target[] = [
  strictCodec({
    name: "content of a sealed transaction",
    covers: ["mev/seal/content.ts#decodeContent"],
    decode: decodeContent,
    encode: (parts) =>
      encodeContent(
        parts.map(({ rollupId, payload }) => ({ rollupId, data: rollupDataEntries(payload) })),
      ),
    seeds: sampled(contents, (content) => content),
  }),
  strictCodec({
    name: "plaintext of a sealed transaction",
    format: "binary",
    covers: [],
    decode: (plaintext) => ({ content: unpadContent(plaintext), bucket: plaintext.length }),
    encode: ({ content, bucket }) => padContent(content, bucket),
    seeds: sampled(contents, (content) => padContent(content)),
  }),
  ofEvidence("decodeAsk", "SEAL_ASK_CODEC", decodeAsk),
  ofEvidence("decodeShares", "SHARES_CODEC", decodeShares),
];

/** Answers undefined to bytes that are none, and never throws. */
function ofEvidence(name: string, codec: string, decode: (bytes: Uint8Array) => unknown): Target {
  const bytes = SEAL_CODECS.find((sample) => sample.name === codec)?.bytes;
  if (bytes === undefined) throw new TypeError(`there is no sample of ${codec}`);
  return plainDecoder({
    name: `evidence of shares: ${name}`,
    covers: [`mev/seal/share-evidence.ts#${name}`],
    format: "protobuf",
    decode,
    seeds: sampled(bytes, (sample) => sample),
    isRefusal: () => false,
  });
}

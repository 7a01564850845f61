/** What a sealed transaction holds once it is decrypted, and what evidence of shares brings. */
import * as fc from "fast-check";
import { Height } from "../../../proto/brands.ts";
import { bytesEqual, toHex } from "../../../proto/bytes.ts";
import { SHARES_CODEC } from "../../../proto/codec/seal-block.ts";
import { rollupDataEntries } from "../../../proto/codec/weft-tx.ts";
import { decodeBidContent, encodeBidContent } from "../../../mev/auction/bid-content.ts";
import {
  decodeContent,
  encodeContent,
  padContent,
  unpadContent,
} from "../../../mev/seal/content.ts";
import { decodeAsk, decodeShares } from "../../../mev/seal/share-evidence.ts";
import { askedOfValidator, sharesContext, verifyShares } from "../../../mev/seal/shares.ts";
import { SEAL_CODECS } from "../../support/seal-arbitraries.ts";
import { LOCAL_SEAL_COMPUTE } from "../../support/seal-compute.ts";
import { testSealKey } from "../../support/seal-key.ts";
import { TEST_TDH2 } from "../../support/sealing.ts";
import { Finding, plainDecoder, strictCodec, type Target } from "../target.ts";
import { sampled } from "./chain.ts";

const partLists = fc.uniqueArray(
  fc.record({
    rollupId: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    data: fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 3 }),
  }),
  { minLength: 1, maxLength: 3, selector: ({ rollupId }) => toHex(rollupId) },
);
const contents = partLists.map(encodeContent);
const bids = fc
  .record({ amount: fc.bigInt({ min: 1n, max: (1n << 63n) - 1n }), parts: partLists })
  .map(encodeBidContent);

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
    name: "content of a bid",
    covers: ["mev/auction/bid-content.ts#decodeBidContent"],
    decode: decodeBidContent,
    encode: ({ amount, parts }) =>
      encodeBidContent({
        amount,
        parts: parts.map(({ rollupId, payload }) => ({
          rollupId,
          data: rollupDataEntries(payload),
        })),
      }),
    seeds: sampled(bids, (bid) => bid),
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
  answer(),
];

/** A SHARES part as another validator judges it: what is not the honest answer is refused, and nothing throws. */
function answer(): Target {
  const validator = new Uint8Array(20).fill(1);
  const key = testSealKey(1, [{ address: validator }], [2], 2);
  const ask = {
    batches: [{ height: Height(4), key: 1, points: key.points(2) }],
    disputes: [{ height: Height(2), index: 3, key: 1, point: key.points(1, "disputed") }],
  };
  const asked = askedOfValidator(ask, () => key.state, validator);
  if (asked === undefined) throw new TypeError("its tickets are asked for");
  const terms = { chainId: "weft-test", height: Height(5), validator };
  const share = (subject: Parameters<typeof sharesContext>[1], points: Uint8Array) =>
    [1, 2].map((ticket) => {
      const secret = key.secretOf(1, ticket) ?? validator;
      const publicShare = key.state.publicShares.subarray((ticket - 1) * 32, ticket * 32);
      const shares = TEST_TDH2.makeShares(secret, points);
      const context = sharesContext(terms, subject, ticket);
      const proof = TEST_TDH2.proveShares(context, secret, publicShare, points, shares);
      return { ticket, points: shares, proof };
    });
  const honest = SHARES_CODEC.encode({
    batches: ask.batches.map(({ height, points }) => ({
      height,
      tickets: share({ key: 1, height }, points),
    })),
    disputes: ask.disputes.map(({ height, index, point }) => ({
      height,
      index,
      shares: share({ key: 1, height, index }, point).map(({ points, ...one }) => ({
        ...one,
        point: points,
      })),
    })),
  });
  return {
    name: "shares for an ask",
    covers: [],
    format: "protobuf",
    weight: 0.3,
    seeds: () => [honest],
    run: async (bytes) => {
      const found = await verifyShares(terms, asked, bytes, LOCAL_SEAL_COMPUTE);
      if ("code" in found) return `refused ${found.code}`;
      if (!bytesEqual(bytes, honest)) throw new Finding("another answer than the honest one holds");
      return "accepted";
    },
  };
}

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

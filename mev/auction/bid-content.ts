/**
 * What a sealed bid holds (docs/formats.md, "Auction"): an amount and a part for each rollup whose block it wants
 * the top of. Padded like `SealedContent`, it is the plaintext of a ciphertext whose label names the group only.
 */
import { compareBytes, toHex } from "../../proto/bytes.ts";
import { codecError } from "../../proto/codec/errors.ts";
import { decode, type Reader } from "../../proto/codec/reader.ts";
import { SEAL_BUCKET_MAX } from "../../proto/codec/seal-tx.ts";
import { splitRollupData } from "../../proto/codec/weft-tx.ts";
import { checkAmount, outOfRange } from "../../proto/codec/weft-basics.ts";
import { encode, type Writer } from "../../proto/codec/writer.ts";
import { faultOf } from "../../proto/errors.ts";
import {
  checkRollupIds,
  type ContentPart,
  type DecodedPart,
  unpadContent,
  writePart,
} from "../seal/content.ts";
import { BID_LEGS_MAX } from "../../proto/codec/mev-tx.ts";

export interface BidContent {
  /** nweft, 1 to 2^63 - 1: what its account pays out of its escrow if it wins. */
  readonly amount: bigint;
  /** What the rollups execute at the top: 1 to 4 members of the group, each once. */
  readonly parts: readonly ContentPart[];
}

export interface DecodedBid {
  readonly amount: bigint;
  /** Ascending by rollup; views into the input. */
  readonly parts: readonly DecodedPart[];
}

export type OpenedBid =
  | ({ readonly kind: "content" } & DecodedBid)
  | { readonly kind: "invalid"; readonly reason: string };

/** Content of parts in any order. Throws `CodecError` on what no decoder accepts. `padContent` makes it a plaintext. */
export function encodeBidContent({ amount, parts }: BidContent): Uint8Array {
  const sorted = parts.toSorted((a, b) => compareBytes(a.rollupId, b.rollupId));
  checkAmount("amount", amount);
  const content = encode(writeBid, { amount, parts: sorted });
  decodeBidContent(content);
  return content;
}

/** The parts of a canonical content, not padded. */
export function decodeBidContent(bytes: Uint8Array): DecodedBid {
  return decode(readBid, bytes, "strict");
}

/** What a decrypted plaintext offers for rollups of its group. `members`: their ids. Never throws. */
export function openBid(plaintext: Uint8Array, members: readonly Uint8Array[]): OpenedBid {
  let bid: DecodedBid = { amount: 0n, parts: [] };
  const fault = faultOf(() => {
    bid = decodeBidContent(unpadContent(plaintext));
  });
  if (fault !== undefined) return { kind: "invalid", reason: fault };
  const stranger = bid.parts.find(
    ({ rollupId }) => !members.some((id) => compareBytes(id, rollupId) === 0),
  );
  if (stranger === undefined) return { kind: "content", ...bid };
  const reason = `rollup ${toHex(stranger.rollupId)} was not in the auction of its group`;
  return { kind: "invalid", reason };
}

function writeBid(writer: Writer, { amount, parts }: BidContent): void {
  writer.uint64(1, amount);
  for (const part of parts) writer.message(2, part, writePart);
}

function readBid(reader: Reader): DecodedBid {
  let amount = 0n;
  const parts: DecodedPart[] = [];
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        amount = reader.uint64();
        break;
      case 2:
        if (parts.length === BID_LEGS_MAX) {
          throw codecError("CODEC_TOO_MANY", `bid: over ${BID_LEGS_MAX} rollups`);
        }
        parts.push(splitRollupData("bid", reader.repeatedBytes(SEAL_BUCKET_MAX)));
        break;
      default:
        reader.unknown();
    }
  }
  checkAmount("amount", amount);
  if (amount === 0n) throw outOfRange("amount", "at least 1 nweft", amount);
  checkRollupIds(
    parts.map(({ rollupId }) => rollupId),
    BID_LEGS_MAX,
  );
  return { amount, parts };
}

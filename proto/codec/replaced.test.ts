/** What of a message counts: as Go reads it, who judges what is left when all of it has been read. */
import { describe, expect, test } from "vitest";
import { concatBytes, EMPTY_BYTES, fromHex } from "../bytes.ts";
import { SHORT_BYTES_MAX } from "../limits.ts";
import { BlockIdFlag, ZERO_TIME } from "../types.ts";
import { decodeEvidence, decodeHeader, encodeHeader } from "./block.ts";
import { decodeConsensusMessage } from "./consensus-messages.ts";
import { isCodecError } from "./errors.ts";
import { decode } from "./reader.ts";
import { decodePacket, decodePexMessage } from "./p2p-messages.ts";
import {
  decodeBlockSyncMessage,
  decodeStateSyncMessage,
  decodeTxsMessage,
} from "./sync-messages.ts";
import { readHeight, readMerkleProof, readPublicKey } from "./types.ts";
import { decodeCommit, decodeVote, encodeVote } from "./votes.ts";
import { Writer } from "./writer.ts";

const NO_HEADER = decodeHeader(EMPTY_BYTES);
const NO_VOTE = decodeVote(fromHex("0801"));

function refusal(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    return isCodecError(error) ? error.code : String(error);
  }
  return "accepted";
}

function delimited(field: number, body: Uint8Array): Uint8Array {
  const writer = new Writer(64);
  writer.bytesElement(field, body);
  return writer.finish();
}

describe("a time that is left out", () => {
  test("is Go's zero time, an empty one is that of Unix", () => {
    expect(NO_HEADER.time).toEqual(ZERO_TIME);
    expect(NO_VOTE.timestamp).toEqual(ZERO_TIME);
    const [absent] = decodeCommit(fromHex("22020801")).signatures;
    expect(absent).toEqual({
      blockIdFlag: BlockIdFlag.ABSENT,
      validatorAddress: EMPTY_BYTES,
      timestamp: ZERO_TIME,
      signature: EMPTY_BYTES,
    });
    expect(decodeHeader(fromHex("2200")).time).toEqual({ seconds: 0n, nanos: 0 });
  });
});

describe("an occurrence that another one replaces", () => {
  test("need not be a value of its field", () => {
    const minusOne = "18ffffffffffffffffff01";
    expect(decodeHeader(fromHex(`${minusOne}1805`)).height).toBe(5);
    expect(decodeHeader(fromHex("1880808080808080801018051203616263")).height).toBe(5);
    expect(decodeHeader(fromHex("1201ff1203616263")).chainId).toBe("abc");
    expect(decodeCommit(fromHex("220408070801")).signatures[0]?.blockIdFlag).toBe(
      BlockIdFlag.ABSENT,
    );
    expect(decodeVote(fromHex("08630801")).type).toBe(1);
    const key = concatBytes(delimited(1, new Uint8Array(70_000)), delimited(2, new Uint8Array(33)));
    expect(decode(readPublicKey, key, "lenient").type).toBe("secp256k1");
  });

  test("is judged where it is the last one, with others after it or not", () => {
    const minusOne = "18ffffffffffffffffff01";
    for (const bytes of [`1805${minusOne}`, `${minusOne}2200`]) {
      expect(refusal(() => decodeHeader(fromHex(bytes)))).toBe("CODEC_OUT_OF_RANGE");
    }
    expect(refusal(() => decodeHeader(fromHex("12036162631201ff")))).toBe("CODEC_UTF8");
    expect(refusal(() => decodeVote(fromHex("08010863")))).toBe("CODEC_OUT_OF_RANGE");
    expect(refusal(() => decodeVote(EMPTY_BYTES))).toBe("CODEC_OUT_OF_RANGE");
    const keys = concatBytes(delimited(1, new Uint8Array(32)), delimited(2, new Uint8Array(32)));
    expect(refusal(() => decode(readPublicKey, keys, "lenient"))).toBe("CODEC_OUT_OF_RANGE");
  });

  test("has to be well-formed all the same, and a time has to be one", () => {
    expect(refusal(() => decodeHeader(fromHex("18ffff1805")))).not.toBe("accepted");
    const late = "220808ffffffffffff7f";
    expect(refusal(() => decodeHeader(fromHex(`${late}2200`)))).toBe("CODEC_OUT_OF_RANGE");
  });

  test("counts for nothing as a member of evidence either, whatever it lacks", () => {
    const vote = encodeVote(NO_VOTE);
    const good = delimited(1, concatBytes(delimited(1, vote), delimited(2, vote)));
    const lacking = [
      delimited(1, EMPTY_BYTES),
      delimited(2, EMPTY_BYTES),
      delimited(1, concatBytes(delimited(1, fromHex("0863")), delimited(2, EMPTY_BYTES))),
      delimited(2, delimited(1, delimited(2, fromHex("0a00")))),
      delimited(2, delimited(3, fromHex("1200"))),
    ];
    for (const one of lacking) {
      expect(decodeEvidence(concatBytes(one, good)).kind).toBe("duplicateVote");
      expect(refusal(() => decodeEvidence(concatBytes(good, one)))).not.toBe("accepted");
    }
    const malformed = delimited(1, delimited(1, fromHex("08")));
    expect(refusal(() => decodeEvidence(concatBytes(malformed, good)))).toBe("CODEC_TRUNCATED");
  });

  test("costs time linear in the bytes, however often it occurs", () => {
    const gap = new Uint8Array(2_000).fill(0x7a).map((byte, i) => (i % 2 === 0 ? byte : 0));
    const one = concatBytes(fromHex("18ffffffffffffffffff01"), gap);
    const bytes = concatBytes(...Array.from({ length: 500 }, () => one), fromHex("1805"));
    expect(decodeHeader(bytes).height).toBe(5);
  });

  test("costs time linear in the bytes as a member of any oneof", () => {
    const members = new Uint8Array(1 << 20);
    // Field 4 of all of these: a vote set's proof of lock, a request for a status, a chunk; 2 and 1 of addresses, transactions.
    for (const [tag, read] of [
      [0x22, decodeConsensusMessage],
      [0x22, decodeBlockSyncMessage],
      [0x22, decodeStateSyncMessage],
      [0x0a, decodePexMessage],
      [0x0a, (bytes: Uint8Array) => decodePacket(bytes, 1_024)],
      [0x0a, decodeTxsMessage],
      [0x0a, decodeEvidence],
    ] as const) {
      const bytes = members.map((_, i) => (i % 2 === 0 ? tag : 0));
      expect(["accepted", "CODEC_OUT_OF_RANGE", "CODEC_MISSING_FIELD"]).toContain(
        refusal(() => read(bytes)),
      );
    }
  });

  test("does not replace an element of a list", () => {
    const long = delimited(4, new Uint8Array(SHORT_BYTES_MAX + 1));
    const proof = concatBytes(long, delimited(4, new Uint8Array(32)));
    expect(refusal(() => decode(readMerkleProof, proof, "lenient"))).toBe("CODEC_TOO_LARGE");
  });

  test("strict readers refuse at once", () => {
    const readOne = (bytes: Uint8Array) =>
      decode(
        (reader) => {
          let height = 0;
          while (reader.next()) height = readHeight(reader);
          return height;
        },
        bytes,
        "strict",
      );
    expect(readOne(fromHex("1805"))).toBe(5);
    expect(refusal(() => readOne(fromHex("18ffffffffffffffffff01")))).toBe("CODEC_OUT_OF_RANGE");
    expect(refusal(() => decodeConsensusMessage(fromHex("3a00")))).toBe("CODEC_OUT_OF_RANGE");
    expect(decodeHeader(encodeHeader(NO_HEADER))).toEqual(NO_HEADER);
  });
});

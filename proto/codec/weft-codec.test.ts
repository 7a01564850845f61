import { describe, expect, test } from "vitest";
import { Height } from "../brands.ts";
import { concatBytes, EMPTY_BYTES } from "../bytes.ts";
import { isCodecError } from "./errors.ts";
import { decodeItem, encodeItem, encodeTxItem, type InjectedEntry } from "./weft-block.ts";
import {
  decodeLists,
  decodeVoteExtension,
  encodeLists,
  encodeVoteExtension,
  type ListedTx,
  PartType,
} from "./weft-extension.ts";
import { ROLLUP_DATA_ENTRIES_MAX } from "./rollup-data.ts";
import { PLAIN_POLICY, type RollupPolicy } from "./rollup-policy.ts";
import {
  type Action,
  countRollupDataEntries,
  decodeTxBody,
  encodeTxBody,
  rollupData,
  rollupDataEntries,
  type TxBody,
  txSignBytes,
} from "./weft-tx.ts";
import { Writer } from "./writer.ts";

const fill = (length: number, value: number) => new Uint8Array(length).fill(value);
const bytes = (...values: number[]) => new Uint8Array(values);
const policy = PLAIN_POLICY;
const transfer: Action = { kind: "transfer", to: fill(20, 1), amount: 5n };
const body: TxBody = {
  publicKey: fill(32, 7),
  replay: { kind: "nonce", value: 3n },
  fee: { maxFeePerByte: 10n, tipPerByte: 1n },
  action: transfer,
};

/** The code with which `run` is refused; anything but a codec error fails the test. */
function refusalOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (isCodecError(error)) return error.code;
    throw error;
  }
  return "accepted";
}

/** A message from raw pieces, to write what the encoders would not. */
function raw(write: (writer: Writer) => void): Uint8Array {
  const writer = new Writer();
  write(writer);
  return writer.finish();
}

/** A TxBody with chosen bytes for its fields after the public key. */
function rawBody(...fields: readonly Uint8Array[]): Uint8Array {
  return concatBytes(
    raw((w) => w.bytes(1, fill(32, 7))),
    ...fields,
  );
}
const NONCE = bytes(0x12, 0x00);
const FEE = bytes(0x22, 0x00);
const TRANSFER = raw((w) => w.bytesElement(10, transferBody(20, 1n)));

function transferBody(toBytes: number, amount: bigint): Uint8Array {
  return raw((w) => {
    w.bytes(1, fill(toBytes, 1));
    w.uint64(2, amount);
  });
}

describe("behavior: a transaction has one encoding", () => {
  test("the shortest body is accepted", () => {
    expect(decodeTxBody(rawBody(NONCE, FEE, TRANSFER)).action).toEqual({ ...transfer, amount: 1n });
  });

  test.each<[string, Uint8Array, string]>([
    ["empty", EMPTY_BYTES, "CODEC_MISSING_FIELD"],
    ["no replay", rawBody(FEE, TRANSFER), "CODEC_MISSING_FIELD"],
    ["no fee", rawBody(NONCE, TRANSFER), "CODEC_MISSING_FIELD"],
    ["no action", rawBody(NONCE, FEE), "CODEC_MISSING_FIELD"],
    ["no public key", concatBytes(NONCE, FEE, TRANSFER), "CODEC_MISSING_FIELD"],
    ["two replays", rawBody(NONCE, bytes(0x1a, 0x00), FEE, TRANSFER), "CODEC_FIELD_ORDER"],
    ["nonce twice", rawBody(NONCE, NONCE, FEE, TRANSFER), "CODEC_FIELD_ORDER"],
    ["fields out of order", rawBody(FEE, NONCE, TRANSFER), "CODEC_FIELD_ORDER"],
    ["action twice", rawBody(NONCE, FEE, TRANSFER, TRANSFER), "CODEC_FIELD_ORDER"],
    [
      "two actions",
      rawBody(
        NONCE,
        FEE,
        TRANSFER,
        raw((w) => w.emptyMessage(16)),
      ),
      "CODEC_FIELD_ORDER",
    ],
    ["explicit zero nonce", rawBody(bytes(0x12, 2, 8, 0), FEE, TRANSFER), "CODEC_EXPLICIT_ZERO"],
    ["padded varint", rawBody(bytes(0x12, 3, 8, 0x81, 0), FEE, TRANSFER), "CODEC_VARINT"],
    ["padded length", rawBody(bytes(0x12, 0x80, 0), FEE, TRANSFER), "CODEC_VARINT"],
    ["padded tag", rawBody(bytes(0x92, 0, 0), FEE, TRANSFER), "CODEC_VARINT"],
    ["field in nonce", rawBody(bytes(0x12, 2, 0x10, 1), FEE, TRANSFER), "CODEC_UNKNOWN_FIELD"],
    ["unknown field", rawBody(NONCE, FEE, bytes(0x28, 1), TRANSFER), "CODEC_UNKNOWN_FIELD"],
    [
      "reserved action",
      rawBody(
        NONCE,
        FEE,
        raw((w) => w.emptyMessage(19)),
      ),
      "CODEC_UNKNOWN_FIELD",
    ],
    ["trailing field", rawBody(NONCE, FEE, TRANSFER, bytes(0x88, 1, 1)), "CODEC_FIELD_ORDER"],
    ["cut off", rawBody(NONCE, FEE, TRANSFER).slice(0, -1), "CODEC_TRUNCATED"],
    ["another wire type", rawBody(bytes(0x10, 1), FEE, TRANSFER), "CODEC_TAG"],
    ["fee rate of 2^63", rawBody(NONCE, feeOf(1n << 63n), TRANSFER), "CODEC_OUT_OF_RANGE"],
  ])("%s", (_, encoded, code) => {
    expect(refusalOf(() => decodeTxBody(encoded))).toBe(code);
  });

  test.each<[string, Partial<TxBody>, string]>([
    ["short public key", { publicKey: fill(31, 7) }, "CODEC_LENGTH"],
    [
      "salt of 17 bytes",
      { replay: { kind: "unordered", expiryHeight: Height(1), salt: fill(17, 1) } },
      "CODEC_TOO_LARGE",
    ],
    ["short address", { action: { ...transfer, to: fill(19, 1) } }, "CODEC_LENGTH"],
    ["amount 0", { action: { ...transfer, amount: 0n } }, "CODEC_OUT_OF_RANGE"],
    ["amount 2^63", { action: { ...transfer, amount: 1n << 63n } }, "CODEC_OUT_OF_RANGE"],
    ["rollup id of 31 bytes", { action: rollupData(fill(31, 1), [bytes(1)]) }, "CODEC_LENGTH"],
    ["empty name", { action: register({ name: "" }) }, "CODEC_OUT_OF_RANGE"],
    ["upper case in the name", { action: register({ name: "Alpha" }) }, "CODEC_OUT_OF_RANGE"],
    ["name with a line end", { action: register({ name: "alpha\n" }) }, "CODEC_OUT_OF_RANGE"],
    ["name of 65", { action: register({ name: "a".repeat(65) }) }, "CODEC_OUT_OF_RANGE"],
    ["no owner", { action: register({ ownerKey: EMPTY_BYTES }) }, "CODEC_LENGTH"],
    ["over 100 %", { action: register({}, { revenueShareBps: 10_001 }) }, "CODEC_OUT_OF_RANGE"],
    ["reserve of 2^63", { action: register({}, { reserve: 1n << 63n }) }, "CODEC_OUT_OF_RANGE"],
    ["short executor key", { action: register({}, keys(fill(31, 1))) }, "CODEC_LENGTH"],
    [
      "executor keys out of order",
      { action: register({}, keys(fill(32, 2), fill(32, 1))) },
      "CODEC_ELEMENT_ORDER",
    ],
    [
      "an executor key twice",
      { action: register({}, keys(fill(32, 1), fill(32, 1))) },
      "CODEC_ELEMENT_ORDER",
    ],
    [
      "33 executor keys",
      { action: register({}, keys(...Array.from({ length: 33 }, (_, i) => fill(32, i)))) },
      "CODEC_TOO_MANY",
    ],
    [
      "short new owner key",
      {
        action: {
          kind: "updateRollup",
          rollupId: fill(32, 1),
          policy,
          newOwnerKey: fill(31, 1),
        },
      },
      "CODEC_LENGTH",
    ],
  ])("the encoder refuses what the decoder would: %s", (_, change, code) => {
    expect(refusalOf(() => encodeTxBody({ ...body, ...change }))).toBe(code);
  });

  test("an order that nobody knows is refused", () => {
    const encoded = encodeTxBody({ ...body, action: register() });
    const at = Buffer.from(encoded).indexOf(Buffer.from([0x12, 2, 8, 1]));
    expect(at).toBeGreaterThan(0);
    encoded[at + 3] = 4;
    expect(refusalOf(() => decodeTxBody(encoded))).toBe("CODEC_OUT_OF_RANGE");
  });

  test("sign bytes tell chains apart", () => {
    const encoded = encodeTxBody(body);
    expect(txSignBytes("a", encoded)).not.toEqual(txSignBytes("b", encoded));
    expect(() => txSignBytes("c".repeat(256), encoded)).toThrow(/255/);
  });
});

describe("behavior: rollup data is one slice of canonical entries", () => {
  const id = fill(32, 9);
  const encodedData = (payload: Uint8Array) =>
    rawBody(
      NONCE,
      FEE,
      raw((w) => w.bytesElement(11, concatBytes(bytes(0x0a, 32), id, payload))),
    );

  test("entries of every length form come back", () => {
    const entries = [1, 127, 128, 16_383, 16_384].map((length) => fill(length, 3));
    const encoded = encodeTxBody({ ...body, action: rollupData(id, entries) });
    const { action } = decodeTxBody(encoded);
    if (action.kind !== "rollupData") throw new Error("expected rollup data");
    expect(action.entryCount).toBe(5);
    expect(rollupDataEntries(action.payload)).toEqual(entries);
    expect(action.payload.buffer).toBe(encoded.buffer);
  });

  test.each<[string, Uint8Array, string]>([
    ["no entries", EMPTY_BYTES, "CODEC_MISSING_FIELD"],
    ["an empty entry", bytes(0x12, 0), "CODEC_LENGTH"],
    ["a padded length", bytes(0x12, 0x81, 0, 1), "CODEC_VARINT"],
    ["a field after the entries", bytes(0x12, 1, 1, 0x18, 1), "CODEC_UNKNOWN_FIELD"],
    ["a cut-off entry", bytes(0x12, 3, 1, 1), "CODEC_TRUNCATED"],
    ["a cut-off length", bytes(0x12, 0x80), "CODEC_TRUNCATED"],
    ["a length of five bytes", bytes(0x12, 0x80, 0x80, 0x80, 0x80, 1, 1), "CODEC_TRUNCATED"],
    ["a lone tag", bytes(0x12), "CODEC_TRUNCATED"],
    ["another wire type", bytes(0x10, 1), "CODEC_UNKNOWN_FIELD"],
  ])("%s", (_, payload, code) => {
    expect(refusalOf(() => decodeTxBody(encodedData(payload)))).toBe(code);
    expect(refusalOf(() => countRollupDataEntries(payload))).toBe(code);
  });

  test("10000 entries are accepted, 10001 are not", () => {
    const entries = Array.from({ length: ROLLUP_DATA_ENTRIES_MAX }, () => bytes(1));
    expect(rollupData(id, entries).entryCount).toBe(ROLLUP_DATA_ENTRIES_MAX);
    expect(refusalOf(() => rollupData(id, [...entries, bytes(1)]))).toBe("CODEC_TOO_MANY");
  });

  test("the rollup id comes first and has 32 bytes", () => {
    const swapped = rawBody(
      NONCE,
      FEE,
      raw((w) => w.bytesElement(11, bytes(0x12, 1, 1))),
    );
    expect(refusalOf(() => decodeTxBody(swapped))).toBe("CODEC_LENGTH");
  });
});

describe("behavior: an item is one thing", () => {
  const tx = encodeTxItem({ bodyBytes: encodeTxBody(body), signature: fill(64, 2) });
  const manifest = encodeItem({
    kind: "manifest",
    manifest: { version: 1, leafCount: 0, root: fill(32, 1) },
  });

  test.each<[string, Uint8Array, string]>([
    ["empty", EMPTY_BYTES, "CODEC_MISSING_FIELD"],
    ["two members", concatBytes(manifest, tx), "CODEC_FIELD_ORDER"],
    ["openings of nothing", bytes(0x1a, 0), "CODEC_MISSING_FIELD"],
    ["something after it", concatBytes(tx, bytes(0x28, 1)), "CODEC_FIELD_ORDER"],
    ["an empty transaction", bytes(0x22, 0), "CODEC_MISSING_FIELD"],
    ["an empty manifest", bytes(0x0a, 0), "CODEC_OUT_OF_RANGE"],
    ["manifest version 2", manifest.map((b, i) => (i === 3 ? 2 : b)), "CODEC_OUT_OF_RANGE"],
    ["a manifest without root", bytes(0x0a, 2, 8, 1), "CODEC_LENGTH"],
    ["an empty injected commit", bytes(0x12, 0), "CODEC_OUT_OF_RANGE"],
  ])("%s", (_, encoded, code) => {
    expect(refusalOf(() => decodeItem(encoded))).toBe(code);
  });

  test("a signature has 64 bytes", () => {
    const short = { bodyBytes: encodeTxBody(body), signature: fill(63, 2) };
    expect(refusalOf(() => encodeTxItem(short))).toBe("CODEC_LENGTH");
    const rawShort = raw((w) =>
      w.bytesElement(
        4,
        raw((inner) => {
          inner.bytes(1, short.bodyBytes);
          inner.bytes(2, short.signature);
        }),
      ),
    );
    expect(refusalOf(() => decodeItem(rawShort))).toBe("CODEC_LENGTH");
  });

  test.each<[string, readonly InjectedEntry[], string]>([
    ["entries out of order", [blank(1), blank(0)], "CODEC_ELEMENT_ORDER"],
    ["an entry twice", [blank(1), blank(1)], "CODEC_ELEMENT_ORDER"],
    ["lists without a signature", [{ ...blank(0), lists: bytes(1) }], "CODEC_LENGTH"],
    ["a signature without lists", [{ ...blank(0), signature: fill(64, 1) }], "CODEC_LENGTH"],
    [
      "lists of 4097 bytes",
      [{ ...blank(0), lists: fill(4097, 1), signature: fill(64, 1) }],
      "CODEC_TOO_LARGE",
    ],
  ])("injected commit: %s", (_, entries, code) => {
    const injectedCommit = { height: Height(1), blockHash: fill(32, 1), entries };
    expect(refusalOf(() => encodeItem({ kind: "injectedCommit", injectedCommit }))).toBe(code);
  });
});

describe("behavior: a vote extension carries nothing that nobody looks at", () => {
  const abstain = encodeLists({ listed: [], shares: { kind: "abstain" }, withdrawn: [] });
  const lists = { type: PartType.LISTS, content: abstain, signature: fill(64, 1) };
  const shares = { ...lists, type: PartType.SHARES };
  const good = encodeVoteExtension({ parts: [lists] });

  test.each<[string, Uint8Array, string]>([
    ["empty", EMPTY_BYTES, "CODEC_MISSING_FIELD"],
    ["an unknown field (Babylon)", concatBytes(good, bytes(0x12, 1, 1)), "CODEC_UNKNOWN_FIELD"],
    ["an unknown field in the part", unknownInPart(), "CODEC_UNKNOWN_FIELD"],
    ["LISTS twice", concatBytes(good, good), "CODEC_ELEMENT_ORDER"],
    ["three parts", concatBytes(good, good, good), "CODEC_TOO_MANY"],
    ["65537 bytes", fill(65_537, 0), "CODEC_TOO_LARGE"],
    ["an unknown part", good.map((b, i) => (i === 3 ? 3 : b)), "CODEC_OUT_OF_RANGE"],
    ["SHARES alone", good.map((b, i) => (i === 3 ? 2 : b)), "CODEC_MISSING_FIELD"],
  ])("%s", (_, encoded, code) => {
    expect(refusalOf(() => decodeVoteExtension(encoded))).toBe(code);
  });

  test("both parts, in order, come back", () => {
    const extension = { parts: [lists, shares] };
    expect(decodeVoteExtension(encodeVoteExtension(extension))).toEqual(extension);
    expect(refusalOf(() => encodeVoteExtension({ parts: [shares, lists] }))).toBe(
      "CODEC_ELEMENT_ORDER",
    );
  });

  test("an extension of 65536 bytes is the largest", () => {
    const sized = (length: number) => ({ parts: [{ ...lists, content: fill(length, 1) }] });
    const overhead = encodeVoteExtension(sized(60_000)).length - 60_000;
    expect(encodeVoteExtension(sized(65_536 - overhead)).length).toBe(65_536);
    expect(refusalOf(() => encodeVoteExtension(sized(65_537 - overhead)))).toBe("CODEC_TOO_LARGE");
  });

  test.each<[string, Uint8Array, string]>([
    ["empty", EMPTY_BYTES, "CODEC_MISSING_FIELD"],
    ["root and abstain", concatBytes(rootField(32), abstain), "CODEC_FIELD_ORDER"],
    ["a root of 31 bytes", rootField(31), "CODEC_LENGTH"],
    ["an empty root", bytes(0x12, 0), "CODEC_LENGTH"],
    ["a field in abstain", bytes(0x1a, 2, 8, 1), "CODEC_UNKNOWN_FIELD"],
    ["an unknown field", concatBytes(abstain, bytes(0x28, 1)), "CODEC_UNKNOWN_FIELD"],
    ["a short withdrawn id", concatBytes(abstain, bytes(0x22, 1, 1)), "CODEC_LENGTH"],
    ["withdrawn twice", concatBytes(abstain, withdrawn(1), withdrawn(1)), "CODEC_ELEMENT_ORDER"],
    [
      "withdrawn out of order",
      concatBytes(abstain, withdrawn(2), withdrawn(1)),
      "CODEC_ELEMENT_ORDER",
    ],
    [
      "17 withdrawn",
      concatBytes(abstain, ...Array.from({ length: 17 }, (_, at) => withdrawn(at))),
      "CODEC_TOO_MANY",
    ],
    ["4097 bytes", fill(4097, 0), "CODEC_TOO_LARGE"],
  ])("lists: %s", (_, encoded, code) => {
    expect(refusalOf(() => decodeLists(encoded))).toBe(code);
  });

  test.each<[string, readonly ListedTx[], string]>([
    ["out of order", [listed(2), listed(1)], "CODEC_ELEMENT_ORDER"],
    ["twice", [listed(1), listed(1)], "CODEC_ELEMENT_ORDER"],
    ["a short id", [{ ...listed(1), id: fill(31, 1) }], "CODEC_LENGTH"],
    ["65", Array.from({ length: 65 }, (_, i) => listed(i)), "CODEC_TOO_MANY"],
  ])("listed transactions: %s", (_, txs, code) => {
    expect(
      refusalOf(() => encodeLists({ listed: txs, shares: { kind: "abstain" }, withdrawn: [] })),
    ).toBe(code);
    const encoded = raw((w) => {
      for (const tx of txs)
        w.bytesElement(
          1,
          raw((inner) => inner.bytes(1, tx.id)),
        );
      w.emptyMessage(3);
    });
    expect(refusalOf(() => decodeLists(encoded))).toBe(code);
  });

  test("an id that is listed and withdrawn", () => {
    const { id } = listed(7);
    const both = { listed: [listed(7)], shares: { kind: "abstain" as const }, withdrawn: [id] };
    expect(refusalOf(() => encodeLists(both))).toBe("CODEC_ELEMENT_ORDER");
    const one = encodeLists({ ...both, withdrawn: [] });
    const encoded = concatBytes(one, bytes(0x22, 32), id);
    expect(refusalOf(() => decodeLists(encoded))).toBe("CODEC_ELEMENT_ORDER");
  });

  function withdrawn(value: number): Uint8Array {
    return concatBytes(bytes(0x22, 32), fill(32, value));
  }

  function unknownInPart(): Uint8Array {
    return raw((w) =>
      w.bytesElement(
        1,
        raw((inner) => {
          inner.uint32(1, PartType.LISTS);
          inner.bytes(2, abstain);
          inner.bytes(3, fill(64, 1));
          inner.bytes(4, bytes(1));
        }),
      ),
    );
  }
});

function feeOf(maxFeePerByte: bigint): Uint8Array {
  return raw((w) =>
    w.bytesElement(
      4,
      raw((inner) => inner.uint64(1, maxFeePerByte)),
    ),
  );
}

function register(
  change: { readonly name?: string; readonly ownerKey?: Uint8Array } = {},
  policyChange: Partial<RollupPolicy> = {},
): Action {
  return {
    kind: "registerRollup",
    name: "alpha",
    ownerKey: fill(32, 1),
    ...change,
    policy: { ...policy, ...policyChange },
  };
}

function keys(...executorKeys: readonly Uint8Array[]): Partial<RollupPolicy> {
  return { executorKeys };
}

function blank(validatorIndex: number): InjectedEntry {
  return { validatorIndex, lists: EMPTY_BYTES, signature: EMPTY_BYTES };
}

function listed(value: number): ListedTx {
  return { id: fill(32, value), receivedAgoMs: 0, size: 0 };
}

function rootField(length: number): Uint8Array {
  return raw((w) => w.bytes(2, fill(length, 1)));
}

import { describe, expect, test } from "vitest";
import { testValidators } from "../test/support/application-keys.ts";
import { LOCAL_SEAL_COMPUTE } from "../test/support/seal-compute.ts";
import { Height } from "../proto/brands.ts";
import { concatBytes, EMPTY_BYTES } from "../proto/bytes.ts";
import {
  decodeLists,
  decodeVoteExtension,
  encodeLists,
  encodeVoteExtension,
  LISTED_TXS_MAX,
  type ListedTx,
  PartType,
  partSignBytes,
} from "../proto/codec/weft-extension.ts";
import { Writer } from "../proto/codec/writer.ts";
import {
  buildExtension,
  type ExtensionContext,
  listsBytesMax,
  verifyExtension,
} from "./extension.ts";

const hash = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const POWERS = [10n, 10n, 10n, 10n];
const { validators, verify } = testValidators(POWERS);
const [alice, bob] = validators;
if (alice === undefined || bob === undefined) throw new Error("validators are missing");

const context: ExtensionContext = {
  chainId: "weft-test",
  height: Height(41),
  blockHash: hash(7),
  blockBytesMax: 4_194_304,
  validatorCount: POWERS.length,
  seal: undefined,
};
const ports = { verify, compute: LOCAL_SEAL_COMPUTE };

function listed(value: number, size = 200): ListedTx {
  return { id: hash(value), receivedAgoMs: 1000 - value, size };
}

async function extensionOf(validator: typeof alice, wanted: readonly ListedTx[] = [listed(1)]) {
  return buildExtension(
    context,
    { listed: wanted, withdrawn: [] },
    undefined,
    validator?.sign ?? never(),
  );
}

function never(): never {
  throw new Error("no validator");
}

async function verdict(extension: Uint8Array, change: Partial<ExtensionContext> = {}) {
  const fault = await verifyExtension(
    { ...context, ...change },
    extension,
    alice ?? never(),
    ports,
  );
  return fault?.code ?? "accepted";
}

/** An extension with this LISTS content, properly signed. */
async function withContent(content: Uint8Array, type: PartType = PartType.LISTS) {
  const { chainId, height, blockHash } = context;
  const signature = await alice?.sign(partSignBytes(chainId, height, blockHash, type, content));
  return { type, content, signature: signature ?? never() };
}

/** LISTS as our codec would not write them. */
function rawLists(listedTxs: readonly ListedTx[], withdrawn: readonly Uint8Array[]): Uint8Array {
  const writer = new Writer(8_192);
  for (const tx of listedTxs) {
    writer.message(1, tx, (out, { id, receivedAgoMs, size }) => {
      out.bytes(1, id);
      out.uint32(2, receivedAgoMs);
      out.uint32(3, size);
    });
  }
  writer.emptyMessage(3);
  for (const id of withdrawn) writer.bytesElement(4, id);
  return writer.finish();
}

/** `count` of them, ids ascending. */
const some = <T>(count: number, make: (value: number) => T): readonly T[] =>
  Array.from({ length: count }, (_, at) => make(at + 1));

const ABSTAIN = encodeLists({ listed: [], shares: { kind: "abstain" }, withdrawn: [] });

describe("behavior: a validator's own extension", () => {
  test("is accepted by everybody else, and by itself (cometbft #5204, #5864)", async () => {
    expect(await verdict(await extensionOf(alice))).toBe("accepted");
    expect(await verdict(await extensionOf(alice, []))).toBe("accepted");
  });

  test("lists the most wanted that fit, in order of id, once each", async () => {
    const wanted = [9, 3, 3, 200, 5].map((value) => listed(value));
    const [part] = decodeVoteExtension(await extensionOf(alice, wanted)).parts;
    expect(decodeLists(part?.content ?? EMPTY_BYTES).listed).toEqual(
      [3, 5, 9, 200].map((value) => listed(value)),
    );
  });

  test("stays within min(4096, max_bytes / 8n), dropping the least wanted", async () => {
    const wanted = Array.from({ length: 100 }, (_, i) => listed(255 - i, 2 ** 31));
    for (const blockBytesMax of [4_194_304, 32 * 1_000, 32 * 100, 32 * 2]) {
      const small = { ...context, blockBytesMax };
      const said = { listed: wanted, withdrawn: [] };
      const bytes = await buildExtension(small, said, undefined, alice?.sign ?? never());
      expect(await verdict(bytes, { blockBytesMax })).toBe("accepted");
      const [part] = decodeVoteExtension(bytes).parts;
      const content = part?.content ?? EMPTY_BYTES;
      const taken = decodeLists(content).listed;
      const max = listsBytesMax(blockBytesMax, POWERS.length);
      expect(content.length).toBeLessThanOrEqual(max);
      // One more would not have fitted, or would be the 65th.
      const next = encodeLists({
        listed: wanted.slice(0, Math.min(taken.length + 1, LISTED_TXS_MAX)).toReversed(),
        shares: { kind: "abstain" },
        withdrawn: [],
      });
      expect(taken.length === LISTED_TXS_MAX || next.length > max).toBe(true);
      expect(new Set(taken.map(({ id }) => id[0]))).toEqual(
        new Set(wanted.slice(0, taken.length).map(({ id }) => id[0])),
      );
    }
  });

  test("says what it withdraws before what it lists, and all within what its signer takes", async () => {
    const said = {
      listed: some(64, (at) => listed(at, 2 ** 31)).toReversed(),
      withdrawn: some(16, (at) => hash(200 - at)),
    };
    const sizes: number[] = [];
    for (const extensionBytesMax of [65_536, 1_500, 600, 300, 160]) {
      const sign = alice?.sign ?? never();
      const bytes = await buildExtension(context, said, undefined, sign, extensionBytesMax);
      expect(bytes.length).toBeLessThanOrEqual(extensionBytesMax);
      expect(await verdict(bytes)).toBe("accepted");
      const [part] = decodeVoteExtension(bytes).parts;
      const lists = decodeLists(part?.content ?? EMPTY_BYTES);
      expect(lists.listed.length === 0 || lists.withdrawn.length === 16).toBe(true);
      // The most wanted ones.
      for (const [at, { id }] of lists.listed.toReversed().entries()) {
        expect(id).toEqual(hash(64 - at));
      }
      sizes.push(lists.listed.length, lists.withdrawn.length);
    }
    expect(sizes.slice(0, 2)).toEqual([64, 16]);
    expect(sizes.slice(-2)).toEqual([0, 2]);
  });

  test("the bound on LISTS", () => {
    expect(listsBytesMax(4_194_304, 4)).toBe(4096);
    expect(listsBytesMax(4_194_304, 200)).toBe(2621);
  });
});

describe("behavior: VerifyVoteExtension refuses faults, not opinions", () => {
  test.each<[string, () => Promise<Uint8Array>, string]>([
    ["nothing", async () => EMPTY_BYTES, "EXTENSION_MALFORMED"],
    [
      "bytes under an unknown tag (Babylon GHSA-2fcv-qww3-9v6h)",
      async () => concatBytes(await extensionOf(alice), new Uint8Array([0x7a, 2, 1, 1])),
      "EXTENSION_MALFORMED",
    ],
    [
      "an oversized extension",
      async () => concatBytes(await extensionOf(alice), new Uint8Array(65_536)),
      "EXTENSION_MALFORMED",
    ],
    [
      "unknown bytes inside LISTS, signed",
      async () =>
        encodeVoteExtension({
          parts: [await withContent(concatBytes(ABSTAIN, new Uint8Array([0x7a, 1, 1])))],
        }),
      "EXTENSION_LISTS_MALFORMED",
    ],
    [
      "no shares member",
      async () => encodeVoteExtension({ parts: [await withContent(new Uint8Array([0x0a, 0]))] }),
      "EXTENSION_LISTS_MALFORMED",
    ],
    [
      "a root of shares while nothing is asked",
      async () =>
        encodeVoteExtension({
          parts: [
            await withContent(
              encodeLists({ listed: [], shares: { kind: "root", root: hash(1) }, withdrawn: [] }),
            ),
          ],
        }),
      "SHARES_UNEXPECTED",
    ],
    [
      "SHARES while nothing is asked",
      async () =>
        encodeVoteExtension({
          parts: [await withContent(ABSTAIN), await withContent(hash(1), PartType.SHARES)],
        }),
      "SHARES_UNEXPECTED",
    ],
    ["another validator's extension", async () => extensionOf(bob), "EXTENSION_BAD_SIGNATURE"],
    [
      "a changed signature",
      async () => {
        const bytes = await extensionOf(alice);
        return bytes.with(bytes.length - 1, (bytes.at(-1) ?? 0) ^ 1);
      },
      "EXTENSION_BAD_SIGNATURE",
    ],
  ])("%s", async (_, make, code) => {
    expect(await verdict(await make())).toBe(code);
  });

  test.each<[string, Uint8Array, string]>([
    [
      "well-formed LISTS",
      rawLists(
        some(64, listed),
        some(16, (at) => hash(100 + at)),
      ),
      "accepted",
    ],
    [
      "one transaction listed twice",
      rawLists([listed(1), listed(1)], []),
      "EXTENSION_LISTS_MALFORMED",
    ],
    ["listed ids out of order", rawLists([listed(2), listed(1)], []), "EXTENSION_LISTS_MALFORMED"],
    ["65 listed transactions", rawLists(some(65, listed), []), "EXTENSION_LISTS_MALFORMED"],
    [
      "one transaction withdrawn twice",
      rawLists([], [hash(1), hash(1)]),
      "EXTENSION_LISTS_MALFORMED",
    ],
    ["withdrawn ids out of order", rawLists([], [hash(2), hash(1)]), "EXTENSION_LISTS_MALFORMED"],
    ["17 withdrawn transactions", rawLists([], some(17, hash)), "EXTENSION_LISTS_MALFORMED"],
    [
      "one transaction both listed and withdrawn",
      rawLists([listed(1)], [hash(1)]),
      "EXTENSION_LISTS_MALFORMED",
    ],
    ["a short withdrawn id", rawLists([], [new Uint8Array(31)]), "EXTENSION_LISTS_MALFORMED"],
  ])("%s, signed", async (_, content, code) => {
    const extension = encodeVoteExtension({ parts: [await withContent(content)] });
    expect(await verdict(extension)).toBe(code);
  });

  test.each<[string, Partial<ExtensionContext>]>([
    ["chain", { chainId: "weft-test-2" }],
    ["height", { height: Height(42) }],
    ["block", { blockHash: hash(8) }],
  ])("an extension for another %s", async (_, change) => {
    expect(await verdict(await extensionOf(alice), change)).toBe("EXTENSION_BAD_SIGNATURE");
  });

  test("LISTS over the bound of a smaller block", async () => {
    const wanted = Array.from({ length: 64 }, (_, i) => listed(i));
    expect(await verdict(await extensionOf(alice, wanted), { blockBytesMax: 32 * 1_000 })).toBe(
      "EXTENSION_LISTS_TOO_LARGE",
    );
  });

  test("a validator without an application key", async () => {
    const voter = { address: alice?.address ?? never(), publicKey: undefined };
    const fault = await verifyExtension(context, await extensionOf(alice), voter, ports);
    expect(fault?.code).toBe("EXTENSION_NO_KEY");
  });
});

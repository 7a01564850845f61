/**
 * Bad input for every method of searchers, over JSON-RPC and gRPC: a code and a reason come back, the pool stays as it
 * was, and the node goes on.
 */
import { Client, credentials, status as Status, type ServiceError } from "@grpc/grpc-js";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toHex } from "../../proto/bytes.ts";
import { isCodecError } from "../../proto/codec/errors.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { MEV_SERVICE } from "../../proto/grpc/mev-service.ts";
import { MEV_METHODS } from "../../rollup-adapter/evm/rpc/mev-methods.ts";
import {
  BUNDLE_ERRORS,
  type BundleErrorName,
} from "../../rollup-adapter/gateway/bundles/errors.ts";
import { makeBid } from "../support/bidding.ts";
import { bundleOf, cancelKey } from "../support/bundles.ts";
import {
  OTHER_ROLLUP,
  OWN_ROLLUP,
  type RpcAnswer,
  type SearcherNode,
  startSearcherNode,
} from "../support/searcher-node.ts";
import { nonce, signedItem, transferTo, unordered, wallet } from "../support/weft-app.ts";

type MevMethod = (typeof MEV_METHODS)[number];

const HASH = `0x${"ab".repeat(32)}`;
let node: SearcherNode;
/** A request of each method that is well formed. */
let good: Readonly<Record<MevMethod, unknown>>;
/** A signed item of each kind. */
let items: Readonly<Record<"bundle" | "bid" | "cancel" | "other", Uint8Array>>;

beforeAll(async () => {
  node = await startSearcherNode({ spendMax: 10n ** 12n });
  await node.step();
  const [tx, next] = [await node.transfer(0), await node.transfer(1)];
  const uuid = "5d2d0c1e-1111-4e4e-9a9a-3c3c3c3c3c3c";
  const legs = [
    { rollupId: OWN_ROLLUP, tx, revertMode: "fail", tip: "1" },
    { rollupId: OTHER_ROLLUP, tx: "0xc0ffee" },
  ];
  good = {
    eth_sendBundle: {
      txs: [tx, next],
      minHeight: 90,
      maxHeight: 100,
      replacementUuid: uuid,
      revertingTxHashes: [HASH],
      privacy: { encrypted: true },
    },
    eth_cancelBundle: { replacementUuid: uuid },
    eth_sendEncryptedTransaction: { tx },
    weft_sendBundle: {
      version: "v1",
      legs,
      inclusion: { minHeight: 90, maxHeight: 100 },
      replacement: { uuid, seq: 1 },
      privacy: { encrypted: false },
    },
    weft_cancelBundle: { replacement: { uuid, seq: 1 } },
    weft_submitBid: {
      legs: [{ rollupId: OWN_ROLLUP, tx }],
      amount: "100000000",
      minHeight: 90,
      maxHeight: 100,
    },
    weft_getBundleStatus: HASH,
    weft_getAuction: { group: OWN_ROLLUP, height: 1 },
    weft_getRevenue: OWN_ROLLUP,
    weft_getEncryptionKey: {},
    weft_getInclusionTally: HASH,
    weft_getMevParams: {},
  };
  const [key] = node.keys;
  items = {
    bundle: signedItem(wallet(0), unordered(60), bundleOf([{ rollup: OWN_ROLLUP }])),
    bid: makeBid(wallet(0), nonce(0), key, 2, { amount: 5n, tops: { [OWN_ROLLUP]: "x" } }).item,
    cancel: signedItem(wallet(0), unordered(61), cancelKey("k", 1, 50)),
    other: signedItem(wallet(0), unordered(62), transferTo(wallet(1).address, 1n)),
  };
});
afterAll(async () => {
  await node.close();
});

const poolSize = () => node.chain.app.poolSize();

/** What an answer says: that it was taken, or the name of a refusal, whose number and reason are the table's. */
function told({
  result,
  error,
}: RpcAnswer): "accepted" | BundleErrorName | "no answer of the table" {
  if (error === undefined) return result === undefined ? "no answer of the table" : "accepted";
  const { code = "", reason = "" } = error.data ?? {};
  const names: Readonly<Record<string, number>> = BUNDLE_ERRORS;
  const isOfTable = names[code] === error.code && reason.length > 3;
  return isOfTable ? (code as BundleErrorName) : "no answer of the table";
}

describe("JSON-RPC", () => {
  /** Anything that JSON can say. */
  const json = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom<unknown>("0x", "0x0", "0xzz", -1, 1.5, 2 ** 60, "1e9", null, [], {}, HASH),
    fc.constant("f".repeat(10_000)),
    fc.bigInt({ min: 2n ** 62n, max: 2n ** 70n }).map((value) => `0x${value.toString(16)}`),
  );

  /** Paths of everything that stands in a value. */
  function paths(value: unknown): readonly (readonly (string | number)[])[] {
    if (typeof value !== "object" || value === null) return [[]];
    const below = Object.entries(value).flatMap(([key, field]) =>
      paths(field).map((path) => [key, ...path]),
    );
    return [[], ...below];
  }

  function changed(value: unknown, path: readonly (string | number)[], to: unknown): unknown {
    const [key, ...rest] = path;
    if (key === undefined || typeof value !== "object" || value === null) return to;
    const copy: Record<string, unknown> | unknown[] = Array.isArray(value)
      ? [...(value as unknown[])]
      : { ...value };
    const fields = copy as Record<string, unknown>;
    fields[key] = changed(fields[key], rest, to);
    return copy;
  }

  test.each(MEV_METHODS)(
    "property: %s refuses what it cannot take, and changes nothing",
    async (method) => {
      const request = good[method];
      const places = paths(request);
      await fc.assert(
        fc.asyncProperty(
          fc.nat(places.length - 1),
          json,
          fc.boolean(),
          async (place, value, isExtra) => {
            const at = places[place] ?? [];
            const params = isExtra
              ? [changed(request, [...at, "more"], value)]
              : [changed(request, at, value)];
            const before = poolSize();
            const answer = await node.call(method, params);
            const outcome = told(answer);
            expect(outcome, JSON.stringify(answer)).not.toBe("no answer of the table");
            // What was taken is not what is tried here.
            if (outcome === "accepted") node.chain.app.flushPool();
            expect(poolSize()).toEqual(before);
          },
        ),
        { numRuns: 40 },
      );
    },
  );

  /** Stands for a transaction that somebody could pay for. */
  const OWN_TX = "own transaction";
  const OWN_LEG = { rollupId: OWN_ROLLUP, tx: OWN_TX };
  const wrong: readonly (readonly [MevMethod, string, unknown, BundleErrorName])[] = [
    ["eth_sendBundle", "no parameters", [], "MALFORMED"],
    ["eth_sendBundle", "no transactions", { txs: [] }, "MALFORMED"],
    ["eth_sendBundle", "a transaction of nobody", { txs: ["0xc0ffee"] }, "MALFORMED"],
    ["eth_sendBundle", "times", { txs: [], minTimestamp: 1 }, "MALFORMED"],
    ["eth_sendBundle", "a field that nobody knows", { txs: [], refundPercent: 1 }, "MALFORMED"],
    [
      "weft_sendBundle",
      "a rollup that is none",
      { legs: [{ rollupId: "A!", tx: "0x01" }] },
      "MALFORMED",
    ],
    [
      "weft_sendBundle",
      "a rollup that is not registered, in the clear",
      { legs: [OWN_LEG, { rollupId: "nobody", tx: "0x01" }], privacy: { encrypted: false } },
      "UNKNOWN_ROLLUP",
    ],
    [
      "weft_sendBundle",
      "a rollup that is not registered",
      { legs: [OWN_LEG, { rollupId: "nobody", tx: "0x01" }] },
      "UNKNOWN_ROLLUP",
    ],
    [
      "weft_sendBundle",
      "nine rollups",
      { legs: [OWN_LEG, ..."abcdefgh".split("").map((rollupId) => ({ rollupId, tx: "0x01" }))] },
      "TOO_LARGE",
    ],
    [
      "weft_sendBundle",
      "more bytes than a bundle has",
      { legs: [OWN_LEG, { rollupId: OTHER_ROLLUP, tx: `0x${"11".repeat(65_537)}` }] },
      "TOO_LARGE",
    ],
    [
      "weft_sendBundle",
      "almost as many bytes as a bundle has, which no ciphertext holds",
      { legs: [OWN_LEG, { rollupId: OTHER_ROLLUP, tx: `0x${"11".repeat(65_400)}` }] },
      "TOO_LARGE",
    ],
    [
      "weft_sendBundle",
      "more transactions than a bundle has",
      {
        legs: [
          OWN_LEG,
          ...Array.from({ length: 100 }, () => ({ rollupId: OTHER_ROLLUP, tx: "0x01" })),
        ],
      },
      "TOO_LARGE",
    ],
    [
      "weft_sendBundle",
      "blocks that have passed",
      { legs: [OWN_LEG, { rollupId: OTHER_ROLLUP, tx: "0x01" }], inclusion: { maxHeight: 0 } },
      "RANGE_INVALID",
    ],
    [
      "weft_sendBundle",
      "blocks too far ahead",
      { legs: [OWN_LEG, { rollupId: OTHER_ROLLUP, tx: "0x01" }], inclusion: { minHeight: 500 } },
      "RANGE_INVALID",
    ],
    [
      "weft_sendBundle",
      "too many blocks",
      {
        legs: [OWN_LEG, { rollupId: OTHER_ROLLUP, tx: "0x01" }],
        inclusion: { minHeight: 10, maxHeight: 36 },
      },
      "RANGE_INVALID",
    ],
    [
      "weft_sendBundle",
      "tips beyond what the gateway has",
      { legs: [OWN_LEG, { rollupId: OTHER_ROLLUP, tx: "0x01", tip: "999999999999" }] },
      "NOT_FUNDED",
    ],
    ["weft_sendBundle", "an item that is none", { item: "0x00" }, "MALFORMED"],
    [
      "weft_sendBundle",
      "nothing for the rollup whose gateway pays",
      { legs: [{ rollupId: OTHER_ROLLUP, tx: "0x01" }] },
      "POLICY_DISABLED",
    ],
    ["eth_cancelBundle", "no uuid", {}, "MALFORMED"],
    ["eth_cancelBundle", "a uuid of nobody", { replacementUuid: "none" }, "UNKNOWN_HASH"],
    ["weft_cancelBundle", "a uuid of nobody", { replacement: { uuid: "none" } }, "UNKNOWN_HASH"],
    ["eth_sendEncryptedTransaction", "nothing", [], "MALFORMED"],
    ["eth_sendEncryptedTransaction", "a transaction of nobody", ["0xc0ffee"], "MALFORMED"],
    [
      "weft_submitBid",
      "rollups that do not sell together",
      {
        legs: [
          { rollupId: OWN_ROLLUP, tx: "0x" },
          { rollupId: OTHER_ROLLUP, tx: "0x01" },
        ],
        amount: "5",
      },
      "MALFORMED",
    ],
    [
      "weft_submitBid",
      "a tip",
      { legs: [OWN_LEG, { rollupId: OTHER_ROLLUP, tx: "0x01", tip: 1 }], amount: "5" },
      "MALFORMED",
    ],
    [
      "weft_submitBid",
      "no amount",
      { legs: [OWN_LEG, { rollupId: OTHER_ROLLUP, tx: "0x01" }] },
      "MALFORMED",
    ],
    ["weft_submitBid", "nothing in escrow", { legs: [OWN_LEG], amount: "5" }, "NOT_FUNDED"],
    ["weft_getBundleStatus", "what nobody knows", [HASH], "UNKNOWN_HASH"],
    ["weft_getBundleStatus", "no hash", ["0x12"], "MALFORMED"],
    ["weft_getAuction", "an auction that was none", { height: 1 }, "UNKNOWN_HASH"],
    ["weft_getRevenue", "a rollup that is not registered", ["nobody"], "UNKNOWN_ROLLUP"],
    ["weft_getMevParams", "a field that is none", [{ x: 1 }], "MALFORMED"],
    ["weft_getEncryptionKey", "a field that is none", [{ x: 1 }], "MALFORMED"],
    ["weft_getInclusionTally", "no hash", [], "MALFORMED"],
  ];
  test.each(wrong)("%s: %s", async (method, _what, params, name) => {
    const before = poolSize();
    const text = JSON.stringify(params).replaceAll(OWN_TX, await node.transfer(0));
    expect(told(await node.call(method, JSON.parse(text)))).toBe(name);
    expect(poolSize()).toEqual(before);
  });

  test("signed items: another kind, another chain, a changed byte", async () => {
    const of = (item: Uint8Array) => ({ item: `0x${toHex(item)}` });
    const taken = {
      weft_sendBundle: "bundle",
      weft_submitBid: "bid",
      weft_cancelBundle: "cancel",
      eth_sendEncryptedTransaction: undefined,
    } as const;
    const before = poolSize();
    for (const [method, own] of Object.entries(taken)) {
      for (const [kind, item] of Object.entries(items)) {
        if (kind === own) continue;
        expect(told(await node.call(method, of(item))), `${method} ${kind}`).toBe("MALFORMED");
      }
      if (own === undefined) continue;
      const damaged = items[own].slice();
      damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;
      const outcome = told(await node.call(method, of(damaged)));
      // Of a bid, escrow is asked for first.
      expect(["BAD_SIGNATURE", "NOT_FUNDED"]).toContain(outcome);
    }
    const elsewhere = signedItem(wallet(0), unordered(60), bundleOf([{ rollup: OWN_ROLLUP }]), {
      chainId: "elsewhere",
    });
    expect(told(await node.call("weft_sendBundle", of(elsewhere)))).toBe("BAD_SIGNATURE");
    expect(poolSize()).toEqual(before);
  });

  test("nothing of it has kept the node from taking what is good", async () => {
    const params = { txs: [await node.transfer(0)] };
    expect(told(await node.call("eth_sendBundle", params))).toBe("accepted");
    await node.step();
    node.chain.app.flushPool();
  });
});

describe("gRPC", () => {
  type Answer = { readonly code: Status; readonly details: string; readonly bytes: Buffer };

  /** One call with these bytes as its message; of a stream its first answer, if there is one at once. */
  async function send(
    { path, responseStream }: { readonly path: string; readonly responseStream: boolean },
    bytes: Uint8Array,
  ): Promise<Answer> {
    const client = new Client(node.grpc, credentials.createInsecure());
    const same = (value: Buffer): Buffer => value;
    const failed = ({ code, details }: ServiceError): Answer => ({
      code,
      details,
      bytes: Buffer.alloc(0),
    });
    try {
      return await new Promise((resolve) => {
        if (!responseStream) {
          client.makeUnaryRequest(path, same, same, Buffer.from(bytes), (error, answer) => {
            if (error !== null) resolve(failed(error));
            else resolve({ code: Status.OK, details: "", bytes: answer ?? Buffer.alloc(0) });
          });
          return;
        }
        const stream = client.makeServerStreamRequest(path, same, same, Buffer.from(bytes));
        // A stream that is open and has nothing to tell has taken what it was asked.
        stream.on("metadata", () =>
          resolve({ code: Status.OK, details: "", bytes: Buffer.alloc(0) }),
        );
        stream.on("data", (answer: Buffer) =>
          resolve({ code: Status.OK, details: "", bytes: answer }),
        );
        stream.on("error", (error: ServiceError) => resolve(failed(error)));
        setTimeout(() => stream.cancel(), STREAM_SILENCE_MS).unref();
      });
    } finally {
      client.close();
    }
  }
  /** Long enough for a refusal, which is immediate. */
  const STREAM_SILENCE_MS = 100;

  const refusals: ReadonlySet<Status> = new Set([
    Status.INVALID_ARGUMENT,
    Status.NOT_FOUND,
    // What gRPC itself says of bytes that are not the message.
    Status.INTERNAL,
    // Streams that were opened, and that this test gives up.
    Status.CANCELLED,
  ]);

  function isTold(code: Status, details: string): boolean {
    if (code === Status.OK) return true;
    if (code === Status.INTERNAL) return details.includes("deserializing");
    return refusals.has(code) && details.length > 3;
  }

  test.each(Object.entries(MEV_SERVICE))(
    "property: %s answers any bytes with a status and a reason, and changes nothing",
    async (_name, method) => {
      const noise = fc.uint8Array({ maxLength: 200 });
      const field = fc
        .tuple(fc.integer({ min: 1, max: 3 }), fc.uint8Array({ maxLength: 120 }))
        .map(([number, value]) => Uint8Array.of((number << 3) | 2, value.length, ...value));
      await fc.assert(
        fc.asyncProperty(fc.oneof(noise, field), async (bytes) => {
          const before = poolSize();
          const { code, details } = await send(method, bytes);
          expect(isTold(code, details), `${Status[code]}: ${details}`).toBe(true);
          expect(poolSize()).toEqual(before);
        }),
        { numRuns: method.responseStream ? 8 : 40 },
      );
    },
  );

  test("property: a submitted item with any byte changed is refused with a code, and the pool stays empty", async () => {
    const methods = {
      bundle: MEV_SERVICE.submitBundle,
      bid: MEV_SERVICE.submitBid,
      cancel: MEV_SERVICE.cancelBundles,
    };
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("bundle" as const, "bid" as const, "cancel" as const),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (kind, at, flip) => {
          const { path, requestSerialize, responseStream, responseDeserialize } = methods[kind];
          const item = items[kind].slice();
          const place = at % item.length;
          item[place] = (item[place] ?? 0) ^ flip;
          const before = poolSize();
          const { code, details, bytes } = await send(
            { path, responseStream },
            requestSerialize({ item }),
          );
          const answer = code === Status.OK ? responseDeserialize(bytes) : undefined;
          const isRefused =
            answer === undefined
              ? code === Status.INVALID_ARGUMENT && isOther(item, kind)
              : answer.code !== 0 && answer.reason !== "";
          expect(isRefused, `${Status[code]} ${details} ${answer?.code}`).toBe(true);
          expect(poolSize()).toEqual(before);
        },
      ),
      { numRuns: 150 },
    );
  });

  /** No item at all, or one with another action. */
  function isOther(item: Uint8Array, kind: "bundle" | "bid" | "cancel"): boolean {
    try {
      const decoded = decodeItem(item);
      const actions = { bundle: /undle$/, bid: /^bid$/, cancel: /^cancelBundles$/ };
      return decoded.kind !== "tx" || !actions[kind].test(decoded.tx.body.action.kind);
    } catch (error) {
      if (isCodecError(error)) return true;
      throw error;
    }
  }

  test("streams: no ids, too many, and one that nobody knows", async () => {
    const { streamBundleStatus: method } = MEV_SERVICE;
    const of = (ids: readonly Uint8Array[]) => send(method, method.requestSerialize({ ids }));
    const id = new Uint8Array(32).fill(1);
    expect((await of([])).code).toBe(Status.INVALID_ARGUMENT);
    expect((await of(Array.from({ length: 65 }, () => id))).code).toBe(Status.INVALID_ARGUMENT);
    expect((await of([id.subarray(1)])).code).toBe(Status.INVALID_ARGUMENT);
    expect((await of([id])).code).toBe(Status.NOT_FOUND);
    const { streamAuctions } = MEV_SERVICE;
    const asked = streamAuctions.requestSerialize({ group: id.subarray(1) });
    expect((await send(streamAuctions, asked)).code).toBe(Status.INVALID_ARGUMENT);
  });

  test("nothing of it has kept the node from making blocks and taking what is good", async () => {
    const { path, responseStream, requestSerialize, responseDeserialize } =
      MEV_SERVICE.submitBundle;
    const { bytes } = await send(
      { path, responseStream },
      requestSerialize({ item: items.bundle }),
    );
    expect(responseDeserialize(bytes).code).toBe(0);
    const { height } = await node.step();
    expect(node.chain.height).toBe(height);
  });
});

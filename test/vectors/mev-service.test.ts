/** Messages of `weft.mev.v1`: protobufjs on the .proto source as a second opinion. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";
import { describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import {
  AtomicProgress,
  BundleState,
  bundleStateName,
  MEV_SERVICE,
} from "../../proto/grpc/mev-service.ts";
import type { Method } from "../../proto/grpc/wire.ts";

const PROTO = fileURLToPath(new URL("../../proto", import.meta.url));
const root = new protobuf.Root();
root.resolvePath = (_origin, target) => join(PROTO, target.replace(PROTO, ""));
root.loadSync("weft/mev/v1/mev.proto");

const hash = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const atHeight = Height(30);

/** What a method answers, or is asked, is what protobufjs reads, and the same bytes when it writes them again. */
function same<Value>(
  codec: { readonly write: (value: Value) => Buffer; readonly read: (bytes: Buffer) => Value },
  message: string,
  value: Value,
): true {
  const bytes = codec.write(value);
  const type = root.lookupType(`weft.mev.v1.${message}`);
  const theirs = type.decode(bytes);
  expect(toHex(type.encode(theirs).finish())).toBe(toHex(bytes));
  const named = Object.keys(value as object).sort();
  expect(Object.keys(theirs.toJSON()).sort(), message).toEqual(named);
  expect(codec.read(bytes)).toEqual(value);
  // Fields that a later version adds are passed over.
  expect(codec.read(Buffer.concat([bytes, Buffer.from("f87f01", "hex")]))).toEqual(value);
  return true;
}

const request = <Value>(
  method: Pick<Method<Value, unknown>, "requestSerialize" | "requestDeserialize">,
) => ({
  write: method.requestSerialize,
  read: method.requestDeserialize,
});
const response = <Value>(
  method: Pick<Method<unknown, Value>, "responseSerialize" | "responseDeserialize">,
) => ({ write: method.responseSerialize, read: method.responseDeserialize });

describe("weft.mev.v1", () => {
  test("requests: the .proto source says the same", () => {
    expect(same(request(MEV_SERVICE.submitBundle), "SubmitItemRequest", { item: hash(1) })).toBe(
      true,
    );
    expect(
      same(request(MEV_SERVICE.getBundleStatus), "GetBundleStatusRequest", { id: hash(1) }),
    ).toBe(true);
    expect(
      same(request(MEV_SERVICE.streamBundleStatus), "StreamBundleStatusRequest", {
        ids: [hash(2), hash(1)],
      }),
    ).toBe(true);
    expect(
      same(request(MEV_SERVICE.getAuction), "GetAuctionRequest", {
        height: Height(7),
        group: hash(1),
      }),
    ).toBe(true);
    expect(
      same(request(MEV_SERVICE.streamAuctions), "StreamAuctionsRequest", { group: hash(1) }),
    ).toBe(true);
    expect(same(request(MEV_SERVICE.getMevParams), "GetMevParamsRequest", {})).toBe(true);
    expect(
      same(request(MEV_SERVICE.getInclusionTally), "GetInclusionTallyRequest", { id: hash(1) }),
    ).toBe(true);
    expect(same(request(MEV_SERVICE.getRevenue), "GetRevenueRequest", { rollupId: hash(1) })).toBe(
      true,
    );
  });

  test("answers: the .proto source says the same", () => {
    for (const method of ["submitBundle", "submitBid", "cancelBundles"] as const) {
      expect(
        same(response(MEV_SERVICE[method]), "SubmitItemResponse", {
          id: hash(1),
          hash: hash(2),
          code: 261,
          codespace: "weft",
          reason: "the last block that may hold the bundle has passed",
          duplicate: true,
          bundleId: hash(3),
        }),
      ).toBe(true);
    }
    for (const state of Object.values(BundleState)) {
      expect(
        same(response(MEV_SERVICE.getBundleStatus), "BundleStatus", {
          id: hash(1),
          state,
          reason: bundleStateName(state),
          code: 1,
          height: Height(9),
          index: 3,
          legs: [{ rollupId: hash(4), position: 5 }],
          resolvedHeight: Height(11),
          price: 2n ** 63n - 1n,
          dueHeight: Height(12),
          atHeight,
          level: 1,
          atomic: {
            state: AtomicProgress.ABORTED,
            deadline: Height(20),
            decidedHeight: Height(19),
            reason: "REVERTED",
            legs: [{ rollupId: hash(4), yes: 1, no: 2, quorum: 3, committee: 4 }],
          },
        }),
      ).toBe(true);
    }
    expect(
      same(response(MEV_SERVICE.streamAuctions), "Auction", {
        height: Height(9),
        group: hash(1),
        settledHeight: Height(11),
        bids: 2,
        openBids: 1,
        winners: [
          {
            id: hash(2),
            bidder: new Uint8Array(20).fill(1),
            amount: 10n,
            price: 9n,
            shares: [{ rollupId: hash(1), share: 9n }],
          },
        ],
        atHeight,
      }),
    ).toBe(true);
    expect(
      same(response(MEV_SERVICE.getMevParams), "MevParams", {
        listDueBlocks: 4,
        bidEscrowMin: 100_000_000n,
        escrowDelayBlocks: 64,
        mevRollupBps: 8_000,
        mevProposerBps: 300,
        mevCommunityBps: 200,
        sealBond: 1n,
        bundleLegsMax: 8,
        bundleBytesMax: 65_536,
        bundleWindowMax: 25,
        bundleAheadMax: 100,
        cancelAheadMax: 600,
        bidLegsMax: 4,
        groupRollupsMax: 12,
        groups: [
          { group: hash(1), secondPrice: true, members: [{ rollupId: hash(1), reserve: 5n }] },
        ],
        atHeight,
      }),
    ).toBe(true);
    expect(
      same(response(MEV_SERVICE.getInclusionTally), "InclusionTally", {
        listings: [
          {
            size: 300,
            firstHeight: Height(8),
            listers: [new Uint8Array(20).fill(1), new Uint8Array(20).fill(2)],
            withdrawn: [new Uint8Array(20).fill(2)],
            listedPower: 20n,
            withdrawnPower: 10n,
            dueHeight: Height(13),
          },
        ],
        totalPower: 40n,
        atHeight,
      }),
    ).toBe(true);
    expect(
      same(response(MEV_SERVICE.getRevenue), "Revenue", {
        accrued: 10n,
        claimed: 4n,
        auction: 5n,
        tips: 2n,
        lastHeight: Height(8),
        shareBps: 8_000,
        atHeight,
      }),
    ).toBe(true);
  });

  test("states: numbers and names are those of the .proto source", () => {
    const { values } = root.lookupEnum("weft.mev.v1.BundleState");
    const { BUNDLE_STATE_UNSPECIFIED: _none, ...named } = values;
    const ours = Object.entries(BundleState).map(([name, state]) => [
      `BUNDLE_STATE_${name}`,
      state,
    ]);
    expect(Object.fromEntries(ours)).toEqual(named);
  });
});

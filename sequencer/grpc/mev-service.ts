/** The queries of `weft.mev.v1.MevService`, over the committed state. */
import { rollupBpsOf } from "../../mev/revenue/ledger.ts";
import { listingPrefix } from "../../mev/inclusion/keys.ts";
import { Height } from "../../proto/brands.ts";
import { EMPTY_BYTES, fromHex, toHex } from "../../proto/bytes.ts";
import { isCodecError } from "../../proto/codec/errors.ts";
import {
  BID_LEGS_MAX,
  BUNDLE_AHEAD_MAX,
  BUNDLE_BYTES_MAX,
  BUNDLE_LEGS_MAX,
  BUNDLE_WINDOW_MAX,
  CANCEL_AHEAD_MAX,
  GROUP_ROLLUPS_MAX,
} from "../../proto/codec/mev-tx.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { type SignedTx, txId } from "../../proto/codec/weft-tx.ts";
import type {
  AuctionGroup,
  AuctionInfo,
  GetAuctionRequest,
  GetInclusionTallyRequest,
  GetRevenueRequest,
  InclusionTally,
  MevParams,
  Revenue,
  SubmitItemRequest,
  SubmitItemResponse,
} from "../../proto/grpc/mev-service.ts";
import { HASH_BYTES } from "../../proto/limits.ts";
import { idOfBundle } from "../../mev/manifest.ts";
import { auctionGroup } from "../app/auction/group.ts";
import { tallyOf } from "../app/inclusion/tally-state.ts";
import type { StakingReader } from "../app/staking/context.ts";
import { AUCTION_RESULTS, AUCTIONS, heightKey, LISTINGS, REVENUE } from "../app/state/tables.ts";
import { grpcError } from "./grpc-error.ts";
import type { GrpcApplication } from "./ports.ts";
import type { Submit } from "./submissions.ts";

/** What of a transaction each Submit method takes. */
export type SubmittedKind = "bundle" | "bid" | "cancellation";

const ACTIONS: Readonly<Record<SubmittedKind, readonly string[]>> = {
  bundle: ["bundle", "sealedBundle"],
  bid: ["bid"],
  cancellation: ["cancelBundles"],
};

export function createMevQueries(
  { read }: Pick<GrpcApplication, "read">,
  chainId: string,
  submit: Submit,
) {
  /** The state after the last block, as the next one finds it. @throws GRPC_UNAVAILABLE */
  function reader(): StakingReader {
    if (read.chain() !== undefined) return read.staking();
    throw grpcError("GRPC_UNAVAILABLE", "the chain has not begun; try again");
  }

  function auctionAt(key: string, at: StakingReader): AuctionInfo | undefined {
    const [height = "", group = ""] = key.split("/");
    const of = { height: Height(Number(height)), group: fromHex(group), atHeight: heightOf(at) };
    const result = at.records.get(AUCTION_RESULTS, key);
    if (result !== undefined) {
      const { settledHeight, bids, winners } = result;
      return {
        ...of,
        settledHeight,
        bids,
        openBids: 0,
        winners: winners.map(({ rollupIds, shares, ...winner }) => ({
          ...winner,
          shares: rollupIds.map((rollupId, i) => ({ rollupId, share: shares[i] ?? 0n })),
        })),
      };
    }
    const open = at.records.get(AUCTIONS, key);
    if (open === undefined) return undefined;
    const { openBids, bids } = open;
    const waits = { settledHeight: Height(0), openBids, winners: [] };
    return { ...of, ...waits, bids: openBids + bids.length };
  }

  /** Key of the last auction of a group that the state remembers. */
  function lastAuction(at: StakingReader, group: string): string | undefined {
    const isOf = (key: string) => key.endsWith(`/${group}`);
    return (
      at.records.keys(AUCTIONS).findLast(isOf) ?? at.records.keys(AUCTION_RESULTS).findLast(isOf)
    );
  }

  async function groups(at: StakingReader): Promise<readonly AuctionGroup[]> {
    const rollups = await read.rollups();
    const byId = new Map(rollups.map((rollup) => [toHex(rollup.id), rollup]));
    const rollupsAt = { height: at.height, rollup: (id: string) => byId.get(id) };
    return rollups.flatMap(({ id }) => {
      const found = auctionGroup(rollupsAt, toHex(id));
      if (found === undefined) return [];
      const members = found.members.map(({ rollupId, reserve }) => ({ rollupId, reserve }));
      return [{ group: id, secondPrice: found.secondPrice, members }];
    });
  }

  return {
    submit:
      (kind: SubmittedKind) =>
      async ({ item }: SubmitItemRequest): Promise<SubmitItemResponse> => {
        const tx = txOf(item);
        const { action } = tx.body;
        if (!ACTIONS[kind].includes(action.kind)) {
          throw grpcError(
            "GRPC_INVALID_ARGUMENT",
            `expected an item with ${ACTIONS[kind].join(" or ")}, got ${action.kind}`,
          );
        }
        const answer = await submit(item);
        const bundleId =
          action.kind === "bundle"
            ? idOfBundle(chainId, action)
            : action.kind === "sealedBundle"
              ? txId(chainId, tx.bodyBytes)
              : EMPTY_BYTES;
        return { ...answer, bundleId };
      },
    getAuction: ({ height, group }: GetAuctionRequest): AuctionInfo => {
      checkHash("group", group);
      const at = reader();
      const id = toHex(group);
      const key = height === 0 ? lastAuction(at, id) : heightKey(height, id);
      const found = key === undefined ? undefined : auctionAt(key, at);
      if (found !== undefined) return found;
      throw grpcError(
        "GRPC_NOT_FOUND",
        height === 0
          ? `no block of late had bids for the group ${id}`
          : `block ${height} had no bids for the group ${id}, or it is too long ago`,
      );
    },
    /** An auction that an event of a block names. */
    settledAuction: (height: number, group: string) =>
      auctionAt(heightKey(height, group), reader()),
    getMevParams: async (): Promise<MevParams> => {
      const at = reader();
      const { params } = at;
      return {
        listDueBlocks: params.listDueBlocks,
        bidEscrowMin: params.bidEscrowMin,
        escrowDelayBlocks: params.escrowDelayBlocks,
        mevRollupBps: params.mevRollupBps,
        mevProposerBps: params.mevProposerBps,
        mevCommunityBps: params.mevCommunityBps,
        sealBond: params.sealBond,
        bundleLegsMax: BUNDLE_LEGS_MAX,
        bundleBytesMax: BUNDLE_BYTES_MAX,
        bundleWindowMax: BUNDLE_WINDOW_MAX,
        bundleAheadMax: BUNDLE_AHEAD_MAX,
        cancelAheadMax: CANCEL_AHEAD_MAX,
        bidLegsMax: BID_LEGS_MAX,
        groupRollupsMax: GROUP_ROLLUPS_MAX,
        groups: await groups(at),
        atHeight: heightOf(at),
      };
    },
    getInclusionTally: ({ id }: GetInclusionTallyRequest): InclusionTally => {
      checkHash("id", id);
      const at = reader();
      const { powers } = tallyOf(at);
      const powerOf = (validators: readonly Uint8Array[]) =>
        validators.reduce((sum, validator) => sum + powers.of(toHex(validator)), 0n);
      const prefix = listingPrefix(id);
      const listings = at.records.keys(LISTINGS, prefix).flatMap((key) => {
        const listing = at.records.get(LISTINGS, key);
        if (listing === undefined) return [];
        const { firstHeight, listers, withdrawn, dueHeight } = listing;
        return [
          {
            size: Number(key.slice(prefix.length)),
            firstHeight,
            listers,
            withdrawn,
            listedPower: powerOf(listers),
            withdrawnPower: powerOf(withdrawn),
            dueHeight,
          },
        ];
      });
      return { listings, totalPower: powers.total, atHeight: heightOf(at) };
    },
    getRevenue: ({ rollupId }: GetRevenueRequest): Revenue => {
      checkHash("rollup_id", rollupId);
      const at = reader();
      const rollup = read.rollup(rollupId);
      if (rollup === undefined) throw grpcError("GRPC_NOT_FOUND", "no rollup has this id");
      const { accrued, claimed, auction, tips, lastHeight } = at.records.get(
        REVENUE,
        toHex(rollupId),
      ) ?? { accrued: 0n, claimed: 0n, auction: 0n, tips: 0n, lastHeight: Height(0) };
      const shareBps = rollupBpsOf(rollup.policy.revenueShareBps, at.params.mevRollupBps);
      return { accrued, claimed, auction, tips, lastHeight, shareBps, atHeight: heightOf(at) };
    },
  };
}

export function checkHash(what: string, bytes: Uint8Array): void {
  if (bytes.length === HASH_BYTES) return;
  throw grpcError(
    "GRPC_INVALID_ARGUMENT",
    `${what}: expected ${HASH_BYTES} bytes, got ${bytes.length}`,
  );
}

/** The block after which the reader's state holds. */
function heightOf(at: StakingReader): Height {
  return Height(at.height - 1);
}

function txOf(item: Uint8Array): SignedTx {
  try {
    const decoded = decodeItem(item);
    if (decoded.kind === "tx") return decoded.tx;
  } catch (error) {
    if (!isCodecError(error)) throw error;
    throw grpcError(
      "GRPC_INVALID_ARGUMENT",
      `item: expected a canonical weft.block.v1.Item: ${error.message}`,
    );
  }
  throw grpcError("GRPC_INVALID_ARGUMENT", "item: only signed transactions are submitted");
}

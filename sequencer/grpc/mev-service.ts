/** The queries of `weft.mev.v1.MevService`, over the committed state. */
import { rollupBpsOf } from "../../mev/revenue/ledger.ts";
import { Height } from "../../proto/brands.ts";
import { EMPTY_BYTES, fromHex, toHex } from "../../proto/bytes.ts";
import { isCodecError } from "../../proto/codec/errors.ts";
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
import { auctionReport, mevParamsReport, revenueReport, tallyReport } from "../app/mev-report.ts";
import type { StakingReader } from "../app/staking/context.ts";
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

  function auctionAt(height: number, group: Uint8Array): AuctionInfo | undefined {
    const at = reader();
    const report = auctionReport(at, height, group);
    if (report === undefined) return undefined;
    const winners = report.winners.map(({ rollupIds, shares, ...winner }) => ({
      ...winner,
      shares: rollupIds.map((rollupId, i) => ({ rollupId, share: shares[i] ?? 0n })),
    }));
    return { ...report, winners, atHeight: heightOf(at) };
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

  function registered(id: Uint8Array) {
    const rollup = read.rollup(id);
    if (rollup !== undefined) return rollup;
    throw grpcError("GRPC_NOT_FOUND", "no rollup has this id");
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
            ? idOfBundle(chainId, action, answer.id)
            : action.kind === "sealedBundle"
              ? txId(chainId, tx.bodyBytes)
              : EMPTY_BYTES;
        return { ...answer, bundleId };
      },
    getAuction: ({ height, group }: GetAuctionRequest): AuctionInfo => {
      checkHash("group", group);
      const found = auctionAt(height, group);
      if (found !== undefined) return found;
      registered(group);
      const id = toHex(group);
      throw grpcError(
        "GRPC_NOT_FOUND",
        height === 0
          ? `no block of late had bids for the group ${id}`
          : `block ${height} had no bids for the group ${id}, or it is too long ago`,
      );
    },
    /** An auction that an event of a block names. */
    settledAuction: (height: number, group: string) => auctionAt(height, fromHex(group)),
    getMevParams: async (): Promise<MevParams> => {
      const at = reader();
      return {
        ...mevParamsReport(at.params),
        groups: await groups(at),
        atHeight: heightOf(at),
      };
    },
    getInclusionTally: ({ id }: GetInclusionTallyRequest): InclusionTally => {
      checkHash("id", id);
      const at = reader();
      return { ...tallyReport(at, id), atHeight: heightOf(at) };
    },
    getRevenue: ({ rollupId }: GetRevenueRequest): Revenue => {
      checkHash("rollup_id", rollupId);
      const at = reader();
      const shareBps = rollupBpsOf(
        registered(rollupId).policy.revenueShareBps,
        at.params.mevRollupBps,
      );
      return { ...revenueReport(at, toHex(rollupId)), shareBps, atHeight: heightOf(at) };
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

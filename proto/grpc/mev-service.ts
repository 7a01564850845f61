/**
 * `weft.mev.v1.MevService`: bundles, bids, auctions, inclusion lists and revenue (proto/weft/mev/v1/mev.proto says
 * what each field and status code means).
 */
import type { Height } from "../brands.ts";
import { codecError } from "../codec/errors.ts";
import {
  amount,
  choice,
  defineRecord,
  type FieldKind,
  flag,
  height,
  list,
  optional,
  type RecordCodec,
  text,
  uint,
  uint32,
} from "../codec/record.ts";
import { type DeliveredEntry, EntryKind } from "../verify/manifest.ts";
import { anyBytes, recordMessage } from "./record-message.ts";
import { type MessageCodec, type Method, method, SERVER_STREAM, UNARY } from "./wire.ts";

/** Ids that one StreamBundleStatus follows. */
export const STATUS_IDS_MAX = 64;
/** Elements that a client takes in one list. */
const ANSWER_ENTRIES_MAX = 10_000;
/** Entries of one block that a client takes. */
const PROPOSED_ENTRIES_MAX = 1 << 20;
const REASON_BYTES_MAX = 4_096;
const CODESPACE_BYTES_MAX = 64;

export const BundleState = {
  RECEIVED: 1,
  LISTED: 2,
  SEALED: 3,
  REVEALED: 4,
  INCLUDED: 5,
  LOST_AUCTION: 6,
  REPLACED: 7,
  CANCELLED: 8,
  EXPIRED: 9,
  INVALID: 10,
} as const;
export type BundleState = (typeof BundleState)[keyof typeof BundleState];
export type BundleStateName = keyof typeof BundleState;

/** After these nothing changes any more. */
const ENDS: ReadonlySet<BundleState> = new Set([
  BundleState.INCLUDED,
  BundleState.LOST_AUCTION,
  BundleState.REPLACED,
  BundleState.CANCELLED,
  BundleState.EXPIRED,
  BundleState.INVALID,
]);

export function isEndState(state: BundleState): boolean {
  return ENDS.has(state);
}

const NAMES = new Map(
  Object.entries(BundleState).map(([name, state]) => [state, name as BundleStateName]),
);

export function bundleStateName(state: BundleState): BundleStateName {
  const name = NAMES.get(state);
  if (name === undefined) throw codecError("CODEC_OUT_OF_RANGE", `no state has number ${state}`);
  return name;
}

export interface SubmitItemRequest {
  readonly item: Uint8Array;
}

export interface SubmitItemResponse {
  readonly id: Uint8Array;
  readonly hash: Uint8Array;
  readonly code: number;
  readonly codespace: string;
  readonly reason: string;
  readonly duplicate: boolean;
  /** 32 bytes; empty for what is no bundle. */
  readonly bundleId: Uint8Array;
}

export interface GetBundleStatusRequest {
  readonly id: Uint8Array;
}

export interface StreamBundleStatusRequest {
  readonly ids: readonly Uint8Array[];
}

export interface LegPlace {
  readonly rollupId: Uint8Array;
  readonly position: number;
}

export interface BundleStatus {
  readonly id: Uint8Array;
  readonly state: BundleState;
  /** Never empty. */
  readonly reason: string;
  readonly code: number;
  /** Block that holds it; 0: none. */
  readonly height: Height;
  readonly index: number;
  readonly legs: readonly LegPlace[];
  /** Block that says what became of its content; 0: not known, or it has none. */
  readonly resolvedHeight: Height;
  /** nweft. */
  readonly price: bigint;
  readonly dueHeight: Height;
  readonly atHeight: Height;
  /** 0, or 1: its legs are executed all or none. */
  readonly level: number;
  /** Of level 1, from its block on until the reports of its executors are due. */
  readonly atomic: AtomicStatus | undefined;
}

/** How far the execution of a bundle of level 1 has come. */
export const AtomicProgress = { INCLUDED: 1, PREPARED: 2, COMMITTED: 3, ABORTED: 4 } as const;
export type AtomicProgress = (typeof AtomicProgress)[keyof typeof AtomicProgress];
export type AtomicProgressName = keyof typeof AtomicProgress;

export interface AtomicStatus {
  readonly state: AtomicProgress;
  /** Last block whose votes count; 0: not known yet. */
  readonly deadline: Height;
  /** 0: not decided. */
  readonly decidedHeight: Height;
  /** Why it was aborted. */
  readonly reason: string;
  readonly legs: readonly AtomicLegStatus[];
}

export interface AtomicLegStatus {
  readonly rollupId: Uint8Array;
  readonly yes: number;
  readonly no: number;
  readonly quorum: number;
  readonly committee: number;
}

export function atomicProgressName(state: AtomicProgress): AtomicProgressName {
  for (const [name, value] of Object.entries(AtomicProgress)) {
    if (value === state) return name as AtomicProgressName;
  }
  throw codecError("CODEC_OUT_OF_RANGE", `no state has number ${state}`);
}

/** Whether nothing will change any more: of level 1, its executors have to be heard. */
export function isEnd({ state, atomic }: Pick<BundleStatus, "state" | "atomic">): boolean {
  if (!isEndState(state)) return false;
  return atomic === undefined || atomic.decidedHeight > 0;
}

export interface GetAuctionRequest {
  /** 0: the last one of the group. */
  readonly height: Height;
  readonly group: Uint8Array;
}

export interface StreamAuctionsRequest {
  /** Empty: all groups. */
  readonly group: Uint8Array;
}

export interface RollupShare {
  readonly rollupId: Uint8Array;
  /** nweft. */
  readonly share: bigint;
}

export interface AuctionWinnerInfo {
  readonly id: Uint8Array;
  readonly bidder: Uint8Array;
  /** nweft. */
  readonly amount: bigint;
  /** nweft. */
  readonly price: bigint;
  readonly shares: readonly RollupShare[];
}

export interface AuctionInfo {
  readonly height: Height;
  readonly group: Uint8Array;
  /** 0: it waits for bids to be opened. */
  readonly settledHeight: Height;
  readonly bids: number;
  readonly openBids: number;
  readonly winners: readonly AuctionWinnerInfo[];
  readonly atHeight: Height;
}

export type GetMevParamsRequest = object;

export interface GroupMember {
  readonly rollupId: Uint8Array;
  /** nweft. */
  readonly reserve: bigint;
}

export interface AuctionGroup {
  readonly group: Uint8Array;
  readonly secondPrice: boolean;
  readonly members: readonly GroupMember[];
}

export interface MevParams {
  readonly listDueBlocks: number;
  /** nweft. */
  readonly bidEscrowMin: bigint;
  readonly escrowDelayBlocks: number;
  readonly mevRollupBps: number;
  readonly mevProposerBps: number;
  readonly mevCommunityBps: number;
  /** nweft. */
  readonly sealBond: bigint;
  readonly bundleLegsMax: number;
  readonly bundleBytesMax: number;
  readonly bundleWindowMax: number;
  readonly bundleAheadMax: number;
  readonly cancelAheadMax: number;
  readonly bidLegsMax: number;
  readonly groupRollupsMax: number;
  readonly groups: readonly AuctionGroup[];
  readonly atHeight: Height;
}

export interface GetInclusionTallyRequest {
  readonly id: Uint8Array;
}

export interface ListingInfo {
  readonly size: number;
  readonly firstHeight: Height;
  readonly listers: readonly Uint8Array[];
  readonly withdrawn: readonly Uint8Array[];
  readonly listedPower: bigint;
  readonly withdrawnPower: bigint;
  readonly dueHeight: Height;
}

export interface InclusionTally {
  readonly listings: readonly ListingInfo[];
  readonly totalPower: bigint;
  readonly atHeight: Height;
}

export interface GetRevenueRequest {
  readonly rollupId: Uint8Array;
}

/** nweft. */
export interface Revenue {
  readonly accrued: bigint;
  readonly claimed: bigint;
  readonly auction: bigint;
  readonly tips: bigint;
  readonly lastHeight: Height;
  readonly shareBps: number;
  readonly atHeight: Height;
}

/** Byte strings in any order; the service says itself what is wrong with them. */
const anyBytesList: FieldKind<readonly Uint8Array[]> = {
  absent: { value: [] },
  write: (writer, field, values) => {
    for (const value of values) writer.bytesElement(field, value);
  },
  read: (reader, before = []) => {
    if (before.length >= ANSWER_ENTRIES_MAX) {
      throw codecError(
        "CODEC_TOO_MANY",
        `field ${reader.field}: at most ${ANSWER_ENTRIES_MAX} elements`,
      );
    }
    return [...before, reader.repeatedBytesCopy(Number.MAX_SAFE_INTEGER)];
  },
};
const many = <Value>(codec: RecordCodec<Value>) => list(codec, ANSWER_ENTRIES_MAX);

const LEG_PLACE = defineRecord<LegPlace>({ rollupId: [1, anyBytes], position: [2, uint32()] });
const ROLLUP_SHARE = defineRecord<RollupShare>({ rollupId: [1, anyBytes], share: [2, amount] });
const AUCTION_WINNER = defineRecord<AuctionWinnerInfo>({
  id: [1, anyBytes],
  bidder: [2, anyBytes],
  amount: [3, amount],
  price: [4, amount],
  shares: [5, many(ROLLUP_SHARE)],
});
const GROUP_MEMBER = defineRecord<GroupMember>({ rollupId: [1, anyBytes], reserve: [2, amount] });
const AUCTION_GROUP = defineRecord<AuctionGroup>({
  group: [1, anyBytes],
  secondPrice: [2, flag],
  members: [3, many(GROUP_MEMBER)],
});
const LISTING = defineRecord<ListingInfo>({
  size: [1, uint32()],
  firstHeight: [2, height],
  listers: [3, anyBytesList],
  withdrawn: [4, anyBytesList],
  listedPower: [5, amount],
  withdrawnPower: [6, amount],
  dueHeight: [7, height],
});

const SUBMIT_REQUEST = recordMessage<SubmitItemRequest>({ item: [1, anyBytes] });
const SUBMIT_RESPONSE = recordMessage<SubmitItemResponse>({
  id: [1, anyBytes],
  hash: [2, anyBytes],
  code: [3, uint32()],
  codespace: [4, text(CODESPACE_BYTES_MAX)],
  reason: [5, text(REASON_BYTES_MAX)],
  duplicate: [6, flag],
  bundleId: [7, anyBytes],
});
const ATOMIC_STATUS = defineRecord<AtomicStatus>({
  state: [1, choice(AtomicProgress)],
  deadline: [2, height],
  decidedHeight: [3, height],
  reason: [4, text(REASON_BYTES_MAX)],
  legs: [
    5,
    many(
      defineRecord<AtomicLegStatus>({
        rollupId: [1, anyBytes],
        yes: [2, uint32()],
        no: [3, uint32()],
        quorum: [4, uint32()],
        committee: [5, uint32()],
      }),
    ),
  ],
});
const BUNDLE_STATUS = recordMessage<BundleStatus>({
  id: [1, anyBytes],
  state: [2, choice(BundleState)],
  reason: [3, text(REASON_BYTES_MAX)],
  code: [4, uint32()],
  height: [5, height],
  index: [6, uint32()],
  legs: [7, many(LEG_PLACE)],
  resolvedHeight: [8, height],
  price: [9, amount],
  dueHeight: [10, height],
  atHeight: [11, height],
  level: [12, uint32()],
  atomic: [13, optional(ATOMIC_STATUS)],
});
const AUCTION = recordMessage<AuctionInfo>({
  height: [1, height],
  group: [2, anyBytes],
  settledHeight: [3, height],
  bids: [4, uint32()],
  openBids: [5, uint32()],
  winners: [6, many(AUCTION_WINNER)],
  atHeight: [7, height],
});

export interface StreamProposedBlocksRequest {
  readonly rollupId: Uint8Array;
}

/** What rollups read of an entry; outside a bundle without a bundle id. */
export interface ProposedEntry extends Omit<DeliveredEntry, "bundleId" | "bundle"> {
  readonly bundleId: Uint8Array;
}

/** What a block that nobody has decided would hold for a rollup. */
export interface ProposedRollupBlock {
  readonly height: Height;
  readonly blockHash: Uint8Array;
  /** Consensus address. */
  readonly proposer: Uint8Array;
  readonly timeMs: number;
  /** Always: nothing of it is final or proven. */
  readonly unsafe: boolean;
  readonly entries: readonly ProposedEntry[];
}

const PROPOSED_ENTRY = defineRecord<ProposedEntry>({
  kind: [1, choice(EntryKind)],
  lane: [2, uint32()],
  itemId: [3, anyBytes],
  bundleId: [4, anyBytes],
  leg: [5, uint32()],
  legs: [6, uint32()],
  payload: [7, anyBytes],
});

export interface GetBodiesRequest {
  readonly ids: readonly Uint8Array[];
}

export interface GetBodiesResponse {
  readonly items: readonly Uint8Array[];
}

export const MEV_SERVICE_NAME = "weft.mev.v1.MevService";

export const MEV_SERVICE = {
  submitBundle: query("SubmitBundle", SUBMIT_REQUEST, SUBMIT_RESPONSE),
  submitBid: query("SubmitBid", SUBMIT_REQUEST, SUBMIT_RESPONSE),
  cancelBundles: query("CancelBundles", SUBMIT_REQUEST, SUBMIT_RESPONSE),
  getBundleStatus: query(
    "GetBundleStatus",
    recordMessage<GetBundleStatusRequest>({ id: [1, anyBytes] }),
    BUNDLE_STATUS,
  ),
  streamBundleStatus: stream(
    "StreamBundleStatus",
    recordMessage<StreamBundleStatusRequest>({ ids: [1, anyBytesList] }),
    BUNDLE_STATUS,
  ),
  getAuction: query(
    "GetAuction",
    recordMessage<GetAuctionRequest>({ height: [1, height], group: [2, anyBytes] }),
    AUCTION,
  ),
  streamAuctions: stream(
    "StreamAuctions",
    recordMessage<StreamAuctionsRequest>({ group: [1, anyBytes] }),
    AUCTION,
  ),
  getMevParams: query(
    "GetMevParams",
    recordMessage<GetMevParamsRequest>({}),
    recordMessage<MevParams>({
      listDueBlocks: [1, uint32()],
      bidEscrowMin: [2, amount],
      escrowDelayBlocks: [3, uint32()],
      mevRollupBps: [4, uint32()],
      mevProposerBps: [5, uint32()],
      mevCommunityBps: [6, uint32()],
      sealBond: [7, amount],
      bundleLegsMax: [8, uint32()],
      bundleBytesMax: [9, uint32()],
      bundleWindowMax: [10, uint32()],
      bundleAheadMax: [11, uint32()],
      cancelAheadMax: [12, uint32()],
      bidLegsMax: [13, uint32()],
      groupRollupsMax: [14, uint32()],
      groups: [15, many(AUCTION_GROUP)],
      atHeight: [16, height],
    }),
  ),
  getInclusionTally: query(
    "GetInclusionTally",
    recordMessage<GetInclusionTallyRequest>({ id: [1, anyBytes] }),
    recordMessage<InclusionTally>({
      listings: [1, many(LISTING)],
      totalPower: [2, amount],
      atHeight: [3, height],
    }),
  ),
  getRevenue: query(
    "GetRevenue",
    recordMessage<GetRevenueRequest>({ rollupId: [1, anyBytes] }),
    recordMessage<Revenue>({
      accrued: [1, amount],
      claimed: [2, amount],
      auction: [3, amount],
      tips: [4, amount],
      lastHeight: [5, height],
      shareBps: [6, uint32()],
      atHeight: [7, height],
    }),
  ),
  streamProposedBlocks: stream(
    "StreamProposedBlocks",
    recordMessage<StreamProposedBlocksRequest>({ rollupId: [1, anyBytes] }),
    recordMessage<ProposedRollupBlock>({
      height: [1, height],
      blockHash: [2, anyBytes],
      proposer: [3, anyBytes],
      timeMs: [4, uint],
      unsafe: [5, flag],
      entries: [6, list(PROPOSED_ENTRY, PROPOSED_ENTRIES_MAX)],
    }),
  ),
  getBodies: query(
    "GetBodies",
    recordMessage<GetBodiesRequest>({ ids: [1, anyBytesList] }),
    recordMessage<GetBodiesResponse>({ items: [1, anyBytesList] }),
  ),
} as const;

function query<Request, Response>(
  name: string,
  request: MessageCodec<Request>,
  response: MessageCodec<Response>,
): Method<Request, Response> {
  return method(`/${MEV_SERVICE_NAME}/${name}`, UNARY, request, response);
}

function stream<Request, Response>(
  name: string,
  request: MessageCodec<Request>,
  response: MessageCodec<Response>,
): Method<Request, Response> {
  return method(`/${MEV_SERVICE_NAME}/${name}`, SERVER_STREAM, request, response);
}

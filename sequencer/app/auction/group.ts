import { Height } from "../../../proto/brands.ts";
import { compareBytes, fromHex, toHex } from "../../../proto/bytes.ts";
import type { AuctionMember } from "../../../proto/codec/mev-state.ts";
import type { RollupPolicy } from "../../../proto/codec/rollup-policy.ts";
import type { RollupState } from "../../../proto/codec/weft-state.ts";
import { policyAt } from "../state/rollup-policy.ts";

/** The committed state and a block under way both offer it. */
export interface RollupReader {
  /** Of the block. */
  readonly height: number;
  /** `rollupId`: lower-case hex. */
  rollup(rollupId: string): RollupState | undefined;
}

/** Rollups whose tops are sold together. */
export interface AuctionGroup {
  /** Ascending by id; the leader is one of them. */
  readonly members: readonly AuctionMember[];
  /** Only of one that sells alone. */
  readonly secondPrice: boolean;
}

/**
 * The group that this rollup leads in the block; undefined if it holds no auction, or another one leads it. A rollup
 * is in it when both sides say so: the leader lists it, and it names the leader. The same for the whole block: a
 * policy changes later, and what the block itself registers does not count yet.
 */
export function auctionGroup(reader: RollupReader, leader: string): AuctionGroup | undefined {
  const policy = sellerPolicy(reader, leader, leader);
  if (policy === undefined) return undefined;
  const members = [memberOf(fromHex(leader), policy)];
  for (const rollupId of policy.auctionMembers) {
    const own = sellerPolicy(reader, toHex(rollupId), leader);
    if (own !== undefined) members.push(memberOf(rollupId, own));
  }
  members.sort((a, b) => compareBytes(a.rollupId, b.rollupId));
  return { members, secondPrice: policy.secondPrice && members.length === 1 };
}

/** As `auctionGroup`, for the many bids of one block: what is found is remembered. By id of the leader, in hex. */
export function auctionGroupsOf(
  reader: RollupReader,
): (leader: string) => AuctionGroup | undefined {
  const known = new Map<string, AuctionGroup>();
  return (leader) => {
    let group = known.get(leader);
    if (group !== undefined) return group;
    group = auctionGroup(reader, leader);
    if (group !== undefined) known.set(leader, group);
    return group;
  };
}

/** The policy in force of a rollup that sells its top in the group of `leader`. */
function sellerPolicy(
  reader: RollupReader,
  rollupId: string,
  leader: string,
): RollupPolicy | undefined {
  const rollup = reader.rollup(rollupId);
  if (rollup === undefined || rollup.registeredHeight >= reader.height) return undefined;
  const policy = policyAt(rollup, Height(reader.height));
  const { auction, auctionLeader } = policy;
  const named = auctionLeader.length === 0 ? rollupId : toHex(auctionLeader);
  return auction && named === leader ? policy : undefined;
}

function memberOf(rollupId: Uint8Array, { reserve, revenueShareBps }: RollupPolicy): AuctionMember {
  return { rollupId, reserve, shareBps: revenueShareBps };
}

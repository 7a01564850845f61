/** Auctions in a block's state without a chain: rollups, bids, what becomes of them, and whether the money is all there. */
import { Height } from "../../proto/brands.ts";
import { compareBytes, EMPTY_BYTES, fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { PLAIN_POLICY, type RollupPolicy } from "../../proto/codec/rollup-policy.ts";
import { SealedItemKind, type SealedItemState } from "../../proto/codec/seal-state.ts";
import type { RollupState } from "../../proto/codec/weft-state.ts";
import { assert } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import { onBidResolved } from "../../sequencer/app/auction/bids.ts";
import {
  backingOf,
  depositEscrow,
  escrowOf,
  payEscrow,
} from "../../sequencer/app/auction/escrow.ts";
import {
  forgetResults,
  recordAuctions,
  settleAuctions,
} from "../../sequencer/app/auction/settle.ts";
import { allocateFees } from "../../sequencer/app/distribution/rewards.ts";
import type { Resolution } from "../../sequencer/app/seal/items/resolve.ts";
import { AUCTIONS, ESCROW, REVENUE } from "../../sequencer/app/state/tables.ts";
import {
  createStakingContext,
  type StakingContextOptions,
  type TestStakingContext,
} from "./staking-context.ts";

/** A policy whose members and leader are names. */
export interface SellerTerms
  extends Partial<Omit<RollupPolicy, "auctionLeader" | "auctionMembers">> {
  readonly leader?: string;
  readonly members?: readonly string[];
}

export interface BidTerms {
  /** 40 lower-case hex characters. */
  readonly bidder: string;
  /** Name of the rollup that leads. */
  readonly group: string;
  readonly amount: bigint;
  /** Names of the rollups that it is for. */
  readonly wants: readonly string[];
  readonly fee?: bigint;
  readonly bond?: bigint;
}

export interface PlacedBid extends BidTerms {
  readonly height: number;
  readonly item: SealedItemState;
}

export type BidEnd = "opened" | "revealed" | "invalid" | "garbage" | "expired";

export class AuctionWorld {
  readonly ctx: TestStakingContext;
  /** Consensus address of the validator that proposes all blocks. */
  readonly proposer: string;
  readonly #names: readonly string[];
  readonly #bidders = new Set<string>();
  /** Ordered entries of each rollup in the block under way, so that positions differ. */
  #entries = 0;
  #index = 0;
  #serial = 0;
  /** Of all blocks before. */
  #feesBefore: ReadonlyMap<string, bigint> = new Map();
  /** What backed bids of a block when somebody last looked, by its height and the account. */
  readonly #backings = new Map<string, bigint>();
  /** Bids that no block has resolved. */
  readonly waiting = new Set<PlacedBid>();

  constructor(
    rollups: Readonly<Record<string, SellerTerms>>,
    options: StakingContextOptions = {},
    proposer = "99".repeat(20),
  ) {
    this.#names = Object.keys(rollups);
    this.proposer = proposer;
    this.ctx = createStakingContext({
      ...options,
      rollups: Object.fromEntries(
        Object.entries(rollups).map(([name, terms]) => [rollupOf(name), rollupState(name, terms)]),
      ),
    });
  }

  /** Gives new nweft to an account and puts them into its escrow. */
  deposit(bidder: string, amount: bigint): void {
    this.#bidders.add(bidder);
    this.ctx.mint(bidder, amount);
    depositEscrow(this.ctx, bidder, { kind: "depositEscrow", amount });
  }

  /** A bid takes its place in the block under way. */
  bid(terms: BidTerms): PlacedBid {
    const { ctx } = this;
    const { bidder, group, fee = 7n, bond = 100n } = terms;
    const found = ctx.auctionGroup(rollupOf(group));
    assert(found !== undefined, `${group} leads an auction`);
    const position = this.#entries++;
    const item: SealedItemState = {
      index: this.#index++,
      id: sha256(utf8ToBytes(`bid ${this.#serial++}`)),
      sender: fromHex(bidder),
      kem: EMPTY_BYTES,
      body: EMPTY_BYTES,
      label: EMPTY_BYTES,
      places: found.members.map(({ rollupId }, at) => ({ rollupId, position: position + at })),
      fee,
      bond,
      disputedHeight: Height(0),
      disputedBy: EMPTY_BYTES,
      kind: SealedItemKind.BID,
      tips: [],
      group: fromHex(rollupOf(group)),
      proposer: EMPTY_BYTES,
    };
    ctx.mintPool("sealed", fee + bond);
    ctx.bids.place(rollupOf(group), bidder);
    const bid = { ...terms, height: ctx.height, item };
    this.waiting.add(bid);
    return bid;
  }

  /** The block under way resolves it. */
  resolve(bid: PlacedBid, end: BidEnd): void {
    onBidResolved(this.ctx, bid.height, bid.item, resolutionOf(bid, end));
    this.waiting.delete(bid);
  }

  /** Ends the block under way as a chain does, and goes on to the next. */
  endBlock(): void {
    const { ctx } = this;
    settleAuctions(ctx);
    const fees = ctx.pool("feePool");
    allocateFees(ctx, { proposer: this.proposer, fees, rollupFees: this.#rollupFees() });
    payEscrow(ctx);
    recordAuctions(ctx, fromHex(this.proposer));
    forgetResults(ctx);
    this.#entries = 0;
    this.#index = 0;
    this.checkMoney();
    this.#checkBackings();
    ctx.advance();
  }

  /** What the block under way has had for data of rollups. */
  #rollupFees(): ReadonlyMap<string, bigint> {
    const all = new Map(this.ctx.rollupFees);
    const fees = new Map([...all].map(([id, sum]) => [id, sum - (this.#feesBefore.get(id) ?? 0n)]));
    this.#feesBefore = all;
    return fees;
  }

  /** Fails if what backs bids that wait has grown since their block, or deposits are more than there is. */
  #checkBackings(): void {
    const { ctx } = this;
    const heights = new Set(ctx.records.keys(AUCTIONS).map((key) => Number(key.split("/")[0])));
    for (const bidder of this.#bidders) {
      const escrow = escrowOf(ctx, bidder);
      const deposited = escrow.deposits.reduce((sum, { amount }) => sum + amount, 0n);
      assert(deposited <= escrow.balance, "what is left of deposits is part of the balance");
      for (const height of heights) {
        const key = `${height}/${bidder}`;
        const backing = backingOf(escrow, height);
        const before = this.#backings.get(key);
        assert(before === undefined || backing <= before, `what backs bids of ${height} has grown`);
        this.#backings.set(key, backing);
      }
    }
  }

  /** Fails unless pools are what records say of them. */
  checkMoney(): void {
    const { ctx } = this;
    ctx.checkSupply();
    let escrow = 0n;
    for (const bidder of this.#bidders) escrow += ctx.records.get(ESCROW, bidder)?.balance ?? 0n;
    assert(escrow === ctx.pool("escrow"), `escrow: ${escrow} of ${ctx.pool("escrow")}`);
    let held = 0n;
    for (const { item } of this.waiting) held += item.fee + item.bond;
    for (const key of ctx.records.keys(AUCTIONS)) {
      for (const { fee, bond } of ctx.records.get(AUCTIONS, key)?.bids ?? []) held += fee + bond;
    }
    assert(held === ctx.pool("sealed"), `sealed: ${held} of ${ctx.pool("sealed")}`);
    let revenue = 0n;
    for (const name of this.#names) {
      const found = ctx.records.get(REVENUE, rollupOf(name));
      if (found === undefined) continue;
      revenue += found.accrued - found.claimed;
      assert(found.auction + found.tips <= found.accrued, "sources are parts of what is accrued");
    }
    const pool = ctx.pool("rollupRevenue");
    assert(revenue === pool, `revenue: ${revenue} of ${pool}`);
  }
}

/** Id of a rollup by its name, in hex: ids ascend as names do. */
export function rollupOf(name: string): string {
  return toHex(utf8ToBytes(name.padEnd(32, "-")));
}

/** Z that opens a bid. */
export function pointOf({ id }: Pick<SealedItemState, "id">): Uint8Array {
  return sha256(id);
}

export function contentFor(rollup: string): Uint8Array {
  return utf8ToBytes(`top of ${rollup}`);
}

function resolutionOf({ item, wants, amount }: PlacedBid, end: BidEnd): Resolution {
  const payloads = item.places.map(({ rollupId }) => {
    const name = wants.find((one) => rollupOf(one) === toHex(rollupId));
    return name === undefined ? EMPTY_BYTES : contentFor(name);
  });
  const z = (): Uint8Array => pointOf(item);
  switch (end) {
    case "opened":
    case "revealed": {
      const opener =
        end === "opened"
          ? ({ kind: "point", point: z() } as const)
          : ({ kind: "seed", seed: sha256(z()) } as const);
      const by = end === "opened" ? "committee" : "sender";
      const contentHashes = payloads.map(sha256);
      return { kind: "opened", payloads, contentHashes, amount, opener, by, pointOf: z };
    }
    case "invalid":
      return { kind: "invalid", reason: "it is nothing", by: "committee", pointOf: z };
    case "garbage":
      return { kind: "garbage", pointOf: z };
    case "expired":
      return { kind: "expired" };
  }
}

function rollupState(name: string, { leader, members, ...terms }: SellerTerms): RollupState {
  const ids = (members ?? []).map((one) => fromHex(rollupOf(one))).sort(compareBytes);
  const policy: RollupPolicy = {
    ...PLAIN_POLICY,
    auction: true,
    ...terms,
    auctionLeader: leader === undefined ? EMPTY_BYTES : fromHex(rollupOf(leader)),
    auctionMembers: ids,
  };
  return {
    name,
    ownerKey: EMPTY_BYTES,
    policy,
    pending: undefined,
    deposit: 0n,
    registeredHeight: Height(0),
  };
}

import type { SealArithmetic } from "../../../mev/seal/arithmetic.ts";
import { Height } from "../../../proto/brands.ts";
import { concatBytes, toHex } from "../../../proto/bytes.ts";
import {
  type AccountState,
  encodeAccount,
  encodeBaseFee,
  encodeLastBlock,
  encodeParams,
  encodeRollup,
  encodeSupply,
  encodeUnorderedIds,
  type LastBlockState,
  type ParamsState,
  type RollupState,
  type SupplyState,
} from "../../../proto/codec/weft-state.ts";
import { assert } from "../../../proto/errors.ts";
import type { Timestamp } from "../../../proto/types.ts";
import type { AbciEvent } from "../../abci/application.ts";
import { BlockBids } from "../auction/block-bids.ts";
import { type AuctionGroup, auctionGroupsOf } from "../auction/group.ts";
import { BlockEntryTerms } from "../ordering/entry-terms.ts";
import { BlockShuffles } from "../ordering/shuffles.ts";
import type { ResolvedFill } from "../seal/fills.ts";
import type { Pool, StakingContext, StakingReader } from "../staking/context.ts";
import type { Digest } from "../state-tree/node.ts";
import { type CommittedState, ownerOf } from "./committed-state.ts";
import {
  accountKey,
  FEES_KEY,
  LAST_BLOCK_KEY,
  PARAMS_KEY,
  rollupKey,
  SUPPLY_KEY,
  unorderedKey,
} from "./keys.ts";
import { Records } from "./records.ts";

/** An account while a block runs. */
export interface WorkingAccount {
  nonce: bigint;
  balance: bigint;
  /** As committed. */
  readonly before: AccountState;
}

/** The block whose state is made. */
export interface WorkingBlock {
  readonly height: number;
  readonly time: Timestamp;
  /** Consensus address, 20 bytes. */
  readonly proposerAddress: Uint8Array;
}

/**
 * The state of one block under way: changes on top of the committed state, which it never touches. Drop
 * it to discard the block. Begins by letting go of ids that have expired at its height.
 */
export class WorkingState implements StakingContext {
  readonly chainId: string;
  readonly height: number;
  readonly nowSeconds: number;
  /** Of the block: consensus address, 40 lower-case hex characters. */
  readonly proposer: string;
  /** In force in this block. */
  readonly params: ParamsState;
  readonly evidenceMaxAgeBlocks: number;
  readonly evidenceMaxAgeSeconds: number;
  readonly blockBytesMax: number;
  readonly setSizeMax: number;
  readonly records: Records;
  readonly arithmetic: SealArithmetic;
  readonly bids = new BlockBids();
  readonly #committed: CommittedState;
  readonly #accounts = new Map<string, WorkingAccount>();
  readonly #rollups = new Map<string, RollupState>();
  readonly #newIds = new Map<Digest, Uint8Array>();
  readonly #expired: string[] = [];
  #expiryMax = 0;
  readonly #supply: { -readonly [Name in keyof SupplyState]: bigint };
  #baseFeePerByte: bigint | undefined;
  #nextParams: ParamsState | undefined;
  #events: AbciEvent[] = [];
  readonly #rollupFees = new Map<string, bigint>();
  readonly #fills: ResolvedFill[] = [];
  readonly auctionGroup: (leader: string) => AuctionGroup | undefined = auctionGroupsOf(this);
  readonly shuffles: BlockShuffles = new BlockShuffles();
  /** Of this block's entries. */
  readonly entryTerms: BlockEntryTerms;

  constructor(committed: CommittedState, { height, time, proposerAddress }: WorkingBlock) {
    this.height = height;
    this.proposer = toHex(proposerAddress);
    this.nowSeconds = Number(time.seconds);
    this.#committed = committed;
    const { chain, supply, params } = committed.requireTerms();
    this.params = params;
    this.chainId = chain.chainId;
    this.evidenceMaxAgeBlocks = chain.evidenceMaxAgeBlocks;
    this.evidenceMaxAgeSeconds = chain.evidenceMaxAgeSeconds;
    this.blockBytesMax = chain.blockBytesMax;
    this.setSizeMax = chain.setSizeMax;
    this.records = new Records(committed);
    this.arithmetic = committed.arithmetic;
    this.entryTerms = new BlockEntryTerms(chain.chainId, height, this);
    this.#supply = { ...supply };
    // An id may be forgotten once no block can hold it: valid is now < expiry only.
    for (const { key, expiryMax } of committed.rememberedBlocks()) {
      if (expiryMax <= height) this.#expired.push(key);
    }
  }

  /** As the checks of actions read it (`ActionReader`). */
  get staking(): StakingReader {
    return this;
  }

  /** The account, to be changed in place. `address`: lower-case hex. */
  account(address: string): WorkingAccount {
    let account = this.#accounts.get(address);
    if (account === undefined) {
      const before = this.#committed.account(address);
      account = { nonce: before.nonce, balance: before.balance, before };
      this.#accounts.set(address, account);
    }
    return account;
  }

  /** `rollupId`: lower-case hex. */
  rollup(rollupId: string): RollupState | undefined {
    return this.#rollups.get(rollupId) ?? this.#committed.rollup(rollupId);
  }

  setRollup(rollupId: string, rollup: RollupState): void {
    this.#rollups.set(rollupId, rollup);
  }

  /** How many unordered transactions this block holds. */
  get unorderedCount(): number {
    return this.#newIds.size;
  }

  isRemembered(id: Digest): boolean {
    return this.#newIds.has(id) || this.#committed.isRemembered(id);
  }

  remember(id: Digest, idBytes: Uint8Array, expiryHeight: number): void {
    this.#newIds.set(id, idBytes);
    this.#expiryMax = Math.max(this.#expiryMax, expiryHeight);
  }

  /** Moves a fee that has been taken from an account. */
  addFee(fee: bigint): void {
    this.#supply.feePool += fee;
  }

  balance(address: string): bigint {
    return (this.#accounts.get(address) ?? this.#committed.account(address)).balance;
  }

  pool(pool: Pool): bigint {
    return this.#supply[pool];
  }

  pay(pool: Pool, address: string, amount: bigint): void {
    this.#take(pool, amount);
    // The total supply is below 2^63, so no balance can overflow.
    this.account(address).balance += amount;
  }

  collect(address: string, pool: Pool, amount: bigint): void {
    const account = this.account(address);
    assert(amount >= 0n && amount <= account.balance, `${address} has the ${amount} nweft it pays`);
    account.balance -= amount;
    this.#supply[pool] += amount;
  }

  move(from: Pool, to: Pool, amount: bigint): void {
    this.#take(from, amount);
    this.#supply[to] += amount;
  }

  burn(pool: Pool, amount: bigint): void {
    this.#take(pool, amount);
    this.#supply.total -= amount;
    this.#supply.burned += amount;
  }

  rollupOwner(rollupId: string): string | undefined {
    return ownerOf(this.rollup(rollupId));
  }

  bidsOf(address: string): number {
    return this.bids.ofAccount(address);
  }

  addRollupFee(rollupId: string, amount: bigint): void {
    this.#rollupFees.set(rollupId, (this.#rollupFees.get(rollupId) ?? 0n) + amount);
  }

  /** nweft that data of rollups paid in this block, by rollup id. */
  get rollupFees(): ReadonlyMap<string, bigint> {
    return this.#rollupFees;
  }

  emit(event: AbciEvent): void {
    this.#events.push(event);
  }

  /** What was emitted since the last call. */
  takeEvents(): readonly AbciEvent[] {
    if (this.#events.length === 0) return NO_EVENTS;
    const events = this.#events;
    this.#events = [];
    return events;
  }

  addFill(resolved: ResolvedFill): void {
    this.#fills.push(resolved);
  }

  /** Of the whole block; they go into its manifest. */
  get fills(): readonly ResolvedFill[] {
    return this.#fills;
  }

  /** Whether the next block has other parameters. */
  get changesParams(): boolean {
    return this.#nextParams !== undefined;
  }

  /** In force from the next block on. */
  setParams(params: ParamsState): void {
    this.#nextParams = params;
  }

  setBaseFee(baseFeePerByte: bigint): void {
    this.#baseFeePerByte = baseFeePerByte;
  }

  /** Addresses of the accounts that the block read or wrote. */
  touchedAccounts(): Iterable<string> {
    return this.#accounts.keys();
  }

  /** The writes of the block, for the state tree; accounts that did not change are left out. */
  changes(lastBlock: LastBlockState): Map<string, Uint8Array | undefined> {
    assert(lastBlock.height === this.height, "the block under way is the one that is finalized");
    const changes = new Map<string, Uint8Array | undefined>();
    for (const key of this.#expired) changes.set(key, undefined);
    for (const [address, account] of this.#accounts) {
      const { before } = account;
      if (before.nonce === account.nonce && before.balance === account.balance) continue;
      changes.set(accountKey(address), encodeAccount(account));
    }
    for (const [id, rollup] of this.#rollups) changes.set(rollupKey(id), encodeRollup(rollup));
    if (this.#newIds.size > 0) {
      const ids = concatBytes(...this.#newIds.values());
      changes.set(
        unorderedKey(this.height),
        encodeUnorderedIds({ expiryMax: Height(this.#expiryMax), ids }),
      );
    }
    for (const [key, value] of this.records.changes()) changes.set(key, value);
    changes.set(SUPPLY_KEY, encodeSupply(this.#supply));
    if (this.#nextParams !== undefined) changes.set(PARAMS_KEY, encodeParams(this.#nextParams));
    if (this.#baseFeePerByte !== undefined) {
      changes.set(FEES_KEY, encodeBaseFee(this.#baseFeePerByte));
    }
    changes.set(LAST_BLOCK_KEY, encodeLastBlock(lastBlock));
    return changes;
  }

  #take(pool: Pool, amount: bigint): void {
    const left = this.#supply[pool] - amount;
    assert(amount >= 0n && left >= 0n, `${pool} holds the ${amount} nweft that are taken from it`);
    this.#supply[pool] = left;
  }
}

const NO_EVENTS: readonly AbciEvent[] = [];

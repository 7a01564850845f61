/** What the rules of staking and governance run on, in memory and without a chain. */
import { createSealArithmetic, type SealArithmetic } from "../../mev/seal/arithmetic.ts";
import type { ParamsState, RollupState } from "../../proto/codec/weft-state.ts";
import { assert } from "../../proto/errors.ts";
import type { AbciEvent } from "../../sequencer/abci/application.ts";
import { BlockBids } from "../../sequencer/app/auction/block-bids.ts";
import { type AuctionGroup, auctionGroup } from "../../sequencer/app/auction/group.ts";
import { DEFAULT_PARAMS } from "../../sequencer/app/params.ts";
import { BlockShuffles } from "../../sequencer/app/ordering/shuffles.ts";
import type { ResolvedFill } from "../../sequencer/app/seal/fills.ts";
import type { Pool, StakingContext } from "../../sequencer/app/staking/context.ts";
import { NO_RECORDS, Records } from "../../sequencer/app/state/records.ts";

export interface StakingContextOptions {
  /** What differs from `DEFAULT_PARAMS`. */
  readonly params?: Partial<ParamsState>;
  /** Of the block under way; default 1. */
  readonly height?: number;
  readonly nowSeconds?: number;
  /** Default: 1,000 blocks and one hour. */
  readonly evidenceMaxAgeBlocks?: number;
  readonly evidenceMaxAgeSeconds?: number;
  /** Default: 4 MiB. */
  readonly blockBytesMax?: number;
  /** nweft by account, 40 lower-case hex characters. */
  readonly balances?: Readonly<Record<string, bigint>>;
  /** Address of the owner by rollup id. */
  readonly rollupOwners?: Readonly<Record<string, string>>;
  /** By rollup id. */
  readonly rollups?: Readonly<Record<string, RollupState>>;
  /** Default: records that stay in memory. */
  readonly records?: Records;
}

/** A `StakingContext` that a test moves on and looks into. */
export interface TestStakingContext extends StakingContext {
  /** nweft in a pool. */
  pool(pool: Pool): bigint;
  /** All nweft: what there was at the start and was minted, less what was burned. */
  readonly total: bigint;
  readonly burned: bigint;
  /** Every event since the start, in order. */
  readonly events: readonly AbciEvent[];
  /** Every fill since the start, in order. */
  readonly fills: readonly ResolvedFill[];
  /** nweft by rollup id since the start. */
  readonly rollupFees: ReadonlyMap<string, bigint>;
  /** Gives new nweft to an account, as genesis does. */
  mint(address: string, amount: bigint): void;
  /** The same for a pool. */
  mintPool(pool: Pool, amount: bigint): void;
  /** Goes on to a later block; one block and no second by default. */
  advance(step?: { readonly blocks?: number; readonly seconds?: number }): void;
  /** Other parameters from here on, as governance does between two blocks. */
  setParams(changes: Partial<ParamsState>): void;
  /** Fails unless total = balances + pools (staking invariant S1). */
  checkSupply(): void;
}

const START_SECONDS = 1_700_000_000;
const ARITHMETIC = createSealArithmetic();

/**
 *     const ctx = createStakingContext({ params: { unbondingSeconds: 60 }, balances: { [alice]: 5_000_000n } });
 *     delegate(ctx, alice, { kind: "delegate", validator, amount: 1_000_000n });
 *     ctx.checkSupply();
 */
export function createStakingContext(options: StakingContextOptions = {}): TestStakingContext {
  return new MemoryContext(options);
}

class MemoryContext implements TestStakingContext {
  readonly chainId = "weft-test-1";
  readonly records: Records;
  readonly arithmetic: SealArithmetic = ARITHMETIC;
  readonly events: AbciEvent[] = [];
  readonly fills: ResolvedFill[] = [];
  readonly shuffles = new BlockShuffles();
  readonly rollupFees = new Map<string, bigint>();
  readonly #balances = new Map<string, bigint>();
  readonly #pools = new Map<Pool, bigint>();
  readonly #rollupOwners: Readonly<Record<string, string>>;
  readonly #rollups: Readonly<Record<string, RollupState>>;
  bids = new BlockBids();
  readonly evidenceMaxAgeBlocks: number;
  readonly evidenceMaxAgeSeconds: number;
  readonly blockBytesMax: number;
  readonly setSizeMax = 1_000;
  params: ParamsState;
  height: number;
  nowSeconds: number;
  total = 0n;
  burned = 0n;

  constructor(options: StakingContextOptions) {
    const { params, height = 1, nowSeconds = START_SECONDS, balances, rollupOwners } = options;
    this.#rollupOwners = rollupOwners ?? {};
    this.#rollups = options.rollups ?? {};
    this.records = options.records ?? new Records(NO_RECORDS);
    this.params = { ...DEFAULT_PARAMS, ...params };
    this.height = height;
    this.nowSeconds = nowSeconds;
    this.evidenceMaxAgeBlocks = options.evidenceMaxAgeBlocks ?? 1_000;
    this.blockBytesMax = options.blockBytesMax ?? 4 << 20;
    this.evidenceMaxAgeSeconds = options.evidenceMaxAgeSeconds ?? 3_600;
    for (const [address, amount] of Object.entries(balances ?? {})) this.mint(address, amount);
  }

  balance(address: string): bigint {
    assertAddress(address);
    return this.#balances.get(address) ?? 0n;
  }

  pool(pool: Pool): bigint {
    return this.#pools.get(pool) ?? 0n;
  }

  pay(pool: Pool, address: string, amount: bigint): void {
    this.#take(pool, amount);
    this.#balances.set(address, this.balance(address) + amount);
  }

  collect(address: string, pool: Pool, amount: bigint): void {
    assertAmount(amount);
    const balance = this.balance(address);
    assert(balance >= amount, `${address} has ${balance}, ${amount} were collected for ${pool}`);
    this.#balances.set(address, balance - amount);
    this.#pools.set(pool, this.pool(pool) + amount);
  }

  move(from: Pool, to: Pool, amount: bigint): void {
    this.#take(from, amount);
    this.#pools.set(to, this.pool(to) + amount);
  }

  burn(pool: Pool, amount: bigint): void {
    this.#take(pool, amount);
    this.total -= amount;
    this.burned += amount;
  }

  rollupOwner(rollupId: string): string | undefined {
    return this.#rollupOwners[rollupId];
  }

  rollup(rollupId: string): RollupState | undefined {
    return this.#rollups[rollupId];
  }

  auctionGroup(leader: string): AuctionGroup | undefined {
    return auctionGroup(this, leader);
  }

  bidsOf(address: string): number {
    return this.bids.ofAccount(address);
  }

  addFill(resolved: ResolvedFill): void {
    this.fills.push(resolved);
  }

  addRollupFee(rollupId: string, amount: bigint): void {
    this.rollupFees.set(rollupId, (this.rollupFees.get(rollupId) ?? 0n) + amount);
  }

  emit(event: AbciEvent): void {
    this.events.push(event);
  }

  mint(address: string, amount: bigint): void {
    assertAmount(amount);
    this.#balances.set(address, this.balance(address) + amount);
    this.total += amount;
  }

  mintPool(pool: Pool, amount: bigint): void {
    assertAmount(amount);
    this.#pools.set(pool, this.pool(pool) + amount);
    this.total += amount;
  }

  advance({ blocks = 1, seconds = 0 }: { blocks?: number; seconds?: number } = {}): void {
    assert(blocks >= 0 && seconds >= 0, "neither heights nor time go back");
    this.height += blocks;
    this.bids = new BlockBids();
    this.nowSeconds += seconds;
  }

  setParams(changes: Partial<ParamsState>): void {
    this.params = { ...this.params, ...changes };
  }

  checkSupply(): void {
    let sum = 0n;
    for (const amount of this.#balances.values()) sum += amount;
    for (const amount of this.#pools.values()) sum += amount;
    assert(sum === this.total, `the total is ${this.total}, balances and pools hold ${sum}`);
  }

  #take(pool: Pool, amount: bigint): void {
    assertAmount(amount);
    const left = this.pool(pool) - amount;
    assert(left >= 0n, `${pool} holds ${this.pool(pool)}, ${amount} were taken`);
    this.#pools.set(pool, left);
  }
}

function assertAmount(amount: bigint): void {
  assert(amount >= 0n, `an amount is not negative, got ${amount}`);
}

function assertAddress(address: string): void {
  assert(/^[0-9a-f]{40}$/.test(address), `an address is 40 lower-case hex characters: ${address}`);
}

/** Stake at genesis: validators in the set from the first block on, their delegations, the first epoch. */
import { createSealArithmetic, type SealArithmetic } from "../../mev/seal/arithmetic.ts";
import { Height } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import {
  BondStatus,
  type CommissionState,
  type DescriptionState,
} from "../../proto/codec/staking-state.ts";
import {
  type ChainState,
  EMPTY_SUPPLY,
  type ParamsState,
  type SupplyState,
} from "../../proto/codec/weft-state.ts";
import { assert, AssertionFailure } from "../../proto/errors.ts";
import { BlockBids } from "./auction/block-bids.ts";
import { startValidator } from "./distribution/rewards.ts";
import { BlockShuffles } from "./ordering/shuffles.ts";
import type { Pool, StakingContext } from "./staking/context.ts";
import { addDelegation } from "./staking/delegations.ts";
import { powerOf } from "./staking/epoch.ts";
import {
  newValidator,
  requireValidator,
  selfDelegation,
  updateValidator,
} from "./staking/validator-records.ts";
import { NO_RECORDS, Records } from "./state/records.ts";
import { EPOCH, POWERS, VALIDATORS } from "./state/tables.ts";

/** A validator of genesis. Addresses are 40 lower-case hex characters. */
export interface GenesisStake {
  readonly validator: string;
  readonly operator: string;
  /** ed25519, 32 bytes each. */
  readonly consensusKey: Uint8Array;
  readonly applicationKey: Uint8Array;
  readonly commission: Omit<CommissionState, "changedSeconds">;
  readonly description: DescriptionState;
  readonly minSelfDelegation: bigint;
  /** In `validators` of genesis.json. */
  readonly power: bigint;
  /** By whom it is backed; nweft, all of it new. */
  readonly delegations: readonly { readonly delegator: string; readonly amount: bigint }[];
}

/** The money and the records that genesis makes. */
export class GenesisLedger implements StakingContext {
  readonly chainId: string;
  readonly height: number;
  readonly nowSeconds: number;
  readonly params: ParamsState;
  readonly evidenceMaxAgeBlocks: number;
  readonly evidenceMaxAgeSeconds: number;
  readonly blockBytesMax: number;
  readonly setSizeMax: number;
  readonly records = new Records(NO_RECORDS);
  readonly arithmetic: SealArithmetic = createSealArithmetic();
  readonly bids = new BlockBids();
  readonly shuffles = new BlockShuffles();
  readonly #supply: { -readonly [Name in keyof SupplyState]: bigint } = { ...EMPTY_SUPPLY };
  readonly #balances = new Map<string, bigint>();

  constructor(params: ParamsState, chain: ChainState, nowSeconds: number) {
    this.params = params;
    this.chainId = chain.chainId;
    this.height = chain.initialHeight;
    this.nowSeconds = nowSeconds;
    this.evidenceMaxAgeBlocks = chain.evidenceMaxAgeBlocks;
    this.evidenceMaxAgeSeconds = chain.evidenceMaxAgeSeconds;
    this.blockBytesMax = chain.blockBytesMax;
    this.setSizeMax = chain.setSizeMax;
  }

  get supply(): SupplyState {
    return this.#supply;
  }

  /** Accounts and their balances, those of 0 included. */
  get balances(): ReadonlyMap<string, bigint> {
    return this.#balances;
  }

  /** Makes nweft. */
  mint(address: string, amount: bigint): void {
    this.#balances.set(address, this.balance(address) + amount);
    this.#supply.total += amount;
  }

  mintPool(pool: Pool, amount: bigint): void {
    this.#supply[pool] += amount;
    this.#supply.total += amount;
  }

  balance(address: string): bigint {
    return this.#balances.get(address) ?? 0n;
  }

  pool(pool: Pool): bigint {
    return this.#supply[pool];
  }

  pay(pool: Pool, address: string, amount: bigint): void {
    this.#take(pool, amount);
    this.#balances.set(address, this.balance(address) + amount);
  }

  collect(address: string, pool: Pool, amount: bigint): void {
    const left = this.balance(address) - amount;
    assert(left >= 0n, `${address} has the ${amount} nweft it pays`);
    this.#balances.set(address, left);
    this.#supply[pool] += amount;
  }

  move(from: Pool, to: Pool, amount: bigint): void {
    this.#take(from, amount);
    this.#supply[to] += amount;
  }

  burn(): never {
    throw new AssertionFailure("nothing is burned at genesis");
  }

  /** Rollups at genesis pay nothing yet. */
  rollupOwner(): undefined {
    return undefined;
  }

  /** They are registered beside the stake, and none of them sells anything yet. */
  rollup(): undefined {
    return undefined;
  }

  auctionGroup(): undefined {
    return undefined;
  }

  bidsOf(): number {
    return 0;
  }

  /** Genesis has no block that could hold events. */
  emit(): void {}

  addRollupFee(): never {
    throw new AssertionFailure("genesis pays no fees");
  }

  addFill(): never {
    throw new AssertionFailure("nothing is sealed before genesis");
  }

  #take(pool: Pool, amount: bigint): void {
    const left = this.#supply[pool] - amount;
    assert(left >= 0n, `${pool} holds the ${amount} nweft that are taken from it`);
    this.#supply[pool] = left;
  }
}

/**
 * Puts the stakes into the ledger and begins the first epoch. Returns what contradicts itself, one
 * sentence each; then the ledger must not be used.
 */
export function stakeGenesis(
  ledger: GenesisLedger,
  stakes: readonly GenesisStake[],
): readonly string[] {
  const faults: string[] = [];
  for (const stake of stakes) {
    addValidator(ledger, stake);
    faults.push(...stakeFaults(ledger, stake));
  }
  const activePower = stakes.reduce((sum, { power }) => sum + power, 0n);
  ledger.records.set(EPOCH, "", {
    number: 1,
    startHeight: Height(ledger.height),
    length: ledger.params.epochLength,
    nextSetSize: stakes.length,
    followingSetSize: stakes.length,
    activePower,
  });
  return faults;
}

function addValidator(ledger: GenesisLedger, stake: GenesisStake): void {
  const { validator, power, delegations } = stake;
  const height = Height(ledger.height);
  const state = newValidator({
    applicationKey: stake.applicationKey,
    consensusKey: stake.consensusKey,
    operator: fromHex(stake.operator),
    status: BondStatus.BONDED,
    minSelfDelegation: stake.minSelfDelegation,
    commission: { ...stake.commission, changedSeconds: ledger.nowSeconds },
    description: stake.description,
    createdHeight: height,
    applicationKeySince: height,
  });
  ledger.records.set(VALIDATORS, validator, state);
  startValidator(ledger, validator);
  for (const { delegator, amount } of delegations) {
    ledger.mint(delegator, amount);
    addDelegation(ledger, validator, delegator, amount, "account");
  }
  updateValidator(ledger, validator, { power });
  ledger.records.set(POWERS, validator, { changes: [{ height, power }] });
}

function stakeFaults(ledger: GenesisLedger, stake: GenesisStake): readonly string[] {
  const { validator, power, minSelfDelegation } = stake;
  const faults: string[] = [];
  const { tokens } = requireValidator(ledger, validator);
  if (powerOf(tokens) !== power) {
    faults.push(
      `validator ${validator} has power ${power} in validators, its delegations of ${tokens} nweft make ${powerOf(tokens)}`,
    );
  }
  const own = selfDelegation(ledger, validator);
  if (own < minSelfDelegation) {
    faults.push(
      `validator ${validator}: its operator delegates ${own} nweft, the minimum is ${minSelfDelegation}`,
    );
  }
  return faults;
}

import type { SealArithmetic } from "../../../mev/seal/arithmetic.ts";
import type { Height } from "../../../proto/brands.ts";
import { toHex } from "../../../proto/bytes.ts";
import type { ValidatorState } from "../../../proto/codec/staking-state.ts";
import {
  type AccountState,
  type ChainState,
  decodeAccount,
  decodeBaseFee,
  decodeChain,
  decodeLastBlock,
  decodeParams,
  decodeRollup,
  decodeSupply,
  decodeUnorderedIds,
  type LastBlockState,
  type ParamsState,
  type RollupState,
  type SupplyState,
  type UnorderedIdsState,
} from "../../../proto/codec/weft-state.ts";
import { accountAddress } from "../../../proto/codec/weft-tx.ts";
import { assert } from "../../../proto/errors.ts";
import type { Digest } from "../state-tree/node.ts";
import type { StateStore } from "../state-tree/state-store.ts";
import { auctionGroupsOf } from "../auction/group.ts";
import { TxDecoder } from "../execution/decoded-tx.ts";
import { type DueSet, dueSetAt, obligatedRoomBytes } from "../inclusion/due-set.ts";
import { tallyOf } from "../inclusion/tally-state.ts";
import { isPriced } from "../ordering/price-order.ts";
import { ACCOUNTS_KEPT_MAX, RECORDS_KEPT_MAX } from "../limits.ts";
import type { Pool, StakingReader } from "../staking/context.ts";
import { requireEpoch } from "../staking/validator-records.ts";
import { applicationKeyAt } from "../staking/validators.ts";
import { KeyIndex } from "./key-index.ts";
import {
  ACCOUNT_PREFIX,
  accountKey,
  CHAIN_KEY,
  FEES_KEY,
  INDEXED_PREFIXES,
  LAST_BLOCK_KEY,
  PARAMS_KEY,
  ROLLUP_PREFIX,
  rollupKey,
  SUPPLY_KEY,
  UNORDERED_PREFIX,
  VALIDATOR_PREFIX,
} from "./keys.ts";
import { type KeyRange, type RecordBase, Records, type RecordType } from "./records.ts";
import { VALIDATORS } from "./tables.ts";

/** An account that has never been touched. */
export const EMPTY_ACCOUNT: AccountState = { nonce: 0n, balance: 0n };

/** The record of one block's unordered transactions. */
export interface RememberedBlock {
  readonly key: string;
  readonly expiryMax: Height;
  readonly ids: readonly Digest[];
}

/** Everything that is the same for a whole block, decoded. */
export interface ChainTerms {
  readonly chain: ChainState;
  readonly params: ParamsState;
  readonly baseFeePerByte: bigint;
  readonly supply: SupplyState;
  /** Undefined before the first block. */
  readonly lastBlock: LastBlockState | undefined;
}

/** Typed reads of the committed state, with what is derived from it kept in memory. */
export class CommittedState implements RecordBase {
  readonly store: StateStore;
  readonly arithmetic: SealArithmetic;
  /** No block is under way here. */
  readonly unorderedCount = 0;
  /** Undefined until genesis is known. */
  terms: ChainTerms | undefined;
  #decoder: TxDecoder | undefined;
  readonly #remembered = new Map<string, RememberedBlock>();
  readonly #rememberedIds = new Set<Digest>();
  /** Accounts that were asked for, decoded; each transaction asks several times. */
  readonly #accounts = new Map<string, AccountState>();
  readonly #rollups = new Map<string, RollupState>();
  readonly #priced = new Set<string>();
  /** Records that were asked for, decoded, by whole key; absent ones too. */
  readonly #records = new Map<string, unknown>();
  /** By prefix. */
  readonly #indexes = new Map<string, KeyIndex>();
  #reader: StakingReader | undefined;
  #due: DueSet | undefined;

  private constructor(store: StateStore, arithmetic: SealArithmetic) {
    this.store = store;
    this.arithmetic = arithmetic;
  }

  static async load(store: StateStore, arithmetic: SealArithmetic): Promise<CommittedState> {
    const state = new CommittedState(store, arithmetic);
    await state.reload();
    return state;
  }

  /** Reads everything again; what `advance` keeps up to date without reading. */
  async reload(): Promise<void> {
    this.#remembered.clear();
    this.#rememberedIds.clear();
    this.#accounts.clear();
    this.#rollups.clear();
    this.#records.clear();
    this.#reader = undefined;
    this.#due = undefined;
    this.terms = this.#readTerms();
    for await (const [key, value] of this.store.entries(UNORDERED_PREFIX)) {
      this.#remember(key, decodeUnorderedIds(value));
    }
    this.#priced.clear();
    for (const [id, rollup] of await this.rollups()) if (isPriced(rollup)) this.#priced.add(id);
    for (const prefix of INDEXED_PREFIXES) {
      const keys: string[] = [];
      for await (const [key] of this.store.entries(prefix)) keys.push(key.slice(prefix.length));
      this.#indexes.set(prefix, new KeyIndex(keys));
    }
  }

  /** After a commit: reads what changes in every block, and takes over remembered ids. */
  advance(changes: ReadonlyMap<string, Uint8Array | undefined>): void {
    this.terms = this.#readTerms();
    this.#reader = undefined;
    this.#due = undefined;
    const indexed = new Map<string, Map<string, boolean>>();
    for (const [key, value] of changes) {
      if (key.startsWith(UNORDERED_PREFIX)) {
        if (value !== undefined) this.#remember(key, decodeUnorderedIds(value));
        else this.#forget(key);
      } else if (key.startsWith(ACCOUNT_PREFIX)) {
        this.#accounts.delete(key.slice(ACCOUNT_PREFIX.length));
      } else if (key.startsWith(ROLLUP_PREFIX)) {
        const id = key.slice(ROLLUP_PREFIX.length);
        this.#rollups.delete(id);
        if (value !== undefined && isPriced(decodeRollup(value))) this.#priced.add(id);
        else this.#priced.delete(id);
      } else {
        this.#records.delete(key);
        const prefix = key.slice(0, key.indexOf("/") + 1);
        if (!this.#indexes.has(prefix)) continue;
        let keys = indexed.get(prefix);
        if (keys === undefined) indexed.set(prefix, (keys = new Map()));
        keys.set(key.slice(prefix.length), value !== undefined);
      }
    }
    for (const [prefix, keys] of indexed) this.#indexes.get(prefix)?.update(keys);
  }

  record<Value>(type: RecordType<Value>, key: string): Value | undefined {
    const whole = type.prefix + key;
    // A prefix belongs to one type, which made what is kept under it.
    const known = this.#records.get(whole) as Value | undefined;
    if (known !== undefined || this.#records.has(whole)) return known;
    const bytes = this.store.get(whole);
    const value = bytes === undefined ? undefined : type.decode(bytes);
    if (this.#records.size >= RECORDS_KEPT_MAX) this.#records.clear();
    this.#records.set(whole, value);
    return value;
  }

  recordKeys(prefix: string, within: string, range: KeyRange): readonly string[] {
    const index = this.#indexes.get(prefix);
    assert(index !== undefined, `keys of ${prefix} are not kept in order`);
    return index.range(within, range);
  }

  /** The committed state as the rules of staking and governance read it: for the next block, at the last one's time. */
  get staking(): StakingReader {
    this.#reader ??= this.#createReader();
    return this.#reader;
  }

  #createReader(): StakingReader {
    const { chain, params, supply, lastBlock } = this.requireTerms();
    const height = this.nextHeight();
    const rollup = (rollupId: string): RollupState | undefined => this.rollup(rollupId);
    return {
      chainId: chain.chainId,
      height,
      nowSeconds: Number(lastBlock?.time.seconds ?? 0n),
      params,
      evidenceMaxAgeBlocks: chain.evidenceMaxAgeBlocks,
      evidenceMaxAgeSeconds: chain.evidenceMaxAgeSeconds,
      blockBytesMax: chain.blockBytesMax,
      setSizeMax: chain.setSizeMax,
      // Nothing is ever set in them.
      records: new Records(this),
      arithmetic: this.arithmetic,
      balance: (address) => this.account(address).balance,
      pool: (pool: Pool) => supply[pool],
      rollupOwner: (rollupId) => ownerOf(this.rollup(rollupId)),
      rollup,
      auctionGroup: auctionGroupsOf({ height, rollup }),
      bidsOf: () => 0,
    };
  }

  /** What holds for the next block. InitChain comes before anything that asks. */
  requireTerms(): ChainTerms {
    assert(this.terms !== undefined, "InitChain comes before every other call");
    return this.terms;
  }

  /** Takes transactions of this chain apart. */
  get txDecoder(): TxDecoder {
    const { chainId } = this.requireTerms().chain;
    if (this.#decoder?.chainId !== chainId) this.#decoder = new TxDecoder(chainId);
    return this.#decoder;
  }

  /** Height of the next block. */
  nextHeight(): number {
    const { lastBlock, chain } = this.requireTerms();
    return lastBlock === undefined ? chain.initialHeight : lastBlock.height + 1;
  }

  /** `address`: lower-case hex. */
  account(address: string): AccountState {
    const known = this.#accounts.get(address);
    if (known !== undefined) return known;
    const bytes = this.store.get(accountKey(address));
    const account = bytes === undefined ? EMPTY_ACCOUNT : decodeAccount(bytes);
    if (this.#accounts.size >= ACCOUNTS_KEPT_MAX) this.#accounts.clear();
    this.#accounts.set(address, account);
    return account;
  }

  /** `rollupId`: lower-case hex. */
  rollup(rollupId: string): RollupState | undefined {
    const known = this.#rollups.get(rollupId);
    if (known !== undefined) return known;
    const bytes = this.store.get(rollupKey(rollupId));
    if (bytes === undefined) return undefined;
    const rollup = decodeRollup(bytes);
    // Bounded by deposits: ids that are not registered are not kept.
    this.#rollups.set(rollupId, rollup);
    return rollup;
  }

  /** Ids of rollups that order by price, or will, in hex. */
  get pricedRollups(): ReadonlySet<string> {
    return this.#priced;
  }

  async rollups(): Promise<readonly (readonly [id: string, rollup: RollupState])[]> {
    const all: (readonly [string, RollupState])[] = [];
    for await (const [key, value] of this.store.entries(ROLLUP_PREFIX)) {
      all.push([key.slice(ROLLUP_PREFIX.length), decodeRollup(value)]);
    }
    return all;
  }

  /** True when a block that is still remembered holds the unordered transaction. */
  isRemembered(id: Digest): boolean {
    return this.#rememberedIds.has(id);
  }

  rememberedBlocks(): Iterable<RememberedBlock> {
    return this.#remembered.values();
  }

  /** `address`: consensus address, 20 bytes. */
  validator(address: Uint8Array): ValidatorState | undefined {
    return this.record(VALIDATORS, toHex(address));
  }

  /** Consensus addresses, ascending, in hex. */
  validators(): readonly string[] {
    return this.recordKeys(VALIDATOR_PREFIX, "", {});
  }

  /** The key that signs a validator's part of extensions of block `height`; undefined if it has none. */
  applicationKey(address: Uint8Array, height: number): Uint8Array | undefined {
    const validator = this.validator(address);
    if (validator === undefined) return undefined;
    const key = applicationKeyAt(validator, height);
    return key.length === 0 ? undefined : key;
  }

  /** What inclusion lists make the next block hold. */
  due(): DueSet {
    if (this.#due === undefined) {
      const { params, chain } = this.requireTerms();
      const roomBytes = obligatedRoomBytes(params, chain.blockBytesMax);
      this.#due = dueSetAt(tallyOf(this.staking), this.nextHeight(), roomBytes);
    }
    return this.#due;
  }

  /** Validators of the set that votes on `height`, which is the next height or the one after it. */
  setSize(height: number): number {
    const epoch = requireEpoch(this.staking);
    return height > this.nextHeight() ? epoch.followingSetSize : epoch.nextSetSize;
  }

  #remember(key: string, { expiryMax, ids }: UnorderedIdsState): void {
    const text = Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength).toString("latin1");
    const list: Digest[] = [];
    for (let at = 0; at < text.length; at += 32) {
      // A slice would keep the whole text of the block alive, which is fine: all of it is kept.
      const id = text.slice(at, at + 32);
      list.push(id);
      this.#rememberedIds.add(id);
    }
    this.#remembered.set(key, { key, expiryMax, ids: list });
  }

  #forget(key: string): void {
    for (const id of this.#remembered.get(key)?.ids ?? []) this.#rememberedIds.delete(id);
    this.#remembered.delete(key);
  }

  #readTerms(): ChainTerms | undefined {
    const chain = this.store.get(CHAIN_KEY);
    if (chain === undefined) return undefined;
    const lastBlock = this.store.get(LAST_BLOCK_KEY);
    return {
      chain: decodeChain(chain),
      params: decodeParams(this.#require(PARAMS_KEY)),
      baseFeePerByte: decodeBaseFee(this.#require(FEES_KEY)),
      supply: decodeSupply(this.#require(SUPPLY_KEY)),
      lastBlock: lastBlock && decodeLastBlock(lastBlock),
    };
  }

  #require(key: string): Uint8Array {
    const value = this.store.get(key);
    assert(value !== undefined, `the state has ${key} since genesis`);
    return value;
  }
}

/** Address of the account whose key owns the rollup, in hex. */
export function ownerOf(rollup: RollupState | undefined): string | undefined {
  return rollup && toHex(accountAddress(rollup.ownerKey));
}

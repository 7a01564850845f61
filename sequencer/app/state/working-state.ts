import { Height } from "../../../proto/brands.ts";
import { concatBytes } from "../../../proto/bytes.ts";
import {
  type AccountState,
  encodeAccount,
  encodeBaseFee,
  encodeLastBlock,
  encodeRollup,
  encodeSupply,
  encodeUnorderedIds,
  type LastBlockState,
  type RollupState,
} from "../../../proto/codec/weft-state.ts";
import { assert } from "../../../proto/errors.ts";
import type { Digest } from "../state-tree/node.ts";
import type { CommittedState } from "./committed-state.ts";
import {
  accountKey,
  FEES_KEY,
  LAST_BLOCK_KEY,
  rollupKey,
  SUPPLY_KEY,
  unorderedKey,
} from "./keys.ts";

/** An account while a block runs. */
export interface WorkingAccount {
  nonce: bigint;
  balance: bigint;
  /** As committed. */
  readonly before: AccountState;
}

/**
 * The state of one block under way: changes on top of the committed state, which it never touches. Drop
 * it to discard the block. Begins by letting go of ids that have expired at `height`.
 */
export class WorkingState {
  readonly height: number;
  readonly #committed: CommittedState;
  readonly #accounts = new Map<string, WorkingAccount>();
  readonly #rollups = new Map<string, RollupState>();
  readonly #newIds = new Map<Digest, Uint8Array>();
  readonly #expired: string[] = [];
  #expiryMax = 0;
  #feePool: bigint;
  #deposits: bigint;
  #baseFeePerByte: bigint | undefined;

  constructor(committed: CommittedState, height: number) {
    this.height = height;
    this.#committed = committed;
    const { supply } = committed.requireTerms();
    this.#feePool = supply.feePool;
    this.#deposits = supply.deposits;
    // An id may be forgotten once no block can hold it: valid is now < expiry only.
    for (const { key, expiryMax } of committed.rememberedBlocks()) {
      if (expiryMax <= height) this.#expired.push(key);
    }
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
    this.#feePool += fee;
  }

  /** Moves a deposit that has been taken from an account. */
  addDeposit(deposit: bigint): void {
    this.#deposits += deposit;
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
    const committed = this.#committed.requireTerms();
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
    const supply = { ...committed.supply, feePool: this.#feePool, deposits: this.#deposits };
    changes.set(SUPPLY_KEY, encodeSupply(supply));
    if (this.#baseFeePerByte !== undefined) {
      changes.set(FEES_KEY, encodeBaseFee(this.#baseFeePerByte));
    }
    changes.set(LAST_BLOCK_KEY, encodeLastBlock(lastBlock));
    return changes;
  }
}

/** The library's virtual machine over our node store, set up in one place. */
import type { Common } from "@ethereumjs/common";
import {
  type EVM,
  EVMError,
  type EVMMockBlockchainInterface,
  type EVMResult,
  createEVM,
} from "@ethereumjs/evm";
import { MerklePatriciaTrie } from "@ethereumjs/mpt";
import { CacheType, Caches, MerkleStateManager } from "@ethereumjs/statemanager";
import {
  Account,
  type Address,
  ValueEncoding,
  bytesToUnprefixedHex,
  equalsBytes,
} from "@ethereumjs/util";
import { type VM, createVM } from "@ethereumjs/vm";
import type { Pacer } from "./pacer.ts";
import { createBls } from "./precompiles/bls12-381.ts";
import { pacedPrecompiles } from "./precompiles/paced.ts";
import type { StateDb } from "./state-db.ts";

/** Hash of the rollup block with this number; absent when there is none (BLOCKHASH then is zero). */
export type BlockHashes = (number: number) => Uint8Array | undefined;

/**
 * Told of every account and slot that a transaction's calls touch, those of calls that revert included. Addresses and
 * slots are hex without prefix. A code that is read counts as a read of its account.
 */
export interface AccessWatch {
  readAccount(address: string): void;
  /** Nonce, balance or code become something else. */
  writeAccount(address: string): void;
  readSlot(address: string, slot: string): void;
  writeSlot(address: string, slot: string): void;
  writeCode(address: string): void;
  /** Whether all that the transaction's call did is to be undone, as if it had reverted. */
  isRefused(): boolean;
}

/** A JUMPDEST costs what it always costs; it also is where a loop in a contract lets others run. */
const JUMPDEST = 0x5b;
const JUMPDEST_GAS = 1;
/** Jump targets passed between two looks at the clock: a few hundred microseconds. */
const JUMPS_PER_CHECK = 256;

/**
 * State at a root. Everything that awaits storage passes here, so this is where a long transaction
 * gives way. Unbounded caches on purpose: the library's bounded ones lose writes when they overflow.
 */
export class StateView extends MerkleStateManager {
  readonly #pacer: Pacer;
  /** While it is set, it is told of every access; no cost otherwise. */
  watch: AccessWatch | undefined;
  /** Depth of our own methods: what the library's do inside one another is no further access. */
  #depth = 0;

  constructor(options: {
    readonly common: Common;
    readonly db: StateDb;
    readonly root: Uint8Array;
    readonly pacer: Pacer;
  }) {
    const type = CacheType.ORDERED_MAP;
    super({
      common: options.common,
      trie: new MerklePatriciaTrie({
        useKeyHashing: true,
        common: options.common,
        db: options.db,
        valueEncoding: ValueEncoding.Bytes,
        root: options.root,
      }),
      caches: new Caches({
        account: { type, size: 1 },
        code: { type, size: 1 },
        storage: { type, size: 1 },
      }),
    });
    this.#pacer = options.pacer;
  }

  /** Entries that the caches hold. */
  cachedEntries(): number {
    const caches = this._caches;
    const held = [caches?.account, caches?.code, caches?.storage];
    return held.reduce((sum, cache) => sum + (cache?.size() ?? 0), 0);
  }

  override async getAccount(address: Address): Promise<Account | undefined> {
    if (this.#pacer.isDue()) await this.#pacer.rest();
    this.#watched()?.readAccount(nameOf(address));
    return super.getAccount(address);
  }

  override async getStorage(address: Address, key: Uint8Array): Promise<Uint8Array> {
    if (this.#pacer.isDue()) await this.#pacer.rest();
    const watch = this.#watched();
    if (watch === undefined) return super.getStorage(address, key);
    watch.readSlot(nameOf(address), bytesToUnprefixedHex(key));
    return this.#within(() => super.getStorage(address, key));
  }

  override async putAccount(address: Address, account: Account | undefined): Promise<void> {
    const watch = this.#watched();
    if (watch === undefined) return super.putAccount(address, account);
    const before = await super.getAccount(address);
    if (!isSameAccount(before, account)) watch.writeAccount(nameOf(address));
    return this.#within(() => super.putAccount(address, account));
  }

  override async deleteAccount(address: Address): Promise<void> {
    const watch = this.#watched();
    if (watch === undefined) return super.deleteAccount(address);
    if (!isSameAccount(await super.getAccount(address), undefined)) {
      watch.writeAccount(nameOf(address));
    }
    return this.#within(() => super.deleteAccount(address));
  }

  override async putStorage(address: Address, key: Uint8Array, value: Uint8Array): Promise<void> {
    const watch = this.#watched();
    if (watch === undefined) return super.putStorage(address, key, value);
    watch.writeSlot(nameOf(address), bytesToUnprefixedHex(key));
    return this.#within(() => super.putStorage(address, key, value));
  }

  override async clearStorage(address: Address): Promise<void> {
    this.#watched()?.writeCode(nameOf(address));
    return this.#within(() => super.clearStorage(address));
  }

  override async getCode(address: Address): Promise<Uint8Array> {
    const watch = this.#watched();
    if (watch === undefined) return super.getCode(address);
    watch.readAccount(nameOf(address));
    return this.#within(() => super.getCode(address));
  }

  override async putCode(address: Address, code: Uint8Array): Promise<void> {
    this.#watched()?.writeCode(nameOf(address));
    return this.#within(() => super.putCode(address, code));
  }

  #watched(): AccessWatch | undefined {
    return this.watch === undefined || this.#depth > 0 ? undefined : this.watch;
  }

  async #within<T>(work: () => Promise<T>): Promise<T> {
    if (this.watch === undefined) return work();
    this.#depth += 1;
    try {
      return await work();
    } finally {
      this.#depth -= 1;
    }
  }
}

function nameOf(address: Address): string {
  return bytesToUnprefixedHex(address.bytes);
}

/** As far as others can tell: no account is as good as an empty one. */
function isSameAccount(a: Account | undefined, b: Account | undefined): boolean {
  const [one, other] = [a ?? new Account(), b ?? new Account()];
  return (
    one.nonce === other.nonce &&
    one.balance === other.balance &&
    equalsBytes(one.codeHash, other.codeHash)
  );
}

export interface Machine {
  readonly vm: VM;
  /** Told of the accesses of the calls of transactions from now on; may refuse what one did. */
  watchCalls(watch: AccessWatch | undefined): void;
  /** What contracts find there during the next transaction. */
  readonly transientStorage: EVM["transientStorage"];
  readonly state: StateView;
}

export async function createMachine(options: {
  readonly common: Common;
  readonly db: StateDb;
  readonly root: Uint8Array;
  readonly blockHashes: BlockHashes;
  readonly pacer: Pacer;
}): Promise<Machine> {
  const { pacer } = options;
  // Rules are switched on the instance; nobody else may see that.
  const common = options.common.copy();
  const state = new StateView({ ...options, common });
  const blockchain = createBlockchain(options.blockHashes);
  let jumps = 0;
  const evm = await createEVM({
    common,
    stateManager: state,
    blockchain,
    params: {},
    bls: createBls(),
    customPrecompiles: pacedPrecompiles(common, pacer),
    customOpcodes: [
      {
        opcode: JUMPDEST,
        opcodeName: "JUMPDEST",
        baseFee: JUMPDEST_GAS,
        logicFunction: () => {
          jumps += 1;
          return jumps % JUMPS_PER_CHECK === 0 && pacer.isDue() ? pacer.rest() : undefined;
        },
      },
    ],
  });
  const watchCalls = interceptCalls(evm, state);
  const vm = await createVM({ common, stateManager: state, blockchain, evm, params: {} });
  return { vm, state, watchCalls, transientStorage: evm.transientStorage };
}

/** Puts a watch around the call of a transaction: not around its fee, which is paid whatever the call does. */
function interceptCalls(evm: EVM, state: StateView): Machine["watchCalls"] {
  let watch: AccessWatch | undefined;
  const runCall = evm.runCall.bind(evm);

  async function runWatched(
    call: Parameters<typeof runCall>[0],
    watching: AccessWatch,
  ): Promise<EVMResult> {
    await evm.journal.checkpoint();
    let result: EVMResult;
    try {
      state.watch = watching;
      result = await runCall(call);
    } catch (cause) {
      state.watch = undefined;
      await evm.journal.revert();
      throw cause;
    }
    state.watch = undefined;
    if (!watching.isRefused()) {
      await evm.journal.commit();
      return result;
    }
    await evm.journal.revert();
    return {
      execResult: { ...refusedResult(), executionGasUsed: result.execResult.executionGasUsed },
    };
  }

  evm.runCall = (call) =>
    // Calls within a call carry their message.
    watch === undefined || call.message !== undefined ? runCall(call) : runWatched(call, watch);
  return (next) => {
    watch = next;
  };
}

function refusedResult(): Omit<EVMResult["execResult"], "executionGasUsed"> {
  return {
    exceptionError: new EVMError(EVMError.errorMessages.REVERT),
    returnValue: new Uint8Array(0),
    logs: [],
    selfdestruct: new Map(),
    createdAddresses: new Set(),
    gasRefund: 0n,
  };
}

function createBlockchain(blockHashes: BlockHashes): EVMMockBlockchainInterface {
  const blockchain: EVMMockBlockchainInterface = {
    getBlock: (number) => {
      const hash = blockHashes(number) ?? new Uint8Array(32);
      return Promise.resolve({ hash: () => hash });
    },
    putBlock: () => Promise.resolve(),
    shallowCopy: () => blockchain,
  };
  return blockchain;
}

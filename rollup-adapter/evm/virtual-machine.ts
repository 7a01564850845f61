/** The library's virtual machine over our node store, set up in one place. */
import type { Common } from "@ethereumjs/common";
import { type EVMMockBlockchainInterface, createEVM } from "@ethereumjs/evm";
import { MerklePatriciaTrie } from "@ethereumjs/mpt";
import { CacheType, Caches, MerkleStateManager } from "@ethereumjs/statemanager";
import { type Account, type Address, ValueEncoding } from "@ethereumjs/util";
import { type VM, createVM } from "@ethereumjs/vm";
import type { Pacer } from "./pacer.ts";
import type { StateDb } from "./state-db.ts";

/** Hash of the rollup block with this number; absent when there is none (BLOCKHASH then is zero). */
export type BlockHashes = (number: number) => Uint8Array | undefined;

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
    return super.getAccount(address);
  }

  override async getStorage(address: Address, key: Uint8Array): Promise<Uint8Array> {
    if (this.#pacer.isDue()) await this.#pacer.rest();
    return super.getStorage(address, key);
  }
}

export interface Machine {
  readonly vm: VM;
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
  const vm = await createVM({ common, stateManager: state, blockchain, evm, params: {} });
  return { vm, state };
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

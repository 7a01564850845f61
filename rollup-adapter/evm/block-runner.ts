/**
 * Runs one rollup block: payloads in, block, receipts and state nodes out. Nothing is stored here,
 * and nothing a payload holds can make it fail; it fails only when storage or the machine does.
 */
import {
  type Block,
  type BlockHeader,
  type HeaderData,
  createBlock,
  createBlockHeader,
  genTransactionsTrieRoot,
  genWithdrawalsTrieRoot,
} from "@ethereumjs/block";
import type { Common } from "@ethereumjs/common";
import { MerklePatriciaTrie } from "@ethereumjs/mpt";
import { RLP } from "@ethereumjs/rlp";
import type { TypedTransaction } from "@ethereumjs/tx";
import {
  Account,
  Address,
  KECCAK256_RLP,
  bigIntToBytes,
  createAddressFromString,
  createWithdrawal,
  setLengthLeft,
} from "@ethereumjs/util";
import { Bloom, type RunTxResult, encodeReceipt } from "@ethereumjs/vm";
import type { Logger } from "../../sequencer/ports/logger.ts";
import type { SkippedPayload } from "../execution.ts";
import { toHex } from "../../proto/bytes.ts";
import { assert } from "../../proto/errors.ts";
import { authoritiesOf, blobGas, objectionTo } from "./admission.ts";
import { applyLeg, type StagedLeg } from "./atomic/effects.ts";
import { LockGuard, type LockTable } from "./atomic/locks.ts";
import type { BlockEnvironment } from "./environment.ts";
import { evmOptions } from "./genesis.ts";
import { EXECUTION_SLICE_MS, STATE_CACHE_ENTRIES_MAX } from "./limits.ts";
import { type Pacer, createPacer } from "./pacer.ts";
import type { DecodedTransaction, PayloadDecoder, SkipReason } from "./payload.ts";
import { BEACON_ROOTS_ADDRESS, BLOCK_HASHES_ADDRESS } from "./predeploys.ts";
import { logsBloom, toStoredReceipt } from "./receipts.ts";
import type { StoredReceipt } from "./records.ts";
import { runTransaction } from "./run-transaction.ts";
import type { StateDb } from "./state-db.ts";
import { type BlockHashes, type Machine, createMachine } from "./virtual-machine.ts";

export interface RunInput {
  readonly environment: BlockEnvironment;
  readonly parentHash: Uint8Array;
  readonly parentStateRoot: Uint8Array;
  readonly payloads: readonly Uint8Array[];
  /** Legs that commit with this block, in order; they come first. */
  readonly commits: readonly StagedLeg[];
  /** What open bundles hold while the payloads run. */
  readonly locks: LockTable;
}

export interface RunOutput {
  readonly header: BlockHeader;
  /** Bytes of the block in Ethereum's encoding. */
  readonly size: number;
  readonly transactions: readonly Uint8Array[];
  readonly receipts: readonly StoredReceipt[];
  readonly skipped: readonly SkippedPayload[];
}

const WEI_PER_GWEI = 1_000_000_000n;

interface Included {
  readonly raw: Uint8Array;
  readonly transaction: TypedTransaction;
  readonly blockGas: bigint;
  readonly bloom: Bloom;
  readonly receipt: StoredReceipt;
}

export class BlockRunner {
  readonly #common: Common;
  readonly #db: StateDb;
  readonly #decoder: PayloadDecoder;
  readonly #blockHashes: BlockHashes;
  readonly #logger: Logger;
  readonly #pacer: Pacer = createPacer(EXECUTION_SLICE_MS);
  #machine: Machine | undefined;

  constructor(
    options: { readonly common: Common; readonly blockHashes: BlockHashes },
    dependencies: {
      readonly db: StateDb;
      readonly decoder: PayloadDecoder;
      readonly logger: Logger;
    },
  ) {
    this.#common = options.common;
    this.#blockHashes = options.blockHashes;
    this.#db = dependencies.db;
    this.#decoder = dependencies.decoder;
    this.#logger = dependencies.logger;
  }

  /**
   * Executes. State nodes are then pending in the node store. When it throws, or when the block is
   * not kept after all, `reset` must be called before the next run.
   */
  async run(input: RunInput): Promise<RunOutput> {
    const machine = await this.#machineAt(input.parentStateRoot);
    const { vm } = machine;
    const draft = draftBlock(input.environment, input.parentHash, this.#common);
    await vm.evm.journal.checkpoint();
    await this.#recordAncestors(machine, input);
    const committed = await this.#commit(machine, input);
    const { included, skipped } = await this.#runPayloads(machine, input, draft, committed);
    await payWithdrawals(machine, input.environment);
    await vm.evm.journal.cleanup();
    const stateRoot = await vm.stateManager.getStateRoot();
    await vm.evm.journal.commit();
    return this.#seal(input, included, skipped, stateRoot);
  }

  /** Forgets everything that is not on disk. */
  reset(): void {
    this.#machine = undefined;
    this.#db.discard();
  }

  async #machineAt(root: Uint8Array): Promise<Machine> {
    if (
      this.#machine !== undefined &&
      this.#machine.state.cachedEntries() > STATE_CACHE_ENTRIES_MAX
    ) {
      this.#machine = undefined;
    }
    this.#machine ??= await createMachine({
      common: this.#common,
      db: this.#db,
      root,
      blockHashes: this.#blockHashes,
      pacer: this.#pacer,
    });
    // Also drops the library's per-block storage tries, which would otherwise pile up.
    await this.#machine.state.setStateRoot(root, false);
    return this.#machine;
  }

  /** EIP-4788 and EIP-2935: what a block writes before its transactions, where the contracts exist. */
  async #recordAncestors({ vm, state }: Machine, input: RunInput): Promise<void> {
    const { environment } = input;
    const store = async (at: string, slot: bigint, value: Uint8Array): Promise<void> => {
      await state.putStorage(createAddressFromString(at), word(slot), value);
    };
    const exists = async (at: string): Promise<boolean> =>
      (await state.getCode(createAddressFromString(at))).length > 0;

    if (vm.common.isActivatedEIP(4788) && (await exists(BEACON_ROOTS_ADDRESS))) {
      const length = vm.common.param("historicalRootsLength");
      const slot = environment.timestampSeconds % length;
      await store(BEACON_ROOTS_ADDRESS, slot, bigIntToBytes(environment.timestampSeconds));
      await store(BEACON_ROOTS_ADDRESS, slot + length, environment.parentBeaconBlockRoot);
    }
    if (vm.common.isActivatedEIP(2935) && (await exists(BLOCK_HASHES_ADDRESS))) {
      const window = vm.common.param("historyServeWindow");
      const parent = BigInt(environment.number - 1);
      await store(BLOCK_HASHES_ADDRESS, parent % window, input.parentHash);
    }
  }

  /** Writes what legs were found to do when they were prepared, and takes their receipts as they are. */
  async #commit({ state }: Machine, input: RunInput): Promise<Included[]> {
    const included: Included[] = [];
    let cumulativeGasUsed = 0n;
    for (const leg of input.commits) {
      await applyLeg(state, leg, input.environment.feeRecipient);
      for (const { raw, blockGas, receipt } of leg.transactions) {
        const decoded = this.#decoder.decode(raw);
        assert(decoded.kind === "transaction", "what was staged is a transaction");
        cumulativeGasUsed += receipt.gasUsed;
        included.push({
          raw,
          transaction: decoded.decoded.transaction,
          blockGas,
          bloom: logsBloom(receipt.logs, this.#common),
          receipt: { ...receipt, cumulativeGasUsed },
        });
      }
    }
    return included;
  }

  async #runPayloads(
    machine: Machine,
    input: RunInput,
    draft: Block,
    committed: readonly Included[],
  ): Promise<{
    readonly included: readonly Included[];
    readonly skipped: readonly SkippedPayload[];
  }> {
    const { gasLimit, baseFeePerGas } = input.environment;
    const blobBaseFee = draft.header.getBlobGasPrice();
    let blobGasLeft = this.#common.getBlobGasSchedule().maxBlobGasPerBlock;
    let gasLeft = committed.reduce((left, { blockGas }) => left - blockGas, gasLimit);
    let cumulativeGas = committed.at(-1)?.receipt.cumulativeGasUsed ?? 0n;
    const included: Included[] = [...committed];
    const skipped: SkippedPayload[] = [];

    for (const [index, payload] of input.payloads.entries()) {
      if (this.#pacer.isDue()) await this.#pacer.rest();
      const decodedPayload = this.#decoder.decode(payload);
      if (decodedPayload.kind === "skip") {
        skipped.push({ index, reason: decodedPayload.reason });
        continue;
      }
      const { decoded } = decodedPayload;
      const { transaction } = decoded;
      const room = { gasLimit, gasLeft, blobGasLeft, baseFeePerGas, blobBaseFee };
      const outcome = isSenderLocked(decoded, input.locks)
        ? "LOCKED"
        : ((await objectionTo(decoded, machine.state, room, this.#common)) ??
          (await this.#runOne(machine, decoded, draft, cumulativeGas, input.locks)));
      if (typeof outcome === "string") {
        skipped.push({ index, reason: outcome });
        continue;
      }
      gasLeft -= outcome.blockGasSpent;
      blobGasLeft -= blobGas(transaction, this.#common);
      cumulativeGas += outcome.totalGasSpent;
      included.push({
        raw: decoded.raw,
        transaction,
        blockGas: outcome.blockGasSpent,
        bloom: outcome.bloom,
        receipt: toStoredReceipt(decoded, outcome, baseFeePerGas),
      });
    }
    return { included, skipped };
  }

  async #runOne(
    machine: Machine,
    { transaction, hash }: DecodedTransaction,
    draft: Block,
    blockGasUsed: bigint,
    locks: LockTable,
  ): Promise<RunTxResult | SkipReason> {
    const watch = locks.size > 0 ? new LockGuard(locks) : undefined;
    const options = { db: this.#db, draft, blockGasUsed, watch };
    const result = await runTransaction(machine, transaction, options);
    if (!("refusal" in result)) return result;
    this.#logger.error("transaction refused by the virtual machine after its checks", {
      hash: toHex(hash),
      error: String(result.refusal),
    });
    return "REFUSED_BY_VM";
  }

  async #seal(
    input: RunInput,
    included: readonly Included[],
    skipped: readonly SkippedPayload[],
    stateRoot: Uint8Array,
  ): Promise<RunOutput> {
    const { environment } = input;
    const common = this.#common;
    const bloom = new Bloom(undefined, common);
    const receiptTrie = new MerklePatriciaTrie({ common });
    const receipts: StoredReceipt[] = [];
    let gasUsed = 0n;
    let blobGasUsed = 0n;
    for (const [index, { transaction, blockGas, bloom: own, receipt }] of included.entries()) {
      gasUsed += blockGas;
      blobGasUsed += receipt.blobGasUsed;
      bloom.or(own);
      const encoded = encodeReceipt(
        {
          status: receipt.isSuccess ? 1 : 0,
          cumulativeBlockGasUsed: receipt.cumulativeGasUsed,
          bitvector: own.bitvector,
          logs: receipt.logs.map((log) => [log.address, [...log.topics], log.data]),
        },
        transaction.type,
      );
      await receiptTrie.put(RLP.encode(index), encoded);
      receipts.push(receipt);
    }
    const transactions = included.map(({ transaction }) => transaction);
    const withdrawals = environment.withdrawals.map((w) =>
      createWithdrawal({
        index: w.index,
        validatorIndex: w.validatorIndex,
        address: w.address,
        amount: w.amountGwei,
      }),
    );
    const header = createBlockHeader(
      {
        ...environmentHeader(environment, input.parentHash),
        stateRoot,
        transactionsTrie: await transactionsRoot(transactions, common),
        receiptTrie: included.length === 0 ? KECCAK256_RLP : receiptTrie.root(),
        logsBloom: bloom.bitvector,
        gasUsed,
        blobGasUsed,
        withdrawalsRoot: await genWithdrawalsTrieRoot(
          withdrawals,
          new MerklePatriciaTrie({ common }),
        ),
      },
      { ...evmOptions(common), skipConsensusFormatValidation: true },
    );
    const raw = included.map((one) => one.raw);
    const body = transactions.map((tx) => (tx.type === 0 ? tx.raw() : tx.serialize()));
    const size = RLP.encode([header.raw(), body, [], withdrawals.map((w) => w.raw())]).length;
    return { header, size, transactions: raw, receipts, skipped };
  }
}

/** A block as the machine sees it while it runs: its environment, without its results. */
export function draftBlock(
  environment: BlockEnvironment,
  parentHash: Uint8Array,
  common: Common,
): Block {
  return createBlock(
    { header: environmentHeader(environment, parentHash) },
    { ...evmOptions(common), skipConsensusFormatValidation: true },
  );
}

/** Its account, or one that it would make delegate, belongs to a leg that is not decided. */
function isSenderLocked({ transaction, sender }: DecodedTransaction, locks: LockTable): boolean {
  if (locks.size === 0) return false;
  const isLocked = (address: Uint8Array): boolean => locks.has(toHex(address));
  if (isLocked(sender.bytes)) return true;
  return authoritiesOf(transaction).some(({ bytes }) => isLocked(bytes));
}

function environmentHeader(environment: BlockEnvironment, parentHash: Uint8Array): HeaderData {
  return {
    parentHash,
    number: BigInt(environment.number),
    timestamp: environment.timestampSeconds,
    coinbase: environment.feeRecipient,
    gasLimit: environment.gasLimit,
    baseFeePerGas: environment.baseFeePerGas,
    mixHash: environment.prevRandao,
    parentBeaconBlockRoot: environment.parentBeaconBlockRoot,
    excessBlobGas: environment.excessBlobGas,
    extraData: environment.extraData,
  };
}

async function transactionsRoot(
  transactions: readonly TypedTransaction[],
  common: Common,
): Promise<Uint8Array> {
  return genTransactionsTrieRoot([...transactions], new MerklePatriciaTrie({ common }));
}

/** Withdrawals are paid after the transactions, without gas or receipts (EIP-4895). */
async function payWithdrawals(
  { vm, state }: Machine,
  environment: BlockEnvironment,
): Promise<void> {
  for (const withdrawal of environment.withdrawals) {
    const address = new Address(withdrawal.address);
    const account = (await state.getAccount(address)) ?? new Account();
    account.balance += withdrawal.amountGwei * WEI_PER_GWEI;
    await vm.evm.journal.putAccount(address, account);
  }
}

function word(value: bigint): Uint8Array {
  return setLengthLeft(bigIntToBytes(value), 32);
}

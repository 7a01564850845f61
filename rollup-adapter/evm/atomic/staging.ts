/**
 * Runs a leg beside the state (docs/adr/0024). Nothing is written: what the leg would do is found by comparing, and the
 * machine that ran it is thrown away. A pure function of the state, the open locks and the leg: every node of the rollup
 * comes to the same answer.
 */
import type { Block } from "@ethereumjs/block";
import type { Common } from "@ethereumjs/common";
import { Address, KECCAK256_NULL, equalsBytes, setLengthLeft } from "@ethereumjs/util";
import type { RunTxResult } from "@ethereumjs/vm";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { NoReason, Verdict } from "../../../proto/codec/atomic-tx.ts";
import { bytesEqual, concatBytes, EMPTY_BYTES, fromHex, toHex } from "../../../proto/bytes.ts";
import type { PrepareBundleRequest, PrepareBundleResponse } from "../../execution.ts";
import { isDelegation, objectionTo } from "../admission.ts";
import type { BlockEnvironment } from "../environment.ts";
import { EXECUTION_SLICE_MS } from "../limits.ts";
import { type Pacer, createPacer } from "../pacer.ts";
import type { DecodedTransaction, PayloadDecoder } from "../payload.ts";
import { toStoredReceipt } from "../receipts.ts";
import { runTransaction } from "../run-transaction.ts";
import { type ReadNode, StateDb } from "../state-db.ts";
import { type BlockHashes, type Machine, StateView, createMachine } from "../virtual-machine.ts";
import {
  applyLeg,
  differences,
  effectsHash,
  type StagedLeg,
  type StagedTransaction,
} from "./effects.ts";
import { LEG_PAYLOADS_MAX, LOCK_GAS } from "./limits.ts";
import { AccessRecorder, type Lock, LockGuard, type LockTable } from "./locks.ts";
import {
  boxes,
  decodeMessage,
  deliver,
  type Message,
  MESSAGE_TYPE,
  messageKey,
  writtenMessages,
} from "./mailbox.ts";
import { REGISTRY_ADDRESS } from "./predeploys.ts";

export interface StageOptions {
  readonly common: Common;
  readonly decoder: PayloadDecoder;
  readonly blockHashes: BlockHashes;
  readonly readNode: ReadNode;
  /** Id of this rollup, 32 bytes. */
  readonly rollupId: Uint8Array;
  /** Of the head. */
  readonly root: Uint8Array;
  /** Committed at this height, in order: part of the state that legs see. */
  readonly commits: readonly StagedLeg[];
  readonly environment: BlockEnvironment;
  /** The block in which the leg believes to be. */
  readonly draft: Block;
}

/** What a leg comes to, and what to keep of it. */
export interface StagingResult {
  readonly prepared: PrepareBundleResponse;
  /** Undefined with NO. */
  readonly staged: StagedLeg | undefined;
  readonly transactionHashes: readonly Uint8Array[];
  /** Gas limits of the transactions that were run, whatever came of them. */
  readonly gas: bigint;
}

/** What other open bundles take. */
export interface Taken {
  readonly locks: LockTable;
  /** Gas that this leg may ask for. */
  readonly gasLeft: bigint;
}

/** Gas limits of the transactions that were run. */
interface GasMeter {
  gas: bigint;
}

interface Leg {
  readonly transactions: readonly DecodedTransaction[];
  readonly messages: readonly Message[];
}

/** Type of transactions that change the code of accounts (EIP-7702). */
const SET_CODE_TYPE = 4;
const ADDRESS_HEX = 40;
const REGISTRY = new Address(fromHex(REGISTRY_ADDRESS.slice(2)));

/** The state that the legs of one height are run on. */
export class Stage {
  readonly #options: StageOptions;
  readonly #db: StateDb;
  readonly #pacer: Pacer = createPacer(EXECUTION_SLICE_MS);
  /** The state root before the legs. */
  readonly root: Uint8Array;

  private constructor(options: StageOptions, db: StateDb, root: Uint8Array) {
    this.#options = options;
    this.#db = db;
    this.root = root;
  }

  static async open(options: StageOptions): Promise<Stage> {
    // Of its own, so that nothing of it can reach the disk.
    const db = new StateDb(options.readNode);
    let { root } = options;
    if (options.commits.length > 0) {
      const state = viewAt(options.common, db, root);
      await state.checkpoint();
      for (const leg of options.commits) {
        await applyLeg(state, leg, options.environment.feeRecipient);
      }
      await state.commit();
      root = await state.getStateRoot();
    }
    return new Stage(options, db, root);
  }

  /** Runs one leg. Throws only when storage or the machine fails. */
  async run(request: PrepareBundleRequest, taken: Taken): Promise<StagingResult> {
    const leg = this.#parse(request);
    const hashes = (typeof leg === "number" ? [] : leg.transactions).map(({ hash }) => hash);
    const meter: GasMeter = { gas: 0n };
    const result =
      typeof leg === "number"
        ? leg
        : (messageFault(leg.messages, request) ??
          (await this.#execute(request, leg, taken, meter)));
    return typeof result === "number"
      ? refusedLeg(result, hashes, meter.gas)
      : { ...result, transactionHashes: hashes, gas: meter.gas };
  }

  #parse({ payloads }: PrepareBundleRequest): Leg | NoReason {
    if (payloads.length > LEG_PAYLOADS_MAX) return NoReason.MALFORMED;
    const transactions: DecodedTransaction[] = [];
    const messages: Message[] = [];
    for (const payload of payloads) {
      if (payload[0] === MESSAGE_TYPE) {
        const message = decodeMessage(payload, this.#options.rollupId);
        if (message === undefined) return NoReason.MALFORMED;
        messages.push(message);
        continue;
      }
      const decoded = this.#options.decoder.decode(payload);
      if (decoded.kind === "skip") return NoReason.MALFORMED;
      transactions.push(decoded.decoded);
    }
    return transactions.length === 0 ? NoReason.MALFORMED : { transactions, messages };
  }

  async #execute(
    request: PrepareBundleRequest,
    { transactions, messages }: Leg,
    taken: Taken,
    meter: GasMeter,
  ): Promise<Omit<StagingResult, "transactionHashes" | "gas"> | NoReason> {
    const { common, environment, rollupId } = this.#options;
    const gas = transactions.reduce((sum, { transaction }) => sum + transaction.gasLimit, 0n);
    if (gas > BigInt(request.locksMax) * LOCK_GAS) return NoReason.TOO_MANY_LOCKS;
    if (gas > taken.gasLeft) return NoReason.OTHER;
    const machine = await createMachine({
      ...this.#options,
      db: this.#db,
      root: this.root,
      pacer: this.#pacer,
    });
    // Never committed: what is written above stays in the machine's caches, and goes with them.
    await machine.state.checkpoint();
    const recorder = new AccessRecorder(new LockGuard(taken.locks));
    const staged: StagedTransaction[] = [];
    let tip = 0n;
    for (const decoded of transactions) {
      if (taken.locks.has(toHex(decoded.sender.bytes))) return NoReason.LOCKED;
      const objection = await this.#objection(machine, decoded);
      if (objection !== undefined) return objection;
      meter.gas += decoded.transaction.gasLimit;
      const result = await this.#runOne(machine, decoded, recorder, request.bundleId, messages);
      if (recorder.isRefused()) return NoReason.LOCKED;
      if (typeof result === "number") return result;
      if (result.execResult.exceptionError !== undefined) return NoReason.REVERTED;
      tip += result.minerValue;
      const receipt = toStoredReceipt(decoded, result, environment.baseFeePerGas);
      staged.push({
        raw: decoded.raw,
        blockGas: result.blockGasSpent,
        receipt: { ...receipt, cumulativeGasUsed: 0n },
      });
    }
    const before = viewAt(common, this.#db, this.root);
    const locks = await this.#locks(recorder, transactions, before);
    if (typeof locks === "number") return locks;
    if (locks.length > request.locksMax) return NoReason.TOO_MANY_LOCKS;
    const written = writtenMessages(
      staged.flatMap(({ receipt }) => receipt.logs),
      rollupId,
    );
    if (written.some(({ destination }) => !isSibling(request, destination))) {
      return NoReason.MAILBOX;
    }
    const effects = await differences(locks, before, machine.state);
    const leg = { effects, tip, transactions: staged, locks };
    return {
      prepared: {
        verdict: Verdict.YES,
        reason: 0,
        preStateRoot: this.root,
        effectsHash: effectsHash(leg),
        outbox: boxes(written, "destination"),
        inbox: boxes(messages, "source"),
      },
      staged: leg,
    };
  }

  async #objection(
    { state }: Machine,
    { transaction, sender }: DecodedTransaction,
  ): Promise<NoReason | undefined> {
    const { common, environment, draft } = this.#options;
    if (transaction.type === SET_CODE_TYPE || bytesEqual(sender.bytes, environment.feeRecipient)) {
      return NoReason.NOT_LOCKABLE;
    }
    const { gasLimit, baseFeePerGas } = environment;
    const room = {
      gasLimit,
      gasLeft: gasLimit,
      blobGasLeft: 0n,
      baseFeePerGas,
      blobBaseFee: draft.header.getBlobGasPrice(),
    };
    const reason = await objectionTo({ transaction, sender }, state, room, common);
    return reason === undefined ? undefined : NoReason.REVERTED;
  }

  async #runOne(
    machine: Machine,
    { transaction }: DecodedTransaction,
    recorder: AccessRecorder,
    bundleId: Uint8Array,
    messages: readonly Message[],
  ): Promise<RunTxResult | NoReason> {
    deliver(machine.transientStorage, bundleId, messages);
    const result = await runTransaction(machine, transaction, {
      db: this.#db,
      draft: this.#options.draft,
      blockGasUsed: 0n,
      watch: recorder,
    });
    return "refusal" in result ? NoReason.REVERTED : result;
  }

  /** What has to be locked, by name, or why it cannot be. */
  async #locks(
    recorder: AccessRecorder,
    transactions: readonly DecodedTransaction[],
    before: StateView,
  ): Promise<readonly Lock[] | NoReason> {
    if (recorder.isCodeWritten) return NoReason.NOT_LOCKABLE;
    const senders = new Set(transactions.map(({ sender }) => toHex(sender.bytes)));
    const touched = new Map(recorder.touched());
    // Nonce and fee are paid outside of the calls that are watched.
    for (const sender of senders) touched.set(sender, true);
    const locks: Lock[] = [];
    const optedIn = new Map<string, boolean>();
    for (const [name, isExclusive] of touched) {
      const address = name.slice(0, ADDRESS_HEX);
      let isLockable = senders.has(address) || optedIn.get(address);
      if (isLockable === undefined) {
        isLockable = await this.#isOptedIn(address, before);
        optedIn.set(address, isLockable);
      }
      if (isLockable) locks.push({ key: fromHex(name), isExclusive });
      else if (isExclusive || !(await isImmutable(name, before))) return NoReason.NOT_LOCKABLE;
    }
    return locks.toSorted((a, b) => (toHex(a.key) < toHex(b.key) ? -1 : 1));
  }

  /** Balances of the fee recipient change with every transaction, so they are never locked. */
  async #isOptedIn(address: string, before: StateView): Promise<boolean> {
    const bytes = fromHex(address);
    if (bytesEqual(bytes, this.#options.environment.feeRecipient)) return false;
    const slot = keccak_256(concatBytes(setLengthLeft(bytes, 32), new Uint8Array(32)));
    return (await before.getStorage(REGISTRY, slot)).length > 0;
  }
}

/** A state to look at, or to change in memory. */
function viewAt(common: Common, db: StateDb, root: Uint8Array): StateView {
  return new StateView({ common, db, root, pacer: createPacer(Number.POSITIVE_INFINITY) });
}

/** Whether what was read is the code of a contract or a precompile, which nothing changes. */
async function isImmutable(name: string, before: StateView): Promise<boolean> {
  if (name.length > ADDRESS_HEX) return false;
  // Precompiles: addresses up to 0xffff hold no code and cannot get any.
  if (/^0{36}/.test(name)) return true;
  const address = new Address(fromHex(name));
  const account = await before.getAccount(address);
  if (account === undefined || equalsBytes(account.codeHash, KECCAK256_NULL)) return false;
  return !isDelegation(await before.getCode(address));
}

function messageFault(
  messages: readonly Message[],
  request: PrepareBundleRequest,
): NoReason | undefined {
  const keys = new Set(messages.map((message) => toHex(messageKey(message))));
  const isClear = keys.size === messages.length;
  const isInside = messages.every(({ source }) => isSibling(request, source));
  return isClear && isInside ? undefined : NoReason.MAILBOX;
}

function isSibling({ siblingRollupIds }: PrepareBundleRequest, rollupId: Uint8Array): boolean {
  return siblingRollupIds.some((id) => bytesEqual(id, rollupId));
}

/** The answer NO. */
export function refusedLeg(
  reason: NoReason,
  transactionHashes: readonly Uint8Array[] = [],
  gas = 0n,
): StagingResult {
  return {
    prepared: {
      verdict: Verdict.NO,
      reason,
      preStateRoot: EMPTY_BYTES,
      effectsHash: EMPTY_BYTES,
      outbox: [],
      inbox: [],
    },
    staged: undefined,
    transactionHashes,
    gas,
  };
}

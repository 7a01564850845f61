import type { SignatureCheck, VerifySignatures } from "../../../mev/signatures.ts";
import { txHashes } from "../../../proto/hashes.ts";
import { codeName, CODES, type Failure, failure } from "../codes.ts";
import { type DecodedTx, decodeTx } from "../execution/decoded-tx.ts";
import type { ExecutedBlock } from "../execution/execute-block.ts";
import type { VerifiedTxs } from "../execution/verified-txs.ts";
import { CHECKS_IN_FLIGHT_MAX, TX_BYTES_MAX } from "../limits.ts";
import type { AppMetrics } from "../metrics.ts";
import type { CommittedState } from "../state/committed-state.ts";
import type { Digest } from "../state-tree/node.ts";
import { digestToBytes } from "../state-tree/proof.ts";
import type { TransactionStatus } from "../weft-application.ts";
import type { Pool } from "./pool.ts";
import { isFinal, type TxFate, type TxStatuses } from "./tx-statuses.ts";

export interface AdmissionDependencies {
  readonly committed: CommittedState;
  readonly pool: Pool;
  readonly statuses: TxStatuses;
  readonly verified: VerifiedTxs;
  readonly verify: VerifySignatures;
  readonly metrics: AppMetrics;
}

/** What CheckTx found: the id when the item could be decoded, and why it was refused, if it was. */
export interface Admission {
  readonly tx: DecodedTx | undefined;
  readonly fault: Failure | undefined;
}

/** The way into the pool: size, decoding, state, signature, cheapest first; then all of it once more. */
export class TxAdmission {
  readonly #dependencies: AdmissionDependencies;
  readonly #inFlight = new Map<Digest, Promise<boolean>>();
  /** Settled when all that has come from an account so far is decided. */
  readonly #lastOfSender = new Map<string, Promise<unknown>>();
  /** Probes whose signature is being verified. */
  #probes = 0;

  constructor(dependencies: AdmissionDependencies) {
    this.#dependencies = dependencies;
  }

  /** CheckTx for a new item. */
  async admit(item: Uint8Array): Promise<Admission> {
    const admission = await this.#admit(item);
    const { fault } = admission;
    if (fault !== undefined) this.#dependencies.metrics.poolRejected.inc({ code: fault.code });
    return admission;
  }

  /** What CheckTx would say now. Nothing is kept, remembered or counted. */
  async probe(item: Uint8Array): Promise<Admission> {
    const { committed, verified } = this.#dependencies;
    const { terms } = committed;
    const unfit = terms === undefined ? CHAIN_NOT_BEGUN : sizeFault(item);
    if (terms === undefined || unfit !== undefined) return { tx: undefined, fault: unfit };
    const known = verified.get(item);
    if (known !== undefined) return { tx: known, fault: this.#verdict(known) };
    const decoded = decodeTx(terms.chain.chainId, item);
    if ("code" in decoded) return { tx: undefined, fault: decoded };
    const { decoded: tx, signatureCheck } = decoded;
    const early = this.#verdict(tx);
    if (early !== undefined) return { tx, fault: early };
    if (this.#probes >= CHECKS_IN_FLIGHT_MAX) return { tx, fault: failure("POOL_BUSY") };
    this.#probes++;
    try {
      const isSigned = await this.#verify(signatureCheck);
      return { tx, fault: isSigned ? this.#verdict(tx) : failure("TX_SIGNATURE") };
    } finally {
      this.#probes--;
    }
  }

  #verdict(tx: DecodedTx): Failure | undefined {
    return this.#knownFault(tx) ?? this.#dependencies.pool.verdict(tx);
  }

  /** CheckTx of type recheck: whether the pool still wants it, from what it knows already. */
  async recheck(item: Uint8Array): Promise<Admission> {
    const { pool, statuses, verified, committed } = this.#dependencies;
    const known = verified.get(item);
    const decoded = known ?? decodeUnverified(committed, item);
    if ("code" in decoded) return { tx: undefined, fault: decoded };
    if (pool.get(decoded.idKey) !== undefined) return { tx: decoded, fault: undefined };
    const fate = statuses.get(decoded.idKey);
    // Nothing is known of it when the node has been restarted: then it gets a new chance.
    return fate === undefined ? this.admit(item) : { tx: decoded, fault: fateFault(fate) };
  }

  async #admit(item: Uint8Array): Promise<Admission> {
    const { committed, pool, verified } = this.#dependencies;
    if (committed.terms === undefined) return { tx: undefined, fault: CHAIN_NOT_BEGUN };
    const tooLarge = sizeFault(item);
    if (tooLarge !== undefined) return { tx: undefined, fault: tooLarge };
    const known = verified.get(item);
    if (known !== undefined) return { tx: known, fault: this.#add(known) };
    const decoded = decodeTx(committed.terms.chain.chainId, item);
    if ("code" in decoded) return { tx: undefined, fault: decoded };
    const { decoded: tx, signatureCheck } = decoded;
    // Not remembered under the id: without a signature anybody could speak for it.
    const early = this.#knownFault(tx) ?? pool.fault(tx);
    if (early !== undefined) return { tx, fault: early };
    return { tx, fault: await this.#verifyAndAdd(tx, signatureCheck) };
  }

  /**
   * Signatures are verified on several threads and may finish out of order. A nonce that is refused for
   * being ahead waits for those of its account that came before it, and is tried once more.
   */
  async #verifyAndAdd(tx: DecodedTx, check: SignatureCheck): Promise<Failure | undefined> {
    const { sender } = tx;
    const earlier = this.#lastOfSender.get(sender);
    const run = async (): Promise<Failure | undefined> => {
      const signature = await this.#signatureFault(tx, check);
      if (signature !== undefined) return signature;
      this.#dependencies.verified.add(tx);
      const fault = this.#add(tx);
      if (earlier === undefined || !this.#isAhead(tx, fault)) return fault;
      await earlier;
      return this.#add(tx);
    };
    const mine = run();
    const settled = Promise.allSettled([earlier, mine]);
    this.#lastOfSender.set(sender, settled);
    try {
      return await mine;
    } finally {
      if (this.#lastOfSender.get(sender) === settled) this.#lastOfSender.delete(sender);
    }
  }

  #isAhead(tx: DecodedTx, fault: Failure | undefined): boolean {
    if (fault?.code !== "NONCE_GAP" && fault?.code !== "POOL_FULL") return false;
    const { replay } = tx.tx.body;
    return replay.kind === "nonce" && replay.value > this.#dependencies.pool.nextNonce(tx.sender);
  }

  #add(tx: DecodedTx): Failure | undefined {
    const { pool, statuses } = this.#dependencies;
    const fault = this.#knownFault(tx) ?? pool.add(tx);
    if (fault !== undefined && fault.code !== "TX_KNOWN") {
      statuses.set(tx.idKey, { ...describe("rejected", fault), hash: tx.hash });
    }
    return fault;
  }

  #knownFault(tx: DecodedTx): Failure | undefined {
    const fate = this.#dependencies.statuses.get(tx.idKey);
    if (fate === undefined || !("height" in fate)) return undefined;
    return failure("TX_KNOWN", `it is in block ${fate.height}`);
  }

  /** The same signature is verified once, however many ask for it at the same time. */
  async #signatureFault(tx: DecodedTx, check: SignatureCheck): Promise<Failure | undefined> {
    const underWay = this.#inFlight.get(tx.idKey);
    // A copy with another signature may fail where the first one holds, so a failure is not shared.
    if (underWay !== undefined && (await underWay)) return failure("TX_KNOWN", "it has just come");
    if (this.#inFlight.size >= CHECKS_IN_FLIGHT_MAX) return failure("POOL_BUSY");
    const verdict = this.#verify(check);
    this.#inFlight.set(tx.idKey, verdict);
    try {
      return (await verdict) ? undefined : failure("TX_SIGNATURE");
    } finally {
      this.#inFlight.delete(tx.idKey);
    }
  }

  async #verify(check: SignatureCheck): Promise<boolean> {
    const [isValid] = await this.#dependencies.verify([check]);
    return isValid === true;
  }
}

/** Writes down what a block did to its transactions. */
export function recordBlock(statuses: TxStatuses, { input, txs, results }: ExecutedBlock): void {
  const hashes = txHashes(input.txs);
  for (const [index, tx] of txs.entries()) {
    const result = results[index];
    const hash = hashes[index];
    if (tx === undefined || result === undefined || hash === undefined) continue;
    statuses.set(tx.idKey, {
      state: result.code === CODES.OK.number ? "committed" : "failed",
      height: input.height,
      index,
      code: result.code,
      reason: result.log,
      hash: digestToBytes(hash),
    });
  }
}

/** Writes down why a transaction left the pool. */
export function recordDrop(statuses: TxStatuses, tx: DecodedTx, why: Failure): void {
  const state = why.code === "UNORDERED_EXPIRED" ? "expired" : "evicted";
  statuses.set(tx.idKey, { ...describe(state, why), hash: tx.hash });
}

export function statusOf(pool: Pool, statuses: TxStatuses, id: Digest): TransactionStatus {
  const fate = statuses.get(id);
  if (fate !== undefined && isFinal(fate)) return fate;
  const pending = pool.get(id);
  if (pending === undefined) return fate ?? { state: "unknown" };
  return { state: "pending", reason: pool.waitsFor(pending), hash: pending.hash };
}

function describe<State extends "rejected" | "expired" | "evicted">(
  state: State,
  { code, reason }: Failure,
): { readonly state: State; readonly code: number; readonly reason: string } {
  return { state, code: CODES[code].number, reason };
}

const CHAIN_NOT_BEGUN = failure("POOL_BUSY", "the chain has not begun");

function sizeFault(item: Uint8Array): Failure | undefined {
  if (item.length <= TX_BYTES_MAX) return undefined;
  return failure("TX_TOO_LARGE", `${item.length} bytes, at most ${TX_BYTES_MAX}`);
}

function decodeUnverified(committed: CommittedState, item: Uint8Array): DecodedTx | Failure {
  const decoded = decodeTx(committed.requireTerms().chain.chainId, item);
  return "code" in decoded ? decoded : decoded.decoded;
}

function fateFault(fate: TxFate): Failure {
  if ("height" in fate) return failure("TX_KNOWN", `it is in block ${fate.height}`);
  return { code: codeName(fate.code) ?? "POOL_ABSENT", reason: fate.reason };
}

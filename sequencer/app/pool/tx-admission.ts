import type { SealCompute } from "../../../mev/seal/compute.ts";
import type { VerifySignatures } from "../../../mev/signatures.ts";
import type { Height } from "../../../proto/brands.ts";
import { txHashes } from "../../../proto/hashes.ts";
import { assert } from "../../../proto/errors.ts";
import { digestToBytes } from "../../../proto/hash.ts";
import type { ExecTxResult } from "../../abci/application.ts";
import { isOfSearcher } from "../bundles/bundle-gauges.ts";
import { type CodeName, codeName, CODES, type Failure, failure } from "../codes.ts";
import type { DecodedTx, UnverifiedTx } from "../execution/decoded-tx.ts";
import type { ExecutedBlock } from "../execution/execute-block.ts";
import type { VerifiedTxs } from "../execution/verified-txs.ts";
import { CHECKS_IN_FLIGHT_MAX, TX_BYTES_MAX } from "../limits.ts";
import type { AppMetrics } from "../metrics.ts";
import type { CommittedState } from "../state/committed-state.ts";
import type { Digest } from "../state-tree/node.ts";
import type { TransactionStatus } from "../weft-application.ts";
import type { Pool } from "./pool.ts";
import { isFinal, type TxFate, type TxStatuses } from "./tx-statuses.ts";

export interface AdmissionDependencies {
  readonly committed: CommittedState;
  readonly pool: Pool;
  readonly statuses: TxStatuses;
  readonly verified: VerifiedTxs;
  readonly verify: VerifySignatures;
  readonly seal: SealCompute;
  readonly metrics: AppMetrics;
}

/** What CheckTx found: the id when the item could be decoded, and why it was refused, if it was. */
export interface Admission {
  readonly tx: DecodedTx | undefined;
  readonly fault: Failure | undefined;
}

/** A transaction that nothing speaks against but its signatures and proofs, which are being verified. */
interface Candidate extends ToVerify {
  /** Position in its batch. */
  readonly place: number;
  readonly tx: DecodedTx;
  /** Height of the state that has been asked about it. */
  readonly height: number;
}

/**
 * The way into the pool: size, decoding, state, signatures, proofs, cheapest first; then all of it once
 * more. What comes together is taken together: one batch of signatures, one of proofs, one promise.
 */
export class TxAdmission {
  readonly #dependencies: AdmissionDependencies;
  /** Transactions whose signature is being verified, and the end of their batch. */
  readonly #inFlight = new Map<Digest, Promise<void>>();
  /** Settled when all that has come so far is decided. */
  #lastBatch: Promise<unknown> = Promise.resolve();
  /** Probes whose signature is being verified. */
  #probes = 0;

  constructor(dependencies: AdmissionDependencies) {
    this.#dependencies = dependencies;
  }

  /** CheckTx for a new item. */
  async admit(item: Uint8Array): Promise<Admission> {
    const [admission] = await this.admitAll([item]);
    assert(admission !== undefined, "every item has an answer");
    return admission;
  }

  /** CheckTx for new items, answered in their order. */
  async admitAll(items: readonly Uint8Array[]): Promise<readonly Admission[]> {
    const { metrics, pool } = this.#dependencies;
    const admissions = await this.#admitAll(items);
    for (const { tx, fault } of admissions) {
      if (fault !== undefined) metrics.poolRejected.inc({ code: fault.code });
      else if (tx !== undefined && isOfSearcher(tx))
        metrics.bundleStates.inc({ state: "RECEIVED" });
    }
    pool.report();
    return admissions;
  }

  /** What CheckTx would say now. Nothing is kept, remembered or counted. */
  async probe(item: Uint8Array): Promise<Admission> {
    const { committed, verified } = this.#dependencies;
    const { terms } = committed;
    const unfit = terms === undefined ? CHAIN_NOT_BEGUN : sizeFault(item);
    if (terms === undefined || unfit !== undefined) return { tx: undefined, fault: unfit };
    const known = verified.get(item);
    if (known !== undefined) return { tx: known, fault: this.#verdict(known, true) };
    const decoded = committed.txDecoder.decode(item);
    if ("code" in decoded) return { tx: undefined, fault: decoded };
    const { decoded: tx } = decoded;
    const early = this.#verdict(tx, false);
    if (early !== undefined) return { tx, fault: early };
    if (this.#probes >= CHECKS_IN_FLIGHT_MAX) return { tx, fault: failure("POOL_BUSY") };
    this.#probes++;
    try {
      const [fault] = await this.#verify([decoded]);
      return { tx, fault: fault ?? this.#verdict(tx, true) };
    } finally {
      this.#probes--;
    }
  }

  /** The transaction if its signatures and proofs hold, whatever the pool says of it. */
  async prove(item: Uint8Array): Promise<DecodedTx | undefined> {
    const { committed, verified } = this.#dependencies;
    const known = verified.get(item);
    if (known !== undefined) return known;
    const decoded = committed.txDecoder.decode(item);
    if ("code" in decoded) return undefined;
    const [fault] = await this.#verify([decoded]);
    if (fault !== undefined) return undefined;
    verified.add(decoded.decoded);
    return decoded.decoded;
  }

  #verdict(tx: DecodedTx, isSigned: boolean): Failure | undefined {
    return this.#knownFault(tx) ?? this.#dependencies.pool.verdict(tx, isSigned);
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

  async #admitAll(items: readonly Uint8Array[]): Promise<readonly Admission[]> {
    const admissions: Admission[] = [];
    const candidates: Candidate[] = [];
    /** Copies of what is being verified: asked about again when that is decided. */
    const copies: { readonly place: number; readonly after: Promise<void> }[] = [];
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => (end = resolve));
    for (const [place, item] of items.entries()) {
      const begun = this.#begin(item);
      if ("fault" in begun) {
        admissions.push(begun);
        continue;
      }
      const { decoded: tx, signatureChecks, proofs } = begun;
      const after = this.#inFlight.get(tx.idKey);
      // Decided below; a copy with another signature may fail where the first one holds.
      admissions.push({ tx, fault: after === undefined ? undefined : JUST_COME });
      if (after !== undefined) {
        copies.push({ place, after });
      } else if (this.#inFlight.size >= CHECKS_IN_FLIGHT_MAX) {
        admissions[place] = { tx, fault: failure("POOL_BUSY") };
      } else {
        this.#inFlight.set(tx.idKey, ended);
        const height = this.#dependencies.committed.nextHeight();
        candidates.push({ place, tx, signatureChecks, proofs, height });
      }
    }
    if (candidates.length > 0) {
      const earlier = this.#lastBatch;
      this.#lastBatch = Promise.allSettled([earlier, ended]);
      try {
        await this.#decide(candidates, admissions, earlier);
      } finally {
        for (const { tx } of candidates) this.#inFlight.delete(tx.idKey);
        end();
      }
    }
    for (const { place, after } of copies) {
      await after;
      const [again] = await this.#admitAll(items.slice(place, place + 1));
      if (again !== undefined) admissions[place] = again;
    }
    return admissions;
  }

  /** All that can be said before the signature is verified. */
  #begin(item: Uint8Array): Admission | UnverifiedTx {
    const { committed, pool, verified } = this.#dependencies;
    const { terms } = committed;
    if (terms === undefined) return { tx: undefined, fault: CHAIN_NOT_BEGUN };
    const tooLarge = sizeFault(item);
    if (tooLarge !== undefined) return { tx: undefined, fault: tooLarge };
    const known = verified.get(item);
    if (known !== undefined) return { tx: known, fault: this.#add(known) };
    const decoded = committed.txDecoder.decode(item);
    if ("code" in decoded) return { tx: undefined, fault: decoded };
    const { decoded: tx } = decoded;
    // Not remembered under the id: without a signature anybody could speak for it.
    const early = this.#knownFault(tx) ?? pool.fault(tx);
    return early === undefined ? decoded : { tx, fault: early };
  }

  /**
   * Signatures are verified on several threads and may finish out of order. A nonce that is refused for
   * being ahead waits for all that came before it, and is tried once more.
   */
  async #decide(
    candidates: readonly Candidate[],
    admissions: Admission[],
    earlier: Promise<unknown>,
  ): Promise<void> {
    const { verified } = this.#dependencies;
    const faults = await this.#verify(candidates);
    const ahead: Candidate[] = [];
    for (const [i, candidate] of candidates.entries()) {
      const { place, tx, height } = candidate;
      const refused = faults[i];
      if (refused !== undefined) {
        admissions[place] = { tx, fault: refused };
        continue;
      }
      verified.add(tx);
      const fault = this.#add(tx, height);
      if (fault === undefined) continue;
      admissions[place] = { tx, fault };
      if (this.#isAhead(tx, fault)) ahead.push(candidate);
    }
    if (ahead.length === 0) return;
    await earlier;
    for (const { place, tx } of ahead) admissions[place] = { tx, fault: this.#add(tx) };
  }

  #isAhead(tx: DecodedTx, fault: Failure | undefined): boolean {
    if (fault?.code !== "NONCE_GAP" && fault?.code !== "POOL_FULL") return false;
    const { replay } = tx.tx.body;
    return replay.kind === "nonce" && replay.value > this.#dependencies.pool.nextNonce(tx.sender);
  }

  /** @param checkedAt height of the state that `pool.fault` has held it against already */
  #add(tx: DecodedTx, checkedAt?: number): Failure | undefined {
    const { pool, statuses } = this.#dependencies;
    const fault = this.#knownFault(tx) ?? pool.add(tx, checkedAt);
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

  /**
   * What does not hold of each, if anything: all signatures in one batch, then the proofs of those that are
   * signed, so that nobody has proofs checked for nothing.
   */
  async #verify(candidates: readonly ToVerify[]): Promise<readonly (Failure | undefined)[]> {
    const { verify, seal } = this.#dependencies;
    const signed = await allHold(
      candidates.map(({ signatureChecks }) => signatureChecks),
      verify,
    );
    const proofs = candidates.map((candidate, i) => (signed[i] === true ? candidate.proofs : []));
    const proven = proofs.some(({ length }) => length > 0)
      ? await allHold(proofs, (all) => seal.check(all))
      : undefined;
    return candidates.map((_, i) => {
      if (signed[i] !== true) return failure("TX_SIGNATURE");
      return proven?.[i] === false ? failure("TX_PROOF") : undefined;
    });
  }
}

type ToVerify = Pick<UnverifiedTx, "signatureChecks" | "proofs">;

/** Whether all checks of each group hold, in one batch. */
async function allHold<Check>(
  groups: readonly (readonly Check[])[],
  check: (checks: readonly Check[]) => Promise<readonly boolean[]>,
): Promise<readonly boolean[]> {
  const checks = groups.flat();
  const verdicts = await check(checks);
  if (groups.every(({ length }) => length === 1) && verdicts.length === groups.length) {
    return verdicts;
  }
  let at = 0;
  return groups.map(({ length }) => {
    const own = verdicts.slice(at, (at += length));
    return own.length === length && own.every((holds) => holds);
  });
}

/** Writes down what a block did to its transactions. */
export function recordBlock(statuses: TxStatuses, { input, txs, results }: ExecutedBlock): void {
  const hashes = txHashes(input.txs);
  for (const [index, tx] of txs.entries()) {
    const result = results[index];
    const hash = hashes[index];
    if (tx === undefined || result === undefined || hash === undefined) continue;
    statuses.set(tx.idKey, new BlockFate(input.height, index, result, hash));
  }
}

/** What a block did to a transaction: one for each of the last blocks' items, so it is small. */
class BlockFate implements DecidedFate {
  readonly height: Height;
  readonly index: number;
  readonly code: number;
  readonly reason: string;
  readonly #hash: Digest;

  constructor(height: Height, index: number, result: ExecTxResult, hash: Digest) {
    this.height = height;
    this.index = index;
    this.code = result.code;
    this.reason = result.log;
    this.#hash = hash;
  }

  get state(): DecidedFate["state"] {
    return this.code === CODES.OK.number ? "committed" : "failed";
  }

  /** Made when somebody asks: most fates are never read. */
  get hash(): Uint8Array {
    return digestToBytes(this.#hash);
  }
}

type DecidedFate = Extract<TxFate, { readonly height: Height }>;

/** Its time was over. */
const EXPIRIES: ReadonlySet<CodeName> = new Set(["UNORDERED_EXPIRED", "BUNDLE_LATE"]);

/** Writes down why a transaction left the pool. */
export function recordDrop(statuses: TxStatuses, tx: DecodedTx, why: Failure): void {
  const state = EXPIRIES.has(why.code) ? "expired" : "evicted";
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

const JUST_COME = failure("TX_KNOWN", "it has just come");
const CHAIN_NOT_BEGUN = failure("POOL_BUSY", "the chain has not begun");

function sizeFault(item: Uint8Array): Failure | undefined {
  if (item.length <= TX_BYTES_MAX) return undefined;
  return failure("TX_TOO_LARGE", `${item.length} bytes, at most ${TX_BYTES_MAX}`);
}

function decodeUnverified(committed: CommittedState, item: Uint8Array): DecodedTx | Failure {
  const decoded = committed.txDecoder.decode(item);
  return "code" in decoded ? decoded : decoded.decoded;
}

function fateFault(fate: TxFate): Failure {
  if ("height" in fate) return failure("TX_KNOWN", `it is in block ${fate.height}`);
  return { code: codeName(fate.code) ?? "POOL_ABSENT", reason: fate.reason };
}

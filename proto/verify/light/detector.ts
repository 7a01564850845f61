/**
 * The detector (spec/cometbft-v0.38.md §18): after a verification the last header is compared with what
 * every witness has at its height. A witness that contradicts it with a header that verifies as well
 * proves an attack; the blocks of both traces where they part become evidence, in both directions.
 */
import { bytesEqual, toHex } from "../../bytes.ts";
import { isWeftError } from "../../errors.ts";
import { headerHash } from "../../hashes.ts";
import { addNanos, compareTime } from "../../time.ts";
import type { LightBlock, LightClientAttackEvidence, Timestamp } from "../../types.ts";
import { makeLightClientAttackEvidence } from "../light-client-attack.ts";
import { type LightClock, pause } from "./clock.ts";
import { lightClientError } from "./errors.ts";
import { EVIDENCE_REPORT_TIMEOUT_MS, EVIDENCE_RETRY_MS, WITNESS_POLL_MS } from "./limits.ts";
import { fetchLightBlock, type LightBlockProvider, providerErrorCode } from "./provider.ts";
import { heightOf, type VerifyContext, verifySkipping } from "./trace.ts";

export interface DetectorContext extends VerifyContext {
  readonly primary: LightBlockProvider;
  /** Those to ask now. */
  readonly witnesses: readonly LightBlockProvider[];
  readonly clock: LightClock;
  /** How far a witness may lag behind the primary, in ns. */
  readonly maxBlockLagNanos: bigint;
}

/** What one witness says about a header. */
export type WitnessVerdict =
  | { readonly kind: "matches"; readonly witness: LightBlockProvider }
  /** Did not answer, or lags too far behind. */
  | {
      readonly kind: "silent";
      readonly witness: LightBlockProvider;
      readonly reason: string;
      /** It answers, but its chain stands or is far behind. */
      readonly isLagging: boolean;
    }
  /** Gave what is no valid block, or contradicted without proof: not to be asked again. */
  | { readonly kind: "lies"; readonly witness: LightBlockProvider; readonly reason: string }
  /** Has another header: perhaps an attack. */
  | {
      readonly kind: "conflicts";
      readonly witness: LightBlockProvider;
      readonly block: LightBlock;
    }
  /** The same header with other proposer priorities. */
  | { readonly kind: "prioritiesDiverge"; readonly witness: LightBlockProvider };

/** Asks all witnesses at once for the header at the block's height. */
export async function compareWithWitnesses(
  block: LightBlock,
  context: DetectorContext,
): Promise<readonly WitnessVerdict[]> {
  return Promise.all(context.witnesses.map((witness) => compare(block, witness, context)));
}

/**
 * Compares the end of the primary's trace with all witnesses. Conflicts that cannot be proven come
 * back as lies. @throws LightClientError LIGHT_ATTACK, LIGHT_PRIORITIES_DIVERGE
 */
export async function detectDivergence(
  trace: readonly LightBlock[],
  context: DetectorContext,
): Promise<readonly WitnessVerdict[]> {
  const last = lastOf(trace);
  const verdicts = await compareWithWitnesses(last, context);
  const settled: WitnessVerdict[] = [];
  for (const verdict of verdicts) {
    if (verdict.kind === "conflicts") {
      const { witness } = verdict;
      const reason = await examineConflict(trace, verdict.block, witness, context);
      settled.push({ kind: "lies", witness, reason });
    } else {
      settled.push(verdict);
    }
  }
  const diverging = settled.find(({ kind }) => kind === "prioritiesDiverge");
  if (diverging !== undefined) throw prioritiesDivergeError(last, diverging.witness);
  return settled;
}

export function prioritiesDivergeError(block: LightBlock, witness: LightBlockProvider): Error {
  const height = heightOf(block);
  return lightClientError(
    { code: "LIGHT_PRIORITIES_DIVERGE", witness: witness.name, height },
    `${witness.name} has other proposer priorities at height ${height} than the primary; no header commits to them, so one of the two lies: compare with a node you trust`,
  );
}

async function compare(
  block: LightBlock,
  witness: LightBlockProvider,
  context: DetectorContext,
): Promise<WitnessVerdict> {
  try {
    const found = await blockToCompare(block, witness, context);
    if (found === undefined) {
      const reason = `has no block at height ${heightOf(block)} yet`;
      return { kind: "silent", witness, reason, isLagging: true };
    }
    if (!isSameHeader(block, found)) return { kind: "conflicts", witness, block: found };
    return havePrioritiesInCommon(block, found)
      ? { kind: "matches", witness }
      : { kind: "prioritiesDiverge", witness };
  } catch (error) {
    context.signal.throwIfAborted();
    const code = providerErrorCode(error);
    if (code === undefined || !isWeftError(error)) throw error;
    const reason = error.message;
    return code === "PROVIDER_BAD_BLOCK"
      ? { kind: "lies", witness, reason }
      : { kind: "silent", witness, reason, isLagging: false };
  }
}

/**
 * The witness's block at that height. While it is behind, it is given time to catch up: an honest one
 * produces, within twice the drift and the lag, a block as late as the primary's. If that block is
 * still below the height, the primary's is from the future: its time tells them apart.
 */
async function blockToCompare(
  block: LightBlock,
  witness: LightBlockProvider,
  context: DetectorContext,
): Promise<LightBlock | undefined> {
  const { chainId, clock, signal, options } = context;
  const height = heightOf(block);
  const patience = 2n * options.maxClockDriftNanos + context.maxBlockLagNanos;
  const deadline = addNanos(clock.now(), patience);
  let rounds = 0;
  for (;;) {
    try {
      return await fetchLightBlock(witness, chainId, height, signal);
    } catch (error) {
      if (providerErrorCode(error) !== "PROVIDER_HEIGHT_TOO_HIGH") throw error;
    }
    const latest = await fetchLightBlock(witness, chainId, "latest", signal);
    if (heightOf(latest) === height) return latest;
    const isLater = compareTime(timeOf(latest), timeOf(block)) >= 0;
    if (heightOf(latest) < height && isLater) return latest;
    // One that is above the height by now is asked for it again; it may still play for time.
    if (compareTime(clock.now(), deadline) >= 0) return undefined;
    if (heightOf(latest) < height || ++rounds > 1) await pause(clock, WITNESS_POLL_MS, signal);
  }
}

/**
 * Verifies the witness's side, from the last block both share. @returns why the witness proves
 * nothing. @throws LightClientError LIGHT_ATTACK
 */
async function examineConflict(
  primaryTrace: readonly LightBlock[],
  challenge: LightBlock,
  witness: LightBlockProvider,
  context: DetectorContext,
): Promise<string> {
  const witnessSide = await findBifurcation(primaryTrace, challenge, witness, context);
  if (typeof witnessSide === "string") return witnessSide;

  // The primary is suspected first: the witness's trace is taken as true. Then the other way round,
  // since the witness may be the one at fault.
  const againstPrimary = evidenceOf(witnessSide);
  const evidence = [againstPrimary];
  const { conflicting } = witnessSide;
  const reports = [reportToOthers(context, context.primary, againstPrimary)];
  const primarySide = await findBifurcation(
    witnessSide.trace,
    conflicting,
    context.primary,
    context,
  );
  if (typeof primarySide !== "string") {
    const againstWitness = evidenceOf(primarySide);
    evidence.push(againstWitness);
    reports.push(reportToOthers(context, witness, againstWitness));
  }
  await Promise.all(reports);
  const height = heightOf(conflicting);
  const theirs = lastOf(witnessSide.trace);
  throw lightClientError(
    { code: "LIGHT_ATTACK", height, evidence },
    `attack detected: ${context.primary.name} has header ${height} with hash ${hashOf(conflicting)}, ` +
      `${witness.name} has header ${heightOf(theirs)} with hash ${hashOf(theirs)}, and both verify from trusted height ` +
      `${heightOf(firstOf(witnessSide.trace))}; the evidence names ${evidence.map((e) => e.byzantineValidators.length).join(" and ")} validators`,
  );
}

interface Bifurcation {
  /** Of the source, from the last common block to its own. */
  readonly trace: readonly LightBlock[];
  /** The first block of the examined trace that the source contradicts. */
  readonly conflicting: LightBlock;
}

/**
 * Walks along a verified trace and verifies what `source` has at the same heights, until both part.
 * @returns the reason when the source cannot show a contradiction that verifies
 */
async function findBifurcation(
  trace: readonly LightBlock[],
  target: LightBlock,
  source: LightBlockProvider,
  context: DetectorContext,
): Promise<Bifurcation | string> {
  const first = firstOf(trace);
  if (heightOf(target) < heightOf(first)) {
    return `its block ${heightOf(target)} is below trusted height ${heightOf(first)}`;
  }
  try {
    let common = first;
    for (const block of trace) {
      const height = heightOf(block);
      if (height > heightOf(target)) {
        // The examined trace ran ahead: a block from the future, dated before the target's.
        if (compareTime(timeOf(block), timeOf(target)) > 0) {
          return `its block ${heightOf(target)} is earlier than the header it contradicts`;
        }
        const isThere = heightOf(common) === heightOf(target);
        const rest = isThere ? [common] : await verifySkipping(source, common, target, context);
        return { trace: rest, conflicting: block };
      }
      const theirs =
        height === heightOf(target)
          ? target
          : await fetchLightBlock(source, context.chainId, height, context.signal);
      if (block === first) {
        if (!isSameHeader(block, theirs))
          return `it has another header at trusted height ${height}`;
        common = theirs;
        continue;
      }
      const verified = await verifySkipping(source, common, theirs, context);
      if (!isSameHeader(block, theirs)) return { trace: verified, conflicting: block };
      common = theirs;
    }
    return "it shows no header that differs";
  } catch (error) {
    // What does not verify proves nothing; only bugs and the end of the client go further.
    context.signal.throwIfAborted();
    if (!isWeftError(error)) throw error;
    return error.message;
  }
}

function evidenceOf({ trace, conflicting }: Bifurcation): LightClientAttackEvidence {
  return makeLightClientAttackEvidence(conflicting, lastOf(trace), firstOf(trace));
}

/**
 * Tells every provider but the accused, best effort. A node cannot judge a conflict with its very last
 * block before the next one, so that whoever refuses is asked again for a while.
 */
async function reportToOthers(
  { primary, witnesses, clock, signal }: DetectorContext,
  accused: LightBlockProvider,
  evidence: LightClientAttackEvidence,
): Promise<void> {
  const timeout = new AbortController();
  const timer = clock.after(EVIDENCE_REPORT_TIMEOUT_MS, () => timeout.abort());
  const either = AbortSignal.any([signal, timeout.signal]);
  async function report(other: LightBlockProvider): Promise<void> {
    while (!either.aborted) {
      try {
        await other.reportEvidence(evidence, either);
        return;
      } catch {
        // Why it refuses is its own affair; the evidence is in the error that follows.
      }
      await pause(clock, EVIDENCE_RETRY_MS, either).catch(() => undefined);
    }
  }
  const others = [primary, ...witnesses].filter((other) => other !== accused);
  await Promise.all(others.map(report));
  timer.cancel();
}

function isSameHeader(a: LightBlock, b: LightBlock): boolean {
  return bytesEqual(headerHash(a.signedHeader.header), headerHash(b.signedHeader.header));
}

/** The sets are equal by hash, hence in order; only their priorities may differ. */
function havePrioritiesInCommon(a: LightBlock, b: LightBlock): boolean {
  return a.validatorSet.validators.every(
    (validator, i) => validator.proposerPriority === b.validatorSet.validators[i]?.proposerPriority,
  );
}

function firstOf(trace: readonly LightBlock[]): LightBlock {
  const [first] = trace;
  if (first === undefined) throw new RangeError("a trace begins with the trusted block");
  return first;
}

function lastOf(trace: readonly LightBlock[]): LightBlock {
  const last = trace.at(-1);
  if (last === undefined) throw new RangeError("a trace ends with the verified block");
  return last;
}

function timeOf(block: LightBlock): Timestamp {
  return block.signedHeader.header.time;
}

function hashOf(block: LightBlock): string {
  return toHex(headerHash(block.signedHeader.header)).toUpperCase();
}

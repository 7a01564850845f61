/**
 * Atomic bundles of the plain executor (level 1), and every way in which a test may break them. Payloads of legs begin
 * with 0x02, then a key and a count: the key's counter goes to that count from the one before. A leg locks its keys.
 */
import { AtomicOutcome, NoReason, Verdict } from "../../proto/codec/atomic-tx.ts";
import type { Height } from "../../proto/brands.ts";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { WeftError } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import type {
  DecideBundleRequest,
  DecideBundleResponse,
  ExecutionErrorInfo,
  ExecutorStatus,
  PrepareBundleRequest,
  PrepareBundleResponse,
} from "../../rollup-adapter/execution.ts";

const COUNT_TYPE = 2;

/** The rules of level 1, each of which a test may break. */
export interface PlainBundleRules {
  readonly isFormChecked: boolean;
  readonly isHeightChecked: boolean;
  readonly isOrderChecked: boolean;
  readonly isForkChecked: boolean;
  readonly isOutcomeChecked: boolean;
  readonly isOneAtATime: boolean;
  /** Whether a bundle that was prepared at this height is answered from what is kept. */
  readonly isAnswerKept: boolean;
  /** Whether an id that was decided is prepared anew. */
  readonly isPreparedAnew: boolean;
  readonly isListed: boolean;
  /** Whether what is staged stays beside the state. */
  readonly isStagedBeside: boolean;
  readonly isAbortTraceless: boolean;
  readonly makesBlockOfCommits: boolean;
  readonly areCommitsApplied: boolean;
  readonly areCommitsFirst: boolean;
  readonly areCommitsSeenByLegs: boolean;
  readonly isLockSeenByLegs: boolean;
  readonly isLockSeenByPayloads: boolean;
  readonly areLocksOpenFirst: boolean;
  readonly areLocksLimited: boolean;
  readonly isNoCommitted: boolean;
  readonly areUnknownDecided: boolean;
  readonly isMalformedRefused: boolean;
  readonly preStateRoot: (root: Uint8Array) => Uint8Array;
  readonly effectsHash: (hash: Uint8Array) => Uint8Array;
}

export const PLAIN_BUNDLE_RULES: PlainBundleRules = {
  isFormChecked: true,
  isHeightChecked: true,
  isOrderChecked: true,
  isForkChecked: true,
  isOutcomeChecked: true,
  isOneAtATime: true,
  isAnswerKept: true,
  isPreparedAnew: true,
  isListed: true,
  isStagedBeside: true,
  isAbortTraceless: true,
  makesBlockOfCommits: true,
  areCommitsApplied: true,
  areCommitsFirst: true,
  areCommitsSeenByLegs: true,
  isLockSeenByLegs: true,
  isLockSeenByPayloads: true,
  areLocksOpenFirst: true,
  areLocksLimited: true,
  isNoCommitted: false,
  areUnknownDecided: false,
  isMalformedRefused: false,
  preStateRoot: (root) => root,
  effectsHash: (hash) => hash,
};

interface PlainBundle {
  readonly request: PrepareBundleRequest;
  readonly prepared: PrepareBundleResponse;
  decision: DecideBundleRequest | undefined;
}

/** What a kill leaves. */
export interface PlainBundleState {
  /** By key in hex. */
  readonly counters: Map<string, number>;
  /** In the order of preparation; those that are decided make way for the block that follows. */
  open: PlainBundle[];
  /** The newest of each id. */
  readonly settled: Map<string, PlainBundle>;
  /** Those of the height under way, in order. */
  decided: PlainBundle[];
  /** Prepared and not answered, where a test holds it up. */
  underWay: PrepareBundleRequest | undefined;
}

export function newPlainBundleState(): PlainBundleState {
  return { counters: new Map(), open: [], settled: new Map(), decided: [], underWay: undefined };
}

/** Where the rollup stands. */
export interface PlainPosition {
  readonly stateRoot: Uint8Array;
  readonly nextHeight: Height;
}

export interface PlainBundles {
  prepare(request: PrepareBundleRequest, position: PlainPosition): Promise<PrepareBundleResponse>;
  decide(request: DecideBundleRequest, position: PlainPosition): Promise<DecideBundleResponse>;
  status(): Pick<ExecutorStatus, "openBundles" | "openBundleCount">;
  /** Payloads of committed legs of the block under way. */
  commits(): readonly Uint8Array[];
  /** Why a count of a block has no effect; undefined: it has. */
  reason(payload: Uint8Array): string | undefined;
  /** The effect of a committed leg's, which nothing can keep from having it. */
  apply(payload: Uint8Array): void;
  /** The block is stored. */
  settle(): void;
  /** @throws EXECUTION_CONFLICT unless bundles of this height came in this block */
  checkBlock(height: Height, blockHash: Uint8Array): void;
}

export function isCount(payload: Uint8Array): boolean {
  return payload.length === 3 && payload[0] === COUNT_TYPE;
}

export function plainRootAfter(root: Uint8Array, payload: Uint8Array): Uint8Array {
  return sha256(Buffer.concat([root, payload]));
}

export function createPlainBundles(
  changes: Partial<PlainBundleRules>,
  state: PlainBundleState,
): PlainBundles {
  const rules = { ...PLAIN_BUNDLE_RULES, ...changes };

  const undecided = (): PlainBundle[] => state.open.filter(({ decision }) => !decision);
  const lockers = (): PlainBundle[] => (rules.areLocksOpenFirst ? undecided() : state.open);
  const find = (id: Uint8Array): PlainBundle | undefined =>
    state.open.find(({ request }) => bytesEqual(request.bundleId, id)) ??
    state.settled.get(toHex(id));
  const isLocked = (payload: Uint8Array): boolean =>
    lockers().some(
      ({ request, prepared }) =>
        prepared.verdict === Verdict.YES &&
        request.payloads.some((held) => keyOf(held) === keyOf(payload)),
    );

  function checkFork(known: Uint8Array, given: Uint8Array, height: Height): void {
    if (rules.isForkChecked && !bytesEqual(known, given))
      throw refusal({ code: "EXECUTION_CONFLICT", height });
  }

  function checkBlock(height: Height, blockHash: Uint8Array): void {
    for (const { request, decision } of state.open) {
      if (request.sequencerHeight === height)
        checkFork(request.sequencerBlockHash, blockHash, height);
      if (decision?.sequencerHeight === height)
        checkFork(decision.sequencerBlockHash, blockHash, height);
    }
  }

  function checkHeight(got: Height, expected: Height): void {
    if (rules.isHeightChecked && got !== expected)
      throw refusal({ code: "EXECUTION_HEIGHT_GAP", expected, got });
  }

  /** The counters with what is committed at this height. */
  function view(): Map<string, number> {
    const counters = new Map(state.counters);
    for (const payload of commits()) apply(payload, counters);
    return counters;
  }

  function objection(request: PrepareBundleRequest): NoReason | undefined {
    const { payloads } = request;
    if (payloads.length === 0 || !payloads.every(isCount)) return NoReason.MALFORMED;
    if (rules.isLockSeenByLegs && payloads.some(isLocked)) return NoReason.LOCKED;
    const counters = view();
    if (payloads.some((payload) => apply(payload, counters) !== undefined))
      return NoReason.REVERTED;
    const isTooMany = new Set(payloads.map(keyOf)).size > request.locksMax;
    return rules.areLocksLimited && isTooMany ? NoReason.TOO_MANY_LOCKS : undefined;
  }

  async function prepare(
    request: PrepareBundleRequest,
    { stateRoot, nextHeight }: PlainPosition,
  ): Promise<PrepareBundleResponse> {
    if (rules.isFormChecked) checkPrepare(request);
    const { bundleId, sequencerHeight: height, sequencerBlockHash: hash } = request;
    const known = find(bundleId);
    const isSame = known?.request.sequencerHeight === height;
    if (known !== undefined && (rules.isAnswerKept ? isSame : false)) {
      checkFork(known.request.sequencerBlockHash, hash, height);
      return known.prepared;
    }
    if (known?.decision !== undefined && !rules.isPreparedAnew) return known.prepared;
    checkHeight(height, nextHeight);
    checkBlock(height, hash);
    if (rules.isOrderChecked && known !== undefined && known.decision === undefined && !isSame)
      throw refusal({ code: "EXECUTION_INVALID_REQUEST" });
    const reason = objection(request);
    if (rules.isMalformedRefused && reason === NoReason.MALFORMED)
      throw refusal({ code: "EXECUTION_INVALID_REQUEST" });
    if (!rules.isOneAtATime) await new Promise((resolve) => setTimeout(resolve, 5));
    const seen = rules.areCommitsSeenByLegs ? commits() : [];
    const prepared: PrepareBundleResponse =
      reason === undefined
        ? {
            verdict: Verdict.YES,
            reason: 0,
            preStateRoot: rules.preStateRoot(seen.reduce(plainRootAfter, stateRoot)),
            effectsHash: rules.effectsHash(sha256(Buffer.concat(request.payloads))),
            outbox: [],
            inbox: [],
          }
        : noAnswer(reason);
    state.open.push({ request, prepared, decision: undefined });
    if (!rules.isStagedBeside) for (const one of request.payloads) apply(one, state.counters);
    return prepared;
  }

  async function decide(
    request: DecideBundleRequest,
    { nextHeight }: PlainPosition,
  ): Promise<DecideBundleResponse> {
    const { bundleId, sequencerHeight: height, sequencerBlockHash: hash, outcome } = request;
    if (rules.isFormChecked) checkPlace(request);
    const known = find(bundleId);
    if (known === undefined) {
      if (rules.areUnknownDecided) return { prepared: noAnswer(NoReason.OTHER) };
      throw refusal({ code: "EXECUTION_BUNDLE_UNKNOWN" });
    }
    const { decision, prepared } = known;
    if (decision !== undefined) {
      const isOther = decision.outcome !== outcome || decision.sequencerHeight !== height;
      if (rules.isOutcomeChecked && isOther) throw refusal({ code: "EXECUTION_CONFLICT", height });
      checkFork(decision.sequencerBlockHash, hash, height);
      return { prepared };
    }
    checkHeight(height, nextHeight);
    checkBlock(height, hash);
    const isLate = state.open.some(({ request: other }) => other.sequencerHeight === height);
    if (rules.isOrderChecked && isLate) throw refusal({ code: "EXECUTION_INVALID_REQUEST" });
    const isYes = prepared.verdict === Verdict.YES;
    if (!rules.isNoCommitted && outcome === AtomicOutcome.COMMIT && !isYes)
      throw refusal({ code: "EXECUTION_HALTED" });
    if (!rules.isAbortTraceless && outcome === AtomicOutcome.ABORT && isYes)
      for (const one of known.request.payloads) apply(one, state.counters);
    known.decision = request;
    state.decided.push(known);
    return { prepared };
  }

  function commits(): readonly Uint8Array[] {
    return state.decided.flatMap(({ decision, request }) =>
      decision?.outcome === AtomicOutcome.COMMIT ? request.payloads : [],
    );
  }

  return {
    prepare,
    decide,
    commits,
    checkBlock,
    status: () => {
      const open = rules.isListed ? undecided() : [];
      return {
        openBundleCount: open.length,
        openBundles: open.map(({ request, prepared: { verdict } }) => ({
          bundleId: request.bundleId,
          sequencerHeight: request.sequencerHeight,
          verdict,
        })),
      };
    },
    reason: (payload) =>
      rules.isLockSeenByPayloads && isLocked(payload) ? "LOCKED" : apply(payload, state.counters),
    apply: (payload) => {
      apply(payload, state.counters);
    },
    settle: () => {
      for (const bundle of state.decided) {
        state.settled.set(toHex(bundle.request.bundleId), bundle);
      }
      state.open = undecided();
      state.decided = [];
    },
  };
}

/** Why it has none, or its effect on the counters. */
function apply(payload: Uint8Array, counters: Map<string, number>): string | undefined {
  const count = payload[2] ?? 0;
  if ((counters.get(keyOf(payload)) ?? 0) !== count - 1) return "STALE";
  counters.set(keyOf(payload), count);
  return undefined;
}

function keyOf(payload: Uint8Array): string {
  return toHex(payload.subarray(1, 2));
}

function noAnswer(reason: NoReason): PrepareBundleResponse {
  const none = new Uint8Array(0);
  return {
    verdict: Verdict.NO,
    reason,
    preStateRoot: none,
    effectsHash: none,
    outbox: [],
    inbox: [],
  };
}

function checkPlace(request: Omit<DecideBundleRequest, "outcome" | "reason">): void {
  const { sequencerBlockHash, bundleId, sequencerHeight } = request;
  if (sequencerBlockHash.length !== 32 || bundleId.length !== 32 || sequencerHeight < 1)
    throw refusal({ code: "EXECUTION_INVALID_REQUEST" });
}

function checkPrepare(request: PrepareBundleRequest): void {
  checkPlace(request);
  const { leg, legs, siblingRollupIds: siblings, locksMax, timestamp } = request;
  const isOrdered = siblings.every(
    (id, index) =>
      id.length === 32 && (index === 0 || toHex(siblings[index - 1] ?? id) < toHex(id)),
  );
  const { seconds, nanos } = timestamp;
  if (
    leg >= legs ||
    siblings.length !== legs - 1 ||
    !isOrdered ||
    locksMax < 1 ||
    locksMax > 256 ||
    seconds < 0n ||
    nanos < 0 ||
    nanos >= 1_000_000_000
  )
    throw refusal({ code: "EXECUTION_INVALID_REQUEST" });
}

function refusal(info: ExecutionErrorInfo): WeftError<ExecutionErrorInfo> {
  return new WeftError(info, `refused: ${info.code}`);
}

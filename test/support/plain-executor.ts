/**
 * The smallest executor that keeps the contract of `weft.execution.v1`, and one that breaks it where a test says so.
 * Its payloads are valid when they begin with 0x01; its state is a hash over all valid ones.
 */
import { Height, RollupId } from "../../proto/brands.ts";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { WeftError } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import {
  createPlainBundles,
  isCount,
  newPlainBundleState,
  type PlainBundleRules,
  type PlainBundleState,
  type PlainPosition,
  plainRootAfter,
} from "./plain-bundles.ts";
import type {
  AtomicLevel,
  DecideBundleRequest,
  ExecuteBlockRequest,
  ExecuteBlockResponse,
  ExecutedBlock,
  ExecutionErrorInfo,
  Executor,
  ExecutorStatus,
  FinalityStatus,
  InitRequest,
  InitResponse,
  PrepareBundleRequest,
  SetFinalityRequest,
  SkippedPayload,
} from "../../rollup-adapter/execution.ts";

/** The rules, each of which a test may break. */
export interface PlainRules {
  readonly isFirstHeightChecked: boolean;
  readonly isFormChecked: boolean;
  readonly isInitNeeded: boolean;
  readonly isBindingChecked: boolean;
  readonly isNextChecked: boolean;
  readonly isParentChecked: boolean;
  readonly isParentCheckedFirst: boolean;
  readonly isHashChecked: boolean;
  readonly isOneAtATime: boolean;
  /** Whether a call that waited for its turn asks for the head again. */
  readonly isParentCurrent: boolean;
  readonly isStatusWhole: boolean;
  readonly answersKept: number;
  readonly usesGatheredHeights: boolean;
  readonly labelsMayMoveBack: boolean;
  readonly labelsMayStay: boolean;
  readonly finalizedMayExceedSafe: boolean;
  readonly labelsAreKept: boolean;
  /** What an unknown hash names. */
  readonly unknownIsHead: boolean;
  readonly makesEmptyBlocks: boolean;
  /** What becomes of the payloads before they are run. */
  readonly prepare: (request: ExecuteBlockRequest) => readonly Uint8Array[];
  /** Why a payload is left out; undefined: it is not. */
  readonly reason: (payload: Uint8Array) => string | undefined;
  readonly time: (request: ExecuteBlockRequest, parent: ExecutedBlock) => bigint;
  readonly stateRoot: (root: Uint8Array) => Uint8Array;
  /** What a block's hash is made of besides parent and state root. */
  readonly named: (request: ExecuteBlockRequest) => Uint8Array;
  readonly atomicLevel: AtomicLevel;
  /** Rules of level 1 that are broken. */
  readonly bundles: Partial<PlainBundleRules>;
}

const isLate = (seconds: bigint, parent: ExecutedBlock): boolean =>
  seconds > parent.timestampSeconds;

export const PLAIN_RULES: PlainRules = {
  isFirstHeightChecked: true,
  isFormChecked: true,
  isInitNeeded: true,
  isBindingChecked: true,
  isNextChecked: true,
  isParentChecked: true,
  isParentCheckedFirst: false,
  isHashChecked: true,
  isOneAtATime: true,
  isParentCurrent: true,
  isStatusWhole: true,
  answersKept: 1_000,
  usesGatheredHeights: true,
  labelsMayMoveBack: false,
  labelsMayStay: true,
  finalizedMayExceedSafe: false,
  labelsAreKept: true,
  unknownIsHead: false,
  makesEmptyBlocks: false,
  prepare: (request) => request.payloads,
  reason: (payload) => (payload[0] === 1 ? undefined : "GIBBERISH"),
  time: ({ timestamp: { seconds } }, parent) =>
    isLate(seconds, parent) ? seconds : parent.timestampSeconds,
  stateRoot: (root) => root,
  named: (request) => request.sequencerBlockHash,
  atomicLevel: 0,
  bundles: {},
};

interface Answer {
  readonly hash: Uint8Array;
  readonly response: ExecuteBlockResponse;
}

/** What a kill leaves. */
export interface PlainState {
  binding: InitRequest | undefined;
  readonly blocks: ExecutedBlock[];
  readonly answers: Map<number, Answer>;
  last: { readonly height: Height; readonly blockHash: Uint8Array } | undefined;
  safe: number;
  finalized: number;
  readonly bundles: PlainBundleState;
}

const ROLLUP_ID = RollupId(toHex(sha256(Buffer.from("plain"))));
const GENESIS: ExecutedBlock = {
  number: 0,
  hash: sha256(Buffer.from("plain genesis")),
  parentHash: new Uint8Array(32),
  stateRoot: new Uint8Array(32),
  receiptsRoot: new Uint8Array(32),
  timestampSeconds: 1_700_000_000n,
  gasUsed: 0n,
};

export function newPlainState(): PlainState {
  return {
    binding: undefined,
    blocks: [GENESIS],
    answers: new Map(),
    last: undefined,
    safe: 0,
    finalized: 0,
    bundles: newPlainBundleState(),
  };
}

export function createPlainExecutor(
  changes: Partial<PlainRules> = {},
  state: PlainState = newPlainState(),
): Executor {
  const rules = { ...PLAIN_RULES, ...changes };
  const bundles = createPlainBundles(rules.bundles, state.bundles);
  let tail: Promise<unknown> = Promise.resolve();

  const head = (): ExecutedBlock => state.blocks.at(-1) ?? GENESIS;
  const next = (): Height | undefined =>
    state.last === undefined ? state.binding?.sequencerStartHeight : Height(state.last.height + 1);
  const labels = (): FinalityStatus => ({
    safe: state.blocks[state.safe] ?? GENESIS,
    finalized: state.blocks[state.finalized] ?? GENESIS,
  });

  async function init(request: InitRequest): Promise<InitResponse> {
    if (
      rules.isFormChecked &&
      (request.sequencerStartHeight < 1 || request.sequencerChainId === "")
    )
      throw refusal({ code: "EXECUTION_INVALID_REQUEST" });
    const bound = state.binding;
    const isOther =
      bound !== undefined &&
      (bound.sequencerChainId !== request.sequencerChainId ||
        bound.sequencerStartHeight !== request.sequencerStartHeight);
    if (rules.isBindingChecked && (request.rollupId !== ROLLUP_ID || isOther))
      throw refusal({ code: "EXECUTION_GENESIS_MISMATCH" });
    state.binding ??= request;
    return {
      rollupId: ROLLUP_ID,
      chainId: 9n,
      genesisHash: GENESIS.hash,
      head: head(),
      nextSequencerHeight: next() ?? Height(1),
      supportsGroupRevert: false,
      atomicLevel: rules.atomicLevel,
    };
  }

  function checkForm(request: ExecuteBlockRequest): void {
    const { sequencerBlockHash, sequencerHeight: height, sequencerHeightFirst: first } = request;
    const { seconds, nanos } = request.timestamp;
    if (
      sequencerBlockHash.length !== 32 ||
      height < 1 ||
      (first ?? height) > height ||
      seconds < 0n ||
      nanos < 0 ||
      nanos >= 1_000_000_000
    )
      throw refusal({ code: "EXECUTION_INVALID_REQUEST" });
  }

  function checkParent({ parentHash }: ExecuteBlockRequest): void {
    if (rules.isParentChecked && parentHash !== undefined && !bytesEqual(parentHash, head().hash))
      throw refusal({ code: "EXECUTION_PARENT_MISMATCH" });
  }

  function earlier(request: ExecuteBlockRequest): ExecuteBlockResponse | undefined {
    const height = request.sequencerHeight;
    if (state.last === undefined || height > state.last.height) return undefined;
    const answer = state.answers.get(height);
    if (answer === undefined) throw refusal({ code: "EXECUTION_HEIGHT_FORGOTTEN", height });
    if (rules.isHashChecked && !bytesEqual(answer.hash, request.sequencerBlockHash))
      throw refusal({ code: "EXECUTION_CONFLICT", height });
    return answer.response;
  }

  async function executeBlock(
    request: ExecuteBlockRequest,
    parentAtArrival: ExecutedBlock,
  ): Promise<ExecuteBlockResponse> {
    if (rules.isFormChecked) checkForm(request);
    if (rules.isInitNeeded && state.binding === undefined)
      throw refusal({ code: "EXECUTION_NOT_INITIALIZED" });
    if (rules.isParentCheckedFirst) checkParent(request);
    const known = earlier(request);
    if (known !== undefined) return known;
    const expected = next() ?? Height(1);
    const got =
      (rules.usesGatheredHeights ? request.sequencerHeightFirst : undefined) ??
      request.sequencerHeight;
    const isFree = state.last === undefined ? !rules.isFirstHeightChecked : !rules.isNextChecked;
    if (!isFree && got !== expected) throw refusal({ code: "EXECUTION_HEIGHT_GAP", expected, got });
    checkParent(request);
    bundles.checkBlock(request.sequencerHeight, request.sequencerBlockHash);
    // Whoever comes now has passed the same checks.
    if (!rules.isOneAtATime) await new Promise((resolve) => setTimeout(resolve, 5));
    return run(request, rules.isParentCurrent ? head() : parentAtArrival);
  }

  async function run(
    request: ExecuteBlockRequest,
    parent: ExecutedBlock,
  ): Promise<ExecuteBlockResponse> {
    const payloads = rules.prepare(request);
    const skipped: SkippedPayload[] = [];
    let root = parent.stateRoot;
    const commits = bundles.commits();
    const commit = (): void => {
      for (const payload of commits) {
        bundles.apply(payload);
        if (rules.bundles.areCommitsApplied !== false) root = plainRootAfter(root, payload);
      }
    };
    if (rules.bundles.areCommitsFirst !== false) commit();
    payloads.forEach((payload, index) => {
      const reason = isCount(payload) ? bundles.reason(payload) : rules.reason(payload);
      if (reason === undefined) root = plainRootAfter(root, payload);
      else skipped.push({ index, reason });
    });
    if (rules.bundles.areCommitsFirst === false) commit();
    const madeBy = rules.bundles.makesBlockOfCommits === false ? 0 : commits.length;
    const isBlock = request.payloads.length + madeBy > 0 || rules.makesEmptyBlocks;
    const seconds = rules.time(request, parent);
    const block: ExecutedBlock = {
      number: parent.number + 1,
      hash: sha256(Buffer.concat([parent.hash, root, rules.named(request)])),
      parentHash: parent.hash,
      stateRoot: rules.stateRoot(root),
      receiptsRoot: sha256(Buffer.from(skipped.map(({ index }) => index).join())),
      timestampSeconds: seconds,
      gasUsed: 0n,
    };
    if (isBlock) state.blocks.push(block);
    // What another call sees here is half a block.
    if (!rules.isStatusWhole) await new Promise((resolve) => setTimeout(resolve, 5));
    const height = request.sequencerHeight;
    state.last = { height, blockHash: request.sequencerBlockHash };
    const response: ExecuteBlockResponse = {
      ...(isBlock ? block : parent),
      outcome: isBlock ? "block" : "none",
      included: isBlock ? payloads.length + commits.length - skipped.length : 0,
      skipped,
    };
    bundles.settle();
    state.answers.set(height, { hash: request.sequencerBlockHash, response });
    state.answers.delete(height - rules.answersKept);
    return response;
  }

  function numberOf(hash: Uint8Array): number {
    const known = state.blocks.find((block) => bytesEqual(block.hash, hash));
    if (known !== undefined) return known.number;
    if (rules.unknownIsHead) return head().number;
    throw refusal({ code: "EXECUTION_BLOCK_UNKNOWN" });
  }

  async function setFinality(request: SetFinalityRequest): Promise<FinalityStatus> {
    const { safeHash, finalizedHash } = request;
    if (rules.isFormChecked && (safeHash.length !== 32 || finalizedHash.length !== 32))
      throw refusal({ code: "EXECUTION_INVALID_REQUEST" });
    if (rules.isInitNeeded && state.binding === undefined)
      throw refusal({ code: "EXECUTION_NOT_INITIALIZED" });
    const [safe, finalized] = [numberOf(safeHash), numberOf(finalizedHash)];
    const isBack = safe < state.safe || finalized < state.finalized;
    const isSame = safe === state.safe && finalized === state.finalized;
    if (
      (isBack && !rules.labelsMayMoveBack) ||
      (isSame && !rules.labelsMayStay) ||
      (finalized > safe && !rules.finalizedMayExceedSafe)
    )
      throw refusal({ code: "EXECUTION_FINALITY_REGRESSION" });
    if (rules.labelsAreKept) [state.safe, state.finalized] = [safe, finalized];
    return labels();
  }

  async function getStatus(): Promise<ExecutorStatus> {
    return {
      ...labels(),
      isInitialized: state.binding !== undefined,
      rollupId: ROLLUP_ID,
      chainId: 9n,
      genesisHash: GENESIS.hash,
      head: head(),
      sequencer: state.last,
      nextSequencerHeight: next(),
      gatheredPayloads: 0,
      ...bundles.status(),
    };
  }

  function inTurn<Request, Result>(work: (request: Request) => Promise<Result>) {
    return (request: Request): Promise<Result> => {
      if (!rules.isOneAtATime) return work(request);
      const turn = tail.then(() => work(request));
      tail = turn.catch(() => undefined);
      return turn;
    };
  }

  function inBundleTurn<Request, Result>(work: (request: Request) => Promise<Result>) {
    return rules.bundles.isOneAtATime === false ? work : inTurn(work);
  }

  function position(): PlainPosition {
    if (rules.isInitNeeded && state.binding === undefined)
      throw refusal({ code: "EXECUTION_NOT_INITIALIZED" });
    return { stateRoot: head().stateRoot, nextHeight: next() ?? Height(1) };
  }

  const atomic = {
    prepareBundle: inBundleTurn((request: PrepareBundleRequest) =>
      bundles.prepare(request, position()),
    ),
    decideBundle: inBundleTurn((request: DecideBundleRequest) =>
      bundles.decide(request, position()),
    ),
  };

  return {
    ...(rules.atomicLevel === 1 ? atomic : {}),
    init: inTurn(init),
    executeBlock: (request) => {
      const parentAtArrival = head();
      return inTurn((one: ExecuteBlockRequest) => executeBlock(one, parentAtArrival))(request);
    },
    setFinality: inTurn(setFinality),
    getStatus,
  };
}

function refusal(info: ExecutionErrorInfo): WeftError<ExecutionErrorInfo> {
  return new WeftError(info, `refused: ${info.code}`);
}

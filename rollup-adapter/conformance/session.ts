/**
 * What the checks of one run share: the executor under test, the requests that it has taken, and the rules that
 * hold for every answer, whatever is being checked.
 */
import { Height, type RollupId } from "../../proto/brands.ts";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { EXECUTION_SERVICE } from "../../proto/grpc/execution-service.ts";
import { sha256 } from "../../proto/hash.ts";
import {
  type AtomicLevel,
  type ExecuteBlockRequest,
  type ExecuteBlockResponse,
  type ExecutedBlock,
  EXECUTION_GRPC_STATUS,
  type ExecutionErrorInfo,
  type ExecutorStatus,
  type InitRequest,
} from "../execution.ts";
import { broken, expect, notRun } from "./fault.ts";
import { BundleJournal } from "./bundle-journal.ts";
import { BLOCK_TRIES_MAX } from "./limits.ts";
import { gibberish, type LegMaterial } from "./payloads.ts";
import type { Refusal, Reply, Target } from "./target.ts";

/** A sequencer network that there is not, and a first height that is not 1. */
const CHAIN_ID = "weft-conformance-1";
const START_HEIGHT = Height(7);
/** Time of the first block, unless the rollup's genesis is later; in seconds. */
const FIRST_SECONDS = 1_750_000_000n;

const REASON = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/;
const ZERO_ID = "00".repeat(32);

type ErrorCode = ExecutionErrorInfo["code"];
type MetadataKey = "expected" | "got" | "height";

export interface SessionOptions {
  /** Payloads that the rollup can use, in their order; none: it is fed gibberish alone. */
  readonly payloads: readonly Uint8Array[];
  /** Legs that a rollup of level 1 can execute. */
  readonly legs?: LegMaterial;
}

export interface SessionDependencies {
  readonly target: Target;
  /** A fresh instance of the same rollup. */
  readonly second: Target | undefined;
  /** Kills the executor under test and starts it again with its data; resolves when both are under way. */
  readonly restart: (() => Promise<void>) | undefined;
}

/** A request that was taken, and what it was answered. */
export interface Taken {
  readonly request: ExecuteBlockRequest;
  readonly response: ExecuteBlockResponse;
}

/** Fields of a request that are not as they would be. */
type RequestChanges = Partial<ExecuteBlockRequest> & { readonly afterSeconds?: bigint };

export class Session {
  readonly target: Target;
  readonly second: Target | undefined;
  readonly restart: (() => Promise<void>) | undefined;
  /** All that the executor took, in order. */
  readonly taken: Taken[] = [];
  /** Set by the check of Init. */
  supportsGroupRevert = false;
  atomicLevel: AtomicLevel = 0;
  /** What was done with atomic bundles. */
  readonly bundles = new BundleJournal();
  readonly #payloads: readonly Uint8Array[];
  readonly #legs: (readonly Uint8Array[])[];
  /** Not executed yet. */
  #legsFirst: readonly (readonly Uint8Array[])[];
  #payloadsUsed = 0;
  #made = 0;
  #seconds = FIRST_SECONDS;
  /** The first status. */
  #identity: ExecutorStatus | undefined;

  constructor(options: SessionOptions, deps: SessionDependencies) {
    this.target = deps.target;
    this.second = deps.second;
    this.restart = deps.restart;
    this.#payloads = options.payloads;
    this.#legs = [...(options.legs?.legs ?? [])];
    this.#legsFirst = options.legs?.first ?? [];
  }

  get hasPayloads(): boolean {
    return this.#payloads.length > 0;
  }

  get hasLegs(): boolean {
    return this.#legs.length > 0 || this.#legsFirst.length > 0;
  }

  /** What binds the executor under test; its rollup is what it said before. */
  initRequest(rollupId: RollupId): InitRequest {
    return { rollupId, sequencerChainId: CHAIN_ID, sequencerStartHeight: START_HEIGHT };
  }

  async rollupId(): Promise<RollupId> {
    return (this.#identity ?? (await this.status())).rollupId;
  }

  /** The status, with what holds of every status. */
  async status(target: Target = this.target): Promise<ExecutorStatus> {
    const status = answered(await target.getStatus(), "GetStatus");
    expect(status.rollupId !== ZERO_ID, "GetStatus: rollup_id is all zeros");
    expect(
      status.genesisHash.length === 32,
      `GetStatus: genesis_hash has ${status.genesisHash.length} bytes, expected 32`,
    );
    if (target === this.target) {
      const { rollupId, chainId } = (this.#identity ??= status);
      expect(
        status.rollupId === rollupId &&
          status.chainId === chainId &&
          bytesEqual(status.genesisHash, this.#identity.genesisHash),
        "GetStatus: rollup_id, chain_id or genesis_hash is another one than before",
      );
    }
    for (const label of ["head", "safe", "finalized"] as const) {
      expectBlock(status[label], `GetStatus: ${label}`);
    }
    const { head, safe, finalized } = status;
    expect(
      safe.number <= head.number && finalized.number <= safe.number,
      `GetStatus: expected finalized <= safe <= head, got ${finalized.number}, ${safe.number} and ${head.number}`,
    );
    return status;
  }

  /** The next block's request, a second after the one before. */
  async request(
    payloads: readonly Uint8Array[],
    changes: RequestChanges = {},
  ): Promise<ExecuteBlockRequest> {
    return this.#requestAfter(await this.status(), payloads, changes);
  }

  /** Requests of the next heights, with what `payloadsOf` gives for each. */
  async requests(
    count: number,
    payloadsOf: (index: number) => readonly Uint8Array[],
  ): Promise<ExecuteBlockRequest[]> {
    const status = await this.status();
    const next = status.nextSequencerHeight ?? START_HEIGHT;
    return Array.from({ length: count }, (_, index) =>
      this.#requestAfter(status, payloadsOf(index), { sequencerHeight: Height(next + index) }),
    );
  }

  #requestAfter(
    { nextSequencerHeight, head }: ExecutorStatus,
    payloads: readonly Uint8Array[],
    { afterSeconds = 1n, ...fields }: RequestChanges,
  ): ExecuteBlockRequest {
    const height = fields.sequencerHeight ?? nextSequencerHeight ?? START_HEIGHT;
    const parent = head.timestampSeconds;
    this.#seconds = (this.#seconds < parent ? parent : this.#seconds) + afterSeconds;
    return {
      sequencerBlockHash: blockHash(height),
      sequencerHeight: height,
      timestamp: { seconds: this.#seconds, nanos: (height % 10) * 100_000_000 },
      payloads,
      ...fields,
    };
  }

  /** Gibberish that no block before had, and the file's next payload while there is one. */
  material(): Uint8Array[] {
    const made = gibberish(`block ${this.#made++}`, 48);
    return [made, ...this.usePayloads(1)];
  }

  /** Up to `count` of the file's payloads, each once. */
  usePayloads(count: number): readonly Uint8Array[] {
    const chosen = this.#payloads.slice(this.#payloadsUsed, this.#payloadsUsed + count);
    this.#payloadsUsed += chosen.length;
    return chosen;
  }

  /** The payloads of a leg that has not been executed. Give it back where it was not. */
  async useLeg(): Promise<readonly Uint8Array[]> {
    const first = this.#legsFirst;
    this.#legsFirst = [];
    for (const payloads of first) await this.execute(await this.request(payloads));
    const leg = this.#legs.shift();
    if (leg === undefined) throw notRun("all legs are used up; give more of them in --legs");
    return leg;
  }

  giveBack(leg: readonly Uint8Array[]): void {
    this.#legs.unshift(leg);
  }

  /** Has a new request taken, and checks all that holds of every answer to one. */
  async execute(request: ExecuteBlockRequest): Promise<ExecuteBlockResponse> {
    const before = await this.status();
    const response = await this.take(request);
    const after = await this.status();
    const commits = this.bundles.commitsAt(request.sequencerHeight);
    checkAnswer(request, response, before, after, commits);
    expect(
      this.atomicLevel === 0 || response.outcome !== "gathered",
      `${nameOf(request)}: an executor of level 1 gathers nothing`,
    );
    return response;
  }

  /** Has a new request taken without looking at the status, for calls that overlap. */
  async take(request: ExecuteBlockRequest): Promise<ExecuteBlockResponse> {
    const what = nameOf(request);
    const response = answered(await this.target.executeBlock(request), what);
    this.taken.push({ request, response });
    return response;
  }

  /** Feeds blocks until one is made. */
  async makeBlock(): Promise<ExecutedBlock> {
    for (let tries = 0; tries < BLOCK_TRIES_MAX; tries++) {
      const response = await this.execute(await this.request(this.material()));
      if (response.outcome === "block") return response;
    }
    throw this.noBlock();
  }

  /** To be thrown by a check that had to see a block. */
  noBlock(): Error {
    return notRun(
      `${BLOCK_TRIES_MAX} sequencer blocks made no block of this rollup; give valid payloads with --payloads, or more of them (it was given ${this.#payloads.length}, each is fed once)`,
    );
  }

  /** A call that must be answered as it was the first time, and change nothing. */
  async repeat(taken: Taken, changes: Partial<ExecuteBlockRequest> = {}): Promise<void> {
    const before = await this.status();
    await this.repeatOnly(taken, changes);
    expectSameStatus(before, await this.status(), `repeating ${nameOf(taken.request)}`);
  }

  /** The same without asking whether anything changed. */
  async repeatOnly(taken: Taken, changes: Partial<ExecuteBlockRequest> = {}): Promise<void> {
    const request = { ...taken.request, ...changes };
    const what = `${nameOf(request)} again`;
    const response = answered(await this.target.executeBlock(request), what);
    expectSameResponse(taken.response, response, what);
  }

  /** A call that must be refused with this code, and change nothing. */
  async refuses(
    what: string,
    ask: () => Promise<Reply<unknown>>,
    code: ErrorCode,
    metadata: Partial<Record<MetadataKey, Height>> = {},
  ): Promise<void> {
    const before = await this.status();
    const reply = await ask();
    expectRefusal(what, reply, [code]);
    for (const [key, expected] of Object.entries(metadata)) {
      const came: string = key in reply.metadata ? reply.metadata[key as MetadataKey] : "";
      expect(
        came === String(expected),
        `${what}: expected trailing metadata weft-${key} ${expected}, got ${came === "" ? "none" : came}`,
      );
    }
    expectSameStatus(before, await this.status(), what);
  }
}

/** The sequencer block of that height; the same in every run. */
export function blockHash(height: number, chain = ""): Uint8Array {
  return sha256(Buffer.from(`${CHAIN_ID}${chain} ${height}`));
}

export function nameOf(request: ExecuteBlockRequest): string {
  return `ExecuteBlock of height ${request.sequencerHeight}`;
}

/** The answer; a refusal breaks the contract. */
export function answered<T>(reply: Reply<T>, what: string): T {
  if (reply.kind === "answer") return reply.value;
  throw broken(`${what}: expected an answer, got ${describeRefusal(reply)}`);
}

/** Any of these codes, each with the gRPC status that belongs to it. */
export function expectRefusal(
  what: string,
  reply: Reply<unknown>,
  codes: readonly ErrorCode[],
): asserts reply is Refusal {
  const wanted = codes.map((code) => `${EXECUTION_GRPC_STATUS[code]} ${code}`).join(" or ");
  if (reply.kind === "answer") throw broken(`${what}: expected ${wanted}, got an answer`);
  const isWanted = codes.some(
    (code) => code === reply.code && EXECUTION_GRPC_STATUS[code] === reply.status,
  );
  expect(isWanted, `${what}: expected ${wanted}, got ${describeRefusal(reply)}`);
}

export function expectSameResponse(
  first: ExecuteBlockResponse,
  second: ExecuteBlockResponse,
  what: string,
): void {
  const encode = EXECUTION_SERVICE.executeBlock.responseSerialize;
  expect(
    bytesEqual(encode(first), encode(second)),
    `${what}: expected the answer of before, ${describeAnswer(first)}, got ${describeAnswer(second)}`,
  );
}

export function expectSameStatus(
  first: ExecutorStatus,
  second: ExecutorStatus,
  what: string,
): void {
  const encode = EXECUTION_SERVICE.getStatus.responseSerialize;
  expect(
    bytesEqual(encode(first), encode(second)),
    `${what} changed the status: ${describeChange(first, second)}`,
  );
}

export function expectSameBlock(expected: ExecutedBlock, came: ExecutedBlock, what: string): void {
  const isSame =
    expected.number === came.number &&
    expected.timestampSeconds === came.timestampSeconds &&
    expected.gasUsed === came.gasUsed &&
    (["hash", "parentHash", "stateRoot", "receiptsRoot"] as const).every((field) =>
      bytesEqual(expected[field], came[field]),
    );
  expect(isSame, `${what}: expected ${describeBlock(expected)}, got ${describeBlock(came)}`);
}

export function describeBlock(block: ExecutedBlock): string {
  const short = (bytes: Uint8Array): string => toHex(bytes).slice(0, 12);
  return `block ${block.number} ${short(block.hash)} (parent ${short(block.parentHash)}, state ${short(block.stateRoot)}, receipts ${short(block.receiptsRoot)}, time ${block.timestampSeconds}, gas ${block.gasUsed})`;
}

export function describeAnswer(answer: ExecuteBlockResponse): string {
  return `${answer.outcome} with ${answer.included} included and ${answer.skipped.length} skipped, ${describeBlock(answer)}`;
}

/** The parts of two statuses that are not the same, each as it was and as it is. */
function describeChange(first: ExecutorStatus, second: ExecutorStatus): string {
  const [before, after] = [partsOf(first), partsOf(second)];
  return Object.keys(before)
    .filter((part) => before[part] !== after[part])
    .map((part) => `${part} was ${before[part]}, is ${after[part]}`)
    .join("; ");
}

function partsOf(status: ExecutorStatus): Readonly<Record<string, string>> {
  const { sequencer, openBundles } = status;
  const at = sequencer && `${sequencer.height} ${toHex(sequencer.blockHash)}`;
  const open = openBundles.map(
    ({ bundleId, sequencerHeight, verdict }) => `${toHex(bundleId)}/${sequencerHeight}/${verdict}`,
  );
  return {
    is_initialized: `${status.isInitialized}`,
    rollup_id: status.rollupId,
    chain_id: `${status.chainId}`,
    genesis_hash: toHex(status.genesisHash),
    head: describeBlock(status.head),
    safe: describeBlock(status.safe),
    finalized: describeBlock(status.finalized),
    sequencer: at ?? "none",
    next_sequencer_height: `${status.nextSequencerHeight ?? 0}`,
    gathered_payloads: `${status.gatheredPayloads}`,
    open_bundle_count: `${status.openBundleCount}`,
    open_bundles: open.join(", "),
  };
}

function describeRefusal(refusal: Refusal): string {
  const code = refusal.code === "" ? "without weft-code" : refusal.code;
  return `${refusal.status} ${code} (${refusal.details})`;
}

function expectBlock(block: ExecutedBlock, what: string): void {
  for (const field of ["hash", "parentHash", "stateRoot", "receiptsRoot"] as const) {
    const { length } = block[field];
    expect(length === 32, `${what}: ${field} has ${length} bytes, expected 32`);
  }
}

/** What holds of the answer to every request that is taken, between the statuses before and after it. */
function checkAnswer(
  request: ExecuteBlockRequest,
  response: ExecuteBlockResponse,
  before: ExecutorStatus,
  after: ExecutorStatus,
  commits: readonly (readonly Uint8Array[])[],
): void {
  const what = nameOf(request);
  expectBlock(response, what);
  const had = before.gatheredPayloads + request.payloads.length;
  checkSkipped(response, had, what);
  const accounted = response.included + response.skipped.length + after.gatheredPayloads;
  // Of each committed leg one payload at least: others may be mere declarations.
  const [fewest, most] = [had + commits.length, had + commits.flat().length];
  expect(
    accounted >= fewest && accounted <= most,
    commits.length > 0
      ? `${what}: ${had} payloads came and ${commits.length} legs with ${commits.flat().length} were committed, but ${response.included} were included and ${response.skipped.length} skipped`
      : `${what}: ${had} payloads came or were gathered, but ${response.included} were included, ${response.skipped.length} skipped and ${after.gatheredPayloads} are gathered`,
  );
  if (response.outcome === "block") {
    expect(most > 0, `${what}: a block although there were no payloads for one`);
    checkNewBlock(before.head, response, what);
  } else {
    expect(
      commits.length === 0,
      `${what}: outcome ${response.outcome} where a leg was committed; expected a block`,
    );
    expectSameBlock(before.head, response, `${what}: outcome ${response.outcome} names the head`);
    expect(
      response.included === 0,
      `${what}: ${response.included} payloads included without a block`,
    );
    const isGathered = response.outcome === "gathered";
    expect(
      !isGathered || response.skipped.length === 0,
      `${what}: payloads that are gathered are skipped with the block that they belong to, not before`,
    );
    expect(
      isGathered || after.gatheredPayloads === 0,
      `${what}: outcome none while ${after.gatheredPayloads} payloads wait; expected gathered`,
    );
  }
  expectSameBlock(response, after.head, `${what}: GetStatus after it names its head`);
  const { sequencer } = after;
  expect(
    sequencer?.height === request.sequencerHeight &&
      bytesEqual(sequencer.blockHash, request.sequencerBlockHash),
    `${what}: GetStatus names ${sequencer === undefined ? "no sequencer block" : `sequencer block ${sequencer.height} ${toHex(sequencer.blockHash)}`} as the last one taken`,
  );
  expect(
    after.nextSequencerHeight === request.sequencerHeight + 1,
    `${what}: next_sequencer_height is ${after.nextSequencerHeight ?? 0} after it`,
  );
  expectSameBlock(before.safe, after.safe, `${what}: safe stays`);
  expectSameBlock(before.finalized, after.finalized, `${what}: finalized stays`);
}

function checkSkipped(response: ExecuteBlockResponse, had: number, what: string): void {
  let previous = -1;
  for (const { index, reason } of response.skipped) {
    expect(
      index > previous && index < had,
      `${what}: skipped index ${index} after ${previous}, of ${had} payloads; expected ascending ones`,
    );
    expect(
      REASON.test(reason),
      `${what}: payload ${index} is skipped for ${JSON.stringify(reason)}; expected an UPPER_SNAKE code`,
    );
    previous = index;
  }
}

function checkNewBlock(parent: ExecutedBlock, block: ExecutedBlock, what: string): void {
  expect(
    block.number === parent.number + 1,
    `${what}: block ${block.number} after ${parent.number}`,
  );
  expect(
    bytesEqual(block.parentHash, parent.hash),
    `${what}: parent_hash is ${toHex(block.parentHash)}, the head was ${toHex(parent.hash)}`,
  );
  expect(!bytesEqual(block.hash, parent.hash), `${what}: the block has the hash of its parent`);
  expect(
    block.timestampSeconds >= parent.timestampSeconds,
    `${what}: timestamp ${block.timestampSeconds} is before the parent's ${parent.timestampSeconds}`,
  );
}

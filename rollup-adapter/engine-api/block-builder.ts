/**
 * Has the client build the rollup block for one place in the sequencer's order, and leaves out by rule what it refuses.
 *
 * Everything in the block is a function of its parent and of the order: two clients with the same parent build the same
 * block. What a client refuses is the first transaction that does not run after those before it.
 */
import type { Common } from "@ethereumjs/common";
import type { Logger } from "../../sequencer/ports/logger.ts";
import { bytesEqual, fromHex, toHex } from "../../proto/bytes.ts";
import { nextBaseFee } from "../evm/environment.ts";
import { mapPaced } from "../evm/pacer.ts";
import type { PayloadDecoder } from "../evm/payload.ts";
import type { SkippedPayload } from "../execution.ts";
import type {
  BuiltPayload,
  ClientBlock,
  EngineClient,
  ForkchoiceState,
  PayloadAttributes,
} from "./engine-client.ts";
import { attributesRefusal, engineError } from "./engine-error.ts";
import { encodeDeposit, type OpFork, type SequencerPlace } from "./l1-attributes.ts";
import { DEPOSIT_GAS, ENGINE_SLICE_MS, REFUSALS_MAX } from "./limits.ts";
import { type Candidate, type EngineSkipReason, selectTransactions } from "./selection.ts";
import { findSenders } from "./senders.ts";

export interface BlockBuilderDependencies {
  readonly client: EngineClient;
  readonly common: Common;
  readonly decoder: PayloadDecoder;
  readonly logger: Logger;
  /** 32 bytes. */
  readonly rollupId: Uint8Array;
}

export interface BuildInput {
  readonly parent: ClientBlock;
  readonly forkchoice: ForkchoiceState;
  readonly place: SequencerPlace;
  readonly payloads: readonly Uint8Array[];
}

export interface BuiltBlock {
  readonly payload: BuiltPayload;
  readonly included: number;
  readonly skipped: readonly SkippedPayload[];
  /** Transactions that passed every check here and that the client refused. */
  readonly refusals: number;
}

/** What a block's extra data says about the rules it was made by (Holocene and Jovian specs, "extraData"). */
interface FeeRule {
  readonly fork: OpFork;
  readonly params: Uint8Array;
  readonly denominator: bigint;
  readonly elasticity: bigint;
  readonly baseFeeMin: bigint | undefined;
}

/** Undefined for a block of rules before Isthmus, which this driver does not feed. */
export function feeRuleOf(extraData: Uint8Array): FeeRule | undefined {
  const isJovian = extraData.length === 17 && extraData[0] === 1;
  if (!isJovian && (extraData.length !== 9 || extraData[0] !== 0)) return undefined;
  const view = new DataView(extraData.buffer, extraData.byteOffset, extraData.byteLength);
  const [denominator, elasticity] = [BigInt(view.getUint32(1)), BigInt(view.getUint32(5))];
  if (denominator === 0n || elasticity === 0n) return undefined;
  return {
    fork: isJovian ? "jovian" : "isthmus",
    params: extraData.slice(1, 9),
    denominator,
    elasticity,
    baseFeeMin: isJovian ? view.getBigUint64(9) : undefined,
  };
}

/** Builds the block; it is the client's own, not yet executed nor at its head. */
export async function buildBlock(
  input: BuildInput,
  deps: BlockBuilderDependencies,
): Promise<BuiltBlock> {
  const { parent, place, payloads } = input;
  const rule = feeRuleOf(parent.extraData);
  if (rule === undefined) {
    throw engineError(
      { code: "ENGINE_API_BAD_ANSWER" },
      `block ${parent.number} has the extra data ${toHex(parent.extraData)}: this driver feeds chains with Isthmus or Jovian active from block 0`,
    );
  }
  const { client } = deps;
  const gasLimit = parent.gasLimit - DEPOSIT_GAS;
  const selection = await selectTransactions(
    payloads,
    { gasLimit, baseFeePerGas: baseFeeAfter(parent, rule) },
    deps,
    {
      accountsOf: (addresses) => client.accounts(parent.hash, addresses),
      sendersOf: (transactions) => findSenders(transactions, deps),
    },
  );
  const deposit = encodeDeposit(place, rule.fork, deps.rollupId);
  const attempt = async (candidates: readonly Candidate[]): Promise<BuiltPayload | Refused> => {
    const transactions = [deposit, ...candidates.map(({ raw }) => raw)];
    const attributes = attributesFor(parent, place, rule, transactions);
    try {
      const id = await client.forkchoiceUpdated(input.forkchoice, attributes);
      if (id === undefined) throw unusable("the client began no block, and does not say why");
      const built = await client.payload(id);
      const at = firstLeftOut(transactions, built.transactions);
      if (at === undefined || at === 0) return built;
      // Some clients (op-reth) leave out what does not run, and say nothing.
      return { refusal: "left out", error: undefined, at: at - 1 };
    } catch (error) {
      const message = attributesRefusal(error);
      if (message === undefined) throw error;
      return { refusal: message, error };
    }
  };
  const { built, candidates, left, refusals } = await buildWhatRuns(
    selection.candidates,
    gasLimit,
    attempt,
    deps.logger,
  );
  checkBuilt(built, parent, place, [deposit, ...candidates.map(({ raw }) => raw)]);
  return {
    payload: built,
    included: candidates.length,
    skipped: [...selection.skipped, ...left].toSorted((a, b) => a.index - b.index),
    refusals,
  };
}

export interface Refused {
  /** The client's words, which may name a transaction by its hash. */
  readonly refusal: string;
  /** What is thrown when nothing can be built at all. */
  readonly error: unknown;
  /** Index of the first candidate that is refused, where it is known. */
  readonly at?: number;
}

interface Outcome {
  readonly built: BuiltPayload;
  readonly candidates: readonly Candidate[];
  readonly left: readonly SkippedPayload[];
  readonly refusals: number;
}

/**
 * Leaves out what the client refuses, in three steps that all nodes take alike: the first few one by one; then, of what
 * comes after, all that others in the block can make impossible; then everything from the next one on, for only a full
 * block refuses now. What ran before a refused one stays: it runs alike in every further block.
 * @param roomGas what the block offers to all of them
 */
export async function buildWhatRuns(
  all: readonly Candidate[],
  roomGas: bigint,
  attempt: (candidates: readonly Candidate[]) => Promise<BuiltPayload | Refused>,
  logger: Logger,
): Promise<Outcome> {
  const left: SkippedPayload[] = [];
  const leave = (candidates: readonly Candidate[], reason: EngineSkipReason): void => {
    for (const { index } of candidates) left.push({ index, reason });
  };
  let candidates = all;
  for (let refusals = 0; ; refusals++) {
    const result = await attempt(candidates);
    if (!("refusal" in result)) return { built: result, candidates, left, refusals };
    const at = await firstRefused(candidates, result, attempt);
    const refused = candidates[at];
    if (refused === undefined) throw result.error;
    logger.debug("the execution client refuses a transaction", {
      hash: toHex(refused.hash),
      answer: result.refusal,
    });
    const held = refusals < REFUSALS_MAX ? [] : await alterableFrom(candidates, at);
    if (refusals < REFUSALS_MAX) {
      leave([refused], isForGas(candidates, at, roomGas) ? "BLOCK_GAS_EXHAUSTED" : "REFUSED_BY_VM");
      candidates = candidates.toSpliced(at, 1);
    } else if (held.length > 0) {
      leave(held, "DELEGATION_HELD_BACK");
      candidates = candidates.filter((one) => !held.includes(one));
    } else {
      leave(candidates.slice(at), "BLOCK_GAS_EXHAUSTED");
      candidates = candidates.slice(0, at);
    }
  }
}

/** From `at` on: whatever delegates, is sent by who delegates, or by an account that one before `at` may have altered. */
async function alterableFrom(
  candidates: readonly Candidate[],
  at: number,
): Promise<readonly Candidate[]> {
  const before = candidates.slice(0, at);
  const altered = await mapPaced(before, ENGINE_SLICE_MS, (one) => one.authorities());
  const isAltered = new Set(altered.flat());
  return candidates
    .slice(at)
    .filter(({ isAlterable, sender }) => isAlterable || isAltered.has(sender));
}

/** Whether the block may have had too little gas left; where it cannot, the client refused for another reason. */
function isForGas(candidates: readonly Candidate[], at: number, roomGas: bigint): boolean {
  const asked = candidates.slice(0, at + 1).reduce((sum, { gasLimit }) => sum + gasLimit, 0n);
  return asked > roomGas;
}

/**
 * Index of the first transaction that does not run after those before it: the one that the client names by its hash, as
 * op-geth does, or leaves out; for clients that do neither the end of the shortest prefix that does not build.
 * @throws the client's own error when it cannot build a block without any
 */
async function firstRefused(
  candidates: readonly Candidate[],
  { refusal, error, at }: Refused,
  attempt: (candidates: readonly Candidate[]) => Promise<BuiltPayload | Refused>,
): Promise<number> {
  const named = at ?? namedIn(refusal, candidates);
  if (named !== undefined) return named;
  const builds = async (count: number): Promise<boolean> =>
    !("refusal" in (await attempt(candidates.slice(0, count))));
  // The first `runs` build, the first `fails` do not.
  let runs = -1;
  let fails = candidates.length;
  while (fails - runs > 1 && fails > 0) {
    const middle = Math.floor((Math.max(runs, 0) + fails) / 2);
    if (await builds(middle)) runs = middle;
    else fails = middle;
  }
  if (fails === 0) throw error;
  // Once more: a client that was failing for another reason must not cost anybody a transaction.
  if (await builds(fails)) {
    throw unusable("the client builds a block now that it could not build a moment ago");
  }
  return fails - 1;
}

/** Index of the first of `asked` that `built` leaves out; undefined when it holds all, or anything else. */
function firstLeftOut(
  asked: readonly Uint8Array[],
  built: readonly Uint8Array[],
): number | undefined {
  let first: number | undefined;
  let taken = 0;
  for (const [i, one] of asked.entries()) {
    const next = built[taken];
    if (next !== undefined && bytesEqual(one, next)) taken += 1;
    else first ??= i;
  }
  return taken === built.length ? first : undefined;
}

function namedIn(text: string, candidates: readonly Candidate[]): number | undefined {
  const match = /0x([0-9a-fA-F]{64})/.exec(text)?.[1];
  if (match === undefined) return undefined;
  const hash = fromHex(match);
  const at = candidates.findIndex((one) => bytesEqual(one.hash, hash));
  return at === -1 ? undefined : at;
}

/** The rule of the base fee is the client's; it is repeated here to know who can pay. */
function baseFeeAfter(parent: ClientBlock, rule: FeeRule): bigint {
  const isFootprintLarger = rule.fork === "jovian" && parent.blobGasUsed > parent.gasUsed;
  return nextBaseFee(
    {
      ...parent,
      number: Math.max(parent.number, 1), // a genesis counts like any other block here
      gasUsed: isFootprintLarger ? parent.blobGasUsed : parent.gasUsed,
    },
    {
      initial: 0n,
      minimum: rule.baseFeeMin ?? 0n,
      elasticity: rule.elasticity,
      changeDenominator: rule.denominator,
    },
  );
}

function attributesFor(
  parent: ClientBlock,
  place: SequencerPlace,
  rule: FeeRule,
  transactions: readonly Uint8Array[],
): PayloadAttributes {
  return {
    timestampSeconds: timestampAfter(parent, place),
    prevRandao: place.blockHash,
    parentBeaconBlockRoot: place.blockHash,
    feeRecipient: parent.feeRecipient,
    gasLimit: parent.gasLimit,
    eip1559Params: rule.params,
    baseFeeMin: rule.baseFeeMin,
    transactions,
  };
}

/** Whole seconds of BFT time; later than the parent's, which only matters when its clock was ahead (a genesis). */
function timestampAfter(parent: ClientBlock, place: SequencerPlace): bigint {
  const next = parent.timestampSeconds + 1n;
  return place.seconds < next ? next : place.seconds;
}

/** A client that builds something else than it was asked for would part this node from the others. */
function checkBuilt(
  { block, transactions }: BuiltPayload,
  parent: ClientBlock,
  place: SequencerPlace,
  asked: readonly Uint8Array[],
): void {
  const isAsked =
    bytesEqual(block.parentHash, parent.hash) &&
    bytesEqual(block.prevRandao, place.blockHash) &&
    block.timestampSeconds === timestampAfter(parent, place) &&
    transactions.length === asked.length &&
    transactions.every((one, i) => bytesEqual(one, asked[i] ?? new Uint8Array(0)));
  if (!isAsked) {
    throw unusable(
      `the client built block ${block.number} (${toHex(block.hash)}) of something else than it was given`,
    );
  }
}

function unusable(message: string): Error {
  return engineError({ code: "ENGINE_API_BAD_ANSWER" }, message);
}

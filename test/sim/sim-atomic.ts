/**
 * Atomic execution in a simulated network: bundles of level 1 and the executors of both rollups, some of whom vote late,
 * twice, for what is not so, or not at all. What a leg does follows from its bundle's id, as it does for real executors.
 */
import { Height } from "../../proto/brands.ts";
import { compareBytes, EMPTY_BYTES, fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import type { AtomicState } from "../../proto/codec/atomic-state.ts";
import {
  AtomicOutcome,
  type Box,
  type ExecutorReport,
  type ExecutorVote,
  NoReason,
  Verdict,
} from "../../proto/codec/atomic-tx.ts";
import type { AtomicTerms } from "../../proto/codec/mev-tx.ts";
import { encodeTxItem } from "../../proto/codec/weft-block.ts";
import {
  accountAddress,
  type Action,
  encodeTxBody,
  txSignBytes,
} from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import { ed25519KeyPairFromSeed, signEd25519 } from "../../proto/verify/ed25519.ts";
import { atomicOf } from "../../sequencer/app/atomic/bundles.ts";
import { executorOf } from "../../sequencer/app/atomic/executors.ts";
import type { StakingReader } from "../../sequencer/app/staking/context.ts";
import { ATOMIC_OPEN, bundleOfKey } from "../../sequencer/app/state/tables.ts";
import type { WeftApplication } from "../../sequencer/app/weft-application.ts";
import type { EngineEvent } from "../../sequencer/engine/event-bus.ts";
import { Random } from "../support/random.ts";
import { AtomicWatch, fateOf } from "./atomic-watch.ts";
import type { Wallet } from "./sim-keys.ts";

/** How an executor goes about it. All but the first three lie. */
export const EXECUTOR_MANNERS = [
  "honest",
  "late",
  "silent",
  "neverReports",
  "contradicts",
  "lies",
  "reportsWrongly",
] as const;
export type ExecutorManner = (typeof EXECUTOR_MANNERS)[number];

/** What a seed draws of atomic execution. */
export interface AtomicPlan {
  /** Of 100 bundles, those of level 1. */
  readonly atomicPercent: number;
  /** Of the executors of each rollup, `EXECUTORS_OF_A_ROLLUP` after another. */
  readonly manners: readonly ExecutorManner[];
}

export const EXECUTORS_OF_A_ROLLUP = 3;
export const EXECUTOR_QUORUM = 2;
export const EXECUTOR_BOND = 1_000_000n;

/** The key of an executor is its account. */
export function executorWallet(rollup: number, member: number): Wallet {
  const key = ed25519KeyPairFromSeed(sha256(utf8ToBytes(`sim executor ${rollup}/${member}`)));
  return { key, address: accountAddress(key.publicKey) };
}

export interface AtomicRunOptions {
  readonly seed: number;
  readonly chainId: string;
  readonly plan: AtomicPlan;
  readonly rollupIds: readonly Uint8Array[];
}

export interface AtomicRunDependencies {
  /** Gives a transaction to every node that runs. */
  readonly toAll: (tx: Uint8Array) => void;
  readonly count: (kind: string) => void;
  readonly fail: (failure: unknown) => void;
}

/** Somebody who votes for a rollup. */
export interface SimExecutor {
  readonly rollupId: string;
  /** Hex. */
  readonly key: string;
  readonly wallet: Wallet;
  readonly manner: ExecutorManner;
}

type NewBlock = Extract<EngineEvent, { readonly kind: "NewBlock" }>;

/** Signed once, and given to all again until it stands in a block. */
interface Message {
  readonly item: Uint8Array;
  readonly firstHeight: number;
}

export class AtomicRun {
  readonly #options: AtomicRunOptions;
  readonly #deps: AtomicRunDependencies;
  readonly #random: Random;
  readonly #executors: readonly SimExecutor[];
  readonly #watch: AtomicWatch;
  /** Bundles that wait for votes or reports. */
  readonly #known = new Set<string>();
  readonly #messages = new Map<string, Message>();
  #height = 0;
  #made = 0;

  constructor(options: AtomicRunOptions, deps: AtomicRunDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.#random = new Random(Math.imul(options.seed, 0x9e3779b1) ^ 0x41544f4d);
    this.#executors = options.rollupIds.flatMap((rollupId, rollup) =>
      Array.from({ length: EXECUTORS_OF_A_ROLLUP }, (_, member): SimExecutor => {
        const wallet = executorWallet(rollup, member);
        return {
          rollupId: toHex(rollupId),
          key: toHex(wallet.key.publicKey),
          wallet,
          manner: options.plan.manners[rollup * EXECUTORS_OF_A_ROLLUP + member] ?? "honest",
        };
      }),
    );
    const { chainId } = options;
    this.#watch = new AtomicWatch({ chainId, executors: this.#executors }, deps.count);
  }

  /** Of the next bundle; undefined for one of level 0. */
  terms(legs: number): AtomicTerms | undefined {
    if (!this.#random.chance(this.#options.plan.atomicPercent)) return undefined;
    return {
      voteBlocks: 2 + this.#random.below(8),
      locks: Array.from({ length: legs }, () => 1 + this.#random.below(20)),
    };
  }

  /** An honest node has applied a block. */
  applied(node: string, event: NewBlock, weft: WeftApplication): void {
    const { height } = event.block.header;
    const reader = weft.read.staking();
    const isNewest = height > this.#height;
    if (isNewest) this.#height = height;
    // The state is that after this block, unless the node is further already.
    const state = reader.height === height + 1 ? reader : undefined;
    this.#watch.applied(node, event, state && weft).catch(this.#deps.fail);
    if (isNewest && state !== undefined) this.#act(state);
  }

  #act(reader: StakingReader): void {
    for (const executor of this.#executors) this.#bond(reader, executor);
    for (const key of reader.records.keys(ATOMIC_OPEN)) {
      this.#known.add(bundleOfKey(key));
    }
    for (const id of this.#known) {
      const state = atomicOf(reader, id);
      if (state === undefined) {
        this.#known.delete(id);
        continue;
      }
      for (const executor of this.#executors) this.#speak(id, state, executor);
    }
  }

  #bond(reader: StakingReader, executor: SimExecutor): void {
    const { rollupId, key } = executor;
    const { bond, isTombstoned, jailedUntil } = executorOf(reader, rollupId, key);
    if (isTombstoned) return;
    const of = { rollupId: fromHex(rollupId) };
    if (bond === 0n) {
      this.#send(executor, "bond", { kind: "bondExecutor", ...of, amount: EXECUTOR_BOND });
    } else if (jailedUntil > 0 && reader.height >= jailedUntil) {
      this.#send(executor, `unjail ${jailedUntil}`, { kind: "unjailExecutor", ...of });
    }
  }

  /** What the executor has to say about a bundle, according to its manner. */
  #speak(id: string, state: AtomicState, executor: SimExecutor): void {
    const at = state.legs.findIndex(({ rollupId }) => toHex(rollupId) === executor.rollupId);
    const leg = state.legs[at];
    if (leg === undefined || state.isSealed) return;
    const seat = leg.committee.findIndex((member) => toHex(member) === executor.key);
    if (seat < 0) return;
    const { manner } = executor;
    const vote = leg.votes.find((one) => one.executor === seat);
    if (vote === undefined) {
      if (state.decidedHeight > 0 || manner === "silent") return;
      const from = manner === "late" ? state.placedHeight + state.terms.voteBlocks - 1 : 0;
      const effects = manner === "lies" ? "other" : "";
      this.#send(executor, `vote ${id}`, voteOf(fromHex(id), state, at, effects), from);
      return;
    }
    if (vote.isStruck) return;
    if (manner === "contradicts") {
      const second = voteOf(fromHex(id), state, at, "second");
      this.#send(executor, `second vote ${id}`, second);
      return;
    }
    if (state.decidedHeight === 0 || vote.isReported || manner === "neverReports") return;
    this.#send(executor, `report ${id}`, reportOf(id, state, at, manner === "reportsWrongly"));
  }

  /** The same bytes again every few blocks. `from`: first height at which it may be sent. */
  #send(executor: SimExecutor, name: string, action: Action, from = 0): void {
    const key = `${executor.key} ${name}`;
    let message = this.#messages.get(key);
    if (message === undefined) {
      this.#made += 1;
      message = {
        item: this.#signed(executor.wallet, action),
        firstHeight: Math.max(from, this.#height + this.#random.below(FIRST_DELAY_BLOCKS)),
      };
      this.#messages.set(key, message);
    }
    const since = this.#height - message.firstHeight;
    if (since < 0 || since % AGAIN_BLOCKS !== 0) return;
    if (since > EXPIRY_BLOCKS - 2 * AGAIN_BLOCKS) this.#messages.delete(key);
    this.#deps.toAll(message.item);
  }

  #signed({ key }: Wallet, action: Action): Uint8Array {
    const bodyBytes = encodeTxBody({
      publicKey: key.publicKey,
      replay: {
        kind: "unordered",
        expiryHeight: Height(this.#height + EXPIRY_BLOCKS),
        salt: utf8ToBytes(`${this.#made}`),
      },
      fee: { maxFeePerByte: 1_000n, tipPerByte: 5n },
      action,
    });
    const message = txSignBytes(this.#options.chainId, bodyBytes);
    return encodeTxItem({ bodyBytes, signature: signEd25519(key, message) });
  }
}

const root = (text: string): Uint8Array => sha256(utf8ToBytes(text));

/** `effects`: empty for what is so. */
function voteOf(
  bundleId: Uint8Array,
  { legs }: Pick<AtomicState, "legs">,
  at: number,
  effects: string,
): ExecutorVote {
  const rollupId = legs[at]?.rollupId;
  assert(rollupId !== undefined, "a seat is that of a leg");
  const [id, own] = [toHex(bundleId), toHex(rollupId)];
  const fate = fateOf(bundleId);
  const of = { kind: "executorVote", bundleId, rollupId } as const;
  const no = (reason: NoReason): ExecutorVote => ({
    ...of,
    verdict: Verdict.NO,
    reason,
    preStateRoot: EMPTY_BYTES,
    effectsHash: EMPTY_BYTES,
    outbox: [],
    inbox: [],
  });
  if (effects === "" && at === 0 && fate === "reverts") return no(NoReason.REVERTED);
  if (effects === "" && at === legs.length - 1 && fate === "finds a lock")
    return no(NoReason.LOCKED);
  const others = legs.filter((leg) => leg.rollupId !== rollupId);
  const hasBoxes = fate === "boxes agree" || fate === "boxes differ";
  const boxes = (name: (other: string) => string): readonly Box[] =>
    !hasBoxes
      ? []
      : others
          .map((other) => ({ rollupId: other.rollupId, root: root(name(toHex(other.rollupId))) }))
          .toSorted((a, b) => compareBytes(a.rollupId, b.rollupId));
  const received = fate === "boxes differ" ? "other " : "";
  return {
    ...of,
    verdict: Verdict.YES,
    reason: 0,
    preStateRoot: root(`before ${id} ${own}`),
    effectsHash: effectsOf(id, own, effects),
    outbox: boxes((other) => `${id} ${own} ${other}`),
    inbox: boxes((other) => `${received}${id} ${other} ${own}`),
  };
}

function effectsOf(id: string, rollupId: string, effects = ""): Uint8Array {
  return root(`effects ${id} ${rollupId} ${effects}`);
}

function reportOf(id: string, state: AtomicState, at: number, isWrong: boolean): ExecutorReport {
  const rollupId = state.legs[at]?.rollupId ?? EMPTY_BYTES;
  const isCommit = (state.outcome === AtomicOutcome.COMMIT) !== isWrong;
  return {
    kind: "executorReport",
    bundleId: fromHex(id),
    rollupId,
    outcome: isCommit ? AtomicOutcome.COMMIT : AtomicOutcome.ABORT,
    effectsHash: isCommit ? effectsOf(id, toHex(rollupId)) : EMPTY_BYTES,
    blockHash: root(`block ${id}`),
  };
}

/** An executor needs up to so many blocks until it has run a leg. */
const FIRST_DELAY_BLOCKS = 3;
const AGAIN_BLOCKS = 3;
const EXPIRY_BLOCKS = 60;

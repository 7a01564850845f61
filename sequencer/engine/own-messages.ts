/** Our votes and proposals: time, extension, signature (spec/cometbft-v0.38.md §10.3, §14, §15.3). */
import type { Height, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import { addMs, laterTime } from "../../proto/time.ts";
import { SignedMsgType, type Proposal, type Vote } from "../../proto/types.ts";
import type { ConsensusEffect } from "../consensus/effects.ts";
import { Step } from "../consensus/step.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { ChainState } from "../store/chain-state.ts";
import type { BlockExecutor } from "./block-executor.ts";
import { areExtensionsEnabled } from "./consensus-params.ts";
import type { OnCrashPoint } from "./crash-points.ts";
import { SIGN_RETRY_DELAY_MS } from "./limits.ts";
import type { EngineMetrics } from "./metrics.ts";
import { PrivValidatorError } from "./privval/errors.ts";
import type { PrivValidator } from "./privval/priv-validator.ts";

type Kind = "proposal" | "prevote" | "precommit";

/** One wish for a signature. */
interface Wish {
  readonly kind: Kind;
  readonly height: number;
  readonly round: number;
  /** Aborted when nobody should wait for a signer that is away. */
  readonly waiting: AbortController;
  /** Consensus went on without it. */
  isPast: boolean;
}

type EffectOf<K extends ConsensusEffect["kind"]> = Extract<ConsensusEffect, { readonly kind: K }>;

export interface OwnMessages {
  /**
   * Undefined when there is no signature: the guard refused, since we signed something else there
   * before, the signer was away until nobody needed the vote any more, or the node has halted.
   */
  signVote(request: EffectOf<"signVote">, state: ChainState): Promise<Vote | undefined>;
  signProposal(request: EffectOf<"signProposal">): Promise<Proposal | undefined>;
  /** Consensus has come to this step: what waits for a signer and is of no use any more is given up. */
  movedTo(height: Height, round: Round, step: Step): void;
  /** Stops waiting for a signer that is away; one that is there signs what was asked. */
  giveUp(): void;
  /** Resolves when the signer remembers durably all that it signed: nothing of it leaves before. */
  settled(): Promise<void>;
  /** Tells the signer of a message of ours that the log kept. */
  remember(message: Vote | Proposal): Promise<void>;
  /** Resolves when nothing is being signed. */
  idle(): Promise<void>;
}

export interface OwnMessagesDeps {
  readonly privValidator: PrivValidator;
  readonly executor: BlockExecutor;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: EngineMetrics;
  /** Asked at the last moment: a node that halts while it prepares a signature does not make it. */
  readonly isHalted: () => boolean;
  readonly onCrashPoint?: OnCrashPoint | undefined;
}

export function createOwnMessages(
  options: { readonly chainId: string; readonly ownAddress: Uint8Array },
  deps: OwnMessagesDeps,
): OwnMessages {
  return new Signing(options, deps);
}

class Signing implements OwnMessages {
  readonly #chainId: string;
  readonly #ownAddress: Uint8Array;
  readonly #deps: OwnMessagesDeps;
  /** Signed in the order asked for: the guard would refuse a prevote after its precommit. */
  #tail: Promise<unknown> = Promise.resolve();
  readonly #wishes = new Set<Wish>();

  constructor(
    options: { readonly chainId: string; readonly ownAddress: Uint8Array },
    deps: OwnMessagesDeps,
  ) {
    this.#chainId = options.chainId;
    this.#ownAddress = options.ownAddress;
    this.#deps = deps;
  }

  signVote(request: EffectOf<"signVote">, state: ChainState): Promise<Vote | undefined> {
    const { height, round, type, blockId, block } = request;
    const isPrecommit = type === SignedMsgType.PRECOMMIT;
    const wish = wishFor(isPrecommit ? "precommit" : "prevote", height, round);
    return this.#inTurn(wish, async () => {
      const isExtended =
        isPrecommit && block !== undefined && areExtensionsEnabled(state.consensusParams, height);
      const extension = isExtended ? await this.#extension(request, state) : EMPTY_BYTES;
      if (extension === undefined) return undefined;
      return this.#untilSigned(wish, (signal) => {
        const vote: Vote = {
          type,
          height,
          round,
          blockId,
          timestamp: this.#voteTime(request),
          validatorAddress: this.#ownAddress,
          validatorIndex: request.validatorIndex,
          signature: EMPTY_BYTES,
          extension,
          extensionSignature: EMPTY_BYTES,
        };
        return this.#deps.privValidator.signVote(this.#chainId, vote, isExtended, signal);
      });
    });
  }

  signProposal({ proposal }: EffectOf<"signProposal">): Promise<Proposal | undefined> {
    const wish = wishFor("proposal", proposal.height, proposal.round);
    return this.#inTurn(wish, () =>
      this.#untilSigned(wish, (signal) => {
        const timestamp = this.#deps.clock.now();
        const { privValidator } = this.#deps;
        return privValidator.signProposal(this.#chainId, { ...proposal, timestamp }, signal);
      }),
    );
  }

  movedTo(height: Height, round: Round, step: Step): void {
    for (const wish of this.#wishes) {
      if (!isPast(wish, height, round, step)) continue;
      wish.isPast = true;
      wish.waiting.abort();
    }
  }

  giveUp(): void {
    for (const { waiting } of this.#wishes) waiting.abort();
  }

  settled(): Promise<void> {
    return this.#deps.privValidator.settled();
  }

  async remember(message: Vote | Proposal): Promise<void> {
    const { privValidator, logger } = this.#deps;
    const known = await privValidator.remember(this.#chainId, message);
    // The guard may lack the last messages after a crash, and no more than those.
    if (known === undefined || known + 1 >= message.height) return;
    logger.warn(
      "the signer's state is older than what the log says was signed here; the log's counts. Was data/priv_validator_state.json put back from a copy? Without the log this would sign twice",
      { stateHeight: known, signedHeight: message.height },
    );
  }

  async idle(): Promise<void> {
    await this.#tail;
  }

  /** Our own extension is verified like anybody's: one that others refuse would cost us the vote. */
  async #extension(
    request: EffectOf<"signVote">,
    state: ChainState,
  ): Promise<Uint8Array | undefined> {
    const { block, blockId, height } = request;
    if (block === undefined) return EMPTY_BYTES;
    const { executor, logger } = this.#deps;
    const voteExtension = await executor.extendVote(state, block, blockId);
    if (voteExtension === undefined) return undefined;
    const verdict = await executor.verifyVoteExtension({
      hash: blockId.hash,
      validatorAddress: this.#ownAddress,
      height,
      voteExtension,
    });
    if (verdict.accept) return voteExtension;
    logger.error("the application refuses its own vote extension; not voting", {
      height,
      reason: verdict.reason,
    });
    return undefined;
  }

  /** Later than the block it follows, so that BFT time moves (§10.3). */
  #voteTime({ earliestTime }: EffectOf<"signVote">) {
    const now = this.#deps.clock.now();
    return earliestTime === undefined ? now : laterTime(now, addMs(earliestTime, 1));
  }

  #inTurn<T>(wish: Wish, task: () => Promise<T | undefined>): Promise<T | undefined> {
    const { clock, metrics, logger, onCrashPoint } = this.#deps;
    const { kind, height, round } = wish;
    this.#wishes.add(wish);
    const result = this.#tail.then(async () => {
      const started = clock.monotonicMs();
      await onCrashPoint?.("beforeSign", height);
      try {
        return wish.isPast ? this.#late(wish) : await task();
      } catch (error) {
        if (!isRefusal(error)) throw error;
        metrics.signaturesMissed.inc({ kind, reason: "refused" });
        logger.error("refused to sign", { kind, height, round, reason: error.message });
        return undefined;
      } finally {
        this.#wishes.delete(wish);
        const label = kind === "proposal" ? "proposal" : "vote";
        metrics.signSeconds.observe((clock.monotonicMs() - started) / 1_000, { kind: label });
      }
    });
    this.#tail = Promise.allSettled([result]);
    return result;
  }

  /**
   * Asks again while the signer is away and the signature is still of use: without a vote of ours a
   * round may never end, and nobody asks for it a second time.
   */
  async #untilSigned<T>(
    wish: Wish,
    ask: (signal: AbortSignal) => Promise<T>,
  ): Promise<T | undefined> {
    const { clock, logger } = this.#deps;
    const { signal } = wish.waiting;
    for (let attempt = 1; ; attempt++) {
      if (this.#deps.isHalted()) return undefined;
      try {
        return await ask(signal);
      } catch (error) {
        if (!(error instanceof PrivValidatorError) || error.code !== "PRIVVAL_UNAVAILABLE") {
          throw error;
        }
        const { kind, height, round } = wish;
        if (attempt === 1) {
          logger.warn("the signer is away", { kind, height, round, reason: error.message });
        }
        await pause(clock, SIGN_RETRY_DELAY_MS, signal);
        if (signal.aborted) return this.#late(wish);
      }
    }
  }

  #late({ kind, height, round }: Wish): undefined {
    const { metrics, logger } = this.#deps;
    metrics.signaturesMissed.inc({ kind, reason: "late" });
    logger.warn("not signed: the signer was too late", { kind, height, round });
  }
}

function wishFor(kind: Kind, height: number, round: number): Wish {
  return { kind, height, round, waiting: new AbortController(), isPast: false };
}

/** A precommit still counts for the block of its height while the next height is being decided. */
function isPast(wish: Wish, height: number, round: number, step: Step): boolean {
  if (wish.kind === "precommit" && wish.height === height - 1) return false;
  if (wish.height !== height) return wish.height < height;
  if (wish.round !== round) return wish.round < round;
  return wish.kind === "proposal" && step > Step.PROPOSE;
}

function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = clock.after(delayMs, finish);
    signal.addEventListener("abort", finish);
    if (signal.aborted) finish();
  });
}

/** The guard did its work, here or elsewhere; the node goes on without this signature. */
function isRefusal(error: unknown): error is PrivValidatorError {
  return (
    error instanceof PrivValidatorError &&
    (error.code === "PRIVVAL_REGRESSION" ||
      error.code === "PRIVVAL_CONFLICTING_DATA" ||
      error.code === "PRIVVAL_REMOTE_REFUSED" ||
      error.code === "PRIVVAL_BAD_REPLY")
  );
}

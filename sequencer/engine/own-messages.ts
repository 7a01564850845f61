/** Our votes and proposals: time, extension, signature (spec/cometbft-v0.38.md §10.3, §14, §15.3). */
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import { addMs, laterTime } from "../../proto/time.ts";
import { SignedMsgType, type Proposal, type Vote } from "../../proto/types.ts";
import type { ConsensusEffect } from "../consensus/effects.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { ChainState } from "../store/chain-state.ts";
import type { BlockExecutor } from "./block-executor.ts";
import { areExtensionsEnabled } from "./consensus-params.ts";
import type { OnCrashPoint } from "./crash-points.ts";
import type { EngineMetrics } from "./metrics.ts";
import { PrivValidatorError } from "./privval/errors.ts";
import type { PrivValidator } from "./privval/priv-validator.ts";
import type { WriteAheadLog } from "./wal/write-ahead-log.ts";

type EffectOf<K extends ConsensusEffect["kind"]> = Extract<ConsensusEffect, { readonly kind: K }>;

export interface OwnMessages {
  /** Undefined when the guard refused: we signed something else there before. */
  signVote(request: EffectOf<"signVote">, state: ChainState): Promise<Vote | undefined>;
  signProposal(request: EffectOf<"signProposal">): Promise<Proposal | undefined>;
  /** Resolves when nothing is being signed. */
  idle(): Promise<void>;
}

export interface OwnMessagesDeps {
  readonly privValidator: PrivValidator;
  readonly executor: BlockExecutor;
  readonly wal: WriteAheadLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: EngineMetrics;
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

  constructor(
    options: { readonly chainId: string; readonly ownAddress: Uint8Array },
    deps: OwnMessagesDeps,
  ) {
    this.#chainId = options.chainId;
    this.#ownAddress = options.ownAddress;
    this.#deps = deps;
  }

  signVote(request: EffectOf<"signVote">, state: ChainState): Promise<Vote | undefined> {
    return this.#inTurn("vote", request.height, async () => {
      const { height, round, type, blockId, block } = request;
      const isExtended =
        type === SignedMsgType.PRECOMMIT &&
        block !== undefined &&
        areExtensionsEnabled(state.consensusParams, height);
      const extension = isExtended ? await this.#extension(request, state) : EMPTY_BYTES;
      if (extension === undefined) return undefined;
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
      return this.#deps.privValidator.signVote(this.#chainId, vote, isExtended);
    });
  }

  signProposal({ proposal }: EffectOf<"signProposal">): Promise<Proposal | undefined> {
    return this.#inTurn("proposal", proposal.height, () =>
      this.#deps.privValidator.signProposal(this.#chainId, {
        ...proposal,
        timestamp: this.#deps.clock.now(),
      }),
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

  #inTurn<T>(
    kind: "vote" | "proposal",
    height: number,
    task: () => Promise<T>,
  ): Promise<T | undefined> {
    const { wal, clock, metrics, logger, onCrashPoint } = this.#deps;
    const result = this.#tail.then(async () => {
      const started = clock.monotonicMs();
      // What led to this signature must not be forgotten while the signature is remembered.
      await wal.sync();
      await onCrashPoint?.("beforeSign", height);
      try {
        const signed = await task();
        await onCrashPoint?.("afterSign", height);
        return signed;
      } catch (error) {
        if (!isRefusal(error)) throw error;
        logger.error("refused to sign", { kind, height, reason: error.message });
        return undefined;
      } finally {
        metrics.signSeconds.observe((clock.monotonicMs() - started) / 1_000, { kind });
      }
    });
    this.#tail = Promise.allSettled([result]);
    return result;
  }
}

/** The guard did its work; the node goes on without this signature. */
function isRefusal(error: unknown): error is PrivValidatorError {
  return (
    error instanceof PrivValidatorError &&
    (error.code === "PRIVVAL_REGRESSION" || error.code === "PRIVVAL_CONFLICTING_DATA")
  );
}

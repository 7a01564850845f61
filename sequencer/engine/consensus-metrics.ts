/** Feeds CometBFT's consensus metrics from steps and blocks. */
import { bytesEqual } from "../../proto/bytes.ts";
import { BlockIdFlag, type Block, type Commit } from "../../proto/types.ts";
import type { RoundStateView } from "../consensus/round-state.ts";
import { Step } from "../consensus/step.ts";
import type { Clock } from "../ports/clock.ts";
import { timeToMs } from "../../proto/time.ts";
import type { ChainState } from "../store/chain-state.ts";
import type { EngineMetrics } from "./metrics.ts";

/** CometBFT's names of the steps: in events, RPC and metrics. */
export const STEP_NAMES: Readonly<Record<Step, string>> = {
  [Step.NEW_HEIGHT]: "RoundStepNewHeight",
  [Step.NEW_ROUND]: "RoundStepNewRound",
  [Step.PROPOSE]: "RoundStepPropose",
  [Step.PREVOTE]: "RoundStepPrevote",
  [Step.PREVOTE_WAIT]: "RoundStepPrevoteWait",
  [Step.PRECOMMIT]: "RoundStepPrecommit",
  [Step.PRECOMMIT_WAIT]: "RoundStepPrecommitWait",
  [Step.COMMIT]: "RoundStepCommit",
};

export class ConsensusMetrics {
  readonly #metrics: EngineMetrics;
  readonly #clock: Clock;
  readonly #ownAddress: Uint8Array | undefined;
  #step: Step | undefined;
  #stepStartedMs = 0;
  #round = 0;
  #roundStartedMs = 0;

  constructor(metrics: EngineMetrics, clock: Clock, ownAddress: Uint8Array | undefined) {
    this.#metrics = metrics;
    this.#clock = clock;
    this.#ownAddress = ownAddress;
  }

  stepChanged(step: Step, round: number): void {
    const now = this.#clock.monotonicMs();
    if (this.#step !== undefined && this.#step !== step) {
      const name = STEP_NAMES[this.#step].slice("RoundStep".length);
      this.#metrics.stepDurationSeconds.observe((now - this.#stepStartedMs) / 1_000, {
        step: name,
      });
    }
    if (this.#step !== step) this.#stepStartedMs = now;
    this.#step = step;
    if (step === Step.NEW_ROUND || round !== this.#round) {
      if (this.#roundStartedMs !== 0) {
        this.#metrics.roundDurationSeconds.observe((now - this.#roundStartedMs) / 1_000);
      }
      this.#roundStartedMs = now;
      this.#round = round;
      this.#metrics.rounds.set(round);
    }
  }

  heightStarted(view: RoundStateView): void {
    const { validators, totalVotingPower } = view.validators;
    this.#metrics.height.set(view.height);
    this.#metrics.rounds.set(0);
    this.#metrics.validators.set(validators.length);
    this.#metrics.validatorsPower.set(Number(totalVotingPower));
    const own = validators.find((validator) => this.#isOwn(validator.address));
    this.#metrics.validatorPower.set(Number(own?.votingPower ?? 0n));
  }

  /** +2/3 prevoted the proposal. */
  quorumPrevoted({ proposal }: RoundStateView): void {
    if (proposal === undefined) return;
    const delayMs = timeToMs(this.#clock.now()) - timeToMs(proposal.timestamp);
    this.#metrics.quorumPrevoteDelaySeconds.set(delayMs / 1_000);
  }

  /** `before` is the state the block was decided in. */
  blockCommitted(block: Block, before: ChainState, sizeBytes: number): void {
    const { header, txs, lastCommit, evidence } = block;
    const metrics = this.#metrics;
    metrics.latestBlockHeight.set(header.height);
    metrics.numTxs.set(txs.length);
    if (txs.length > 0) metrics.totalTxs.inc(undefined, txs.length);
    metrics.blockSizeBytes.set(sizeBytes);
    if (before.lastBlockHeight > 0) {
      const interval = timeToMs(header.time) - timeToMs(before.lastBlockTime);
      metrics.blockIntervalSeconds.observe(interval / 1_000);
      this.#countMissing(lastCommit, before);
    }
    let power = 0n;
    for (const piece of evidence) {
      if (piece.kind === "duplicateVote") power += piece.validatorPower;
      else for (const validator of piece.byzantineValidators) power += validator.votingPower;
    }
    metrics.byzantineValidators.set(
      evidence.reduce(
        (sum, piece) =>
          sum + (piece.kind === "duplicateVote" ? 1 : piece.byzantineValidators.length),
        0,
      ),
    );
    metrics.byzantineValidatorsPower.set(Number(power));
  }

  #countMissing(lastCommit: Commit, before: ChainState): void {
    const validators = before.lastValidators?.validators ?? [];
    let missing = 0;
    let power = 0n;
    for (const [i, validator] of validators.entries()) {
      const flag = lastCommit.signatures[i]?.blockIdFlag;
      const isAbsent = flag === undefined || flag === BlockIdFlag.ABSENT;
      if (isAbsent) {
        missing++;
        power += validator.votingPower;
      }
      if (!this.#isOwn(validator.address)) continue;
      if (isAbsent) this.#metrics.validatorMissedBlocks.inc();
      else this.#metrics.validatorLastSignedHeight.set(lastCommit.height);
    }
    this.#metrics.missingValidators.set(missing);
    this.#metrics.missingValidatorsPower.set(Number(power));
  }

  #isOwn(address: Uint8Array): boolean {
    return this.#ownAddress !== undefined && bytesEqual(address, this.#ownAddress);
  }
}

/**
 * The part of a height that is about atomic bundles (docs/adr/0024): decisions before preparations before the block, each
 * durable in the executor when it has answered, so that a crash repeats from the first. Votes are on disk before the
 * height is gone, and so is what has to be reported.
 */
import { type Height, type RollupId } from "../../proto/brands.ts";
import { bytesEqual, fromHex, toHex } from "../../proto/bytes.ts";
import type { DecidedLeg } from "../../proto/codec/atomic-decision.ts";
import { AtomicOutcome, Verdict } from "../../proto/codec/atomic-tx.ts";
import { isWeftError, WeftError } from "../../proto/errors.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import type { FilledBlock } from "../client/block-verifier.ts";
import type { AtomicLeg, VerifiedDecision } from "../client/executed.ts";
import type {
  AtomicLevel,
  ExecuteBlockResponse,
  Executor,
  PrepareBundleResponse,
} from "../execution.ts";
import type { DriverMetrics } from "./metrics.ts";
import type { Voter } from "./voter.ts";

export type AtomicStepsErrorInfo =
  /** A block holds a leg that is to be executed atomically, and the executor cannot. */
  | { readonly code: "DRIVER_ATOMIC_UNSUPPORTED"; readonly height: Height }
  /** A bundle is committed with effects that this executor did not find. */
  | { readonly code: "DRIVER_BUNDLE_DIVERGED"; readonly height: Height };

export interface AtomicSteps {
  /** Once, before the first block of a stream: what was executed and not reported when the process ended. */
  resume(): Promise<void>;
  /** What comes before `executeBlock`. @throws WeftError<AtomicStepsErrorInfo> */
  before(block: FilledBlock, level: AtomicLevel): Promise<void>;
  /** What comes after it. */
  after(block: FilledBlock, result: ExecuteBlockResponse): Promise<void>;
}

export interface AtomicStepsOptions {
  readonly rollupId: RollupId;
  /** Bundles below it are none of the rollup's. */
  readonly startHeight: Height;
}

export interface AtomicStepsDependencies {
  readonly executor: Executor;
  /** Left out: the node follows and does not vote. */
  readonly voter: Voter | undefined;
  readonly logger: Logger;
  readonly metrics: DriverMetrics;
}

export function createAtomicSteps(
  options: AtomicStepsOptions,
  deps: AtomicStepsDependencies,
): AtomicSteps {
  const { executor, voter, logger, metrics } = deps;
  const rollupId = fromHex(options.rollupId);

  async function decide(block: FilledBlock, decided: VerifiedDecision): Promise<void> {
    const { bundleId, decision } = decided;
    const { height } = block.header;
    const { outcome } = decision;
    const answer = await executor.decideBundle?.({
      sequencerBlockHash: block.hash,
      sequencerHeight: height,
      bundleId,
      outcome,
      reason: decision.reason,
    });
    if (answer === undefined) return refuseLevel(height);
    const leg = decision.legs.find((one) => bytesEqual(one.rollupId, rollupId));
    compare(height, bundleId, outcome, leg, answer.prepared);
    metrics.atomicDecided.inc({ outcome: outcome === AtomicOutcome.COMMIT ? "commit" : "abort" });
    await voter?.decided({
      bundleId,
      placed: decided.height,
      height,
      sequencerBlockHash: block.hash,
      timestamp: block.header.time,
      outcome,
      effectsHash:
        outcome === AtomicOutcome.COMMIT ? answer.prepared.effectsHash : new Uint8Array(0),
    });
  }

  /** What this node found against what a quorum of the rollup's executors did. */
  function compare(
    height: Height,
    bundleId: Uint8Array,
    outcome: AtomicOutcome,
    leg: DecidedLeg | undefined,
    prepared: PrepareBundleResponse,
  ): void {
    if (leg?.verdict !== Verdict.YES || bytesEqual(leg.effectsHash, prepared.effectsHash)) return;
    const fields = {
      bundleId: toHex(bundleId),
      decided: toHex(leg.effectsHash),
      own: toHex(prepared.effectsHash),
    };
    if (outcome === AtomicOutcome.ABORT) {
      logger.error(
        "executors of this rollup voted for effects that this node did not find",
        fields,
      );
      return;
    }
    throw new WeftError<AtomicStepsErrorInfo>(
      { code: "DRIVER_BUNDLE_DIVERGED", height },
      `bundle ${fields.bundleId} is committed at height ${height} with effects ${fields.decided}, this node found ${fields.own || "none"}: either it is wrong or a quorum of the rollup's executors is; find out which before going on`,
    );
  }

  async function prepare(block: FilledBlock, leg: AtomicLeg): Promise<void> {
    const { height, time } = block.header;
    const { bundleId } = leg;
    const prepared = await executor.prepareBundle?.({
      sequencerBlockHash: block.hash,
      sequencerHeight: height,
      timestamp: time,
      bundleId,
      leg: leg.leg,
      legs: leg.legs,
      siblingRollupIds: leg.rollupIds.filter((id) => !bytesEqual(id, rollupId)),
      payloads: leg.payloads,
      locksMax: leg.locksMax,
    });
    if (prepared === undefined) return refuseLevel(height);
    metrics.atomicPrepared.inc({ verdict: prepared.verdict === Verdict.YES ? "yes" : "no" });
    await voter?.vote({ bundleId, height, content: prepared });
  }

  /** The rollup's block of a height that was executed: asked again, the answer is the one of then, whatever the payloads. */
  async function executedHash(
    due: ReturnType<Voter["unexecuted"]>[number],
  ): Promise<Uint8Array | undefined> {
    try {
      const { hash } = await executor.executeBlock({
        sequencerBlockHash: due.sequencerBlockHash,
        sequencerHeight: due.height,
        timestamp: due.timestamp,
        payloads: [],
      });
      return hash;
    } catch (error) {
      if (!isWeftError(error) || error.code !== "EXECUTION_HEIGHT_FORGOTTEN") throw error;
      logger.error("a report cannot be made: the executor has forgotten the height", {
        height: due.height,
      });
      return undefined;
    }
  }

  return {
    async resume() {
      for (const due of voter?.unexecuted() ?? []) {
        const { nextSequencerHeight } = await executor.getStatus();
        // Not executed yet: the stream brings the height again.
        if (nextSequencerHeight === undefined || due.height >= nextSequencerHeight) continue;
        const hash = await executedHash(due);
        if (hash !== undefined) await voter?.executed(due.height, hash);
        else await voter?.abandon(due.height);
      }
    },

    async before(block, level) {
      const { height } = block.header;
      const decisions = block.atomicDecisions.filter((one) => one.height >= options.startHeight);
      if (decisions.length === 0 && block.atomicLegs.length === 0) return;
      if (level === 0) refuseLevel(height);
      for (const decided of decisions) await decide(block, decided);
      for (const leg of block.atomicLegs) await prepare(block, leg);
    },

    async after(block, result) {
      const { height } = block.header;
      if (block.atomicDecisions.length > 0) await voter?.executed(height, result.hash);
      voter?.blockExecuted(height);
    },
  };
}

function refuseLevel(height: Height): never {
  throw new WeftError<AtomicStepsErrorInfo>(
    { code: "DRIVER_ATOMIC_UNSUPPORTED", height },
    `block ${height} holds a leg of an atomic bundle, and this rollup's executor offers level 0: its policy must not say executor_quorum until its executor can (genesis "atomic" of the reference EVM)`,
  );
}

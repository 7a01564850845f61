/**
 * Feeds a rollup's executor: streams ordered blocks from a sequencer node, verifies each before it is
 * executed, and goes on at any height after any end of either side. Trusts no node: one whose block
 * fails verification is left for the next.
 */
import { Height, type RollupId } from "../../proto/brands.ts";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { isWeftError, WeftError } from "../../proto/errors.ts";
import { timeToMs } from "../../proto/time.ts";
import type { SignatureVerifier } from "../../proto/verify/ed25519.ts";
import type { Clock } from "../../sequencer/ports/clock.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import {
  type BlockVerifier,
  createBlockVerifier,
  type TrustedState,
  type VerifiedBlock,
} from "../client/block-verifier.ts";
import type { SequencerClient } from "../client/sequencer-client.ts";
import type { ExecuteBlockResponse, Executor, ExecutorStatus } from "../execution.ts";
import { RETRY_MS_FIRST, RETRY_MS_MAX, TRUST_SAVE_BLOCKS } from "../limits.ts";
import type { DriverMetrics } from "./metrics.ts";
import type { TrustStore } from "./trust-store.ts";

export type DriverErrorInfo =
  /** The configured trust lies above what the executor needs next. */
  | { readonly code: "DRIVER_TRUST_AHEAD"; readonly trusted: Height; readonly next: Height }
  /** Validators signed another block than the one that was executed at this height. */
  | { readonly code: "DRIVER_FORK"; readonly height: Height };

export interface DriverOptions {
  readonly rollupId: RollupId;
  /** First sequencer height whose payloads belong to the rollup. */
  readonly startHeight: Height;
  /** Where trust begins when nothing is stored: not above `startHeight - 1`. */
  readonly trust: TrustedState;
}

export interface DriverDependencies {
  /** Nodes to follow, tried in turn. */
  readonly clients: readonly SequencerClient[];
  readonly executor: Executor;
  readonly trustStore: TrustStore;
  readonly signatures: SignatureVerifier;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: DriverMetrics;
  /** Told after each executed block, in order. */
  readonly onExecuted: (block: VerifiedBlock, result: ExecuteBlockResponse) => void;
}

export interface DriverStatus {
  /** Last sequencer height that was verified and executed. */
  readonly sequencerHeight: Height;
  /** Whether the last attempt to stream is alive. */
  readonly isStreaming: boolean;
  /** Why nothing moves, when nothing moves. */
  readonly lastError: string | undefined;
}

export interface Driver {
  /** Runs until `stop`; rejects only for what trying again cannot mend. */
  run(): Promise<void>;
  stop(): Promise<void>;
  status(): DriverStatus;
}

/** Executor errors after which going on would be wrong. */
const FATAL_EXECUTION = new Set([
  "EXECUTION_GENESIS_MISMATCH",
  "EXECUTION_CONFLICT",
  "EXECUTION_HALTED",
  "EXECUTION_INVALID_REQUEST",
]);

const FATAL_DRIVER = new Set<string>([
  "DRIVER_TRUST_AHEAD",
  "DRIVER_FORK",
] satisfies DriverErrorInfo["code"][]);

export function createDriver(options: DriverOptions, deps: DriverDependencies): Driver {
  const { clients, executor, trustStore, clock, logger, metrics } = deps;
  const abort = new AbortController();
  let status: DriverStatus = {
    sequencerHeight: Height(0),
    isStreaming: false,
    lastError: undefined,
  };
  let running: Promise<void> | undefined;
  let saved = 0;

  async function runLoop(): Promise<void> {
    let pauseMs = RETRY_MS_FIRST;
    for (let attempt = 0; !abort.signal.aborted; attempt++) {
      const client = clients[attempt % clients.length];
      if (client === undefined)
        throw new RangeError("a driver needs at least one sequencer client");
      const before = status.sequencerHeight;
      try {
        await follow(client);
      } catch (error) {
        if (isFatal(error)) throw error;
        report(error);
      }
      status = { ...status, isStreaming: false };
      if (abort.signal.aborted) break;
      metrics.streamRestarts.inc();
      pauseMs =
        status.sequencerHeight > before ? RETRY_MS_FIRST : Math.min(pauseMs * 2, RETRY_MS_MAX);
      await pause(pauseMs);
    }
  }

  /** One stream, from the executor's next height until it ends. */
  async function follow(client: SequencerClient): Promise<void> {
    const { nextSequencerHeight: next } = await executor.init({
      rollupId: options.rollupId,
      sequencerChainId: options.trust.chainId,
      sequencerStartHeight: options.startHeight,
    });
    const { sequencer: executed } = await executor.getStatus();
    const trusted = await trustBelow(next);
    checkSame(trusted.height, trusted.blockHash, executed);
    const verifier = createBlockVerifier(options.rollupId, trusted, deps.signatures);
    const stream = client.blocks({
      rollupId: options.rollupId,
      fromHeight: Height(trusted.height + 1),
      signal: abort.signal,
    });
    for await (const block of stream) {
      status = { ...status, isStreaming: true };
      metrics.sequencerHead.set(block.height);
      const verified = await verifyTimed(verifier, block);
      // Between stored trust and the executor's height: verified again, executed before.
      if (verified.header.height >= next) await execute(verified);
      else checkSame(verified.header.height, verified.hash, executed);
      if (abort.signal.aborted) break;
    }
    await saveTrust(verifier.trusted(), true);
  }

  /** What was executed is what is followed: a fork that enough keys signed must not go unseen. */
  function checkSame(
    height: Height,
    hash: Uint8Array | undefined,
    executed: ExecutorStatus["sequencer"],
  ): void {
    if (hash === undefined || executed?.height !== height) return;
    if (bytesEqual(hash, executed.blockHash)) return;
    throw new WeftError<DriverErrorInfo>(
      { code: "DRIVER_FORK", height },
      `sequencer block ${height} was executed as ${toHex(executed.blockHash)}, now ${toHex(hash)} is signed for that height: either the validators forked or the data belongs to another network; stop and find out which before going on`,
    );
  }

  /** The stored trust, or the configured one when the executor's data is older than what is stored. */
  async function trustBelow(next: Height): Promise<TrustedState> {
    const stored = await trustStore.load();
    if (stored !== undefined && stored.height < next) return stored;
    if (stored !== undefined) {
      logger.warn(
        "the executor is behind the stored trust; verifying again from the configured one",
        {
          stored: stored.height,
          next,
          configured: options.trust.height,
        },
      );
    }
    if (options.trust.height < next) return options.trust;
    throw new WeftError<DriverErrorInfo>(
      { code: "DRIVER_TRUST_AHEAD", trusted: options.trust.height, next },
      `the executor needs sequencer height ${next} but the configured trust begins at ${options.trust.height}; configure a trusted height below ${next}`,
    );
  }

  async function verifyTimed(
    verifier: BlockVerifier,
    block: Parameters<BlockVerifier["verify"]>[0],
  ): Promise<VerifiedBlock> {
    const start = clock.monotonicMs();
    try {
      return await verifier.verify(block);
    } catch (error) {
      metrics.refused.inc({ code: isWeftError(error) ? error.code : "UNEXPECTED" });
      throw error;
    } finally {
      metrics.verifySeconds.observe((clock.monotonicMs() - start) / 1_000);
    }
  }

  async function execute(block: VerifiedBlock): Promise<void> {
    const result = await executor.executeBlock({
      sequencerBlockHash: block.hash,
      sequencerHeight: block.header.height,
      timestamp: block.header.time,
      payloads: block.payloads,
    });
    if (result.outcome === "block") {
      // COMMITTED is final by more than 2/3 of the stake: both labels move at once.
      await executor.setFinality({ safeHash: result.hash, finalizedHash: result.hash });
    }
    status = { ...status, sequencerHeight: block.header.height, lastError: undefined };
    metrics.sequencerHeight.set(block.header.height);
    metrics.headNumber.set(result.number);
    metrics.payloads.inc(undefined, block.payloads.length);
    metrics.blockLagSeconds.set((timeToMs(clock.now()) - timeToMs(block.header.time)) / 1_000);
    deps.onExecuted(block, result);
    await saveTrust(block.trusted, false);
  }

  async function saveTrust(trusted: TrustedState, isLast: boolean): Promise<void> {
    if (trusted.height === saved || (!isLast && trusted.height < saved + TRUST_SAVE_BLOCKS)) return;
    saved = trusted.height;
    await trustStore.save(trusted);
  }

  function report(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    status = { ...status, lastError: text };
    logger.warn("following the sequencer failed; trying again", {
      error: text,
      code: isWeftError(error) ? error.code : undefined,
      sequencerHeight: status.sequencerHeight,
    });
  }

  function pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        // One listener for each of the pauses of a long outage would pile up.
        abort.signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = clock.after(delayMs, end);
      abort.signal.addEventListener("abort", end);
    });
  }

  return {
    run() {
      running ??= runLoop();
      return running;
    },
    async stop() {
      abort.abort();
      // A fatal end was already reported by `run`.
      await running?.catch(() => {});
    },
    status: () => status,
  };
}

function isFatal(error: unknown): boolean {
  return isWeftError(error) && (FATAL_EXECUTION.has(error.code) || FATAL_DRIVER.has(error.code));
}

/**
 * Feeds a rollup's executor: streams ordered blocks from a sequencer node, verifies each before it is
 * executed, and goes on at any height after any end of either side. Trusts no node: one whose block
 * fails verification is left for the next.
 */
import { Height, type RollupId } from "../../proto/brands.ts";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { isWeftError, WeftError } from "../../proto/errors.ts";
import { timeToMs } from "../../proto/time.ts";
import type { Timestamp } from "../../proto/types.ts";
import type { SignatureVerifier } from "../../proto/verify/ed25519.ts";
import type { Clock } from "../../sequencer/ports/clock.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import {
  type BlockVerifier,
  createBlockVerifier,
  type FilledBlock,
} from "../client/block-verifier.ts";
import type { TrustedState } from "../client/header-chain.ts";
import type { VerifyErrorInfo } from "../client/verify-error.ts";
import type { SequencerClient } from "../client/sequencer-client.ts";
import type { AtomicLevel, ExecuteBlockResponse, Executor, ExecutorStatus } from "../execution.ts";
import { RETELLS_MAX, RETRY_MS_FIRST, RETRY_MS_MAX, TRUST_SAVE_BLOCKS } from "../limits.ts";
import { type AtomicStepsErrorInfo, createAtomicSteps } from "./atomic-steps.ts";
import { type CatchingUp, createCatchUp } from "./catch-up.ts";
import type { DriverMetrics } from "./metrics.ts";
import type { TrustStore } from "./trust-store.ts";
import type { Voter, VoterErrorInfo } from "./voter.ts";

export type DriverErrorInfo =
  /** The configured trust lies above what the executor needs next. */
  | { readonly code: "DRIVER_TRUST_AHEAD"; readonly trusted: Height; readonly next: Height }
  /** Validators signed another block than the one that was executed at this height. */
  | { readonly code: "DRIVER_FORK"; readonly height: Height }
  /** A node serves another chain than the configured one; fatal when all nodes do. */
  | { readonly code: "DRIVER_OTHER_CHAIN"; readonly chainId: string }
  /** Nothing that any of the nodes sends verifies from where trust begins. */
  | { readonly code: "DRIVER_UNVERIFIABLE" };

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
  /** Speaks for an executor of the rollup about legs of atomic bundles; left out: this node only follows. */
  readonly voter?: Voter | undefined;
  /** Told after each executed block, in order. */
  readonly onExecuted: (block: FilledBlock, result: ExecuteBlockResponse) => void;
}

export interface DriverStatus {
  /** Last sequencer height that was verified and executed. */
  readonly sequencerHeight: Height;
  /** Whether the current stream has brought a block that verified. */
  readonly isStreaming: boolean;
  /** While the order is further than what was executed, and blocks come; undefined: at the head, for all that is known. */
  readonly catchingUp: CatchingUp | undefined;
  /** Since the last block that was new here, or since the start, in ms. */
  readonly silentForMs: number;
  /** Wall time of that block's arrival, or of the start. */
  readonly silentSince: Timestamp;
  /** Why nothing moves, when nothing moves. */
  readonly lastError: string | undefined;
}

export interface Driver {
  /** Resolves when the first block since the start has verified. */
  readonly following: Promise<void>;
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
  "EXECUTION_BUNDLE_UNKNOWN",
  "EXECUTION_ATOMIC_UNSUPPORTED",
]);

const FATAL_DRIVER = new Set<string>([
  "DRIVER_TRUST_AHEAD",
  "DRIVER_FORK",
  "DRIVER_UNVERIFIABLE",
] satisfies DriverErrorInfo["code"][]);

/** Going on would make another rollup of this one, or cost the executor's bond. */
const FATAL_ATOMIC = new Set<string>([
  "DRIVER_ATOMIC_UNSUPPORTED",
  "DRIVER_BUNDLE_DIVERGED",
  "VOTER_CONTRADICTION",
] satisfies (AtomicStepsErrorInfo | VoterErrorInfo)["code"][]);

/** gRPC statuses of a call that no node of the network took. */
const NO_NODE = new Set(["UNAVAILABLE", "DEADLINE_EXCEEDED", "UNIMPLEMENTED"]);
const NODES_HINT =
  "(the key sequencer.nodes of rollup.json lists the nodes: host:port of their gRPC)";

const VERIFY_BUNDLE = "VERIFY_BUNDLE" satisfies VerifyErrorInfo["code"];

export function createDriver(options: DriverOptions, deps: DriverDependencies): Driver {
  const { clients, executor, trustStore, clock, logger, metrics } = deps;
  const abort = new AbortController();
  let status: Pick<DriverStatus, "sequencerHeight" | "isStreaming" | "lastError"> = {
    sequencerHeight: Height(0),
    isStreaming: false,
    lastError: undefined,
  };
  let progress = { at: clock.now(), monotonicMs: clock.monotonicMs() };
  /** Until something verifies: what each node did that asking it again will hardly mend. */
  let refusals: Map<SequencerClient, unknown> | undefined = new Map();
  let follows: () => void = () => {};
  const following = new Promise<void>((resolve) => {
    follows = resolve;
  });
  let running: Promise<void> | undefined;
  let saved = 0;
  let atomicLevel: AtomicLevel = 0;
  /** Handed to the executor, and not told of yet: if a failure came in between, its answer is asked for again. */
  let untold: FilledBlock | undefined;
  /** Times that asking for it again has failed. */
  let untoldFailures = 0;
  const catchUp = createCatchUp({ clients, chainId: options.trust.chainId }, { clock, metrics });
  const atomic = createAtomicSteps(options, { executor, voter: deps.voter, logger, metrics });

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
        checkHope(client, error);
      }
      catchUp.waited();
      status = { ...status, isStreaming: false };
      if (abort.signal.aborted) break;
      metrics.streamRestarts.inc();
      pauseMs =
        status.sequencerHeight > before ? RETRY_MS_FIRST : Math.min(pauseMs * 2, RETRY_MS_MAX);
      await pause(pauseMs);
    }
  }

  /** What is wrong with every node from the start is wrong here: trying for ever would hide it. */
  function checkHope(client: SequencerClient, error: unknown): void {
    if (refusals === undefined) return;
    if (!isRefusal(error)) {
      refusals.delete(client);
      return;
    }
    refusals.set(client, error);
    if (refusals.size < clients.length) return;
    // Another chain at every node is a matter of configuration, and says so itself.
    if ([...refusals.values()].every(isOtherChain)) throw error;
    throw new WeftError<DriverErrorInfo>(
      { code: "DRIVER_UNVERIFIABLE" },
      `no node sends blocks that verify after height ${status.sequencerHeight || options.trust.height}; check sequencer.trust (height, block_hash, next_validators_hash) and sequencer.nodes in rollup.json, and that the data directory is of this network`,
      { cause: error },
    );
  }

  /** One stream, from the executor's next height until it ends. */
  async function follow(client: SequencerClient): Promise<void> {
    // Before the executor is bound to the configured chain for good.
    const { chainId, height } = await client.chainInfo();
    if (chainId !== options.trust.chainId) {
      throw new WeftError<DriverErrorInfo>(
        { code: "DRIVER_OTHER_CHAIN", chainId },
        `the sequencer node serves chain ${JSON.stringify(chainId)}, configured is ${JSON.stringify(options.trust.chainId)}; correct sequencer.chain_id or sequencer.nodes in rollup.json`,
      );
    }
    catchUp.told(client, height);
    const initialized = await executor.init({
      rollupId: options.rollupId,
      sequencerChainId: options.trust.chainId,
      sequencerStartHeight: options.startHeight,
    });
    const { nextSequencerHeight: next } = initialized;
    ({ atomicLevel } = initialized);
    catchUp.resumed(Height(next - 1));
    await atomic.resume();
    await tellUntold(next);
    const before = await executor.getStatus();
    sayAhead(next, height);
    const trusted = await trustBelow(next);
    await passBy(trusted.height, trusted.blockHash, before);
    const verifier = createBlockVerifier(options.rollupId, trusted, deps.signatures);
    const stream = client.blocks({
      rollupId: options.rollupId,
      fromHeight: Height(trusted.height + 1),
      level: "filled",
      signal: abort.signal,
    });
    catchUp.waits();
    for await (const block of stream) {
      catchUp.waited();
      const verified = await verifyTimed(verifier, block);
      if (!status.isStreaming) {
        logger.info("blocks come and verify", { from: verified.header.height, head: height });
      }
      status = { ...status, isStreaming: true };
      refusals = undefined;
      follows();
      // Between stored trust and the executor's height: verified again, executed before.
      if (verified.header.height >= next) {
        await execute(verified);
        catchUp.executed(client, verified.header);
      } else await passBy(verified.header.height, verified.hash, before);
      catchUp.waits();
      if (abort.signal.aborted) break;
    }
    await saveTrust(verifier.trusted(), true);
  }

  /** An executor that was fed elsewhere, or a node that is behind: said, for until it is there nothing moves. */
  function sayAhead(next: Height, height: Height): void {
    if (next <= height + 1) return;
    const text = `the executor has taken sequencer height ${next - 1}, this node of the network is at ${height}: waiting for it; if it never comes there, the executor's data are of another network`;
    status = { ...status, lastError: text };
    logger.warn("the executor is ahead of the sequencer's node", { next, height });
  }

  /**
   * What was executed is what is followed: a fork that enough keys signed must not go unseen. When that is known, labels
   * that a crash kept from moving with the head do so.
   */
  async function passBy(
    height: Height,
    hash: Uint8Array | undefined,
    { sequencer: executed, head, finalized }: ExecutorStatus,
  ): Promise<void> {
    if (hash === undefined || executed?.height !== height) return;
    if (!bytesEqual(hash, executed.blockHash)) {
      throw new WeftError<DriverErrorInfo>(
        { code: "DRIVER_FORK", height },
        `sequencer block ${height} was executed as ${toHex(executed.blockHash)}, now ${toHex(hash)} is signed for that height: either the validators forked or the data belongs to another network; stop and find out which before going on`,
      );
    }
    if (finalized.number >= head.number) return;
    await label(head.hash);
  }

  /** The newest stored trust below `next`, or the configured one when the executor's data is older than all of it. */
  async function trustBelow(next: Height): Promise<TrustedState> {
    const stored = await trustStore.load(next);
    if (stored !== undefined) return stored;
    const newest = await trustStore.load();
    if (newest !== undefined) {
      logger.warn(
        "the executor is behind all stored trust; verifying again from the configured one",
        { stored: newest.height, next, configured: options.trust.height },
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
    block: Parameters<BlockVerifier["verifyFilled"]>[0],
  ): Promise<FilledBlock> {
    const start = clock.monotonicMs();
    try {
      return await verifier.verifyFilled(block);
    } catch (error) {
      const code = isWeftError(error) ? error.code : "UNEXPECTED";
      metrics.refused.inc({ code });
      if (code === VERIFY_BUNDLE) metrics.bundleViolations.inc();
      throw error;
    } finally {
      metrics.verifySeconds.observe((clock.monotonicMs() - start) / 1_000);
    }
  }

  /** The stream goes on above what the executor has taken; what became of it there must not go unheard. */
  async function tellUntold(next: Height): Promise<void> {
    const block = untold;
    // Not taken, or lost since: the stream brings it again.
    if (block === undefined || block.header.height >= next) return;
    try {
      await executed(block, labelUnlessFurther);
    } catch (error) {
      // What failed came after it was told.
      if (untold === undefined || isFatal(error)) throw error;
      // Nothing that may never mend is worth all blocks that come after it.
      if (!isForgotten(error) && ++untoldFailures < RETELLS_MAX) throw error;
      untold = undefined;
      logger.warn(
        "what became of a block's payloads is not known: the executor does not answer for it",
        {
          height: block.header.height,
          error: error instanceof Error ? error.message : String(error),
        },
      );
    }
  }

  async function execute(block: FilledBlock): Promise<void> {
    await atomic.before(block, atomicLevel);
    untold = block;
    untoldFailures = 0;
    await executed(block, label);
  }

  /** Final by more than 2/3 of the stake, sealed entries included: both labels move at once. */
  async function label(hash: Uint8Array): Promise<void> {
    await executor.setFinality({ safeHash: hash, finalizedHash: hash });
  }

  /** Another driver of the executor may have gone on above the block meanwhile, and labels never move back. */
  async function labelUnlessFurther(hash: Uint8Array): Promise<void> {
    try {
      await label(hash);
    } catch (error) {
      if (!isWeftError(error) || error.code !== "EXECUTION_FINALITY_REGRESSION") throw error;
    }
  }

  /** Asked again, the executor answers as it did. */
  async function executed(block: FilledBlock, labels: typeof label): Promise<void> {
    const result = await executor.executeBlock({
      sequencerBlockHash: block.hash,
      sequencerHeight: block.header.height,
      timestamp: block.header.time,
      payloads: block.payloads,
      legs: block.legs,
    });
    if (result.outcome === "block") await labels(result.hash);
    await atomic.after(block, result);
    status = { ...status, sequencerHeight: block.header.height, lastError: undefined };
    progress = { at: clock.now(), monotonicMs: clock.monotonicMs() };
    metrics.sequencerHeight.set(block.header.height);
    metrics.headNumber.set(result.number);
    metrics.payloads.inc(undefined, block.payloads.length);
    metrics.bundleLegs.inc(undefined, block.legs.length);
    metrics.blockLagSeconds.set((timeToMs(clock.now()) - timeToMs(block.header.time)) / 1_000);
    untold = undefined;
    deps.onExecuted(block, result);
    await saveTrust(block.trusted, false);
  }

  async function saveTrust(trusted: TrustedState, isLast: boolean): Promise<void> {
    if (trusted.height === saved || (!isLast && trusted.height < saved + TRUST_SAVE_BLOCKS)) return;
    saved = trusted.height;
    await trustStore.save(trusted);
  }

  function report(error: unknown): void {
    const said = error instanceof Error ? error.message : String(error);
    const text = isNoNode(error) ? `${said} ${NODES_HINT}` : said;
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
    following,
    run() {
      if (running === undefined) {
        catchUp.start();
        running = runLoop().finally(() => catchUp.stop());
      }
      return running;
    },
    async stop() {
      abort.abort();
      // A fatal end was already reported by `run`.
      await running?.catch(() => {});
    },
    status: () => ({
      ...status,
      catchingUp: catchUp.state(),
      silentForMs: clock.monotonicMs() - progress.monotonicMs,
      silentSince: progress.at,
    }),
  };
}

function isFatal(error: unknown): boolean {
  if (!isWeftError(error)) return false;
  const fatal = [FATAL_EXECUTION, FATAL_DRIVER, FATAL_ATOMIC];
  return fatal.some((codes) => codes.has(error.code));
}

function isForgotten(error: unknown): boolean {
  return isWeftError(error) && error.code === "EXECUTION_HEIGHT_FORGOTTEN";
}

/** Nothing answers as a node of the network does: it is away, or the address is none of a node. */
function isNoNode(error: unknown): boolean {
  if (!isWeftError(error) || error.code !== "SEQUENCER_CALL_FAILED") return false;
  const { status }: { readonly code: string; readonly status?: string } = error.info;
  return status !== undefined && NO_NODE.has(status);
}

function isOtherChain(error: unknown): boolean {
  return (
    isWeftError(error) && error.code === ("DRIVER_OTHER_CHAIN" satisfies DriverErrorInfo["code"])
  );
}

function isRefusal(error: unknown): boolean {
  return isOtherChain(error) || (isWeftError(error) && error.code.startsWith("VERIFY_"));
}

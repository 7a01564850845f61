/**
 * The light client (spec/cometbft-v0.38.md §18): keeps a store of verified blocks that grows from one
 * trusted height and hash. Each new header is verified from the nearest trusted one, by bisection or
 * header by header, and compared with the witnesses before it is stored.
 */
import { Height } from "../../brands.ts";
import { bytesEqual, toHex } from "../../bytes.ts";
import { assert, isWeftError } from "../../errors.ts";
import { headerHash } from "../../hashes.ts";
import { HASH_BYTES } from "../../limits.ts";
import type { LightBlock } from "../../types.ts";
import { ONE_THIRD, type TrustLevel } from "../commit.ts";
import type { SignatureVerifier } from "../ed25519.ts";
import { type LightClock, pause } from "./clock.ts";
import {
  compareWithWitnesses,
  detectDivergence,
  type DetectorContext,
  prioritiesDivergeError,
  type WitnessVerdict,
} from "./detector.ts";
import { type LightClientError, type LightClientErrorInfo, lightClientError } from "./errors.ts";
import {
  BACKWARD_HEIGHTS_MAX,
  BLOCK_LAG_NANOS_DEFAULT,
  CLOCK_DRIFT_NANOS_DEFAULT,
  LIGHT_WAITING_MAX,
  PRIMARY_BEHIND_HEIGHTS,
  PRIMARY_LAG_HEIGHTS_MAX,
  PRIMARY_POLLS_MAX,
  SEQUENTIAL_STRETCH_HEIGHTS,
  TRUSTED_BLOCKS_KEPT,
  WITNESS_POLL_MS,
  WITNESSES_MAX,
} from "./limits.ts";
import { fetchLightBlock, type LightBlockProvider, providerErrorCode } from "./provider.ts";
import { type ProviderEvent, ProviderSet } from "./providers.ts";
import { isExpired, type StepOptions, verifyBackwards, verifyOwnCommit } from "./step.ts";
import type { TrustedStore } from "./store.ts";
import { expiredError, heightOf, verifySequential, verifySkipping } from "./trace.ts";

/** A header that somebody trustworthy vouches for. */
export interface TrustedHeader {
  readonly height: Height;
  readonly hash: Uint8Array;
}

export interface LightClientOptions {
  readonly chainId: string;
  /** Where trust begins; without it, the store must hold a block already. */
  readonly trust?: TrustedHeader | undefined;
  /** Well below the time in which validators can be punished, in ns. */
  readonly trustingPeriodNanos: bigint;
  /** From 1/3 to 1; 1/3 unless given. */
  readonly trustLevel?: TrustLevel | undefined;
  /** Bisection unless true. */
  readonly isSequential?: boolean | undefined;
  readonly maxClockDriftNanos?: bigint | undefined;
  readonly maxBlockLagNanos?: bigint | undefined;
  /** Blocks that the store keeps, at least 2. */
  readonly keptBlocks?: number | undefined;
}

export interface LightClientDependencies {
  readonly primary: LightBlockProvider;
  /** At least one. */
  readonly witnesses: readonly LightBlockProvider[];
  readonly store: TrustedStore;
  readonly verifier: SignatureVerifier;
  readonly clock: LightClock;
  /** For logs and metrics; must not throw. */
  readonly onEvent?: ((event: LightClientEvent) => void) | undefined;
}

export type LightClientEvent =
  | ProviderEvent
  /** A block was verified and stored. `blocks`: how many were looked at on the way. */
  | { readonly kind: "verified"; readonly height: number; readonly blocks: number }
  /** The primary's chain ends far below what was verified. Told once, until a newer block is verified. */
  | {
      readonly kind: "primaryBehind";
      readonly primary: string;
      readonly height: number;
      readonly trustedHeight: number;
    }
  | { readonly kind: "attack"; readonly error: LightClientError };

export interface LightClient {
  readonly chainId: string;
  /** Who is asked first at the moment. */
  primary(): LightBlockProvider;
  witnesses(): readonly LightBlockProvider[];
  /** What has been verified at that height, without asking anybody. */
  trusted(height: Height): Promise<LightBlock | undefined>;
  /** The highest block verified so far. */
  latestTrusted(): Promise<LightBlock>;
  /** The block of that height, verified. @throws LightClientError, ProviderError */
  verifyAt(height: Height): Promise<LightBlock>;
  /** The primary's latest block, verified; the latest trusted one when that is higher. @throws as `verifyAt` */
  update(): Promise<LightBlock>;
  /** Ends what is under way with LIGHT_CLOSED. */
  close(): void;
}

/** Starts from the store or from the trusted header. @throws LightClientError, ProviderError */
export async function createLightClient(
  options: LightClientOptions,
  dependencies: LightClientDependencies,
): Promise<LightClient> {
  checkOptions(options, dependencies);
  const client = new Client(options, dependencies);
  await client.initialize(options.trust);
  return client;
}

class Client implements LightClient {
  readonly chainId: string;
  readonly #options: LightClientOptions;
  readonly #stepOptions: StepOptions;
  readonly #dependencies: LightClientDependencies;
  readonly #providers: ProviderSet;
  readonly #closing = new AbortController();
  /** Verifications run one after the other; equal ones share one run. */
  #lastTurn: Promise<unknown> = Promise.resolve();
  readonly #waiting = new Map<Height | "latest", Promise<LightBlock>>();
  #attack: LightClientError | undefined;
  #isBehindTold = false;

  constructor(options: LightClientOptions, dependencies: LightClientDependencies) {
    this.chainId = options.chainId;
    this.#options = options;
    this.#stepOptions = {
      trustLevel: options.trustLevel ?? ONE_THIRD,
      trustingPeriodNanos: options.trustingPeriodNanos,
      maxClockDriftNanos: options.maxClockDriftNanos ?? CLOCK_DRIFT_NANOS_DEFAULT,
    };
    this.#dependencies = dependencies;
    const { primary, witnesses, clock } = dependencies;
    const onEvent = (event: ProviderEvent): void => this.#tell(event);
    this.#providers = new ProviderSet(options.chainId, primary, witnesses, clock, onEvent);
  }

  primary(): LightBlockProvider {
    return this.#providers.primary;
  }

  witnesses(): readonly LightBlockProvider[] {
    return this.#providers.witnesses;
  }

  trusted(height: Height): Promise<LightBlock | undefined> {
    return this.#dependencies.store.get(height);
  }

  async latestTrusted(): Promise<LightBlock> {
    const last = await this.#dependencies.store.last();
    assert(last !== undefined, "a light client begins with a trusted block");
    return last;
  }

  async verifyAt(height: Height): Promise<LightBlock> {
    this.#assertUsable();
    const known = await this.#dependencies.store.get(height);
    return known ?? this.#inTurn(height, () => this.#verifyHeight(height));
  }

  update(): Promise<LightBlock> {
    return this.#inTurn("latest", async () => {
      const block = await this.#fetch("latest");
      const last = await this.latestTrusted();
      if (heightOf(block) > heightOf(last)) {
        this.#isBehindTold = false;
        return this.#verify(block);
      }
      this.#tellIfBehind(heightOf(block), heightOf(last));
      return last;
    });
  }

  close(): void {
    this.#closing.abort(
      lightClientError({ code: "LIGHT_CLOSED" }, "the light client has been closed"),
    );
  }

  async initialize(trust: TrustedHeader | undefined): Promise<void> {
    const last = await this.#dependencies.store.last();
    if (trust === undefined) {
      if (last !== undefined) return;
      throw lightClientError(
        { code: "LIGHT_NOT_INITIALIZED" },
        "nothing is trusted yet: supply a height and its hash from a source you trust",
      );
    }
    if (last === undefined || trust.height > heightOf(last)) {
      if (last !== undefined) await this.#checkStore(last);
      await this.#begin(trust);
      return;
    }
    const block = await this.verifyAt(trust.height);
    if (!bytesEqual(hashOf(block), trust.hash)) throw trustConflict(trust, block, "the store");
  }

  /** A newer header to trust must belong to the chain that the store knows. */
  async #checkStore(last: LightBlock): Promise<void> {
    const height = heightOf(last);
    const theirs = await this.#fetch(height);
    if (bytesEqual(hashOf(last), hashOf(theirs))) return;
    const stored = { height, hash: hashOf(last) };
    throw trustConflict(stored, theirs, this.#providers.primary.name);
  }

  async #begin(trust: TrustedHeader): Promise<void> {
    const { clock, store, verifier } = this.#dependencies;
    const block = await this.#fetch(trust.height);
    const source = this.#providers.primary.name;
    if (!bytesEqual(hashOf(block), trust.hash)) throw trustConflict(trust, block, source);
    const { header } = block.signedHeader;
    const now = clock.now();
    if (isExpired(header, now, this.#stepOptions.trustingPeriodNanos)) {
      throw expiredError(trust.height);
    }
    const verdict = await verifyOwnCommit(block, this.chainId, verifier);
    if (verdict.kind === "invalid") {
      const info = { code: "LIGHT_INVALID", provider: source, height: trust.height } as const;
      throw lightClientError(
        { ...info, fault: verdict.fault },
        `${source}: the commit of trusted header ${trust.height} is not valid: ${verdict.message}`,
      );
    }
    const verdicts = await compareWithWitnesses(block, this.#context());
    for (const found of verdicts) {
      // Nothing is trusted yet, so there is no common block to prove an attack from.
      if (found.kind === "conflicts") throw trustConflict(trust, found.block, found.witness.name);
      if (found.kind === "prioritiesDiverge") throw prioritiesDivergeError(block, found.witness);
    }
    this.#providers.judge(verdicts);
    await store.put(block);
    this.#tell({ kind: "verified", height: trust.height, blocks: 1 });
  }

  async #verifyHeight(height: Height): Promise<LightBlock> {
    // Another turn may have brought it.
    const known = await this.#dependencies.store.get(height);
    return known ?? this.#verify(await this.#fetch(height));
  }

  /** Verifies a block of the primary that is not trusted yet, and stores it. */
  async #verify(block: LightBlock): Promise<LightBlock> {
    const { store, clock } = this.#dependencies;
    const height = heightOf(block);
    const below = await store.before(height);
    const isBelowUsable =
      below !== undefined &&
      !isExpired(below.signedHeader.header, clock.now(), this.#stepOptions.trustingPeriodNanos);
    const above = await store.after(height);
    if (above !== undefined && !isBelowUsable) return this.#verifyBelow(above, block);
    assert(below !== undefined, "the store is never empty");
    return this.#options.isSequential === true
      ? this.#verifyInStretches(below, block)
      : this.#verifyForward(below, block);
  }

  /** Sequential verification of a long way, without holding all of it. */
  async #verifyInStretches(below: LightBlock, block: LightBlock): Promise<LightBlock> {
    let trusted = below;
    for (;;) {
      const next = heightOf(trusted) + SEQUENTIAL_STRETCH_HEIGHTS;
      if (next >= heightOf(block)) return this.#verifyForward(trusted, block);
      trusted = await this.#verifyForward(trusted, await this.#fetch(Height(next)));
    }
  }

  async #verifyForward(trusted: LightBlock, block: LightBlock): Promise<LightBlock> {
    const verify = this.#options.isSequential === true ? verifySequential : verifySkipping;
    let target = block;
    return this.#withPrimary(
      async () => {
        const context = this.#context();
        const trace = await verify(this.#providers.primary, trusted, target, context);
        const verdicts = await detectDivergence(trace, context);
        this.#judge(verdicts, heightOf(target));
        await this.#store(target, trace.length - 1);
        return target;
      },
      heightOf(block),
      (replacement) => {
        target = replacement;
      },
    );
  }

  /** Header by header down from a trusted one: each names the hash of the one before. */
  async #verifyBelow(trusted: LightBlock, block: LightBlock): Promise<LightBlock> {
    const height = heightOf(block);
    const distance = heightOf(trusted) - height;
    if (distance > BACKWARD_HEIGHTS_MAX) {
      throw lightClientError(
        { code: "LIGHT_TOO_FAR_BACK", height },
        `height ${height} is ${distance} below trusted height ${heightOf(trusted)}, at most ${BACKWARD_HEIGHTS_MAX} are walked: begin from an older trusted height`,
      );
    }
    let verified = trusted;
    let target = block;
    return this.#withPrimary(
      async () => {
        const { primary } = this.#providers;
        while (heightOf(verified) > height) {
          const next = Height(heightOf(verified) - 1);
          const candidate =
            next === height
              ? target
              : await fetchLightBlock(primary, this.chainId, next, this.#closing.signal);
          const { header } = candidate.signedHeader;
          const verdict = verifyBackwards(header, verified.signedHeader.header);
          if (verdict.kind === "invalid") throw this.#invalid(candidate, verdict);
          verified = candidate;
        }
        // The link proves the header; whoever is shown the commit relies on its signatures too.
        const verdict = await verifyOwnCommit(verified, this.chainId, this.#dependencies.verifier);
        if (verdict.kind === "invalid") {
          verified = trusted;
          throw this.#invalid(target, verdict);
        }
        await this.#store(verified, distance);
        return verified;
      },
      height,
      (replacement) => {
        target = replacement;
      },
    );
  }

  #invalid(
    block: LightBlock,
    { fault, message }: { readonly fault: StepFaultOf; readonly message: string },
  ): LightClientError {
    const provider = this.#providers.primary.name;
    const height = heightOf(block);
    return lightClientError(
      { code: "LIGHT_INVALID", provider, height, fault },
      `${provider}: header ${height} does not verify: ${message}`,
    );
  }

  /** The primary's block; another primary's when it fails. */
  async #fetch(height: Height | "latest"): Promise<LightBlock> {
    const { signal } = this.#closing;
    const ask = (wanted: Height | "latest"): Promise<LightBlock> =>
      fetchLightBlock(this.#providers.primary, this.chainId, wanted, signal);
    for (let left = PRIMARY_POLLS_MAX; ; left--) {
      try {
        return await ask(height);
      } catch (error) {
        const isEarly = providerErrorCode(error) === "PROVIDER_HEIGHT_TOO_HIGH";
        if (!isEarly || left === 0 || !(await this.#isNear(height, ask))) {
          return this.#providers.replacePrimary(height, ...this.#blame(error), signal);
        }
      }
      await pause(this.#dependencies.clock, WITNESS_POLL_MS, signal);
    }
  }

  /** Whether the primary is about to have that height: no reason to leave it. */
  async #isNear(
    height: Height | "latest",
    ask: (wanted: "latest") => Promise<LightBlock>,
  ): Promise<boolean> {
    if (height === "latest") return false;
    try {
      return height - heightOf(await ask("latest")) <= PRIMARY_LAG_HEIGHTS_MAX;
    } catch (error) {
      // The error that counts is the one for the height itself.
      if (providerErrorCode(error) === undefined) throw error;
      return false;
    }
  }

  /**
   * Runs a verification against the primary; when the primary fails or lies, with the block of another
   * one, each provider at most once.
   */
  async #withPrimary(
    run: () => Promise<LightBlock>,
    height: Height,
    onReplaced: (block: LightBlock) => void,
  ): Promise<LightBlock> {
    for (let left = this.#providers.witnesses.length; ; left--) {
      try {
        return await run();
      } catch (error) {
        const [failure, isForGood] = this.#blame(error);
        if (left === 0) throw failure;
        const { signal } = this.#closing;
        onReplaced(await this.#providers.replacePrimary(height, failure, isForGood, signal));
      }
    }
  }

  /** The failure of a primary and whether it is to be dropped. @throws whatever is not its fault */
  #blame(error: unknown): readonly [failure: Error, isForGood: boolean] {
    this.#closing.signal.throwIfAborted();
    if (!isWeftError(error)) throw error;
    if (isLightClientError(error) && error.info.code === "LIGHT_INVALID") {
      // A header from the future may be the fault of our own clock.
      return [error, error.info.fault !== "LIGHT_FROM_FUTURE"];
    }
    const code = providerErrorCode(error);
    if (code === undefined) throw error;
    return [error, code === "PROVIDER_BAD_BLOCK"];
  }

  #judge(verdicts: readonly WitnessVerdict[], height: Height): void {
    this.#providers.judge(verdicts);
    if (verdicts.some(({ kind }) => kind === "matches")) return;
    const reasons = verdicts.map((v) => ("reason" in v ? `${v.witness.name}: ${v.reason}` : ""));
    throw lightClientError(
      { code: "LIGHT_NOT_CROSS_CHECKED", height },
      `no witness confirms header ${height}; try again or change the witnesses (${reasons.join("; ")})`,
    );
  }

  async #store(block: LightBlock, blocks: number): Promise<void> {
    const { store } = this.#dependencies;
    await store.put(block);
    await store.prune(this.#options.keptBlocks ?? TRUSTED_BLOCKS_KEPT);
    this.#tell({ kind: "verified", height: heightOf(block), blocks });
  }

  #context(): DetectorContext {
    const { clock, verifier } = this.#dependencies;
    return {
      chainId: this.chainId,
      now: clock.now(),
      options: this.#stepOptions,
      verifier,
      signal: this.#closing.signal,
      primary: this.#providers.primary,
      witnesses: this.#providers.awake(),
      clock,
      maxBlockLagNanos: this.#options.maxBlockLagNanos ?? BLOCK_LAG_NANOS_DEFAULT,
    };
  }

  #inTurn(what: Height | "latest", run: () => Promise<LightBlock>): Promise<LightBlock> {
    const waiting = this.#waiting.get(what);
    if (waiting !== undefined) return waiting;
    if (this.#waiting.size >= LIGHT_WAITING_MAX) {
      const message = `${LIGHT_WAITING_MAX} verifications wait already; try again later`;
      return Promise.reject(lightClientError({ code: "LIGHT_BUSY" }, message));
    }
    const turn = this.#lastTurn.then(async () => {
      try {
        this.#assertUsable();
        return await run();
      } catch (error) {
        this.#noteAttack(error);
        throw error;
      } finally {
        this.#waiting.delete(what);
      }
    });
    this.#waiting.set(what, turn);
    // A failure belongs to whoever asked and must not end the line.
    this.#lastTurn = turn.catch(() => undefined);
    return turn;
  }

  #assertUsable(): void {
    this.#closing.signal.throwIfAborted();
    if (this.#attack !== undefined) throw this.#attack;
  }

  /** After an attack nothing is verified any more: an operator has to look. */
  #noteAttack(error: unknown): void {
    if (!isLightClientError(error) || error.code !== "LIGHT_ATTACK") return;
    this.#attack = error;
    this.#tell({ kind: "attack", error });
  }

  #tellIfBehind(height: Height, trustedHeight: Height): void {
    if (this.#isBehindTold || height + PRIMARY_BEHIND_HEIGHTS > trustedHeight) return;
    this.#isBehindTold = true;
    const { name: primary } = this.#providers.primary;
    this.#tell({ kind: "primaryBehind", primary, height, trustedHeight });
  }

  #tell(event: LightClientEvent): void {
    this.#dependencies.onEvent?.(event);
  }
}

type StepFaultOf = Extract<LightClientErrorInfo, { readonly code: "LIGHT_INVALID" }>["fault"];

/** Whether an error is one of a light client's own. */
export function isLightClientError(error: unknown): error is LightClientError {
  return isWeftError(error) && error.code.startsWith("LIGHT_");
}

function checkOptions(options: LightClientOptions, { witnesses }: LightClientDependencies): void {
  const {
    trust,
    trustingPeriodNanos,
    trustLevel = ONE_THIRD,
    keptBlocks = TRUSTED_BLOCKS_KEPT,
  } = options;
  const { numerator, denominator } = trustLevel;
  const isLevel = numerator > 0n && numerator <= denominator && numerator * 3n >= denominator;
  ensure(isLevel, `the trust level is from 1/3 to 1, got ${numerator}/${denominator}`);
  ensure(trustingPeriodNanos > 0n, "the trusting period is above 0");
  ensure((options.maxClockDriftNanos ?? 0n) >= 0n, "the clock drift is not negative");
  ensure((options.maxBlockLagNanos ?? 0n) >= 0n, "the lag of blocks is not negative");
  ensure(Number.isSafeInteger(keptBlocks) && keptBlocks > 1, "at least two blocks are kept");
  ensure(witnesses.length <= WITNESSES_MAX, `at most ${WITNESSES_MAX} witnesses`);
  if (trust !== undefined) {
    ensure(trust.height > 0, "the trusted height is above 0");
    ensure(trust.hash.length === HASH_BYTES, `the trusted hash has ${HASH_BYTES} bytes`);
  }
  if (witnesses.length > 0) return;
  throw lightClientError(
    { code: "LIGHT_NO_WITNESSES" },
    "at least one witness is needed to cross-check the primary",
  );
}

function ensure(isRight: boolean, expected: string): void {
  if (!isRight) throw lightClientError({ code: "LIGHT_OPTIONS" }, `light client: ${expected}`);
}

function hashOf(block: LightBlock): Uint8Array {
  return headerHash(block.signedHeader.header);
}

function trustConflict(trust: TrustedHeader, block: LightBlock, source: string): LightClientError {
  const [expected, got] = [toHex(trust.hash), toHex(hashOf(block))].map((h) => h.toUpperCase());
  return lightClientError(
    { code: "LIGHT_TRUST_CONFLICT", height: trust.height },
    `expected header ${trust.height} with hash ${expected}, ${source} has ${got}; check the height and the hash, or begin with an empty store`,
  );
}

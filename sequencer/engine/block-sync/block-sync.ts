/**
 * Block sync (spec/cometbft-v0.38.md §17.5): fetches blocks of many peers, proves each by the commit
 * in the next, applies them while consensus stands still, and hands over to consensus at the tip. It
 * goes on watching: a node that falls behind later comes back to it. What peers claim is not enough
 * for that: the first blocks are fetched and proven while consensus still runs, so that a lie about
 * heights cannot silence a validator.
 */
import type { Height, NodeId } from "../../../proto/brands.ts";
import { bytesEqual, toHex } from "../../../proto/bytes.ts";
import { encodeBlock } from "../../../proto/codec/block.ts";
import { isWeftError } from "../../../proto/errors.ts";
import { headerHash } from "../../../proto/hashes.ts";
import { BLOCK_SIZE_BYTES_MAX } from "../../../proto/limits.ts";
import { splitIntoParts } from "../../../proto/part-set.ts";
import type { Block, BlockId, Commit, ExtendedCommit, ValidatorSet } from "../../../proto/types.ts";
import { verifyCommitAsync, verifyExtendedCommitAsync } from "../../../proto/verify/commit.ts";
import type { SignatureVerifier } from "../../../proto/verify/ed25519.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { YieldToLoop } from "../../ports/yield-to-loop.ts";
import { plainCommit } from "../block-executor.ts";
import { blockFaultToError } from "../block-validation.ts";
import { nextHeight } from "../chain-state.ts";
import { areExtensionsEnabled } from "../consensus-params.ts";
import type { CompleteBlock } from "../make-block.ts";
import type { BlockSyncMetrics } from "../metrics.ts";
import { type BlockPair, BlockPool, type PeerDrop } from "./block-pool.ts";
import {
  CAUGHT_UP_DISTANCE,
  SETTLE_MS,
  STALL_MS,
  STALL_NEEDED_MS,
  STATUS_INTERVAL_MS,
  STATUS_REFRESH_MS,
  STATUS_WAIT_MS,
  TICK_MS,
} from "./limits.ts";
import type { BlockSyncListener, BlockSyncNetwork, SyncTarget } from "./ports.ts";

export interface BlockSyncOptions {
  /** Consensus is left for block sync when a peer is this many blocks ahead; 0: never. */
  readonly returnDistance: number;
  /** Peers that are surely to connect; when all have spoken, nobody else is waited for. */
  readonly expectedPeers: number;
}

export interface BlockSyncDeps {
  readonly target: SyncTarget;
  readonly network: BlockSyncNetwork;
  readonly verifier: SignatureVerifier;
  readonly clock: Clock;
  readonly yieldToLoop: YieldToLoop;
  readonly logger: Logger;
  readonly metrics: BlockSyncMetrics;
  /** Consensus took over again. */
  readonly onCaughtUp?: () => void;
}

export interface BlockSync extends BlockSyncListener {
  /** Begins. The engine has started; when it started suspended, it is resumed at the tip. */
  start(): void;
  /** Resolves when nothing is being applied any more. */
  stop(): Promise<void>;
}

export function createBlockSync(options: BlockSyncOptions, deps: BlockSyncDeps): BlockSync {
  return new Follower(options, deps);
}

/** A block as a peer sent it. */
interface Sent {
  readonly block: Block;
  readonly extendedCommit: ExtendedCommit | undefined;
}

type Proof =
  | { readonly isValid: true; readonly complete: CompleteBlock; readonly key: string }
  /** `blames` is "first" when only the sender of the first block can have made it up. */
  | {
      readonly isValid: false;
      readonly key: string;
      readonly blames: "first" | "either";
      readonly message: string;
    };

class Follower implements BlockSync {
  readonly #options: BlockSyncOptions;
  readonly #deps: BlockSyncDeps;
  readonly #logger: Logger;
  readonly #pool = new BlockPool<Sent>();
  readonly #hintedMs = new Map<NodeId, number>();
  #isRunning = false;
  #timer: Cancel | undefined;
  #refresh: Cancel | undefined;
  /** Blocks being tried and applied, or the hand-over; one at a time. */
  #work: Promise<void> | undefined;
  #isPumpScheduled = false;
  #firstStatusMs: number | undefined;
  #askedAllMs = Number.NEGATIVE_INFINITY;
  /** Since when nobody is known to be ahead; undefined while somebody is. */
  #levelSinceMs: number | undefined;
  #startedMs = 0;
  #progressMs = 0;
  #syncedBlocks = 0;
  /** The block whose last commit was verified, as the proof of the one before. */
  #provenCommitOf: Block | undefined;

  constructor(options: BlockSyncOptions, deps: BlockSyncDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#logger = deps.logger.child({ module: "blocksync" });
  }

  start(): void {
    const now = this.#now();
    this.#isRunning = true;
    this.#startedMs = now;
    this.#progressMs = now;
    this.#pool.advanceTo(this.#nextHeight());
    if (this.#deps.target.isSuspended()) {
      this.#logger.info("block sync started", { height: this.#pool.next });
    }
    this.#tick();
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#timer?.cancel();
    this.#refresh?.cancel();
    await this.#work;
  }

  peerRemoved(peer: NodeId): void {
    this.#pool.removePeer(peer);
    this.#hintedMs.delete(peer);
    this.#schedulePump();
  }

  statusReceived(peer: NodeId, base: Height, height: Height): void {
    this.#firstStatusMs ??= this.#now();
    const drop = this.#pool.setRange(peer, base, height, this.#now());
    if (drop !== undefined) this.#drop([drop]);
    this.#schedulePump();
  }

  blockReceived(
    peer: NodeId,
    block: Block,
    extendedCommit: ExtendedCommit | undefined,
    sizeBytes: number,
  ): void {
    const isWanted = this.#pool.addBlock(
      peer,
      block.header.height,
      { block, extendedCommit },
      sizeBytes,
    );
    this.#deps.metrics.received.inc({ use: isWanted ? "wanted" : "late" });
    this.#schedulePump();
  }

  noBlockReceived(peer: NodeId, height: Height): void {
    const drop = this.#pool.noBlock(peer, height, this.#now());
    if (drop !== undefined) this.#drop([drop]);
    this.#schedulePump();
  }

  peerHeightSeen(peer: NodeId, height: Height): void {
    const { returnDistance } = this.#options;
    if (!this.#isRunning || returnDistance === 0) return;
    // At height h of consensus a peer has the blocks below h.
    if (height < this.#nextHeight() + returnDistance) return;
    const now = this.#now();
    if (now - (this.#hintedMs.get(peer) ?? Number.NEGATIVE_INFINITY) < STATUS_WAIT_MS) return;
    if (this.#deps.network.requestStatus(peer)) this.#hintedMs.set(peer, now);
  }

  #tick(): void {
    if (!this.#isRunning) return;
    this.#timer = this.#deps.clock.after(TICK_MS, () => this.#tick());
    if (this.#now() - this.#askedAllMs >= STATUS_INTERVAL_MS) this.#askAll();
    const { network, metrics } = this.#deps;
    this.#drop(this.#pool.sweep(this.#now(), (peer) => network.bytesReceived(peer)));
    metrics.peers.set(this.#pool.peerCount);
    metrics.pendingRequests.set(this.#pool.pendingCount);
    metrics.bufferedBytes.set(this.#pool.bufferedBytes);
    this.#pump();
  }

  #schedulePump(): void {
    if (this.#isPumpScheduled || !this.#isRunning) return;
    this.#isPumpScheduled = true;
    // After the messages of this turn: several answers make one look.
    void this.#deps.yieldToLoop().then(() => {
      this.#isPumpScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (!this.#isRunning) return;
    const { target } = this.#deps;
    if (this.#work === undefined && this.#nextHeight() > this.#pool.next) {
      this.#pool.advanceTo(this.#nextHeight());
    }
    const isSyncing = target.isSuspended();
    if (!isSyncing && !this.#isBehind()) return;
    this.#request();
    if (this.#work !== undefined) return;
    if (this.#pool.pair() !== undefined) this.#run(() => this.#followPairs());
    else if (isSyncing && this.#isDone()) this.#run(() => this.#handOver());
  }

  #run(task: () => Promise<void>): void {
    this.#work = task()
      .catch((error: unknown) => this.#deps.target.halt(error))
      .finally(() => {
        this.#work = undefined;
        this.#schedulePump();
      });
  }

  /** Asks for what is wanted: all there is while syncing, the first two blocks as a proof before. */
  #request(): void {
    const { network, target } = this.#deps;
    const window = target.isSuspended() ? undefined : 2;
    const bytes = (peer: NodeId): number => network.bytesReceived(peer);
    for (const request of this.#pool.plan(this.#now(), bytes, window)) {
      if (!network.requestBlock(request.peer, request.height)) this.#pool.requestFailed(request);
    }
  }

  /** Tries pair after pair; proves the next one while a block is applied. */
  async #followPairs(): Promise<void> {
    const { target, metrics } = this.#deps;
    let ahead: { readonly pair: BlockPair<Sent>; readonly proof: Promise<Proof> } | undefined;
    for (let pair = this.#pool.pair(); pair !== undefined; pair = this.#pool.pair()) {
      if (!this.#isRunning) return;
      const state = target.state();
      // Decided by consensus in the meantime.
      if (nextHeight(state) !== this.#pool.next) return;
      const isProving = ahead !== undefined && isSamePair(ahead.pair, pair);
      const proof = await (isProving && ahead !== undefined
        ? ahead.proof
        : this.#prove(pair, state.validators));
      ahead = undefined;
      if (!this.#isRunning) return;
      // A peer may have been dropped, and its block with it.
      const current = this.#pool.pair();
      if (current === undefined || !isSamePair(current, pair)) continue;
      const fault = proof.isValid ? this.#extensionFault(pair.first.block) : undefined;
      if (!proof.isValid || fault !== undefined) {
        this.#refuse(pair, proof, fault);
        continue;
      }
      if (!(await this.#suspend())) return;
      if (nextHeight(target.state()) !== this.#pool.next) return;
      const { complete, key } = proof;
      const isCommitVerified = this.#provenCommitOf === complete.block;
      const broken = await target.findFault(complete.block, complete.blockId, isCommitVerified);
      // +2/3 signed this very block: no peer is to blame, but this node or its application.
      if (broken !== undefined) throw blockFaultToError(broken);
      const next = this.#pool.pair(1);
      if (next !== undefined && next.first === pair.second) {
        const promise = this.#prove(next, state.nextValidators);
        // Thrown again where it is awaited.
        promise.catch(() => {});
        ahead = { pair: next, proof: promise };
      }
      const { extendedCommit } = pair.first.block;
      const seenCommit: Commit =
        extendedCommit === undefined
          ? pair.second.block.block.lastCommit
          : plainCommit(extendedCommit);
      await target.apply({ ...complete, seenCommit, extendedCommit });
      this.#provenCommitOf = pair.second.block.block;
      this.#drop(this.#pool.accept(key, this.#now()));
      this.#progressMs = this.#now();
      this.#levelSinceMs = undefined;
      this.#syncedBlocks += 1;
      const { header, txs } = complete.block;
      metrics.latestBlockHeight.set(header.height);
      metrics.numTxs.set(txs.length);
      if (txs.length > 0) metrics.totalTxs.inc(undefined, txs.length);
      metrics.blockSizeBytes.set(pair.first.sizeBytes);
      metrics.blocks.inc();
      this.#request();
    }
  }

  /** Leaves consensus; true when blocks may be applied. */
  async #suspend(): Promise<boolean> {
    const { target, metrics } = this.#deps;
    if (target.isSuspended()) return true;
    if (!(await target.suspend())) {
      // It halted, or stops: there is nothing to move on any more.
      this.#isRunning = false;
      return false;
    }
    metrics.returns.inc();
    this.#syncedBlocks = 0;
    this.#progressMs = this.#now();
    this.#levelSinceMs = undefined;
    this.#logger.info("fell behind, fetching blocks instead of deciding them", {
      height: this.#nextHeight(),
      peersHeight: this.#pool.maxHeight(),
    });
    return true;
  }

  /** The block in parts, its id, and whether the commit above it proves it. */
  async #prove(pair: BlockPair<Sent>, validators: ValidatorSet): Promise<Proof> {
    const { chainId } = this.#deps.target;
    const { verifier } = this.#deps;
    const { block, extendedCommit } = pair.first.block;
    const complete = completed(block);
    if (complete === undefined) {
      return { isValid: false, key: "", blames: "first", message: "the block is no block" };
    }
    const { blockId } = complete;
    const key = blockIdKey(blockId);
    const context = { chainId, validators, blockId, height: block.header.height };
    const { lastCommit } = pair.second.block.block;
    const verdict = await verifyCommitAsync(context, lastCommit, verifier);
    if (!verdict.isValid) {
      return { isValid: false, key, blames: "either", message: verdict.message };
    }
    if (extendedCommit === undefined) return { isValid: true, complete, key };
    const extended = await verifyExtendedCommitAsync(context, extendedCommit, verifier);
    if (extended.isValid) return { isValid: true, complete, key };
    return { isValid: false, key, blames: "first", message: extended.message };
  }

  /** Extended commits come with exactly the blocks at whose height extensions are on. */
  #extensionFault({ block, extendedCommit }: Sent): string | undefined {
    const { consensusParams } = this.#deps.target.state();
    const isExtended = areExtensionsEnabled(consensusParams, block.header.height);
    if (isExtended === (extendedCommit !== undefined)) return undefined;
    return isExtended ? "the extended commit is missing" : "an extended commit where none may be";
  }

  #refuse(pair: BlockPair<Sent>, proof: Proof, extensionFault: string | undefined): void {
    this.#logger.warn("fetched block does not hold", {
      height: this.#pool.next,
      peer: pair.first.peer,
      provenBy: pair.second.peer,
      reason: proof.isValid ? extensionFault : proof.message,
    });
    const isFirst = proof.isValid || proof.blames === "first";
    this.#drop(
      isFirst ? this.#pool.rejectFirst(this.#now()) : this.#pool.reject(proof.key, this.#now()),
    );
    this.#request();
  }

  /** Whether consensus may take over (§17.5, and `limits.ts`). */
  #isDone(): boolean {
    const { target } = this.#deps;
    if (target.needsBlock()) return false;
    const { validators } = target.state();
    const now = this.#now();
    const power = this.#ownPower(validators);
    const isAlone = power * 3n > validators.totalVotingPower * 2n;
    if (isAlone) return true;
    // The chain cannot have moved without us; unless we lost what we knew.
    const isNeeded = power * 3n >= validators.totalVotingPower;
    const { peerCount } = this.#pool;
    if (this.#pool.next < this.#pool.maxHeight() - CAUGHT_UP_DISTANCE) {
      this.#levelSinceMs = undefined;
      const isSomebodyLevel = (this.#pool.minHeight() ?? Infinity) <= this.#pool.next;
      const stallMs = isNeeded ? STALL_NEEDED_MS : STALL_MS;
      return isSomebodyLevel && now - this.#progressMs >= stallMs;
    }
    if (peerCount === 0) return isNeeded && now - this.#startedMs >= SETTLE_MS;
    const { expectedPeers } = this.#options;
    const haveAllSpoken = expectedPeers > 0 && peerCount >= expectedPeers;
    const hasSettled = now - (this.#firstStatusMs ?? now) >= SETTLE_MS;
    if (!haveAllSpoken && !hasSettled) return false;
    // Their last word may be old by now.
    if (this.#levelSinceMs === undefined) {
      if (now - this.#askedAllMs < STATUS_REFRESH_MS) {
        this.#lookAgain(STATUS_REFRESH_MS);
        return false;
      }
      this.#levelSinceMs = now;
      this.#askAll();
      return false;
    }
    const haveAllAnswered = this.#pool.heardSince(this.#levelSinceMs) >= peerCount;
    return haveAllAnswered || now - this.#levelSinceMs >= STATUS_WAIT_MS;
  }

  async #handOver(): Promise<void> {
    const { target } = this.#deps;
    await target.resume();
    this.#levelSinceMs = undefined;
    this.#logger.info("caught up, consensus goes on", {
      height: this.#nextHeight(),
      synced: this.#syncedBlocks,
    });
    this.#deps.onCaughtUp?.();
  }

  #isBehind(): boolean {
    const { returnDistance } = this.#options;
    return returnDistance > 0 && this.#pool.maxHeight() >= this.#nextHeight() - 1 + returnDistance;
  }

  #ownPower(validators: ValidatorSet): bigint {
    const { ownAddress } = this.#deps.target;
    if (ownAddress === undefined) return 0n;
    const own = validators.validators.find(({ address }) => bytesEqual(address, ownAddress));
    return own?.votingPower ?? 0n;
  }

  #askAll(): void {
    this.#askedAllMs = this.#now();
    for (const peer of this.#deps.network.peers()) this.#deps.network.requestStatus(peer);
  }

  #lookAgain(delayMs: number): void {
    this.#refresh?.cancel();
    this.#refresh = this.#deps.clock.after(delayMs, () => this.#pump());
  }

  #drop(drops: readonly PeerDrop[]): void {
    for (const { peer, fault } of drops) {
      this.#deps.metrics.peersDropped.inc({ fault });
      this.#logger.warn("peer is not asked for blocks for a while", { peer, fault });
      // A block may be pruned the moment after it was announced: no reason to disconnect.
      if (fault !== "missing") this.#deps.network.drop(peer, DROP_REASONS[fault]);
    }
  }

  #nextHeight(): number {
    return nextHeight(this.#deps.target.state());
  }

  #now(): number {
    return this.#deps.clock.monotonicMs();
  }
}

const DROP_REASONS = {
  status: "block sync: its base lies above its height, or one of them went down",
  slow: "block sync: it owes blocks too long",
  invalid: "block sync: it sent a block or a commit that does not hold",
} as const;

function isSamePair(a: BlockPair<Sent>, b: BlockPair<Sent>): boolean {
  return a.first === b.first && a.second === b.second;
}

/** The block as its validators signed it: encoded again, whatever way it was sent. */
function completed(block: Block): CompleteBlock | undefined {
  try {
    const bytes = encodeBlock(block);
    if (bytes.length > BLOCK_SIZE_BYTES_MAX) return undefined;
    const { header, parts } = splitIntoParts(bytes);
    return { block, blockId: { hash: headerHash(block.header), partSetHeader: header }, parts };
  } catch (error) {
    // A verdict about what a peer sent; anything else is a bug and goes on.
    if (!isWeftError(error)) throw error;
    return undefined;
  }
}

function blockIdKey({ hash, partSetHeader }: BlockId): string {
  return `${toHex(hash)}/${partSetHeader.total}/${toHex(partSetHeader.hash)}`;
}

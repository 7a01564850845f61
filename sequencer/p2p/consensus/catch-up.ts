/**
 * Stored blocks for a peer that is behind (spec §17.2): first the precommits that decided its
 * height, which tell it the block; then, as soon as it names that block, all parts it lacks at
 * once. The peer's next NewRoundStep starts the next height, so that one height costs one exchange.
 */
import { Height } from "../../../proto/brands.ts";
import {
  BlockIdFlag,
  type Commit,
  type CommitSig,
  type ExtendedCommit,
  type ExtendedCommitSig,
  NIL_BLOCK_ID,
  SignedMsgType,
  type Vote,
} from "../../../proto/types.ts";
import { EMPTY_BYTES } from "../../../proto/bytes.ts";
import type { RoundStateView } from "../../consensus/round-state.ts";
import {
  type GossipPeer,
  pumpLastCommit,
  type ReceiptTimes,
  sendMajority,
  sendPart,
  sendVote,
} from "./consensus-gossip.ts";
import type { BlockSource } from "./consensus-port.ts";
import { BEHIND_GRACE_MS, PART_RELAY_DELAY_PER_PART_MS } from "../limits.ts";

export interface CatchUpDependencies {
  readonly view: RoundStateView;
  readonly blocks: BlockSource;
  readonly received: ReceiptTimes;
  readonly nowMs: () => number;
}

/** Whether this peer can be helped from the store. */
export function isBehind(target: GossipPeer, { view, blocks }: CatchUpDependencies): boolean {
  const { height } = target.state;
  const base = blocks.base();
  return height > 0 && height < view.height && base > 0 && height >= base;
}

/**
 * Sends what the peer lacks at its height. Resolves with the milliseconds after which it is worth
 * looking again; undefined when an event will tell.
 */
export async function catchUp(
  target: GossipPeer,
  dependencies: CatchUpDependencies,
): Promise<number | undefined> {
  const { view, blocks, received, nowMs } = dependencies;
  const { state } = target;
  while (isBehind(target, dependencies) && !target.peer.isClosed) {
    const height = state.height;
    const isLast = height === view.height - 1;
    let waitMs: number | undefined;
    if (isLast && view.lastCommit !== undefined) {
      waitMs = pumpLastCommit(target, view, received, nowMs());
    } else {
      const commit = (await blocks.extendedCommit(height)) ?? (await blocks.seenCommit(height));
      if (state.height !== height) continue;
      if (commit === undefined || !sendCommit(target, commit)) return undefined;
    }
    // Level in a moment, or nothing to send: no need to read the store.
    const missing = state.parts?.known.missingCount();
    if (missing === 0) return waitMs;
    const graceMs = graceOf(target, missing ?? 1) - nowMs();
    if (graceMs > 0) return Math.min(waitMs ?? graceMs, graceMs);
    const meta = await blocks.meta(height);
    if (state.height !== height) continue;
    if (meta === undefined) return waitMs;
    const { partSetHeader } = meta.blockId;
    state.initParts(partSetHeader);
    // It collects another block until it has seen the commit; then it says so.
    if (!state.wantsPartsOf(partSetHeader)) return waitMs;
    const known = state.parts;
    for (let index = 0; index < partSetHeader.total; index++) {
      if (!known?.known.isMissing(index)) continue;
      const part = await blocks.part(height, index);
      if (state.height !== height || state.parts !== known) break;
      if (part === undefined || !sendPart(target, height, state.round, part)) return waitMs;
    }
    if (state.height === height && state.parts === known) return waitMs;
  }
  return undefined;
}

/** When to send stored parts: the maker of the block may still be sending them. */
function graceOf(target: GossipPeer, missingParts: number): number {
  const { state, isLagging, behindSinceMs } = target;
  if (isLagging && state.parts !== undefined) return 0;
  const transferMs = missingParts * PART_RELAY_DELAY_PER_PART_MS;
  return behindSinceMs + transferMs + (state.arePartsListed ? 0 : BEHIND_GRACE_MS);
}

/**
 * VoteSetMaj23 of the commit of the peer's height (spec §17.2, Maj23 loop). Without it a peer that a
 * validator sent another precommit than the one in the commit would refuse the latter for good, and
 * with a third of the power silent or gone, never see the commit whole.
 */
export async function sendCommitMajority(
  target: GossipPeer,
  dependencies: CatchUpDependencies,
): Promise<void> {
  const { state } = target;
  const { height } = state;
  const commit = await dependencies.blocks.seenCommit(height);
  if (commit === undefined || state.height !== height || target.peer.isClosed) return;
  const { round, blockId } = commit;
  sendMajority(target, { height, round, type: SignedMsgType.PRECOMMIT, blockId });
}

/** Queues the precommits the peer lacks; false when the queue is full. */
function sendCommit(target: GossipPeer, commit: Commit | ExtendedCommit): boolean {
  const { state } = target;
  const votes = commitVotes(commit);
  const size = "signatures" in commit ? commit.signatures.length : commit.extendedSignatures.length;
  state.ensureCatchUpRound(commit.height, commit.round, size);
  state.ensureVoteBits(commit.height, size);
  const bits = state.votes(commit.height, commit.round, SignedMsgType.PRECOMMIT);
  for (const vote of votes) {
    if (bits?.known.isMissing(vote.validatorIndex) && !sendVote(target, vote)) return false;
  }
  return true;
}

/** The precommits of a commit; entries that are absent have none. */
export function commitVotes(commit: Commit | ExtendedCommit): readonly Vote[] {
  const entries: readonly (CommitSig | ExtendedCommitSig)[] =
    "signatures" in commit ? commit.signatures : commit.extendedSignatures;
  const votes: Vote[] = [];
  entries.forEach((entry, validatorIndex) => {
    if (entry.blockIdFlag === BlockIdFlag.ABSENT) return;
    votes.push({
      type: SignedMsgType.PRECOMMIT,
      height: Height(commit.height),
      round: commit.round,
      blockId: entry.blockIdFlag === BlockIdFlag.COMMIT ? commit.blockId : NIL_BLOCK_ID,
      timestamp: entry.timestamp,
      validatorAddress: entry.validatorAddress,
      validatorIndex,
      signature: entry.signature,
      extension: "extension" in entry ? entry.extension : EMPTY_BYTES,
      extensionSignature: "extension" in entry ? entry.extensionSignature : EMPTY_BYTES,
    });
  });
  return votes;
}

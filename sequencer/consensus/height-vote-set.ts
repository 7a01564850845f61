import type { Height } from "../../proto/brands.ts";
import { Round } from "../../proto/brands.ts";
import { assert } from "../../proto/errors.ts";
import type { BlockId, Vote, VoteType } from "../../proto/types.ts";
import { SignedMsgType } from "../../proto/types.ts";
import type { Electorate } from "./electorate.ts";
import { CATCHUP_PEERS_MAX, CATCHUP_ROUNDS_MAX, CATCHUP_ROUNDS_PER_PEER_MAX } from "./limits.ts";
import { type VoteOutcome, VoteSet } from "./vote-set.ts";

interface RoundVotes {
  readonly prevotes: VoteSet;
  readonly precommits: VoteSet;
}

/**
 * All votes of one height (spec §9.5): rounds 0 to the current one plus one are tracked; a peer may
 * open two later rounds, so that a node that fell behind learns where the others are.
 */
export class HeightVoteSet {
  readonly height: Height;
  readonly #electorate: Electorate;
  readonly #isExtended: boolean;
  readonly #rounds = new Map<number, RoundVotes>();
  /** Rounds beyond the tracked ones that peers opened. */
  readonly #catchupRounds = new Set<number>();
  /** How many rounds each peer opened at this height. */
  readonly #openedByPeer = new Map<string, number>();
  #lastTracked = -1;

  constructor(height: Height, electorate: Electorate, isExtended: boolean) {
    this.height = height;
    this.#electorate = electorate;
    this.#isExtended = isExtended;
    this.trackUpTo(1);
  }

  /** Tracks all rounds up to and including `round`; never fewer than before. */
  trackUpTo(round: number): void {
    for (let next = this.#lastTracked + 1; next <= round; next++) {
      this.#catchupRounds.delete(next);
      if (!this.#rounds.has(next)) this.#open(next);
    }
    this.#lastTracked = Math.max(this.#lastTracked, round);
  }

  /** Adds a vote of this height; `peer` is "" for this node. */
  add(vote: Vote, peer: string): VoteOutcome {
    if (!this.#rounds.has(vote.round) && !this.#openForPeer(vote.round, peer)) {
      return { isAdded: false, first: undefined, code: "VOTE_UNWANTED_ROUND" };
    }
    const set = this.votes(vote.round, vote.type);
    assert(set !== undefined, "an open round has vote sets");
    return set.add(vote);
  }

  votes(round: number, type: VoteType): VoteSet | undefined {
    const votes = this.#rounds.get(round);
    return type === SignedMsgType.PREVOTE ? votes?.prevotes : votes?.precommits;
  }

  /** Prevotes of a tracked round. */
  prevotes(round: number): VoteSet {
    const set = this.#rounds.get(round)?.prevotes;
    assert(set !== undefined, `round ${round} must be tracked`);
    return set;
  }

  /** Precommits of a tracked round. */
  precommits(round: number): VoteSet {
    const set = this.#rounds.get(round)?.precommits;
    assert(set !== undefined, `round ${round} must be tracked`);
    return set;
  }

  /** A peer's claim of +2/3; "untracked" when we know nothing of that round. */
  claimMajority(
    round: number,
    type: VoteType,
    peer: string,
    blockId: BlockId,
  ): "accepted" | "conflict" | "full" | "untracked" {
    return this.votes(round, type)?.claimMajority(peer, blockId) ?? "untracked";
  }

  /** All that decides what later votes do, in a fixed order. */
  describe(): string {
    const rounds = [...this.#rounds.keys()].sort((a, b) => a - b);
    const lines = rounds.flatMap((round) => {
      const votes = this.#rounds.get(round);
      return votes === undefined ? [] : [votes.prevotes.describe(), votes.precommits.describe()];
    });
    const peers = [...this.#openedByPeer].map(([peer, count]) => `${peer}*${count}`);
    return [this.#lastTracked, ...lines, ...peers].join("\n");
  }

  #openForPeer(round: number, peer: string): boolean {
    const opened = this.#openedByPeer.get(peer);
    if (opened === undefined && this.#openedByPeer.size >= CATCHUP_PEERS_MAX) return false;
    if ((opened ?? 0) >= CATCHUP_ROUNDS_PER_PEER_MAX) return false;
    this.#openedByPeer.set(peer, (opened ?? 0) + 1);
    if (this.#catchupRounds.size >= CATCHUP_ROUNDS_MAX) this.#dropWeakest();
    this.#catchupRounds.add(round);
    this.#open(round);
    return true;
  }

  /** A round that +2/3 are in outweighs any that a few byzantine validators invent. */
  #dropWeakest(): void {
    let weakest = -1;
    let least = -1n;
    for (const round of this.#catchupRounds) {
      const votes = this.#rounds.get(round);
      const power = (votes?.prevotes.sum ?? 0n) + (votes?.precommits.sum ?? 0n);
      if (least >= 0n && power >= least) continue;
      weakest = round;
      least = power;
    }
    this.#catchupRounds.delete(weakest);
    this.#rounds.delete(weakest);
  }

  #open(round: number): void {
    const options = { height: this.height, round: Round(round), electorate: this.#electorate };
    this.#rounds.set(round, {
      prevotes: new VoteSet({ ...options, type: SignedMsgType.PREVOTE, isExtended: false }),
      precommits: new VoteSet({
        ...options,
        type: SignedMsgType.PRECOMMIT,
        isExtended: this.#isExtended,
      }),
    });
  }
}

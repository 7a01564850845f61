/**
 * News of ours that only spare others from sending what we have, or tell what they can do without for a
 * moment: each message wakes its receiver up. They are held until something urgent leaves for the same
 * peer, or a little while; what is newer by then takes their place, and what nobody needs any more is
 * dropped. A peer that keeps no early messages (CometBFT), or is ahead of us, hears of a new height or
 * round at once: it sends us nothing of it before.
 */
import { encodeConsensusMessage } from "../../../proto/codec/consensus-messages.ts";
import type { Height, NodeId } from "../../../proto/brands.ts";
import type { HasVoteMessage } from "../../../proto/messages.ts";
import { SignedMsgType } from "../../../proto/types.ts";
import { Step } from "../../consensus/step.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { Peer } from "../reactor.ts";
import { HELD_VOTES_MAX, NEWS_HOLD_MS } from "../limits.ts";
import { STATE_CHANNEL } from "./consensus-channels.ts";
import type { RoundStepMessage } from "./consensus-port.ts";

/** Whom news go to: the part of a peer of the reactor that matters here. */
export interface NewsTarget {
  readonly peer: Pick<Peer, "id" | "trySend">;
  /** Height that it said it is at. */
  readonly state: { readonly height: Height };
  readonly keepsEarly: boolean;
}

interface HeldVote {
  readonly message: HasVoteMessage;
  /** Who knows already. */
  readonly except: ReadonlySet<NodeId> | undefined;
}

export class HeldNews {
  readonly #targets: ReadonlyMap<NodeId, NewsTarget>;
  readonly #clock: Clock;
  #step: { readonly event: RoundStepMessage; readonly bytes: Uint8Array } | undefined;
  /** Who has not been told the last step. */
  readonly #untold = new Set<NewsTarget>();
  #votes: HeldVote[] = [];
  #timer: Cancel | undefined;

  constructor(targets: ReadonlyMap<NodeId, NewsTarget>, clock: Clock) {
    this.#targets = targets;
    this.#clock = clock;
  }

  /** We are at another step. */
  step(event: RoundStepMessage): void {
    const last = this.#step?.event;
    const isSameRound = last?.height === event.height && last.round === event.round;
    const bytes = encodeConsensusMessage({ kind: "newRoundStep", ...event });
    this.#step = { event, bytes };
    // Nobody sends us votes of a height that we have left, but its precommits as long as they may still count.
    this.#votes = this.#votes.filter(
      ({ message: { height, type } }) =>
        height === event.height ||
        (type === SignedMsgType.PRECOMMIT && event.step === Step.NEW_HEIGHT),
    );
    for (const target of this.#targets.values()) {
      const isExpected =
        target.keepsEarly && event.round === 0 && target.state.height <= event.height;
      if (isSameRound || isExpected) this.#untold.add(target);
      else {
        this.#untold.delete(target);
        target.peer.trySend(STATE_CHANNEL.id, bytes);
      }
    }
    this.#hold();
  }

  /** We have a vote of somebody else, or have sent one of ours. */
  vote(message: HasVoteMessage, except: ReadonlySet<NodeId> | undefined): void {
    this.#votes.push({ message, except });
    if (this.#votes.length >= HELD_VOTES_MAX) this.#release();
    else this.#hold();
  }

  /** Something urgent is about to be sent to `target`: our step goes with it. */
  goAlong(target: NewsTarget): void {
    if (this.#step === undefined || !this.#untold.delete(target)) return;
    target.peer.trySend(STATE_CHANNEL.id, this.#step.bytes, true);
  }

  forget(target: NewsTarget): void {
    this.#untold.delete(target);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #hold(): void {
    this.#timer ??= this.#clock.after(NEWS_HOLD_MS, () => this.#release());
  }

  #release(): void {
    this.stop();
    for (const target of this.#untold) {
      if (this.#step !== undefined) target.peer.trySend(STATE_CHANNEL.id, this.#step.bytes);
    }
    this.#untold.clear();
    for (const { message, except } of this.#votes.splice(0)) {
      const bytes = encodeConsensusMessage(message);
      for (const { peer } of this.#targets.values()) {
        if (except?.has(peer.id) !== true) peer.trySend(STATE_CHANNEL.id, bytes);
      }
    }
  }
}

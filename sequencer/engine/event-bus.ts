/**
 * What happened, for RPC, indexers and tests. Publishing never waits: a subscription has a bounded
 * queue and is closed as "too slow" when it overflows, as CometBFT does
 * (spec/cometbft-v0.38.md §10.5 step 8).
 */
import type { Height, Round } from "../../proto/brands.ts";
import type {
  Block,
  BlockId,
  Evidence,
  Header,
  Proposal,
  PublicKey,
  Vote,
} from "../../proto/types.ts";
import type {
  AbciEvent,
  ExecTxResult,
  FinalizeBlockResponse,
  ValidatorUpdate,
} from "../abci/application.ts";
import { EVENT_SUBSCRIPTION_QUEUE_MAX, EVENT_SUBSCRIPTIONS_MAX } from "./limits.ts";

export type EngineEvent =
  | {
      readonly kind: "NewBlock";
      readonly block: Block;
      readonly blockId: BlockId;
      readonly result: FinalizeBlockResponse;
    }
  | { readonly kind: "NewBlockHeader"; readonly header: Header }
  | {
      readonly kind: "NewBlockEvents";
      readonly height: Height;
      readonly events: readonly AbciEvent[];
      readonly txCount: number;
    }
  | { readonly kind: "NewEvidence"; readonly height: Height; readonly evidence: Evidence }
  | {
      readonly kind: "Tx";
      readonly height: Height;
      readonly index: number;
      readonly tx: Uint8Array;
      readonly result: ExecTxResult;
    }
  | { readonly kind: "ValidatorSetUpdates"; readonly updates: readonly ValidatorUpdate[] }
  | {
      readonly kind: "NewRound";
      readonly height: Height;
      readonly round: Round;
      readonly proposer: Uint8Array;
    }
  | {
      readonly kind: "NewRoundStep";
      readonly height: Height;
      readonly round: Round;
      readonly step: number;
    }
  | { readonly kind: "CompleteProposal"; readonly proposal: Proposal; readonly blockId: BlockId }
  | { readonly kind: "Vote"; readonly vote: Vote }
  | {
      readonly kind: "ValidBlock" | "Lock" | "Polka";
      readonly height: Height;
      readonly round: Round;
      /** The step in which it happened: the one before that to which it leads. */
      readonly step: number;
    }
  /** Two proposals of a round's proposer for different blocks; no event of CometBFT. */
  | {
      readonly kind: "ConflictingProposals";
      readonly first: Proposal;
      readonly second: Proposal;
      readonly proposer: PublicKey;
    }
  /** The engine stopped signing and processing (spec §13.7). */
  | { readonly kind: "Halted"; readonly reason: string };

export type EngineEventKind = EngineEvent["kind"];
export type EngineEventOf<K extends EngineEventKind> = Extract<EngineEvent, { readonly kind: K }>;

/** How a subscription ended. */
export type SubscriptionEnd = "cancelled" | "tooSlow" | "busClosed";

export interface Subscription<E> extends AsyncIterable<E> {
  /** Takes the oldest waiting event, or undefined. */
  poll(): E | undefined;
  cancel(): void;
  readonly ended: SubscriptionEnd | undefined;
}

export interface EventBus {
  publish(event: EngineEvent): void;
  /** Runs synchronously inside `publish`; must return at once. Returns a function that removes it. */
  on(listener: (event: EngineEvent) => void): () => void;
  /** Throws a RangeError when EVENT_SUBSCRIPTIONS_MAX subscriptions exist. */
  subscribe<K extends EngineEventKind>(
    kinds: readonly K[],
    options?: { readonly queueMax?: number },
  ): Subscription<EngineEventOf<K>>;
  readonly subscriptionCount: number;
  close(): void;
}

export function createEventBus(): EventBus {
  const listeners = new Set<(event: EngineEvent) => void>();
  const subscriptions = new Set<QueuedSubscription>();
  return {
    publish(event) {
      for (const listener of listeners) listener(event);
      for (const subscription of subscriptions) subscription.offer(event);
    },
    on(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    subscribe<K extends EngineEventKind>(
      kinds: readonly K[],
      options: { readonly queueMax?: number } = {},
    ) {
      if (subscriptions.size >= EVENT_SUBSCRIPTIONS_MAX) {
        throw new RangeError(
          `at most ${EVENT_SUBSCRIPTIONS_MAX} event subscriptions; cancel one first`,
        );
      }
      const subscription = new QueuedSubscription(
        new Set<EngineEventKind>(kinds),
        options.queueMax ?? EVENT_SUBSCRIPTION_QUEUE_MAX,
        () => void subscriptions.delete(subscription),
      );
      subscriptions.add(subscription);
      return subscription as unknown as Subscription<EngineEventOf<K>>;
    },
    get subscriptionCount() {
      return subscriptions.size;
    },
    close() {
      for (const subscription of subscriptions) subscription.end("busClosed");
      listeners.clear();
    },
  };
}

class QueuedSubscription implements Subscription<EngineEvent> {
  ended: SubscriptionEnd | undefined;
  readonly #kinds: ReadonlySet<EngineEventKind>;
  readonly #queueMax: number;
  readonly #onEnd: () => void;
  #queue: EngineEvent[] = [];
  #wake: (() => void) | undefined;

  constructor(kinds: ReadonlySet<EngineEventKind>, queueMax: number, onEnd: () => void) {
    this.#kinds = kinds;
    this.#queueMax = queueMax;
    this.#onEnd = onEnd;
  }

  offer(event: EngineEvent): void {
    if (!this.#kinds.has(event.kind)) return;
    if (this.#queue.length >= this.#queueMax) return this.end("tooSlow");
    this.#queue.push(event);
    this.#wake?.();
  }

  poll(): EngineEvent | undefined {
    return this.#queue.shift();
  }

  cancel(): void {
    this.end("cancelled");
  }

  end(how: SubscriptionEnd): void {
    if (this.ended !== undefined) return;
    this.ended = how;
    this.#onEnd();
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<EngineEvent> {
    try {
      for (;;) {
        const event = this.#queue.shift();
        if (event !== undefined) yield event;
        else if (this.ended !== undefined) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.cancel();
    }
  }
}

/**
 * Whether a rollup is behind the order: its state, and each nonce in it, is old then. How far the order is only the nodes
 * tell, and one of several may lie or hang. So the verified time of what was executed goes before their word, and a height
 * that a node tells of counts only as long as blocks keep coming, or for a limited wait.
 */
import { Height } from "../../proto/brands.ts";
import { timeToMs } from "../../proto/time.ts";
import type { Timestamp } from "../../proto/types.ts";
import type { Cancel, Clock } from "../../sequencer/ports/clock.ts";
import type { SequencerClient } from "../client/sequencer-client.ts";
import { BEHIND_BLOCKS_MAX, FRESH_BLOCK_MS, HEAD_ASK_MS, STREAM_SILENCE_MS } from "../limits.ts";
import type { DriverMetrics } from "./metrics.ts";

/** Sequencer heights: the last executed one, and the highest that a node tells of. */
export interface CatchingUp {
  readonly height: Height;
  readonly head: Height;
}

type HeadClient = Pick<SequencerClient, "chainInfo">;

export interface CatchUp {
  /** Asks the nodes from time to time, while that can change the answer; until `stop`. */
  start(): void;
  stop(): void;
  /** `client` says that the chain is at `head`. */
  told(client: HeadClient, head: Height): void;
  /** A stream is about to be opened: the executor has taken everything up to `height`, which may be lower than before. */
  resumed(height: Height): void;
  /** The next block of the stream is waited for. */
  waits(): void;
  /** It has come, or the stream has ended. */
  waited(): void;
  executed(client: HeadClient, block: { readonly height: Height; readonly time: Timestamp }): void;
  /** Undefined: at the head, for all that is known. */
  state(): CatchingUp | undefined;
}

/** @param clients asked for the height of chain `chainId`; one that serves another says nothing about it */
export function createCatchUp(
  { clients, chainId }: { readonly clients: readonly HeadClient[]; readonly chainId: string },
  {
    clock,
    metrics,
  }: { readonly clock: Clock; readonly metrics: Pick<DriverMetrics, "sequencerHead"> },
): CatchUp {
  const heads = new Map<HeadClient, Height>();
  let height: Height | undefined;
  /** The last block of this stream was young when it was executed: what may be missing since is waited for, not caught up. */
  let isFresh = false;
  let waitingSinceMs: number | undefined;
  let timer: Cancel | undefined;
  let isStopped = false;

  function told(client: HeadClient, head: Height): void {
    heads.set(client, head);
    metrics.sequencerHead.set(highest());
  }

  function highest(): Height {
    let head = Height(0);
    for (const one of heads.values()) if (one > head) head = one;
    return head;
  }

  async function ask(): Promise<void> {
    await Promise.all(
      clients.map(async (client) => {
        try {
          const info = await client.chainInfo();
          if (info.chainId === chainId && !isFresh) told(client, info.height);
        } catch {
          // One that does not answer tells nothing new, and is asked again.
        }
      }),
    );
  }

  function askLater(): void {
    timer = clock.after(HEAD_ASK_MS, () => {
      const asked = isFresh ? Promise.resolve() : ask();
      void asked.then(() => {
        if (!isStopped) askLater();
      });
    });
  }

  return {
    start: askLater,
    stop() {
      isStopped = true;
      timer?.cancel();
    },
    told,
    resumed(to) {
      height = to;
      isFresh = false;
    },
    waits() {
      waitingSinceMs = clock.monotonicMs();
    },
    waited() {
      waitingSinceMs = undefined;
    },
    executed(client, block) {
      height = block.height;
      // A clock that is wrong by more makes every block look old, or new: then the nodes' word decides.
      isFresh = Math.abs(timeToMs(clock.now()) - timeToMs(block.time)) <= FRESH_BLOCK_MS;
      // Known better now than by what any node has said.
      if (isFresh) heads.clear();
      if (isFresh || block.height > (heads.get(client) ?? 0)) told(client, block.height);
    },
    state() {
      if (height === undefined || isFresh) return undefined;
      // Whoever promised more has not sent it.
      if (
        waitingSinceMs !== undefined &&
        clock.monotonicMs() - waitingSinceMs >= STREAM_SILENCE_MS
      ) {
        return undefined;
      }
      const head = highest();
      return head - height > BEHIND_BLOCKS_MAX ? { height, head } : undefined;
    },
  };
}

/** In words, for people. */
export function catchingUpText({ height, head }: CatchingUp): string {
  return `catching up: block ${height} of ${head}`;
}

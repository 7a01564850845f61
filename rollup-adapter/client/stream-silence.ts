/** Ends a stream that has been silent too long: a node that hangs looks like one that is idle. */
import {
  HEADERS_AHEAD_MAX,
  STREAM_SILENCE_MS,
  STREAM_SILENCES_FAR_MAX,
  STREAM_SILENCES_MAX,
} from "../limits.ts";

/** The chain above a stream whose next message may have to wait for it. */
export interface ChainAbove {
  /** Asks the node for its height. */
  readonly height: () => Promise<number>;
  /** The first height that has not come; 0: the next one of the chain, whichever that is. */
  readonly next: () => number;
}

export interface Silence {
  /** Waits for the next message. */
  start(): void;
  /** It has come, or nobody waits for it any more. */
  stop(): void;
  /** Whether the stream was ended for it. */
  isSilent(): boolean;
}

/** Waits from now on. @param chain left out: nothing but the end of silence proves that the node is there */
export function watchSilence(cancel: () => void, chain?: ChainAbove): Silence {
  let isSilent = false;
  let silences = 0;
  let lastHeight = 0;
  let firstHeight = 0;
  let timer: NodeJS.Timeout | undefined;

  function start(): void {
    timer = setTimeout(() => void silent(), STREAM_SILENCE_MS);
  }

  function stop(): void {
    clearTimeout(timer);
    timer = undefined;
    silences = 0;
  }

  /**
   * No fault of a node whose chain has grown since. Once it has grown beyond all that a block waits for (what comes with
   * more headers nobody takes), there is but the time that a slow link needs; and a height is soon said, so that neither
   * is borne for ever.
   */
  async function silent(): Promise<void> {
    const waited = timer;
    const before = lastHeight;
    lastHeight = (await chain?.height().catch(() => 0)) ?? 0;
    if (timer !== waited) return;
    if (firstHeight === 0) firstHeight = lastHeight;
    silences += 1;
    const most = (chain?.next() || firstHeight) + HEADERS_AHEAD_MAX;
    const borne = lastHeight > most ? STREAM_SILENCES_FAR_MAX : STREAM_SILENCES_MAX;
    if (lastHeight > before && silences <= borne) {
      start();
      return;
    }
    isSilent = true;
    cancel();
  }

  start();
  return { start, stop, isSilent: () => isSilent };
}

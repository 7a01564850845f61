import type { GrpcBlocks } from "./ports.ts";

/** Waits for "there may be something new": a block, the end of the call, the end of the server. */
export function createNews(blocks: Pick<GrpcBlocks, "onBlock">, stopped: AbortSignal) {
  let isNew = false;
  let resolve: (() => void) | undefined;
  const wake = (): void => {
    isNew = true;
    resolve?.();
  };
  const off = blocks.onBlock(wake);
  stopped.addEventListener("abort", wake);
  return {
    wake,
    async wait(): Promise<void> {
      if (!isNew) {
        await new Promise<void>((done) => {
          resolve = done;
        });
      }
      isNew = false;
    },
    stop(): void {
      off();
      stopped.removeEventListener("abort", wake);
    },
  };
}

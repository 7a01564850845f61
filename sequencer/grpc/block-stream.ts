/**
 * One StreamBlocks call: every height once, in order, from the one asked for until the reader goes.
 * A reader sets its own pace; one that stops reading is dropped, told where to go on.
 */
import type { ServerWritableStream } from "@grpc/grpc-js";
import { Height } from "../../proto/brands.ts";
import { bytesEqual } from "../../proto/bytes.ts";
import type { RollupBlock, StreamBlocksRequest } from "../../proto/grpc/rollup-service.ts";
import { grpcError } from "./grpc-error.ts";
import { SLOW_READER_MS } from "./limits.ts";
import type { GrpcMetrics } from "./metrics.ts";
import type { GrpcBlocks } from "./ports.ts";
import { type RollupBlockSource, withoutValidatorSet } from "./rollup-block-source.ts";

export async function streamBlocks(
  call: ServerWritableStream<StreamBlocksRequest, RollupBlock>,
  deps: {
    readonly blocks: GrpcBlocks;
    readonly source: RollupBlockSource;
    readonly metrics: GrpcMetrics;
    readonly stopped: AbortSignal;
  },
): Promise<void> {
  const { blocks, source, metrics, stopped } = deps;
  const { rollupId, fromHeight, level } = call.request;
  let next = fromHeight === 0 ? Height(blocks.height() + 1) : fromHeight;
  let lastValidatorsHash: Uint8Array | undefined;
  const news = createNews(blocks, stopped);
  call.on("cancelled", news.wake);
  try {
    while (!call.cancelled && !stopped.aborted) {
      if (next > blocks.height()) {
        await news.wait();
        continue;
      }
      const { message, validatorsHash } = await source.build(next, rollupId, level);
      const isSameSet =
        lastValidatorsHash !== undefined && bytesEqual(lastValidatorsHash, validatorsHash);
      lastValidatorsHash = validatorsHash;
      metrics.streamBlocks.inc();
      if (!call.write(isSameSet ? withoutValidatorSet(message) : message)) {
        await drained(call, next, stopped, metrics);
      }
      next = Height(next + 1);
    }
    if (stopped.aborted) {
      throw grpcError("GRPC_UNAVAILABLE", `the node is stopping; go on from height ${next}`);
    }
  } finally {
    news.stop();
  }
}

/** Resolves when the reader has taken what was written; throws when it takes nothing for too long. */
function drained(
  call: ServerWritableStream<StreamBlocksRequest, RollupBlock>,
  height: Height,
  stopped: AbortSignal,
  metrics: GrpcMetrics,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (end: () => void): void => {
      clearTimeout(timer);
      call.off("drain", onDrain);
      call.off("cancelled", onDrain);
      stopped.removeEventListener("abort", onDrain);
      end();
    };
    const onDrain = (): void => finish(resolve);
    const timer = setTimeout(() => {
      metrics.slowReaders.inc();
      finish(() =>
        reject(
          grpcError(
            "GRPC_RESOURCE_EXHAUSTED",
            `nothing was read for ${SLOW_READER_MS / 1_000} s; go on from height ${height}`,
          ),
        ),
      );
    }, SLOW_READER_MS);
    call.once("drain", onDrain);
    call.once("cancelled", onDrain);
    stopped.addEventListener("abort", onDrain);
  });
}

/** Waits for "there may be something new": a block, the end of the call, the end of the server. */
function createNews(blocks: GrpcBlocks, stopped: AbortSignal) {
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

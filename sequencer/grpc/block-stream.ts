/**
 * One StreamBlocks call: every height once, in order, from the one asked for until the reader goes.
 * A reader sets its own pace; one that stops reading is dropped, told where to go on.
 */
import type { ServerWritableStream } from "@grpc/grpc-js";
import { Height } from "../../proto/brands.ts";
import { bytesEqual } from "../../proto/bytes.ts";
import { Level, type RollupBlock } from "../../proto/grpc/rollup-block.ts";
import type { StreamBlocksRequest } from "../../proto/grpc/rollup-service.ts";
import { grpcError } from "./grpc-error.ts";
import { SLOW_READER_MS } from "./limits.ts";
import type { GrpcMetrics } from "./metrics.ts";
import { createNews } from "./news.ts";
import type { GrpcBlocks } from "./ports.ts";
import {
  type FillingUp,
  type RollupBlockSource,
  withoutHeaders,
  withoutValidatorSet,
} from "./rollup-block-source.ts";
import { createUnread } from "./unread.ts";

export async function streamBlocks(
  call: ServerWritableStream<StreamBlocksRequest, RollupBlock>,
  deps: {
    readonly blocks: GrpcBlocks;
    readonly source: RollupBlockSource;
    readonly metrics: GrpcMetrics;
    readonly stopped: AbortSignal;
    /** Told when the stream begins (1) and ends (-1) to wait for openings. */
    readonly onWaiting: (change: 1 | -1) => void;
  },
): Promise<void> {
  const { blocks, source, metrics, stopped, onWaiting } = deps;
  const { rollupId, fromHeight, level, untilHeight = Height(0) } = call.request;
  let next = fromHeight === 0 ? Height(blocks.height() + 1) : fromHeight;
  const last = untilHeight === 0 ? Number.MAX_SAFE_INTEGER : untilHeight;
  let lastValidatorsHash: Uint8Array | undefined;
  /** Last header that this stream has held, as a block's own or as one that follows. */
  let lastHeader = 0;
  let fillingUp: FillingUp | undefined;
  const news = createNews(blocks, stopped);
  const unread = createUnread(call, approximateBytes, stopped);
  call.on("cancelled", news.wake);
  try {
    while (!call.cancelled && !stopped.aborted && next <= last) {
      if (next > blocks.height()) {
        await news.wait();
        continue;
      }
      if (level === Level.FILLED) fillingUp ??= source.fillUp(next, rollupId);
      const built =
        fillingUp === undefined ? await source.build(next, rollupId) : await fillingUp.complete();
      if (built === undefined) {
        onWaiting(1);
        await news.wait().finally(() => onWaiting(-1));
        continue;
      }
      fillingUp = undefined;
      const { message, validatorsHash } = built;
      const isSameSet =
        lastValidatorsHash !== undefined && bytesEqual(lastValidatorsHash, validatorsHash);
      lastValidatorsHash = validatorsHash;
      metrics.streamBlocks.inc();
      const first = withoutHeaders(message, lastHeader);
      lastHeader = Math.max(lastHeader, next + (message.filling?.headers.length ?? 0));
      unread.write(isSameSet ? withoutValidatorSet(first) : first);
      next = Height(next + 1);
      if (!(await unread.room())) {
        metrics.slowReaders.inc();
        throw grpcError(
          "GRPC_RESOURCE_EXHAUSTED",
          `nothing was read for ${SLOW_READER_MS / 1_000} s; go on from height ${unread.firstUnread()}`,
        );
      }
    }
    if (stopped.aborted) {
      throw grpcError("GRPC_UNAVAILABLE", `the node is stopping; go on from height ${next}`);
    }
  } finally {
    news.stop();
  }
}

/** Payloads, headers and proofs; framing does not matter here. */
function approximateBytes(message: RollupBlock): number {
  const { signedHeader, validatorSet, manifest, slice, filling } = message;
  let bytes = signedHeader.length + validatorSet.length + manifest.length;
  if (slice.kind === "presence") {
    for (const { payload } of slice.entries) bytes += payload.length + 128;
    bytes += slice.fills.length * 64;
  }
  if (filling === undefined) return bytes;
  for (const header of filling.headers) {
    bytes += header.signedHeader.length + header.validatorSet.length;
  }
  for (const { fills } of filling.blocks) bytes += 1_024 + fills.length * 64;
  for (const { payload } of filling.contents) bytes += payload.length + 8;
  return bytes;
}

/**
 * One StreamProposedBlocks call: proposals as this node accepts them, before anybody has decided. Not every height
 * comes, and a height may come more than once: while a reader is busy, the newest proposal takes the place of those
 * before it.
 */
import type { ServerWritableStream } from "@grpc/grpc-js";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import type {
  ProposedEntry,
  ProposedRollupBlock,
  StreamProposedBlocksRequest,
} from "../../proto/grpc/mev-service.ts";
import { timeToMs } from "../../proto/time.ts";
import type { Absence, Presence } from "../../proto/verify/manifest.ts";
import type { ProposedBlock } from "../app/weft-application.ts";
import type { Clock } from "../ports/clock.ts";
import { grpcError } from "./grpc-error.ts";
import type { GrpcMetrics } from "./metrics.ts";
import type { GrpcApplication } from "./ports.ts";
import { createUnread, sendInTime } from "./unread.ts";

export async function streamProposedBlocks(
  call: ServerWritableStream<StreamProposedBlocksRequest, ProposedRollupBlock>,
  deps: {
    readonly application: Pick<GrpcApplication, "onProposed">;
    readonly metrics: Pick<GrpcMetrics, "proposedBlocks" | "slowReaders">;
    readonly clock: Pick<Clock, "after" | "monotonicMs">;
    readonly stopped: AbortSignal;
  },
): Promise<void> {
  const { application, clock, metrics, stopped } = deps;
  const { rollupId } = call.request;
  const unread = createUnread<StreamProposedBlocksRequest, ProposedRollupBlock>(
    call,
    stopped,
    clock,
  );
  let newest: ProposedBlock | undefined;
  let wake = (): void => {};
  const off = application.onProposed((block) => {
    newest = block;
    wake();
  });
  const end = (): void => wake();
  call.on("cancelled", end);
  stopped.addEventListener("abort", end);
  try {
    while (!call.cancelled && !stopped.aborted) {
      const block = newest;
      newest = undefined;
      if (block === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const slice = (await block.slices()).slice(rollupId);
      metrics.proposedBlocks.inc();
      const message: ProposedRollupBlock = {
        height: block.height,
        blockHash: block.hash,
        proposer: block.proposerAddress,
        timeMs: timeToMs(block.time),
        unsafe: true,
        entries: entriesOf(slice),
      };
      await sendInTime(unread, metrics, message, approximateBytes(message), block.height);
    }
    if (stopped.aborted) {
      throw grpcError("GRPC_UNAVAILABLE", "the node is stopping; open the stream at another node");
    }
  } finally {
    off();
    stopped.removeEventListener("abort", end);
  }
}

function entriesOf(slice: Presence | Absence): readonly ProposedEntry[] {
  if (slice.kind === "absence") return [];
  return slice.entries.map((entry) => ({ ...entry, bundleId: entry.bundleId ?? EMPTY_BYTES }));
}

/** Payloads, and what stands beside each. */
function approximateBytes({ entries }: ProposedRollupBlock): number {
  return entries.reduce((sum, { payload }) => sum + payload.length + 128, 128);
}

/** StreamBundleStatus and StreamAuctions: small messages, at the reader's pace. */
import type { ServerWritableStream } from "@grpc/grpc-js";
import { Height } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import {
  type AuctionInfo,
  type BundleStatus,
  isEnd,
  STATUS_IDS_MAX,
  type StreamAuctionsRequest,
  type StreamBundleStatusRequest,
} from "../../proto/grpc/mev-service.ts";
import type { AbciEvent } from "../abci/application.ts";
import { AUCTION_SETTLED } from "../app/auction/events.ts";
import type { Clock } from "../ports/clock.ts";
import { grpcError } from "./grpc-error.ts";
import type { GrpcMetrics } from "./metrics.ts";
import { checkHash } from "./mev-service.ts";
import { createNews } from "./news.ts";
import type { GrpcBlocks } from "./ports.ts";
import { createUnread, sendInTime } from "./unread.ts";

interface StreamDependencies {
  readonly blocks: GrpcBlocks;
  readonly metrics: Pick<GrpcMetrics, "slowReaders">;
  readonly clock: Pick<Clock, "after" | "monotonicMs">;
  readonly stopped: AbortSignal;
}

/** What one message takes at most, roughly. */
const MESSAGE_BYTES = 2 << 10;

/** Looks again with each block: what a pool drops is told at the latest then. */
export async function streamBundleStatus(
  call: ServerWritableStream<StreamBundleStatusRequest, BundleStatus>,
  deps: StreamDependencies & { readonly status: (id: Uint8Array) => Promise<BundleStatus> },
): Promise<void> {
  const { ids } = call.request;
  if (ids.length === 0 || ids.length > STATUS_IDS_MAX) {
    throw grpcError(
      "GRPC_INVALID_ARGUMENT",
      `expected 1 to ${STATUS_IDS_MAX} ids, got ${ids.length}`,
    );
  }
  for (const id of ids) checkHash("ids", id);
  const open = new Map(ids.map((id) => [toHex(id), { id, told: "" }]));
  await withNews(call, deps, async (send) => {
    for (const [name, { id, told }] of open) {
      const status = await deps.status(id);
      const { state, reason, height, dueHeight, atomic } = status;
      const now = JSON.stringify([state, reason, height, dueHeight, atomic]);
      if (now !== told) await send(status);
      if (isEnd(status)) open.delete(name);
      else open.set(name, { id, told: now });
    }
    return open.size === 0;
  });
}

/** From the next block on. */
export async function streamAuctions(
  call: ServerWritableStream<StreamAuctionsRequest, AuctionInfo>,
  deps: StreamDependencies & {
    readonly auction: (height: number, group: string) => AuctionInfo | undefined;
  },
): Promise<void> {
  const { blocks } = deps;
  const { group } = call.request;
  if (group.length > 0) checkHash("group", group);
  const wanted = toHex(group);
  let last = blocks.height();
  await withNews(call, deps, async (send) => {
    while (last < blocks.height()) {
      const results = await blocks.results(Height(last + 1));
      last = Height(last + 1);
      // All of the block itself: an auction ends with the last item that opens, or expires.
      for (const settled of settledIn(results?.events ?? [])) {
        if (wanted !== "" && settled.group !== wanted) continue;
        const auction = deps.auction(settled.height, settled.group);
        if (auction !== undefined) await send(auction);
      }
    }
    return false;
  });
}

function settledIn(events: readonly AbciEvent[]) {
  return events.flatMap(({ type, attributes }) => {
    if (type !== AUCTION_SETTLED) return [];
    const of = (key: string) => attributes.find((one) => one.key === key)?.value ?? "";
    return [{ height: Number(of("height")), group: of("group") }];
  });
}

/** Calls `look` now and whenever there may be something new, until it says that nothing more will come. */
async function withNews<Request, Response>(
  call: ServerWritableStream<Request, Response>,
  { blocks, metrics, clock, stopped }: StreamDependencies,
  look: (send: (message: Response) => Promise<void>) => Promise<boolean>,
): Promise<void> {
  const news = createNews(blocks, stopped);
  const unread = createUnread<Request, Response>(call, stopped, clock);

  /** Resolves when there is room for another message, or the call is over. */
  async function send(message: Response): Promise<void> {
    if (call.cancelled || stopped.aborted) return;
    await sendInTime(unread, metrics, message, MESSAGE_BYTES, blocks.height());
  }

  call.on("cancelled", news.wake);
  try {
    while (!call.cancelled && !stopped.aborted) {
      if (await look(send)) return;
      await news.wait();
    }
    if (stopped.aborted)
      throw grpcError("GRPC_UNAVAILABLE", "the node is stopping; ask another one");
  } finally {
    news.stop();
  }
}

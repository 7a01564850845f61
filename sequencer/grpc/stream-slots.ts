/** How many streams are open: in all, and of each address. A further one is refused. */
import { grpcError } from "./grpc-error.ts";
import type { GrpcMetrics } from "./metrics.ts";

export interface StreamSlots {
  /** Takes a slot; call what it returns when the stream is closed, once. @throws GRPC_RESOURCE_EXHAUSTED */
  take(peer: string): () => void;
}

export function createStreamSlots(
  { max, maxPerPeer }: { readonly max: number; readonly maxPerPeer: number },
  metrics: Pick<GrpcMetrics, "streams" | "streamsRefused">,
): StreamSlots {
  let open = 0;
  const byPeer = new Map<string, number>();
  return {
    take(peer) {
      const ofPeer = byPeer.get(peer) ?? 0;
      if (open >= max) {
        metrics.streamsRefused.inc({ reason: "all" });
        throw grpcError(
          "GRPC_RESOURCE_EXHAUSTED",
          `this node serves at most ${max} streams; try another node`,
        );
      }
      if (ofPeer >= maxPerPeer) {
        metrics.streamsRefused.inc({ reason: "peer" });
        throw grpcError(
          "GRPC_RESOURCE_EXHAUSTED",
          `this node serves at most ${maxPerPeer} streams of one address; end one, or try another node`,
        );
      }
      open += 1;
      byPeer.set(peer, ofPeer + 1);
      metrics.streams.set(open);
      return () => {
        open -= 1;
        const left = (byPeer.get(peer) ?? 1) - 1;
        if (left === 0) byPeer.delete(peer);
        else byPeer.set(peer, left);
        metrics.streams.set(open);
      };
    },
  };
}

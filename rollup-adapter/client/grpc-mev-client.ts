/** A sequencer node behind `weft.mev.v1.MevService`, over gRPC. */
import type { SubmitItemRequest, SubmitItemResponse } from "../../proto/grpc/mev-service.ts";
import { MEV_SERVICE } from "../../proto/grpc/mev-service.ts";
import type { Method } from "../../proto/grpc/wire.ts";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import { createGrpcCaller } from "./grpc-sequencer-client.ts";
import type { BundleOutcome, MevClient, MevStreams } from "./mev-client.ts";

/** @param address host:port of a node's gRPC listener */
export function createGrpcMevClient(
  address: string,
): MevClient & MevStreams & { readonly close: () => void } {
  const caller = createGrpcCaller(address);
  const { call, stream } = caller;
  const submit =
    (method: Method<SubmitItemRequest, SubmitItemResponse>) =>
    async (item: Uint8Array): Promise<BundleOutcome> => {
      const { duplicate, ...outcome } = await call(method, { item });
      return { ...outcome, isDuplicate: duplicate };
    };
  return {
    submitBundle: submit(MEV_SERVICE.submitBundle),
    submitBid: submit(MEV_SERVICE.submitBid),
    cancelBundles: submit(MEV_SERVICE.cancelBundles),
    bundleStatus: (id) => call(MEV_SERVICE.getBundleStatus, { id }),
    auction: (group, height) => call(MEV_SERVICE.getAuction, { group, height }),
    mevParams: () => call(MEV_SERVICE.getMevParams, {}),
    inclusionTally: (id) => call(MEV_SERVICE.getInclusionTally, { id }),
    revenue: (rollupId) => call(MEV_SERVICE.getRevenue, { rollupId }),
    bundleStatuses: (ids, signal) => stream(MEV_SERVICE.streamBundleStatus, { ids }, signal),
    auctions: (group = EMPTY_BYTES, signal) =>
      stream(MEV_SERVICE.streamAuctions, { group }, signal),
    proposedBlocks: (rollupId, signal) =>
      stream(MEV_SERVICE.streamProposedBlocks, { rollupId }, signal),
    close: () => caller.close(),
  };
}

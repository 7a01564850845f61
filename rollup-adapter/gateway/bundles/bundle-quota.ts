/**
 * What one requester may have waiting in the gateway's account: the chain lets an account have so many bundles in
 * its pools, and all searchers of a gateway share that.
 */
import { toHex } from "../../../proto/bytes.ts";
import type { Quota } from "../quota.ts";
import type { BundleGateway } from "./bundle-gateway.ts";
import { bundleError } from "./errors.ts";
import { DEFAULT_WINDOW_HEIGHTS, SEALED_WAIT_HEIGHTS } from "./limits.ts";
import type { RequestedLeg, Sent } from "./requests.ts";

/** Sends in the gateway's account. */
export type BundleSender = Pick<BundleGateway, "sendBundle" | "sendSealed" | "sendBid">;

export interface BundleQuota {
  /** The gateway, as far as this requester's quota goes; refuses with RATE_LIMITED beyond. */
  senderFor(requester: string): BundleSender;
  /** Tells what a block of the sequencer holds: what is ordered, or came too late, waits no longer. */
  blockOrdered(height: number, itemIds: readonly Uint8Array[]): void;
}

interface Waiting {
  readonly requester: string;
  /** Last block that may hold it. */
  readonly untilHeight: number;
}

/** @param costOf nweft that ordering so many bytes costs now */
export function createBundleQuota(
  gateway: BundleSender,
  quota: Quota,
  costOf: (bytes: number) => bigint,
): BundleQuota {
  const waiting = new Map<string, Waiting>();
  let height = 0;

  async function counted(
    requester: string,
    legs: readonly Pick<RequestedLeg, "txs">[],
    untilHeight: number,
    send: () => Promise<Sent>,
  ): Promise<Sent> {
    const bytes = legs.flatMap(({ txs }) => txs).reduce((sum, tx) => sum + tx.length, 0);
    const refusal = quota.take(requester, costOf(bytes));
    if (refusal !== undefined) throw bundleError("RATE_LIMITED", refusal);
    try {
      const sent = await send();
      const id = toHex(sent.id);
      // Sent twice it waits once.
      if (waiting.has(id)) quota.release(requester);
      waiting.set(id, { requester, untilHeight });
      return sent;
    } catch (error) {
      quota.release(requester);
      throw error;
    }
  }

  return {
    senderFor(requester) {
      const ends = (maxHeight: number | undefined, blocks: number): number =>
        maxHeight ?? height + 1 + blocks;
      return {
        sendBundle: (request, from) =>
          counted(requester, request.legs, ends(request.maxHeight, DEFAULT_WINDOW_HEIGHTS), () =>
            gateway.sendBundle(request, from),
          ),
        sendSealed: (rollupId, tx) =>
          counted(requester, [{ txs: [tx] }], ends(undefined, SEALED_WAIT_HEIGHTS), () =>
            gateway.sendSealed(rollupId, tx),
          ),
        sendBid: (request) =>
          counted(requester, request.legs, ends(request.maxHeight, DEFAULT_WINDOW_HEIGHTS), () =>
            gateway.sendBid(request),
          ),
      };
    },
    blockOrdered(ordered, itemIds) {
      height = ordered;
      const end = (id: string): void => {
        const one = waiting.get(id);
        if (one === undefined) return;
        waiting.delete(id);
        quota.release(one.requester);
      };
      for (const id of itemIds) end(toHex(id));
      for (const [id, { untilHeight }] of waiting) if (untilHeight <= height) end(id);
    },
  };
}

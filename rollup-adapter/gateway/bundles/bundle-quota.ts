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

/** Around a transaction and around a leg, at most. */
const ENTRY_BYTES = 6;
const LEG_BYTES = 64;

interface Waiting {
  readonly requester: string;
  /** Last block that may hold it. */
  readonly untilHeight: number;
}

/** @param costOf nweft that ordering so many bytes costs now; rejects while nobody knows */
export function createBundleQuota(
  gateway: BundleSender,
  quota: Quota,
  costOf: (bytes: number, isSealed: boolean) => Promise<bigint>,
): BundleQuota {
  const waiting = new Map<string, Waiting>();
  let height = 0;

  async function counted(
    requester: string,
    request: {
      readonly legs: readonly Pick<RequestedLeg, "txs">[];
      readonly isSealed: boolean;
      /** nweft that it offers in the gateway's name beside the fee. */
      readonly offered: bigint;
      readonly untilHeight: number;
    },
    send: () => Promise<Sent>,
  ): Promise<Sent> {
    const { legs, isSealed, offered, untilHeight } = request;
    const bytes = legs
      .flatMap(({ txs }) => txs)
      .reduce((sum, tx) => sum + tx.length + ENTRY_BYTES, legs.length * LEG_BYTES);
    const fee = quota.isPaid(requester) ? await costOf(bytes, isSealed).catch(unavailable) : 0n;
    const cost = fee + offered;
    const refusal = quota.take(requester, cost);
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
      quota.spend(requester, -cost);
      throw error;
    }
  }

  return {
    senderFor(requester) {
      const ends = (maxHeight: number | undefined, blocks: number): number =>
        maxHeight ?? height + 1 + blocks;
      return {
        sendBundle(request, from) {
          const { legs, maxHeight, isEncrypted: isSealed } = request;
          const untilHeight = ends(maxHeight, DEFAULT_WINDOW_HEIGHTS);
          const offered = legs.reduce((sum, { tip }) => sum + tip, 0n);
          return counted(requester, { legs, isSealed, offered, untilHeight }, () =>
            gateway.sendBundle(request, from),
          );
        },
        sendSealed(rollupId, tx) {
          const untilHeight = ends(undefined, SEALED_WAIT_HEIGHTS);
          const legs = [{ txs: [tx] }];
          return counted(requester, { legs, isSealed: true, offered: 0n, untilHeight }, () =>
            gateway.sendSealed(rollupId, tx),
          );
        },
        sendBid(request) {
          const { legs, amount: offered, maxHeight } = request;
          const untilHeight = ends(maxHeight, DEFAULT_WINDOW_HEIGHTS);
          return counted(requester, { legs, isSealed: true, offered, untilHeight }, () =>
            gateway.sendBid(request),
          );
        },
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

/** For what asking the node for its price throws. */
function unavailable(cause: unknown): never {
  throw bundleError("UNAVAILABLE", "the sequencer cannot be reached; try again later", { cause });
}

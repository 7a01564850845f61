/** What a node of a `TestChain` is seen to do at its ports, and made to do. */
import type { SealCompute } from "../../mev/seal/compute.ts";
import type { TicketSecretOf } from "../../mev/seal/shares.ts";
import { LOCAL_SEAL_COMPUTE } from "./seal-compute.ts";

/** What one node does at its ports. */
export interface Watch {
  /** Secrets of the tickets that it holds; none when it is not given. */
  ticketSecretOf?: TicketSecretOf;
  /** Sealed items that it has opened, or tried to. */
  openedItems: number;
  /** Says that sealed items do not open. */
  failsToOpen?: boolean;
  /** The same while votes come in. */
  failsAhead?: boolean;
  /** Batches of shares that it has combined. */
  combined: number;
  /** Transaction signatures that it has had verified. */
  signatures: number;
  /** Own proposals that gave way to the minimal block. */
  fallbacks: number;
  /** Validators that evidence in its blocks names, as it counts them, by type. */
  readonly misbehavior: Map<string, number>;
  /** Says that every signature is bad, this many batches from now, for one batch or `failsFor`. */
  failAfter?: number;
  failsFor?: number;
  /** Lets the next batch finish only after those that follow it at once. */
  delayNext?: boolean;
  /** Batches at the port that are not delayed. */
  underWay?: number;
}

export function newWatch(): Watch {
  return { openedItems: 0, combined: 0, signatures: 0, fallbacks: 0, misbehavior: new Map() };
}

/** The arithmetic of sealed transactions, counted. */
export function watchedSeal(watch: Watch): SealCompute {
  return {
    ...LOCAL_SEAL_COMPUTE,
    async combine(asked) {
      watch.combined++;
      return LOCAL_SEAL_COMPUTE.combine(asked);
    },
    async open(batch) {
      watch.openedItems += batch.items.length;
      const fails = watch.failsToOpen === true || watch.failsAhead === true;
      const opened = await LOCAL_SEAL_COMPUTE.open(batch);
      return fails ? opened.map(() => ({ kind: "failed" })) : opened;
    },
  };
}

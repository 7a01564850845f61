/** Several sequencer nodes as one, for calls that any of them can answer. */
import { Height, type RollupId } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { isWeftError } from "../../proto/errors.ts";
import type { MevClient } from "./mev-client.ts";
import type { SequencerClient } from "./sequencer-client.ts";

/** What a gateway needs of a sequencer. */
export interface SubmitClient
  extends Pick<SequencerClient, "chainInfo" | "rollup" | "sealKey" | "submit"> {
  /** Ids (hex) of what blocks `first` to `last` hold of the rollup, as one node tells. */
  orderedIds(rollupId: RollupId, first: number, last: number): Promise<ReadonlySet<string>>;
}

/** What each of the nodes is asked. */
export type SubmitNode = Pick<
  SequencerClient,
  "blocks" | "chainInfo" | "rollup" | "sealKey" | "submit"
>;

/**
 * Stays with one node as long as it answers and is up with the chain, else goes on to the next. A
 * submission that is sent to a second node after the first did not answer is the same transaction there.
 *
 * @throws the failure of the last node, when none answers
 */
export function createFailoverClient(clients: readonly SubmitNode[]): SubmitClient {
  const first = createFailover(clients);
  return {
    chainInfo: () =>
      first(
        (client) => client.chainInfo(),
        (info) => !info.isCatchingUp,
      ),
    rollup: (key) => first((client) => client.rollup(key)),
    sealKey: (number) => first((client) => client.sealKey(number)),
    submit: (item) => first((client) => client.submit(item)),
    orderedIds: (rollupId, firstHeight, lastHeight) =>
      first((client) => orderedIds(client, rollupId, firstHeight, lastHeight)),
  };
}

async function orderedIds(
  client: Pick<SequencerClient, "blocks">,
  rollupId: RollupId,
  first: number,
  last: number,
): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  if (last < first) return ids;
  const abort = new AbortController();
  const { signal } = abort;
  try {
    const fromHeight = Height(first);
    const blocks = client.blocks({ rollupId, fromHeight, level: "committed", signal });
    for await (const { height, slice } of blocks) {
      if (slice.slice.kind === "presence") {
        for (const { itemId } of slice.slice.entries) ids.add(toHex(itemId));
      }
      if (height >= last) break;
    }
  } finally {
    abort.abort();
  }
  return ids;
}

/** The same for bundles and bids: what one node has not heard of, another may have. */
export function createMevFailover(clients: readonly MevClient[]): MevClient {
  const first = createFailover(clients);
  return {
    submitBundle: (item) => first((client) => client.submitBundle(item)),
    submitBid: (item) => first((client) => client.submitBid(item)),
    cancelBundles: (item) => first((client) => client.cancelBundles(item)),
    bundleStatus: (id) => first((client) => client.bundleStatus(id)),
    auction: (group, height) => first((client) => client.auction(group, height)),
    mevParams: () => first((client) => client.mevParams()),
    inclusionTally: (id) => first((client) => client.inclusionTally(id)),
    revenue: (rollupId) => first((client) => client.revenue(rollupId)),
  };
}

/** Asks one after the other until one answers, and its answer is good; the next call begins with that one. */
function createFailover<Client>(clients: readonly Client[]) {
  let current = 0;

  return async function first<T>(
    call: (client: Client) => Promise<T>,
    isGood: (answer: T) => boolean = () => true,
  ): Promise<T> {
    let fallback: { readonly answer: T } | undefined;
    let failure: unknown = new RangeError("expected at least one sequencer node");
    for (let i = 0; i < clients.length; i++) {
      const at = current;
      const client = clients[at];
      if (client === undefined) break;
      try {
        const answer = await call(client);
        if (isGood(answer)) return answer;
        fallback ??= { answer };
      } catch (error) {
        if (!isWeftError(error) || error.code !== "SEQUENCER_CALL_FAILED") throw error;
        failure = error;
      }
      // Unless another call has gone on already.
      if (current === at) current = (at + 1) % clients.length;
    }
    if (fallback !== undefined) return fallback.answer;
    throw failure;
  };
}

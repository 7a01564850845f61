/** Several sequencer nodes as one, for calls that any of them can answer. */
import { Height, type RollupId } from "../../proto/brands.ts";
import { WeftError } from "../../proto/errors.ts";
import type { DeliveredEntry } from "../../proto/verify/manifest.ts";
import { isOfNode } from "./failover-stream.ts";
import type { MevClient } from "./mev-client.ts";
import { createNodeTurn, type NodeTurn } from "./node-turn.ts";
import type { ChainInfo, SequencerClient } from "./sequencer-client.ts";

export type OrderedErrorInfo =
  /** A node's stream leaves a block out, or ends before the last one that was asked for. */
  { readonly code: "STREAM_INCOMPLETE" };

/** An entry of a rollup in a block. */
export interface OrderedPlace {
  readonly height: number;
  readonly position: number;
  readonly entry: DeliveredEntry;
}

/** What a gateway needs of a sequencer. */
export interface SubmitClient
  extends Pick<
    SequencerClient,
    "entryProof" | "rollup" | "sealKey" | "submit" | "transactionStatus"
  > {
  /** Of a node that is up with the chain, if there is one. `verified`: the last height that is known from blocks. */
  chainInfo(verified?: number): Promise<ChainInfo>;
  /** What blocks `first` to `last` hold of the rollup, in order, as one node tells: not verified. */
  ordered(rollupId: RollupId, first: number, last: number): Promise<readonly OrderedPlace[]>;
}

/** What each of the nodes is asked. */
export type SubmitNode = Pick<
  SequencerClient,
  "blocks" | "chainInfo" | "entryProof" | "rollup" | "sealKey" | "submit" | "transactionStatus"
>;

/**
 * Stays with one node as long as it answers and is up with the chain, else goes on to the next. A
 * submission that is sent to a second node after the first did not answer is the same transaction there.
 *
 * @param turn shared with others that ask the same nodes, and told of verified blocks
 * @throws the failure of the last node, when none answers
 */
export function createFailoverClient(
  clients: readonly SubmitNode[],
  turn: NodeTurn = createNodeTurn(clients),
): SubmitClient {
  const first = createFailover(clients, turn);
  return {
    chainInfo(verified = 0) {
      turn.verified(verified);
      return first(
        (client) => client.chainInfo(),
        (info, at) => turn.isGood(at, info),
      );
    },
    rollup: (key) => first((client) => client.rollup(key)),
    sealKey: (number) => first((client) => client.sealKey(number)),
    submit: (item) => first((client) => client.submit(item)),
    entryProof: (rollupId, height, position) =>
      first((client) => client.entryProof(rollupId, height, position)),
    transactionStatus: (id) => first((client) => client.transactionStatus(id)),
    ordered: (rollupId, firstHeight, lastHeight) =>
      first((client) => ordered(client, rollupId, firstHeight, lastHeight)),
  };
}

async function ordered(
  client: Pick<SequencerClient, "blocks">,
  rollupId: RollupId,
  first: number,
  last: number,
): Promise<readonly OrderedPlace[]> {
  const places: OrderedPlace[] = [];
  if (last < first) return places;
  const abort = new AbortController();
  const { signal } = abort;
  let next = first;
  try {
    const fromHeight = Height(first);
    const blocks = client.blocks({ rollupId, fromHeight, level: "committed", signal });
    for await (const { height, slice } of blocks) {
      if (height !== next) break;
      if (slice.slice.kind === "presence") {
        for (const [position, entry] of slice.slice.entries.entries()) {
          places.push({ height, position, entry });
        }
      }
      if (height === last) return places;
      next += 1;
    }
  } finally {
    abort.abort();
  }
  throw new WeftError<OrderedErrorInfo>(
    { code: "STREAM_INCOMPLETE" },
    `expected blocks ${first} to ${last}, block ${next} did not come`,
  );
}

/**
 * The same for bundles and bids: what one node has not heard of, another may have.
 *
 * @param clients of the nodes of `turn`, in their order
 */
export function createMevFailover(clients: readonly MevClient[], turn: NodeTurn): MevClient {
  const first = createFailover(clients, turn);
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

/**
 * Asks one after the other until one answers, and its answer is good; the next call begins with that one. Those that are
 * not up with the chain are asked when no other answers.
 *
 * @param isGood whether the answer is that of a node that is up with the chain; left out: the node is asked for its height
 */
function createFailover<Client>(clients: readonly Client[], turn: NodeTurn) {
  return async function first<T>(
    call: (client: Client) => Promise<T>,
    isGood?: (answer: T, at: number) => boolean,
  ): Promise<T> {
    const behind: (() => Promise<T>)[] = [];
    let failure: unknown = new RangeError("expected at least one sequencer node");
    for (let i = 0; i < clients.length; i++) {
      const at = turn.current();
      const client = clients[at];
      if (client === undefined) break;
      try {
        if (isGood !== undefined || (await turn.isUp(at))) {
          const answer = await call(client);
          if (isGood?.(answer, at) ?? true) return answer;
          behind.push(() => Promise.resolve(answer));
        } else behind.push(() => call(client));
      } catch (error) {
        if (!isOfNode(error)) throw error;
        failure = error;
      }
      turn.passOn(at);
    }
    for (const ask of behind) {
      try {
        return await ask();
      } catch (error) {
        if (!isOfNode(error)) throw error;
        failure = error;
      }
    }
    throw failure;
  };
}

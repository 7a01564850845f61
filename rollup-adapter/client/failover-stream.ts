/**
 * One stream of blocks out of those of several nodes: when one ends it, drops it, falls silent or is not what was asked
 * for, the next goes on at the very height, so that each comes once and in order. What comes is not verified: one
 * `createBlockVerifier` for all of it does that, and `refused` tells this stream to go on elsewhere.
 */
import { Height } from "../../proto/brands.ts";
import { isWeftError, WeftError } from "../../proto/errors.ts";
import { RETRY_MS_FIRST, RETRY_MS_MAX } from "../limits.ts";
import { firstHeightOf, type RollupBlock } from "./rollup-block.ts";
import type { BlocksRequest, SequencerClient } from "./sequencer-client.ts";

export type FailoverStreamErrorInfo =
  /** No node has the height any more: begin above it, from a state that somebody else gives. `earliest`: the lowest that one has. */
  { readonly code: "STREAM_PRUNED"; readonly earliest: Height };

export interface FailoverBlock {
  readonly block: RollupBlock;
  /** The block did not verify: ask another node for it. Called before the next one is taken. */
  readonly refused: () => void;
}

export interface FailoverStreamOptions {
  /** Told why a node is left, and where the next one goes on. */
  readonly onLeft?: (client: BlocksClient, next: Height, error: unknown) => void;
  /** Waits before the nodes are asked again after all of them failed; resolves early when aborted. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
}

export type BlocksClient = Pick<SequencerClient, "blocks">;

/**
 * @param clients at least one; the first is asked first
 * @throws WeftError<FailoverStreamErrorInfo> when no node has the height; what is no fault of a node
 */
export async function* failoverBlocks(
  clients: readonly BlocksClient[],
  request: BlocksRequest,
  { onLeft, pause = pauseFor }: FailoverStreamOptions = {},
): AsyncGenerator<FailoverBlock> {
  const { signal, untilHeight } = request;
  const last = untilHeight ?? Number.MAX_SAFE_INTEGER;
  let next = request.fromHeight;
  let pauseMs = RETRY_MS_FIRST;
  /** First heights of nodes that lack the one that is needed, since something came. */
  const pruned = new Map<BlocksClient, Height>();
  for (let attempt = 0; !signal.aborted && next <= last; attempt++) {
    const client = clients[attempt % clients.length];
    if (client === undefined) throw new RangeError("expected at least one sequencer node");
    const before = next;
    let failure: unknown;
    try {
      for await (const block of client.blocks({ ...request, fromHeight: next })) {
        const first = firstHeightOf(block);
        // With 0 the node says where it begins. Anything else than the next height is a node's fault.
        if (next !== 0 && first !== next) {
          failure = new RangeError(`expected block ${next}, got ${first}`);
          break;
        }
        let isRefused = false;
        yield { block, refused: () => (isRefused = true) };
        if (isRefused) {
          next = first;
          failure = new RangeError(`block ${block.height} was refused`);
          break;
        }
        next = Height(block.height + 1);
        pruned.clear();
      }
    } catch (error) {
      if (!isOfNode(error)) throw error;
      failure = error;
      const earliest = earliestIn(error);
      if (earliest !== undefined && earliest > next) pruned.set(client, earliest);
    }
    if (signal.aborted || next > last) return;
    onLeft?.(client, next, failure);
    if (pruned.size === clients.length) throw prunedEverywhere(next, [...pruned.values()]);
    pauseMs = next > before ? RETRY_MS_FIRST : Math.min(pauseMs * 2, RETRY_MS_MAX);
    // As long as there is another one to ask, at once.
    if ((attempt + 1) % clients.length === 0 || next === before) await pause(pauseMs, signal);
  }
}

/** A node that fails is left for another; anything else is not the nodes' to mend. */
export function isOfNode(error: unknown): boolean {
  return (
    isWeftError(error) && (error.code.startsWith("SEQUENCER_") || error.code.startsWith("STREAM_"))
  );
}

function earliestIn(error: unknown): Height | undefined {
  if (!isWeftError(error)) return undefined;
  const info: { readonly code: string; readonly earliestHeight?: Height } = error.info;
  return info.earliestHeight;
}

function prunedEverywhere(next: Height, heights: readonly Height[]) {
  const earliest = Height(Math.min(...heights));
  return new WeftError<FailoverStreamErrorInfo>(
    { code: "STREAM_PRUNED", earliest },
    `no node has block ${next} any more, the oldest that one has is ${earliest}: name an archive node, or begin there from a trusted block and a state that another node of the rollup gives`,
  );
}

function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener("abort", finish);
  });
}

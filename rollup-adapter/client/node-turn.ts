/**
 * Whose turn it is to be asked, of several sequencer nodes: the same one as long as it answers and has the blocks that were
 * verified. A node that has lost its peers answers as ever and orders nothing; only its height, beside that of verified
 * blocks, tells.
 */
import { BEHIND_BLOCKS_MAX } from "../limits.ts";
import type { ChainInfo, SequencerClient } from "./sequencer-client.ts";

export interface NodeTurn {
  /** Its number. */
  current(): number;
  /** Node `at` was no good: the next one, unless another call has gone on already. */
  passOn(at: number): void;
  /** A block of that height was verified, from whatever node. */
  verified(height: number): void;
  /** Node `at` said so: whether it is up with the chain. */
  isGood(at: number, info: ChainInfo): boolean;
  /** The same, asked of the node if it was further below when it was asked last. @throws what asking throws */
  isUp(at: number): Promise<boolean>;
}

/** @param clients in the order of all clients that share the turn */
export function createNodeTurn(clients: readonly Pick<SequencerClient, "chainInfo">[]): NodeTurn {
  let current = 0;
  let verifiedHeight = 0;
  /** What each node has said of its height last. */
  const heights: number[] = clients.map(() => 0);
  /** Calls that wait for the same answer. */
  const asked = new Map<number, Promise<boolean>>();

  const isHigh = (height: number): boolean => height >= verifiedHeight - BEHIND_BLOCKS_MAX;

  function isGood(at: number, { height, isCatchingUp }: ChainInfo): boolean {
    heights[at] = height;
    return !isCatchingUp && isHigh(height);
  }

  async function ask(at: number): Promise<boolean> {
    const client = clients[at];
    return client === undefined || isGood(at, await client.chainInfo());
  }

  return {
    current: () => current,
    passOn(at) {
      if (current === at) current = (at + 1) % clients.length;
    },
    verified(height) {
      verifiedHeight = Math.max(verifiedHeight, height);
    },
    isGood,
    async isUp(at) {
      // Of a single node there is nothing to learn.
      if (clients.length < 2 || isHigh(heights[at] ?? 0)) return true;
      const under = asked.get(at) ?? ask(at).finally(() => asked.delete(at));
      asked.set(at, under);
      return await under;
    },
  };
}

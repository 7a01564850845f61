/** What gRPC reads of a node, over a chain of `buildChain`. */
import { Height } from "../../proto/brands.ts";
import { hashedValidatorSet } from "../../proto/validator-set.ts";
import { blockSlices } from "../../sequencer/app/block-slices.ts";
import type { GrpcApplication, GrpcBlocks } from "../../sequencer/grpc/ports.ts";
import { type BuiltBlock, TEST_CHAIN_ID } from "./chain-builder.ts";

export interface ChainBlocks {
  readonly blocks: GrpcBlocks;
  /** Only what makes messages of blocks. */
  readonly application: GrpcApplication;
  /** The chain grows up to there. */
  grow(height: number): void;
  /** Blocks that were read, by height. */
  readonly reads: Map<number, number>;
}

/** `height`: of the last block that is there at first. */
export function createChainBlocks(
  chain: readonly BuiltBlock[],
  height = chain.length,
): ChainBlocks {
  const listeners = new Set<(height: Height) => void>();
  const reads = new Map<number, number>();
  let head = height;
  const at = (asked: number): BuiltBlock | undefined =>
    asked <= head ? chain[asked - 1] : undefined;
  const application: Pick<GrpcApplication, "blockSlices"> = {
    blockSlices: (txs, outcome) =>
      blockSlices(TEST_CHAIN_ID, txs, outcome, () => Promise.resolve()),
  };
  return {
    blocks: {
      base: () => Height(1),
      height: () => Height(head),
      async block(asked) {
        reads.set(asked, (reads.get(asked) ?? 0) + 1);
        return at(asked)?.block;
      },
      header: async (asked) => at(asked)?.block.header,
      seenCommit: async (asked) => at(asked)?.seenCommit,
      validators: async (asked) => at(asked)?.stateBefore.validators,
      async hashedValidators(asked) {
        const set = at(asked)?.stateBefore.validators;
        return set && hashedValidatorSet(set);
      },
      results: async (asked) => at(asked)?.response,
      onBlock(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    // Whoever asks for more would fail loudly.
    application: application as GrpcApplication,
    grow(to) {
      for (; head < to; ) {
        head += 1;
        for (const listener of listeners) listener(Height(head));
      }
    },
    reads,
  };
}

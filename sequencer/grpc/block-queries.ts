/** GetBlocks, GetEntryProof and GetTransactionProof: what is stored, with its proofs, one answer each. */
import { Height } from "../../proto/brands.ts";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { txId } from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import type {
  EntryProof,
  GetBlocksRequest,
  GetBlocksResponse,
  GetEntryProofRequest,
  GetTransactionProofRequest,
  TransactionProof,
} from "../../proto/grpc/block-queries.ts";
import { Level, rollupBlock, type RollupBlock } from "../../proto/grpc/rollup-block.ts";
import { sha256 } from "../../proto/hash.ts";
import { merkleProof } from "../../proto/merkle.ts";
import { yieldToLoop } from "../ports/yield-to-loop.ts";
import { grpcError, prunedError } from "./grpc-error.ts";
import { RANGE_BLOCKS_MAX, RANGE_BYTES_MAX } from "./limits.ts";
import type { GrpcApplication, GrpcBlocks } from "./ports.ts";
import { createMessageTrim, type RollupBlockSource } from "./rollup-block-source.ts";

export interface BlockQueryDependencies {
  readonly chainId: string;
  readonly blocks: Pick<GrpcBlocks, "height" | "base">;
  readonly application: Pick<GrpcApplication, "transactionStatus">;
  readonly source: RollupBlockSource;
}

/** Items of a block that are looked through for a transaction between two turns of the loop: 1 ms. */
const ITEMS_PER_SLICE = 256;

export function createBlockQueries({
  chainId,
  blocks,
  application,
  source,
}: BlockQueryDependencies) {
  return {
    /** As many blocks as one answer holds. @throws GRPC_OUT_OF_RANGE, GRPC_UNAVAILABLE */
    async getBlocks({
      rollupId,
      fromHeight,
      toHeight,
      level,
    }: GetBlocksRequest): Promise<GetBlocksResponse> {
      checkHeight(blocks, fromHeight);
      if (toHeight < fromHeight) {
        throw grpcError(
          "GRPC_INVALID_ARGUMENT",
          `expected to_height from ${fromHeight} on, got ${toHeight}`,
        );
      }
      const last = Math.min(toHeight, blocks.height(), fromHeight + RANGE_BLOCKS_MAX - 1);
      const trim = createMessageTrim();
      const found: RollupBlock[] = [];
      let bytes = 0;
      for (let height = fromHeight; height <= last; height = Height(height + 1)) {
        const built =
          level === Level.FILLED
            ? await source.fillUp(height, rollupId).complete()
            : await source.build(height, rollupId);
        if (built === undefined) break;
        const message = trim(built);
        // The answer is encoded again as a whole; what a block adds to it is its own length.
        bytes += rollupBlock.encode(message).length;
        if (found.length > 0 && bytes > RANGE_BYTES_MAX) break;
        found.push(message);
        await yieldToLoop();
      }
      if (found.length === 0) throw notFilled(fromHeight);
      return { blocks: found, nextHeight: Height(fromHeight + found.length) };
    },

    /** @throws GRPC_OUT_OF_RANGE, GRPC_NOT_FOUND */
    async getEntryProof({ rollupId, height, position }: GetEntryProofRequest): Promise<EntryProof> {
      checkHeight(blocks, height);
      const { slices, signedHeader, validatorSet, manifest, manifestProof } =
        await source.proofs(height);
      const found = await slices.proveEntry(rollupId, position);
      if (found === undefined) {
        throw grpcError(
          "GRPC_NOT_FOUND",
          `block ${height} holds no entry ${position} of rollup ${toHex(rollupId)}`,
        );
      }
      return { height, signedHeader, validatorSet, manifest, manifestProof, ...found };
    },

    /** @throws GRPC_OUT_OF_RANGE, GRPC_NOT_FOUND */
    async getTransactionProof({
      id,
      height: asked,
    }: GetTransactionProofRequest): Promise<TransactionProof> {
      const height = asked === 0 ? rememberedHeight(application, id) : asked;
      checkHeight(blocks, height);
      const { slices, items, signedHeader, validatorSet, manifest, manifestProof } =
        await source.proofs(height);
      const index = await indexOf(chainId, items, id);
      const item = items[index];
      if (item === undefined) {
        throw grpcError("GRPC_NOT_FOUND", `block ${height} does not hold transaction ${toHex(id)}`);
      }
      const hashes = items.map(sha256);
      await yieldToLoop();
      const itemProof = merkleProof(hashes, index);
      const entries = [];
      for (const { rollupId, position } of slices.placesOf(id)) {
        const found = await slices.proveEntry(rollupId, position);
        assert(found !== undefined, "an entry that was found can be proven");
        entries.push(found.proven);
        await yieldToLoop();
      }
      const signed = { height, signedHeader, validatorSet };
      return { ...signed, item, itemProof, manifest, manifestProof, entries };
    },
  };
}

/** @throws GRPC_OUT_OF_RANGE for a height that this node does not have */
export function checkHeight(blocks: Pick<GrpcBlocks, "height" | "base">, height: Height): void {
  if (height >= 1 && height < blocks.base()) throw prunedError(height, blocks.base());
  if (height < 1 || height > blocks.height()) {
    throw grpcError(
      "GRPC_OUT_OF_RANGE",
      `expected a height from ${blocks.base()} to ${blocks.height()}, got ${height}`,
    );
  }
}

export function notFilled(height: Height) {
  return grpcError(
    "GRPC_UNAVAILABLE",
    `sealed entries of block ${height} are not opened yet; ask again later, or for LEVEL_COMMITTED`,
  );
}

function rememberedHeight(
  application: Pick<GrpcApplication, "transactionStatus">,
  id: Uint8Array,
): Height {
  const known = application.transactionStatus(id);
  if (known.state === "committed" || known.state === "failed") return known.height;
  throw grpcError(
    "GRPC_NOT_FOUND",
    known.state === "unknown"
      ? "this node has not seen the transaction, or has forgotten it; name the height of its block"
      : `the transaction is in no block: ${known.state}`,
  );
}

/** Item 0 is the manifest, which no id leads to. */
async function indexOf(
  chainId: string,
  items: readonly Uint8Array[],
  id: Uint8Array,
): Promise<number> {
  for (const [index, bytes] of items.entries()) {
    if (index % ITEMS_PER_SLICE === ITEMS_PER_SLICE - 1) await yieldToLoop();
    const item = decodeItem(bytes);
    if (item.kind === "tx" && bytesEqual(txId(chainId, item.tx.bodyBytes), id)) return index;
  }
  return -1;
}

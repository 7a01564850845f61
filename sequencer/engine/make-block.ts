/** Blocks from state (spec/cometbft-v0.38.md §10.1 to §10.3). */
import { Height, Round } from "../../proto/brands.ts";
import { encodeBlock } from "../../proto/codec/block.ts";
import {
  commitHash,
  consensusParamsHash,
  dataHash,
  evidenceListHash,
  headerHash,
} from "../../proto/hashes.ts";
import {
  BLOCK_OVERHEAD_BYTES_MAX,
  COMMIT_OVERHEAD_BYTES_MAX,
  COMMIT_SIG_BYTES_MAX,
  HEADER_BYTES_MAX,
} from "../../proto/limits.ts";
import { splitIntoParts } from "../../proto/part-set.ts";
import { medianTime } from "../../proto/time.ts";
import {
  NIL_BLOCK_ID,
  type Block,
  type BlockId,
  type Commit,
  type Evidence,
  type Part,
  type Timestamp,
} from "../../proto/types.ts";
import { validatorSetHash } from "../../proto/validator-set.ts";
import type { ChainState } from "../store/chain-state.ts";
import { nextHeight } from "./chain-state.ts";

export interface BlockContent {
  readonly txs: readonly Uint8Array[];
  readonly evidence: readonly Evidence[];
  /** Commit of the last height; `emptyCommit()` at the initial height. */
  readonly lastCommit: Commit;
  readonly proposerAddress: Uint8Array;
}

/** A block with all that its id depends on. */
export interface CompleteBlock {
  readonly block: Block;
  readonly blockId: BlockId;
  readonly parts: readonly Part[];
}

/** The block of the next height of `state`. */
export function makeBlock(state: ChainState, content: BlockContent): Block {
  const { txs, evidence, lastCommit, proposerAddress } = content;
  return {
    header: {
      version: state.version,
      chainId: state.chainId,
      height: nextHeight(state),
      time: blockTime(state, lastCommit),
      lastBlockId: state.lastBlockId,
      lastCommitHash: commitHash(lastCommit),
      dataHash: dataHash(txs),
      validatorsHash: validatorSetHash(state.validators),
      nextValidatorsHash: validatorSetHash(state.nextValidators),
      consensusHash: consensusParamsHash(state.consensusParams),
      appHash: state.appHash,
      lastResultsHash: state.lastResultsHash,
      evidenceHash: evidenceListHash(evidence),
      proposerAddress,
    },
    txs,
    evidence,
    lastCommit,
  };
}

export function completeBlock(block: Block): CompleteBlock {
  const { header, parts } = splitIntoParts(encodeBlock(block));
  return { block, blockId: { hash: headerHash(block.header), partSetHeader: header }, parts };
}

/** BFT time (§10.3): genesis time for the first block, then the median of the last commit. */
export function blockTime(state: ChainState, lastCommit: Commit): Timestamp {
  if (state.lastValidators === undefined) return state.lastBlockTime;
  return medianTime(lastCommit, state.lastValidators);
}

/** LastCommit of the first block: present and empty. */
export function emptyCommit(): Commit {
  return { height: Height(0), round: Round(0), blockId: NIL_BLOCK_ID, signatures: [] };
}

/** Bytes that a block leaves to its transactions (§10.1); less than 0 when there is no room. */
export function dataBytesMax(
  blockBytesMax: number,
  validatorCount: number,
  evidenceBytes: number,
): number {
  const commitBytes = COMMIT_OVERHEAD_BYTES_MAX + COMMIT_SIG_BYTES_MAX * validatorCount;
  return blockBytesMax - BLOCK_OVERHEAD_BYTES_MAX - HEADER_BYTES_MAX - commitBytes - evidenceBytes;
}

/** What InitChain asks of the engine's part of genesis: blocks that are large enough, keys, extensions. */
import { listsBytesMax } from "../../mev/extension.ts";
import { itemBlockBytes } from "../../mev/lanes.ts";
import { BASIS_POINTS } from "../../proto/codec/weft-basics.ts";
import { WeftError } from "../../proto/errors.ts";
import {
  BLOCK_OVERHEAD_BYTES_MAX,
  BLOCK_SIZE_BYTES_MAX,
  COMMIT_OVERHEAD_BYTES_MAX,
  COMMIT_SIG_BYTES_MAX,
  HEADER_BYTES_MAX,
} from "../../proto/limits.ts";
import type { ConsensusParams } from "../../proto/types.ts";
import type { InitChainRequest } from "../abci/application.ts";
import type { GenesisError } from "./genesis.ts";
import { MANIFEST_ITEM_BYTES_MAX } from "./limits.ts";
import { PARAM_BOUNDS, RESERVED_SHARES_MAX } from "./params.ts";
import { openingBytesMax } from "./seal/items/room.ts";

/** Version of the application's rules; enters the header. */
export const APP_VERSION = 1n;

/** `block.max_bytes`, -1 read as CometBFT does. */
export function blockBytesMaxOf({ block }: ConsensusParams): number {
  return block.maxBytes === -1n ? BLOCK_SIZE_BYTES_MAX : Number(block.maxBytes);
}

/** How many validators a minimal block has room for. A chain whose own do not fit is refused. */
export function checkedSetSize({ consensusParams, validators }: InitChainRequest): number {
  const needs = (count: number): number => minimalBlockBytes(consensusParams, count);
  const blockBytesMax = blockBytesMaxOf(consensusParams);
  const fits = (count: number): boolean =>
    blockBytesMax >= needs(count) && listsBytesMax(blockBytesMax, count) >= LISTS_BYTES_MIN;
  const count = Math.max(validators.length, 1);
  if (!fits(count)) {
    throw genesisError(
      `block.max_bytes is ${blockBytesMax}: too small for ${count} validators, whose minimal block may take ${needs(count)} bytes`,
    );
  }
  let most = Number(PARAM_BOUNDS.validatorsMax.max);
  while (most > count && !fits(most)) most--;
  return most;
}

/**
 * Most bytes of a block that holds what has room in any case: commit, evidence, injected commit, openings,
 * and the lanes CONTROL and OBLIGATED at the largest shares that parameters may give them.
 */
function minimalBlockBytes(consensusParams: ConsensusParams, count: number): number {
  const blockBytesMax = blockBytesMaxOf(consensusParams);
  const entryBytes = listsBytesMax(blockBytesMax, count) + INJECTED_ENTRY_OVERHEAD_BYTES;
  return (
    BLOCK_OVERHEAD_BYTES_MAX +
    HEADER_BYTES_MAX +
    COMMIT_OVERHEAD_BYTES_MAX +
    COMMIT_SIG_BYTES_MAX * count +
    Number(consensusParams.evidence.maxBytes) +
    itemBlockBytes(MANIFEST_ITEM_BYTES_MAX) +
    itemBlockBytes(INJECTED_OVERHEAD_BYTES + entryBytes * count) +
    itemBlockBytes(2 * openingBytesMax(blockBytesMax)) +
    Math.ceil((blockBytesMax * RESERVED_SHARES_MAX) / BASIS_POINTS)
  );
}

/** Only ed25519 keys have an address that the rules of stake know. */
export function checkKeyTypes({ consensusParams, validators }: InitChainRequest): void {
  const other = validators.find(({ publicKey }) => publicKey.type !== "ed25519");
  if (other !== undefined) {
    throw genesisError(`a validator has a ${other.publicKey.type} key, expected ed25519`);
  }
  if (consensusParams.validator.publicKeyTypes.includes("ed25519")) return;
  throw genesisError("validator.pub_key_types has to include ed25519");
}

/** Height, block hash and framing of an injected commit. */
const INJECTED_OVERHEAD_BYTES = 64;
/** Index, signature and framing of one of its entries. */
const INJECTED_ENTRY_OVERHEAD_BYTES = 84;
/** A LISTS part that lists nothing. */
const LISTS_BYTES_MIN = 2;

/** Vote extensions begin with the chain: every block but the first holds those of the one before. */
export function withExtensions({
  consensusParams,
  initialHeight,
}: InitChainRequest): ConsensusParams | undefined {
  const { voteExtensionsEnableHeight } = consensusParams.abci;
  if (voteExtensionsEnableHeight === initialHeight) return undefined;
  if (voteExtensionsEnableHeight === 0) {
    return {
      ...consensusParams,
      // Parameters that are answered decide the version in headers, which Info must agree with.
      version: { app: APP_VERSION },
      abci: { voteExtensionsEnableHeight: initialHeight },
    };
  }
  throw genesisError(
    `abci.vote_extensions_enable_height is ${voteExtensionsEnableHeight}, expected the initial height ${initialHeight}`,
  );
}

function genesisError(message: string): WeftError<GenesisError> {
  return new WeftError<GenesisError>({ code: "APP_GENESIS_INVALID" }, message);
}

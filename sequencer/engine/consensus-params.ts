/** Rules of consensus parameters (CometBFT `types/params.go`; spec/cometbft-v0.38.md §14, §20). */
import { Height } from "../../proto/brands.ts";
import { BLOCK_SIZE_BYTES_MAX } from "../../proto/limits.ts";
import type { ConsensusParams } from "../../proto/types.ts";
import { EngineError } from "./errors.ts";

/** CometBFT's defaults: what a genesis without `consensus_params` gets. */
export const DEFAULT_CONSENSUS_PARAMS: ConsensusParams = {
  block: { maxBytes: 22_020_096n, maxGas: -1n },
  evidence: {
    maxAgeBlocks: 100_000n,
    maxAgeDurationNanos: 48n * 3_600n * 1_000_000_000n,
    maxBytes: 1_048_576n,
  },
  validator: { publicKeyTypes: ["ed25519"] },
  version: { app: 0n },
  abci: { voteExtensionsEnableHeight: Height(0) },
};

/** `block.max_bytes` with -1 resolved to the largest block there is. */
export function blockBytesMax(params: ConsensusParams): number {
  return params.block.maxBytes === -1n ? BLOCK_SIZE_BYTES_MAX : Number(params.block.maxBytes);
}

/** Whether precommits of `height` carry extensions (spec §14). */
export function areExtensionsEnabled(params: ConsensusParams, height: Height): boolean {
  const from = params.abci.voteExtensionsEnableHeight;
  return from > 0 && height >= from;
}

/** @throws EngineError ENGINE_CONSENSUS_PARAMS */
export function checkConsensusParams(params: ConsensusParams): void {
  const { block, evidence, validator, abci } = params;
  const limit = BigInt(BLOCK_SIZE_BYTES_MAX);
  if (block.maxBytes === 0n || block.maxBytes < -1n || block.maxBytes > limit) {
    throw refusal("block.max_bytes", `-1 or 1 to ${limit}`, block.maxBytes);
  }
  if (block.maxGas < -1n) throw refusal("block.max_gas", "-1 or more", block.maxGas);
  if (evidence.maxAgeBlocks <= 0n) {
    throw refusal("evidence.max_age_num_blocks", "more than 0", evidence.maxAgeBlocks);
  }
  if (evidence.maxAgeDurationNanos <= 0n) {
    throw refusal("evidence.max_age_duration", "more than 0", evidence.maxAgeDurationNanos);
  }
  const evidenceMax = BigInt(blockBytesMax(params));
  if (evidence.maxBytes < 0n || evidence.maxBytes > evidenceMax) {
    throw refusal("evidence.max_bytes", `0 to ${evidenceMax}`, evidence.maxBytes);
  }
  if (abci.voteExtensionsEnableHeight < 0) {
    throw refusal("abci.vote_extensions_enable_height", "0 or more", "less");
  }
  const types = validator.publicKeyTypes;
  if (types.length === 0) throw refusal("validator.pub_key_types", "at least one", "none");
  // CometBFT knows secp256k1 as well; no chain uses it for validators, and this engine does not.
  const unknown = types.find((type) => type !== "ed25519");
  if (unknown !== undefined) throw refusal("validator.pub_key_types", "ed25519", unknown);
}

/**
 * Whether the application may change the parameters so at `height` (spec §14): extensions are
 * enabled for a future height, and once they are on, nothing changes that.
 * @throws EngineError ENGINE_CONSENSUS_PARAMS
 */
export function checkParamsUpdate(
  current: ConsensusParams,
  next: ConsensusParams,
  height: Height,
): void {
  checkConsensusParams(next);
  const from = current.abci.voteExtensionsEnableHeight;
  const to = next.abci.voteExtensionsEnableHeight;
  const field = "abci.vote_extensions_enable_height";
  if (from === to) return;
  if (from !== 0 && to === 0) throw refusal(field, "extensions stay enabled", "0");
  if (to <= height) throw refusal(field, `a height above ${height}`, to);
  if (from !== 0 && from <= height) {
    throw refusal(field, `no change: extensions are on since height ${from}`, to);
  }
}

function refusal(field: string, expected: string, got: unknown): EngineError {
  return new EngineError(
    { code: "ENGINE_CONSENSUS_PARAMS", field },
    `consensus parameter ${field}: expected ${expected}, got ${String(got)}`,
  );
}

/**
 * Whether a block follows from a state (spec/cometbft-v0.38.md §10.4): every check, in CometBFT's
 * order. Signatures of the last commit are checked off the event loop.
 */
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { encodeEvidenceList } from "../../proto/codec/block.ts";
import { faultOf } from "../../proto/errors.ts";
import { consensusParamsHash } from "../../proto/hashes.ts";
import { compareTime } from "../../proto/time.ts";
import type { Block } from "../../proto/types.ts";
import { blockIdsEqual, validateBlock } from "../../proto/validate-basic.ts";
import { validatorIndexByAddress, validatorSetHash } from "../../proto/validator-set.ts";
import { verifyCommitAsync } from "../../proto/verify/commit.ts";
import type { SignatureVerifier } from "../../proto/verify/ed25519.ts";
import type { ChainState } from "../store/chain-state.ts";
import { nextHeight } from "./chain-state.ts";
import { EngineError } from "./errors.ts";
import { blockTime } from "./make-block.ts";

/** The rules a block can break; a closed set. */
export type BlockRule =
  | "basic"
  | "version"
  | "chainId"
  | "height"
  | "lastBlockId"
  | "appHash"
  | "consensusHash"
  | "lastResultsHash"
  | "validatorsHash"
  | "nextValidatorsHash"
  | "lastCommit"
  | "proposer"
  | "time"
  | "evidence";

/** A block that breaks a rule; `message` says what was expected and what came. */
export interface BlockFault {
  readonly rule: BlockRule;
  readonly message: string;
  /** Other nodes may see it otherwise, rightly: not prevoted, but applied once +2/3 decided it. */
  readonly isTolerable?: boolean;
}

/**
 * The first rule that the block breaks, or undefined. `isCommitVerified`: the signatures of the last
 * commit were checked before, as block sync and replay of stored blocks do. Evidence is checked by
 * size only; what it says is the evidence pool's.
 */
export async function findBlockFault(
  state: ChainState,
  block: Block,
  deps: { readonly verifier: SignatureVerifier },
  isCommitVerified = false,
): Promise<BlockFault | undefined> {
  const fault = basicFault(block) ?? headerFault(state, block);
  if (fault !== undefined) return fault;
  const commitFault = await lastCommitFault(state, block, deps.verifier, isCommitVerified);
  return commitFault ?? contextFault(state, block);
}

export function blockFaultToError(fault: BlockFault): EngineError {
  return new EngineError(
    { code: "ENGINE_BLOCK_INVALID", rule: fault.rule },
    `invalid block (${fault.rule}): ${fault.message}`,
  );
}

function basicFault(block: Block): BlockFault | undefined {
  const message = faultOf(() => validateBlock(block));
  return message === undefined ? undefined : { rule: "basic", message };
}

function headerFault(state: ChainState, { header }: Block): BlockFault | undefined {
  const { version } = state;
  if (header.version.block !== version.block || header.version.app !== version.app) {
    const got = `${header.version.block}/${header.version.app}`;
    return unexpected("version", `${version.block}/${version.app}`, got);
  }
  if (header.chainId !== state.chainId) {
    return unexpected("chainId", state.chainId, header.chainId);
  }
  const height = nextHeight(state);
  if (header.height !== height) return unexpected("height", height, header.height);
  if (!blockIdsEqual(header.lastBlockId, state.lastBlockId)) {
    const expected = toHex(state.lastBlockId.hash);
    return unexpected("lastBlockId", expected, toHex(header.lastBlockId.hash));
  }
  const consensusHash = consensusParamsHash(state.consensusParams);
  const nextHash = validatorSetHash(state.nextValidators);
  const fault =
    hashFault("appHash", state.appHash, header.appHash) ??
    hashFault("consensusHash", consensusHash, header.consensusHash) ??
    hashFault("lastResultsHash", state.lastResultsHash, header.lastResultsHash) ??
    hashFault("validatorsHash", validatorSetHash(state.validators), header.validatorsHash) ??
    hashFault("nextValidatorsHash", nextHash, header.nextValidatorsHash);
  if (fault === undefined || state.lastBlockHeight > 0) return fault;
  const hint = "before the first block all of this comes from genesis.json: is it the network's?";
  return { ...fault, message: `${fault.message}; ${hint}` };
}

async function lastCommitFault(
  state: ChainState,
  block: Block,
  verifier: SignatureVerifier,
  isCommitVerified: boolean,
): Promise<BlockFault | undefined> {
  const { lastCommit } = block;
  if (state.lastValidators === undefined) {
    const count = lastCommit.signatures.length;
    return count === 0 ? undefined : unexpected("lastCommit", "no signatures", count);
  }
  const { chainId, lastValidators, lastBlockId, lastBlockHeight } = state;
  if (isCommitVerified) return undefined;
  const verdict = await verifyCommitAsync(
    { chainId, validators: lastValidators, blockId: lastBlockId, height: lastBlockHeight },
    lastCommit,
    verifier,
  );
  return verdict.isValid ? undefined : { rule: "lastCommit", message: verdict.message };
}

function contextFault(state: ChainState, block: Block): BlockFault | undefined {
  const { header } = block;
  const { proposerAddress } = header;
  if (validatorIndexByAddress(state.validators, proposerAddress) === -1) {
    return unexpected("proposer", "a validator", toHex(proposerAddress));
  }
  const isFirst = state.lastValidators === undefined;
  if (!isFirst && compareTime(header.time, state.lastBlockTime) <= 0) {
    return { rule: "time", message: "the block's time is not after the last block's" };
  }
  const expected = blockTime(state, block.lastCommit);
  if (compareTime(header.time, expected) !== 0) {
    const what = isFirst ? "genesis time" : "the median of the last commit";
    return {
      rule: "time",
      message: `expected ${what}, ${timeText(expected)}, got ${timeText(header.time)}`,
    };
  }
  if (block.evidence.length > 0) {
    const bytes = encodeEvidenceList(block.evidence).length;
    const bytesMax = state.consensusParams.evidence.maxBytes;
    if (BigInt(bytes) > bytesMax) return unexpected("evidence", `at most ${bytesMax} bytes`, bytes);
  }
  return undefined;
}

function hashFault(rule: BlockRule, expected: Uint8Array, got: Uint8Array): BlockFault | undefined {
  return bytesEqual(expected, got) ? undefined : unexpected(rule, toHex(expected), toHex(got));
}

function unexpected(rule: BlockRule, expected: string | number, got: string | number): BlockFault {
  return { rule, message: `expected ${expected}, got ${got}` };
}

function timeText(time: { readonly seconds: bigint; readonly nanos: number }): string {
  return `${time.seconds}.${String(time.nanos).padStart(9, "0")}`;
}

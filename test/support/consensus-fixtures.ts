/** Validators, blocks and votes for tests of the consensus core. Hashes are real, signatures are not. */
import { Height, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { encodeBlock } from "../../proto/codec/block.ts";
import { sha256 } from "../../proto/hash.ts";
import { dataHash, headerHash } from "../../proto/hashes.ts";
import { splitIntoParts } from "../../proto/part-set.ts";
import {
  type Block,
  type BlockId,
  NIL_BLOCK_ID,
  type Part,
  type Proposal,
  SignedMsgType,
  type Validator,
  type ValidatorSet,
  type Vote,
  type VoteType,
} from "../../proto/types.ts";
import { createValidatorSet } from "../../proto/validator-set.ts";

/** A block with its id and parts. */
export interface MadeBlock {
  readonly block: Block;
  readonly blockId: BlockId;
  readonly parts: readonly Part[];
}

/** A set whose validators have distinct keys that nobody can sign with. */
export function fakeValidatorSet(powers: readonly bigint[]): ValidatorSet {
  return createValidatorSet(
    powers.map((votingPower, i) => ({
      publicKey: { type: "ed25519" as const, bytes: sha256(utf8ToBytes(`validator ${i}`)) },
      votingPower,
    })),
  );
}

/** The block of `tag` at a height; a tag always makes the same block. */
export function makeBlock(
  height: number,
  tag: string,
  options: { readonly sizeBytes?: number; readonly timeSeconds?: number } = {},
): MadeBlock {
  const filler = new Uint8Array(options.sizeBytes ?? 0);
  const txs = [utf8ToBytes(tag), filler];
  const block: Block = {
    header: {
      version: { block: 11n, app: 0n },
      chainId: "test-chain",
      height: Height(height),
      time: { seconds: BigInt(options.timeSeconds ?? 1_700_000_000 + height), nanos: 0 },
      lastBlockId: NIL_BLOCK_ID,
      lastCommitHash: sha256(EMPTY_BYTES),
      dataHash: dataHash(txs),
      validatorsHash: sha256(utf8ToBytes("validators")),
      nextValidatorsHash: sha256(utf8ToBytes("next validators")),
      consensusHash: sha256(utf8ToBytes("params")),
      appHash: EMPTY_BYTES,
      lastResultsHash: EMPTY_BYTES,
      evidenceHash: sha256(EMPTY_BYTES),
      proposerAddress: sha256(utf8ToBytes("proposer")).slice(0, 20),
    },
    txs,
    evidence: [],
    lastCommit: {
      height: Height(height - 1),
      round: Round(0),
      blockId: NIL_BLOCK_ID,
      signatures: [],
    },
  };
  const { header, parts } = splitIntoParts(encodeBlock(block));
  return { block, blockId: { hash: headerHash(block.header), partSetHeader: header }, parts };
}

export interface VoteFields {
  readonly height: number;
  readonly round: number;
  readonly type: VoteType;
  readonly blockId: BlockId;
  /** Precommits for a block then carry an extension. */
  readonly isExtended?: boolean;
  /** Tells signatures over the same vote apart. */
  readonly salt?: string;
}

export function makeVote(validators: ValidatorSet, index: number, fields: VoteFields): Vote {
  const { height, round, type, blockId, isExtended = false, salt = "" } = fields;
  const validator = validatorAt(validators, index);
  const hasExtension = isExtended && type === SignedMsgType.PRECOMMIT && blockId.hash.length > 0;
  const text = `${index}/${height}/${round}/${type}/${toHex(blockId.hash)}/${salt}`;
  return {
    type,
    height: Height(height),
    round: Round(round),
    blockId,
    timestamp: { seconds: 1_700_000_000n + BigInt(height), nanos: index },
    validatorAddress: validator.address,
    validatorIndex: index,
    signature: sha256(utf8ToBytes(text)),
    extension: hasExtension ? utf8ToBytes(`extension ${index}`) : EMPTY_BYTES,
    extensionSignature: hasExtension ? sha256(utf8ToBytes(`extension ${text}`)) : EMPTY_BYTES,
  };
}

export function makeProposal(
  height: number,
  round: number,
  blockId: BlockId,
  polRound = -1,
): Proposal {
  return {
    height: Height(height),
    round: Round(round),
    polRound: Round(polRound),
    blockId,
    timestamp: { seconds: 1_700_000_000n + BigInt(height), nanos: round },
    signature: sha256(utf8ToBytes(`proposal ${height}/${round}/${toHex(blockId.hash)}`)),
  };
}

export function validatorAt(validators: ValidatorSet, index: number): Validator {
  const validator = validators.validators[index];
  if (validator === undefined) throw new RangeError(`there is no validator ${index}`);
  return validator;
}

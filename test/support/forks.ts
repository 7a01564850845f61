/** Light blocks of a built chain, and forged ones beside it: what attacks on light clients are made of. */
import { Round } from "../../proto/brands.ts";
import { headerHash } from "../../proto/hashes.ts";
import { voteSignBytes } from "../../proto/sign-bytes.ts";
import {
  BlockIdFlag,
  SignedMsgType,
  ZERO_TIME,
  type BlockId,
  type Commit,
  type CommitSig,
  type Header,
  type LightBlock,
  type ValidatorSet,
} from "../../proto/types.ts";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { createValidatorSet, validatorSetHash } from "../../proto/validator-set.ts";
import type { ValidatorKey } from "../../sequencer/engine/privval/key-file.ts";
import { TEST_CHAIN_ID, type BuiltBlock } from "./chain-builder.ts";

/** The light block of a height, with the commit that the next block carries. */
export function lightBlockOf(built: BuiltBlock): LightBlock {
  return {
    signedHeader: { header: built.block.header, commit: built.seenCommit },
    validatorSet: built.stateBefore.validators,
  };
}

export function setOf(keys: readonly ValidatorKey[], votingPower = 10n): ValidatorSet {
  return createValidatorSet(keys.map(({ publicKey }) => ({ publicKey, votingPower })));
}

export interface ForgeOptions {
  /** Who signs the forged block; the others of the set are absent. */
  readonly signers: readonly ValidatorKey[];
  readonly validators: ValidatorSet;
  readonly round?: number;
  /** Fields of the header that differ; validators_hash is that of `validators`. */
  readonly header?: Partial<Header>;
  readonly chainId?: string;
}

/** A block at the height of `real` that the signers committed besides it. */
export function forge(real: LightBlock, options: ForgeOptions): LightBlock {
  const { signers, validators, round = 0, chainId = TEST_CHAIN_ID } = options;
  const header: Header = {
    ...real.signedHeader.header,
    validatorsHash: validatorSetHash(validators),
    // Differs in what leaves a choice to the proposer, so that the block is another one.
    dataHash: sha256(new Uint8Array([1])),
    ...options.header,
  };
  const blockId: BlockId = {
    hash: headerHash(header),
    partSetHeader: { total: 1, hash: sha256(new Uint8Array([2])) },
  };
  const commit = commitOf(header, blockId, Round(round), validators, signers, chainId);
  return { signedHeader: { header, commit }, validatorSet: validators };
}

function commitOf(
  header: Header,
  blockId: BlockId,
  round: Round,
  validators: ValidatorSet,
  signers: readonly ValidatorKey[],
  chainId: string,
): Commit {
  const signatures = validators.validators.map(({ address }): CommitSig => {
    const key = signers.find((one) => Buffer.compare(one.address, address) === 0);
    if (key === undefined) return ABSENT;
    const vote = {
      type: SignedMsgType.PRECOMMIT,
      height: header.height,
      round,
      blockId,
      timestamp: header.time,
    } as const;
    return {
      blockIdFlag: BlockIdFlag.COMMIT,
      validatorAddress: address,
      timestamp: header.time,
      signature: key.sign(voteSignBytes(chainId, vote)),
    };
  });
  return { height: header.height, round, blockId, signatures };
}

const ABSENT: CommitSig = {
  blockIdFlag: BlockIdFlag.ABSENT,
  validatorAddress: EMPTY_BYTES,
  timestamp: ZERO_TIME,
  signature: EMPTY_BYTES,
};

/** Blocks, commits, validators, evidence and parameters as CometBFT's RPC shows them. */
import { toBase64 } from "../../proto/bytes.ts";
import type {
  Block,
  BlockId,
  BlockMeta,
  Commit,
  ConsensusParams,
  Evidence,
  Header,
  LightBlock,
  PartSetHeader,
  Proposal,
  SignedHeader,
  Validator,
  ValidatorSet,
  Vote,
} from "../../proto/types.ts";
import { NIL_BLOCK_ID } from "../../proto/types.ts";
import type { Json } from "./amino-json.ts";
import { bytes, hex, integer, omitEmpty, publicKey, time } from "./amino-json.ts";

export function partSetHeaderToJson(header: PartSetHeader): Json {
  return { total: header.total, hash: hex(header.hash) };
}

export function blockIdToJson(id: BlockId): Json {
  return { hash: hex(id.hash), parts: partSetHeaderToJson(id.partSetHeader) };
}

export function headerToJson(header: Header): Json {
  return {
    version: {
      block: integer(header.version.block),
      ...omitEmpty({ app: integer(header.version.app) }),
    },
    chain_id: header.chainId,
    height: integer(header.height),
    time: time(header.time),
    last_block_id: blockIdToJson(header.lastBlockId),
    last_commit_hash: hex(header.lastCommitHash),
    data_hash: hex(header.dataHash),
    validators_hash: hex(header.validatorsHash),
    next_validators_hash: hex(header.nextValidatorsHash),
    consensus_hash: hex(header.consensusHash),
    app_hash: hex(header.appHash),
    last_results_hash: hex(header.lastResultsHash),
    evidence_hash: hex(header.evidenceHash),
    proposer_address: hex(header.proposerAddress),
  };
}

export function commitToJson(commit: Commit): Json {
  return {
    height: integer(commit.height),
    round: commit.round,
    block_id: blockIdToJson(commit.blockId),
    signatures: commit.signatures.map((signature) => ({
      block_id_flag: signature.blockIdFlag,
      validator_address: hex(signature.validatorAddress),
      timestamp: time(signature.timestamp),
      signature: bytes(signature.signature),
    })),
  };
}

export function blockToJson(block: Block): Json {
  return {
    header: headerToJson(block.header),
    data: { txs: block.txs.map(toBase64) },
    evidence: { evidence: block.evidence.map(evidenceToJson) },
    last_commit: commitToJson(block.lastCommit),
  };
}

export function blockWithIdToJson(block: Block | undefined, id: BlockId = NIL_BLOCK_ID): Json {
  return { block_id: blockIdToJson(id), block: block === undefined ? null : blockToJson(block) };
}

export function blockMetaToJson(meta: BlockMeta): Json {
  return {
    block_id: blockIdToJson(meta.blockId),
    block_size: integer(meta.blockSizeBytes),
    header: headerToJson(meta.header),
    num_txs: integer(meta.txCount),
  };
}

export function voteToJson(vote: Vote): Json {
  return {
    type: vote.type,
    height: integer(vote.height),
    round: vote.round,
    block_id: blockIdToJson(vote.blockId),
    timestamp: time(vote.timestamp),
    validator_address: hex(vote.validatorAddress),
    validator_index: vote.validatorIndex,
    signature: bytes(vote.signature),
    extension: bytes(vote.extension),
    extension_signature: bytes(vote.extensionSignature),
  };
}

export function proposalToJson(proposal: Proposal): Json {
  return {
    Type: 32,
    height: integer(proposal.height),
    round: proposal.round,
    pol_round: proposal.polRound,
    block_id: blockIdToJson(proposal.blockId),
    timestamp: time(proposal.timestamp),
    signature: bytes(proposal.signature),
  };
}

export function validatorToJson(validator: Validator): Json {
  return {
    address: hex(validator.address),
    pub_key: publicKey(validator.publicKey),
    voting_power: integer(validator.votingPower),
    proposer_priority: integer(validator.proposerPriority),
  };
}

export function validatorSetToJson(set: ValidatorSet): Json {
  return {
    validators: set.validators.map(validatorToJson),
    proposer: validatorToJson(set.proposer),
  };
}

/** v0.38 has no JSON names for some of these fields and shows those of Go; v1 has snake case. */
export function evidenceToJson(evidence: Evidence): Json {
  if (evidence.kind === "duplicateVote") {
    return {
      type: "tendermint/DuplicateVoteEvidence",
      value: {
        vote_a: voteToJson(evidence.voteA),
        vote_b: voteToJson(evidence.voteB),
        TotalVotingPower: integer(evidence.totalVotingPower),
        ValidatorPower: integer(evidence.validatorPower),
        Timestamp: time(evidence.timestamp),
      },
    };
  }
  return {
    type: "tendermint/LightClientAttackEvidence",
    value: {
      ConflictingBlock: lightBlockToJson(evidence.conflictingBlock),
      CommonHeight: integer(evidence.commonHeight),
      ByzantineValidators: evidence.byzantineValidators.map(validatorToJson),
      TotalVotingPower: integer(evidence.totalVotingPower),
      Timestamp: time(evidence.timestamp),
    },
  };
}

export function signedHeaderToJson(signed: SignedHeader): Json {
  return { header: headerToJson(signed.header), commit: commitToJson(signed.commit) };
}

export function consensusParamsToJson(params: ConsensusParams): Json {
  return {
    block: { max_bytes: integer(params.block.maxBytes), max_gas: integer(params.block.maxGas) },
    evidence: {
      max_age_num_blocks: integer(params.evidence.maxAgeBlocks),
      max_age_duration: integer(params.evidence.maxAgeDurationNanos),
      max_bytes: integer(params.evidence.maxBytes),
    },
    validator: { pub_key_types: params.validator.publicKeyTypes },
    version: { app: integer(params.version.app) },
    abci: { vote_extensions_enable_height: integer(params.abci.voteExtensionsEnableHeight) },
  };
}

function lightBlockToJson(block: LightBlock): Json {
  return {
    signed_header: signedHeaderToJson(block.signedHeader),
    validator_set: validatorSetToJson(block.validatorSet),
  };
}

/**
 * CometBFT's JSON of blocks, commits, evidence, validators and parameters, as its RPC and files have
 * it (spec/cometbft-v0.38.md §19.2). `xToJson` gives plain data for `JSON.stringify`.
 */
import { toBase64, toHex } from "./bytes.ts";
import { assertNever } from "./errors.ts";
import type { JsonNode } from "./json-reader.ts";
import { formatTime } from "./time.ts";
import {
  BlockIdFlag,
  NIL_BLOCK_ID,
  SignedMsgType,
  type Block,
  type BlockId,
  type BlockMeta,
  type Commit,
  type CommitSig,
  type ConsensusParams,
  type Evidence,
  type Header,
  type LightBlock,
  type MerkleProof,
  type PartSetHeader,
  type Proposal,
  type PublicKey,
  type SignedHeader,
  type Validator,
  type ValidatorSet,
  type Vote,
} from "./types.ts";
import { validatorSetFromValidators } from "./validator-set.ts";

/** What `JSON.stringify` writes without loss. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [name: string]: Json | undefined };

const KEY_TAGS = {
  ed25519: "tendermint/PubKeyEd25519",
  secp256k1: "tendermint/PubKeySecp256k1",
} as const;

/** Most that Go's types of some fields hold. */
const [INT32_MAX, UINT32_MAX] = [0x7fff_ffff, 0xffff_ffff];

/** Hashes and addresses: upper-case hex. */
export function hexJson(bytes: Uint8Array): string {
  return toHex(bytes).toUpperCase();
}

/** Other bytes: base64; Go writes a nil slice as null. */
export function bytesJson(bytes: Uint8Array): string | null {
  return bytes.length === 0 ? null : toBase64(bytes);
}

export function publicKeyToJson(key: PublicKey): Json {
  return { type: KEY_TAGS[key.type], value: toBase64(key.bytes) };
}

export function publicKeyFromJson(node: JsonNode): PublicKey {
  const tag = node.get("type").string();
  const bytes = node.get("value").base64();
  if (tag === KEY_TAGS.ed25519 && bytes.length === 32) return { type: "ed25519", bytes };
  if (tag === KEY_TAGS.secp256k1 && bytes.length === 33) return { type: "secp256k1", bytes };
  throw node.error("a public key of a known type and its length");
}

export function partSetHeaderToJson({ total, hash }: PartSetHeader): Json {
  return { total, hash: hexJson(hash) };
}

export function blockIdToJson({ hash, partSetHeader }: BlockId): Json {
  return { hash: hexJson(hash), parts: partSetHeaderToJson(partSetHeader) };
}

export function blockIdFromJson(node: JsonNode): BlockId {
  if (node.isAbsent) return NIL_BLOCK_ID;
  const parts = node.getAny("parts", "part_set_header");
  return {
    hash: node.get("hash").hex(),
    partSetHeader: { total: parts.get("total").count(UINT32_MAX), hash: parts.get("hash").hex() },
  };
}

export function headerToJson(header: Header): Json {
  const { block, app } = header.version;
  return {
    version: {
      block: block === 0n ? undefined : String(block),
      app: app === 0n ? undefined : String(app),
    },
    chain_id: header.chainId,
    height: String(header.height),
    time: formatTime(header.time),
    last_block_id: blockIdToJson(header.lastBlockId),
    last_commit_hash: hexJson(header.lastCommitHash),
    data_hash: hexJson(header.dataHash),
    validators_hash: hexJson(header.validatorsHash),
    next_validators_hash: hexJson(header.nextValidatorsHash),
    consensus_hash: hexJson(header.consensusHash),
    app_hash: hexJson(header.appHash),
    last_results_hash: hexJson(header.lastResultsHash),
    evidence_hash: hexJson(header.evidenceHash),
    proposer_address: hexJson(header.proposerAddress),
  };
}

export function headerFromJson(node: JsonNode): Header {
  const version = node.get("version");
  return {
    version: { block: version.get("block").unsigned(), app: version.get("app").unsigned() },
    chainId: node.get("chain_id").string(),
    height: node.get("height").height(),
    time: node.get("time").time(),
    lastBlockId: blockIdFromJson(node.get("last_block_id")),
    lastCommitHash: node.get("last_commit_hash").hex(),
    dataHash: node.get("data_hash").hex(),
    validatorsHash: node.get("validators_hash").hex(),
    nextValidatorsHash: node.get("next_validators_hash").hex(),
    consensusHash: node.get("consensus_hash").hex(),
    appHash: node.get("app_hash").hex(),
    lastResultsHash: node.get("last_results_hash").hex(),
    evidenceHash: node.get("evidence_hash").hex(),
    proposerAddress: node.get("proposer_address").hex(),
  };
}

export function commitToJson(commit: Commit): Json {
  return {
    height: String(commit.height),
    round: commit.round,
    block_id: blockIdToJson(commit.blockId),
    signatures: commit.signatures.map(commitSigToJson),
  };
}

export function commitFromJson(node: JsonNode): Commit {
  return {
    height: node.get("height").height(),
    round: node.get("round").round(),
    blockId: blockIdFromJson(node.get("block_id")),
    signatures: node.get("signatures").items().map(commitSigFromJson),
  };
}

export function signedHeaderToJson(signed: SignedHeader): Json {
  return { header: headerToJson(signed.header), commit: commitToJson(signed.commit) };
}

export function signedHeaderFromJson(node: JsonNode): SignedHeader {
  return {
    header: headerFromJson(node.get("header")),
    commit: commitFromJson(node.get("commit")),
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

export function blockFromJson(node: JsonNode): Block {
  const txs = node.get("data").get("txs").items();
  const evidence = node.get("evidence").get("evidence").items();
  return {
    header: headerFromJson(node.get("header")),
    txs: txs.map((tx) => tx.base64()),
    evidence: evidence.map(evidenceFromJson),
    lastCommit: commitFromJson(node.get("last_commit")),
  };
}

/** A block as `/block` answers it; null for none. */
export function blockWithIdToJson(block: Block | undefined, id: BlockId = NIL_BLOCK_ID): Json {
  return { block_id: blockIdToJson(id), block: block === undefined ? null : blockToJson(block) };
}

export function blockMetaToJson(meta: BlockMeta): Json {
  return {
    block_id: blockIdToJson(meta.blockId),
    block_size: String(meta.blockSizeBytes),
    header: headerToJson(meta.header),
    num_txs: String(meta.txCount),
  };
}

export function validatorToJson(validator: Validator): Json {
  return {
    address: hexJson(validator.address),
    pub_key: publicKeyToJson(validator.publicKey),
    voting_power: String(validator.votingPower),
    proposer_priority: String(validator.proposerPriority),
  };
}

export function validatorFromJson(node: JsonNode): Validator {
  return {
    address: node.get("address").hex(),
    publicKey: publicKeyFromJson(node.get("pub_key")),
    votingPower: node.getAny("voting_power", "power").bigint(),
    proposerPriority: node.get("proposer_priority").bigint(),
  };
}

export function validatorSetToJson(set: ValidatorSet): Json {
  return {
    validators: set.validators.map(validatorToJson),
    proposer: validatorToJson(set.proposer),
  };
}

/** The order of the validators is kept as given. */
export function validatorSetFromJson(node: JsonNode): ValidatorSet {
  const proposer = node.get("proposer");
  return validatorSetFromValidators(
    node.get("validators").items().map(validatorFromJson),
    proposer.isAbsent ? undefined : validatorFromJson(proposer),
  );
}

export function lightBlockToJson(block: LightBlock): Json {
  return {
    signed_header: signedHeaderToJson(block.signedHeader),
    validator_set: validatorSetToJson(block.validatorSet),
  };
}

export function lightBlockFromJson(node: JsonNode): LightBlock {
  return {
    signedHeader: signedHeaderFromJson(node.getAny("signed_header", "SignedHeader")),
    validatorSet: validatorSetFromJson(node.getAny("validator_set", "ValidatorSet")),
  };
}

export function voteToJson(vote: Vote): Json {
  return {
    type: vote.type,
    height: String(vote.height),
    round: vote.round,
    block_id: blockIdToJson(vote.blockId),
    timestamp: formatTime(vote.timestamp),
    validator_address: hexJson(vote.validatorAddress),
    validator_index: vote.validatorIndex,
    signature: bytesJson(vote.signature),
    extension: bytesJson(vote.extension),
    extension_signature: bytesJson(vote.extensionSignature),
  };
}

export function proposalToJson(proposal: Proposal): Json {
  return {
    Type: SignedMsgType.PROPOSAL,
    height: String(proposal.height),
    round: proposal.round,
    pol_round: proposal.polRound,
    block_id: blockIdToJson(proposal.blockId),
    timestamp: formatTime(proposal.timestamp),
    signature: bytesJson(proposal.signature),
  };
}

export function voteFromJson(node: JsonNode): Vote {
  const type = node.get("type").integer();
  if (type !== SignedMsgType.PREVOTE && type !== SignedMsgType.PRECOMMIT) {
    throw node.get("type").error("a vote type (1 or 2)");
  }
  return {
    type,
    height: node.get("height").height(),
    round: node.get("round").round(),
    blockId: blockIdFromJson(node.get("block_id")),
    timestamp: node.get("timestamp").time(),
    validatorAddress: node.get("validator_address").hex(),
    validatorIndex: node.get("validator_index").count(INT32_MAX),
    signature: node.get("signature").base64(),
    extension: node.get("extension").base64(),
    extensionSignature: node.get("extension_signature").base64(),
  };
}

/** Go has no names for some of these fields, so its JSON shows those of the structs. */
export function evidenceToJson(evidence: Evidence): Json {
  switch (evidence.kind) {
    case "duplicateVote":
      return {
        type: "tendermint/DuplicateVoteEvidence",
        value: {
          vote_a: voteToJson(evidence.voteA),
          vote_b: voteToJson(evidence.voteB),
          TotalVotingPower: String(evidence.totalVotingPower),
          ValidatorPower: String(evidence.validatorPower),
          Timestamp: formatTime(evidence.timestamp),
        },
      };
    case "lightClientAttack":
      return {
        type: "tendermint/LightClientAttackEvidence",
        value: {
          ConflictingBlock: lightBlockToJson(evidence.conflictingBlock),
          CommonHeight: String(evidence.commonHeight),
          ByzantineValidators: evidence.byzantineValidators.map(validatorToJson),
          TotalVotingPower: String(evidence.totalVotingPower),
          Timestamp: formatTime(evidence.timestamp),
        },
      };
    default:
      return assertNever(evidence, "evidence");
  }
}

/** Also reads the snake-case names that tendermint-rs writes. */
export function evidenceFromJson(node: JsonNode): Evidence {
  const tag = node.get("type").string();
  const value = node.get("value");
  const totalVotingPower = (): bigint =>
    value.getAny("TotalVotingPower", "total_voting_power").bigint();
  const timestamp = (): Evidence["timestamp"] => value.getAny("Timestamp", "timestamp").time();
  if (tag === "tendermint/DuplicateVoteEvidence") {
    return {
      kind: "duplicateVote",
      voteA: voteFromJson(value.get("vote_a")),
      voteB: voteFromJson(value.get("vote_b")),
      totalVotingPower: totalVotingPower(),
      validatorPower: value.getAny("ValidatorPower", "validator_power").bigint(),
      timestamp: timestamp(),
    };
  }
  if (tag === "tendermint/LightClientAttackEvidence") {
    const byzantine = value.getAny("ByzantineValidators", "byzantine_validators");
    return {
      kind: "lightClientAttack",
      conflictingBlock: lightBlockFromJson(value.getAny("ConflictingBlock", "conflicting_block")),
      commonHeight: value.getAny("CommonHeight", "common_height").height(),
      byzantineValidators: byzantine.items().map(validatorFromJson),
      totalVotingPower: totalVotingPower(),
      timestamp: timestamp(),
    };
  }
  throw node.error("evidence of a known type");
}

export function consensusParamsToJson(params: ConsensusParams): Json {
  const { block, evidence, validator, version, abci } = params;
  return {
    block: { max_bytes: String(block.maxBytes), max_gas: String(block.maxGas) },
    evidence: {
      max_age_num_blocks: String(evidence.maxAgeBlocks),
      max_age_duration: String(evidence.maxAgeDurationNanos),
      max_bytes: String(evidence.maxBytes),
    },
    validator: { pub_key_types: validator.publicKeyTypes },
    version: { app: String(version.app) },
    abci: { vote_extensions_enable_height: String(abci.voteExtensionsEnableHeight) },
  };
}

/** Parameters with every group but `abci`, which older files lack. */
export function consensusParamsFromJson(node: JsonNode): ConsensusParams {
  const evidence = node.get("evidence");
  const types = node.get("validator").get("pub_key_types").items();
  const version = node.get("version");
  const abci = node.get("abci");
  const enableHeight = abci.isAbsent ? abci : abci.get("vote_extensions_enable_height");
  return {
    block: {
      maxBytes: node.get("block").get("max_bytes").bigint(),
      maxGas: node.get("block").get("max_gas").bigint(),
    },
    evidence: {
      maxAgeBlocks: evidence.get("max_age_num_blocks").bigint(),
      maxAgeDurationNanos: evidence.get("max_age_duration").bigint(),
      maxBytes: evidence.get("max_bytes").bigint(),
    },
    validator: { publicKeyTypes: types.map((type) => type.string()) },
    version: { app: version.isAbsent ? 0n : version.getAny("app", "app_version").unsigned() },
    abci: { voteExtensionsEnableHeight: enableHeight.height() },
  };
}

export function merkleProofToJson(proof: MerkleProof): Json {
  return {
    total: String(proof.total),
    index: String(proof.index),
    leaf_hash: toBase64(proof.leafHash),
    aunts: proof.aunts.map(toBase64),
  };
}

export function merkleProofFromJson(node: JsonNode): MerkleProof {
  return {
    total: node.get("total").count(),
    index: node.get("index").count(),
    leafHash: node.get("leaf_hash").base64(),
    aunts: node
      .get("aunts")
      .items()
      .map((aunt) => aunt.base64()),
  };
}

function commitSigToJson(sig: CommitSig): Json {
  return {
    block_id_flag: sig.blockIdFlag,
    validator_address: hexJson(sig.validatorAddress),
    timestamp: formatTime(sig.timestamp),
    signature: bytesJson(sig.signature),
  };
}

function commitSigFromJson(node: JsonNode): CommitSig {
  const value = node.get("block_id_flag").integer();
  const blockIdFlag = Object.values(BlockIdFlag).find((flag) => flag === value);
  if (blockIdFlag === undefined) throw node.get("block_id_flag").error("a flag from 0 to 3");
  return {
    blockIdFlag,
    validatorAddress: node.get("validator_address").hex(),
    timestamp: node.get("timestamp").time(),
    signature: node.get("signature").base64(),
  };
}

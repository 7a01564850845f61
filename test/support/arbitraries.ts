/** Random values of every chain type and reactor message, for property tests. */
import * as fc from "fast-check";
import type { Arbitrary } from "fast-check";
import { Height, NodeId, Round } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import type {
  BlockSyncMessage,
  ConsensusMessage,
  NodeInfo,
  Packet,
  PexMessage,
  PrivvalMessage,
  RoundStep,
  StateSyncMessage,
} from "../../proto/messages.ts";
import {
  BlockIdFlag,
  SignedMsgType,
  type BitArray,
  type Block,
  type BlockId,
  type BlockMeta,
  type Commit,
  type CommitSig,
  type ConsensusParams,
  type Evidence,
  type ExtendedCommit,
  type Header,
  type LightBlock,
  type MerkleProof,
  type Part,
  type PartSetHeader,
  type Proposal,
  type PublicKey,
  type Timestamp,
  type Validator,
  type ValidatorSet,
  type Vote,
  type VoteType,
} from "../../proto/types.ts";

/** Plain arrays: fast-check's own may be of another realm's or a pooled buffer. */
const bytes = (minLength: number, maxLength: number): Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength, maxLength }).map((value) => new Uint8Array(value));
const short = bytes(0, 40);
const hash = fc.oneof(bytes(0, 0), bytes(32, 32));
const address = fc.oneof(bytes(0, 0), bytes(20, 20));
const signature = bytes(0, 64);
const height = fc.maxSafeNat().map(Height);
const round = fc.integer({ min: -1, max: 0x7fff_ffff }).map(Round);
const index = fc.integer({ min: 0, max: 0x7fff_ffff });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const int64 = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n });
const uint64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const text = fc.string({ unit: "grapheme", maxLength: 20 });
const voteType: Arbitrary<VoteType> = fc.constantFrom(
  SignedMsgType.PREVOTE,
  SignedMsgType.PRECOMMIT,
);

export const timestamps: Arbitrary<Timestamp> = fc.record({
  seconds: fc.bigInt({ min: -62_135_596_800n, max: 253_402_300_799n }),
  nanos: fc.integer({ min: 0, max: 999_999_999 }),
});

export const partSetHeaders: Arbitrary<PartSetHeader> = fc.record({ total: uint32, hash });
export const blockIds: Arbitrary<BlockId> = fc.record({ hash, partSetHeader: partSetHeaders });

export const votes: Arbitrary<Vote> = fc.record({
  type: voteType,
  height,
  round,
  blockId: blockIds,
  timestamp: timestamps,
  validatorAddress: address,
  validatorIndex: index,
  signature,
  extension: bytes(0, 300),
  extensionSignature: signature,
});

export const proposals: Arbitrary<Proposal> = fc.record({
  height,
  round,
  polRound: round,
  blockId: blockIds,
  timestamp: timestamps,
  signature,
});

const commitSigFields = {
  blockIdFlag: fc.constantFrom(...Object.values(BlockIdFlag)),
  validatorAddress: address,
  timestamp: timestamps,
  signature,
};
export const commitSigs: Arbitrary<CommitSig> = fc.record(commitSigFields);

export const commits: Arbitrary<Commit> = fc.record({
  height,
  round,
  blockId: blockIds,
  signatures: fc.array(commitSigs, { maxLength: 4 }),
});

export const extendedCommits: Arbitrary<ExtendedCommit> = fc.record({
  height,
  round,
  blockId: blockIds,
  extendedSignatures: fc.array(
    fc.record({ ...commitSigFields, extension: short, extensionSignature: signature }),
    { maxLength: 4 },
  ),
});

export const headers: Arbitrary<Header> = fc.record({
  version: fc.record({ block: uint64, app: uint64 }),
  chainId: text,
  height,
  time: timestamps,
  lastBlockId: blockIds,
  lastCommitHash: hash,
  dataHash: hash,
  validatorsHash: hash,
  nextValidatorsHash: hash,
  consensusHash: hash,
  appHash: short,
  lastResultsHash: hash,
  evidenceHash: hash,
  proposerAddress: address,
});

export const publicKeys: Arbitrary<PublicKey> = fc.oneof(
  fc.record({ type: fc.constant("ed25519" as const), bytes: bytes(32, 32) }),
  fc.record({ type: fc.constant("secp256k1" as const), bytes: bytes(33, 33) }),
);

export const validators: Arbitrary<Validator> = fc.record({
  address,
  publicKey: publicKeys,
  votingPower: int64,
  proposerPriority: int64,
});

/** Well-formed as bytes; not a set that consensus would make. */
export const validatorSets: Arbitrary<ValidatorSet> = fc
  .record({ validators: fc.array(validators, { maxLength: 3 }), proposer: validators })
  .map((set) => ({
    ...set,
    totalVotingPower: set.validators.reduce((sum, v) => sum + v.votingPower, 0n),
  }));

export const lightBlocks: Arbitrary<LightBlock> = fc.record({
  signedHeader: fc.record({ header: headers, commit: commits }),
  validatorSet: validatorSets,
});

export const evidence: Arbitrary<Evidence> = fc.oneof(
  fc.record({
    kind: fc.constant("duplicateVote" as const),
    voteA: votes,
    voteB: votes,
    totalVotingPower: int64,
    validatorPower: int64,
    timestamp: timestamps,
  }),
  fc.record({
    kind: fc.constant("lightClientAttack" as const),
    conflictingBlock: lightBlocks,
    commonHeight: height,
    byzantineValidators: fc.array(validators, { maxLength: 2 }),
    totalVotingPower: int64,
    timestamp: timestamps,
  }),
);

export const blocks: Arbitrary<Block> = fc.record({
  header: headers,
  txs: fc.array(short, { maxLength: 5 }),
  evidence: fc.array(evidence, { maxLength: 2 }),
  lastCommit: commits,
});

export const blockMetas: Arbitrary<BlockMeta> = fc.record({
  blockId: blockIds,
  blockSizeBytes: fc.maxSafeNat(),
  header: headers,
  txCount: fc.maxSafeNat(),
});

export const merkleProofs: Arbitrary<MerkleProof> = fc.record({
  total: fc.maxSafeNat(),
  index: fc.maxSafeNat(),
  leafHash: bytes(32, 32),
  aunts: fc.array(bytes(32, 32), { maxLength: 5 }),
});

export const parts: Arbitrary<Part> = fc.record({
  index: fc.integer({ min: 0, max: 1600 }),
  bytes: bytes(0, 300),
  proof: merkleProofs,
});

export const bitArrays: Arbitrary<BitArray> = fc
  .integer({ min: 0, max: 300 })
  .chain((bits) =>
    fc
      .array(uint64, { minLength: Math.ceil(bits / 64), maxLength: Math.ceil(bits / 64) })
      .map((elems) => ({ bits, elems })),
  );

export const consensusParams: Arbitrary<ConsensusParams> = fc.record({
  block: fc.record({ maxBytes: int64, maxGas: int64 }),
  evidence: fc.record({
    maxAgeBlocks: int64,
    maxAgeDurationNanos: int64,
    maxBytes: int64,
  }),
  validator: fc.record({ publicKeyTypes: fc.array(text, { maxLength: 3 }) }),
  version: fc.record({ app: uint64 }),
  abci: fc.record({ voteExtensionsEnableHeight: height }),
});

const claim = { height, round, type: voteType, blockId: blockIds };
const step: Arbitrary<RoundStep> = fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8);

export const consensusMessages: Arbitrary<ConsensusMessage> = fc.oneof(
  fc.record({
    kind: fc.constant("newRoundStep" as const),
    height,
    round,
    step,
    secondsSinceStartTime: fc.maxSafeInteger(),
    lastCommitRound: round,
  }),
  fc.record({
    kind: fc.constant("newValidBlock" as const),
    height,
    round,
    blockPartSetHeader: partSetHeaders,
    blockParts: bitArrays,
    isCommit: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("proposal" as const), proposal: proposals }),
  fc.record({
    kind: fc.constant("proposalPol" as const),
    height,
    proposalPolRound: round,
    proposalPol: bitArrays,
  }),
  fc.record({ kind: fc.constant("blockPart" as const), height, round, part: parts }),
  fc.record({ kind: fc.constant("vote" as const), vote: votes }),
  fc.record({ kind: fc.constant("hasVote" as const), height, round, type: voteType, index }),
  fc.record({ kind: fc.constant("voteSetMaj23" as const), ...claim }),
  fc.record({ kind: fc.constant("voteSetBits" as const), ...claim, votes: bitArrays }),
);

export const blockSyncMessages: Arbitrary<BlockSyncMessage> = fc.oneof(
  fc.record({ kind: fc.constant("blockRequest" as const), height }),
  fc.record({ kind: fc.constant("noBlockResponse" as const), height }),
  fc.record({
    kind: fc.constant("blockResponse" as const),
    block: blocks,
    extendedCommit: fc.option(extendedCommits, { nil: undefined }),
  }),
  fc.record({ kind: fc.constant("statusRequest" as const) }),
  fc.record({ kind: fc.constant("statusResponse" as const), height, base: height }),
);

export const stateSyncMessages: Arbitrary<StateSyncMessage> = fc.oneof(
  fc.record({ kind: fc.constant("snapshotsRequest" as const) }),
  fc.record({
    kind: fc.constant("snapshotsResponse" as const),
    height,
    format: uint32,
    chunks: uint32,
    hash: short,
    metadata: short,
  }),
  fc.record({
    kind: fc.constant("chunkRequest" as const),
    height,
    format: uint32,
    index: uint32,
  }),
  fc.record({
    kind: fc.constant("chunkResponse" as const),
    height,
    format: uint32,
    index: uint32,
    chunk: short,
    missing: fc.boolean(),
  }),
);

const nodeId = bytes(20, 20).map((id) => NodeId(toHex(id)));

export const pexMessages: Arbitrary<PexMessage> = fc.oneof(
  fc.record({ kind: fc.constant("pexRequest" as const) }),
  fc.record({
    kind: fc.constant("pexAddresses" as const),
    addresses: fc.array(fc.record({ id: nodeId, ip: text, port: uint32 }), { maxLength: 4 }),
  }),
);

const signerFaults = fc.record({ code: fc.integer({ min: 0, max: 9 }), description: text });

export const privvalMessages: Arbitrary<PrivvalMessage> = fc.oneof(
  fc.record({ kind: fc.constant("publicKeyRequest" as const), chainId: text }),
  fc.record({ kind: fc.constant("publicKeyResponse" as const), publicKey: publicKeys }),
  fc.record({ kind: fc.constant("publicKeyRefused" as const), error: signerFaults }),
  fc.record({ kind: fc.constant("signVoteRequest" as const), vote: votes, chainId: text }),
  fc.record({ kind: fc.constant("signedVoteResponse" as const), vote: votes }),
  fc.record({ kind: fc.constant("voteRefused" as const), error: signerFaults }),
  fc.record({
    kind: fc.constant("signProposalRequest" as const),
    proposal: proposals,
    chainId: text,
  }),
  fc.record({ kind: fc.constant("signedProposalResponse" as const), proposal: proposals }),
  fc.record({ kind: fc.constant("proposalRefused" as const), error: signerFaults }),
  fc.record({ kind: fc.constant("pingRequest" as const) }),
  fc.record({ kind: fc.constant("pingResponse" as const) }),
);

export const packets: Arbitrary<Packet> = fc.oneof(
  fc.record({ kind: fc.constant("ping" as const) }),
  fc.record({ kind: fc.constant("pong" as const) }),
  fc.record({
    kind: fc.constant("message" as const),
    channelId: fc.integer({ min: 0, max: 255 }),
    isLast: fc.boolean(),
    data: bytes(0, 200),
  }),
);

export const nodeInfos: Arbitrary<NodeInfo> = fc.record({
  protocolVersion: fc.record({ p2p: uint64, block: uint64, app: uint64 }),
  nodeId,
  listenAddress: text,
  network: text,
  version: text,
  channels: bytes(0, 16),
  moniker: text,
  other: fc.record({ txIndex: text, rpcAddress: text }),
});

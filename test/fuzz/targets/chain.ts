/** CometBFT's messages: chain types, reactor messages, NodeInfo. Read as Go reads. */
import * as fc from "fast-check";
import type { Arbitrary } from "fast-check";
import * as block from "../../../proto/codec/block.ts";
import * as consensus from "../../../proto/codec/consensus-messages.ts";
import * as p2p from "../../../proto/codec/p2p-messages.ts";
import {
  decodePrivvalMessage,
  encodePrivvalMessage,
} from "../../../proto/codec/privval-messages.ts";
import {
  decode,
  delimitedRange,
  decodeDelimited,
  type Reader,
} from "../../../proto/codec/reader.ts";
import * as sync from "../../../proto/codec/sync-messages.ts";
import * as types from "../../../proto/codec/types.ts";
import * as votes from "../../../proto/codec/votes.ts";
import { encode, type MessageEncoder } from "../../../proto/codec/writer.ts";
import * as any from "../../support/arbitraries.ts";
import { codec, lenientCodec, plainDecoder, type Target } from "../target.ts";

const SEEDS = 16;

/** So many encoded values of an arbitrary, the same for the same seed. */
export function sampled<T>(
  values: Arbitrary<T>,
  encodeValue: (value: T) => Uint8Array,
): (seed: number) => readonly Uint8Array[] {
  return (seed) => fc.sample(values, { seed, numRuns: SEEDS }).map(encodeValue);
}

function chainType<T>(
  name: string,
  covers: readonly string[],
  values: Arbitrary<T>,
  encodeValue: (value: T) => Uint8Array,
  decodeBytes: (bytes: Uint8Array) => T,
): Target {
  return lenientCodec({
    name,
    covers,
    decode: decodeBytes,
    encode: encodeValue,
    seeds: sampled(values, encodeValue),
  });
}

/** A message that only stands inside others. */
function embedded<T>(
  name: string,
  covers: readonly string[],
  values: Arbitrary<T>,
  write: MessageEncoder<T>,
  read: (reader: Reader) => T,
): Target {
  return chainType(
    name,
    covers,
    values,
    (value) => encode(write, value),
    (bytes) => decode(read, bytes, "lenient"),
  );
}

const TYPES = "proto/codec/types.ts";
const VOTES = "proto/codec/votes.ts";
const BLOCK = "proto/codec/block.ts";

export const CHAIN_TARGETS: readonly Target[] = [
  embedded(
    "types.Timestamp",
    [`${TYPES}#readTimestamp`],
    any.timestamps,
    types.writeTimestamp,
    types.readTimestamp,
  ),
  embedded(
    "types.PartSetHeader",
    [`${TYPES}#readPartSetHeader`],
    any.partSetHeaders,
    types.writePartSetHeader,
    types.readPartSetHeader,
  ),
  embedded(
    "types.BlockID",
    [`${TYPES}#readBlockId`],
    any.blockIds,
    types.writeBlockId,
    types.readBlockId,
  ),
  embedded("types.Part", [`${TYPES}#readPart`], any.parts, types.writePart, types.readPart),
  embedded(
    "crypto.Proof",
    [`${TYPES}#readMerkleProof`],
    any.merkleProofs,
    types.writeMerkleProof,
    types.readMerkleProof,
  ),
  embedded(
    "crypto.PublicKey",
    [`${TYPES}#readPublicKey`],
    any.publicKeys,
    types.writePublicKey,
    types.readPublicKey,
  ),
  embedded(
    "libs.bits.BitArray",
    [`${TYPES}#readBitArray`],
    any.bitArrays,
    types.writeBitArray,
    types.readBitArray,
  ),
  embedded(
    "types.Validator",
    [`${TYPES}#readValidator`],
    any.validators,
    types.writeValidator,
    types.readValidator,
  ),
  chainType(
    "types.ValidatorSet",
    [`${TYPES}#decodeValidatorSet`, `${TYPES}#readValidatorSet`],
    any.validatorSets,
    types.encodeValidatorSet,
    types.decodeValidatorSet,
  ),
  chainType(
    "types.ConsensusParams",
    [
      `${TYPES}#decodeConsensusParams`,
      `${TYPES}#readConsensusParams`,
      `${TYPES}#readPartialConsensusParams`,
      `${TYPES}#readDuration`,
    ],
    any.consensusParams,
    types.encodeConsensusParams,
    types.decodeConsensusParams,
  ),
  chainType(
    "types.Vote",
    [
      `${VOTES}#decodeVote`,
      `${VOTES}#readVote`,
      `${VOTES}#readIndex`,
      `${TYPES}#readHeight`,
      `${TYPES}#readRound`,
      `${TYPES}#readCount`,
    ],
    any.votes,
    votes.encodeVote,
    votes.decodeVote,
  ),
  chainType(
    "types.Proposal",
    [`${VOTES}#decodeProposal`, `${VOTES}#readProposal`],
    any.proposals,
    votes.encodeProposal,
    votes.decodeProposal,
  ),
  chainType(
    "types.Commit",
    [`${VOTES}#decodeCommit`, `${VOTES}#readCommit`, `${VOTES}#readCommitSig`],
    any.commits,
    votes.encodeCommit,
    votes.decodeCommit,
  ),
  chainType(
    "types.ExtendedCommit",
    [`${VOTES}#decodeExtendedCommit`, `${VOTES}#readExtendedCommit`],
    any.extendedCommits,
    votes.encodeExtendedCommit,
    votes.decodeExtendedCommit,
  ),
  chainType(
    "types.Header",
    [`${BLOCK}#decodeHeader`, `${BLOCK}#readHeader`, `${BLOCK}#readVersion`],
    any.headers,
    block.encodeHeader,
    block.decodeHeader,
  ),
  chainType(
    "types.Block",
    [`${BLOCK}#decodeBlock`, `${BLOCK}#readBlock`, `${BLOCK}#readTxs`],
    any.blocks,
    block.encodeBlock,
    block.decodeBlock,
  ),
  canonicalBlocks(),
  chainType(
    "types.BlockMeta",
    [`${BLOCK}#decodeBlockMeta`, `${BLOCK}#readBlockMeta`],
    any.blockMetas,
    block.encodeBlockMeta,
    block.decodeBlockMeta,
  ),
  chainType(
    "types.LightBlock",
    [`${BLOCK}#decodeLightBlock`, `${BLOCK}#readLightBlock`],
    any.lightBlocks,
    block.encodeLightBlock,
    block.decodeLightBlock,
  ),
  chainType(
    "types.SignedHeader",
    [`${BLOCK}#decodeSignedHeader`, `${BLOCK}#readSignedHeader`],
    any.lightBlocks.map(({ signedHeader }) => signedHeader),
    block.encodeSignedHeader,
    block.decodeSignedHeader,
  ),
  chainType(
    "types.Evidence",
    [`${BLOCK}#decodeEvidence`, `${BLOCK}#readEvidence`],
    any.evidence,
    block.encodeEvidence,
    block.decodeEvidence,
  ),
  chainType(
    "types.EvidenceList",
    [`${BLOCK}#decodeEvidenceList`, `${BLOCK}#readEvidenceList`],
    fc.array(any.evidence, { maxLength: 4 }),
    block.encodeEvidenceList,
    block.decodeEvidenceList,
  ),
  chainType(
    "consensus.Message",
    [
      "proto/codec/consensus-messages.ts#decodeConsensusMessage",
      "proto/codec/consensus-messages.ts#readConsensusMessage",
    ],
    any.consensusMessages,
    consensus.encodeConsensusMessage,
    consensus.decodeConsensusMessage,
  ),
  chainType(
    "blocksync.Message",
    ["proto/codec/sync-messages.ts#decodeBlockSyncMessage"],
    any.blockSyncMessages,
    sync.encodeBlockSyncMessage,
    sync.decodeBlockSyncMessage,
  ),
  chainType(
    "statesync.Message",
    ["proto/codec/sync-messages.ts#decodeStateSyncMessage"],
    any.stateSyncMessages,
    sync.encodeStateSyncMessage,
    sync.decodeStateSyncMessage,
  ),
  chainType(
    "mempool.Message",
    ["proto/codec/sync-messages.ts#decodeTxsMessage"],
    any.blocks.map(({ txs }) => ({ kind: "txs" as const, txs })),
    sync.encodeTxsMessage,
    sync.decodeTxsMessage,
  ),
  chainType(
    "p2p.PexMessage",
    ["proto/codec/p2p-messages.ts#decodePexMessage"],
    any.pexMessages,
    p2p.encodePexMessage,
    p2p.decodePexMessage,
  ),
  chainType(
    "p2p.Packet",
    ["proto/codec/p2p-messages.ts#decodePacket"],
    any.packets,
    (packet) => encode(p2p.writePacket, packet),
    (bytes) => p2p.decodePacket(bytes, 1_024),
  ),
  chainType(
    "p2p.AuthSigMessage",
    ["proto/codec/p2p-messages.ts#decodeAuthSigMessage"],
    fc.record({
      publicKey: any.publicKeys,
      signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
    }),
    p2p.encodeAuthSigMessage,
    p2p.decodeAuthSigMessage,
  ),
  chainType(
    "p2p.NodeInfo",
    ["proto/codec/p2p-messages.ts#decodeNodeInfo", "proto/codec/p2p-messages.ts#readNodeInfo"],
    any.nodeInfos,
    p2p.encodeNodeInfo,
    p2p.decodeNodeInfo,
  ),
  chainType(
    "privval.Message",
    [
      "proto/codec/privval-messages.ts#decodePrivvalMessage",
      "proto/codec/privval-messages.ts#readPrivvalMessage",
    ],
    any.privvalMessages,
    encodePrivvalMessage,
    decodePrivvalMessage,
  ),
  plainDecoder({
    name: "delimited",
    covers: ["proto/codec/reader.ts#decode", "proto/codec/reader.ts#decodeDelimited"],
    format: "protobuf",
    decode: (bytes) => {
      delimitedRange(bytes, 0, 1_000);
      return decodeDelimited(votes.readVote, bytes, "strict", 1_000);
    },
    seeds: sampled(any.nodeInfos, p2p.encodeNodeInfo),
    isRefusal: codec,
  }),
];

/** `isCanonicalBlock` must say exactly whether writing a block again gives the bytes it was read from. */
function canonicalBlocks(): Target {
  return lenientCodec({
    name: "canonical block",
    covers: [],
    decode: (bytes) => {
      const value = block.decodeBlock(bytes);
      const again = block.encodeBlock(value);
      const isSame = Buffer.compare(again, bytes) === 0;
      if (block.isCanonicalBlock(value, bytes) !== isSame) {
        throw new RangeError(
          `isCanonicalBlock says ${String(!isSame)}, the encoding ${String(isSame)}`,
        );
      }
      return value;
    },
    encode: block.encodeBlock,
    seeds: sampled(any.blocks, block.encodeBlock),
  });
}

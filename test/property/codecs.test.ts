/**
 * Codecs of CometBFT's messages on random values: there and back; against protobufjs, which reads
 * the same bytes by the .proto files; and on damaged bytes, which are refused or read, never more.
 */
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import type { Arbitrary } from "fast-check";
import protobuf from "protobufjs";
import { describe, expect, test } from "vitest";
import { toHex } from "../../proto/bytes.ts";
import * as block from "../../proto/codec/block.ts";
import {
  writeCanonicalProposal,
  writeCanonicalVote,
  writeCanonicalVoteExtension,
} from "../../proto/codec/canonical.ts";
import * as consensus from "../../proto/codec/consensus-messages.ts";
import { isCodecError } from "../../proto/codec/errors.ts";
import * as p2p from "../../proto/codec/p2p-messages.ts";
import * as privval from "../../proto/codec/privval-messages.ts";
import { decode, decodeDelimited, type MessageDecoder } from "../../proto/codec/reader.ts";
import * as sync from "../../proto/codec/sync-messages.ts";
import * as types from "../../proto/codec/types.ts";
import * as vote from "../../proto/codec/votes.ts";
import { encode, type MessageEncoder } from "../../proto/codec/writer.ts";
import * as any from "../support/arbitraries.ts";
import { damage } from "../support/damage.ts";

const PROTO_ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../../proto");

interface Codec {
  readonly name: string;
  readonly values: Arbitrary<unknown>;
  readonly encode: (value: unknown) => Uint8Array;
  readonly decode: ((bytes: Uint8Array) => unknown) | undefined;
}

/** Hides the value type: the table below keeps encoder, decoder and values together. */
function codec<T>(
  name: string,
  values: Arbitrary<T>,
  write: (value: T) => Uint8Array,
  read: ((bytes: Uint8Array) => T) | undefined,
): Codec {
  return { name, values, encode: (value) => write(value as T), decode: read };
}

function message<T>(
  name: string,
  values: Arbitrary<T>,
  write: MessageEncoder<T>,
  read: MessageDecoder<T>,
): Codec {
  return codec(
    name,
    values,
    (value) => encode(write, value),
    (bytes) => decode(read, bytes, "lenient"),
  );
}

const CODECS: readonly Codec[] = [
  message(
    "types.PartSetHeader",
    any.partSetHeaders,
    types.writePartSetHeader,
    types.readPartSetHeader,
  ),
  message("types.BlockID", any.blockIds, types.writeBlockId, types.readBlockId),
  message("types.Part", any.parts, types.writePart, types.readPart),
  message("crypto.Proof", any.merkleProofs, types.writeMerkleProof, types.readMerkleProof),
  message("crypto.PublicKey", any.publicKeys, types.writePublicKey, types.readPublicKey),
  message("libs.bits.BitArray", any.bitArrays, types.writeBitArray, types.readBitArray),
  message("types.Validator", any.validators, types.writeValidator, types.readValidator),
  codec(
    "types.ValidatorSet",
    any.validatorSets,
    types.encodeValidatorSet,
    types.decodeValidatorSet,
  ),
  codec(
    "types.ConsensusParams",
    any.consensusParams,
    types.encodeConsensusParams,
    types.decodeConsensusParams,
  ),
  codec("types.Vote", any.votes, vote.encodeVote, vote.decodeVote),
  codec("types.Proposal", any.proposals, vote.encodeProposal, vote.decodeProposal),
  codec("types.Commit", any.commits, vote.encodeCommit, vote.decodeCommit),
  codec(
    "types.ExtendedCommit",
    any.extendedCommits,
    vote.encodeExtendedCommit,
    vote.decodeExtendedCommit,
  ),
  codec("types.Header", any.headers, block.encodeHeader, block.decodeHeader),
  codec("types.Block", any.blocks, block.encodeBlock, block.decodeBlock),
  codec("types.BlockMeta", any.blockMetas, block.encodeBlockMeta, block.decodeBlockMeta),
  codec("types.LightBlock", any.lightBlocks, block.encodeLightBlock, block.decodeLightBlock),
  codec("types.Evidence", any.evidence, block.encodeEvidence, block.decodeEvidence),
  codec(
    "consensus.Message",
    any.consensusMessages,
    consensus.encodeConsensusMessage,
    consensus.decodeConsensusMessage,
  ),
  codec(
    "blocksync.Message",
    any.blockSyncMessages,
    sync.encodeBlockSyncMessage,
    sync.decodeBlockSyncMessage,
  ),
  codec(
    "statesync.Message",
    any.stateSyncMessages,
    sync.encodeStateSyncMessage,
    sync.decodeStateSyncMessage,
  ),
  codec(
    "mempool.Message",
    any.blocks.map(({ txs }) => ({ kind: "txs" as const, txs })),
    sync.encodeTxsMessage,
    sync.decodeTxsMessage,
  ),
  codec(
    "privval.Message",
    any.privvalMessages,
    privval.encodePrivvalMessage,
    privval.decodePrivvalMessage,
  ),
  codec("p2p.Message", any.pexMessages, p2p.encodePexMessage, p2p.decodePexMessage),
  codec(
    "p2p.Packet",
    any.packets,
    (packet) => encode(p2p.writePacket, packet),
    (bytes) => p2p.decodePacket(bytes, 1024),
  ),
  message("p2p.DefaultNodeInfo", any.nodeInfos, p2p.writeNodeInfo, p2p.readNodeInfo),
  codec(
    "types.CanonicalVote",
    fc.tuple(any.votes, any.headers).map(([v, { chainId }]) => ({ ...v, chainId })),
    (value) => encode(writeCanonicalVote, value),
    undefined,
  ),
  codec(
    "types.CanonicalProposal",
    fc.tuple(any.proposals, any.headers).map(([p, { chainId }]) => ({ ...p, chainId })),
    (value) => encode(writeCanonicalProposal, value),
    undefined,
  ),
  codec(
    "types.CanonicalVoteExtension",
    fc.tuple(any.votes, any.headers).map(([v, { chainId }]) => ({ ...v, chainId })),
    (value) => encode(writeCanonicalVoteExtension, value),
    undefined,
  ),
];

/** Here no member has the name of its field; the bytes alone are compared. */
const NAMED_OTHERWISE: ReadonlySet<string> = new Set(["crypto.PublicKey", "p2p.Message"]);

const WITH_DECODER = CODECS.flatMap((c) =>
  c.decode === undefined ? [] : [{ ...c, decode: c.decode }],
);

function reflectedTypes(): protobuf.Root {
  const root = new protobuf.Root();
  const bundled = root.resolvePath.bind(root);
  root.resolvePath = (origin, target) =>
    target.startsWith("tendermint/") ? join(PROTO_ROOT, target) : bundled(origin, target);
  root.loadSync([
    "tendermint/types/block.proto",
    "tendermint/types/canonical.proto",
    "tendermint/types/params.proto",
    "tendermint/consensus/types.proto",
    "tendermint/mempool/types.proto",
    "tendermint/blocksync/types.proto",
    "tendermint/statesync/types.proto",
    "tendermint/p2p/conn.proto",
    "tendermint/p2p/pex.proto",
    "tendermint/privval/types.proto",
  ]);
  return root;
}

/** Counts the members of equal name that hold the same; throws on the first that differs. */
function agreements(ours: unknown, theirs: unknown, path: string): number {
  if (typeof theirs !== "object" || theirs === null) {
    const mine = typeof ours === "object" || ours === undefined ? theirs : ours;
    if (String(mine) !== String(theirs)) {
      throw new Error(`${path}: ${String(ours)} here, ${String(theirs)} there`);
    }
    return 1;
  }
  if (theirs instanceof Uint8Array) {
    if (!(ours instanceof Uint8Array) || toHex(ours) !== toHex(theirs)) {
      throw new Error(`${path}: other bytes`);
    }
    return 1;
  }
  let count = 0;
  for (const [name, value] of Object.entries(theirs)) {
    const mine: unknown = Reflect.get(Object(ours), name);
    if (mine !== undefined) count += agreements(mine, value, `${path}.${name}`);
  }
  return count;
}

describe("codecs of CometBFT's messages", () => {
  test.each(WITH_DECODER)("$name: decode(encode(x)) is x", (c) => {
    fc.assert(
      fc.property(c.values, (value) => {
        expect(c.decode(c.encode(value))).toEqual(value);
      }),
      { numRuns: 60 },
    );
  });

  const root = reflectedTypes();
  test.each(CODECS)("$name: protobufjs reads the same and writes the same", (c) => {
    const type = root.lookupType(`tendermint.${c.name}`);
    let agreed = 0;
    fc.assert(
      fc.property(c.values, (value) => {
        const bytes = c.encode(value);
        const theirs = type.decode(bytes);
        expect(toHex(type.encode(theirs).finish())).toBe(toHex(bytes));
        const plain = type.toObject(theirs, { longs: String });
        if (NAMED_OTHERWISE.has(c.name)) return;
        const members = type.oneofsArray.length > 0 ? Object.values(plain)[0] : plain;
        agreed += agreements(value, members, c.name);
      }),
      { numRuns: 60 },
    );
    expect(agreed > 0 || NAMED_OTHERWISE.has(c.name)).toBe(true);
  });

  test.each(WITH_DECODER)("$name: damaged bytes are refused with a codec error, or read", (c) => {
    fc.assert(
      fc.property(c.values, damage(), (value, damaged) => {
        const bytes = damaged(c.encode(value));
        let read: unknown;
        try {
          read = c.decode(bytes);
        } catch (error) {
          if (isCodecError(error)) return;
          throw error;
        }
        // What was read has an encoding, which reads the same again.
        expect(c.decode(c.encode(read))).toEqual(read);
      }),
      { numRuns: 150 },
    );
  });

  test("random bytes are refused with a codec error, or read", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        for (const c of WITH_DECODER) {
          expect(
            failureOf(() => c.decode(new Uint8Array(bytes))),
            c.name,
          ).toBeUndefined();
        }
      }),
      { numRuns: 200 },
    );
  });

  test("a delimited message ends where its length says", () => {
    fc.assert(
      fc.property(any.nodeInfos, (info) => {
        const bytes = p2p.encodeNodeInfo(info);
        expect(p2p.decodeNodeInfo(bytes)).toEqual(info);
        const longer = new Uint8Array([...bytes, 0]);
        expect(() => decodeDelimited(p2p.readNodeInfo, longer, "lenient", 10_240)).toThrow(/after/);
        expect(() => p2p.decodeNodeInfo(bytes.subarray(0, -1))).toThrow(/cut off/);
      }),
      { numRuns: 30 },
    );
  });
});

describe("what a second occurrence does", () => {
  test("two halves of an embedded message read as one, as in Go", () => {
    fc.assert(
      fc.property(any.blocks, (value) => {
        const whole = block.encodeBlock(value);
        // The block's fields in halves: header and data first, then all four again, data empty.
        const halves = new Uint8Array([
          ...encode(
            (w) => w.message(1, { ...value.header, chainId: "other" }, block.writeHeader),
            0,
          ),
          ...encode((w) => w.message(2, value.txs, block.writeTxs), 0),
          ...encode((w) => w.message(1, value.header, block.writeHeader), 0),
          ...encode((w) => w.message(2, [], block.writeTxs), 0),
          ...encode((w) => w.message(3, value.evidence, block.writeEvidenceList), 0),
          ...encode((w) => w.message(4, value.lastCommit, vote.writeCommit), 0),
        ]);
        const read = block.decodeBlock(halves);
        const chainId = value.header.chainId === "" ? "other" : value.header.chainId;
        expect(read).toEqual({ ...value, header: { ...value.header, chainId } });
        expect(block.decodeBlock(whole)).toEqual(value);
      }),
      { numRuns: 40 },
    );
  });
});

/** What a decoder throws, other than the errors that it may. */
function failureOf(read: () => unknown): unknown {
  try {
    read();
    return undefined;
  } catch (error) {
    return isCodecError(error) ? undefined : error;
  }
}

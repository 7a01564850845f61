/** Unary queries of weft.rollup.v1 for blocks and proofs: ranges, single entries, single transactions. */
import { weft } from "#proto-gen/weft.js";
import type { Height } from "../brands.ts";
import type { EntryInclusion, ProvenEntry, TransactionInclusion } from "../verify/inclusion.ts";
import { fromWireProof, toWireProof } from "./ordered-entry.ts";
import {
  fromWireBlock,
  type Level,
  type RollupBlock,
  toLevel,
  toWireBlock,
} from "./rollup-block.ts";
import { canonicalCodec, messageCodec, required, toBytes, toHeight } from "./wire.ts";

const v1 = weft.rollup.v1;

export interface GetBlocksRequest {
  readonly rollupId: Uint8Array;
  readonly fromHeight: Height;
  readonly toHeight: Height;
  /** UNSPECIFIED is COMMITTED. */
  readonly level: Level;
}

export interface GetBlocksResponse {
  readonly blocks: readonly RollupBlock[];
  readonly nextHeight: Height;
}

export interface GetEntryProofRequest {
  readonly rollupId: Uint8Array;
  readonly height: Height;
  readonly position: number;
}

export interface GetTransactionProofRequest {
  readonly id: Uint8Array;
  /** 0: the block that the node remembers. */
  readonly height: Height;
}

/** What signs a proof. */
export interface SignedProof {
  readonly height: Height;
  /** tendermint.types.SignedHeader, encoded. */
  readonly signedHeader: Uint8Array;
  /** tendermint.types.ValidatorSet, encoded. */
  readonly validatorSet: Uint8Array;
}

/** `verifyEntryInclusion` takes it as it is. */
export interface EntryProof extends SignedProof, EntryInclusion {}

/** `verifyTransactionInclusion` takes it as it is. */
export interface TransactionProof extends SignedProof, TransactionInclusion {}

export const getBlocksRequest = messageCodec(
  v1.GetBlocksRequest,
  (value: GetBlocksRequest) => value,
  (wire) => ({
    rollupId: toBytes(wire.rollupId),
    fromHeight: toHeight(wire.fromHeight),
    toHeight: toHeight(wire.toHeight),
    level: toLevel(wire.level),
  }),
);

export const getBlocksResponse = canonicalCodec(
  v1.GetBlocksResponse,
  ({ blocks, nextHeight }: GetBlocksResponse) => ({ blocks: blocks.map(toWireBlock), nextHeight }),
  (wire): GetBlocksResponse => ({
    blocks: wire.blocks.map(fromWireBlock),
    nextHeight: toHeight(wire.nextHeight),
  }),
);

export const getEntryProofRequest = messageCodec(
  v1.GetEntryProofRequest,
  (value: GetEntryProofRequest) => value,
  (wire) => ({
    rollupId: toBytes(wire.rollupId),
    height: toHeight(wire.height),
    position: wire.position,
  }),
);

export const getTransactionProofRequest = messageCodec(
  v1.GetTransactionProofRequest,
  (value: GetTransactionProofRequest) => value,
  (wire) => ({ id: toBytes(wire.id), height: toHeight(wire.height) }),
);

export const entryProof = canonicalCodec(
  v1.EntryProof,
  ({ manifestProof, proven, ...value }: EntryProof) => ({
    ...value,
    manifestProof: toWireProof(manifestProof),
    proven: toWireProven(proven),
  }),
  (wire): EntryProof => ({
    height: toHeight(wire.height),
    signedHeader: toBytes(wire.signedHeader),
    validatorSet: toBytes(wire.validatorSet),
    manifest: toBytes(wire.manifest),
    manifestProof: fromWireProof(wire.manifestProof),
    proven: fromWireProven(required(wire.proven, "proven")),
    payload: toBytes(wire.payload),
  }),
);

export const transactionProof = canonicalCodec(
  v1.TransactionProof,
  ({ itemProof, manifestProof, entries, ...value }: TransactionProof) => ({
    ...value,
    itemProof: toWireProof(itemProof),
    manifestProof: toWireProof(manifestProof),
    entries: entries.map(toWireProven),
  }),
  (wire): TransactionProof => ({
    height: toHeight(wire.height),
    signedHeader: toBytes(wire.signedHeader),
    validatorSet: toBytes(wire.validatorSet),
    item: toBytes(wire.item),
    itemProof: fromWireProof(wire.itemProof),
    manifest: toBytes(wire.manifest),
    manifestProof: fromWireProof(wire.manifestProof),
    entries: wire.entries.map(fromWireProven),
  }),
);

function toWireProven(proven: ProvenEntry): weft.rollup.v1.ProvenEntry.$Properties {
  const { leaf, leafProof, entry, entryProof: proof } = proven;
  return { leaf, leafProof: toWireProof(leafProof), entry, entryProof: toWireProof(proof) };
}

function fromWireProven(wire: weft.rollup.v1.ProvenEntry.$Properties): ProvenEntry {
  return {
    leaf: toBytes(wire.leaf),
    leafProof: fromWireProof(wire.leafProof),
    entry: toBytes(wire.entry),
    entryProof: fromWireProof(wire.entryProof),
  };
}

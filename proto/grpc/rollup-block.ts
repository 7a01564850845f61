/** `RollupBlock` of weft.rollup.v1: what one block holds for one rollup, with its proofs, between our types and the wire. */
import { weft } from "#proto-gen/weft.js";
import type { Height } from "../brands.ts";
import { codecError } from "../codec/errors.ts";
import type { Content, FillingBlock } from "../verify/fills.ts";
import type { OmittedSlice } from "../verify/omitted.ts";
import {
  type Absence,
  type DecisionEntry,
  DecisionOutcome,
  type FillEntry,
  FillStatus,
  type RollupSlice,
} from "../verify/manifest.ts";
import {
  fromWireEntry,
  fromWireLeaf,
  fromWireProof,
  toWireEntries,
  toWireProof,
} from "./ordered-entry.ts";
import { canonicalCodec, required, toBytes, toHeight } from "./wire.ts";

const v1 = weft.rollup.v1;

/** How far a block has come; each includes those before it. */
export const Level = { UNSPECIFIED: 0, PROPOSED: 1, COMMITTED: 2, FILLED: 3, ANCHORED: 4 } as const;
export type Level = (typeof Level)[keyof typeof Level];

/** A block's part for one rollup; `verifyRollupSlice` takes it as it is. */
export interface RollupBlock extends RollupSlice {
  readonly height: Height;
  readonly level: Level;
  /** tendermint.types.SignedHeader, encoded. */
  readonly signedHeader: Uint8Array;
  /** tendermint.types.ValidatorSet, encoded; empty when it is the previous message's. */
  readonly validatorSet: Uint8Array;
  /** At level FILLED, when the block holds sealed entries. */
  readonly filling: Filling | undefined;
  /** Heights below that hold nothing for the stream's rollups; empty unless `omitEmpty` is asked for. */
  readonly omitted: readonly OmittedBlock[];
  /** Of the stream's further rollups, in their order. */
  readonly more: readonly RollupPart[];
}

/** What the block holds for one more rollup. */
export interface RollupPart extends Pick<RollupSlice, "slice"> {
  readonly filling: Filling | undefined;
}

/** A header without a commit, and the proof that its block holds nothing for any of the stream's rollups. */
export interface OmittedBlock extends OmittedSlice {
  /** tendermint.types.Header, encoded. */
  readonly header: Uint8Array;
}

/** What became of a block's sealed entries, as `verify/fills.ts` checks it. */
export interface Filling {
  /** Following the block's own, without those that the same stream held before. */
  readonly headers: readonly FollowingHeader[];
  readonly blocks: readonly FillingBlock[];
  readonly contents: readonly Content[];
  /** Positions of shuffled entries in the order of execution; empty where nothing was decided. */
  readonly order: readonly number[];
}

export interface FollowingHeader {
  /** tendermint.types.SignedHeader, encoded. */
  readonly signedHeader: Uint8Array;
  /** tendermint.types.ValidatorSet, encoded; empty when it is the set of the header one below. */
  readonly validatorSet: Uint8Array;
}

export const rollupBlock = canonicalCodec(v1.RollupBlock, toWireBlock, fromWireBlock, bytesOf);

/** About the encoded length of a block, where it is large: its payloads, with what stands around each. */
function bytesOf(block: RollupBlock): number {
  const { signedHeader, validatorSet, manifest } = block;
  let bytes = signedHeader.length + validatorSet.length + manifest.length + PROOFS_BYTES;
  for (const { slice } of [block, ...block.more]) {
    if (slice.kind === "absence") continue;
    for (const { payload } of slice.entries) bytes += payload.length + ENTRY_HEAD_BYTES;
  }
  return bytes;
}

/** Tags and lengths of an entry, its id, lane and place among its item's entries. */
const ENTRY_HEAD_BYTES = 64;
/** A slice's leaf and the proofs around it, of a block of any size. */
const PROOFS_BYTES = 2_048;

export function toWireBlock(value: RollupBlock): weft.rollup.v1.RollupBlock.$Properties {
  return {
    height: value.height,
    level: WIRE_LEVELS[value.level],
    signedHeader: value.signedHeader,
    validatorSet: value.validatorSet,
    manifest: value.manifest,
    manifestProof: toWireProof(value.manifestProof),
    ...toWirePart(value),
    omitted: value.omitted.map(({ manifestProof, absences, ...block }) => ({
      ...block,
      manifestProof: toWireProof(manifestProof),
      absences: absences.map(toWireAbsence),
    })),
    more: value.more.map(toWirePart),
  };
}

export function fromWireBlock(wire: weft.rollup.v1.RollupBlock.$Properties): RollupBlock {
  return {
    height: toHeight(wire.height ?? 0),
    level: toLevel(wire.level ?? 0),
    signedHeader: toBytes(wire.signedHeader),
    validatorSet: toBytes(wire.validatorSet),
    manifest: toBytes(wire.manifest),
    manifestProof: fromWireProof(wire.manifestProof),
    ...fromWirePart(wire),
    omitted: (wire.omitted ?? []).map((block) => ({
      header: toBytes(block.header),
      manifest: toBytes(block.manifest),
      manifestProof: fromWireProof(block.manifestProof),
      absences: (block.absences ?? []).map(fromWireAbsence),
    })),
    more: (wire.more ?? []).map(fromWirePart),
  };
}

function toWirePart({ slice, filling }: RollupPart): weft.rollup.v1.RollupPart.$Properties {
  return {
    ...toWireSlice(slice),
    filling: filling === undefined ? null : toWireFilling(filling),
  };
}

function fromWirePart(wire: weft.rollup.v1.RollupPart.$Properties): RollupPart {
  const { filling } = wire;
  return {
    slice: fromWireSlice(wire),
    filling: filling === null || filling === undefined ? undefined : fromWireFilling(filling),
  };
}

/** Level to the generated enum, by number. */
export const WIRE_LEVELS = [
  v1.Level.LEVEL_UNSPECIFIED,
  v1.Level.LEVEL_PROPOSED,
  v1.Level.LEVEL_COMMITTED,
  v1.Level.LEVEL_FILLED,
  v1.Level.LEVEL_ANCHORED,
] as const;

/** Unknown values of later versions read as UNSPECIFIED. */
export function toLevel(wire: number): Level {
  return Object.values(Level).find((level) => level === wire) ?? Level.UNSPECIFIED;
}

function toWireSlice(
  slice: RollupSlice["slice"],
): Pick<weft.rollup.v1.RollupPart.$Properties, "presence" | "absence"> {
  if (slice.kind === "absence") return { absence: toWireAbsence(slice) };
  const fills = slice.fills.map(toWireFill);
  const decisions = slice.decisions.map((decision) => ({ ...decision }));
  const leafProof = toWireProof(slice.proof);
  const { leaf } = slice;
  return { presence: { leaf, leafProof, ...toWireEntries(slice.entries), fills, decisions } };
}

function toWireAbsence({ neighbours }: Absence): weft.rollup.v1.Absence.$Properties {
  return {
    neighbours: neighbours.map(({ leaf, proof }) => ({ leaf, proof: toWireProof(proof) })),
  };
}

function fromWireAbsence({ neighbours }: weft.rollup.v1.Absence.$Properties): Absence {
  return { kind: "absence", neighbours: (neighbours ?? []).map(fromWireLeaf) };
}

function fromWireSlice(
  wire: Pick<weft.rollup.v1.RollupPart.$Properties, "presence" | "absence">,
): RollupSlice["slice"] {
  if (wire.presence !== null && wire.presence !== undefined) {
    const { leaf, leafProof, entries, siblingLeaves, fills, decisions } = wire.presence;
    const leaves = (siblingLeaves ?? []).map(fromWireLeaf);
    return {
      kind: "presence",
      leaf: toBytes(leaf),
      proof: fromWireProof(leafProof),
      entries: (entries ?? []).map((entry) => fromWireEntry(entry, leaves)),
      fills: (fills ?? []).map(fromWireFill),
      decisions: (decisions ?? []).map((decision) => ({
        ...fromWireDecision(decision),
        detail: toBytes(decision.detail),
      })),
    };
  }
  return fromWireAbsence(required(wire.absence, "presence or absence"));
}

function toWireFill(fill: FillEntry): weft.rollup.v1.FillEntry.$Properties {
  return { ...fill };
}

function fromWireFill(wire: weft.rollup.v1.FillEntry.$Properties): FillEntry {
  const status = Object.values(FillStatus).find((known) => known === wire.status);
  if (status === undefined) {
    throw codecError(
      "CODEC_OUT_OF_RANGE",
      `status of a fill: expected 1 to 5, got ${wire.status ?? 0}`,
    );
  }
  return {
    height: toHeight(wire.height ?? 0),
    position: wire.position ?? 0,
    status,
    contentHash: toBytes(wire.contentHash),
  };
}

/** Without what it was made of: that travels with its own block. */
function toWireDecision({
  subject,
  outcome,
  height,
  detailHash,
}: DecisionEntry): weft.rollup.v1.DecisionEntry.$Properties {
  return { subject, outcome, height, detailHash };
}

function fromWireDecision(wire: weft.rollup.v1.DecisionEntry.$Properties): DecisionEntry {
  const outcome = Object.values(DecisionOutcome).find((known) => known === wire.outcome);
  if (outcome === undefined) {
    throw codecError(
      "CODEC_OUT_OF_RANGE",
      `outcome of a decision: expected 1, 2 or 16, got ${wire.outcome ?? 0}`,
    );
  }
  return {
    subject: toBytes(wire.subject),
    outcome,
    height: toHeight(wire.height ?? 0),
    detailHash: toBytes(wire.detailHash),
  };
}

function toWireFilling(filling: Filling): weft.rollup.v1.Filling.$Properties {
  return {
    headers: filling.headers.map((header) => ({ ...header })),
    blocks: filling.blocks.map(({ proof, manifestProof, fills, decisions, ...block }) => ({
      ...block,
      manifestProof: toWireProof(manifestProof),
      leafProof: toWireProof(proof),
      fills: fills.map(toWireFill),
      decisions: decisions.map(toWireDecision),
    })),
    contents: filling.contents.map((content) => ({ ...content })),
    order: [...filling.order],
  };
}

function fromWireFilling(wire: weft.rollup.v1.Filling.$Properties): Filling {
  return {
    headers: (wire.headers ?? []).map((header) => ({
      signedHeader: toBytes(header.signedHeader),
      validatorSet: toBytes(header.validatorSet),
    })),
    blocks: (wire.blocks ?? []).map((block) => ({
      height: toHeight(block.height ?? 0),
      manifest: toBytes(block.manifest),
      manifestProof: fromWireProof(block.manifestProof),
      leaf: toBytes(block.leaf),
      proof: fromWireProof(block.leafProof),
      fills: (block.fills ?? []).map(fromWireFill),
      decisions: (block.decisions ?? []).map(fromWireDecision),
    })),
    contents: (wire.contents ?? []).map((content) => ({
      position: content.position ?? 0,
      payload: toBytes(content.payload),
    })),
    order: (wire.order ?? []).slice(),
  };
}

/**
 * A signed chain whose first block holds entries of any kind for one rollup, and whose later blocks say what became of
 * them: for those who verify it. Nothing checks that the chain's rules would make such blocks, so that it can lie.
 */
import { createManifestBuilder, type ManifestBuilder } from "../../mev/manifest.ts";
import { Height } from "../../proto/brands.ts";
import { EMPTY_BYTES, utf8ToBytes } from "../../proto/bytes.ts";
import { RevertMode } from "../../proto/codec/mev-tx.ts";
import { payloadHash, rollupData, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import { merkleProofOfFirst } from "../../proto/merkle.ts";
import { validatorSetHash } from "../../proto/validator-set.ts";
import { bundleId } from "../../proto/verify/bundle.ts";
import type { FillingBlock } from "../../proto/verify/fills.ts";
import {
  type DecisionEntry,
  DecisionOutcome,
  type DeliveredEntry,
  EntryKind,
  FillStatus,
  orderHash,
} from "../../proto/verify/manifest.ts";
import type { TrustedState } from "../../rollup-adapter/client/header-chain.ts";
import type { RollupBlock } from "../../rollup-adapter/client/rollup-block.ts";
import { type BuiltBlock, buildChain, TEST_CHAIN_ID, testKeys } from "./chain-builder.ts";

export const ORDERED_ROLLUP = rollupIdOfName("alpha");
/** Height of the block with the entries. */
export const ORDERED_HEIGHT = Height(1);

export interface OrderedEntrySpec {
  readonly kind: EntryKind;
  /** Of one that waits; ignored otherwise. Content of an opened one is `content <position>`. */
  readonly status: FillStatus;
  /** Block that says so, from 2 on. */
  readonly filledAt: number;
}

export interface OrderedChain {
  readonly blocks: readonly BuiltBlock[];
  readonly trust: TrustedState;
  /** What a node sends of the first block at level FILLED. */
  readonly message: RollupBlock & { readonly filling: NonNullable<RollupBlock["filling"]> };
}

/**
 * `orders`: those that the block with the last fill of a shuffled entry decides; none in an honest chain with fewer
 * than two of them.
 */
export function buildOrderedChain(
  specs: readonly OrderedEntrySpec[],
  orders: readonly (readonly number[])[],
): OrderedChain {
  const last = Math.max(2, ...specs.map(({ filledAt }) => filledAt));
  const shuffled = specs.filter(({ kind }) => kind === EntryKind.SHUFFLED);
  const decidedAt = Math.max(2, ...shuffled.map(({ filledAt }) => filledAt));
  const manifests = Array.from({ length: last }, (_, index) => {
    const builder = createManifestBuilder();
    if (index === 0) addEntries(builder, specs);
    addFills(builder, specs, index + 1);
    if (index + 1 === decidedAt) {
      for (const decision of orders.map(orderDecision)) {
        builder.addDecision(ORDERED_ROLLUP, decision);
      }
    }
    return builder.build();
  });
  const txsAt = (height: number): readonly Uint8Array[] => [
    manifests[height - 1]?.item ?? EMPTY_BYTES,
    utf8ToBytes(`another item of ${height}`),
  ];
  const keys = testKeys(4);
  const blocks = buildChain(keys, last, undefined, txsAt);
  const proofAt = (height: number) => {
    const txs = txsAt(height);
    const proof = manifests[height - 1]?.prove(ORDERED_ROLLUP);
    assert(txs[0] !== undefined && proof !== undefined, "each block has a manifest");
    return { manifest: txs[0], manifestProof: merkleProofOfFirst(txs.map(sha256)), slice: proof };
  };
  const headerAt = (block: BuiltBlock, validatorSet = block.stateBefore.validators) => ({
    signedHeader: { header: block.block.header, commit: block.seenCommit },
    validatorSet,
  });
  const filling: FillingBlock[] = [];
  for (let height = 2; height <= last; height++) {
    const { slice, ...rest } = proofAt(height);
    if (slice.kind === "absence" || slice.fills.length === 0) continue;
    const { leaf, proof, fills, decisions } = slice;
    filling.push({ height: Height(height), ...rest, leaf, proof, fills, decisions });
  }
  const [first, ...following] = blocks;
  assert(first !== undefined, "a chain has blocks");
  const { slice, ...rest } = proofAt(1);
  return {
    blocks,
    trust: {
      chainId: TEST_CHAIN_ID,
      height: Height(0),
      blockHash: undefined,
      time: undefined,
      nextValidatorsHash: validatorSetHash(first.stateBefore.validators),
    },
    message: {
      height: ORDERED_HEIGHT,
      ...headerAt(first),
      slice: {
        ...rest,
        slice: slice.kind === "absence" ? slice : { ...slice, entries: specs.map(deliveredEntry) },
      },
      filling: {
        headers: following.map((block) => ({ ...headerAt(block), validatorSet: undefined })),
        blocks: filling,
        contents: specs.flatMap(({ kind, status }, position) =>
          waits(kind) && status === FillStatus.OPENED
            ? [{ position, payload: payloadOf(`content ${position}`) }]
            : [],
        ),
        order: orders[0] ?? [],
      },
      omitted: [],
      more: [],
    },
  };
}

export function waits(kind: EntryKind): boolean {
  return kind === EntryKind.SEALED || kind === EntryKind.SHUFFLED || kind === EntryKind.BID;
}

function addEntries(builder: ManifestBuilder, specs: readonly OrderedEntrySpec[]): void {
  for (const [position, spec] of specs.entries()) {
    const { payload, bundle: _, ...head } = deliveredEntry(spec, position);
    builder.add(ORDERED_ROLLUP, { ...head, payloadHash: payloadHash(payload) });
  }
}

function addFills(
  builder: ManifestBuilder,
  specs: readonly OrderedEntrySpec[],
  height: number,
): void {
  for (const [position, { kind, status, filledAt }] of specs.entries()) {
    if (!waits(kind) || filledAt !== height) continue;
    const content = status === FillStatus.OPENED ? payloadOf(`content ${position}`) : EMPTY_BYTES;
    const contentHash = sha256(content);
    builder.addFill(ORDERED_ROLLUP, { height: ORDERED_HEIGHT, position, status, contentHash });
  }
}

/** Entries in the clear say `entry <position>`. */
function deliveredEntry({ kind }: OrderedEntrySpec, position: number): DeliveredEntry {
  const payload = payloadOf(`entry ${position}`);
  const itemId = sha256(utf8ToBytes(`item ${position}`));
  const plain = { kind, lane: 5, itemId, bundleId: undefined, leg: 0, legs: 1, payload };
  if (kind !== EntryKind.BUNDLE_LEG) return plain;
  // The only leg of its bundle.
  const revertMode = RevertMode.ALLOW;
  const leg = { rollupId: ORDERED_ROLLUP, payloadHash: payloadHash(payload), revertMode };
  return {
    ...plain,
    bundleId: bundleId(TEST_CHAIN_ID, [leg]),
    bundle: { revertMode, siblings: [], atomic: undefined },
  };
}

function payloadOf(text: string): Uint8Array {
  return rollupData(ORDERED_ROLLUP, [utf8ToBytes(text)]).payload;
}

function orderDecision(positions: readonly number[], index: number): DecisionEntry {
  return {
    subject: sha256(utf8ToBytes(`seed ${index}`)),
    outcome: DecisionOutcome.ORDER,
    height: ORDERED_HEIGHT,
    detailHash: orderHash(positions),
  };
}

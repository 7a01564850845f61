/** What rollups read of sealed entries: the fills of later blocks, with their proofs, and the contents. */
import { createManifestBuilder } from "../../../mev/manifest.ts";
import { Height } from "../../../proto/brands.ts";
import { bytesEqual, utf8ToBytes } from "../../../proto/bytes.ts";
import { payloadHash, rollupData } from "../../../proto/codec/weft-tx.ts";
import { Level, type RollupBlock } from "../../../proto/grpc/rollup-block.ts";
import { ROLLUP_SERVICE } from "../../../proto/grpc/rollup-service.ts";
import { sha256 } from "../../../proto/hash.ts";
import { merkleProofOfFirst, merkleRootOfHashes } from "../../../proto/merkle.ts";
import { decidedOrder } from "../../../proto/verify/decided-order.ts";
import { executionOrder } from "../../../proto/verify/execution-order.ts";
import { fillEntries } from "../../../proto/verify/fills.ts";
import {
  type DecisionEntry,
  DecisionOutcome,
  type DeliveredEntry,
  EntryKind,
  type FillEntry,
  FillStatus,
  orderHash,
  verifyRollupFills,
} from "../../../proto/verify/manifest.ts";
import { codec, Finding, plainDecoder, type Target } from "../target.ts";

const ID = new Uint8Array(32).fill(20);
const HEIGHT = Height(3);
const NOTHING = new Uint8Array(0);

const entry = (kind: EntryKind, n: number): DeliveredEntry => ({
  kind,
  lane: 5,
  itemId: sha256(utf8ToBytes(`item ${n}`)),
  bundleId: undefined,
  leg: 0,
  legs: 1,
  payload: rollupData(ID, [utf8ToBytes(`payload ${n}`)]).payload,
});
/** Opened, in the clear, opened, void; then two that are shuffled, opened. */
const ENTRIES = [
  entry(EntryKind.SEALED, 0),
  entry(EntryKind.ROLLUP_DATA, 1),
  entry(EntryKind.SEALED, 2),
  entry(EntryKind.SEALED, 3),
  entry(EntryKind.SHUFFLED, 4),
  entry(EntryKind.SHUFFLED, 5),
];
const ORDER = [5, 4];
const CONTENTS = [0, 2, 4, 5].map((position) => ({
  position,
  payload: rollupData(ID, [utf8ToBytes(`content ${position}`)]).payload,
}));

/** A block that fills for two rollups, and what it says to one of them. */
function fillingBlock(
  height: number,
  fills: readonly FillEntry[],
  decisions: readonly DecisionEntry[] = [],
) {
  const builder = createManifestBuilder();
  for (const fill of fills) {
    builder.addFill(ID, fill);
    builder.addFill(new Uint8Array(32).fill(30), fill);
  }
  for (const decision of decisions) builder.addDecision(ID, decision);
  const built = builder.build();
  const proof = built.prove(ID);
  if (proof.kind !== "presence") throw new Error("the block fills for this rollup");
  const txs = [built.item, utf8ToBytes("second")];
  return {
    dataHash: merkleRootOfHashes(txs),
    block: {
      height: Height(height),
      manifest: built.item,
      manifestProof: merkleProofOfFirst(txs.map(sha256)),
      leaf: proof.leaf,
      proof: proof.proof,
      fills: proof.fills,
      decisions: proof.decisions,
    },
  };
}

function fillings(): Target {
  const opened = CONTENTS.map(({ position, payload }) => ({
    height: HEIGHT,
    position,
    status: FillStatus.OPENED,
    contentHash: payloadHash(payload),
  }));
  const lapsed = { status: FillStatus.VOID, contentHash: sha256(NOTHING) };
  const later = [
    fillingBlock(5, opened, [
      {
        subject: sha256(NOTHING),
        outcome: DecisionOutcome.ORDER,
        height: HEIGHT,
        detailHash: orderHash(ORDER),
      },
    ]),
    fillingBlock(9, [
      { ...lapsed, height: HEIGHT, position: 3 },
      { ...lapsed, height: Height(4), position: 0 },
    ]),
  ];
  const honest: RollupBlock = {
    height: HEIGHT,
    level: Level.FILLED,
    signedHeader: NOTHING,
    validatorSet: NOTHING,
    manifest: NOTHING,
    manifestProof: { total: 1, index: 0, leafHash: new Uint8Array(32), aunts: [] },
    slice: { kind: "absence", neighbours: [] },
    filling: {
      headers: [{ signedHeader: NOTHING, validatorSet: NOTHING }],
      blocks: later.map(({ block }) => block),
      contents: CONTENTS,
      order: ORDER,
    },
    omitted: [],
    more: [],
  };
  const { responseSerialize, responseDeserialize } = ROLLUP_SERVICE.getBlock;
  return plainDecoder({
    name: "filling of a block",
    covers: [
      "proto/verify/manifest.ts#verifyRollupFills",
      "proto/verify/fills.ts#fillEntries",
      "proto/verify/decided-order.ts#decidedOrder",
      "proto/verify/execution-order.ts#executionOrder",
    ],
    format: "protobuf",
    decode(bytes) {
      const message = responseDeserialize(
        Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
      );
      const { blocks, contents, order } = message.filling ?? {
        blocks: [],
        contents: [],
        order: [],
      };
      for (const block of blocks) {
        const known = later.find(({ block: { height } }) => height === block.height);
        if (known === undefined) return "no such block";
        const refusal = verifyRollupFills(known.dataHash, ID, block);
        if (refusal !== undefined) return refusal;
      }
      const filled = fillEntries(HEIGHT, ENTRIES, blocks, contents);
      if ("code" in filled) return filled;
      // The honest blocks prove one outcome; nothing else may be proven by a mutant.
      for (const [position, { content, fill, payload }] of filled.entries()) {
        const expected =
          fill === undefined
            ? payload
            : CONTENTS.find((opening) => opening.position === position)?.payload;
        if (!bytesEqual(content ?? NOTHING, expected ?? NOTHING)) {
          throw new Finding(`another content is proven at place ${position}`);
        }
      }
      const decisions = blocks.flatMap((block) => block.decisions);
      const decided = decidedOrder(HEIGHT, decisions, order);
      if ("code" in decided) return decided;
      const executed = executionOrder(ENTRIES, new Map(), decided.positions);
      if (!("code" in executed) && executed.join() !== "0,1,2,3,5,4") {
        throw new Finding(`another order is proven: ${executed.join()}`);
      }
      return executed;
    },
    seeds: () => [
      Uint8Array.from(responseSerialize(honest)),
      Uint8Array.from(responseSerialize({ ...honest, filling: undefined })),
    ],
    isRefusal: codec,
  });
}

export const FILLING_TARGETS: readonly Target[] = [fillings()];

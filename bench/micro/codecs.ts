/** Codecs, hashing, trees and signatures. */
import { crc32c } from "@node-rs/crc32";
import { randomBytes } from "node:crypto";
import { laneOf } from "../../mev/lanes.ts";
import { createManifestBuilder, rollupEntriesOf } from "../../mev/manifest.ts";
import { Height, Round } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { encodeWalEntry } from "../../sequencer/engine/wal/wal-entry.ts";
import { merkleRootOfHashes } from "../../proto/merkle.ts";
import { splitIntoParts } from "../../proto/part-set.ts";
import { voteSignBytes } from "../../proto/sign-bytes.ts";
import { SignedMsgType } from "../../proto/types.ts";
import {
  generateEd25519KeyPair,
  signEd25519,
  verifyEd25519Sync,
} from "../../proto/verify/ed25519.ts";
import { PAYLOAD_BYTES } from "../limits.ts";
import { createItemFactory, type SignedItem } from "../load/shape.ts";
import type { MicroCase } from "./case.ts";
import { entryTerms } from "../../sequencer/app/execution/entry-terms.ts";

/** Payloads of the blocks here: 1 MB of them. */
const BLOCK_PAYLOADS = 4_000;

export function codecCases(): readonly MicroCase[] {
  const cases: MicroCase[] = [];
  for (const payloads of [1, 100, 1_000]) {
    const items = itemsOf(payloads);
    const [first] = items;
    if (first === undefined) continue;
    cases.push(
      {
        name: `decodeItem, ${payloads} payload${payloads === 1 ? "" : "s"}`,
        work: () => decodeItem(first.item),
        bytes: first.item.length,
      },
      {
        name: `manifest of ${BLOCK_PAYLOADS} payloads, ${payloads} per item`,
        work: () => manifestOf(items),
      },
    );
  }
  const transactions = itemsOf(1).map(({ item }) => item);
  const block = new Uint8Array(randomBytes(BLOCK_PAYLOADS * PAYLOAD_BYTES));
  const [part] = splitIntoParts(block).parts;
  if (part !== undefined) {
    const entry = { kind: "createdPart", part } as const;
    cases.push({
      name: "log record of one part",
      work: () => crc32c(encodeWalEntry(entry)),
      bytes: part.bytes.length,
    });
  }
  cases.push(
    {
      name: `data hash of ${BLOCK_PAYLOADS} transactions`,
      work: () => merkleRootOfHashes(transactions),
      bytes: transactions.reduce((sum, tx) => sum + tx.length, 0),
    },
    {
      name: "parts of a 1 MB block, with proofs",
      work: () => splitIntoParts(block),
      bytes: block.length,
    },
    voteCase(),
  );
  return cases;
}

function itemsOf(payloadsPerItem: number): readonly SignedItem[] {
  const make = createItemFactory({
    chainId: "weft-bench",
    payloadsPerItem,
    payloadBytes: PAYLOAD_BYTES,
    accounts: 4,
  });
  return Array.from({ length: BLOCK_PAYLOADS / payloadsPerItem }, () => make(100));
}

/** From decoded items on, as a proposer and every validator build it. */
function manifestOf(items: readonly SignedItem[]): Uint8Array {
  const builder = createManifestBuilder();
  for (const { id, item } of items) {
    const decoded = decodeItem(item);
    if (decoded.kind !== "tx") continue;
    const lane = laneOf(decoded, false);
    for (const { rollupId, entry } of rollupEntriesOf(
      decoded.tx,
      fromHex(id),
      lane,
      entryTerms("weft-bench"),
    )) {
      builder.add(rollupId, entry);
    }
  }
  return builder.build().item;
}

function voteCase(): MicroCase {
  const key = generateEd25519KeyPair();
  const hash = new Uint8Array(randomBytes(32));
  const vote = {
    type: SignedMsgType.PRECOMMIT,
    height: Height(1_000),
    round: Round(0),
    blockId: { hash, partSetHeader: { total: 16, hash } },
    timestamp: { seconds: 1_700_000_000n, nanos: 5 },
  };
  const signature = signEd25519(key, voteSignBytes("weft-bench", vote));
  return {
    name: "vote: sign bytes and signature",
    work: () => verifyEd25519Sync(key.publicKey, voteSignBytes("weft-bench", vote), signature),
  };
}

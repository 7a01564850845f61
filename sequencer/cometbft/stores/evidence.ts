/**
 * Evidence between our pool and CometBFT's (`evidence/pool.go`): what waits goes on to wait, and what a
 * block held is not proposed again. Both name pieces by the same hash.
 */
import type { Height } from "../../../proto/brands.ts";
import { fromHex, toHex } from "../../../proto/bytes.ts";
import { decodeEvidence, encodeEvidence } from "../../../proto/codec/block.ts";
import { evidenceId } from "../../../proto/hashes.ts";
import type { Block } from "../../../proto/types.ts";
import { marksGone, marksOf } from "../../engine/evidence/block-marks.ts";
import { COMMITTED, PENDING, pendingKey } from "../../engine/evidence/evidence-keys.ts";
import { evidenceHeight } from "../../engine/evidence/offence.ts";
import { heightKey } from "../../store/keys.ts";
import type { KeyValueStore } from "../../store/key-value-store.ts";
import { BulkWriter } from "./bulk-writer.ts";
import { evidenceKey, evidenceRange, parseEvidenceKey } from "./comet-keys.ts";
import { encodeHeightValue } from "./comet-values.ts";
import { damaged } from "./errors.ts";

/** How much evidence was carried over. */
export interface EvidenceCount {
  readonly pending: number;
  readonly committed: number;
}

export async function copyEvidenceToComet(
  from: KeyValueStore,
  to: KeyValueStore,
): Promise<EvidenceCount> {
  const out = new BulkWriter(to);
  let [pending, committed] = [0, 0];
  for await (const [, value] of from.entries(ours(PENDING))) {
    const piece = decodeEvidence(value);
    const key = evidenceKey("pending", evidenceHeight(piece), evidenceId(piece));
    await out.put(key, encodeEvidence(piece));
    pending++;
  }
  for await (const [key] of from.entries(ours(COMMITTED))) {
    const height = Number(new DataView(key.buffer, key.byteOffset).getBigUint64(1));
    const id = key.slice(1 + 8);
    await out.put(evidenceKey("committed", height, id), encodeHeightValue(height));
    committed++;
  }
  await out.flush();
  return { pending, committed };
}

export async function copyEvidenceFromComet(
  from: KeyValueStore,
  to: KeyValueStore,
): Promise<EvidenceCount> {
  const out = new BulkWriter(to);
  let [pending, committed] = [0, 0];
  for await (const [key, value] of from.entries(evidenceRange("pending"))) {
    const piece = decoded(key, value);
    await out.put(pendingKey(piece), encodeEvidence(piece));
    pending++;
  }
  for await (const [key] of from.entries(evidenceRange("committed"))) {
    const parsed = parseEvidenceKey(key);
    if (parsed === undefined) throw damaged(`committed evidence ${toHex(key)}`);
    const place = heightKey(COMMITTED, parsed.height);
    const id = fromHex(parsed.idHex);
    const ourKey = new Uint8Array(place.length + id.length);
    ourKey.set(place);
    ourKey.set(id, place.length);
    await out.put(ourKey, new Uint8Array(0));
    committed++;
  }
  await out.flush();
  return { pending, committed };
}

/**
 * Our pool also remembers the offences that blocks held, in whatever form: CometBFT's does not. It marks a
 * block before its state is stored: one that is applied at the next start shall have no marks yet.
 * @param applied height of the state
 */
export async function markEvidence(
  { header, evidence }: Block,
  applied: Height,
  to: KeyValueStore,
): Promise<void> {
  if (evidence.length === 0) return;
  const writes = header.height <= applied ? marksOf(evidence) : marksGone(evidence);
  await to.write(writes, { sync: false });
}

function decoded(key: Uint8Array, value: Uint8Array) {
  try {
    return decodeEvidence(value);
  } catch (cause) {
    throw damaged(`evidence ${toHex(key)}`, cause);
  }
}

function ours(prefix: string) {
  return { from: heightKey(prefix, 0), to: heightKey(prefix, Number.MAX_SAFE_INTEGER) };
}

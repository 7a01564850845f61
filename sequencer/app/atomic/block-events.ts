/**
 * What a block decides about bundles of level 1, in a block event: its manifest commits to it, and a node that serves
 * rollups has all of it without any state of that time.
 */
import { joinBytes } from "../../../proto/bytes.ts";
import { Height } from "../../../proto/brands.ts";
import { ATOMIC_DECISION_CODEC, atomicDetailHash } from "../../../proto/codec/atomic-decision.ts";
import { assert } from "../../../proto/errors.ts";
import { HASH_BYTES } from "../../../proto/limits.ts";
import type { AbciEvent } from "../../abci/application.ts";
import { event, plain } from "../abci-event.ts";
import type { DecidedBundle } from "./decisions.ts";

/** `atomic_decisions` {decisions}: records of what this block decides, in base64. */
const DECISIONS_EVENT = "atomic_decisions";
const DECISIONS_ATTRIBUTE = "decisions";

const LENGTH_AT = HASH_BYTES + 8;
const DETAIL_AT = LENGTH_AT + 4;

/** The event of a block; none for one that decides nothing. */
export function decisionsEvents(decided: readonly DecidedBundle[]): readonly AbciEvent[] {
  if (decided.length === 0) return [];
  const records = Buffer.from(joinBytes(decided.map(encodeRecord)));
  return [event(DECISIONS_EVENT, [plain(DECISIONS_ATTRIBUTE, records.toString("base64"))])];
}

/** What the block decides. Events come from this node's store: others are a bug. */
export function readDecisions(events: readonly AbciEvent[]): readonly DecidedBundle[] {
  return events.flatMap(({ type, attributes }) => {
    if (type !== DECISIONS_EVENT) return [];
    const value = attributes.find(({ key }) => key === DECISIONS_ATTRIBUTE)?.value ?? "";
    let rest = new Uint8Array(Buffer.from(value, "base64"));
    const decided: DecidedBundle[] = [];
    while (rest.length > 0) {
      const { record, bytes } = decodeRecord(rest);
      decided.push(record);
      rest = rest.subarray(bytes);
    }
    return decided;
  });
}

/** Bundle id ‖ u64 height of its block ‖ u32 length ‖ encoded `AtomicDecision`. */
function encodeRecord({ decision, detail }: DecidedBundle): Uint8Array {
  const out = new Uint8Array(DETAIL_AT + detail.length);
  const view = new DataView(out.buffer);
  out.set(decision.subject);
  view.setBigUint64(HASH_BYTES, BigInt(decision.height));
  view.setUint32(LENGTH_AT, detail.length);
  out.set(detail, DETAIL_AT);
  return out;
}

function decodeRecord(bytes: Uint8Array): {
  readonly record: DecidedBundle;
  readonly bytes: number;
} {
  assert(bytes.length >= DETAIL_AT, "the event holds whole records of decisions");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = DETAIL_AT + view.getUint32(LENGTH_AT);
  assert(bytes.length >= length, "the event holds whole records of decisions");
  const detail = bytes.subarray(DETAIL_AT, length);
  const { outcome, legs } = ATOMIC_DECISION_CODEC.decode(detail);
  const decision = {
    subject: bytes.subarray(0, HASH_BYTES),
    outcome,
    height: Height(Number(view.getBigUint64(HASH_BYTES))),
    detailHash: atomicDetailHash(detail),
  };
  const rollupIds = legs.map(({ rollupId }) => rollupId);
  return { record: { rollupIds, decision, detail }, bytes: length };
}

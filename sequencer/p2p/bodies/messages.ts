/**
 * Channel 0x72, between Weft nodes only: transactions that validators have listed, by id, for nodes that
 * never got them (ADR 0018).
 *
 *     message BodiesMessage { oneof sum { Wanted wanted = 1; Bodies bodies = 2; } }
 *     message Wanted { repeated bytes ids = 1; }      // 32 bytes each, 1 to 64
 *     message Bodies { repeated bytes items = 1; }    // at most 1 MiB in all, or one that is larger
 *
 * Each Wanted is answered by one Bodies with what the peer has of it, in the order asked; none: empty.
 */
import { Reader } from "../../../proto/codec/reader.ts";
import { Writer } from "../../../proto/codec/writer.ts";
import { HASH_BYTES } from "../../../proto/limits.ts";
import { P2pError } from "../errors.ts";
import { BODIES_BYTES_MAX, BODIES_IDS_MAX, TX_BYTES_MAX } from "../limits.ts";
import type { ChannelDescriptor } from "../reactor.ts";

export type BodiesMessage =
  | { readonly kind: "wanted"; readonly ids: readonly Uint8Array[] }
  | { readonly kind: "bodies"; readonly items: readonly Uint8Array[] };

/** Tag and length around one item or the list. */
const FRAMING_BYTES = 8;

export const BODIES_CHANNEL: ChannelDescriptor = {
  id: 0x72,
  name: "bodies",
  priority: 3,
  sendQueueMessagesMax: 8,
  receiveMessageBytesMax: Math.max(BODIES_BYTES_MAX, TX_BYTES_MAX) + BODIES_IDS_MAX * FRAMING_BYTES,
};

export function encodeBodiesMessage(message: BodiesMessage): Uint8Array {
  if (message.kind === "wanted") {
    const writer = new Writer(FRAMING_BYTES + message.ids.length * (HASH_BYTES + 2));
    writer.message(1, message.ids, writeElements);
    return writer.finish();
  }
  const bytes = message.items.reduce((sum, { length }) => sum + length + FRAMING_BYTES, 0);
  const writer = new Writer(FRAMING_BYTES + bytes);
  if (message.items.length === 0) writer.emptyMessage(2);
  else writer.message(2, message.items, writeElements);
  return writer.finish();
}

function writeElements(writer: Writer, elements: readonly Uint8Array[]): void {
  for (const one of elements) writer.bytesElement(1, one);
}

/** Items are views of `bytes`. @throws WeftError for bytes that are no such message */
export function decodeBodiesMessage(bytes: Uint8Array): BodiesMessage {
  const reader = new Reader(bytes, "lenient");
  let message: BodiesMessage | undefined;
  while (reader.next()) {
    if (reader.field === 1) message = { kind: "wanted", ids: reader.oneofMessage(readIds) };
    else if (reader.field === 2)
      message = { kind: "bodies", items: reader.oneofMessage(readItems) };
    else reader.unknown();
  }
  if (message === undefined) throw invalid("Wanted or Bodies", "neither");
  return message;
}

function readIds(reader: Reader): readonly Uint8Array[] {
  const ids: Uint8Array[] = [];
  while (reader.next()) {
    if (reader.field !== 1) reader.unknown();
    else {
      const id = reader.repeatedBytes(HASH_BYTES);
      if (id.length !== HASH_BYTES) throw invalid(`ids of ${HASH_BYTES} bytes`, `${id.length}`);
      if (ids.length === BODIES_IDS_MAX) throw invalid(`at most ${BODIES_IDS_MAX} ids`, "more");
      ids.push(id);
    }
  }
  if (ids.length === 0) throw invalid("at least one id", "none");
  return ids;
}

function readItems(reader: Reader): readonly Uint8Array[] {
  const items: Uint8Array[] = [];
  while (reader.next()) {
    if (reader.field !== 1) reader.unknown();
    else {
      if (items.length === BODIES_IDS_MAX) throw invalid(`at most ${BODIES_IDS_MAX} items`, "more");
      items.push(reader.repeatedBytes(TX_BYTES_MAX));
    }
  }
  return items;
}

export function invalid(expected: string, got: string): P2pError {
  return new P2pError("P2P_MESSAGE_INVALID", `bodies: expected ${expected}, got ${got}`);
}

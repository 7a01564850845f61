/**
 * Channel 0x71, between Weft nodes only: a node tells its peers whom it is connected to, so that
 * transactions need not be relayed where they have been already (`mempool-reactor.ts`).
 *
 *     message Neighbours { repeated bytes ids = 1; }   // 20 bytes each: node ids
 *
 * A newer list replaces the older one.
 */
import { NodeId } from "../../../proto/brands.ts";
import { fromHex, toHex } from "../../../proto/bytes.ts";
import { Reader } from "../../../proto/codec/reader.ts";
import { Writer } from "../../../proto/codec/writer.ts";
import { P2pError } from "../errors.ts";
import { NEIGHBOURS_MAX } from "../limits.ts";
import type { ChannelDescriptor } from "../reactor.ts";

const ID_BYTES = 20;

export const NEIGHBOURS_CHANNEL: ChannelDescriptor = {
  id: 0x71,
  name: "neighbours",
  priority: 1,
  sendQueueMessagesMax: 4,
  receiveMessageBytesMax: NEIGHBOURS_MAX * (ID_BYTES + 2),
};

export function encodeNeighbours(ids: readonly NodeId[]): Uint8Array {
  const writer = new Writer(ids.length * (ID_BYTES + 2));
  for (const id of ids.slice(0, NEIGHBOURS_MAX)) writer.bytesElement(1, fromHex(id));
  return writer.finish();
}

/** Throws a `WeftError` for bytes that are no list of at most NEIGHBOURS_MAX ids. */
export function decodeNeighbours(bytes: Uint8Array): ReadonlySet<NodeId> {
  const ids = new Set<NodeId>();
  const reader = new Reader(bytes, "lenient");
  while (reader.next()) {
    if (reader.field !== 1) {
      reader.unknown();
      continue;
    }
    const id = reader.repeatedBytes(ID_BYTES);
    if (id.length !== ID_BYTES || ids.size >= NEIGHBOURS_MAX) {
      throw new P2pError(
        "P2P_MESSAGE_INVALID",
        `expected at most ${NEIGHBOURS_MAX} ids of ${ID_BYTES} bytes, got one of ${id.length}`,
      );
    }
    ids.add(NodeId(toHex(id)));
  }
  return ids;
}

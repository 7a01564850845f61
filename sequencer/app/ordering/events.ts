/**
 * The orders that a block decides with their positions, in a block event: its manifest commits to them, and a node
 * that serves rollups has all of it without any state of that time.
 */
import { Height } from "../../../proto/brands.ts";
import { joinBytes } from "../../../proto/bytes.ts";
import { assert } from "../../../proto/errors.ts";
import { HASH_BYTES } from "../../../proto/limits.ts";
import {
  DECISION_ENTRY_BYTES,
  DecisionOutcome,
  encodeDecisionEntry,
} from "../../../proto/verify/manifest.ts";
import type { AbciEvent } from "../../abci/application.ts";
import { event, plain } from "../abci-event.ts";
import type { DecidedOrder } from "./shuffles.ts";

/** `orders` {orders}: records of the orders that this block decides, in base64. */
const ORDERS_EVENT = "orders";
const ORDERS_ATTRIBUTE = "orders";

const OUTCOME_AT = 2 * HASH_BYTES;
const COUNT_AT = HASH_BYTES + DECISION_ENTRY_BYTES;
const POSITIONS_AT = COUNT_AT + 4;

/** The event of a block; none for one that decides nothing. */
export function ordersEvents(decided: readonly DecidedOrder[]): readonly AbciEvent[] {
  if (decided.length === 0) return [];
  const records = Buffer.from(joinBytes(decided.map(encodeOrder)));
  return [event(ORDERS_EVENT, [plain(ORDERS_ATTRIBUTE, records.toString("base64"))])];
}

/** The orders that the block decides. Events come from this node's store: others are a bug. */
export function readOrders(events: readonly AbciEvent[]): readonly DecidedOrder[] {
  return events.flatMap((one) => {
    if (one.type !== ORDERS_EVENT) return [];
    const value = one.attributes.find(({ key }) => key === ORDERS_ATTRIBUTE)?.value ?? "";
    let rest = new Uint8Array(Buffer.from(value, "base64"));
    const orders: DecidedOrder[] = [];
    while (rest.length > 0) {
      const { order, bytes } = decodeOrder(rest);
      orders.push(order);
      rest = rest.subarray(bytes);
    }
    return orders;
  });
}

/** Rollup id ‖ decision entry ‖ u32 count ‖ u32 of each position. */
function encodeOrder({ rollupId, decision, positions }: DecidedOrder): Uint8Array {
  const out = new Uint8Array(POSITIONS_AT + positions.length * 4);
  const view = new DataView(out.buffer);
  out.set(rollupId);
  out.set(encodeDecisionEntry(decision), HASH_BYTES);
  for (const [index, value] of [positions.length, ...positions].entries()) {
    view.setUint32(COUNT_AT + index * 4, value);
  }
  return out;
}

function decodeOrder(bytes: Uint8Array): { readonly order: DecidedOrder; readonly bytes: number } {
  assert(bytes.length >= POSITIONS_AT, "the event holds whole records of orders");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getUint32(COUNT_AT);
  const length = POSITIONS_AT + count * 4;
  assert(bytes.length >= length, "the event holds whole records of orders");
  const outcome = DecisionOutcome.ORDER;
  assert(bytes[OUTCOME_AT] === outcome, "the event holds orders");
  const decision = {
    subject: bytes.subarray(HASH_BYTES, OUTCOME_AT),
    outcome,
    height: Height(Number(view.getBigUint64(OUTCOME_AT + 1))),
    detailHash: bytes.subarray(OUTCOME_AT + 9, COUNT_AT),
  };
  const positions = Array.from({ length: count }, (_, index) =>
    view.getUint32(POSITIONS_AT + index * 4),
  );
  return { order: { rollupId: bytes.subarray(0, HASH_BYTES), decision, positions }, bytes: length };
}

/** Events of inclusion lists: for clients, and for what metrics count. Not part of any hash. */
import type { DueTx } from "../../../mev/inclusion/keys.ts";
import { toHex } from "../../../proto/bytes.ts";
import type { ListingState } from "../../../proto/codec/mev-state.ts";
import type { AbciEvent } from "../../abci/application.ts";
import { event, indexed, plain } from "../abci-event.ts";
import type { Failure } from "../codes.ts";

/** `obligation_armed` {id, due_height}: more than 2/3 of the power has listed it. */
export const OBLIGATION_ARMED = "obligation_armed";
/** `obligation_met` {id, first_height, due_height}: what was armed stands in the block, due already or not. */
export const OBLIGATION_MET = "obligation_met";
/** `obligation_excused` {id, code, due_height}: it may not stand in the block. due_height: when it is due again; 0: never. */
export const OBLIGATION_EXCUSED = "obligation_excused";
/** `obligation_forgotten` {id}: nobody is held to it any more, because too many cannot have it. */
export const OBLIGATION_FORGOTTEN = "obligation_forgotten";
/** `obligation_withdrawn` {count}: so often a validator said of something armed that it cannot have it. */
export const OBLIGATION_WITHDRAWN = "obligation_withdrawn";

export function armedEvent({ id, dueHeight }: DueTx): AbciEvent {
  return event(OBLIGATION_ARMED, [
    indexed("id", toHex(id)),
    plain("due_height", dueHeight.toString()),
  ]);
}

export function metEvent(
  id: string,
  { firstHeight, dueHeight }: Pick<ListingState, "firstHeight" | "dueHeight">,
): AbciEvent {
  return event(OBLIGATION_MET, [
    indexed("id", id),
    plain("first_height", firstHeight.toString()),
    plain("due_height", dueHeight.toString()),
  ]);
}

export function excusedEvent(id: string, { code }: Failure, dueHeight: number): AbciEvent {
  return event(OBLIGATION_EXCUSED, [
    indexed("id", id),
    plain("code", code),
    plain("due_height", dueHeight.toString()),
  ]);
}

export function forgottenEvent(id: Uint8Array): AbciEvent {
  return event(OBLIGATION_FORGOTTEN, [indexed("id", toHex(id))]);
}

export function withdrawnEvent(count: number): AbciEvent {
  return event(OBLIGATION_WITHDRAWN, [plain("count", count.toString())]);
}

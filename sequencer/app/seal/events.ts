/** Events of sealed transactions: for clients, and for what metrics count. Not part of any hash. */
import { toHex } from "../../../proto/bytes.ts";
import type { CommittedItemState } from "../../../proto/codec/seal-state.ts";
import type { AbciEvent } from "../../abci/application.ts";
import { event, indexed, plain } from "../abci-event.ts";
import { accountAttribute } from "../staking/events.ts";

/** `seal_ordered`: a sealed item has its place; `seal_opened`, `seal_invalid`, `seal_expired`: what became of it. */
export const SEAL_ORDERED = "seal_ordered";
export const SEAL_OPENED = "seal_opened";
export const SEAL_INVALID = "seal_invalid";
export const SEAL_EXPIRED = "seal_expired";
/** `seal_disputed`: a proposer says that shares do not open it. */
export const SEAL_DISPUTED = "seal_disputed";
/** `seal_committed` {id, sender, fee, bond, reveal_height}: a commit has its place. */
export const SEAL_COMMITTED = "seal_committed";
/** `seal_revealed` {id, height, outcome, reason}: its content is known; outcome "opened" or "invalid". */
export const SEAL_REVEALED = "seal_revealed";
/** `seal_void` {id, height, burned}: it was not revealed in time. */
export const SEAL_VOID = "seal_void";
/** `seal_shares_missing` {validator, height}: a vote without the shares that it owed. */
export const SEAL_SHARES_MISSING = "seal_shares_missing";

export function committedEvent(item: CommittedItemState, revealHeight: number): AbciEvent {
  return event(SEAL_COMMITTED, [
    indexed("id", toHex(item.id)),
    accountAttribute("sender", toHex(item.sender)),
    plain("fee", String(item.fee)),
    plain("bond", String(item.bond)),
    plain("reveal_height", String(revealHeight)),
  ]);
}

/** `height`: of the block that ordered the commit. `invalid`: why its content is none. */
export function revealedEvent(id: Uint8Array, height: number, invalid?: string): AbciEvent {
  return event(SEAL_REVEALED, [
    indexed("id", toHex(id)),
    plain("height", String(height)),
    plain("outcome", invalid === undefined ? "opened" : "invalid"),
    ...(invalid === undefined ? [] : [plain("reason", invalid)]),
  ]);
}

/** `height`: of the block that ordered the commit. */
export function voidEvent({ id, bond }: CommittedItemState, height: number): AbciEvent {
  return event(SEAL_VOID, [
    indexed("id", toHex(id)),
    plain("height", String(height)),
    plain("burned", String(bond)),
  ]);
}

/** `validator`: consensus address, 40-hex. `height`: that was voted on. */
export function sharesMissingEvent(validator: string, height: number): AbciEvent {
  return event(SEAL_SHARES_MISSING, [
    indexed("validator", validator.toUpperCase()),
    plain("height", String(height)),
  ]);
}

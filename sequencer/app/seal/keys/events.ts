/** Events of keys for sealed transactions: for clients. Not part of any hash. */
import { toHex } from "../../../../proto/bytes.ts";
import type { SealGenerationState, SealKeyState } from "../../../../proto/codec/seal-state.ts";
import { ticketCount } from "../../../../mev/seal/dkg.ts";
import type { AbciEvent } from "../../../abci/application.ts";
import { event, indexed, plain } from "../../abci-event.ts";
import { numberAttribute, validatorAttribute } from "../../staking/events.ts";

/** `seal_generation` {key, members, tickets, threshold, deal_height}: members deal until that height. */
export function generationEvent(generation: SealGenerationState): AbciEvent {
  return event("seal_generation", [
    indexed("key", String(generation.key)),
    numberAttribute("members", generation.members.length),
    numberAttribute("tickets", ticketCount(generation.members)),
    numberAttribute("threshold", generation.threshold),
    numberAttribute("deal_height", generation.dealHeight),
  ]);
}

/** `seal_generation_failed` {key, reason}: too few dealt, or dealt right. */
export function generationFailedEvent(key: number, reason: string): AbciEvent {
  return event("seal_generation_failed", [indexed("key", String(key)), plain("reason", reason)]);
}

/** `seal_key` {key, public_key, height}: it is final, and in force from that height on. */
export function keyEvent({ number, publicKey, activeHeight }: SealKeyState): AbciEvent {
  return event("seal_key", [
    indexed("key", String(number)),
    plain("public_key", toHex(publicKey)),
    numberAttribute("height", activeHeight),
  ]);
}

/** `seal_open` {key, open}: blocks take items sealed for that key, or not any more. */
export function openEvent(key: number, isOpen: boolean): AbciEvent {
  return event("seal_open", [indexed("key", String(key)), plain("open", String(isOpen))]);
}

/** `seal_deal` {key, dealer} */
export function dealEvent(key: number, dealer: string): AbciEvent {
  return event("seal_deal", [indexed("key", String(key)), validatorAttribute("dealer", dealer)]);
}

/** `seal_complaint` {key, member, dealer, at_fault}: who of both is punished, "member" or "dealer". */
export function complaintEvent(
  key: number,
  member: string,
  dealer: string,
  atFault: "member" | "dealer",
): AbciEvent {
  return event("seal_complaint", [
    indexed("key", String(key)),
    validatorAttribute("member", member),
    validatorAttribute("dealer", dealer),
    plain("at_fault", atFault),
  ]);
}

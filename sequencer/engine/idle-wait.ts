/** When a wait for votes has nothing left to wait for. */
import { SignedMsgType } from "../../proto/types.ts";
import type { ConsensusEffect } from "../consensus/effects.ts";
import type { RoundStateView } from "../consensus/round-state.ts";
import { Step } from "../consensus/step.ts";
import { IDLE_WAIT_ROUNDS } from "./limits.ts";

export type TimeoutEffect = Extract<ConsensusEffect, { readonly kind: "scheduleTimeout" }>;

/** What the core shows of the round under way. */
export type WaitView = Pick<RoundStateView, "height" | "round" | "validators" | "votes">;

/**
 * Whether the prevote or precommit wait (Algorithm 1, L34 and L47) that `timeout` measures can end
 * now: every validator's vote is in, and the wait is for votes still on their way. A timeout may be of
 * any length, so ending one early concerns neither safety nor other nodes; it saves a network that
 * was parted two seconds of waiting for what it already has. In the first rounds of a height only: a
 * height in which every proposal is refused must not run through rounds as fast as links allow.
 */
export function isIdleWait(view: WaitView, timeout: TimeoutEffect): boolean {
  const { height, round, step } = timeout;
  if (step !== Step.PREVOTE_WAIT && step !== Step.PRECOMMIT_WAIT) return false;
  if (height !== view.height || round !== view.round || round >= IDLE_WAIT_ROUNDS) return false;
  const type = step === Step.PREVOTE_WAIT ? SignedMsgType.PREVOTE : SignedMsgType.PRECOMMIT;
  return view.votes(round, type)?.sum === view.validators.totalVotingPower;
}

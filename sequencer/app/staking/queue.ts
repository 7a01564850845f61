/**
 * The queue of what ends at a time: one mark per second and subject, in order of time. A mark stands as
 * long as something of its subject ends at its second.
 */
import { QUEUE, queueKey } from "../state/tables.ts";
import type { StakingContext } from "./context.ts";

export type QueueKind = "unbonding" | "redelegation" | "validator";

/** What a mark says; `rest`: the key of the subject in its own table. */
export interface QueueMark {
  readonly seconds: number;
  readonly kind: string;
  readonly rest: string;
}

const SECONDS_DIGITS = 16;

export function enqueue(ctx: StakingContext, seconds: number, kind: QueueKind, rest: string): void {
  ctx.records.set(QUEUE, queueKey(seconds, `${kind}/${rest}`), true);
}

export function dequeue(ctx: StakingContext, seconds: number, kind: QueueKind, rest: string): void {
  ctx.records.set(QUEUE, queueKey(seconds, `${kind}/${rest}`), undefined);
}

/** Takes a key of the queue apart. */
export function parseQueueKey(key: string): QueueMark {
  const kindEnd = key.indexOf("/", SECONDS_DIGITS + 1);
  return {
    seconds: Number(key.slice(0, SECONDS_DIGITS)),
    kind: key.slice(SECONDS_DIGITS + 1, kindEnd),
    rest: key.slice(kindEnd + 1),
  };
}

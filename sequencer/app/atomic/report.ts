/** What people ask about atomic bundles and executors: made of the state after the last block. */
import { deadlineOf } from "../../../mev/atomic/decide.ts";
import { Height } from "../../../proto/brands.ts";
import { toHex } from "../../../proto/bytes.ts";
import type { AtomicState, ExecutorState } from "../../../proto/codec/atomic-state.ts";
import { AtomicOutcome, Verdict } from "../../../proto/codec/atomic-tx.ts";
import type { StakingReader } from "../staking/context.ts";
import { atomicOf } from "./bundles.ts";
import { reasonName } from "./events.ts";
import { executorOf, freeBond } from "./executors.ts";

type Reader = Pick<StakingReader, "records">;

/** How far a bundle of level 1 has come. */
export type AtomicProgress =
  /** It stands in a block; something of that block is hidden still. */
  | "INCLUDED"
  /** Its executors vote. */
  | "PREPARED"
  | "COMMITTED"
  | "ABORTED";

export interface AtomicReport {
  readonly state: AtomicProgress;
  /** Block that holds it. */
  readonly placedHeight: Height;
  /** Last block whose votes count; 0: not known yet. */
  readonly deadline: Height;
  /** 0: not decided. */
  readonly decidedHeight: Height;
  /** Why it was aborted; empty otherwise. */
  readonly reason: string;
  /** nweft, while it is held. */
  readonly bond: bigint;
  readonly legs: readonly AtomicLegReport[];
}

export interface AtomicLegReport {
  readonly rollupId: Uint8Array;
  /** Votes for the effects that most agree on; votes of NO. */
  readonly yes: number;
  readonly no: number;
  readonly quorum: number;
  /** Executors that may vote. */
  readonly committee: number;
  readonly reported: number;
}

/** `id`: of the bundle, 64 lower-case hex characters. Undefined when nothing is known of it, or not any more. */
export function atomicReport(reader: Reader, id: string): AtomicReport | undefined {
  const state = atomicOf(reader, id);
  return state && reportOf(state);
}

export function reportOf(state: AtomicState): AtomicReport {
  const { placedHeight, decidedHeight, reason, bond } = state;
  return {
    state: progressOf(state),
    placedHeight,
    deadline: Height(deadlineOf(state) ?? 0),
    decidedHeight,
    reason: reasonName(reason),
    bond,
    legs: state.legs.map((leg) => {
      const { rollupId, quorum, committee } = leg;
      const votes = leg.votes.filter(({ isStruck }) => !isStruck);
      const counts = leg.effects.map(
        ({ digest }) => votes.filter((vote) => toHex(vote.digest) === toHex(digest)).length,
      );
      return {
        rollupId,
        yes: Math.max(0, ...counts),
        no: votes.filter(({ verdict }) => verdict === Verdict.NO).length,
        quorum,
        committee: committee.length,
        reported: votes.filter(({ isReported }) => isReported).length,
      };
    }),
  };
}

function progressOf({ outcome, filledHeight }: AtomicState): AtomicProgress {
  if (outcome === AtomicOutcome.COMMIT) return "COMMITTED";
  if (outcome === AtomicOutcome.ABORT) return "ABORTED";
  return filledHeight > 0 ? "PREPARED" : "INCLUDED";
}

export interface ExecutorReport extends ExecutorState {
  /** What is not asked back: it backs votes. */
  readonly free: bigint;
}

/** `rollupId`, `key`: 64 lower-case hex characters. */
export function executorReport(reader: Reader, rollupId: string, key: string): ExecutorReport {
  const executor = executorOf(reader, rollupId, key);
  return { ...executor, free: freeBond(executor) };
}

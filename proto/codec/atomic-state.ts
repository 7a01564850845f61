/**
 * Atomic bundles and executors in the state, `weft.state.v1` (docs/formats.md, "State tree"). Amounts are nweft. Decoded
 * byte fields are copies.
 */
import type { Height } from "../brands.ts";
import { compareBytes } from "../bytes.ts";
import { ADDRESS_BYTES, HASH_BYTES } from "../limits.ts";
import { AbortReason } from "./atomic-decision.ts";
import { type Box, boxes, NoReason, Verdict } from "./atomic-tx.ts";
import { codecError } from "./errors.ts";
import { type EscrowWithdrawal, withdrawals } from "./mev-state.ts";
import { ATOMIC_TERMS_CODEC, type AtomicTerms, BUNDLE_LEGS_MAX } from "./mev-tx.ts";
import {
  amount,
  ascendingBytes,
  checkAscending,
  choice,
  defineRecord,
  fixedBytes,
  flag,
  height,
  list,
  nested,
  optionalBytes,
  positiveUint,
  type RecordCodec,
  uint32,
} from "./record.ts";
import { EXECUTOR_KEYS_MAX } from "./rollup-policy.ts";
import { PUBLIC_KEY_BYTES } from "./weft-basics.ts";

/** Bundles that name one rollup and are not decided. */
export const ATOMIC_OPEN_MAX = 64;

/** `atomic/<bundle id>`: an atomic bundle from its block until its reports are due. */
export interface AtomicState {
  /** Block that holds it, and its place among the atomic bundles of that block. */
  readonly placedHeight: Height;
  readonly index: number;
  /** Account, 20 bytes. */
  readonly sender: Uint8Array;
  /** Of its block, consensus address: it has a part of what the sender may lose. */
  readonly proposer: Uint8Array;
  readonly terms: AtomicTerms;
  /** Held until it is decided. */
  readonly bond: bigint;
  /** Whether nobody has opened it: it is sealed. */
  readonly isSealed: boolean;
  /** Block from whose end on nothing of its own block is hidden to its rollups; 0: not yet. */
  readonly filledHeight: Height;
  /** By rollup. */
  readonly legs: readonly AtomicLegState[];
  /** Block that has decided it; 0: not yet. */
  readonly decidedHeight: Height;
  /** 0 while it is open; otherwise 1 COMMIT or 2 ABORT, and with that one the reason. */
  readonly outcome: number;
  readonly reason: number;
}

export interface AtomicLegState {
  readonly rollupId: Uint8Array;
  /** Votes of YES that say the same which it takes; as in the policy in force in its block, as the committee is. */
  readonly quorum: number;
  /** Keys of the executors that may vote, ascending. */
  readonly committee: readonly Uint8Array[];
  /** By executor. */
  readonly votes: readonly AtomicVoteState[];
  /** What votes of YES say, each once, by digest. */
  readonly effects: readonly LegEffects[];
  /** Of the effects that a quorum agreed on when the bundle was decided; empty before that, and without such a quorum. */
  readonly decided: Uint8Array;
}

export interface AtomicVoteState {
  /** Index into the committee. */
  readonly executor: number;
  readonly verdict: Verdict;
  /** Of NO; 0 otherwise. */
  readonly reason: number;
  /** Of YES: which of the effects; empty otherwise. */
  readonly digest: Uint8Array;
  /** The executor has contradicted it: it counts no more. */
  readonly isStruck: boolean;
  /** The executor has reported what it did. */
  readonly isReported: boolean;
}

export interface LegEffects {
  /** `voteDigest` of what follows. */
  readonly digest: Uint8Array;
  readonly effectsHash: Uint8Array;
  readonly outbox: readonly Box[];
  readonly inbox: readonly Box[];
}

/** `atomic_count/<rollup>` */
export interface AtomicCountState {
  /** Bundles that name it and are not decided, at least 1. */
  readonly open: number;
}

/** `executor/<rollup>/<key>` */
export interface ExecutorState {
  /** All of it, also what is asked back. */
  readonly bond: bigint;
  /** Ascending by height. */
  readonly withdrawals: readonly EscrowWithdrawal[];
  /** First block in which it may ask to be let out of jail; 0: not jailed. */
  readonly jailedUntil: Height;
  /** Out for good: it has contradicted itself. */
  readonly isTombstoned: boolean;
}

const hash = fixedBytes(HASH_BYTES);
const address = fixedBytes(ADDRESS_BYTES);
const optionalHash = optionalBytes(HASH_BYTES);

const ATOMIC_VOTE = defineRecord<AtomicVoteState>({
  executor: [1, uint32(0, EXECUTOR_KEYS_MAX - 1)],
  verdict: [2, choice(Verdict)],
  reason: [3, uint32(0, NoReason.OTHER)],
  digest: [4, optionalHash],
  isStruck: [5, flag],
  isReported: [6, flag],
});

const LEG_EFFECTS = defineRecord<LegEffects>({
  digest: [1, hash],
  effectsHash: [2, hash],
  outbox: [3, boxes],
  inbox: [4, boxes],
});

const ATOMIC_LEG = defineRecord<AtomicLegState>(
  {
    rollupId: [1, hash],
    quorum: [2, positiveUint],
    committee: [3, ascendingBytes(PUBLIC_KEY_BYTES, EXECUTOR_KEYS_MAX, 1)],
    votes: [4, list(ATOMIC_VOTE, EXECUTOR_KEYS_MAX)],
    effects: [5, list(LEG_EFFECTS, EXECUTOR_KEYS_MAX)],
    decided: [6, optionalHash],
  },
  ({ committee, votes, effects }) => {
    checkAscending("votes", votes, (a, b) => a.executor - b.executor);
    checkAscending("effects", effects, (a, b) => compareBytes(a.digest, b.digest));
    const last = votes.at(-1);
    if (last === undefined || last.executor < committee.length) return;
    throw codecError("CODEC_OUT_OF_RANGE", `votes: there is no executor ${last.executor}`);
  },
);

export const ATOMIC_CODEC: RecordCodec<AtomicState> = defineRecord<AtomicState>(
  {
    placedHeight: [1, height],
    index: [2, uint32()],
    sender: [3, address],
    proposer: [4, address],
    terms: [5, nested(ATOMIC_TERMS_CODEC)],
    bond: [6, amount],
    isSealed: [7, flag],
    filledHeight: [8, height],
    legs: [9, list(ATOMIC_LEG, BUNDLE_LEGS_MAX, 1)],
    decidedHeight: [10, height],
    outcome: [11, uint32(0, 2)],
    reason: [12, uint32(0, AbortReason.TIMEOUT)],
  },
  ({ legs, terms }) => {
    checkAscending("legs", legs, (a, b) => compareBytes(a.rollupId, b.rollupId));
    if (terms.locks.length === legs.length) return;
    throw codecError("CODEC_TOO_MANY", "locks: expected one for each leg");
  },
);

export const ATOMIC_COUNT_CODEC: RecordCodec<AtomicCountState> = defineRecord<AtomicCountState>({
  open: [1, uint32(1, ATOMIC_OPEN_MAX)],
});

export const EXECUTOR_CODEC: RecordCodec<ExecutorState> = defineRecord<ExecutorState>({
  bond: [1, amount],
  withdrawals: [2, withdrawals],
  jailedUntil: [3, height],
  isTombstoned: [4, flag],
});

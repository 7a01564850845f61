import type { SealProof } from "../../../mev/seal/compute.ts";
import type { SignatureCheck } from "../../../mev/signatures.ts";
import type { ParamsState, RollupState } from "../../../proto/codec/weft-state.ts";
import type { Action, TxBody } from "../../../proto/codec/weft-tx.ts";
import type { AbciEvent } from "../../abci/application.ts";
import type { Failure } from "../codes.ts";
import type { StakingReader } from "../staking/context.ts";
import type { WorkingState } from "../state/working-state.ts";
import type { DecodedTx } from "./decoded-tx.ts";

/** What is the same for all transactions of a block. */
export interface TxTerms {
  readonly height: number;
  readonly params: ParamsState;
  readonly baseFeePerByte: bigint;
}

/** What the checks of actions read; the committed state and a block under way both offer it. */
export interface ActionReader {
  rollup(rollupId: string): RollupState | undefined;
  readonly staking: StakingReader;
}

export type ActionKind = Action["kind"];

/** Actions by kind; of several kinds, their union. */
export type ActionOf<Kind extends ActionKind> = { [K in Kind]: Extract<Action, { kind: K }> }[Kind];

/** nweft that the state holds for the fee of a transaction, in so far as its account's balance does not cover it. */
export interface FeeHold {
  /** The same for all transactions that draw on the same hold. */
  readonly key: string;
  readonly amount: bigint;
}

/** All that is to say about actions of one kind. */
export interface ActionRules<A> {
  /**
   * Why it would fail, or undefined. Changes nothing. `balance`: what the account has left after the fee.
   * The pool asks as well, so that what would only cost its sender a fee is refused at the door.
   */
  readonly fault: (
    state: ActionReader,
    tx: DecodedTx,
    action: A,
    terms: TxTerms,
    balance: bigint,
  ) => Failure | undefined;
  /**
   * The part of `fault` that takes arithmetic; asked when `fault` is undefined, and by the pool once the
   * signatures are known to hold.
   */
  readonly costlyFault?: (state: ActionReader, action: A) => Failure | undefined;
  /**
   * Whether this account may send it for nothing (`isFree`): a duty of a validator. One with a fault may
   * not stand in a block.
   */
  readonly free?: (state: ActionReader, tx: DecodedTx, action: A) => boolean;
  /**
   * Whether one with a fault may not stand in a block, although it pays: placed too early or without its
   * funds it would be used up, and the proposer would decide about that. Absent: it pays and fails.
   */
  readonly isStrict?: boolean;
  /**
   * Why no block from `height` on may hold it, or undefined; absent: always undefined. The pool asks after
   * every block about what waits.
   */
  readonly late?: (
    state: ActionReader,
    action: A,
    height: number,
    tx: DecodedTx,
  ) => Failure | undefined;
  /**
   * Why no later block may hold it because of what its account has done, or undefined; absent: always
   * undefined. The pool asks when a block has touched the account.
   */
  readonly voided?: (state: ActionReader, action: A, tx: DecodedTx) => Failure | undefined;
  /** Its changes, when there is no fault. */
  readonly run: (state: WorkingState, tx: DecodedTx, action: A, terms: TxTerms) => void;
  /**
   * More changes, of one whose entries have their places in the block. `positions`: one for each of them,
   * among the entries of its rollup.
   */
  readonly placed?: (
    state: WorkingState,
    tx: DecodedTx,
    action: A,
    positions: readonly number[],
    terms: TxTerms,
  ) => void;
  /** nweft that it takes from the account beside the fee; the pool keeps them free. */
  readonly value: (action: A, params: ParamsState) => bigint;
  /** What is held for its fee; absent: never anything. */
  readonly feeHold?: (state: ActionReader, tx: DecodedTx, action: A) => FeeHold | undefined;
  /** Gives the account so much of its `feeHold`, before the fee is taken. */
  readonly drawFeeHold?: (state: WorkingState, tx: DecodedTx, action: A, amount: bigint) => void;
  /** Id of the rollup whose lane quota and data it is about, 64 lower-case hex characters. */
  readonly rollup?: (action: A) => string;
  /** Signatures beside the transaction's own that prove what it says; one that does not hold: no such item. */
  readonly signatures?: (chainId: string, action: A) => readonly SignatureCheck[];
  /** Proofs that stand beside its signatures: statements that its bytes alone decide. One that fails: no such item. */
  readonly proofs?: (chainId: string, body: TxBody, action: A) => readonly SealProof[];
  /** Events of one that succeeded, beside what the rules emit. */
  readonly events?: (tx: DecodedTx, action: A) => readonly AbciEvent[];
}

/** Rules of some kinds of action, by kind. */
export type RulesOf<Kind extends ActionKind> = { readonly [K in Kind]: ActionRules<ActionOf<K>> };

/** The value of an action that takes nothing beside its fee. */
export const noValue = (): bigint => 0n;

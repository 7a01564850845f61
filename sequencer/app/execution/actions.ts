import type { SealProof } from "../../../mev/seal/compute.ts";
import type { SignatureCheck } from "../../../mev/signatures.ts";
import type { ParamsState } from "../../../proto/codec/weft-state.ts";
import type { Action, TxBody } from "../../../proto/codec/weft-tx.ts";
import { assert } from "../../../proto/errors.ts";
import type { AbciEvent } from "../../abci/application.ts";
import type { Failure } from "../codes.ts";
import type { WorkingState } from "../state/working-state.ts";
import type {
  ActionKind,
  ActionOf,
  ActionReader,
  ActionRules,
  FeeHold,
  RulesOf,
  TxTerms,
} from "./action-rules.ts";
import type { DecodedTx } from "./decoded-tx.ts";
import { ATOMIC_RULES } from "./atomic-actions.ts";
import { MEV_RULES } from "./mev-actions.ts";
import { ROLLUP_RULES } from "./rollup-actions.ts";
import { SEAL_RULES } from "./seal-actions.ts";
import { STAKE_RULES } from "./staking-actions.ts";

/** Every kind of action, family by family. */
const RULES: RulesOf<ActionKind> = {
  ...ROLLUP_RULES,
  ...STAKE_RULES,
  ...SEAL_RULES,
  ...MEV_RULES,
  ...ATOMIC_RULES,
};

/** Why the action would fail, or undefined (`ActionRules.fault`). */
export function actionFault(
  state: ActionReader,
  tx: DecodedTx,
  terms: TxTerms,
  balance: bigint,
): Failure | undefined {
  const { action } = tx.tx.body;
  return rulesOf(action.kind).fault(state, tx, action, terms, balance);
}

/** What remains of `actionFault`, once the transaction's signatures hold (`ActionRules.costlyFault`). */
export function costlyActionFault(state: ActionReader, tx: DecodedTx): Failure | undefined {
  const { action } = tx.tx.body;
  return rulesOf(action.kind).costlyFault?.(state, action);
}

/** Whether `costlyActionFault` takes arithmetic, up to some milliseconds: whoever asks lets others run after it. */
export function isCostly({ tx }: DecodedTx): boolean {
  return rulesOf(tx.body.action.kind).costlyFault !== undefined;
}

/** Whether the action is a duty of a validator, sent by its application key (`ActionRules.free`). */
export function isDuty(state: ActionReader, tx: DecodedTx): boolean {
  const { action } = tx.tx.body;
  return rulesOf(action.kind).free?.(state, tx, action) === true;
}

/** Whether one with a fault may not stand in a block, although it pays (`ActionRules.isStrict`). */
export function isStrictKind(kind: ActionKind): boolean {
  return rulesOf(kind).isStrict === true;
}

/** Whether only some blocks may hold the action, so that `lateFault` may find it late. */
export function canBeLate({ tx }: DecodedTx): boolean {
  return rulesOf(tx.body.action.kind).late !== undefined;
}

/** Why no block from `height` on may hold the action (`ActionRules.late`). */
export function lateFault(state: ActionReader, tx: DecodedTx, height: number): Failure | undefined {
  const { action } = tx.tx.body;
  return rulesOf(action.kind).late?.(state, action, height, tx);
}

/** Why no later block may hold the action, because of what its account has done (`ActionRules.voided`). */
export function voidFault(state: ActionReader, tx: DecodedTx): Failure | undefined {
  const { action } = tx.tx.body;
  return rulesOf(action.kind).voided?.(state, action, tx);
}

/** The changes of an action that `actionFault` has let through. */
export function runAction(state: WorkingState, tx: DecodedTx, terms: TxTerms): void {
  const { action } = tx.tx.body;
  rulesOf(action.kind).run(state, tx, action, terms);
}

/** More changes of an action that has succeeded and whose entries have their places in the block. */
export function placeAction(
  state: WorkingState,
  tx: DecodedTx,
  positions: readonly number[],
  terms: TxTerms,
): void {
  const { action } = tx.tx.body;
  rulesOf(action.kind).placed?.(state, tx, action, positions, terms);
}

/** nweft that the action takes from the account beside the fee. */
export function actionValue(action: Action, params: ParamsState): bigint {
  return rulesOf(action.kind).value(action, params);
}

/** What the state holds for the transaction's fee (`ActionRules.feeHold`). */
export function feeHoldOf(state: ActionReader, tx: DecodedTx): FeeHold | undefined {
  const { action } = tx.tx.body;
  return rulesOf(action.kind).feeHold?.(state, tx, action);
}

/** Gives the account so much of what `feeHoldOf` found. */
export function drawFeeHold(state: WorkingState, tx: DecodedTx, amount: bigint): void {
  const { action } = tx.tx.body;
  const { drawFeeHold: draw } = rulesOf(action.kind);
  assert(draw !== undefined, `something is held for the fee of a ${action.kind}`);
  draw(state, tx, action, amount);
}

/** Id of the rollup that the action is about, in hex; empty if none. */
export function actionRollup(action: Action): string {
  return rulesOf(action.kind).rollup?.(action) ?? "";
}

/** Signatures that the action brings beside the transaction's own. */
export function actionSignatures(chainId: string, action: Action): readonly SignatureCheck[] {
  return rulesOf(action.kind).signatures?.(chainId, action) ?? NONE;
}

/** Proofs that the action brings; checked when the signatures hold. */
export function actionProofs(chainId: string, body: TxBody): readonly SealProof[] {
  const { action } = body;
  return rulesOf(action.kind).proofs?.(chainId, body, action) ?? NONE;
}

/** Events of an action that succeeded, beside what its rules emitted. */
export function actionEvents(tx: DecodedTx): readonly AbciEvent[] {
  const { action } = tx.tx.body;
  return rulesOf(action.kind).events?.(tx, action) ?? NONE;
}

const NONE: readonly never[] = [];

function rulesOf<Kind extends ActionKind>(kind: Kind): ActionRules<ActionOf<Kind>> {
  return RULES[kind];
}

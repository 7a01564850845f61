/** Validators, accounts and blocks for tests of the rules of staking, without a chain. */
import { Height } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import type { CreateValidator } from "../../proto/codec/staking-tx.ts";
import { assert } from "../../proto/errors.ts";
import type { Failure } from "../../sequencer/app/codes.ts";
import { recordSlash } from "../../sequencer/app/distribution/rewards.ts";
import type { StakingContext, StakingReader } from "../../sequencer/app/staking/context.ts";
import { divUp } from "../../sequencer/app/staking/decimal.ts";
import { endOfBlockUpdates, type PowerUpdate } from "../../sequencer/app/staking/epoch.ts";
import { matureQueue } from "../../sequencer/app/staking/maturity.ts";
import {
  consensusAddress,
  lastHeightOf,
  poolOf,
  requireEpoch,
  requireValidator,
  updateValidator,
} from "../../sequencer/app/staking/validator-records.ts";
import { createValidator, createValidatorFault } from "../../sequencer/app/staking/validators.ts";
import { EPOCH } from "../../sequencer/app/state/tables.ts";
import {
  createStakingContext,
  type StakingContextOptions,
  type TestStakingContext,
} from "./staking-context.ts";

/** nweft of one WEFT in these tests: one unit of power. */
export const ONE = 1_000_000n;

/** Account number `n`, 40-hex. */
export function accountNumber(n: number): string {
  return `acc0${n.toString(16).padStart(36, "0")}`;
}

/** 32 bytes that differ for each `n` and `use`; no curve point is needed where nothing is signed. */
export function keyNumber(n: number, use: "consensus" | "application"): Uint8Array {
  const key = new Uint8Array(32).fill(use === "consensus" ? 1 : 2);
  new DataView(key.buffer).setUint32(0, n);
  return key;
}

/** The validator of consensus key number `n`, 40-hex. */
export function validatorNumber(n: number): string {
  return consensusAddress(keyNumber(n, "consensus"));
}

/** A context whose first block ends an epoch: validators created before `nextEpoch` are in the first set. */
export function createStakingChain(options: StakingContextOptions = {}): TestStakingContext {
  const ctx = createStakingContext(options);
  ctx.records.set(EPOCH, "", {
    number: 1,
    startHeight: Height(ctx.height),
    length: 1,
    nextSetSize: 0,
    followingSetSize: 0,
    activePower: 0n,
  });
  return ctx;
}

export interface CreatedValidator {
  readonly validator: string;
  /** Consensus address as actions name it. */
  readonly address: Uint8Array;
  readonly operator: string;
}

/** What validator number `n` is created with unless told otherwise: ten WEFT, 10% commission. */
export function creation(n: number, changes: Partial<CreateValidator> = {}): CreateValidator {
  return {
    kind: "createValidator",
    consensusKey: keyNumber(n, "consensus"),
    applicationKey: keyNumber(n, "application"),
    applicationKeyProof: new Uint8Array(64),
    moniker: `validator ${n}`,
    website: "",
    details: "",
    rateBps: 1_000,
    maxRateBps: 2_000,
    maxChangeBps: 500,
    minSelfDelegation: ONE,
    selfDelegation: 10n * ONE,
    ...changes,
  };
}

/** Creates validator number `n`, run by account `n`, which gets what it stakes. */
export function addValidator(
  ctx: TestStakingContext,
  n: number,
  changes: Partial<CreateValidator> = {},
): CreatedValidator {
  const action = creation(n, changes);
  const operator = accountNumber(n);
  ctx.mint(operator, action.selfDelegation);
  perform(ctx, createValidatorFault, createValidator, operator, action);
  const validator = validatorNumber(n);
  return { validator, address: fromHex(validator), operator };
}

/** An action that has to be free of faults. */
export function perform<Action>(
  ctx: StakingContext,
  fault: (reader: StakingReader, sender: string, action: Action) => Failure | undefined,
  apply: (ctx: StakingContext, sender: string, action: Action) => void,
  sender: string,
  action: Action,
): void {
  const refused = fault(ctx, sender, action);
  assert(refused === undefined, `${refused?.code}: ${refused?.reason}`);
  apply(ctx, sender, action);
}

/** The end of the block under way and the begin of the next. */
export function nextBlock(ctx: TestStakingContext, seconds = 1): readonly PowerUpdate[] {
  matureQueue(ctx);
  const updates = endOfBlockUpdates(ctx);
  ctx.checkSupply();
  ctx.advance({ blocks: 1, seconds });
  return updates;
}

/** Goes to the first block of the next epoch; returns what the last block of this one told the engine. */
export function nextEpoch(ctx: TestStakingContext): readonly PowerUpdate[] {
  const last = lastHeightOf(requireEpoch(ctx));
  while (ctx.height < last) nextBlock(ctx);
  return nextBlock(ctx);
}

/** Burns `amount` of the validator's tokens, as a slash does. */
export function cutTokens(ctx: StakingContext, validator: string, amount: bigint): void {
  const state = requireValidator(ctx, validator);
  recordSlash(ctx, validator, divUp(amount, state.tokens));
  ctx.burn(poolOf(state), amount);
  updateValidator(ctx, validator, { tokens: state.tokens - amount });
}

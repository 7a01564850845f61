/**
 * The rules under test in a world of their own: blocks with votes, fees and evidence, as the execution of a
 * chain calls them, and what one sees of it from outside.
 */
import { Height } from "../../proto/brands.ts";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { parseAddress } from "../../proto/address.ts";
import { BondStatus, type ValidatorState } from "../../proto/codec/staking-state.ts";
import { BlockIdFlag } from "../../proto/types.ts";
import type { Failure } from "../../sequencer/app/codes.ts";
import { setWithdrawAddress } from "../../sequencer/app/distribution/actions.ts";
import { allocateFees } from "../../sequencer/app/distribution/rewards.ts";
import { handleMisbehavior } from "../../sequencer/app/slashing/evidence.ts";
import { recordSignatures } from "../../sequencer/app/slashing/liveness.ts";
import { endOfBlockUpdates, type PowerUpdate } from "../../sequencer/app/staking/epoch.ts";
import type { StakingContext, StakingReader } from "../../sequencer/app/staking/context.ts";
import { matureQueue } from "../../sequencer/app/staking/maturity.ts";
import { tokensOf } from "../../sequencer/app/staking/shares.ts";
import { DELEGATIONS, delegationKey, EPOCH, VALIDATORS } from "../../sequencer/app/state/tables.ts";
import { createStakingContext, type TestStakingContext } from "../support/staking-context.ts";
import type { ModelParams } from "./model-state.ts";
import type { StoredRecords } from "./stored-records.ts";

export type FaultOf<Action> = (
  reader: StakingReader,
  sender: string,
  action: Action,
) => Failure | undefined;
export type Apply<Action> = (ctx: StakingContext, sender: string, action: Action) => void;

/** Where rewards of an account go, so that they do not mix with what it stakes. */
export function purseOf(account: string): string {
  return `ee${account.slice(2)}`;
}

export interface WorldOptions {
  readonly params: ModelParams;
  readonly height: number;
  readonly now: number;
  readonly balances: ReadonlyMap<string, bigint>;
  /** Written to bytes and read from them again at each end of block. */
  readonly stored?: StoredRecords;
}

export class World {
  readonly ctx: TestStakingContext;
  /** Power by validator of the set that votes on a height; a height without is like the one before. */
  readonly sets = new Map<number, ReadonlyMap<string, bigint>>();
  /** Block times by height. */
  readonly times = new Map<number, number>();
  #told: ReadonlyMap<string, bigint> = new Map();
  /** Rewards paid, by validator and delegator, commission by validator; read from events. */
  readonly paid = new Map<string, bigint>();
  #eventsRead = 0;

  readonly #stored: StoredRecords | undefined;

  constructor({ params, height, now, balances, stored }: WorldOptions) {
    this.#stored = stored;
    this.ctx = createStakingContext({
      ...(stored === undefined ? {} : { records: stored }),
      height,
      nowSeconds: now,
      balances: Object.fromEntries(balances),
      evidenceMaxAgeBlocks: params.evidenceMaxAgeBlocks,
      evidenceMaxAgeSeconds: params.evidenceMaxAgeSeconds,
      params: {
        epochLength: params.epochLength,
        unbondingSeconds: params.unbondingSeconds,
        validatorsMax: params.validatorsMax,
        candidatesMax: params.candidatesMax,
        unbondingEntriesMax: params.entriesMax,
        minSelfDelegation: params.minSelfDelegation,
        signedWindow: params.signedWindow,
        minSignedBps: params.minSignedBps,
        downtimeJailSeconds: params.downtimeJailSeconds,
        downtimeJailMaxSeconds: params.downtimeJailMaxSeconds,
        downtimeSlashBps: params.downtimeSlashBps,
        doubleSignSlashBps: params.doubleSignSlashBps,
        feeProposerBps: params.proposerBps,
        feeCommunityBps: params.communityBps,
      },
    });
    const { ctx } = this;
    ctx.records.set(EPOCH, "", {
      number: 1,
      startHeight: Height(height),
      length: 1,
      nextSetSize: 0,
      followingSetSize: 0,
      activePower: 0n,
    });
    for (const account of balances.keys()) {
      const address = fromHex(purseOf(account));
      setWithdrawAddress(ctx, account, { kind: "setWithdrawAddress", address });
    }
    this.times.set(height, now);
  }

  /** The code that refuses the action, or undefined; then it has been taken. */
  act<Action>(
    fault: FaultOf<Action>,
    apply: Apply<Action>,
    sender: string,
    action: Action,
  ): string | undefined {
    const refused = fault(this.ctx, sender, action);
    if (refused === undefined) apply(this.ctx, sender, action);
    return refused?.code;
  }

  validator(address: string): ValidatorState | undefined {
    return this.ctx.records.get(VALIDATORS, address);
  }

  isJailed(address: string): boolean {
    return this.validator(address)?.jailed === true;
  }

  status(address: string): "unbonded" | "unbonding" | "bonded" | undefined {
    const status = this.validator(address)?.status;
    if (status === undefined) return undefined;
    if (status === BondStatus.BONDED) return "bonded";
    return status === BondStatus.UNBONDING ? "unbonding" : "unbonded";
  }

  shares(validator: string, delegator: string): bigint {
    return this.ctx.records.get(DELEGATIONS, delegationKey(validator, delegator))?.shares ?? 0n;
  }

  /** nweft of all delegations, rounded down as they are paid. */
  worths(): ReadonlyMap<string, bigint> {
    const worths = new Map<string, bigint>();
    for (const key of this.ctx.records.keys(DELEGATIONS)) {
      const delegation = this.ctx.records.get(DELEGATIONS, key);
      const state = this.validator(key.slice(0, 40));
      if (delegation === undefined || state === undefined) continue;
      worths.set(key, tokensOf(state, delegation.shares));
    }
    return worths;
  }

  /** The set that votes on a height. */
  setAt(height: number): ReadonlyMap<string, bigint> {
    for (let at = height; at >= 0; at--) {
      const set = this.sets.get(at);
      if (set !== undefined) return set;
    }
    return new Map();
  }

  /** End of the block under way: fees, queue, updates. */
  endBlock(proposer: string, fees: bigint): readonly PowerUpdate[] {
    const { ctx } = this;
    ctx.mintPool("feePool", fees);
    allocateFees(ctx, { proposer, fees, rollupFees: new Map() });
    matureQueue(ctx);
    const updates = endOfBlockUpdates(ctx);
    const told = new Map(this.#told);
    for (const { validator, power } of updates) {
      if (power === 0n) told.delete(validator);
      else told.set(validator, power);
    }
    this.#told = told;
    this.sets.set(ctx.height + 2, told);
    return updates;
  }

  /** Goes to the next block, before its begin. */
  goOn(seconds: number): void {
    this.#stored?.commit();
    this.ctx.advance({ blocks: 1, seconds });
    this.times.set(this.ctx.height, this.ctx.nowSeconds);
    handleMisbehavior(this.ctx, []);
  }

  vote(validator: string, power: bigint, isAbsent: boolean): void {
    const blockIdFlag = isAbsent ? BlockIdFlag.ABSENT : BlockIdFlag.COMMIT;
    recordSignatures(this.ctx, [
      { validator: { address: fromHex(validator), power }, blockIdFlag },
    ]);
  }

  /** Evidence of consensus that `validator` has signed twice. */
  accuse(validator: string, height: number, power: bigint): void {
    handleMisbehavior(this.ctx, [
      {
        type: "duplicateVote",
        validator: { address: fromHex(validator), power },
        height: Height(height),
        time: { seconds: BigInt(this.times.get(height) ?? 0), nanos: 0 },
        totalVotingPower: power,
      },
    ]);
  }

  /** The whole state, as text. */
  digest(): string {
    const lines: string[] = [];
    for (const [key, value] of this.ctx.records.changes()) {
      if (value !== undefined) lines.push(`${key} ${toHex(value)}`);
    }
    return lines.sort().join("\n");
  }

  /** Adds rewards that were paid since it was last asked to `paid`. */
  readPayments(): void {
    const { events } = this.ctx;
    for (const { type, attributes } of events.slice(this.#eventsRead)) {
      const of = (key: string) => attributes.find((one) => one.key === key)?.value ?? "";
      const validator = of("validator").toLowerCase();
      const key =
        type === "withdraw_rewards"
          ? `${validator}/${toHex(parseAddress(of("delegator")))}`
          : validator;
      if (type !== "withdraw_rewards" && type !== "withdraw_commission") continue;
      this.paid.set(key, (this.paid.get(key) ?? 0n) + BigInt(of("amount")));
    }
    this.#eventsRead = events.length;
  }
}

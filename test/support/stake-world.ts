/** Validators with stake in a block's state, by the rules themselves: for tests of slashing and evidence. */
import { Height } from "../../proto/brands.ts";
import { fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { BondStatus } from "../../proto/codec/staking-state.ts";
import { sha256 } from "../../proto/hash.ts";
import { type Ed25519KeyPair, ed25519KeyPairFromSeed } from "../../proto/verify/ed25519.ts";
import { startValidator } from "../../sequencer/app/distribution/rewards.ts";
import {
  addDelegation,
  delegate,
  redelegate,
  undelegate,
} from "../../sequencer/app/staking/delegations.ts";
import { endOfBlockUpdates, type PowerUpdate } from "../../sequencer/app/staking/epoch.ts";
import { matureQueue } from "../../sequencer/app/staking/maturity.ts";
import {
  consensusAddress,
  delegatedTokens,
  newValidator,
} from "../../sequencer/app/staking/validator-records.ts";
import { EPOCH, VALIDATORS } from "../../sequencer/app/state/tables.ts";
import {
  createStakingContext,
  type StakingContextOptions,
  type TestStakingContext,
} from "./staking-context.ts";

export interface TestValidator {
  /** Consensus address, 40-hex. */
  readonly address: string;
  /** Account of the operator, 40-hex. */
  readonly operator: string;
  readonly key: Ed25519KeyPair;
}

/** An account by a name, 40-hex; the same at each call. */
export function testAccount(name: string): string {
  return toHex(sha256(utf8ToBytes(`account ${name}`)).subarray(0, 20));
}

/**
 *     const world = new StakeWorld({ params: { epochLength: 10 } });
 *     const alice = world.addValidator("alice", 5_000_000n);
 *     world.start(); // the set is in force
 */
export class StakeWorld {
  readonly ctx: TestStakingContext;

  constructor(options: StakingContextOptions = {}) {
    this.ctx = createStakingContext(options);
  }

  /** A validator whose operator delegates `own` nweft to it. */
  addValidator(name: string, own: bigint, minSelfDelegation = 1n): TestValidator {
    const key = ed25519KeyPairFromSeed(sha256(utf8ToBytes(`consensus ${name}`)));
    const address = consensusAddress(key.publicKey);
    const operator = testAccount(`operator of ${name}`);
    const { ctx } = this;
    const height = Height(ctx.height);
    const state = newValidator({
      applicationKey: sha256(utf8ToBytes(`application ${name}`)),
      consensusKey: key.publicKey,
      operator: fromHex(operator),
      status: BondStatus.UNBONDED,
      minSelfDelegation,
      commission: { rateBps: 0, maxRateBps: 0, maxChangeBps: 0, changedSeconds: 0 },
      description: { moniker: name, website: "", details: "" },
      createdHeight: height,
      applicationKeySince: height,
    });
    ctx.records.set(VALIDATORS, address, state);
    startValidator(ctx, address);
    this.fund(operator, own);
    addDelegation(ctx, address, operator, own, "account");
    return { address, operator, key };
  }

  fund(account: string, amount: bigint): void {
    this.ctx.mint(account, amount);
  }

  /** Takes everybody with stake into the set and goes on to the first height that it votes on. */
  start(): void {
    const { ctx } = this;
    const startHeight = Height(ctx.height);
    const sizes = { nextSetSize: 0, followingSetSize: 0, activePower: 0n };
    ctx.records.set(EPOCH, "", { number: 0, startHeight, length: 1, ...sizes });
    endOfBlockUpdates(ctx);
    ctx.advance({ blocks: 2 });
  }

  /** With money made for it. */
  delegate(validator: TestValidator, delegator: string, amount: bigint): void {
    this.fund(delegator, amount);
    const action = { kind: "delegate", validator: fromHex(validator.address), amount } as const;
    delegate(this.ctx, delegator, action);
  }

  undelegate(validator: TestValidator, delegator: string, amount: bigint): void {
    const action = { kind: "undelegate", validator: fromHex(validator.address), amount } as const;
    undelegate(this.ctx, delegator, action);
  }

  redelegate(from: TestValidator, to: TestValidator, delegator: string, amount: bigint): void {
    const [validator, destination] = [fromHex(from.address), fromHex(to.address)];
    redelegate(this.ctx, delegator, { kind: "redelegate", validator, destination, amount });
  }

  /** nweft that the delegation is worth. */
  worth(validator: TestValidator, delegator: string): bigint {
    return delegatedTokens(this.ctx, validator.address, delegator);
  }

  /** Ends the block under way and goes on to the next; returns what the engine is told. */
  nextBlock(seconds = 1): readonly PowerUpdate[] {
    matureQueue(this.ctx);
    const updates = endOfBlockUpdates(this.ctx);
    this.ctx.checkSupply();
    this.ctx.advance({ blocks: 1, seconds });
    return updates;
  }
}

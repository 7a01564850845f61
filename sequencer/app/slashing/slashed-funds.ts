import { assert } from "../../../proto/errors.ts";
import type { Pool, StakingContext } from "../staking/context.ts";

/** nweft that a slash has taken from stake and that lie in their pools still. */
export class SlashedFunds {
  /** Account of the validator's operator, 40-hex. */
  readonly operator: string;
  readonly #byPool = new Map<Pool, bigint>();
  #cut = 0n;
  #operatorLoss = 0n;

  constructor(operator: string) {
    this.operator = operator;
  }

  /** All that was taken, paid on or burned since or not. */
  get cut(): bigint {
    return this.#cut;
  }

  /** What the operator's own account lost of it. */
  get operatorLoss(): bigint {
    return this.#operatorLoss;
  }

  add(pool: Pool, amount: bigint): void {
    this.#byPool.set(pool, (this.#byPool.get(pool) ?? 0n) + amount);
    this.#cut += amount;
  }

  addOperatorLoss(amount: bigint): void {
    this.#operatorLoss += amount;
  }

  pay(ctx: StakingContext, address: string, amount: bigint): void {
    let left = amount;
    for (const [pool, held] of this.#byPool) {
      const part = left < held ? left : held;
      if (part > 0n) ctx.pay(pool, address, part);
      this.#byPool.set(pool, held - part);
      left -= part;
    }
    assert(left === 0n, "a reward is a part of what was taken");
  }

  /** Burns what is left; returns how much. */
  burnRest(ctx: StakingContext): bigint {
    let burned = 0n;
    for (const [pool, held] of this.#byPool) {
      if (held > 0n) ctx.burn(pool, held);
      burned += held;
    }
    this.#byPool.clear();
    return burned;
  }
}

/**
 * What power a validator had at a height. Evidence of accounts is priced with it (that of consensus brings
 * the power along), and it says until when stake that leaves still stands behind votes.
 */
import { Height } from "../../../proto/brands.ts";
import type { PowerChange } from "../../../proto/codec/staking-state.ts";
import { POWERS } from "../state/tables.ts";
import type { StakingContext, StakingReader } from "./context.ts";
import { POWER_CHANGES_KEPT, UPDATE_DELAY_BLOCKS } from "./limits.ts";
import { requireEpoch, requireValidator } from "./validator-records.ts";

/** Power of a validator in the set that votes on `height`; 0 when it is not in that set. */
export function powerAt(reader: StakingReader, validator: string, height: number): bigint {
  const { changes } = reader.records.get(POWERS, validator) ?? { changes: [] };
  return changes.findLast((change) => change.height <= height)?.power ?? 0n;
}

/** Remembers that an update of the block under way has given the validator another power. */
export function recordPower(ctx: StakingContext, validator: string, power: bigint): void {
  const { changes } = ctx.records.get(POWERS, validator) ?? { changes: [] };
  const height = Height(ctx.height + UPDATE_DELAY_BLOCKS);
  ctx.records.set(POWERS, validator, { changes: bounded([...changes, { height, power }]) });
}

/**
 * Last height in whose voting power stake counts that leaves the validator now: while the validator has
 * power, its update waits for the end of the epoch, whose last block is followed by one more with the old
 * set; afterwards, the last height of its old power. 0 when it never had power.
 */
export function slashableThrough(reader: StakingReader, validator: string): Height {
  if (requireValidator(reader, validator).power > 0n) {
    const { startHeight, length } = requireEpoch(reader);
    // Last height of the epoch, and one more.
    return Height(startHeight + length);
  }
  const last = reader.records.get(POWERS, validator)?.changes.at(-1);
  return Height(last === undefined ? 0 : last.height - 1);
}

/** Beyond the limit the two oldest become one with the larger power. */
function bounded(changes: readonly PowerChange[]): readonly PowerChange[] {
  const [first, second, ...rest] = changes;
  if (changes.length <= POWER_CHANGES_KEPT || first === undefined || second === undefined) {
    return changes;
  }
  const power = first.power > second.power ? first.power : second.power;
  return [{ height: first.height, power }, ...rest];
}

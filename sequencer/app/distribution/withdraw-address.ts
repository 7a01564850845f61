import { toHex } from "../../../proto/bytes.ts";
import type { StakingReader } from "../staking/context.ts";
import { WITHDRAW } from "../state/tables.ts";

/** Where rewards and commission of an account go: to itself unless it said otherwise. 40 hex. */
export function withdrawAddress(ctx: StakingReader, account: string): string {
  const other = ctx.records.get(WITHDRAW, account);
  return other === undefined ? account : toHex(other.address);
}

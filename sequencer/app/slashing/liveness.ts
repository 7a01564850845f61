/** Who signs blocks, and who is jailed for not doing so (spec staking C1, C3). */
import { Height } from "../../../proto/brands.ts";
import { toHex } from "../../../proto/bytes.ts";
import type { SigningState } from "../../../proto/codec/slashing-state.ts";
import { BASIS_POINTS } from "../../../proto/codec/weft-basics.ts";
import type { ParamsState } from "../../../proto/codec/weft-state.ts";
import { BlockIdFlag } from "../../../proto/types.ts";
import type { VoteInfo } from "../../abci/application.ts";
import type { StakingContext } from "../staking/context.ts";
import { requireValidator, updateValidator } from "../staking/validator-records.ts";
import { SIGNING, VALIDATORS } from "../state/tables.ts";
import { DOWNTIME_REPEAT_WINDOWS } from "./limits.ts";
import { clearBits, clearLiveness, flipMissed, isMissed } from "./liveness-records.ts";
import { punish } from "./penalty.ts";

/**
 * Begin of a block. `votes`: of the last commit, the whole set; a vote for nil counts as present. A vote
 * without the shares that it owed (`missingShares`, addresses in 40-hex) counts as missed. Writes for
 * validators alone whose bit changes, reads no bits of those that have missed nothing.
 */
export function recordSignatures(
  ctx: StakingContext,
  votes: readonly VoteInfo[],
  withoutShares: ReadonlySet<string> = NOBODY,
): void {
  const height = ctx.height - 1;
  const { signedWindow } = ctx.params;
  const index = height % signedWindow;
  for (const { validator, blockIdFlag } of votes) {
    const address = toHex(validator.address);
    const isAbsent = blockIdFlag === BlockIdFlag.ABSENT || withoutShares.has(address);
    const known = ctx.records.get(SIGNING, address);
    if (known?.window === signedWindow && known.missed === 0 && !isAbsent) continue;
    if (!counts(ctx, address)) continue;
    const signing = known?.window === signedWindow ? known : begin(ctx, address, known);
    const missed = countedMissed(ctx, address, signing, { index, isAbsent });
    // Also where the count stays, because the whole window is missed already.
    if (isAbsent && isDown(ctx.params, { ...signing, missed }, height)) {
      punishDowntime(ctx, address, { height, power: validator.power, signing });
    }
  }
}

const NOBODY: ReadonlySet<string> = new Set();

/** A jailed validator votes until it is out of the set; what it misses meanwhile is nobody's business. */
function counts(ctx: StakingContext, validator: string): boolean {
  return ctx.records.get(VALIDATORS, validator)?.jailed === false;
}

/** The first block of a validator, or the first under another window, whose bits would lie elsewhere. */
function begin(
  ctx: StakingContext,
  validator: string,
  known: SigningState | undefined,
): SigningState {
  if (known !== undefined) clearBits(ctx, validator, known);
  const startHeight = Height(ctx.height - 1);
  const signing = { startHeight, missed: 0, window: ctx.params.signedWindow };
  ctx.records.set(SIGNING, validator, signing);
  return signing;
}

/** Missed blocks of the window, now that the one at `index` is known. */
function countedMissed(
  ctx: StakingContext,
  validator: string,
  signing: SigningState,
  { index, isAbsent }: { readonly index: number; readonly isAbsent: boolean },
): number {
  const wasMissed = signing.missed > 0 && isMissed(ctx, validator, index);
  if (wasMissed === isAbsent) return signing.missed;
  flipMissed(ctx, validator, index);
  const missed = signing.missed + (isAbsent ? 1 : -1);
  ctx.records.set(SIGNING, validator, { ...signing, missed });
  return missed;
}

/** Too few blocks of a whole window signed: not judged before one is over. */
function isDown(params: ParamsState, signing: SigningState, height: number): boolean {
  const { startHeight, missed, window } = signing;
  if (height <= startHeight + window) return false;
  return (window - missed) * BASIS_POINTS < window * params.minSignedBps;
}

/** Each repeat doubles the jail; a validator that has held out for a window starts over. */
function punishDowntime(
  ctx: StakingContext,
  validator: string,
  {
    height,
    power,
    signing,
  }: { readonly height: number; readonly power: bigint; readonly signing: SigningState },
): void {
  const { downtimeSlashBps, downtimeJailSeconds, downtimeJailMaxSeconds } = ctx.params;
  const { downtimeJails } = requireValidator(ctx, validator);
  const isRepeat = height - signing.startHeight <= DOWNTIME_REPEAT_WINDOWS * signing.window;
  const jails = isRepeat ? downtimeJails : 0;
  punish(
    ctx,
    { validator, height, power, reason: "downtime" },
    {
      kind: "jail",
      fractionBps: downtimeSlashBps,
      jailSeconds: Math.min(downtimeJailSeconds * 2 ** jails, downtimeJailMaxSeconds),
    },
  );
  // Also if the operator is let out in this block: it is not judged again for the same blocks.
  clearLiveness(ctx, validator);
  updateValidator(ctx, validator, { downtimeJails: jails + 1, downtimeHeight: Height(height) });
}

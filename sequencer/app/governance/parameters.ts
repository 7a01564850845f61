import type { ParameterChange } from "../../../proto/codec/governance-tx.ts";
import type { ParamsState } from "../../../proto/codec/weft-state.ts";
import { paramFaults } from "../params.ts";
import type { StakingReader } from "../staking/context.ts";

/** Parameters with changes, or everything that is wrong with them, one sentence each. */
export type ChangedParams =
  | { readonly params: ParamsState }
  | { readonly faults: readonly string[] };

/** What a change of parameters is held against. */
export type ChangedChain = Pick<
  StakingReader,
  "evidenceMaxAgeSeconds" | "setSizeMax" | "pool" | "params"
>;

/** Applies changes by name. The outcome as a whole keeps every bound, or nothing changes. */
export function changedParams(
  params: ParamsState,
  changes: readonly ParameterChange[],
  chain: ChangedChain,
): ChangedParams {
  const changed: Record<string, bigint | number> = { ...params };
  const unknown: string[] = [];
  for (const { name, value } of changes) {
    const current = Object.hasOwn(changed, name) ? changed[name] : undefined;
    if (current === undefined) unknown.push(`there is no parameter "${name}"`);
    else changed[name] = typeof current === "number" ? Number(value) : value;
  }
  if (unknown.length > 0) return { faults: unknown };
  // Every name and the kind of its value are those of `params`.
  const outcome = changed as unknown as ParamsState;
  const faults = [...paramFaults(outcome, chain), ...changeFaults(changes, chain)];
  return faults.length > 0 ? { faults } : { params: outcome };
}

const DAY_SECONDS = 86_400n;
/** The deposit of a proposal is at most this part of the stake that votes on it. */
const DEPOSIT_STAKE_PART = 100n;

/**
 * Narrower bounds of what proposals may set, beside those that genesis keeps (`PARAM_BOUNDS`): whatever
 * passes, another proposal can still take it back. Both inclusive.
 */
export const CHANGE_BOUNDS: Readonly<Record<string, readonly [bigint, bigint]>> = {
  depositPeriodSeconds: [60n, 90n * DAY_SECONDS],
  votingPeriodSeconds: [60n, 90n * DAY_SECONDS],
  timelockSeconds: [0n, 90n * DAY_SECONDS],
  // Some stake never votes, and somebody is always against it.
  quorumBps: [100n, 6_667n],
  thresholdBps: [5_000n, 7_500n],
  vetoBps: [2_500n, 10_000n],
  haltThresholdBps: [6_667n, 9_000n],
};

/** What is wrong with the values that a proposal sets, beyond the bounds of the outcome. */
function changeFaults(changes: readonly ParameterChange[], chain: ChangedChain): string[] {
  const faults: string[] = [];
  for (const { name, value } of changes) {
    const [min, max] = changeBounds(name, chain) ?? [value, value];
    if (value < min || value > max) {
      faults.push(`${name}: a proposal may set ${min} to ${max}, got ${value}`);
    }
  }
  return faults;
}

function changeBounds(name: string, chain: ChangedChain): readonly [bigint, bigint] | undefined {
  if (name !== "proposalDepositMin") {
    return Object.hasOwn(CHANGE_BOUNDS, name) ? CHANGE_BOUNDS[name] : undefined;
  }
  const part = chain.pool("bonded") / DEPOSIT_STAKE_PART;
  const now = chain.params.proposalDepositMin;
  // Down it may always go.
  return [1n, part > now ? part : now];
}

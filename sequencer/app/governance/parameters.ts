import type { ParameterChange } from "../../../proto/codec/governance-tx.ts";
import type { ParamsState } from "../../../proto/codec/weft-state.ts";
import { paramFaults } from "../params.ts";
import type { StakingReader } from "../staking/context.ts";

/** Parameters with changes, or everything that is wrong with them, one sentence each. */
export type ChangedParams =
  | { readonly params: ParamsState }
  | { readonly faults: readonly string[] };

/** Applies changes by name. The outcome as a whole keeps every bound, or nothing changes. */
export function changedParams(
  params: ParamsState,
  changes: readonly ParameterChange[],
  chain: Pick<StakingReader, "evidenceMaxAgeSeconds" | "setSizeMax">,
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
  const faults = paramFaults(outcome, chain);
  return faults.length > 0 ? { faults } : { params: outcome };
}

import { accountNumber, validatorNumber } from "../support/staking-fixtures.ts";
import type { Model } from "./model-state.ts";
import { type Draft, NUMBERS, type Step, VALIDATORS_MAX } from "./steps.ts";

const GROUNDED_BELOW = 800;
const OWN_EVERY = 3;
const RIVAL_EVERY = 4;

/** The step with a delegation, entry or validator that is there, picked by the draft's number. */
export function ground({ step, pick }: Draft, model: Model): Step {
  if (pick >= GROUNDED_BELOW) return step;
  switch (step.kind) {
    case "undelegate":
    case "withdraw":
    case "redelegate": {
      // An operator that moves stake moves it to its own validator often.
      const isHome = pick % OWN_EVERY === 0;
      const holdings = model
        .sortedValidators()
        .flatMap(({ address, delegations }) =>
          [...delegations.keys()].map((delegator) => ({ address, delegator })),
        );
      const picked = holdings[pick % holdings.length];
      if (picked === undefined) return step;
      const [n, by] = [numberOf(picked.address), numberOf(picked.delegator)];
      if (step.kind !== "redelegate") return { ...step, n, by };
      return { ...step, n, by, to: isHome && by <= VALIDATORS_MAX ? by : step.to };
    }
    case "cancel": {
      const entry = model.unbondings[pick % model.unbondings.length];
      if (entry === undefined) return step;
      const { validator, delegator, id } = entry;
      return { ...step, n: numberOf(validator), by: numberOf(delegator), entry: id };
    }
    case "delegate":
    case "slash":
    case "jail": {
      const all = model.sortedValidators();
      const picked = all[pick % all.length];
      return picked === undefined ? step : { ...step, n: numberOf(picked.address) };
    }
    case "unjail": {
      const jailed = model.sortedValidators().filter((one) => one.jailed && !one.tombstoned);
      const picked = jailed[pick % jailed.length];
      if (picked === undefined) return step;
      return { ...step, n: numberOf(picked.address), by: numberOf(picked.operator) };
    }
    case "create": {
      const missing = NUMBERS.filter(
        (n) => n <= VALIDATORS_MAX && !model.validators.has(validatorNumber(n)),
      );
      const n = missing[pick % missing.length] ?? step.n;
      const [least] = model
        .sortedValidators()
        .filter(({ status }) => status === "unbonded")
        .sort((a, b) => (a.tokens === b.tokens ? 0 : a.tokens < b.tokens ? -1 : 1));
      // Often as much as the smallest outside the set has, or a little more: it may have to give way.
      const more = pick % RIVAL_EVERY;
      return least === undefined || more > 1
        ? { ...step, n }
        : { ...step, n, self: least.tokens + BigInt(more) };
    }
    case "rate":
    case "retire":
    case "doubleSign":
    case "commission":
    case "advance":
      return step;
  }
}

function numberOf(address: string): number {
  const found = NUMBERS.find((n) => validatorNumber(n) === address || accountNumber(n) === address);
  if (found === undefined) throw new Error(`${address} is nobody of the story`);
  return found;
}

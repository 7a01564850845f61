/** Who earns what, by the spec: each by its exact part, at once. */
import { divide, fraction, multiply, subtract } from "./fraction.ts";
import type { Model, ModelValidator } from "./model-state.ts";

/** Fees of a block, all by power of the set that was told last (spec C1, F1). */
export function allocate(model: Model, proposer: string, fees: bigint): void {
  const { proposerBps, communityBps } = model.params;
  const proposing = model.validators.get(proposer);
  const toProposer = proposing === undefined ? 0n : (fees * BigInt(proposerBps)) / 10_000n;
  const toStakers = fees - toProposer - (fees * BigInt(communityBps)) / 10_000n;
  if (proposing !== undefined) earn(model, proposing, toProposer, 1n, 1n);
  const all = [...model.validators.values()];
  const total = all.reduce((sum, { power }) => sum + power, 0n);
  if (total === 0n) return;
  for (const validator of all) earn(model, validator, toStakers, validator.power, total);
}

/** `part` / `whole` of an amount: commission first, the rest by shares; nobody's when there are no tokens. */
function earn(
  model: Model,
  validator: ModelValidator,
  amount: bigint,
  part: bigint,
  whole: bigint,
): void {
  const earned = fraction(amount * part, whole);
  if (earned.top === 0n) return;
  const commission = multiply(earned, fraction(BigInt(validator.rateBps), 10_000n));
  model.earn(validator.address, commission);
  const { tokens, delegations } = validator;
  if (tokens === 0n) return;
  const rest = subtract(earned, commission);
  const total = model.shares(validator);
  for (const [delegator, shares] of delegations) {
    model.earn(`${validator.address}/${delegator}`, divide(multiply(rest, shares), total));
  }
  // A delegation earns by whole nweft, which is less than it has by up to 1, and one more for each slash.
  const lost = BigInt((delegations.size + 1) * (validator.slashes + 2));
  model.slacken(validator, (lost * earned.top) / (earned.bottom * tokens) + 1n);
}

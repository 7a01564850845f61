/** Stake that is lost, by the spec (C1 Slash, with the token budget of C2), and what jails. */
import { jailBelowMinimum, takeOut } from "./model-actions.ts";
import { type Model, type ModelUnbonding, type ModelValidator, POWER_UNIT } from "./model-state.ts";

export interface SlashTerms {
  readonly validator: string;
  /** Of the infraction. */
  readonly height: number;
  readonly power: bigint;
  readonly bps: number;
}

/** One piece of stake that has left and answers still: how much of it is due, and how to take it. */
interface Piece {
  readonly due: bigint;
  take(amount: bigint): void;
}

/**
 * Cuts what is owed, a part of the power at the infraction: first from what has left since, each by its own
 * part of what it was, then from the validator. Returns what was cut. When the pieces together come to more
 * than is owed, each gives in proportion. `isJailed`: as for `undelegate`, of any validator.
 */
export function slash(
  model: Model,
  { validator: address, height, power, bps }: SlashTerms,
  isJailed: (validator: string) => boolean,
): bigint {
  const validator = model.validator(address);
  const owed = (power * POWER_UNIT * BigInt(bps)) / 10_000n;
  const pieces = [
    ...unbondingPieces(model, address, { height, bps }),
    ...redelegationPieces(model, address, { height, bps, isJailed }),
  ];
  const dues = pieces.map(({ due }) => due);
  const cuts = inProportion(dues, owed);
  let cut = 0n;
  for (const [at, piece] of pieces.entries()) {
    const amount = cuts[at] ?? 0n;
    if (amount > 0n) piece.take(amount);
    cut += amount;
  }
  const rest = owed - cut < validator.tokens ? owed - cut : validator.tokens;
  validator.tokens -= rest;
  if (rest > 0n) validator.slashes++;
  model.slacken(validator, 1n);
  return cut + rest;
}

/** Each as much as is due, or in proportion; what rounding leaves is given by the first ones that can. */
function inProportion(dues: readonly bigint[], owed: bigint): readonly bigint[] {
  const total = dues.reduce((sum, due) => sum + due, 0n);
  if (total <= owed) return dues;
  const cuts = dues.map((due) => (due * owed) / total);
  let left = owed - cuts.reduce((sum, cut) => sum + cut, 0n);
  return cuts.map((cut, at) => {
    if (left === 0n || cut >= (dues[at] ?? 0n)) return cut;
    left--;
    return cut + 1n;
  });
}

function unbondingPieces(
  model: Model,
  address: string,
  { height, bps }: { readonly height: number; readonly bps: number },
): Piece[] {
  return model.unbondings
    .filter((entry) => entry.validator === address && answers(model, entry, height))
    .sort((a, b) =>
      a.delegator === b.delegator ? a.id - b.id : a.delegator < b.delegator ? -1 : 1,
    )
    .map((entry) => ({
      due: smaller((entry.initial * BigInt(bps)) / 10_000n, entry.balance),
      take: (amount) => {
        entry.balance -= amount;
      },
    }));
}

/** Stake that has moved on is looked for where it went: in what leaves there, then in the delegation. */
function redelegationPieces(
  model: Model,
  address: string,
  terms: {
    readonly height: number;
    readonly bps: number;
    readonly isJailed: (validator: string) => boolean;
  },
): Piece[] {
  const pieces: Piece[] = [];
  /** What earlier pieces have asked for already. */
  const spoken = new Map<ModelUnbonding | string, bigint>();
  const free = (what: ModelUnbonding | string, all: bigint): bigint =>
    all - (spoken.get(what) ?? 0n);
  const speak = (what: ModelUnbonding | string, amount: bigint): void => {
    spoken.set(what, (spoken.get(what) ?? 0n) + amount);
  };
  const moved = model.redelegations
    .filter((entry) => entry.source === address)
    .sort((a, b) => {
      const [x, y] = [a, b].map((one) => `${one.delegator}/${one.destination}`);
      return x === y ? 0 : String(x) < String(y) ? -1 : 1;
    });
  for (const entry of moved) {
    if (!answers(model, entry, terms.height)) continue;
    const { delegator, destination } = entry;
    let owing = (entry.initial * BigInt(terms.bps)) / 10_000n;
    const leaving: { readonly from: ModelUnbonding; readonly amount: bigint }[] = [];
    for (const from of model.unbondingsOf(destination, delegator)) {
      if (from.created < entry.created || from.completion <= model.now) continue;
      const amount = smaller(owing, free(from, from.balance));
      if (amount === 0n) continue;
      leaving.push({ from, amount });
      speak(from, amount);
      owing -= amount;
    }
    const receiver = model.validators.get(destination);
    const worth =
      receiver?.delegations.has(delegator) === true ? model.worth(receiver, delegator) : 0n;
    const key = `${delegator}/${destination}`;
    const delegated = smaller(owing, free(key, worth));
    speak(key, delegated);
    const due = leaving.reduce((sum, { amount }) => sum + amount, 0n) + delegated;
    pieces.push({
      due,
      take: (wanted) => {
        let left = wanted;
        for (const { from, amount } of leaving) {
          const part = smaller(left, amount);
          from.balance -= part;
          left -= part;
        }
        if (left === 0n || receiver === undefined) return;
        takeOut(model, receiver, delegator, left);
        jailBelowMinimum(model, receiver, delegator, terms.isJailed(destination));
      },
    });
  }
  return pieces;
}

function answers(
  model: Model,
  entry: { readonly through: number; readonly completion: number },
  height: number,
): boolean {
  return entry.through >= height && entry.completion > model.now;
}

/** Evidence of consensus: why nobody is punished for it, or undefined. */
export function evidenceFault(
  model: Model,
  evidence: { readonly validator: string; readonly height: number; readonly seconds: number },
): string | undefined {
  const validator = model.validators.get(evidence.validator);
  if (validator === undefined) return "VALIDATOR_UNKNOWN";
  if (validator.tombstoned) return "VALIDATOR_TOMBSTONED";
  const { evidenceMaxAgeBlocks, evidenceMaxAgeSeconds } = model.params;
  if (
    model.height - evidence.height > evidenceMaxAgeBlocks &&
    model.now - evidence.seconds > evidenceMaxAgeSeconds
  ) {
    return "EVIDENCE_TOO_OLD";
  }
  if (evidence.height < validator.created) return "EVIDENCE_NOT_IN_SET";
  return validator.status === "unbonded" ? "EVIDENCE_UNBONDED" : undefined;
}

export function tombstone(model: Model, validator: ModelValidator): void {
  model.jail(validator, model.now);
  validator.tombstoned = true;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

import { bytesEqual } from "../../proto/bytes.ts";
import { assert } from "../../proto/errors.ts";
import type { ValidatorSet } from "../../proto/types.ts";
import { VALIDATORS_MAX } from "./limits.ts";

/** Who may vote at a height and with what power; shared by all vote sets of the height. */
export interface Electorate {
  readonly size: number;
  readonly addresses: readonly Uint8Array[];
  readonly powers: readonly bigint[];
  readonly total: bigint;
  /** Least power that is more than two thirds (spec §9.1). */
  readonly quorum: bigint;
}

export function createElectorate(set: ValidatorSet): Electorate {
  const count = set.validators.length;
  assert(count > 0 && count <= VALIDATORS_MAX, `expected 1 to ${VALIDATORS_MAX}, got ${count}`);
  return {
    size: count,
    addresses: set.validators.map((validator) => validator.address),
    powers: set.validators.map((validator) => validator.votingPower),
    total: set.totalVotingPower,
    quorum: (set.totalVotingPower * 2n) / 3n + 1n,
  };
}

/** Index of an address, -1 when it is not in the set. */
export function indexOfAddress(electorate: Electorate, address: Uint8Array | undefined): number {
  if (address === undefined) return -1;
  return electorate.addresses.findIndex((other) => bytesEqual(other, address));
}

/**
 * Branded primitives: values that must not be swapped by mistake.
 * Each brand is made only by the checking constructor of the same name.
 */
declare const brand: unique symbol;
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Height of a block: a safe integer >= 0; 0 means "before the first block". */
export type Height = Brand<number, "Height">;
export function Height(value: number): Height {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`a height is a safe integer >= 0, got ${value}`);
  }
  return value as Height;
}

/** Round of a height: an int32 >= -1; -1 means "none" (valid round, locked round, POL round). */
export type Round = Brand<number, "Round">;
export function Round(value: number): Round {
  if (!Number.isInteger(value) || value < -1 || value > 0x7fffffff) {
    throw new RangeError(`a round is an int32 >= -1, got ${value}`);
  }
  return value as Round;
}

/** Id of a p2p node: 40 lower-case hex characters of its ed25519 address (spec §1). */
export type NodeId = Brand<string, "NodeId">;
export function NodeId(value: string): NodeId {
  if (!/^[0-9a-f]{40}$/.test(value)) {
    throw new RangeError(`a node id is 40 lower-case hex characters, got ${JSON.stringify(value)}`);
  }
  return value as NodeId;
}

/** Id of a rollup: SHA-256 of its name, 64 lower-case hex characters. */
export type RollupId = Brand<string, "RollupId">;
export function RollupId(value: string): RollupId {
  if (!/^[0-9a-f]{64}$/.test(value)) {
    throw new RangeError(
      `a rollup id is 64 lower-case hex characters, got ${JSON.stringify(value)}`,
    );
  }
  return value as RollupId;
}

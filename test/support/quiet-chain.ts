/** A chain of which few blocks hold anything for a rollup, for streams that leave the others out. */
import { type BuiltBlock, buildChain, testGenesis, testKeys } from "./chain-builder.ts";
import { ALPHA, BETA, dataItem, DELTA, withManifest } from "./sealed-chain.ts";

export const QUIET_CHAIN_HEIGHT = 70;
/** The first block that the fifth validator signs. */
export const QUIET_SET_CHANGE = 48;
/** Heights at which they have data. All others of the chain hold something of delta, or nothing at all. */
export const QUIET_HEIGHTS = { alpha: [5, 40, 41], beta: [20, 41] } as const;

export function buildQuietChain(): readonly BuiltBlock[] {
  const keys = testKeys(5);
  const [newcomer] = keys.slice(4);
  if (newcomer === undefined) throw new Error("expected five keys");
  const has = (heights: readonly number[], height: number): boolean => heights.includes(height);
  return buildChain(
    keys,
    QUIET_CHAIN_HEIGHT,
    testGenesis(keys.slice(0, 4)),
    (height) =>
      withManifest([
        ...(has(QUIET_HEIGHTS.alpha, height) ? [dataItem(ALPHA, `a${height}`)] : []),
        ...(has(QUIET_HEIGHTS.beta, height) ? [dataItem(BETA, `b${height}`)] : []),
        ...(height % 3 === 0 ? [dataItem(DELTA, `d${height}`)] : []),
      ]),
    (height) => ({
      validatorUpdates:
        height === QUIET_SET_CHANGE - 2 ? [{ publicKey: newcomer.publicKey, power: 10n }] : [],
    }),
  );
}

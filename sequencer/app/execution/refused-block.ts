import type { CodeName, Failure } from "../codes.ts";

/**
 * Which rule of a block is broken (spec/mev.md B4, as docs/adr/0018 has it).
 *
 * P1: the injected commit. P2 (with P3): nothing stands in lane FORCED. P4: openings. P5 (with P6): the
 * manifest, and with it winners of auctions, prices and orders. P7: what is due stands in OBLIGATED. P8:
 * bundles, and what executors say of them. P9: lanes, shares, quotas, nonces and ids. P10: order by price. P11: proofs and room of sealed
 * items, bids. TX: anything else that a transaction has to be (bytes, signature, fee, duties).
 */
export type BlockCheck = "P1" | "P2" | "P4" | "P5" | "P7" | "P8" | "P9" | "P10" | "P11" | "TX";

/** A block that no honest proposer makes. */
export interface RefusedBlock {
  readonly kind: "refused";
  readonly check: BlockCheck;
  /** Of the rule, or of a transaction (`CODES`). */
  readonly code: string;
  /** What was expected, what came, and which item. */
  readonly reason: string;
}

export function refused(check: BlockCheck, code: string, reason: string): RefusedBlock {
  return { kind: "refused", check, code, reason };
}

/** Because of one of its items. */
export function refusedItem(
  index: number,
  { code, reason }: Failure,
  isStrict = false,
): RefusedBlock {
  return refused(checkOfFault(code, isStrict), code, `item ${index}: ${reason}`);
}

/** One line for logs, votes and people. */
export function refusalText({ check, code, reason }: RefusedBlock): string {
  return `${check} ${code}: ${reason}`;
}

/** The block's check that a transaction's fault belongs to. `isStrict`: the transaction is (`ActionRules.isStrict`). */
export function checkOfFault(code: CodeName, isStrict: boolean): BlockCheck {
  if (code === "TX_PROOF" || code === "SEAL_FULL") return "P11";
  for (const [prefix, check] of CHECKS_OF_PREFIXES) if (code.startsWith(prefix)) return check;
  // Of a sealed bundle or a bid: what it is sealed for. Of others: duties about keys.
  return isStrict && code.startsWith("SEAL_") ? "P11" : "TX";
}

const CHECKS_OF_PREFIXES: readonly (readonly [prefix: string, check: BlockCheck])[] = [
  ["NONCE_", "P9"],
  ["UNORDERED_", "P9"],
  ["BUNDLE_", "P8"],
  ["ATOMIC_", "P8"],
  ["EXECUTOR_", "P8"],
  ["BID_", "P11"],
];

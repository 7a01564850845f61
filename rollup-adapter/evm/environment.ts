/**
 * Where a rollup block's environment comes from: the port, and the two sources there are. The
 * executor asks once per sequencer block that carries payloads, so a source also decides whether
 * the payloads become a block now or wait for those of further sequencer blocks.
 */
import type { Height } from "../../proto/brands.ts";
import { copyBytes } from "../../proto/bytes.ts";
import type { Timestamp } from "../../proto/types.ts";

/** A validator withdrawal of the consensus layer; only replays of other chains have them. */
export interface Withdrawal {
  readonly index: bigint;
  readonly validatorIndex: bigint;
  /** 20 bytes. */
  readonly address: Uint8Array;
  readonly amountGwei: bigint;
}

/** Everything the EVM may ask about the block it runs in. Hashes are 32 bytes. */
export interface BlockEnvironment {
  readonly number: number;
  readonly timestampSeconds: bigint;
  /** Receives the tips, 20 bytes. */
  readonly feeRecipient: Uint8Array;
  readonly gasLimit: bigint;
  readonly baseFeePerGas: bigint;
  /** What PREVRANDAO returns (EIP-4399). */
  readonly prevRandao: Uint8Array;
  readonly parentBeaconBlockRoot: Uint8Array;
  readonly excessBlobGas: bigint;
  /** At most 32 bytes. */
  readonly extraData: Uint8Array;
  readonly withdrawals: readonly Withdrawal[];
}

/** What a source may know of the block below. */
export interface ParentBlock {
  readonly number: number;
  readonly hash: Uint8Array;
  readonly timestampSeconds: bigint;
  readonly gasLimit: bigint;
  readonly gasUsed: bigint;
  readonly baseFeePerGas: bigint;
}

export interface EnvironmentInput {
  readonly parent: ParentBlock;
  readonly sequencerBlockHash: Uint8Array;
  readonly sequencerHeight: Height;
  /** BFT time of the sequencer block. */
  readonly timestamp: Timestamp;
  /** Payloads at hand, those gathered before included; at least one. */
  readonly payloads: readonly Uint8Array[];
}

export type EnvironmentDecision =
  | { readonly kind: "execute"; readonly environment: BlockEnvironment }
  /** Keep the payloads; they belong to a block that is not complete yet. */
  | { readonly kind: "gather" }
  /** This chain has no further block. */
  | { readonly kind: "halt"; readonly reason: string };

/** Must be a pure function of its input: every node of a rollup has to decide the same. */
export interface EnvironmentSource {
  next(input: EnvironmentInput): EnvironmentDecision;
}

/** How the base fee moves (EIP-1559). */
export interface BaseFeeRule {
  /** Base fee of the first block after genesis, wei. */
  readonly initial: bigint;
  /** The base fee never falls below this, wei. */
  readonly minimum: bigint;
  /** Gas limit divided by gas target. */
  readonly elasticity: bigint;
  /** The base fee changes by at most 1/this per block. */
  readonly changeDenominator: bigint;
}

/** Base fee of the block after `parent` (EIP-1559, "Specification"), with a floor. */
export function nextBaseFee(parent: ParentBlock, rule: BaseFeeRule): bigint {
  if (parent.number === 0) return atLeast(rule.initial, rule.minimum);
  const target = parent.gasLimit / rule.elasticity;
  const base = parent.baseFeePerGas;
  if (target === 0n || parent.gasUsed === target) return atLeast(base, rule.minimum);
  if (parent.gasUsed > target) {
    const rise = (base * (parent.gasUsed - target)) / target / rule.changeDenominator;
    return atLeast(base + atLeast(rise, 1n), rule.minimum);
  }
  const fall = (base * (target - parent.gasUsed)) / target / rule.changeDenominator;
  return atLeast(base - fall, rule.minimum);
}

/**
 * The environment of a rollup that follows a sequencer: one block per sequencer block that carries
 * payloads.
 *
 * - timestamp: whole seconds of BFT time, but never below the parent's. Blocks of one second share a
 *   timestamp; BFT time itself never runs backwards, so the guard only matters after genesis.
 * - PREVRANDAO and the parent beacon block root are the hash of the sequencer block. The root makes
 *   every rollup block name the block that ordered it, on chain too (EIP-4788). As randomness it is
 *   what its proposer let it be: good for nothing that is worth a proposer's while.
 */
export function createSequencedEnvironmentSource(options: {
  readonly gasLimit: bigint;
  readonly baseFee: BaseFeeRule;
  readonly feeRecipient: Uint8Array;
}): EnvironmentSource {
  return {
    next(input) {
      const seconds = input.timestamp.seconds;
      const hash = copyBytes(input.sequencerBlockHash);
      return {
        kind: "execute",
        environment: {
          number: input.parent.number + 1,
          timestampSeconds: atLeast(seconds, input.parent.timestampSeconds),
          feeRecipient: options.feeRecipient,
          gasLimit: options.gasLimit,
          baseFeePerGas: nextBaseFee(input.parent, options.baseFee),
          prevRandao: hash,
          parentBeaconBlockRoot: hash,
          excessBlobGas: 0n,
          extraData: new Uint8Array(0),
          withdrawals: [],
        },
      };
    },
  };
}

/**
 * One block whose environment is given: a known block of another chain is executed again from
 * payloads that the network ordered. Payloads are gathered, over as many sequencer blocks as it
 * takes, until they are complete; after that block the chain halts.
 */
export function createPinnedEnvironmentSource(options: {
  readonly environment: BlockEnvironment;
  /** Whether nothing is missing any more; a pure function. */
  readonly isComplete: (payloads: readonly Uint8Array[]) => boolean;
}): EnvironmentSource {
  const { environment, isComplete } = options;
  return {
    next(input) {
      if (input.parent.number !== environment.number - 1) {
        return {
          kind: "halt",
          reason: `the pinned environment is that of block ${environment.number}, the head is ${input.parent.number}`,
        };
      }
      return isComplete(input.payloads) ? { kind: "execute", environment } : { kind: "gather" };
    },
  };
}

function atLeast(value: bigint, minimum: bigint): bigint {
  return value < minimum ? minimum : value;
}

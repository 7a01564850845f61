/**
 * Attacks on light clients (spec/cometbft-v0.38.md §11.4): what kind one is, who took part, and
 * whether evidence of one holds. Whoever makes such evidence and whoever checks it use the same rule.
 */
import type { Height } from "../brands.ts";
import { bytesEqual, EMPTY_BYTES, toHex } from "../bytes.ts";
import { headerHash } from "../hashes.ts";
import { compareTime } from "../time.ts";
import {
  BlockIdFlag,
  type Header,
  type LightBlock,
  type LightClientAttackEvidence,
  type SignedHeader,
  type Validator,
  type ValidatorSet,
} from "../types.ts";
import { compareValidators, validatorAddress } from "../validator-set.ts";
import {
  ONE_THIRD,
  verifyCommitLightAllSignaturesAsync,
  verifyCommitLightTrustingAllSignaturesAsync,
} from "./commit.ts";
import type { SignatureVerifier } from "./ed25519.ts";

/**
 * How light clients were attacked: with a header that no correct execution yields, with two blocks of
 * one round, or with blocks of different rounds.
 */
export type LightClientAttackKind = "lunatic" | "equivocation" | "amnesia";

export interface LightClientAttack {
  readonly kind: LightClientAttackKind;
  /** By power, most first, then by address. Of amnesia nobody can be told from the commits alone. */
  readonly byzantineValidators: readonly Validator[];
}

/** What evidence of an attack is held against: blocks that the judge trusts. */
export interface TrustedChain {
  readonly chainId: string;
  readonly commonHeight: Height;
  /** The set of the common height. */
  readonly commonValidators: ValidatorSet;
  /**
   * Header and commit of the conflicting block's height; of the last height when the chain has not
   * reached that height yet.
   */
  readonly trusted: SignedHeader;
}

/** Whether a header differs where correct execution leaves no choice: then the attack is lunatic. */
export function isHeaderForged(conflicting: Header, trusted: Header): boolean {
  return !(
    bytesEqual(trusted.validatorsHash, conflicting.validatorsHash) &&
    bytesEqual(trusted.nextValidatorsHash, conflicting.nextValidatorsHash) &&
    bytesEqual(trusted.consensusHash, conflicting.consensusHash) &&
    bytesEqual(trusted.appHash, conflicting.appHash) &&
    bytesEqual(trusted.lastResultsHash, conflicting.lastResultsHash)
  );
}

/** What kind of attack a conflicting block is, and who took part (`types/evidence.go`). */
export function classifyAttack(
  conflicting: LightBlock,
  commonValidators: ValidatorSet,
  trusted: SignedHeader,
): LightClientAttack {
  const { header, commit } = conflicting.signedHeader;
  if (isHeaderForged(header, trusted.header)) {
    const signers = signersOf(conflicting.signedHeader, () => true);
    return { kind: "lunatic", byzantineValidators: membersOf(commonValidators, signers) };
  }
  if (trusted.commit.round === commit.round) {
    // Both headers have one validator set, so that entries stand at the same places.
    const signedBoth = (i: number) =>
      trusted.commit.signatures[i]?.blockIdFlag === BlockIdFlag.COMMIT;
    const signers = signersOf(conflicting.signedHeader, signedBoth);
    return {
      kind: "equivocation",
      byzantineValidators: membersOf(conflicting.validatorSet, signers),
    };
  }
  return { kind: "amnesia", byzantineValidators: [] };
}

/**
 * Evidence that `conflicting` was shown to a light client that, from `common` on, followed the chain
 * of `trusted`, which is at the conflicting block's height or the last below it.
 */
export function makeLightClientAttackEvidence(
  conflicting: LightBlock,
  trusted: LightBlock,
  common: LightBlock,
): LightClientAttackEvidence {
  const isForged = isHeaderForged(conflicting.signedHeader.header, trusted.signedHeader.header);
  // A correctly derived header was made by the set of its own height: nothing lies further back.
  const origin = isForged ? common : trusted;
  const { byzantineValidators } = classifyAttack(
    conflicting,
    common.validatorSet,
    trusted.signedHeader,
  );
  return {
    kind: "lightClientAttack",
    conflictingBlock: conflicting,
    commonHeight: origin.signedHeader.header.height,
    byzantineValidators,
    totalVotingPower: origin.validatorSet.totalVotingPower,
    timestamp: origin.signedHeader.header.time,
  };
}

/**
 * Why evidence that a stranger sent needs no further look; undefined when it does. It may name thousands of
 * validators, whose set takes long to hash: first the validators that we know must have signed it, or be
 * the very set that it names. Nobody else gets further. Not yet held against `validateEvidence`.
 */
export async function findStrangerFault(
  { conflictingBlock }: LightClientAttackEvidence,
  { chainId, commonHeight, commonValidators }: Omit<TrustedChain, "trusted">,
  verifier: SignatureVerifier,
): Promise<string | undefined> {
  const { signedHeader, validatorSet } = conflictingBlock;
  const { header, commit } = signedHeader;
  const known = commonValidators.validators;
  if (commit.signatures.length !== validatorSet.validators.length) {
    return `a commit of ${commit.signatures.length} for ${validatorSet.validators.length} validators`;
  }
  if (header.height === commonHeight) {
    const isOurs =
      validatorSet.validators.length === known.length &&
      validatorSet.validators.every(({ address }, i) =>
        bytesEqual(address, known[i]?.address ?? EMPTY_BYTES),
      );
    return isOurs ? undefined : "the conflicting block names other validators than its height has";
  }
  const verdict = await verifyCommitLightTrustingAllSignaturesAsync(
    chainId,
    commonValidators,
    commit,
    ONE_THIRD,
    verifier,
  );
  return verdict.isValid ? undefined : `the common validators did not sign it: ${verdict.message}`;
}

/**
 * Why evidence does not hold; undefined when it does. It has passed `validateEvidence`; its age and its
 * time are the caller's. What costs nothing is decided first, signatures last, and the first that does
 * not verify ends it.
 */
export async function findAttackFault(
  evidence: LightClientAttackEvidence,
  chain: TrustedChain,
  verifier: SignatureVerifier,
): Promise<string | undefined> {
  const { signedHeader, validatorSet } = evidence.conflictingBlock;
  const { header, commit } = signedHeader;
  const { chainId, commonValidators, trusted } = chain;
  const cheapFault =
    headerFault(header, chain) ??
    powerFault(evidence, commonValidators) ??
    membersFault(evidence, classifyAttack(evidence.conflictingBlock, commonValidators, trusted));
  if (cheapFault !== undefined) return cheapFault;
  if (chain.commonHeight !== header.height) {
    const verdict = await verifyCommitLightTrustingAllSignaturesAsync(
      chainId,
      commonValidators,
      commit,
      ONE_THIRD,
      verifier,
    );
    if (!verdict.isValid) {
      return `the common validators did not sign the conflicting block: ${verdict.message}`;
    }
  }
  const verdict = await verifyCommitLightAllSignaturesAsync(
    { chainId, validators: validatorSet, blockId: commit.blockId, height: header.height },
    commit,
    verifier,
  );
  return verdict.isValid ? undefined : `the conflicting block's commit: ${verdict.message}`;
}

function headerFault(header: Header, { trusted, commonHeight }: TrustedChain): string | undefined {
  if (commonHeight === header.height && isHeaderForged(header, trusted.header)) {
    return "the conflicting block stands at the common height, but is not correctly derived";
  }
  if (header.height > trusted.header.height) {
    if (compareTime(header.time, trusted.header.time) > 0) {
      return "the conflicting block is higher and later than our last: its time breaks no rule";
    }
    return undefined;
  }
  return bytesEqual(headerHash(trusted.header), headerHash(header))
    ? "the conflicting block is ours"
    : undefined;
}

function powerFault(
  { totalVotingPower }: LightClientAttackEvidence,
  commonValidators: ValidatorSet,
): string | undefined {
  const expected = commonValidators.totalVotingPower;
  return totalVotingPower === expected
    ? undefined
    : `expected total power ${expected}, got ${totalVotingPower}`;
}

function membersFault(
  { byzantineValidators: named }: LightClientAttackEvidence,
  { byzantineValidators: found }: LightClientAttack,
): string | undefined {
  if (found.length !== named.length) {
    return `expected ${found.length} byzantine validators, got ${named.length}`;
  }
  for (const [i, { address, votingPower }] of found.entries()) {
    const got = named[i];
    if (got === undefined || !bytesEqual(got.address, address)) {
      return `expected byzantine validator ${toHex(address)} at place ${i}`;
    }
    if (got.votingPower !== votingPower) {
      return `expected power ${votingPower} of ${toHex(address)}, got ${got.votingPower}`;
    }
    // The application is told the address of the key: another key would blame another validator.
    if (!bytesEqual(validatorAddress(got.publicKey), address)) {
      return `the key of ${toHex(address)} is another validator's`;
    }
  }
  return undefined;
}

function signersOf(
  { commit }: SignedHeader,
  isCounted: (index: number) => boolean,
): readonly Uint8Array[] {
  const signers: Uint8Array[] = [];
  for (const [i, { blockIdFlag, validatorAddress: address }] of commit.signatures.entries()) {
    if (blockIdFlag === BlockIdFlag.COMMIT && isCounted(i)) signers.push(address);
  }
  return signers;
}

function membersOf(set: ValidatorSet, addresses: readonly Uint8Array[]): readonly Validator[] {
  const byAddress = new Map(set.validators.map((v) => [toHex(v.address), v]));
  return addresses
    .flatMap((address) => byAddress.get(toHex(address)) ?? [])
    .toSorted(compareValidators);
}

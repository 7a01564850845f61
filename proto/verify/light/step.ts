/**
 * One step of the light client (spec/cometbft-v0.38.md §18): whether a new header follows from a
 * trusted one. Pure: time is an input.
 */
import { bytesEqual } from "../../bytes.ts";
import { faultOf } from "../../errors.ts";
import { headerHash } from "../../hashes.ts";
import { addNanos, compareTime } from "../../time.ts";
import type { Header, LightBlock, Timestamp, ValidatorSet } from "../../types.ts";
import { validateSignedHeader } from "../../validate-basic.ts";
import { validatorSetHash } from "../../validator-set.ts";
import {
  verifyCommitLightAsync,
  verifyCommitLightTrustingAsync,
  type CommitFault,
  type TrustLevel,
} from "../commit.ts";
import type { SignatureVerifier } from "../ed25519.ts";

/** What is trusted so far. */
export interface TrustedState {
  readonly header: Header;
  /**
   * The set that may vouch for later headers: the header's next validators, as tendermint-rs and IBC
   * take them, or its own set, as Go takes it. Only non-adjacent steps read it.
   */
  readonly validators: ValidatorSet;
}

/** What a step needs to know. */
export interface StepOptions {
  /** How much of the trusted set must have signed a header that is not the next one. */
  readonly trustLevel: TrustLevel;
  /** How long a header may be relied upon, in nanoseconds. */
  readonly trustingPeriodNanos: bigint;
  /** How far a header may be ahead of `now`, in nanoseconds. */
  readonly maxClockDriftNanos: bigint;
}

/** Why a header is wrong whatever else may come. */
export type StepFault =
  | CommitFault
  /** The header or its commit is not valid by itself, or is of another chain. */
  | "LIGHT_INVALID_HEADER"
  /** The height is not above the trusted one. */
  | "LIGHT_WRONG_HEIGHT"
  /** The time is not after the trusted one. */
  | "LIGHT_WRONG_TIME"
  /** The time is ahead of the clock by more than the drift allowed. */
  | "LIGHT_FROM_FUTURE"
  /** The validator set is not the header's. */
  | "LIGHT_WRONG_VALIDATORS"
  /** The next height has other validators than the trusted header announced. */
  | "LIGHT_WRONG_NEXT_VALIDATORS"
  /** The hash is not the one that the trusted header links to. */
  | "LIGHT_WRONG_LINK";

export type StepVerdict =
  | { readonly kind: "verified" }
  /** The trusted header is too old to rely upon: the operator must supply a newer one. */
  | { readonly kind: "expired" }
  /** Too little of the trusted set signed: try a header in between. */
  | { readonly kind: "notEnoughTrust" }
  | { readonly kind: "invalid"; readonly fault: StepFault; readonly message: string };

/**
 * Verifies `untrusted` against what is trusted, at the time `now`. The signatures are checked in two
 * batches, without holding the loop.
 */
export async function verifyLightBlock(
  trusted: TrustedState,
  untrusted: LightBlock,
  now: Timestamp,
  options: StepOptions,
  verifier: SignatureVerifier,
): Promise<StepVerdict> {
  const { header, commit } = untrusted.signedHeader;
  if (isExpired(trusted.header, now, options.trustingPeriodNanos)) return { kind: "expired" };
  const problem = checkNewHeader(trusted.header, untrusted, now, options);
  if (problem !== undefined) return problem;

  const { chainId } = trusted.header;
  if (header.height === trusted.header.height + 1) {
    if (!bytesEqual(header.validatorsHash, trusted.header.nextValidatorsHash)) {
      return invalid("LIGHT_WRONG_NEXT_VALIDATORS", "not the validators announced before");
    }
  } else {
    const level = options.trustLevel;
    const { validators } = trusted;
    const verdict = await verifyCommitLightTrustingAsync(
      chainId,
      validators,
      commit,
      level,
      verifier,
    );
    if (!verdict.isValid) {
      return verdict.fault === "COMMIT_NOT_ENOUGH_POWER"
        ? { kind: "notEnoughTrust" }
        : invalid(verdict.fault, verdict.message);
    }
  }
  return verifyOwnCommit(untrusted, chainId, verifier);
}

/** Whether more than 2/3 of the block's own validators signed it. */
export async function verifyOwnCommit(
  { signedHeader: { header, commit }, validatorSet: validators }: LightBlock,
  chainId: string,
  verifier: SignatureVerifier,
): Promise<StepVerdict> {
  const context = { chainId, validators, blockId: commit.blockId, height: header.height };
  const verdict = await verifyCommitLightAsync(context, commit, verifier);
  return verdict.isValid ? { kind: "verified" } : invalid(verdict.fault, verdict.message);
}

/** Verifies the header just below a trusted one, by its hash. */
export function verifyBackwards(untrusted: Header, trusted: Header): StepVerdict {
  if (untrusted.chainId !== trusted.chainId) {
    return invalid(
      "LIGHT_INVALID_HEADER",
      `header of chain ${JSON.stringify(untrusted.chainId)}, expected ${JSON.stringify(trusted.chainId)}`,
    );
  }
  if (compareTime(untrusted.time, trusted.time) >= 0) {
    return invalid("LIGHT_WRONG_TIME", "an earlier header has a later time");
  }
  return bytesEqual(headerHash(untrusted), trusted.lastBlockId.hash)
    ? { kind: "verified" }
    : invalid("LIGHT_WRONG_LINK", "not the header that the trusted one links to");
}

/** Whether a header is too old to rely upon. */
export function isExpired(header: Header, now: Timestamp, trustingPeriodNanos: bigint): boolean {
  return compareTime(addNanos(header.time, trustingPeriodNanos), now) <= 0;
}

function checkNewHeader(
  trusted: Header,
  untrusted: LightBlock,
  now: Timestamp,
  options: StepOptions,
): StepVerdict | undefined {
  const { header } = untrusted.signedHeader;
  const malformed = faultOf(() => validateSignedHeader(untrusted.signedHeader, trusted.chainId));
  if (malformed !== undefined) return invalid("LIGHT_INVALID_HEADER", malformed);
  if (header.height <= trusted.height) {
    return invalid("LIGHT_WRONG_HEIGHT", `height ${header.height} after ${trusted.height}`);
  }
  if (compareTime(header.time, trusted.time) <= 0) {
    return invalid("LIGHT_WRONG_TIME", "the time is not after the trusted header's");
  }
  if (compareTime(header.time, addNanos(now, options.maxClockDriftNanos)) >= 0) {
    return invalid("LIGHT_FROM_FUTURE", "the time is ahead of the clock");
  }
  if (!bytesEqual(header.validatorsHash, validatorSetHash(untrusted.validatorSet))) {
    return invalid("LIGHT_WRONG_VALIDATORS", "the validator set is not the header's");
  }
  return undefined;
}

function invalid(fault: StepFault, message: string): StepVerdict {
  return { kind: "invalid", fault, message };
}

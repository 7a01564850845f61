/**
 * Follows the chain by its headers alone (StreamHeaders): from a trusted height or the genesis on, through every change of
 * the validator set. What blocks hold is then verified where it is needed, under a header's data_hash
 * (`proto/verify/inclusion.ts`).
 */
import type { Height } from "../../proto/brands.ts";
import {
  headerUpdate,
  type HeaderUpdate as WireHeaderUpdate,
} from "../../proto/grpc/header-update.ts";
import type { Header, SignedHeader, ValidatorSet } from "../../proto/types.ts";
import type { SignatureVerifier } from "../../proto/verify/ed25519.ts";
import { createHeaderChain, type TrustedState, type VerifiedHeader } from "./header-chain.ts";
import { decodeHeaderAlone, decodeSignedSet, malformed, orMalformed } from "./rollup-block.ts";
import { refuse } from "./verify-error.ts";

/** A message of StreamHeaders: form only, a follower checks truth. */
export interface HeaderUpdate {
  readonly height: Height;
  readonly signedHeader: SignedHeader;
  /** Set of this height; undefined when it is that of the message before. */
  readonly validatorSet: ValidatorSet | undefined;
  /** Those below it that came without a commit. */
  readonly headers: readonly Header[];
}

export interface FollowedHeader extends VerifiedHeader {
  /** Those below it that came without a commit, ascending: true because this one's parents lead to them. */
  readonly before: readonly VerifiedHeader[];
  /** The set that has signed. */
  readonly validators: ValidatorSet;
  /** Trust after this header. */
  readonly trusted: TrustedState;
}

export interface HeaderFollower {
  trusted(): TrustedState;
  /** Verifies the next message and moves trust to it; one that is refused changes nothing. @throws WeftError<VerifyErrorInfo> */
  verify(update: HeaderUpdate): Promise<FollowedHeader>;
}

/** @param initial where trust begins: a state from a trusted source, or from the genesis file */
export function createHeaderFollower(
  initial: TrustedState,
  signatures: SignatureVerifier,
): HeaderFollower {
  const chain = createHeaderChain(initial, signatures);
  return {
    trusted: () => chain.trusted(),
    async verify({ height, signedHeader, validatorSet, headers }) {
      const last = chain.lastHeight();
      try {
        if (height - headers.length !== last + 1) {
          const reason = `expected height ${last + 1}, got message ${height - headers.length}`;
          refuse({ code: "VERIFY_HEIGHT" }, reason);
        }
        const { header, hash, skipped, validators } = await chain.next(
          signedHeader,
          validatorSet,
          headers,
        );
        chain.advance();
        return { header, hash, before: skipped, validators, trusted: chain.trusted() };
      } catch (refusal) {
        chain.forgetAbove(last);
        throw refusal;
      }
    },
  };
}

/**
 * A message of StreamHeaders as it came. @param hasSparseCommits whether headers without commits were asked for
 * @throws WeftError<StreamErrorInfo>
 */
export function readHeaderUpdate(bytes: Buffer, hasSparseCommits: boolean): HeaderUpdate {
  const message = orMalformed(() => headerUpdate.decode(bytes));
  if (!hasSparseCommits && message.headers.length > 0) {
    throw malformed(`expected a commit with every header, ${message.headers.length} have none`);
  }
  return decodeHeaderUpdate(message);
}

/** @throws WeftError<StreamErrorInfo> */
export function decodeHeaderUpdate(message: WireHeaderUpdate): HeaderUpdate {
  if (message.headers.length >= message.height) {
    throw malformed(`${message.headers.length} headers are said to be below ${message.height}`);
  }
  return orMalformed(() => ({
    height: message.height,
    ...decodeSignedSet(message),
    headers: message.headers.map(decodeHeaderAlone),
  }));
}

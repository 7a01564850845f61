/**
 * The headers that a rollup believes, each from the one below: same chain, next height, parent hash, a
 * later time, the validator set that the parent announced, and signatures of more than 2/3 of its power, all of them good. Those
 * of blocks that fill sealed entries are looked at before their own blocks are; each is verified once.
 */
import { Height } from "../../proto/brands.ts";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { encodeCommit } from "../../proto/codec/votes.ts";
import { assert } from "../../proto/errors.ts";
import { headerHash } from "../../proto/hashes.ts";
import { compareTime, formatTime } from "../../proto/time.ts";
import type { Commit, Header, SignedHeader, Timestamp, ValidatorSet } from "../../proto/types.ts";
import { validatorSetHash } from "../../proto/validator-set.ts";
import { verifyCommitAsync } from "../../proto/verify/commit.ts";
import type { SignatureVerifier } from "../../proto/verify/ed25519.ts";
import { HEADERS_AHEAD_MAX } from "../limits.ts";
import { refuse } from "./verify-error.ts";

/** What is believed before the next block is looked at. */
export interface TrustedState {
  readonly chainId: string;
  /** Height of the last verified block; initial height - 1 before the first. */
  readonly height: Height;
  /** Hash of its header; undefined before the first block of the chain. */
  readonly blockHash: Uint8Array | undefined;
  /** Its time; undefined before the first block. */
  readonly time: Timestamp | undefined;
  /** Hash of the set that signs the next block. */
  readonly nextValidatorsHash: Uint8Array;
}

export interface VerifiedHeader {
  readonly header: Header;
  readonly hash: Uint8Array;
}

interface KnownSet {
  readonly set: ValidatorSet;
  readonly hash: Uint8Array;
}

interface BelievedHeader extends VerifiedHeader {
  /** Undefined of a header that came without one: it is believed with the signed one above it. */
  readonly commit: Commit | undefined;
  /** Undefined as long as no set of a stream is known. */
  readonly validators: KnownSet | undefined;
}

export interface NextHeader extends VerifiedHeader {
  /** The headers that were skipped, with their hashes. */
  readonly skipped: readonly VerifiedHeader[];
  /** The set that has signed. */
  readonly validators: ValidatorSet;
}

export interface HeaderChain {
  /** After the last `advance`. */
  trusted(): TrustedState;
  /**
   * The header one above the trusted state, or above `skipped`, which has no commits and follows the trusted state without
   * gap. `sent`: the set that came with it; undefined: that of the header before. Unless `forgetAbove` follows a
   * refusal, what was skipped is believed without a signature. @throws WeftError<VerifyErrorInfo>
   */
  next(
    signedHeader: SignedHeader,
    sent: ValidatorSet | undefined,
    skipped?: readonly Header[],
  ): Promise<NextHeader>;
  /** The header above all that are believed. @throws WeftError<VerifyErrorInfo> */
  follow(signedHeader: SignedHeader, sent: ValidatorSet | undefined): Promise<void>;
  /** A header above the trusted one that is believed. */
  ahead(height: Height): VerifiedHeader | undefined;
  /** Last height of a believed header. */
  lastHeight(): Height;
  /** Forgets headers above a height: what came with them is not believed. */
  forgetAbove(height: Height): void;
  /** Trusts what `next` gave: its block has been verified. */
  advance(): void;
}

export function createHeaderChain(
  initial: TrustedState,
  signatures: SignatureVerifier,
): HeaderChain {
  let trusted = initial;
  /** Set of the trusted header; undefined until one came. */
  let lastSet: KnownSet | undefined;
  /** Ascending, without gap after the trusted one. */
  const headersAhead = new Map<number, BelievedHeader>();
  /** Height of the header that `next` gave last. */
  let nextHeight = initial.height;

  /** The last header that is believed: its state, and the set that is known there. */
  function top(): { readonly below: TrustedState; readonly set: KnownSet | undefined } {
    if (headersAhead.size >= HEADERS_AHEAD_MAX) {
      refuse(
        { code: "VERIFY_HEIGHT" },
        `${HEADERS_AHEAD_MAX} headers are ahead of block ${trusted.height} already`,
      );
    }
    const last = headersAhead.get(trusted.height + headersAhead.size);
    return last === undefined
      ? { below: trusted, set: lastSet }
      : { below: stateOf(last), set: last.validators };
  }

  async function follow(
    { header, commit }: SignedHeader,
    sent: ValidatorSet | undefined,
  ): Promise<BelievedHeader & { readonly validators: KnownSet }> {
    const { below, set } = top();
    const hash = checkForm(below, header, commit);
    checkLink(below, header);
    const validators = selectSet(set, sent, header);
    await checkCommit(header, commit, validators);
    const believed = { header, commit, hash, validators };
    headersAhead.set(header.height, believed);
    return believed;
  }

  /**
   * A header that nobody's signature came with. What makes it true is the signed header above it, which names it as its
   * parent: as long as both are of the set that was trusted before. So it may not announce another one.
   */
  function skip(header: Header): VerifiedHeader {
    const height = Height(nextHeight + 1);
    const known = headersAhead.get(height);
    const hash = headerHash(header);
    if (known === undefined) {
      const { below, set } = top();
      checkChain(below, header);
      checkLink(below, header);
      headersAhead.set(header.height, { header, commit: undefined, hash, validators: set });
    } else {
      checkChain({ ...trusted, height: nextHeight }, header);
      checkSame(known, hash);
    }
    if (!bytesEqual(header.validatorsHash, header.nextValidatorsHash)) {
      refuse(
        { code: "VERIFY_VALIDATORS" },
        `the validator set changes after block ${height}, and nobody's signature came with it`,
      );
    }
    nextHeight = height;
    return { header, hash };
  }

  /** A header that is believed comes once more: it has to be the same, its set too, and its signatures good. */
  async function checkAgain(
    known: BelievedHeader,
    { header, commit }: SignedHeader,
    sent: ValidatorSet | undefined,
  ): Promise<KnownSet> {
    const hash = checkForm({ ...trusted, height: Height(known.header.height - 1) }, header, commit);
    checkSame(known, hash);
    const validators = selectSet(known.validators, sent, header);
    // Most often the same signatures, which were verified; a node may have seen more since.
    const isSame =
      known.commit !== undefined && bytesEqual(encodeCommit(commit), encodeCommit(known.commit));
    if (!isSame) await checkCommit(header, commit, validators);
    return validators;
  }

  /** More than 2/3 signed, and nobody's signature is bad: one that is was altered on the way, even if it is not needed. */
  async function checkCommit(header: Header, commit: Commit, { set }: KnownSet): Promise<void> {
    const { chainId, height } = header;
    const verdict = await verifyCommitAsync(
      { chainId, validators: set, blockId: commit.blockId, height },
      commit,
      signatures,
    );
    if (!verdict.isValid) refuse({ code: "VERIFY_COMMIT", fault: verdict.fault }, verdict.message);
  }

  return {
    trusted: () => trusted,
    async next(signedHeader, sent, headers = []) {
      nextHeight = trusted.height;
      const skipped = headers.map(skip);
      const known = headersAhead.get(nextHeight + 1);
      nextHeight = Height(nextHeight + 1);
      if (known === undefined) {
        const { header, hash, validators } = await follow(signedHeader, sent);
        return { header, hash, skipped, validators: validators.set };
      }
      const { validatorsHash } = known.header;
      const isNew = lastSet !== undefined && !bytesEqual(lastSet.hash, validatorsHash);
      // A message says its set where it differs from that of the one before, whatever else said it.
      if (isNew && sent === undefined) selectSet(lastSet, sent, signedHeader.header);
      const { set } = await checkAgain(known, signedHeader, sent);
      return { header: known.header, hash: known.hash, skipped, validators: set };
    },
    async follow(signedHeader, sent) {
      const known = headersAhead.get(signedHeader.header.height);
      if (known === undefined) await follow(signedHeader, sent);
      else await checkAgain(known, signedHeader, sent);
    },
    ahead: (height) => headersAhead.get(height),
    lastHeight: () => Height(trusted.height + headersAhead.size),
    forgetAbove(height) {
      for (const known of headersAhead.keys()) if (known > height) headersAhead.delete(known);
    },
    advance() {
      const next = headersAhead.get(nextHeight);
      assert(next?.validators !== undefined, "the next header was verified");
      for (const height of headersAhead.keys()) {
        if (height <= nextHeight) headersAhead.delete(height);
      }
      trusted = stateOf(next);
      lastSet = next.validators;
    },
  };
}

function stateOf({ header, hash }: VerifiedHeader): TrustedState {
  return {
    chainId: header.chainId,
    height: header.height,
    blockHash: hash,
    time: header.time,
    nextValidatorsHash: header.nextValidatorsHash,
  };
}

function checkChain(below: TrustedState, header: Header): void {
  if (header.chainId !== below.chainId) {
    refuse({ code: "VERIFY_CHAIN_ID" }, `expected chain ${below.chainId}, got ${header.chainId}`);
  }
  if (header.height !== below.height + 1) {
    refuse(
      { code: "VERIFY_HEIGHT" },
      `expected height ${below.height + 1}, got header ${header.height}`,
    );
  }
}

/** A header that is believed comes once more. */
function checkSame(known: VerifiedHeader, hash: Uint8Array): void {
  if (bytesEqual(hash, known.hash)) return;
  refuse(
    { code: "VERIFY_HEADER_HASH" },
    `block ${known.header.height} was ${toHex(known.hash)} when it was seen first, now ${toHex(hash)} came`,
  );
}

/** Chain and height, and that the commit is of this header; its hash. */
function checkForm(below: TrustedState, header: Header, commit: Commit): Uint8Array {
  checkChain(below, header);
  if (commit.height !== header.height) {
    refuse(
      { code: "VERIFY_HEIGHT" },
      `expected a commit of height ${header.height}, got one of ${commit.height}`,
    );
  }
  const hash = headerHash(header);
  if (!bytesEqual(commit.blockId.hash, hash)) {
    refuse(
      { code: "VERIFY_HEADER_HASH" },
      `the commit signs ${toHex(commit.blockId.hash)}, the header hashes to ${toHex(hash)}`,
    );
  }
  return hash;
}

function checkLink(below: TrustedState, header: Header): void {
  if (below.blockHash !== undefined && !bytesEqual(header.lastBlockId.hash, below.blockHash)) {
    refuse(
      { code: "VERIFY_PARENT" },
      `expected a child of ${toHex(below.blockHash)}, got one of ${toHex(header.lastBlockId.hash)}`,
    );
  }
  if (below.time !== undefined && compareTime(header.time, below.time) <= 0) {
    refuse(
      { code: "VERIFY_TIME" },
      `expected a time after ${formatTime(below.time)}, got ${formatTime(header.time)}`,
    );
  }
  if (!bytesEqual(header.validatorsHash, below.nextValidatorsHash)) {
    refuse(
      { code: "VERIFY_VALIDATORS" },
      `expected the validator set ${toHex(below.nextValidatorsHash)}, the header names ${toHex(header.validatorsHash)}`,
    );
  }
}

/** The set that came, or the one before; either must hash to what the header names. */
function selectSet(
  before: KnownSet | undefined,
  sent: ValidatorSet | undefined,
  header: Header,
): KnownSet {
  const candidate = sent === undefined ? before : { set: sent, hash: validatorSetHash(sent) };
  if (candidate === undefined || !bytesEqual(candidate.hash, header.validatorsHash)) {
    refuse(
      { code: "VERIFY_VALIDATORS" },
      candidate === undefined
        ? "the first message of a stream carries the validator set; it is missing"
        : `the validator set hashes to ${toHex(candidate.hash)}, the header names ${toHex(header.validatorsHash)}`,
    );
  }
  return candidate;
}

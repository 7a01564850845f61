/**
 * The verification that comes before execution (docs/rollups.md). From a trusted height on, each block
 * must extend the one before: same chain, next height, parent hash, a validator set that the parent
 * announced, signatures of more than 2/3 of its power over this very header, and a slice that the
 * header's data_hash commits to. The tests name eight ways in which others failed here (D1–D8).
 */
import type { Height, RollupId } from "../../proto/brands.ts";
import { bytesEqual, fromHex, toHex } from "../../proto/bytes.ts";
import { rollupDataEntries } from "../../proto/codec/weft-tx.ts";
import { WeftError } from "../../proto/errors.ts";
import { headerHash } from "../../proto/hashes.ts";
import { compareTime, formatTime } from "../../proto/time.ts";
import type { Header, Timestamp, ValidatorSet } from "../../proto/types.ts";
import { validatorSetHash } from "../../proto/validator-set.ts";
import { type CommitFault, verifyCommitLightAsync } from "../../proto/verify/commit.ts";
import type { SignatureVerifier } from "../../proto/verify/ed25519.ts";
import { type DeliveredEntry, EntryKind, verifyRollupSlice } from "../../proto/verify/manifest.ts";
import type { RollupBlock } from "./rollup-block.ts";

export type VerifyErrorInfo =
  /** The header is of another chain. */
  | { readonly code: "VERIFY_CHAIN_ID" }
  /** Not the height after the last verified one, or header, commit and message disagree on it. */
  | { readonly code: "VERIFY_HEIGHT" }
  /** The commit does not sign this header. */
  | { readonly code: "VERIFY_HEADER_HASH" }
  /** The header does not extend the last verified one. */
  | { readonly code: "VERIFY_PARENT" }
  /** The header's time is not after its parent's. */
  | { readonly code: "VERIFY_TIME" }
  /** The validator set is not the one that the parent (or the genesis) announced, or is missing. */
  | { readonly code: "VERIFY_VALIDATORS" }
  /** Too little power signed, or a signature is bad or counted twice. */
  | { readonly code: "VERIFY_COMMIT"; readonly fault: CommitFault }
  /** The manifest, the leaf, a proof, a count or an entry is not what the header commits to. */
  | { readonly code: "VERIFY_SLICE"; readonly refusal: string }
  /** An entry is of a kind that this version cannot deliver. */
  | { readonly code: "VERIFY_ENTRY_KIND" };

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

export interface VerifiedBlock {
  readonly header: Header;
  readonly hash: Uint8Array;
  /** All that this block holds for the rollup, in order. */
  readonly entries: readonly DeliveredEntry[];
  /** Their payloads taken apart: what the executor gets. */
  readonly payloads: readonly Uint8Array[];
  /** Trust after this block. */
  readonly trusted: TrustedState;
}

export interface BlockVerifier {
  trusted(): TrustedState;
  /** Verifies the next block and moves trust to it. @throws WeftError<VerifyErrorInfo> */
  verify(block: RollupBlock): Promise<VerifiedBlock>;
}

/** @param initial where trust begins: a state from a trusted source, or from the genesis file */
export function createBlockVerifier(
  rollupId: RollupId,
  initial: TrustedState,
  signatures: SignatureVerifier,
): BlockVerifier {
  const rollupIdBytes = fromHex(rollupId);
  let trusted = initial;
  let lastSet: { readonly set: ValidatorSet; readonly hash: Uint8Array } | undefined;

  async function verify(block: RollupBlock): Promise<VerifiedBlock> {
    const { header, commit } = block.signedHeader;
    if (header.chainId !== trusted.chainId) {
      refuse(
        { code: "VERIFY_CHAIN_ID" },
        `expected chain ${trusted.chainId}, got ${header.chainId}`,
      );
    }
    const expected = trusted.height + 1;
    if (block.height !== expected || header.height !== expected || commit.height !== expected) {
      refuse(
        { code: "VERIFY_HEIGHT" },
        `expected height ${expected}, got message ${block.height}, header ${header.height}, commit ${commit.height}`,
      );
    }
    const hash = headerHash(header);
    if (!bytesEqual(commit.blockId.hash, hash)) {
      refuse(
        { code: "VERIFY_HEADER_HASH" },
        `the commit signs ${toHex(commit.blockId.hash)}, the header hashes to ${toHex(hash)}`,
      );
    }
    checkLink(header);
    const { set } = selectSet(block, header);
    const verdict = await verifyCommitLightAsync(
      {
        chainId: header.chainId,
        validators: set,
        blockId: commit.blockId,
        height: header.height,
      },
      commit,
      signatures,
    );
    if (!verdict.isValid) {
      refuse({ code: "VERIFY_COMMIT", fault: verdict.fault }, verdict.message);
    }
    const entries = verifyRollupSlice(header.dataHash, rollupIdBytes, block.slice);
    if ("code" in entries) {
      refuse({ code: "VERIFY_SLICE", refusal: entries.code }, entries.reason);
    }
    const payloads = entries.flatMap(payloadsOf);
    trusted = {
      chainId: header.chainId,
      height: header.height,
      blockHash: hash,
      time: header.time,
      nextValidatorsHash: header.nextValidatorsHash,
    };
    return { header, hash, entries, payloads, trusted };
  }

  function checkLink(header: Header): void {
    if (
      trusted.blockHash !== undefined &&
      !bytesEqual(header.lastBlockId.hash, trusted.blockHash)
    ) {
      refuse(
        { code: "VERIFY_PARENT" },
        `expected a child of ${toHex(trusted.blockHash)}, got one of ${toHex(header.lastBlockId.hash)}`,
      );
    }
    if (trusted.time !== undefined && compareTime(header.time, trusted.time) <= 0) {
      refuse(
        { code: "VERIFY_TIME" },
        `expected a time after ${formatTime(trusted.time)}, got ${formatTime(header.time)}`,
      );
    }
    if (!bytesEqual(header.validatorsHash, trusted.nextValidatorsHash)) {
      refuse(
        { code: "VERIFY_VALIDATORS" },
        `expected the validator set ${toHex(trusted.nextValidatorsHash)}, the header names ${toHex(header.validatorsHash)}`,
      );
    }
  }

  /** The set that came, or the last one; either must hash to what the header names. */
  function selectSet(block: RollupBlock, header: Header): { readonly set: ValidatorSet } {
    const candidate =
      block.validatorSet === undefined
        ? lastSet
        : { set: block.validatorSet, hash: validatorSetHash(block.validatorSet) };
    if (candidate === undefined || !bytesEqual(candidate.hash, header.validatorsHash)) {
      refuse(
        { code: "VERIFY_VALIDATORS" },
        candidate === undefined
          ? "the first message of a stream carries the validator set; it is missing"
          : `the validator set hashes to ${toHex(candidate.hash)}, the header names ${toHex(header.validatorsHash)}`,
      );
    }
    lastSet = candidate;
    return candidate;
  }

  return { trusted: () => trusted, verify };
}

function payloadsOf(entry: DeliveredEntry): readonly Uint8Array[] {
  if (entry.kind !== EntryKind.ROLLUP_DATA) {
    refuse(
      { code: "VERIFY_ENTRY_KIND" },
      `an entry of kind ${entry.kind} cannot be delivered by this version; update the adapter`,
    );
  }
  return rollupDataEntries(entry.payload);
}

function refuse(info: VerifyErrorInfo, message: string): never {
  throw new WeftError<VerifyErrorInfo>(info, message);
}

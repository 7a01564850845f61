/**
 * Checks what `weft_getTransactionStatus(hash, {proof: true})` answers, trusting nothing but a set of validators: that more
 * than 2/3 of it signed the header, and that this header commits to an entry of the rollup that holds the transaction.
 */
import { keccak_256 } from "@noble/hashes/sha3.js";
import type { RollupId } from "../../proto/brands.ts";
import { bytesEqual, fromHex, toHex } from "../../proto/bytes.ts";
import { decodeSignedHeader } from "../../proto/codec/block.ts";
import { isCodecError } from "../../proto/codec/errors.ts";
import { decodeValidatorSet } from "../../proto/codec/types.ts";
import { rollupDataEntries } from "../../proto/codec/weft-tx.ts";
import { headerHash } from "../../proto/hashes.ts";
import { type Refusal, refusal } from "../../proto/refusal.ts";
import type { Header, MerkleProof } from "../../proto/types.ts";
import { validatorSetHash } from "../../proto/validator-set.ts";
import { verifyCommitLightAsync } from "../../proto/verify/commit.ts";
import type { SignatureVerifier } from "../../proto/verify/ed25519.ts";
import { type EntryInclusion, verifyEntryInclusion } from "../../proto/verify/inclusion.ts";
import { EntryKind } from "../../proto/verify/manifest.ts";

/** The bytes of a proof, none of them believed. */
export interface TransactionProof extends EntryInclusion {
  readonly position: number;
  /** tendermint.types.SignedHeader, encoded. */
  readonly signedHeader: Uint8Array;
  /** tendermint.types.ValidatorSet, encoded. */
  readonly validatorSet: Uint8Array;
}

export interface TrustForProof {
  readonly chainId: string;
  readonly rollupId: RollupId;
  /**
   * Hash of the set of validators whose signatures count for that height, from a light client or another source that is
   * trusted (`weft light`; the genesis, while the set is its own).
   */
  readonly validatorsHash: Uint8Array;
}

export type TransactionProofRefusalCode =
  /** It is not of the form that the method answers. */
  | "PROOF_MALFORMED"
  /** The header is another chain's, or the commit another header's. */
  | "PROOF_OTHER_HEADER"
  /** The validators are not those that are trusted. */
  | "PROOF_OTHER_VALIDATORS"
  /** The commit does not hold. */
  | "PROOF_COMMIT"
  /** The header does not commit to the entry. */
  | "PROOF_ENTRY"
  /** The entry does not hold the transaction. */
  | "PROOF_OTHER_TRANSACTION";

export type TransactionProofRefusal = Refusal<TransactionProofRefusalCode>;

/** What is proven. */
export interface ProvenTransaction {
  readonly header: Header;
  /** Among the rollup's ordered entries of that block. */
  readonly position: number;
  /** Among the payloads of that entry; undefined for a sealed one, whose place is proven and not its content. */
  readonly index: number | undefined;
}

/** @param transactionHash Keccak-256 of the wallet's transaction, 32 bytes */
export async function verifyTransactionProof(
  transactionHash: Uint8Array,
  proof: TransactionProof,
  trust: TrustForProof,
  signatures: SignatureVerifier,
): Promise<ProvenTransaction | TransactionProofRefusal> {
  const signed = decoded(() => ({
    ...decodeSignedHeader(proof.signedHeader),
    validators: decodeValidatorSet(proof.validatorSet),
  }));
  if (signed === undefined) return refusal("PROOF_MALFORMED", "header or set cannot be decoded");
  const { header, commit, validators } = signed;
  const { chainId, height } = header;
  if (
    chainId !== trust.chainId ||
    commit.height !== height ||
    !bytesEqual(commit.blockId.hash, headerHash(header))
  ) {
    return refusal(
      "PROOF_OTHER_HEADER",
      `expected a header of ${trust.chainId} and its commit, got ${chainId} ${height}`,
    );
  }
  const setHash = validatorSetHash(validators);
  if (
    !bytesEqual(setHash, header.validatorsHash) ||
    !bytesEqual(header.validatorsHash, trust.validatorsHash)
  ) {
    return refusal(
      "PROOF_OTHER_VALIDATORS",
      `trusted is the set ${toHex(trust.validatorsHash)}, the header names ${toHex(header.validatorsHash)}`,
    );
  }
  const { blockId } = commit;
  const context = { chainId, validators, blockId, height };
  const verdict = await verifyCommitLightAsync(context, commit, signatures);
  if (!verdict.isValid) return refusal("PROOF_COMMIT", verdict.message);
  const { position } = proof;
  const place = verifyEntryInclusion(header.dataHash, fromHex(trust.rollupId), position, proof);
  if ("code" in place) return refusal("PROOF_ENTRY", place.reason);
  const { kind } = place.entry;
  if (kind === EntryKind.SEALED || kind === EntryKind.SHUFFLED || kind === EntryKind.BID) {
    return { header, position, index: undefined };
  }
  const payloads = decoded(() => rollupDataEntries(proof.payload)) ?? [];
  const index = payloads.findIndex((one) => bytesEqual(keccak_256(one), transactionHash));
  if (index >= 0) return { header, position, index };
  return refusal("PROOF_OTHER_TRANSACTION", `the entry does not hold ${toHex(transactionHash)}`);
}

/** From the field `proof` of the answer; undefined when it is not of that form. */
export function transactionProofFromJson(value: unknown): TransactionProof | undefined {
  if (!isRecord(value)) return undefined;
  const bytes = (name: string): Uint8Array | undefined => bytesOf(value[name]);
  const { position } = value;
  const [signedHeader, validatorSet, manifest] = [
    bytes("signedHeader"),
    bytes("validatorSet"),
    bytes("manifest"),
  ];
  const [leaf, entry, payload] = [bytes("leaf"), bytes("entry"), bytes("payload")];
  const manifestProof = merkleProofOf(value["manifestProof"]);
  const leafProof = merkleProofOf(value["leafProof"]);
  const entryProof = merkleProofOf(value["entryProof"]);
  if (
    typeof position !== "string" ||
    !/^0x[0-9a-f]{1,12}$/.test(position) ||
    signedHeader === undefined ||
    validatorSet === undefined ||
    manifest === undefined ||
    leaf === undefined ||
    entry === undefined ||
    payload === undefined ||
    manifestProof === undefined ||
    leafProof === undefined ||
    entryProof === undefined
  ) {
    return undefined;
  }
  const proven = { leaf, leafProof, entry, entryProof };
  return {
    position: Number(position),
    signedHeader,
    validatorSet,
    manifest,
    manifestProof,
    proven,
    payload,
  };
}

function merkleProofOf(value: unknown): MerkleProof | undefined {
  if (!isRecord(value)) return undefined;
  const { total, index, aunts: list } = value;
  const leafHash = bytesOf(value["leafHash"]);
  if (!Number.isSafeInteger(total) || !Number.isSafeInteger(index)) return undefined;
  if (typeof total !== "number" || typeof index !== "number") return undefined;
  if (leafHash === undefined || !Array.isArray(list) || list.length > 64) return undefined;
  const aunts = list.flatMap((aunt: unknown) => bytesOf(aunt) ?? []);
  return aunts.length === list.length ? { total, index, leafHash, aunts } : undefined;
}

function bytesOf(value: unknown): Uint8Array | undefined {
  const isHex = typeof value === "string" && /^0x([0-9a-f]{2})*$/.test(value);
  return isHex ? fromHex(value.slice(2)) : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Bytes of others: to refuse them is the answer. Anything but a codec's refusal is a bug. */
function decoded<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (!isCodecError(error)) throw error;
    return undefined;
  }
}

/**
 * Faults in shares that anybody can prove from bytes (docs/formats.md, "Evidence"; spec encrypted-mempool
 * B.6): what a piece of evidence states, and pieces made of what a node has seen. Whether these bytes are
 * the right ones is for the state to say (`sequencer/app/slashing/faults`).
 */
import type { Height } from "../../proto/brands.ts";
import { bytesEqual, copyBytes } from "../../proto/bytes.ts";
import { isCodecError } from "../../proto/codec/errors.ts";
import { type Shares, SHARES_CODEC } from "../../proto/codec/seal-block.ts";
import { SEAL_ASK_CODEC, type SealAsk, type SealKeyState } from "../../proto/codec/seal-state.ts";
import {
  type ContradictingShares,
  type FaultyShares,
  type ProofPlace,
  type SealEvidence,
  type SignedShares,
  type UnaskedShares,
} from "../../proto/codec/seal-tx.ts";
import { PartType, partSignBytes } from "../../proto/codec/weft-extension.ts";
import type { SignatureCheck } from "../signatures.ts";
import type { SealProof, SharesToVerify } from "./compute.ts";
import { publicShareAt, ticketsOfMember } from "./dkg.ts";
import { type AskedOfValidator, sharesContext, type SharesTerms, subjectsOf } from "./shares.ts";

/** A SHARES part, by whom, and what it belongs to. */
export interface SeenShares extends SignedShares {
  readonly chainId: string;
  readonly height: Height;
  /** Consensus address, 20 bytes. */
  readonly validator: Uint8Array;
  readonly applicationKey: Uint8Array;
}

/** What of an ask a proof is about. */
export interface AskedSubject {
  readonly key: number;
  /** U of each item. */
  readonly points: Uint8Array;
}

/** Signatures of the accused that the evidence stands on; nobody can be accused of what it did not sign. */
export function sealEvidenceSignatures(
  chainId: string,
  evidence: SealEvidence,
): readonly SignatureCheck[] {
  switch (evidence.kind) {
    case "faultyShares":
      return [signatureOf(chainId, evidence, evidence)];
    case "contradictingShares":
      return [evidence.first, evidence.second].map((part) => signatureOf(chainId, evidence, part));
    case "unaskedShares":
      return [];
  }
}

/** Statements about proofs that the evidence stands on; none when it says nothing of that kind. */
export function sealEvidenceProofs(chainId: string, evidence: SealEvidence): readonly SealProof[] {
  const of = statementOf(chainId, evidence);
  if (of === undefined) return [];
  return [{ kind: "shares", holds: evidence.kind === "unaskedShares", of }];
}

function statementOf(chainId: string, evidence: SealEvidence): SharesToVerify | undefined {
  switch (evidence.kind) {
    case "faultyShares":
      return faultyProof(chainId, evidence);
    case "unaskedShares":
      return {
        context: contextOf({ chainId, ...evidence }, evidence.key, evidence.place),
        publicShare: evidence.publicShare,
        points: evidence.points,
        shares: evidence.shares,
        proof: evidence.proof,
      };
    case "contradictingShares":
      return undefined;
  }
}

/** The proof that a part with faulty shares fails at; undefined unless part and ask both have it. */
export function faultyProof(
  chainId: string,
  { height, validator, content, ask, place, publicShare }: FaultyShares,
): SharesToVerify | undefined {
  const subject = askedSubject(decodeAsk(ask), place);
  const given = givenShares(decodeShares(content), place);
  if (subject === undefined || given?.points.length !== subject.points.length) return undefined;
  return {
    context: contextOf({ chainId, height, validator }, subject.key, place),
    publicShare,
    points: subject.points,
    shares: given.points,
    proof: given.proof,
  };
}

/** What was asked at that place; undefined: nothing. */
export function askedSubject(
  ask: SealAsk | undefined,
  { isDispute, batchHeight, index }: ProofPlace,
): AskedSubject | undefined {
  if (!isDispute) return ask?.batches.find(({ height }) => height === batchHeight);
  const found = ask?.disputes.find((one) => one.height === batchHeight && one.index === index);
  return found && { key: found.key, points: found.point };
}

/** A place at which both parts have shares of one ticket that differ: at most one of them can be right. */
export function contradiction(first: Shares, second: Shares): ProofPlace | undefined {
  for (const { height: batchHeight, tickets } of first.batches) {
    for (const { ticket } of tickets) {
      const place = { batchHeight, ticket, isDispute: false, index: 0 };
      if (differ(first, second, place)) return place;
    }
  }
  for (const { height: batchHeight, index, shares } of first.disputes) {
    for (const { ticket } of shares) {
      const place = { batchHeight, ticket, isDispute: true, index };
      if (differ(first, second, place)) return place;
    }
  }
  return undefined;
}

/** X of a ticket, if it is the validator's. */
export function publicShareOf(
  key: Pick<SealKeyState, "members" | "publicShares">,
  validator: Uint8Array,
  ticket: number,
): Uint8Array | undefined {
  const held = ticketsOfMember(key.members, validator);
  if (held === undefined || ticket < held.first || ticket >= held.first + held.count) {
    return undefined;
  }
  return publicShareAt(key, ticket);
}

/** Canonical, or undefined: the bytes are somebody else's. */
export function decodeAsk(bytes: Uint8Array): SealAsk | undefined {
  return decoded(() => SEAL_ASK_CODEC.decode(bytes));
}

/** Canonical, or undefined: the bytes are somebody else's. */
export function decodeShares(bytes: Uint8Array): Shares | undefined {
  return decoded(() => SHARES_CODEC.decode(bytes));
}

/**
 * Evidence of a part whose proofs were checked and do not all hold. `verdicts`: of the proofs in the order
 * of `asked`, batches and then disputes, each with its tickets.
 */
export function faultyShares(
  seen: SeenShares,
  ask: SealAsk,
  asked: AskedOfValidator,
  verdicts: readonly boolean[],
): FaultyShares | undefined {
  const { place, publicShare } = placesOf(asked)[verdicts.indexOf(false)] ?? {};
  if (place === undefined || publicShare === undefined) return undefined;
  return {
    kind: "faultyShares",
    ...partOf(seen),
    blockHash: copyBytes(seen.blockHash),
    content: copyBytes(seen.content),
    signature: copyBytes(seen.signature),
    ask: SEAL_ASK_CODEC.encode(ask),
    place,
    publicShare: copyBytes(publicShare),
  };
}

/** Evidence of two parts of one height that contradict each other; undefined when they do not. */
export function contradictingShares(
  seen: SeenShares,
  other: SignedShares,
): ContradictingShares | undefined {
  const [first, second] = [decodeShares(other.content), decodeShares(seen.content)];
  if (first === undefined || second === undefined) return undefined;
  if (contradiction(first, second) === undefined) return undefined;
  return {
    kind: "contradictingShares",
    ...partOf(seen),
    first: signedOf(other),
    second: signedOf(seen),
  };
}

/** A batch or disputed item that was not asked, with its points as the state has them. */
export interface UnaskedSubject extends AskedSubject {
  readonly place: ProofPlace;
  readonly publicShare: Uint8Array;
}

/** Evidence of what a part shows unasked, if its proof there holds; the caller checks that (`proof`). */
export function unaskedShares(
  seen: SeenShares,
  ask: SealAsk | undefined,
  { key, points, place, publicShare }: UnaskedSubject,
): { readonly evidence: UnaskedShares; readonly proof: SharesToVerify } | undefined {
  const given = givenShares(decodeShares(seen.content), place);
  if (given?.points.length !== points.length) return undefined;
  const evidence: UnaskedShares = {
    kind: "unaskedShares",
    validator: copyBytes(seen.validator),
    height: seen.height,
    key,
    place,
    publicShare: copyBytes(publicShare),
    points: copyBytes(points),
    shares: copyBytes(given.points),
    proof: copyBytes(given.proof),
    ask: ask === undefined ? new Uint8Array(0) : SEAL_ASK_CODEC.encode(ask),
  };
  const proof = statementOf(seen.chainId, evidence);
  return proof && { evidence, proof };
}

/** The places of the proofs that a validator is asked for, in the order in which they are checked. */
function placesOf(
  asked: AskedOfValidator,
): readonly { readonly place: ProofPlace; readonly publicShare: Uint8Array }[] {
  return subjectsOf(asked).flatMap(({ subject: { height: batchHeight, index }, tickets }) =>
    tickets.map(({ ticket, publicShare }) => ({
      place: { batchHeight, ticket, isDispute: index !== undefined, index: index ?? 0 },
      publicShare,
    })),
  );
}

function givenShares(
  shares: Shares | undefined,
  { isDispute, batchHeight, ticket, index }: ProofPlace,
): { readonly points: Uint8Array; readonly proof: Uint8Array } | undefined {
  if (!isDispute) {
    const batch = shares?.batches.find(({ height }) => height === batchHeight);
    return batch?.tickets.find((one) => one.ticket === ticket);
  }
  const dispute = shares?.disputes.find((one) => one.height === batchHeight && one.index === index);
  const found = dispute?.shares.find((one) => one.ticket === ticket);
  return found && { points: found.point, proof: found.proof };
}

function differ(first: Shares, second: Shares, place: ProofPlace): boolean {
  const [a, b] = [givenShares(first, place), givenShares(second, place)];
  return a !== undefined && b !== undefined && !bytesEqual(a.points, b.points);
}

function contextOf(terms: SharesTerms, key: number, place: ProofPlace): Uint8Array {
  const { batchHeight: height, isDispute, index, ticket } = place;
  return sharesContext(terms, isDispute ? { key, height, index } : { key, height }, ticket);
}

function signatureOf(
  chainId: string,
  { applicationKey, height }: Pick<FaultyShares, "applicationKey" | "height">,
  { blockHash, content, signature }: SignedShares,
): SignatureCheck {
  const message = partSignBytes(chainId, height, blockHash, PartType.SHARES, content);
  return { publicKey: applicationKey, message, signature };
}

function partOf({ validator, applicationKey, height }: SeenShares) {
  return { validator: copyBytes(validator), applicationKey: copyBytes(applicationKey), height };
}

function signedOf({ blockHash, content, signature }: SignedShares): SignedShares {
  return {
    blockHash: copyBytes(blockHash),
    content: copyBytes(content),
    signature: copyBytes(signature),
  };
}

function decoded<Value>(decode: () => Value): Value | undefined {
  try {
    return decode();
  } catch (error) {
    // Bytes of others prove nothing when they are not canonical. Anything else is a bug.
    if (!isCodecError(error)) throw error;
    return undefined;
  }
}

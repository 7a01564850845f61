/**
 * Faults in shares of sealed transactions (spec encrypted-mempool B.6). Signatures and proofs are checked from
 * the bytes alone, beside those of the transaction; here the state says whether these bytes are the right
 * ones: what was asked at that height (`seal_asked/`), whose ticket it is and its public share (`seal_key/`),
 * which key signed (`validator/`). Nobody is punished for what the state does not know any more.
 */
import {
  askedSubject,
  contradiction,
  decodeAsk,
  decodeShares,
  faultyProof,
  publicShareOf,
  sealEvidenceProofs,
  sealEvidenceSignatures,
} from "../../../../mev/seal/share-evidence.ts";
import { minorityTickets } from "../../../../mev/seal/tickets.ts";
import { bytesEqual, toHex } from "../../../../proto/bytes.ts";
import type { SealKeyState } from "../../../../proto/codec/seal-state.ts";
import type { ProofPlace, UnaskedShares } from "../../../../proto/codec/seal-tx.ts";
import type { ParamsState } from "../../../../proto/codec/weft-state.ts";
import { sha256 } from "../../../../proto/hash.ts";
import { type Failure, failure } from "../../codes.ts";
import { sealEvidenceBlocks } from "../../seal/evidence-window.ts";
import { sealKey } from "../../seal/reader.ts";
import type { StakingReader } from "../../staking/context.ts";
import { requireEpoch } from "../../staking/validator-records.ts";
import { applicationKeyAt } from "../../staking/validators.ts";
import { numberKey, SEAL_ASKED, VALIDATORS } from "../../state/tables.ts";
import type { Penalty } from "../penalty.ts";
import type { ProvenFault, SubmittedRoute } from "./route.ts";

/** A SHARES part with a proof that fails; accepted or refused, a vote for it or none. */
export const FAULTY_SHARES: SubmittedRoute<"faultyShares"> = {
  name: "faulty-shares",
  kind: "faultyShares",
  penalty: ({ sealFaultSlashBps, downtimeJailSeconds }) => ({
    kind: "jail",
    fractionBps: sealFaultSlashBps,
    jailSeconds: downtimeJailSeconds,
  }),
  signatures: sealEvidenceSignatures,
  proofs: sealEvidenceProofs,
  prove(evidence, reader) {
    const { validator, height, ask, place, publicShare } = evidence;
    const key = askedSubject(decodeAsk(ask), place)?.key ?? 0;
    return (
      signerFault(reader, evidence) ??
      askFault(reader, height, ask) ??
      ticketFault(reader, key, { validator, place, publicShare }) ??
      (faultyProof(reader.chainId, evidence) === undefined
        ? failure("EVIDENCE_NO_CONFLICT", "part and ask do not both have that proof")
        : provenOf(evidence))
    );
  },
};

/** Two SHARES parts of one height with different shares: at most one can be right. */
export const CONTRADICTING_SHARES: SubmittedRoute<"contradictingShares"> = {
  name: "contradicting-shares",
  kind: "contradictingShares",
  penalty: tombstonePenalty,
  signatures: sealEvidenceSignatures,
  proofs: sealEvidenceProofs,
  prove(evidence, reader) {
    const refused = signerFault(reader, evidence);
    if (refused !== undefined) return refused;
    const [first, second] = [evidence.first, evidence.second].map(({ content }) =>
      decodeShares(content),
    );
    const place = first && second && contradiction(first, second);
    if (place !== undefined) return provenOf(evidence);
    return failure("EVIDENCE_NO_CONFLICT", "the parts do not differ in shares of the same ticket");
  },
};

/**
 * A proof of shares that holds, for what was not asked: it takes the ticket's secret. Nothing in it is signed,
 * and whoever holds t tickets of a key, or dealt all of it, knows every secret of it. So it counts only while
 * they would need more than two thirds of the power for that, with which they could do anything.
 */
export const UNASKED_SHARES: SubmittedRoute<"unaskedShares"> = {
  name: "unasked-shares",
  kind: "unaskedShares",
  penalty: tombstonePenalty,
  signatures: sealEvidenceSignatures,
  proofs: sealEvidenceProofs,
  prove(evidence, reader) {
    return (
      wasAskedFault(reader, evidence) ??
      ticketFault(reader, evidence.key, evidence) ??
      provenOf(evidence)
    );
  },
  costlyFault({ validator, key }, reader) {
    const state = sealKey(reader, key);
    const isSecret = state !== undefined && isKnownToHolderAlone(reader, state, validator);
    return isSecret ? undefined : failure("EVIDENCE_FORGEABLE", `key ${key}`);
  },
};

/** Whether no coalition of two thirds of the power or less, as it is now, can know a member's secrets. */
function isKnownToHolderAlone(
  reader: StakingReader,
  { members, threshold, dealers }: SealKeyState,
  validator: Uint8Array,
): boolean {
  const { activePower } = requireEpoch(reader);
  if (activePower === 0n) return false;
  const powerOf = (address: Uint8Array): bigint =>
    reader.records.get(VALIDATORS, toHex(address))?.power ?? 0n;
  const others = members
    .filter((member) => !bytesEqual(member.validator, validator))
    .map((member) => ({ power: powerOf(member.validator), tickets: member.tickets }));
  if (minorityTickets(others, activePower) >= threshold) return false;
  if (dealers.some((dealer) => bytesEqual(dealer, validator))) return true;
  const dealt = dealers.reduce((sum, dealer) => sum + powerOf(dealer), 0n);
  return dealt * 3n > activePower * 2n;
}

function tombstonePenalty({ sealFaultSlashBps }: ParamsState): Penalty {
  return { kind: "tombstone", fractionBps: sealFaultSlashBps };
}

/** One fault for each validator and height, however many pieces prove it. */
function provenOf({
  validator,
  height,
}: {
  readonly validator: Uint8Array;
  readonly height: number;
}): ProvenFault {
  return { validator: toHex(validator), height, offence: "" };
}

/** Whether the key that signed is the one that the validator had at that height. */
function signerFault(
  reader: StakingReader,
  {
    validator,
    height,
    applicationKey,
  }: {
    readonly validator: Uint8Array;
    readonly height: number;
    readonly applicationKey: Uint8Array;
  },
): Failure | undefined {
  const state = reader.records.get(VALIDATORS, toHex(validator));
  if (state === undefined) return failure("VALIDATOR_UNKNOWN", toHex(validator));
  if (bytesEqual(applicationKeyAt(state, height), applicationKey)) return undefined;
  return failure("EVIDENCE_KEY", `${toHex(applicationKey)} at height ${height}`);
}

/** Whether exactly that was asked at that height. */
function askFault(reader: StakingReader, height: number, ask: Uint8Array): Failure | undefined {
  const asked = reader.records.get(SEAL_ASKED, numberKey(height));
  if (asked !== undefined && bytesEqual(asked.hash, sha256(ask))) return undefined;
  return failure("EVIDENCE_ASK", `height ${height}`);
}

/** Whether the ticket is the validator's, and its public share that one. */
function ticketFault(
  reader: StakingReader,
  key: number,
  {
    validator,
    place: { ticket },
    publicShare,
  }: {
    readonly validator: Uint8Array;
    readonly place: ProofPlace;
    readonly publicShare: Uint8Array;
  },
): Failure | undefined {
  const state = sealKey(reader, key);
  const own = state && publicShareOf(state, validator, ticket);
  if (own !== undefined && bytesEqual(own, publicShare)) return undefined;
  return failure("EVIDENCE_TICKET", `ticket ${ticket} of key ${key} of ${toHex(validator)}`);
}

/**
 * Why it was asked after all, or nobody knows. Heights without a record asked nothing, but only as far back
 * as records are kept, and not ahead of the block.
 */
function wasAskedFault(
  reader: StakingReader,
  { height, key, place, points, ask }: UnaskedShares,
): Failure | undefined {
  if (height > reader.height) return failure("EVIDENCE_HEIGHT", `height ${height}`);
  if (reader.height - height >= sealEvidenceBlocks(reader)) {
    return failure("EVIDENCE_TOO_OLD", `height ${height}`);
  }
  if (reader.records.get(SEAL_ASKED, numberKey(height)) === undefined) {
    return ask.length === 0 ? undefined : failure("EVIDENCE_ASK", `height ${height}`);
  }
  const refused = askFault(reader, height, ask);
  if (refused !== undefined) return refused;
  const subject = askedSubject(decodeAsk(ask), place);
  if (subject?.key !== key || !bytesEqual(subject.points, points)) return undefined;
  return failure("EVIDENCE_NO_CONFLICT", `it was asked at height ${height}`);
}

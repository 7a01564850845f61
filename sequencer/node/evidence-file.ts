/** Evidence as a JSON file: what a node writes for its operator, and `weft tx staking submit-evidence` reads. */
import { z } from "zod";
import { Height } from "../../proto/brands.ts";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { isCodecError } from "../../proto/codec/errors.ts";
import type { SealEvidence } from "../../proto/codec/seal-tx.ts";
import {
  type SignedProposal,
  SUBMITTED_EVIDENCE_CODEC,
  type SubmittedEvidence,
} from "../../proto/codec/staking-tx.ts";
import { ADDRESS_BYTES } from "../../proto/limits.ts";

const hex = (bytes: number) =>
  z
    .string()
    .regex(new RegExp(`^[0-9a-fA-F]{${bytes * 2}}$`), `expected ${bytes} bytes in hex`)
    .transform((text) => fromHex(text));
const signedProposalSchema = z.strictObject({
  pol_round: z.int().min(-1),
  block_hash: hex(32),
  parts_total: z.int().min(1),
  parts_hash: hex(32),
  time_seconds: z.int(),
  time_nanos: z.int().min(0).max(999_999_999),
  signature: hex(64),
});
const proposalsSchema = z.strictObject({
  kind: z.literal("duplicate-proposal"),
  consensus_key: hex(32),
  height: z.int().min(1),
  round: z.int().min(0),
  first: signedProposalSchema,
  second: signedProposalSchema,
});
const SHARES_NAMES = {
  faultyShares: "faulty-shares",
  contradictingShares: "contradicting-shares",
  unaskedShares: "unasked-shares",
} as const satisfies Readonly<Record<SealEvidence["kind"], string>>;
/** What was shared is long: it stands in the file as it stands in a transaction. */
const sharesSchema = z.strictObject({
  kind: z.enum(Object.values(SHARES_NAMES)),
  /** Consensus address and height, for people. */
  validator: hex(ADDRESS_BYTES),
  height: z.int().min(1),
  evidence: z.base64().transform((text, ctx) => {
    let evidence: SubmittedEvidence | undefined;
    try {
      evidence = SUBMITTED_EVIDENCE_CODEC.decode(new Uint8Array(Buffer.from(text, "base64")));
    } catch (error) {
      // The file is somebody's; what it holds is said to be none. Anything else is a bug.
      if (!isCodecError(error)) throw error;
    }
    if (evidence !== undefined && evidence.kind !== "duplicateProposal") return evidence;
    ctx.addIssue({ code: "custom", message: "expected evidence of shares in canonical bytes" });
    return z.NEVER;
  }),
});
const evidenceSchema = z.discriminatedUnion("kind", [proposalsSchema, sharesSchema]);

export type EvidenceJson = z.input<typeof evidenceSchema>;

export function evidenceToJson(evidence: SubmittedEvidence): EvidenceJson {
  if (evidence.kind !== "duplicateProposal") {
    return {
      kind: SHARES_NAMES[evidence.kind],
      validator: toHex(evidence.validator),
      height: evidence.height,
      evidence: Buffer.from(SUBMITTED_EVIDENCE_CODEC.encode(evidence)).toString("base64"),
    };
  }
  return {
    kind: "duplicate-proposal",
    consensus_key: toHex(evidence.consensusKey),
    height: evidence.height,
    round: evidence.round,
    first: proposalToJson(evidence.first),
    second: proposalToJson(evidence.second),
  };
}

/** Throws a `ZodError` that says what is wrong where. */
export function evidenceFromJson(json: unknown): SubmittedEvidence {
  const parsed = evidenceSchema.parse(json);
  if (parsed.kind !== "duplicate-proposal") return parsed.evidence;
  return {
    kind: "duplicateProposal",
    consensusKey: parsed.consensus_key,
    height: Height(parsed.height),
    round: parsed.round,
    first: proposalFromJson(parsed.first),
    second: proposalFromJson(parsed.second),
  };
}

function proposalToJson(proposal: SignedProposal): z.input<typeof signedProposalSchema> {
  return {
    pol_round: proposal.polRound,
    block_hash: toHex(proposal.blockHash),
    parts_total: proposal.partsTotal,
    parts_hash: toHex(proposal.partsHash),
    time_seconds: Number(proposal.timeSeconds),
    time_nanos: proposal.timeNanos,
    signature: toHex(proposal.signature),
  };
}

function proposalFromJson(json: z.output<typeof signedProposalSchema>): SignedProposal {
  return {
    polRound: json.pol_round,
    blockHash: json.block_hash,
    partsTotal: json.parts_total,
    partsHash: json.parts_hash,
    timeSeconds: BigInt(json.time_seconds),
    timeNanos: json.time_nanos,
    signature: json.signature,
  };
}

/** Evidence as a JSON file: what a node writes for its operator, and `weft tx staking submit-evidence` reads. */
import { z } from "zod";
import { Height } from "../../proto/brands.ts";
import { fromHex, toHex } from "../../proto/bytes.ts";
import type { DuplicateProposal, SignedProposal } from "../../proto/codec/staking-tx.ts";

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
const evidenceSchema = z.strictObject({
  kind: z.literal("duplicate-proposal"),
  consensus_key: hex(32),
  height: z.int().min(1),
  round: z.int().min(0),
  first: signedProposalSchema,
  second: signedProposalSchema,
});

export type EvidenceJson = z.input<typeof evidenceSchema>;

export function evidenceToJson(evidence: DuplicateProposal): EvidenceJson {
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
export function evidenceFromJson(json: unknown): DuplicateProposal {
  const parsed = evidenceSchema.parse(json);
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

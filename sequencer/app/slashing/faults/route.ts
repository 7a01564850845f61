/** What a file of this folder says about one kind of fault. */
import type { SealProof } from "../../../../mev/seal/compute.ts";
import type { SignatureCheck } from "../../../../mev/signatures.ts";
import type { SubmittedEvidence } from "../../../../proto/codec/staking-tx.ts";
import type { ParamsState } from "../../../../proto/codec/weft-state.ts";
import type { Misbehavior } from "../../../abci/application.ts";
import type { Failure } from "../../codes.ts";
import type { StakingReader } from "../../staking/context.ts";
import type { Penalty } from "../penalty.ts";

/** What is common to all faults. */
export interface FaultRoute {
  /** Frozen: it enters the hash that a fault is known by. */
  readonly name: string;
  readonly penalty: (params: ParamsState) => Penalty;
}

/** A fault that consensus proves; it comes with its power and time, and nobody is rewarded. */
export interface ConsensusRoute extends FaultRoute {
  readonly type: Misbehavior["type"];
}

/** A fault that an account proves. */
export interface SubmittedRoute<Kind extends SubmittedEvidence["kind"]> extends FaultRoute {
  readonly kind: Kind;
  /** Signatures that the proof stands on, from its bytes alone; checked in the transaction's batch. */
  readonly signatures: (chainId: string, evidence: EvidenceOf<Kind>) => readonly SignatureCheck[];
  /** Proofs that have to hold as well (`ActionRules.proofs`); none if left out. */
  readonly proofs?: (chainId: string, evidence: EvidenceOf<Kind>) => readonly SealProof[];
  /** What it proves once they hold, or why it proves nothing. Age, set and repeats are the router's. */
  readonly prove: (evidence: EvidenceOf<Kind>, reader: StakingReader) => ProvenFault | Failure;
  /** What remains of `prove` that takes arithmetic: once signatures and proofs hold. */
  readonly costlyFault?: (evidence: EvidenceOf<Kind>, reader: StakingReader) => Failure | undefined;
}

/** Evidence by kind; of several kinds, their union. */
export type EvidenceOf<Kind extends SubmittedEvidence["kind"]> = {
  [K in Kind]: Extract<SubmittedEvidence, { readonly kind: K }>;
}[Kind];

export interface ProvenFault {
  /** Consensus address, 40-hex. */
  readonly validator: string;
  readonly height: number;
  /** Tells offences of one validator, route and height apart, however they are proven. */
  readonly offence: string;
}

/** What every fault costs that takes two signatures which contradict each other. */
export function doubleSignPenalty({ doubleSignSlashBps }: ParamsState): Penalty {
  return { kind: "tombstone", fractionBps: doubleSignSlashBps };
}

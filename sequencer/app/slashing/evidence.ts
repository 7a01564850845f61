/**
 * The evidence router: routes say what proves a fault and what it costs (`faults/`), this file what holds for
 * all of them: known validators, the set at the height, age, and that nothing counts twice (spec staking C1).
 */
import { concatBytes, EMPTY_BYTES, fromHex, toHex, utf8ToBytes } from "../../../proto/bytes.ts";
import { Height } from "../../../proto/brands.ts";
import { BondStatus } from "../../../proto/codec/staking-state.ts";
import type { SubmitEvidence, SubmittedEvidence } from "../../../proto/codec/staking-tx.ts";
import { sha256 } from "../../../proto/hash.ts";
import type { SealProof } from "../../../mev/seal/compute.ts";
import type { SignatureCheck } from "../../../mev/signatures.ts";
import type { Misbehavior } from "../../abci/application.ts";
import { event, indexed, plain } from "../abci-event.ts";
import { type Failure, failure } from "../codes.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";
import { powerAt } from "../staking/power-history.ts";
import { EVIDENCE, VALIDATORS } from "../state/tables.ts";
import type { FaultRoute, ProvenFault } from "./faults/route.ts";
import { CONSENSUS_ROUTES, submittedRoute } from "./faults/routes.ts";
import { isTooOld, latestTimeOf, recordHeightTime } from "./height-time.ts";
import { punish } from "./penalty.ts";

/**
 * Begin of a block: faults that consensus has proven, with the power and time that it found. One that
 * punishes nobody, because the validator is out for good already, leaves an event.
 */
export function handleMisbehavior(ctx: StakingContext, misbehavior: readonly Misbehavior[]): void {
  recordHeightTime(ctx);
  for (const { type, validator, height, time } of misbehavior) {
    const route = CONSENSUS_ROUTES[type];
    const fault: JudgedFault = {
      validator: toHex(validator.address),
      height,
      offence: "",
      power: validator.power,
      seconds: Number(time.seconds),
    };
    const refused = punishmentFault(ctx, route, fault);
    if (refused === undefined) punishFault(ctx, route, fault, undefined);
    else ctx.emit(ignoredEvent(route, fault, refused));
  }
}

/**
 * Why the evidence punishes nobody, or undefined. Its signatures hold: they are checked with the
 * transaction's own (`evidenceSignatures`).
 */
export function submitEvidenceFault(
  reader: StakingReader,
  _sender: string,
  { evidence }: SubmitEvidence,
): Failure | undefined {
  const route = submittedRoute(evidence.kind);
  const fault = judged(reader, route.prove(evidence, reader));
  return "code" in fault ? fault : punishmentFault(reader, route, fault);
}

/** What remains of `submitEvidenceFault`, once signatures and proofs hold. */
export function submitEvidenceCostlyFault(
  reader: StakingReader,
  { evidence }: SubmitEvidence,
): Failure | undefined {
  return submittedRoute(evidence.kind).costlyFault?.(evidence, reader);
}

/** Punishes, and rewards the sender. */
export function submitEvidence(
  ctx: StakingContext,
  sender: string,
  { evidence }: SubmitEvidence,
): void {
  const route = submittedRoute(evidence.kind);
  const fault = judged(ctx, route.prove(evidence, ctx));
  if (!("code" in fault)) punishFault(ctx, route, fault, sender);
}

/**
 * Signatures that the evidence stands on, from its bytes alone: `TxDecoder` lists them beside the
 * transaction's own, and an item with one that does not hold is refused like an unsigned one.
 */
export function evidenceSignatures(
  chainId: string,
  evidence: SubmittedEvidence,
): readonly SignatureCheck[] {
  return submittedRoute(evidence.kind).signatures(chainId, evidence);
}

/** Proofs that the evidence stands on beside signatures, from its bytes alone. */
export function evidenceProofs(chainId: string, evidence: SubmittedEvidence): readonly SealProof[] {
  return submittedRoute(evidence.kind).proofs?.(chainId, evidence) ?? [];
}

/** Key of the record of a fault: H(lp(route) ‖ address ‖ height ‖ lp(offence)), lower-case hex. */
export function evidenceHash(
  route: Pick<FaultRoute, "name">,
  { validator, height, offence }: ProvenFault,
): string {
  const at = new Uint8Array(8);
  new DataView(at.buffer).setBigUint64(0, BigInt(height));
  return toHex(sha256(concatBytes(lp(route.name), fromHex(validator), at, lp(offence))));
}

/** A fault with what its penalty depends on. */
interface JudgedFault extends ProvenFault {
  readonly power: bigint;
  /** Block time, or a little later. */
  readonly seconds: number;
}

/** Adds power and time from the state. */
function judged(reader: StakingReader, fault: ProvenFault | Failure): JudgedFault | Failure {
  if ("code" in fault) return fault;
  const { validator, height } = fault;
  if (height > reader.height) {
    return failure("EVIDENCE_HEIGHT", `height ${height}, the block is ${reader.height}`);
  }
  const seconds = latestTimeOf(reader, height);
  if (seconds === undefined) return failure("EVIDENCE_TOO_OLD", `height ${height}`);
  return { ...fault, power: powerAt(reader, validator, height), seconds };
}

/** What holds for every route; cheapest first. */
function punishmentFault(
  reader: StakingReader,
  route: FaultRoute,
  fault: JudgedFault,
): Failure | undefined {
  const { validator, height, power, seconds } = fault;
  const state = reader.records.get(VALIDATORS, validator);
  if (state === undefined) return failure("VALIDATOR_UNKNOWN", validator);
  if (state.tombstoned) return failure("VALIDATOR_TOMBSTONED", validator);
  if (reader.records.get(EVIDENCE, evidenceHash(route, fault)) !== undefined) {
    return failure("EVIDENCE_KNOWN", `${route.name} of ${validator} at height ${height}`);
  }
  if (isTooOld(reader, height, seconds)) {
    return failure(
      "EVIDENCE_TOO_OLD",
      `${reader.height - height} blocks and ${reader.nowSeconds - seconds} seconds`,
    );
  }
  // A validator that was removed and created again answers for what it has done since.
  if (power === 0n || height < state.createdHeight) {
    return failure("EVIDENCE_NOT_IN_SET", `${validator} at height ${height}`);
  }
  if (state.status === BondStatus.UNBONDED) return failure("EVIDENCE_UNBONDED", validator);
  return undefined;
}

function punishFault(
  ctx: StakingContext,
  route: FaultRoute,
  fault: JudgedFault,
  reporter: string | undefined,
): void {
  const { validator, height, power } = fault;
  const { name: reason } = route;
  const offence = { validator, height, power, reason };
  const { burned, reward } = punish(ctx, offence, route.penalty(ctx.params), reporter);
  const hash = evidenceHash(route, fault);
  ctx.records.set(EVIDENCE, hash, {
    route: reason,
    validator: fromHex(validator),
    height: Height(height),
    punishedHeight: Height(ctx.height),
    burned,
    reward,
    reporter: reporter === undefined ? EMPTY_BYTES : fromHex(reporter),
  });
  ctx.emit(
    event("evidence", [
      indexed("hash", hash),
      indexed("route", reason),
      indexed("validator", validator.toUpperCase()),
      plain("height", String(height)),
      plain("burned", String(burned)),
      plain("reward", String(reward)),
    ]),
  );
}

function ignoredEvent({ name }: FaultRoute, fault: ProvenFault, { code, reason }: Failure) {
  return event("evidence_ignored", [
    indexed("route", name),
    indexed("validator", fault.validator.toUpperCase()),
    plain("height", String(fault.height)),
    plain("code", code),
    plain("reason", reason),
  ]);
}

/** Length-prefixed, one byte. */
function lp(text: string): Uint8Array {
  const bytes = utf8ToBytes(text);
  return concatBytes(Uint8Array.of(bytes.length), bytes);
}

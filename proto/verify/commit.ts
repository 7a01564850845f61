/**
 * Verification of commits (spec/cometbft-v0.38.md §9.2). Each check first decides which signatures
 * count and whether their power suffices, then verifies exactly those. A verdict is data: the caller
 * decides whether a bad commit ends a block, a peer or a light client's step.
 */
import { setImmediate as atNextTurn } from "node:timers/promises";
import { bytesEqual, toHex } from "../bytes.ts";
import { faultOf } from "../errors.ts";
import { commitSigSignBytes, voteExtensionSignBytes } from "../sign-bytes.ts";
import {
  BlockIdFlag,
  type BlockId,
  type Commit,
  type CommitSig,
  type ExtendedCommit,
  type Validator,
  type ValidatorSet,
} from "../types.ts";
import { blockIdsEqual, validateCommitSig, validateExtensions } from "../validate-basic.ts";
import { twoThirdsOf } from "../validator-set.ts";
import type { SignatureVerifier, SignedItem, VerifySignature } from "./ed25519.ts";
import { verifySecp256k1Sync } from "./secp256k1.ts";

const INT64_MAX = 0x7fff_ffff_ffff_ffffn;
/** Signatures of a stranger's commit that are checked before it is looked whether one was bad. */
const SLICE_SIGNATURES = 16;
/** Checks by secp256k1 keys, about 1 ms each, in one turn of the loop. */
const SECP_PER_TURN = 2;

/** Why a commit does not hold. */
export type CommitFault =
  /** Not one entry for each validator. */
  | "COMMIT_WRONG_SIZE"
  /** The commit is of another height. */
  | "COMMIT_WRONG_HEIGHT"
  /** The commit is for another block. */
  | "COMMIT_WRONG_BLOCK"
  /** An entry is malformed. */
  | "COMMIT_MALFORMED"
  /** An entry does not name the validator at its place. */
  | "COMMIT_WRONG_ADDRESS"
  /** One validator signs twice. */
  | "COMMIT_DOUBLE_SIGNER"
  /** A key that is not ed25519. */
  | "COMMIT_KEY_TYPE"
  /** A signature does not verify. */
  | "COMMIT_WRONG_SIGNATURE"
  /** The power that signed is not above what is needed. */
  | "COMMIT_NOT_ENOUGH_POWER"
  /** The trust level is not a fraction from 1/3 to 1, or overflows int64. */
  | "COMMIT_TRUST_LEVEL";

export type CommitVerdict =
  | { readonly isValid: true }
  | { readonly isValid: false; readonly fault: CommitFault; readonly message: string };

/** A fraction of the power of a trusted set, from 1/3 to 1. */
export interface TrustLevel {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

export const ONE_THIRD: TrustLevel = { numerator: 1n, denominator: 3n };

/** What a commit is checked against. */
export interface CommitContext {
  readonly chainId: string;
  /** The set of the commit's height. */
  readonly validators: ValidatorSet;
  readonly blockId: BlockId;
  readonly height: number;
}

/** Which entries a check reads, and when it has seen enough. */
interface Selection {
  /** Entries of other flags are skipped. */
  readonly flags: readonly BlockIdFlag[];
  readonly stopsAtQuorum: boolean;
}

const ALL_SIGNATURES: Selection = {
  flags: [BlockIdFlag.UNKNOWN, BlockIdFlag.COMMIT, BlockIdFlag.NIL],
  stopsAtQuorum: false,
};
const COMMIT_UNTIL_QUORUM: Selection = { flags: [BlockIdFlag.COMMIT], stopsAtQuorum: true };
const COMMIT_ALL: Selection = { flags: [BlockIdFlag.COMMIT], stopsAtQuorum: false };

type Plan =
  | { readonly isReady: false; readonly verdict: CommitVerdict }
  | {
      readonly isReady: true;
      readonly items: readonly SignedItem[];
      /** Those by secp256k1 keys, which only the rule for evidence takes. */
      readonly secpItems: readonly SignedItem[];
    };

/**
 * The rule for the last commit of a block: every signature must verify, nil ones too, and those for
 * the block must hold more than 2/3 of the power.
 */
export function verifyCommit(
  context: CommitContext,
  commit: Commit,
  verify: VerifySignature,
): CommitVerdict {
  return decide(planByIndex(context, commit, ALL_SIGNATURES), verify);
}

/** As `verifyCommit`, with signatures checked away from the main loop. */
export async function verifyCommitAsync(
  context: CommitContext,
  commit: Commit,
  verifier: SignatureVerifier,
): Promise<CommitVerdict> {
  return decideAsync(planByIndex(context, commit, ALL_SIGNATURES), verifier);
}

/** The light client's rule: only signatures for the block, only until they exceed 2/3. */
export function verifyCommitLight(
  context: CommitContext,
  commit: Commit,
  verify: VerifySignature,
): CommitVerdict {
  return decide(planByIndex(context, commit, COMMIT_UNTIL_QUORUM), verify);
}

export async function verifyCommitLightAsync(
  context: CommitContext,
  commit: Commit,
  verifier: SignatureVerifier,
): Promise<CommitVerdict> {
  return decideAsync(planByIndex(context, commit, COMMIT_UNTIL_QUORUM), verifier);
}

/** As `verifyCommitLight`, but every signature for the block is checked: the rule for evidence. */
export function verifyCommitLightAllSignatures(
  context: CommitContext,
  commit: Commit,
  verify: VerifySignature,
): CommitVerdict {
  return decide(planByIndex(context, commit, COMMIT_ALL), verify);
}

/**
 * As `verifyCommitLightAllSignatures`, with signatures checked away from the main loop. The first that
 * does not verify ends it: such a commit is a stranger's, and refusing a signature is dear.
 */
export async function verifyCommitLightAllSignaturesAsync(
  context: CommitContext,
  commit: Commit,
  verifier: SignatureVerifier,
): Promise<CommitVerdict> {
  return decideInSlices(planByIndex(context, commit, COMMIT_ALL), verifier);
}

/**
 * Whether more than `level` of a set that is trusted already signed a later commit. Signers are
 * found by address; those outside the set are skipped.
 */
export function verifyCommitLightTrusting(
  chainId: string,
  trusted: ValidatorSet,
  commit: Commit,
  level: TrustLevel,
  verify: VerifySignature,
): CommitVerdict {
  return decide(planByAddress(chainId, trusted, commit, level, COMMIT_UNTIL_QUORUM), verify);
}

export async function verifyCommitLightTrustingAsync(
  chainId: string,
  trusted: ValidatorSet,
  commit: Commit,
  level: TrustLevel,
  verifier: SignatureVerifier,
): Promise<CommitVerdict> {
  return decideAsync(planByAddress(chainId, trusted, commit, level, COMMIT_UNTIL_QUORUM), verifier);
}

/** As `verifyCommitLightTrusting`, but every known signer's signature is checked. */
export function verifyCommitLightTrustingAllSignatures(
  chainId: string,
  trusted: ValidatorSet,
  commit: Commit,
  level: TrustLevel,
  verify: VerifySignature,
): CommitVerdict {
  return decide(planByAddress(chainId, trusted, commit, level, COMMIT_ALL), verify);
}

/** The same with signatures checked away from the main loop; the first bad one ends it. */
export async function verifyCommitLightTrustingAllSignaturesAsync(
  chainId: string,
  trusted: ValidatorSet,
  commit: Commit,
  level: TrustLevel,
  verifier: SignatureVerifier,
): Promise<CommitVerdict> {
  return decideInSlices(planByAddress(chainId, trusted, commit, level, COMMIT_ALL), verifier);
}

/**
 * `verifyCommit`, and the signature of every extension: the rule of block sync where vote extensions
 * are enabled.
 */
export async function verifyExtendedCommitAsync(
  context: CommitContext,
  commit: ExtendedCommit,
  verifier: SignatureVerifier,
): Promise<CommitVerdict> {
  const malformed = faultOf(() => validateExtensions(commit, true));
  if (malformed !== undefined) return fault("COMMIT_MALFORMED", malformed);
  const { height, round, blockId, extendedSignatures } = commit;
  const plain: Commit = { height, round, blockId, signatures: extendedSignatures };
  const plan = planByIndex(context, plain, ALL_SIGNATURES);
  if (!plan.isReady) return plan.verdict;
  const items = [...plan.items];
  for (const [i, sig] of extendedSignatures.entries()) {
    const validator = context.validators.validators[i];
    if (sig.blockIdFlag !== BlockIdFlag.COMMIT || validator === undefined) continue;
    const message = voteExtensionSignBytes(context.chainId, { height, round, ...sig });
    const publicKey = validator.publicKey.bytes;
    items.push({ publicKey, message, signature: sig.extensionSignature });
  }
  return decideAsync({ ...plan, items }, verifier);
}

/** Entries stand at the index of their validator. */
function planByIndex(context: CommitContext, commit: Commit, selection: Selection): Plan {
  const { validators, totalVotingPower } = context.validators;
  const count = commit.signatures.length;
  if (validators.length !== count) {
    return stop("COMMIT_WRONG_SIZE", `expected ${validators.length} entries, got ${count}`);
  }
  if (context.height !== commit.height) {
    return stop("COMMIT_WRONG_HEIGHT", `expected height ${context.height}, got ${commit.height}`);
  }
  if (!blockIdsEqual(context.blockId, commit.blockId)) {
    return stop("COMMIT_WRONG_BLOCK", "the commit is for another block id");
  }
  const find = (sig: CommitSig, i: number): Found => {
    const validator = validators[i];
    if (validator !== undefined && bytesEqual(validator.address, sig.validatorAddress)) {
      return { kind: "validator", validator };
    }
    const address = toHex(sig.validatorAddress);
    return { kind: "fault", plan: stop("COMMIT_WRONG_ADDRESS", `entry ${i} names ${address}`) };
  };
  return plan(context.chainId, commit, selection, twoThirdsOf(totalVotingPower), find);
}

/** Entries are looked up by address in a set that need not be the commit's own. */
function planByAddress(
  chainId: string,
  trusted: ValidatorSet,
  commit: Commit,
  level: TrustLevel,
  selection: Selection,
): Plan {
  const { numerator, denominator } = level;
  const isInRange = numerator > 0n && numerator <= denominator && numerator * 3n >= denominator;
  const scaled = trusted.totalVotingPower * numerator;
  if (!isInRange || scaled > INT64_MAX) {
    return stop("COMMIT_TRUST_LEVEL", `unusable trust level ${numerator}/${denominator}`);
  }
  const byAddress = new Map(trusted.validators.map((v) => [toHex(v.address), v]));
  const seen = new Map<string, number>();
  const find = (sig: CommitSig, i: number): Found => {
    const address = toHex(sig.validatorAddress);
    const validator = byAddress.get(address);
    if (validator === undefined) return { kind: "skip" };
    const first = seen.get(address);
    if (first !== undefined) {
      const message = `${address} signs at ${first} and at ${i}`;
      return { kind: "fault", plan: stop("COMMIT_DOUBLE_SIGNER", message) };
    }
    seen.set(address, i);
    return { kind: "validator", validator };
  };
  return plan(chainId, commit, selection, scaled / denominator, find);
}

type Found =
  | { readonly kind: "validator"; readonly validator: Validator }
  | { readonly kind: "skip" }
  | { readonly kind: "fault"; readonly plan: Plan };

function plan(
  chainId: string,
  commit: Commit,
  selection: Selection,
  needed: bigint,
  find: (sig: CommitSig, i: number) => Found,
): Plan {
  const items: SignedItem[] = [];
  const secpItems: SignedItem[] = [];
  let tallied = 0n;
  for (const [i, sig] of commit.signatures.entries()) {
    if (!selection.flags.includes(sig.blockIdFlag)) continue;
    const malformed = faultOf(() => validateCommitSig(sig));
    if (malformed !== undefined) return stop("COMMIT_MALFORMED", `entry ${i}: ${malformed}`);
    const found = find(sig, i);
    if (found.kind === "fault") return found.plan;
    if (found.kind === "skip") continue;
    const { publicKey, votingPower } = found.validator;
    const message = commitSigSignBytes(chainId, commit, sig);
    const item = { publicKey: publicKey.bytes, message, signature: sig.signature };
    (publicKey.type === "ed25519" ? items : secpItems).push(item);
    if (sig.blockIdFlag === BlockIdFlag.COMMIT) tallied += votingPower;
    if (selection.stopsAtQuorum && tallied > needed) break;
  }
  if (tallied <= needed) {
    return stop("COMMIT_NOT_ENOUGH_POWER", `expected more than ${needed}, got ${tallied}`);
  }
  return { isReady: true, items, secpItems };
}

function decide(ready: Plan, verify: VerifySignature): CommitVerdict {
  if (!ready.isReady) return ready.verdict;
  if (ready.secpItems.length > 0) return wrongKeyType(ready.secpItems.length);
  const bad = ready.items.findIndex(
    (item) => !verify(item.publicKey, item.message, item.signature),
  );
  return bad < 0 ? { isValid: true } : wrongSignature(bad);
}

async function decideAsync(ready: Plan, verifier: SignatureVerifier): Promise<CommitVerdict> {
  if (!ready.isReady) return ready.verdict;
  if (ready.secpItems.length > 0) return wrongKeyType(ready.secpItems.length);
  const bad = (await verifier.verifyBatch(ready.items)).indexOf(false);
  return bad < 0 ? { isValid: true } : wrongSignature(bad);
}

async function decideInSlices(ready: Plan, verifier: SignatureVerifier): Promise<CommitVerdict> {
  if (!ready.isReady) return ready.verdict;
  for (let start = 0; start < ready.items.length; start += SLICE_SIGNATURES) {
    const slice = ready.items.slice(start, start + SLICE_SIGNATURES);
    const bad = (await verifier.verifyBatch(slice)).indexOf(false);
    if (bad >= 0) return wrongSignature(start + bad);
  }
  for (const [i, { publicKey, message, signature }] of ready.secpItems.entries()) {
    if (i % SECP_PER_TURN === 0) await atNextTurn();
    const isValid = verifySecp256k1Sync(publicKey, message, signature);
    if (!isValid) return wrongSignature(ready.items.length + i);
  }
  return { isValid: true };
}

function wrongKeyType(count: number): CommitVerdict {
  return fault("COMMIT_KEY_TYPE", `${count} signatures by secp256k1 keys, which no validator has`);
}

function wrongSignature(index: number): CommitVerdict {
  return fault("COMMIT_WRONG_SIGNATURE", `signature ${index} of those checked does not verify`);
}

function stop(code: CommitFault, message: string): Plan {
  return { isReady: false, verdict: fault(code, message) };
}

function fault(code: CommitFault, message: string): CommitVerdict {
  return { isValid: false, fault: code, message };
}

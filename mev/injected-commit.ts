/**
 * The injected commit: item 1 of every block above the initial height, which brings the LISTS parts of
 * the previous height's extensions into the block (docs/formats.md, "Vote extensions"; spec/mev.md P1).
 *
 * The proposer re-verifies every part, because CometBFT hands over extensions of late precommits that
 * nobody has verified (cometbft #2361, omni #2460), and leaves BLANK what fails: that a validator's part
 * is missing counts neither for nor against anybody. Verifiers take powers, order and completeness from
 * the block's last commit, never from the injected bytes (cosmos-sdk #19550).
 */
import { bytesEqual, EMPTY_BYTES, toHex } from "../proto/bytes.ts";
import type { Shares } from "../proto/codec/seal-block.ts";
import { type InjectedCommit, type InjectedEntry, isBlank } from "../proto/codec/weft-block.ts";
import type { Lists } from "../proto/codec/weft-extension.ts";
import { assert } from "../proto/errors.ts";
import { BlockIdFlag } from "../proto/types.ts";
import {
  badSignature,
  type CheckedLists,
  checkExtension,
  checkLists,
  type ExtensionContext,
  type ExtensionPorts,
  type ExtensionRefusal,
  verifyExtensions,
} from "./extension.ts";
import { type Refusal, refusal } from "../proto/refusal.ts";
import type { ApplicationKeyOf, VerifySignatures } from "./signatures.ts";

/** One validator's vote in ABCI's `CommitInfo`; all validators of the height, in set order. */
export interface CommitVote {
  readonly validator: { readonly address: Uint8Array; readonly power: bigint };
  readonly blockIdFlag: BlockIdFlag;
}

/** The same in ABCI's `ExtendedCommitInfo`. */
export interface ExtendedCommitVote extends CommitVote {
  readonly voteExtension: Uint8Array;
}

/** What an injected commit speaks of: height and hash of the previous block, its validators. */
export type InjectedContext = Omit<ExtensionContext, "validatorCount">;

export interface BuiltInjectedCommit {
  readonly commit: InjectedCommit;
  /** COMMIT validators left BLANK, and why; for logs and metrics. */
  readonly blanks: readonly {
    readonly validatorIndex: number;
    readonly refusal: ExtensionRefusal;
  }[];
  /** The parts of validators that are not BLANK, as `verifyInjectedCommit` returns them. */
  readonly lists: readonly InjectedLists[];
  /** What validators that are not BLANK have shared, verified. */
  readonly shares: readonly ValidatorShares[];
  /** Non-blank power exceeds 2/3 of the whole set: without it no block can be made from this commit. */
  readonly hasQuorum: boolean;
}

/** A SHARES part that holds. */
export interface ValidatorShares {
  readonly validatorIndex: number;
  readonly address: Uint8Array;
  readonly shares: Shares;
}

export type InjectedRefusalCode =
  /** Height or block hash is not that of the previous block. */
  | "INJECTED_WRONG_BLOCK"
  /** Not exactly one entry per COMMIT validator of the last commit, in set order. */
  | "INJECTED_INCOMPLETE"
  /** An entry that is not BLANK breaks a rule of LISTS parts, or is not signed. */
  | "INJECTED_BAD_ENTRY"
  /** Non-blank power does not exceed 2/3 of the whole set's. */
  | "INJECTED_NO_QUORUM";

/** A LISTS part that the block brings, by whom, and the power behind it in the last commit. */
export interface InjectedLists {
  readonly validatorIndex: number;
  readonly address: Uint8Array;
  readonly power: bigint;
  readonly lists: Lists;
}

/**
 * Item 1 of a proposal. `votes`: `localLastCommit` of PrepareProposal; `context.height` is the height of
 * that commit, one below the block's.
 */
export async function buildInjectedCommit(
  context: InjectedContext,
  votes: readonly ExtendedCommitVote[],
  keyOf: ApplicationKeyOf,
  ports: ExtensionPorts,
): Promise<BuiltInjectedCommit> {
  const extensionContext = { ...context, validatorCount: votes.length };
  const voters = [...votes.entries()]
    .filter(([, vote]) => vote.blockIdFlag === BlockIdFlag.COMMIT)
    .map(([validatorIndex, { validator, voteExtension }]) => ({
      validatorIndex,
      validator,
      voteExtension,
    }));
  const verified = await verifyExtensions(
    voters.map(({ validator: { address }, voteExtension }) =>
      checkExtension(extensionContext, voteExtension, { address, publicKey: keyOf(address) }),
    ),
    ports,
  );

  const entries: InjectedEntry[] = [];
  const blanks: { validatorIndex: number; refusal: ExtensionRefusal }[] = [];
  const lists: InjectedLists[] = [];
  const shares: ValidatorShares[] = [];
  let power = 0n;
  for (const [at, { validatorIndex, validator }] of voters.entries()) {
    const verdict = verified[at];
    assert(verdict !== undefined, "each extension has a verdict");
    if ("code" in verdict) {
      entries.push({ validatorIndex, lists: EMPTY_BYTES, signature: EMPTY_BYTES });
      blanks.push({ validatorIndex, refusal: verdict });
      continue;
    }
    const { content, signature } = verdict.lists;
    const { address } = validator;
    entries.push({ validatorIndex, lists: content, signature });
    lists.push({ validatorIndex, address, power: validator.power, lists: verdict.lists.lists });
    if (verdict.shares !== undefined) {
      shares.push({ validatorIndex, address, shares: verdict.shares.shares });
    }
    power += validator.power;
  }
  const commit = { height: context.height, blockHash: context.blockHash, entries };
  return { commit, blanks, lists, shares, hasQuorum: isQuorum(power, votes) };
}

/**
 * Checks item 1 of a block and returns the LISTS parts it brings. `votes`: the block's own last commit
 * (`proposedLastCommit`, `decidedLastCommit`).
 */
export async function verifyInjectedCommit(
  context: InjectedContext,
  commit: InjectedCommit,
  votes: readonly CommitVote[],
  keyOf: ApplicationKeyOf,
  verify: VerifySignatures,
): Promise<readonly InjectedLists[] | Refusal<InjectedRefusalCode>> {
  if (commit.height !== context.height || !bytesEqual(commit.blockHash, context.blockHash)) {
    return refusal(
      "INJECTED_WRONG_BLOCK",
      `expected height ${context.height}, block ${toHex(context.blockHash)}; ` +
        `got ${commit.height}, ${toHex(commit.blockHash)}`,
    );
  }
  const incomplete = completenessFault(commit, votes);
  if (incomplete !== undefined) return incomplete;

  const extensionContext = { ...context, validatorCount: votes.length };
  const checked: (CheckedLists | undefined)[] = [];
  const found: InjectedLists[] = [];
  let power = 0n;
  for (const entry of commit.entries) {
    const vote = votes[entry.validatorIndex];
    if (isBlank(entry) || vote === undefined) continue;
    const { address } = vote.validator;
    const part = checkLists(extensionContext, entry.lists, entry.signature, {
      address,
      publicKey: keyOf(address),
    });
    if ("code" in part) return badEntry(entry, part);
    checked[entry.validatorIndex] = part;
    power += vote.validator.power;
    found.push({
      validatorIndex: entry.validatorIndex,
      address,
      power: vote.validator.power,
      lists: part.lists,
    });
  }
  // Power before signatures: the cheap refusal first.
  if (!isQuorum(power, votes)) {
    return refusal(
      "INJECTED_NO_QUORUM",
      `power ${power} of ${totalPower(votes)} is not more than 2/3`,
    );
  }
  const isSigned = await verifyAll(checked, verify);
  for (const entry of commit.entries) {
    if (!isBlank(entry) && isSigned[entry.validatorIndex] !== true) {
      return badEntry(entry, badSignature());
    }
  }
  return found;
}

function completenessFault(
  commit: InjectedCommit,
  votes: readonly CommitVote[],
): Refusal<InjectedRefusalCode> | undefined {
  let at = 0;
  for (const [validatorIndex, vote] of votes.entries()) {
    if (vote.blockIdFlag !== BlockIdFlag.COMMIT) continue;
    const entry = commit.entries[at++];
    if (entry?.validatorIndex !== validatorIndex) {
      const got = entry === undefined ? "none" : `one of validator ${entry.validatorIndex}`;
      return refusal(
        "INJECTED_INCOMPLETE",
        `entry ${at - 1}: expected one of validator ${validatorIndex}, got ${got}`,
      );
    }
  }
  if (at === commit.entries.length) return undefined;
  return refusal("INJECTED_INCOMPLETE", `expected ${at} entries, got ${commit.entries.length}`);
}

/** Results by validator index; one batch, so that the port can spread the work. */
async function verifyAll(
  parts: readonly (CheckedLists | undefined)[],
  verify: VerifySignatures,
): Promise<readonly (boolean | undefined)[]> {
  const indexes: number[] = [];
  const checks = [];
  for (const [index, part] of parts.entries()) {
    if (part === undefined) continue;
    indexes.push(index);
    checks.push(part.signatureCheck);
  }
  const results = checks.length === 0 ? [] : await verify(checks);
  const byIndex: (boolean | undefined)[] = [];
  for (const [at, index] of indexes.entries()) byIndex[index] = results[at];
  return byIndex;
}

/** Of the whole set, absent validators included. */
function isQuorum(power: bigint, votes: readonly CommitVote[]): boolean {
  return power * 3n > totalPower(votes) * 2n;
}

function totalPower(votes: readonly CommitVote[]): bigint {
  return votes.reduce((sum, vote) => sum + vote.validator.power, 0n);
}

function badEntry(entry: InjectedEntry, fault: ExtensionRefusal): Refusal<InjectedRefusalCode> {
  return refusal(
    "INJECTED_BAD_ENTRY",
    `validator ${entry.validatorIndex}: ${fault.code}: ${fault.reason}`,
  );
}

/**
 * The validator's key behind a port: a file here, or a signer elsewhere. Every implementation
 * guards against double signing by itself (spec/cometbft-v0.38.md §15.3), and says when it would
 * remember after a loss of power what it signed: before that, nothing signed may leave the process.
 */
import type { Proposal, PublicKey, Vote } from "../../../proto/types.ts";

export interface PrivValidator {
  publicKey(): Promise<PublicKey>;
  /**
   * Signs a vote whose signature fields are empty. When only the timestamp differs from what was
   * signed before at this height, round and step, the old timestamp and signature come back.
   * A precommit of a block also gets an extension signature, made anew each time, when `isExtended`.
   * A signer that is elsewhere and away is waited for until `signal` says that nobody needs the vote.
   * @throws PrivValidatorError when the guard refuses; PRIVVAL_UNAVAILABLE when nobody answered, and
   * the same may be asked again.
   */
  signVote(chainId: string, vote: Vote, isExtended: boolean, signal?: AbortSignal): Promise<Vote>;
  /** Signs a proposal whose signature is empty; the same rules. */
  signProposal(chainId: string, proposal: Proposal, signal?: AbortSignal): Promise<Proposal>;
  /**
   * Resolves when all that was signed until now is durable.
   * @throws PrivValidatorError PRIVVAL_PERSIST_FAILED, from then on always
   */
  settled(): Promise<void>;
  /**
   * Learns of a signature of its own that the log kept: the power may have gone before the guard had
   * it on disk. Durable when the promise resolves; nothing happens when it knows of a later one.
   * @returns the height of what it knew last, if this is news to it
   */
  remember(chainId: string, signed: Vote | Proposal): Promise<number | undefined>;
}

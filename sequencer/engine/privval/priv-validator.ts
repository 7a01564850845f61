/**
 * The validator's key behind a port: a file here, or a signer elsewhere. Every implementation
 * guards against double signing by itself (spec/cometbft-v0.38.md §15.3) and has made what it
 * signed durable when its promise resolves.
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
}

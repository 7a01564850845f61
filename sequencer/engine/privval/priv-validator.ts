/**
 * The validator's key behind a port: a file today, a remote signer later. Every implementation
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
   * @throws PrivValidatorError when the guard refuses.
   */
  signVote(chainId: string, vote: Vote, isExtended: boolean): Promise<Vote>;
  /** Signs a proposal whose signature is empty; the same rules. */
  signProposal(chainId: string, proposal: Proposal): Promise<Proposal>;
}

/** Signers for tests. */
import type { PrivValidator } from "../../sequencer/engine/privval/priv-validator.ts";

/** A signer as a plain object, of which a test may replace methods. */
export function passThrough(signer: PrivValidator): PrivValidator {
  return {
    publicKey: () => signer.publicKey(),
    signVote: (...args) => signer.signVote(...args),
    signProposal: (...args) => signer.signProposal(...args),
    settled: () => signer.settled(),
    remember: (...args) => signer.remember(...args),
  };
}

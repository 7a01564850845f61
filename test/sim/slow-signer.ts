/** A signer that takes its time, or is away, as one that is elsewhere may be. */
import { PrivValidatorError } from "../../sequencer/engine/privval/errors.ts";
import type { PrivValidator } from "../../sequencer/engine/privval/priv-validator.ts";
import type { Life } from "./life.ts";

export interface SlowSignerDependencies {
  readonly life: Life;
  /** Time that a signature takes before and after it is made, in ms. */
  readonly signMs: () => number;
  readonly isAway: () => boolean;
  /** Somebody asks for a signature. */
  readonly onSign: () => void;
}

export function slowSigner(
  signer: PrivValidator,
  { life, signMs, isAway, onSign }: SlowSignerDependencies,
): PrivValidator {
  const sign = async <T>(task: () => Promise<T>): Promise<T> => {
    onSign();
    const takesMs = signMs();
    if (takesMs > 0) await life.wait(takesMs, "signer");
    if (isAway()) throw unavailable();
    const signed = await task();
    if (takesMs > 0) await life.wait(takesMs, "signer");
    // Its answer is lost, and it remembers that it has signed.
    if (isAway()) throw unavailable();
    return signed;
  };
  return {
    publicKey: () => signer.publicKey(),
    signVote: (chainId, vote, isExtended, signal) =>
      sign(() => signer.signVote(chainId, vote, isExtended, signal)),
    signProposal: (chainId, proposal, signal) =>
      sign(() => signer.signProposal(chainId, proposal, signal)),
    settled: () => signer.settled(),
    remember: (chainId, signed) => signer.remember(chainId, signed),
  };
}

function unavailable(): PrivValidatorError {
  return new PrivValidatorError({ code: "PRIVVAL_UNAVAILABLE" }, "the signer does not answer");
}

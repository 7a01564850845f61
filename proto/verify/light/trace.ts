/**
 * From a trusted block to a later one, step by step (spec/cometbft-v0.38.md §18). The blocks verified
 * on the way, first and last included, are the trace that the detector compares.
 */
import { Height } from "../../brands.ts";
import { assert, assertNever } from "../../errors.ts";
import type { LightBlock, Timestamp } from "../../types.ts";
import type { SignatureVerifier } from "../ed25519.ts";
import { lightClientError } from "./errors.ts";
import { fetchLightBlock, type LightBlockProvider } from "./provider.ts";
import { type StepOptions, type StepVerdict, verifyLightBlock } from "./step.ts";

/** Where bisection cuts, as CometBFT does: nearer to the target than the middle. */
const PIVOT_NUMERATOR = 9;
const PIVOT_DENOMINATOR = 16;

/** What every step of one verification shares. */
export interface VerifyContext {
  readonly chainId: string;
  readonly now: Timestamp;
  readonly options: StepOptions;
  readonly verifier: SignatureVerifier;
  readonly signal: AbortSignal;
}

/** Verifies `target`, which `source` gave, from `trusted`. */
export type VerifyTrace = (
  source: LightBlockProvider,
  trusted: LightBlock,
  target: LightBlock,
  context: VerifyContext,
) => Promise<readonly LightBlock[]>;

/**
 * Bisection: tries the target at once, and a block in between as long as too little of the trusted set
 * signed. @throws LightClientError, ProviderError
 */
export const verifySkipping: VerifyTrace = async (source, trusted, target, context) => {
  assert(heightOf(trusted) < heightOf(target), "only later blocks are verified by bisection");
  const trace = [trusted];
  /** Not verified yet, from the highest to the lowest. */
  const candidates = [target];
  let verified = trusted;
  let depth = 0;
  for (;;) {
    const candidate = candidates[depth];
    assert(candidate !== undefined, "the depth stays within the candidates");
    const verdict = await step(verified, candidate, context);
    if (verdict.kind === "verified") {
      trace.push(candidate);
      if (depth === 0) return trace;
      verified = candidate;
      candidates.length = depth;
      depth = 0;
    } else if (verdict.kind === "notEnoughTrust") {
      if (depth === candidates.length - 1) {
        const pivot = pivotBetween(heightOf(verified), heightOf(candidate));
        candidates.push(await fetchLightBlock(source, context.chainId, pivot, context.signal));
      }
      depth += 1;
    } else {
      throw stepError(verdict, source, verified, candidate);
    }
  }
};

/** Every header in between, one by one. @throws LightClientError, ProviderError */
export const verifySequential: VerifyTrace = async (source, trusted, target, context) => {
  const trace = [trusted];
  let verified = trusted;
  while (heightOf(verified) < heightOf(target)) {
    const next = Height(heightOf(verified) + 1);
    const candidate =
      next === heightOf(target)
        ? target
        : await fetchLightBlock(source, context.chainId, next, context.signal);
    const verdict = await step(verified, candidate, context);
    if (verdict.kind !== "verified") throw stepError(verdict, source, verified, candidate);
    trace.push(candidate);
    verified = candidate;
  }
  return trace;
};

export function heightOf(block: LightBlock): Height {
  return block.signedHeader.header.height;
}

function step(
  trusted: LightBlock,
  untrusted: LightBlock,
  { now, options, verifier }: VerifyContext,
): Promise<StepVerdict> {
  const { signedHeader, validatorSet: validators } = trusted;
  const state = { header: signedHeader.header, validators };
  return verifyLightBlock(state, untrusted, now, options, verifier);
}

/** Strictly between the two, which are at least two apart: adjacent steps never lack trust. */
function pivotBetween(low: Height, high: Height): Height {
  assert(high - low >= 2, "there is a height in between");
  return Height(low + Math.floor(((high - low) * PIVOT_NUMERATOR) / PIVOT_DENOMINATOR));
}

function stepError(
  verdict: Exclude<StepVerdict, { readonly kind: "verified" }>,
  source: LightBlockProvider,
  trusted: LightBlock,
  untrusted: LightBlock,
): Error {
  const height = heightOf(untrusted);
  switch (verdict.kind) {
    case "expired":
      return expiredError(heightOf(trusted));
    case "invalid":
      return lightClientError(
        { code: "LIGHT_INVALID", provider: source.name, height, fault: verdict.fault },
        `${source.name}: header ${height} does not follow from trusted header ${heightOf(trusted)}: ${verdict.message}`,
      );
    case "notEnoughTrust":
      return lightClientError(
        { code: "LIGHT_INVALID", provider: source.name, height, fault: "COMMIT_NOT_ENOUGH_POWER" },
        `${source.name}: too little of the trusted set signed header ${height}`,
      );
    default:
      return assertNever(verdict, "verdict");
  }
}

export function expiredError(height: number): Error {
  return lightClientError(
    { code: "LIGHT_EXPIRED", height },
    `trusted header ${height} is older than the trusting period; supply a newer height and hash from a source you trust`,
  );
}

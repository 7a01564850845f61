/** Where light blocks come from. Nothing that a provider says is believed before it is verified. */
import type { Height } from "../../brands.ts";
import { isWeftError, WeftError } from "../../errors.ts";
import type { LightBlock, LightClientAttackEvidence } from "../../types.ts";
import { validateLightBlock } from "../../validate-basic.ts";

/** Why a provider gave no light block. */
export type ProviderErrorCode =
  /** It does not have the block any more, or never had: ask somebody else. */
  | "PROVIDER_NOT_FOUND"
  /** Its chain has not come that far. */
  | "PROVIDER_HEIGHT_TOO_HIGH"
  /** No answer in time, no connection, or an answer that says it cannot serve now. */
  | "PROVIDER_NO_RESPONSE"
  /** What it gave is no light block, or not the one asked for: it is broken or it lies. */
  | "PROVIDER_BAD_BLOCK";

export type ProviderError = WeftError<{
  readonly code: ProviderErrorCode;
  readonly provider: string;
}>;

/** A full node that serves headers, commits and validator sets. */
export interface LightBlockProvider {
  /** For logs and errors: its address. */
  readonly name: string;
  /**
   * The block of that height with the whole validator set, or the latest one. Need not be verified.
   * @throws ProviderError
   */
  lightBlock(height: Height | "latest", signal?: AbortSignal): Promise<LightBlock>;
  /** Hands evidence of an attack to the node. @throws any error: reporting is best effort */
  reportEvidence(evidence: LightClientAttackEvidence, signal?: AbortSignal): Promise<void>;
}

export function providerError(
  code: ProviderErrorCode,
  provider: string,
  message: string,
  cause?: unknown,
): ProviderError {
  return new WeftError({ code, provider }, `${provider}: ${message}`, { cause });
}

/** The code of a provider's error, undefined for any other error. */
export function providerErrorCode(error: unknown): ProviderErrorCode | undefined {
  if (!isWeftError(error)) return undefined;
  switch (error.code) {
    case "PROVIDER_NOT_FOUND":
    case "PROVIDER_HEIGHT_TOO_HIGH":
    case "PROVIDER_NO_RESPONSE":
    case "PROVIDER_BAD_BLOCK":
      return error.code;
    default:
      return undefined;
  }
}

/**
 * Asks a provider and checks what needs no trust: that the block is valid by itself, of this chain and
 * of this height. @throws ProviderError
 */
export async function fetchLightBlock(
  provider: LightBlockProvider,
  chainId: string,
  height: Height | "latest",
  signal?: AbortSignal,
): Promise<LightBlock> {
  const block = await provider.lightBlock(height, signal);
  const { header } = block.signedHeader;
  if (height !== "latest" && header.height !== height) {
    const message = `asked for height ${height}, got ${header.height}`;
    throw providerError("PROVIDER_BAD_BLOCK", provider.name, message);
  }
  try {
    validateLightBlock(block, chainId);
  } catch (cause) {
    // Whatever is not valid by itself is the provider's fault; anything else is a bug.
    if (!isWeftError(cause)) throw cause;
    const message = `block ${header.height} is not valid: ${cause.message}`;
    throw providerError("PROVIDER_BAD_BLOCK", provider.name, message, cause);
  }
  return block;
}

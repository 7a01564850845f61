/**
 * Light blocks from a node's `/commit` and `/validators`, as CometBFT's HTTP provider gets them
 * (spec/cometbft-v0.38.md §18, §19.3). State sync and light clients share it.
 */
import type { Height } from "../../../proto/brands.ts";
import { isWeftError } from "../../../proto/errors.ts";
import type { JsonNode } from "../../../proto/json-reader.ts";
import { evidenceToJson, signedHeaderFromJson } from "../../../proto/json.ts";
import type { LightBlock, SignedHeader } from "../../../proto/types.ts";
import { pause } from "../../../proto/verify/light/clock.ts";
import {
  type LightBlockProvider,
  type ProviderError,
  providerError,
} from "../../../proto/verify/light/provider.ts";
import type { Clock } from "../clock.ts";
import { type CometRpcClient, isCometRpcError } from "./client.ts";
import { ATTEMPTS_MAX, RETRY_MS_FIRST } from "./limits.ts";
import { missingHeight, readValidatorSet } from "./readers.ts";

/** A provider over the RPC of a full node; close the client, not the provider. */
export function createRpcLightProvider(
  client: CometRpcClient,
  clock: Pick<Clock, "after">,
): LightBlockProvider {
  const { name } = client;

  async function lightBlock(wanted: Height | "latest", signal?: AbortSignal): Promise<LightBlock> {
    return reading(async () => {
      const params = wanted === "latest" ? {} : { height: String(wanted) };
      const answer = await callAgain("commit", params, signal);
      const signed = answer.isAbsent ? answer : answer.get("signed_header");
      // A node that has no block yet answers with an empty header instead of an error.
      if (signed.isAbsent || signed.get("header").isAbsent || signed.get("commit").isAbsent) {
        throw providerError("PROVIDER_HEIGHT_TOO_HIGH", name, `has no block ${wanted} yet`);
      }
      const signedHeader: SignedHeader = signedHeaderFromJson(signed);
      const validatorSet = await readValidatorSet(
        (page) => callAgain("validators", page, signal),
        signedHeader.header.height,
      );
      return { signedHeader, validatorSet };
    });
  }

  /** Sends a call again while the node does not answer. */
  async function callAgain(
    method: string,
    params: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<JsonNode> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await client.call(method, params, { signal });
      } catch (error) {
        if (!isCometRpcError(error)) throw error;
        const isSilent = error.info.code === "COMET_RPC_UNREACHABLE";
        if (!isSilent || attempt >= ATTEMPTS_MAX) throw error;
        await pause(clock, RETRY_MS_FIRST * 2 ** (attempt - 1), signal);
      }
    }
  }

  /** Turns what the client and the readers throw into a provider's errors. */
  async function reading<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      throw providerErrorOf(error, name) ?? error;
    }
  }

  return {
    name,
    lightBlock,
    async reportEvidence(evidence, signal) {
      await client.call("broadcast_evidence", { evidence: evidenceToJson(evidence) }, { signal });
    },
  };
}

/** Undefined for what no provider is to blame for. */
function providerErrorOf(error: unknown, name: string): ProviderError | undefined {
  if (isCometRpcError(error)) {
    const { info, message } = error;
    if (info.code === "COMET_RPC_REFUSED") {
      const missing = missingHeight(error);
      const code =
        missing === "tooHigh"
          ? "PROVIDER_HEIGHT_TOO_HIGH"
          : missing === "pruned"
            ? "PROVIDER_NOT_FOUND"
            : "PROVIDER_NO_RESPONSE";
      return providerError(code, name, message, error);
    }
    const isSilent = info.code === "COMET_RPC_UNREACHABLE";
    const code = isSilent ? "PROVIDER_NO_RESPONSE" : "PROVIDER_BAD_BLOCK";
    return providerError(code, name, message, error);
  }
  if (!isWeftError(error)) return undefined;
  const isMalformed = error.code === "JSON_SHAPE" || error.code.startsWith("VALIDATOR_SET_");
  return isMalformed ? providerError("PROVIDER_BAD_BLOCK", name, error.message, error) : undefined;
}

/**
 * Light blocks from a node's `/commit` and `/validators`, as CometBFT's HTTP provider gets them
 * (spec/cometbft-v0.38.md §18, §19.3). State sync and light clients share it.
 */
import type { Height } from "../../../proto/brands.ts";
import { isWeftError } from "../../../proto/errors.ts";
import type { JsonNode } from "../../../proto/json-reader.ts";
import { evidenceToJson, signedHeaderFromJson, validatorFromJson } from "../../../proto/json.ts";
import { VOTES_MAX } from "../../../proto/limits.ts";
import type { LightBlock, SignedHeader, Validator, ValidatorSet } from "../../../proto/types.ts";
import { validatorSetFromValidators } from "../../../proto/validator-set.ts";
import { pause } from "../../../proto/verify/light/clock.ts";
import {
  type LightBlockProvider,
  type ProviderError,
  providerError,
} from "../../../proto/verify/light/provider.ts";
import type { Clock } from "../clock.ts";
import { type CometRpcClient, isCometRpcError } from "./client.ts";
import { ATTEMPTS_MAX, RETRY_MS_FIRST, VALIDATORS_PER_PAGE } from "./limits.ts";

/** Words in which nodes say that a height is not there (`rpc/core/env.go`). */
const TOO_HIGH = /height \d+ must be less than or equal to/;
const NOT_AVAILABLE = /height \d+ is not available|could not find/;

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
      const validatorSet = await validators(signedHeader.header.height, signal);
      return { signedHeader, validatorSet };
    });
  }

  async function validators(height: Height, signal?: AbortSignal): Promise<ValidatorSet> {
    const found: Validator[] = [];
    for (let page = 1; ; page++) {
      const params = {
        height: String(height),
        page: String(page),
        per_page: String(VALIDATORS_PER_PAGE),
      };
      const answer = await callAgain("validators", params, signal);
      const total = answer.get("total").count();
      const items = answer.get("validators").items();
      const isBounded = total > 0 && total <= VOTES_MAX && items.length > 0;
      if (!isBounded || found.length + items.length > total) {
        const got = `${items.length} of ${total} validators on page ${page}`;
        throw providerError("PROVIDER_BAD_BLOCK", name, `height ${height}: got ${got}`);
      }
      for (const item of items) found.push(validatorFromJson(item));
      if (found.length === total) return validatorSetFromValidators(found);
    }
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
      const said = `${info.text} ${info.data}`;
      const code = TOO_HIGH.test(said)
        ? "PROVIDER_HEIGHT_TOO_HIGH"
        : NOT_AVAILABLE.test(said)
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

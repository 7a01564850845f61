/**
 * The chain as a light client over several RPC servers vouches for it (spec/cometbft-v0.38.md §17.6;
 * `statesync/stateprovider.go`): the snapshot's height H and the two after it, since the hash of the
 * state after H stands in header H + 1 and the validators decided in H sign H + 2.
 */
import { Height } from "../../../proto/brands.ts";
import { bytesEqual } from "../../../proto/bytes.ts";
import { assertNever } from "../../../proto/errors.ts";
import { consensusParamsHash } from "../../../proto/hashes.ts";
import type { ConsensusParams, LightBlock } from "../../../proto/types.ts";
import { isLightClientError, type LightClient } from "../../../proto/verify/light/client.ts";
import { providerErrorCode } from "../../../proto/verify/light/provider.ts";
import { checkConsensusParams } from "../consensus-params.ts";
import { StateSyncError } from "./errors.ts";
import type { TrustedChain } from "./ports.ts";

/** One RPC server's answer to consensus_params. */
export interface ParamsSource {
  readonly name: string;
  consensusParams(height: Height): Promise<ConsensusParams>;
}

export function createLightTrustedChain(
  options: { readonly chainId: string; readonly initialHeight: Height },
  deps: {
    readonly lightClient: LightClient;
    /** At least two. The header binds only a part of the parameters: servers must agree on the rest. */
    readonly params: readonly ParamsSource[];
  },
): TrustedChain {
  const { lightClient } = deps;

  async function verified(height: Height, snapshotHeight: Height): Promise<LightBlock> {
    try {
      return await lightClient.verifyAt(height);
    } catch (error) {
      throw verdict(error, snapshotHeight);
    }
  }

  async function paramsAt(height: Height, expectedHash: Uint8Array): Promise<ConsensusParams> {
    const answers: ConsensusParams[] = [];
    let reason = "";
    for (const source of deps.params) {
      try {
        answers.push(await source.consensusParams(height));
      } catch (error) {
        // A server may be away; two that answer are enough.
        reason = `${source.name}: ${String(error)}`;
      }
    }
    const [first, second] = answers;
    if (first === undefined || second === undefined) {
      throw untrusted(height, `fewer than two servers give the consensus parameters (${reason})`);
    }
    if (answers.some((one) => paramsText(one) !== paramsText(first))) {
      throw untrusted(height, "the servers give different consensus parameters");
    }
    if (!bytesEqual(consensusParamsHash(first), expectedHash)) {
      throw untrusted(height, "the consensus parameters are not those of the header");
    }
    checkConsensusParams(first);
    return first;
  }

  return {
    async at(height) {
      const [next, afterNext] = [Height(height + 1), Height(height + 2)];
      // The last one first: when it is not there yet, nothing else was asked in vain.
      const third = await verified(afterNext, height);
      const second = await verified(next, height);
      const first = await verified(height, height);
      const last = first.signedHeader;
      const { header } = second.signedHeader;
      return {
        commit: last.commit,
        state: {
          version: header.version,
          chainId: options.chainId,
          initialHeight: options.initialHeight,
          lastBlockHeight: height,
          lastBlockId: last.commit.blockId,
          lastBlockTime: last.header.time,
          lastValidators: first.validatorSet,
          validators: second.validatorSet,
          nextValidators: third.validatorSet,
          // Earlier sets are not here: those of the next heights are stored in full.
          lastHeightValidatorsChanged: afterNext,
          consensusParams: await paramsAt(next, header.consensusHash),
          lastHeightConsensusParamsChanged: next,
          lastResultsHash: header.lastResultsHash,
          appHash: header.appHash,
        },
      };
    },
  };
}

/** What an error of the light client means for a snapshot; others go on: nothing can be trusted then. */
function verdict(error: unknown, height: Height): unknown {
  const provider = providerErrorCode(error);
  const message = error instanceof Error ? error.message : String(error);
  if (provider === "PROVIDER_HEIGHT_TOO_HIGH" || provider === "PROVIDER_NO_RESPONSE") {
    return new StateSyncError({ code: "STATE_SYNC_NOT_YET", height }, message, { cause: error });
  }
  if (provider === "PROVIDER_NOT_FOUND") return untrusted(height, message, error);
  if (!isLightClientError(error)) return error;
  switch (error.code) {
    // Asked again in a moment, they may answer.
    case "LIGHT_NOT_CROSS_CHECKED":
    case "LIGHT_BUSY":
      return new StateSyncError({ code: "STATE_SYNC_NOT_YET", height }, message, { cause: error });
    // Older snapshots would fare worse, newer ones no better; but these are about one height.
    case "LIGHT_TOO_FAR_BACK":
    case "LIGHT_PRIORITIES_DIVERGE":
      return untrusted(height, message, error);
    case "LIGHT_EXPIRED":
    case "LIGHT_INVALID":
    case "LIGHT_ATTACK":
    case "LIGHT_NO_WITNESSES":
    case "LIGHT_TRUST_CONFLICT":
    case "LIGHT_NOT_INITIALIZED":
    case "LIGHT_CLOSED":
    case "LIGHT_OPTIONS":
      return error;
    default:
      return assertNever(error.code, "code of a light client's error");
  }
}

function untrusted(height: Height, reason: string, cause?: unknown): StateSyncError {
  return new StateSyncError(
    { code: "STATE_SYNC_UNTRUSTED", height },
    `the chain at height ${height} could not be verified: ${reason}`,
    { cause },
  );
}

/** Equal for equal parameters. */
function paramsText(params: ConsensusParams): string {
  return JSON.stringify(params, (_, value: unknown) =>
    typeof value === "bigint" ? value.toString() : value,
  );
}

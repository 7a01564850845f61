import { toHex } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { ADDRESS_BYTES } from "../../proto/limits.ts";
import type { InitChainRequest } from "../abci/application.ts";
import { blockBytesMaxOf, checkedSetSize, checkKeyTypes } from "./genesis-checks.ts";
import { genesisState } from "./genesis.ts";

/** The state before the first block, by whole key. @throws WeftError for a genesis that breaks a rule */
export function stateAtGenesis(request: InitChainRequest): ReturnType<typeof genesisState> {
  checkKeyTypes(request);
  const setSizeMax = checkedSetSize(request);
  const validators = new Map(
    request.validators.map(({ publicKey, power }) => [
      toHex(sha256(publicKey.bytes).subarray(0, ADDRESS_BYTES)),
      { consensusKey: publicKey.bytes, power },
    ]),
  );
  const { chainId, initialHeight, consensusParams } = request;
  const { maxAgeBlocks, maxAgeDurationNanos } = consensusParams.evidence;
  return genesisState(request.appStateBytes, {
    chainId,
    initialHeight,
    blockBytesMax: blockBytesMaxOf(consensusParams),
    setSizeMax,
    genesisSeconds: Number(request.time.seconds),
    evidenceMaxAgeBlocks: Number(maxAgeBlocks),
    evidenceMaxAgeSeconds: Number((maxAgeDurationNanos + 999_999_999n) / 1_000_000_000n),
    validators,
  });
}

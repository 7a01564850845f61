import { describe, expect, test } from "vitest";
import { Height } from "../../../proto/brands.ts";
import { consensusParamsHash } from "../../../proto/hashes.ts";
import type { ConsensusParams, LightBlock } from "../../../proto/types.ts";
import { lightClientError } from "../../../proto/verify/light/errors.ts";
import { providerError } from "../../../proto/verify/light/provider.ts";
import { LIGHT_CHAIN_ID, lightChain } from "../../../test/support/light-chain.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "../consensus-params.ts";
import { createLightTrustedChain } from "./light-trusted-chain.ts";

const OTHER: ConsensusParams = {
  ...DEFAULT_CONSENSUS_PARAMS,
  block: { ...DEFAULT_CONSENSUS_PARAMS.block, maxGas: 77n },
};
/** Differs where no header looks. */
const OTHER_UNBOUND: ConsensusParams = {
  ...DEFAULT_CONSENSUS_PARAMS,
  evidence: { ...DEFAULT_CONSENSUS_PARAMS.evidence, maxAgeBlocks: 7n },
};

const CHAIN = lightChain({
  heights: 20,
  validators: (height) => (height < 11 ? [1, 2, 3, 4] : [1, 2, 3, 5]),
  change: (header) => ({
    ...header,
    consensusHash: consensusParamsHash(DEFAULT_CONSENSUS_PARAMS),
    appHash: new Uint8Array(32).fill(header.height),
  }),
});

function trusted(
  params: readonly (ConsensusParams | "away")[],
  verify: (height: Height) => LightBlock = (height) => CHAIN.at(height),
) {
  return createLightTrustedChain(
    { chainId: LIGHT_CHAIN_ID, initialHeight: Height(1) },
    {
      lightClient: {
        chainId: LIGHT_CHAIN_ID,
        primary: () => {
          throw new Error("not asked");
        },
        witnesses: () => [],
        trusted: async () => undefined,
        latestTrusted: async () => verify(Height(1)),
        verifyAt: async (height) => verify(height),
        update: async () => verify(Height(1)),
        close: () => {},
      },
      params: params.map((one, i) => ({
        name: `server ${i}`,
        async consensusParams() {
          if (one === "away") throw new Error("no answer");
          return one;
        },
      })),
    },
  );
}

const P = DEFAULT_CONSENSUS_PARAMS;

describe("the trusted chain", () => {
  test("behavior: takes each part of the state from the header that binds it", async () => {
    const { state, commit } = await trusted([P, P]).at(Height(9));
    const [last, next, after] = [CHAIN.at(9), CHAIN.at(10), CHAIN.at(11)];
    expect(commit).toEqual(last.signedHeader.commit);
    expect(state).toMatchObject({
      chainId: LIGHT_CHAIN_ID,
      lastBlockHeight: 9,
      lastBlockId: last.signedHeader.commit.blockId,
      lastBlockTime: last.signedHeader.header.time,
      appHash: next.signedHeader.header.appHash,
      lastResultsHash: next.signedHeader.header.lastResultsHash,
      version: next.signedHeader.header.version,
      lastHeightValidatorsChanged: 11,
      lastHeightConsensusParamsChanged: 10,
      consensusParams: P,
    });
    expect(state.lastValidators).toEqual(last.validatorSet);
    expect(state.validators).toEqual(next.validatorSet);
    // A set that the snapshot's block itself decided.
    expect(state.nextValidators).toEqual(after.validatorSet);
    expect(state.nextValidators).not.toEqual(state.validators);
  });

  test("behavior: one server may be away, but not all but one", async () => {
    expect((await trusted([P, "away", P]).at(Height(9))).state.consensusParams).toEqual(P);
    await expect(trusted([P, "away"]).at(Height(9))).rejects.toMatchObject({
      code: "STATE_SYNC_UNTRUSTED",
    });
  });

  test("attack: parameters that servers do not agree on, or that the header denies, are refused", async () => {
    for (const params of [
      [P, OTHER_UNBOUND],
      [OTHER, OTHER],
    ]) {
      await expect(trusted(params).at(Height(9))).rejects.toMatchObject({
        code: "STATE_SYNC_UNTRUSTED",
      });
    }
  });

  test("behavior: errors say whether to wait, to try another snapshot, or to stop", async () => {
    const cases = [
      [providerError("PROVIDER_HEIGHT_TOO_HIGH", "p", "soon"), "STATE_SYNC_NOT_YET"],
      [providerError("PROVIDER_NO_RESPONSE", "p", "busy"), "STATE_SYNC_NOT_YET"],
      [providerError("PROVIDER_NOT_FOUND", "p", "pruned"), "STATE_SYNC_UNTRUSTED"],
      [
        lightClientError({ code: "LIGHT_NOT_CROSS_CHECKED", height: 11 }, "nobody"),
        "STATE_SYNC_NOT_YET",
      ],
      [lightClientError({ code: "LIGHT_TOO_FAR_BACK", height: 11 }, "far"), "STATE_SYNC_UNTRUSTED"],
      [lightClientError({ code: "LIGHT_EXPIRED", height: 1 }, "old"), "LIGHT_EXPIRED"],
      [
        lightClientError({ code: "LIGHT_ATTACK", height: 1, evidence: [] }, "attack"),
        "LIGHT_ATTACK",
      ],
      [lightClientError({ code: "LIGHT_NO_WITNESSES" }, "alone"), "LIGHT_NO_WITNESSES"],
    ] as const;
    for (const [error, code] of cases) {
      const chain = trusted([P, P], () => {
        throw error;
      });
      await expect(chain.at(Height(9)), error.code).rejects.toMatchObject({ code });
    }
  });
});

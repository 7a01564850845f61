import { describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import type { ConsensusParams } from "../../proto/types.ts";
import {
  DEFAULT_CONSENSUS_PARAMS,
  areExtensionsEnabled,
  checkConsensusParams,
  checkParamsUpdate,
} from "./consensus-params.ts";

const enabledFrom = (height: number): ConsensusParams => ({
  ...DEFAULT_CONSENSUS_PARAMS,
  abci: { voteExtensionsEnableHeight: Height(height) },
});

describe("consensus parameters", () => {
  test("extensions are on from their height, never for height 0", () => {
    expect(areExtensionsEnabled(enabledFrom(0), Height(9))).toBe(false);
    expect(areExtensionsEnabled(enabledFrom(9), Height(8))).toBe(false);
    expect(areExtensionsEnabled(enabledFrom(9), Height(9))).toBe(true);
  });

  test.each<[number, number, number, boolean]>([
    // from, to, at height, allowed
    [0, 0, 5, true],
    [0, 6, 5, true],
    [0, 5, 5, false],
    [8, 9, 5, true],
    [8, 0, 5, false],
    [5, 9, 5, false],
    [5, 5, 7, true],
  ])("enable height from %i to %i at height %i: %s", (from, to, height, isAllowed) => {
    const update = () => checkParamsUpdate(enabledFrom(from), enabledFrom(to), Height(height));
    let refused = "";
    try {
      update();
    } catch (error) {
      refused = String(error);
    }
    expect(refused).toMatch(isAllowed ? /^$/ : /vote_extensions_enable_height/);
  });

  test.each<[string, Partial<ConsensusParams>]>([
    ["block.max_bytes", { block: { maxBytes: 104_857_601n, maxGas: -1n } }],
    ["block.max_gas", { block: { maxBytes: -1n, maxGas: -2n } }],
    [
      "evidence.max_bytes",
      { evidence: { ...DEFAULT_CONSENSUS_PARAMS.evidence, maxBytes: 22_020_097n } },
    ],
    [
      "evidence.max_age_num_blocks",
      { evidence: { ...DEFAULT_CONSENSUS_PARAMS.evidence, maxAgeBlocks: 0n } },
    ],
    ["validator.pub_key_types", { validator: { publicKeyTypes: ["secp256k1"] } }],
    ["validator.pub_key_types", { validator: { publicKeyTypes: [] } }],
  ])("refused: %s", (field, changes) => {
    expect(() => checkConsensusParams({ ...DEFAULT_CONSENSUS_PARAMS, ...changes })).toThrow(field);
  });
});

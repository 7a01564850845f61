import { describe, expect, test } from "vitest";
import { listsBytesMax } from "../../mev/extension.ts";
import { laneBytesMax, Lane } from "../../mev/lanes.ts";
import { Height } from "../../proto/brands.ts";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import {
  BLOCK_OVERHEAD_BYTES_MAX,
  COMMIT_OVERHEAD_BYTES_MAX,
  COMMIT_SIG_BYTES_MAX,
  HEADER_BYTES_MAX,
} from "../../proto/limits.ts";
import type { InitChainRequest } from "../abci/application.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "../engine/consensus-params.ts";
import { checkedSetSize } from "./genesis-checks.ts";
import { DEFAULT_PARAMS, laneParams, RESERVED_SHARES_MAX } from "./params.ts";
import { openingBytesMax } from "./seal/items/room.ts";

const EVIDENCE_BYTES = 10_000;

function request(blockBytesMax: number, validators: number): InitChainRequest {
  return {
    time: { seconds: 0n, nanos: 0 },
    chainId: "weft-test",
    consensusParams: {
      ...DEFAULT_CONSENSUS_PARAMS,
      block: { maxBytes: BigInt(blockBytesMax), maxGas: -1n },
      evidence: { ...DEFAULT_CONSENSUS_PARAMS.evidence, maxBytes: BigInt(EVIDENCE_BYTES) },
    },
    validators: Array.from({ length: validators }, (_, n) => ({
      publicKey: { type: "ed25519", bytes: new Uint8Array(32).fill(n) },
      power: 1n,
    })),
    appStateBytes: EMPTY_BYTES,
    initialHeight: Height(1),
  };
}

/** What a block holds besides the lanes, as tightly as it goes. */
function fixedBytes(blockBytesMax: number, validators: number): number {
  return (
    BLOCK_OVERHEAD_BYTES_MAX +
    HEADER_BYTES_MAX +
    COMMIT_OVERHEAD_BYTES_MAX +
    COMMIT_SIG_BYTES_MAX * validators +
    EVIDENCE_BYTES +
    listsBytesMax(blockBytesMax, validators) * validators +
    2 * openingBytesMax(blockBytesMax)
  );
}

describe("behavior: a set is as large as a minimal block has room for", () => {
  test.each([40_000, 65_536, 1 << 20, 4 << 20])("blocks of %i bytes", (blockBytesMax) => {
    const size = checkedSetSize(request(blockBytesMax, 1));
    expect(size).toBeGreaterThanOrEqual(1);
    // The largest shares that parameters may give to what has room of its own.
    for (const controlShareBps of [500, 2_000, 3_000]) {
      const obligatedShareBps = RESERVED_SHARES_MAX - controlShareBps;
      const shares = { controlShareBps, obligatedShareBps, forcedShareBps: 0 };
      const params = laneParams({ ...DEFAULT_PARAMS, ...shares }, blockBytesMax);
      const lanes = laneBytesMax(params, Lane.OBLIGATED) ?? Number.POSITIVE_INFINITY;
      expect(fixedBytes(blockBytesMax, size) + lanes).toBeLessThanOrEqual(blockBytesMax);
    }
  });

  test("a chain whose validators leave no room for the lanes is refused", () => {
    expect(() => checkedSetSize(request(24_000, 4))).toThrow(/too small for 4 validators/);
    expect(() => checkedSetSize(request(40_000, 100))).toThrow(/too small for 100 validators/);
  });
});

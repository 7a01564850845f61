import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { needVectors, vectorsFolder } from "../../test/support/vectors.ts";
import { Height } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { EvmExecutor } from "./executor.ts";
import { NULL_EVM_METRICS } from "./metrics.ts";
import {
  type BlockFixture,
  compareReplay,
  createReplayEnvironmentSource,
  loadBlockFixture,
} from "./replay.ts";

const folder = join(vectorsFolder(), "ethereum");

/** Of mainnet block 24476005 itself. */
const GAS_USED = 8_091_915n;
const RECEIPTS_ROOT = "5f2a5fdc60d9aa57ae216a362e39735996422c02908e227ba9946642187601ef";

describe("replay of mainnet block 24476005", () => {
  beforeEach(needVectors);
  const directories: string[] = [];
  const executors: EvmExecutor[] = [];
  afterEach(async () => {
    for (const executor of executors.splice(0)) await executor.close();
    for (const directory of directories.splice(0)) await rm(directory, { recursive: true });
  });

  async function open(fixture: BlockFixture, directory: string): Promise<EvmExecutor> {
    const executor = await EvmExecutor.open(
      {
        dataDirectory: directory,
        genesis: fixture.genesis,
        environmentSource: createReplayEnvironmentSource(fixture),
      },
      { logger: NULL_LOGGER, metrics: NULL_EVM_METRICS },
    );
    executors.push(executor);
    await executor.init({
      rollupId: executor.rollupId,
      sequencerChainId: "replay",
      sequencerStartHeight: Height(1),
    });
    return executor;
  }

  async function load(): Promise<[BlockFixture, string]> {
    const fixture = await loadBlockFixture(
      join(folder, "block24476005.json"),
      join(folder, "block24476005State.json"),
    );
    const directory = await mkdtemp(join(tmpdir(), "weft-replay-"));
    directories.push(directory);
    return [fixture, directory];
  }

  test("109 transactions in one sequencer block reach the block's gas and receipts root", async () => {
    const [fixture, directory] = await load();
    const executor = await open(fixture, directory);
    const answer = await executor.executeBlock(request(1, fixture.transactions));
    expect(answer.skipped).toEqual([]);
    expect(answer.included).toBe(109);
    expect(answer.gasUsed).toBe(GAS_USED);
    expect(toHex(answer.receiptsRoot)).toBe(RECEIPTS_ROOT);
    expect(compareReplay(fixture, executor)).toEqual([]);
    expect(executor.head().header.number).toBe(24_476_005n);
    const expected = { ...fixture.expected, gasUsed: 1n };
    expect(compareReplay({ ...fixture, expected }, executor)).toEqual([
      `gas used: got ${GAS_USED}, the block says 1`,
    ]);
  });

  test("behavior: gathers over sequencer blocks, gibberish and a restart in between", async () => {
    const [fixture, directory] = await load();
    const executor = await open(fixture, directory);
    const first = await executor.executeBlock(request(1, fixture.transactions.slice(0, 40)));
    expect(first.outcome).toBe("gathered");
    expect((await executor.executeBlock(request(2, []))).outcome).toBe("none");
    await executor.close();

    const again = await open(fixture, directory);
    expect((await again.getStatus()).gatheredPayloads).toBe(40);
    expect((await again.executeBlock(request(1, []))).outcome).toBe("gathered");
    const gibberish = Array.from({ length: 80 }, (_, i) => Uint8Array.of(0xff, i));
    expect((await again.executeBlock(request(3, gibberish))).outcome).toBe("gathered");
    const answer = await again.executeBlock(request(4, fixture.transactions.slice(40)));
    expect(answer.outcome).toBe("block");
    expect(answer.skipped).toHaveLength(80);
    expect(answer.gasUsed).toBe(GAS_USED);
    expect(toHex(answer.receiptsRoot)).toBe(RECEIPTS_ROOT);
    expect((await again.getStatus()).gatheredPayloads).toBe(0);
    expect(compareReplay(fixture, again)).toEqual([]);
    await expect(again.executeBlock(request(5, [Uint8Array.of(1)]))).rejects.toThrow(
      /the pinned environment/,
    );
  });
});

function request(height: number, payloads: readonly Uint8Array[]) {
  return {
    sequencerBlockHash: sha256(Uint8Array.of(height)),
    sequencerHeight: Height(height),
    timestamp: { seconds: 1_800_000_000n, nanos: 0 },
    payloads,
  };
}

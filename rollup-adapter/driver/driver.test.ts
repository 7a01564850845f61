import { beforeAll, describe, expect, test } from "vitest";
import { createManifestBuilder } from "../../mev/manifest.ts";
import { Height, RollupId } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { encodeSignedHeader } from "../../proto/codec/block.ts";
import { encodeValidatorSet } from "../../proto/codec/types.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { Level } from "../../proto/grpc/rollup-block.ts";
import { WeftError } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import { headerHash } from "../../proto/hashes.ts";
import { merkleProofOfFirst } from "../../proto/merkle.ts";
import { hashedValidatorSet, validatorSetHash } from "../../proto/validator-set.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createPrometheusRegistry } from "../../sequencer/ports/prometheus.ts";
import {
  type BuiltBlock,
  buildChain,
  TEST_CHAIN_ID,
  testGenesis,
  testKeys,
} from "../../test/support/chain-builder.ts";
import { createManualClock, type ManualClock } from "../../test/support/manual-clock.ts";
import type { TrustedState } from "../client/header-chain.ts";
import { decodeRollupBlock, type RollupBlock } from "../client/rollup-block.ts";
import type { SequencerClient } from "../client/sequencer-client.ts";
import type { Executor } from "../execution.ts";
import { RETELLS_MAX } from "../limits.ts";
import { createAdapterMetrics } from "../metrics.ts";
import { readiness } from "../node/readiness.ts";
import { createDriver, type Driver } from "./driver.ts";

const ROLLUP = rollupIdOfName("nobody");
const KEYS = testKeys(4);
let blocks: RollupBlock[];
let trust: TrustedState;

beforeAll(() => {
  const manifest = createManifestBuilder().build();
  const chain = buildChain(KEYS, 3, testGenesis(KEYS), () => [manifest.item]);
  blocks = chain.map((block) => absence(block, manifest));
  const [first] = chain;
  if (first === undefined) throw new Error("no chain");
  trust = {
    chainId: TEST_CHAIN_ID,
    height: Height(0),
    blockHash: undefined,
    time: undefined,
    nextValidatorsHash: validatorSetHash(first.stateBefore.validators),
  };
});

/** A block that holds nothing for the rollup, and proves it. */
function absence(
  block: BuiltBlock,
  manifest: ReturnType<ReturnType<typeof createManifestBuilder>["build"]>,
): RollupBlock {
  const slice = manifest.prove(ROLLUP);
  if (slice.kind !== "absence") throw new Error("expected a proof of absence");
  const { header, txs } = block.block;
  return decodeRollupBlock({
    height: header.height,
    level: Level.COMMITTED,
    signedHeader: encodeSignedHeader({ header, commit: block.seenCommit }),
    validatorSet: encodeValidatorSet(hashedValidatorSet(block.stateBefore.validators)),
    manifest: manifest.item,
    manifestProof: merkleProofOfFirst(txs.map(sha256)),
    slice,
    filling: undefined,
    omitted: [],
    more: [],
  });
}

/** A node that sends `sent` of the chain, then nothing, until the stream is aborted. */
function node(over: {
  readonly chainId?: string;
  readonly sent?: number;
  readonly isDown?: boolean;
  /** How far it says that the chain is; default: 3. */
  readonly head?: number;
}): SequencerClient {
  const unused = () => Promise.reject(new Error("not asked for here"));
  return {
    chainInfo: () =>
      over.isDown === true
        ? Promise.reject(
            new WeftError(
              { code: "SEQUENCER_CALL_FAILED", status: "UNAVAILABLE" },
              "no node answers gRPC at h:1 (connection refused); is it running?",
            ),
          )
        : Promise.resolve({
            chainId: over.chainId ?? TEST_CHAIN_ID,
            height: Height(over.head ?? 3),
            initialHeight: Height(1),
            earliestHeight: Height(1),
            baseFeePerByte: 1n,
            unorderedWindow: 600,
            itemBytesMax: 1_000,
            isCatchingUp: false,
          }),
    account: unused,
    rollup: unused,
    validatorSet: unused,
    sealKey: unused,
    submit: unused,
    transactionStatus: unused,
    entryProof: unused,
    async *blocks({ fromHeight, signal }) {
      yield* blocks.slice(fromHeight - 1, over.sent ?? 3);
      await new Promise((resolve) => {
        signal.addEventListener("abort", resolve);
      });
    },
    close: () => {},
  };
}

interface TestExecutor extends Executor {
  /** The sequencer's chain that it was bound to. */
  boundTo: string | undefined;
  /** Hashes of blocks that were labelled. */
  readonly labelled: string[];
  /** It keeps no answers. */
  isForgetful: boolean;
  /** The next call of it is carried out, and its answer lost. */
  losing: "executeBlock" | "setFinality" | undefined;
}

/** What an executor had taken before the driver's start: one rollup block, which nobody labelled. */
interface Before {
  readonly height: number;
  readonly blockHash: Uint8Array;
}

/** Executes nothing, counts heights; `isBlock`: says that each made a block. */
function executor(before?: Before, isBlock = false): TestExecutor {
  let next = (before?.height ?? 0) + 1;
  const executed = { number: Height(0), hash: new Uint8Array(32) };
  const head = { number: 1, hash: new Uint8Array(32).fill(1) };
  const self: TestExecutor = {
    boundTo: undefined,
    labelled: [],
    isForgetful: false,
    losing: undefined,
    init(request) {
      self.boundTo = request.sequencerChainId;
      return Promise.resolve({ nextSequencerHeight: Height(next) } as Awaited<
        ReturnType<Executor["init"]>
      >);
    },
    executeBlock({ sequencerHeight: height }) {
      if (height < next && self.isForgetful) {
        return Promise.reject(
          new WeftError({ code: "EXECUTION_HEIGHT_FORGOTTEN", height }, "too long ago"),
        );
      }
      next = Math.max(next, height + 1);
      if (lose("executeBlock")) return Promise.reject(new Error("the answer was lost"));
      const answer = { ...executed, outcome: isBlock ? "block" : "none", number: height };
      return Promise.resolve(answer as unknown as Awaited<ReturnType<Executor["executeBlock"]>>);
    },
    setFinality: ({ safeHash, finalizedHash }) => {
      self.labelled.push(`${safeHash[0]} ${finalizedHash[0]}`);
      if (lose("setFinality")) return Promise.reject(new Error("the answer was lost"));
      return Promise.resolve({} as Awaited<ReturnType<Executor["setFinality"]>>);
    },
    getStatus: () =>
      Promise.resolve({
        sequencer: before && { ...before, height: Height(before.height) },
        ...(before === undefined ? {} : { head, finalized: executed }),
      } as unknown as Awaited<ReturnType<Executor["getStatus"]>>),
  };
  return self;

  function lose(call: TestExecutor["losing"]): boolean {
    if (self.losing !== call) return false;
    self.losing = undefined;
    return true;
  }
}

function drive(
  clients: readonly SequencerClient[],
  from: TrustedState = trust,
  before?: Before,
  clock: ManualClock = createManualClock(),
  target = executor(before),
) {
  const told: number[] = [];
  const driver: Driver = createDriver(
    { rollupId: RollupId(toHex(ROLLUP)), startHeight: Height(1), trust: from },
    {
      clients,
      executor: target,
      trustStore: { load: () => Promise.resolve(undefined), save: () => Promise.resolve() },
      signatures: createEd25519Verifier(),
      clock,
      logger: NULL_LOGGER,
      metrics: createAdapterMetrics(createPrometheusRegistry()).driver,
      onExecuted: ({ header }, { number }) => told.push(header.height, number),
    },
  );
  const ended = driver.run().then(
    () => "stopped",
    (error: unknown) => error,
  );
  return { driver, clock, target, told, ended };
}

/** Lets timers fire until the driver has ended or `isDone`. */
async function until(clock: ManualClock, isDone: () => boolean, stepMs = 20): Promise<void> {
  for (let i = 0; i < 500 && !isDone(); i++) {
    await clock.advance(stepMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(isDone()).toBe(true);
}

describe("an answer that is lost", () => {
  test.each(["executeBlock", "setFinality"] as const)(
    "behavior: is asked for again, so that each height is told once (%s)",
    async (call) => {
      const target = executor(undefined, true);
      target.losing = call;
      const clock = createManualClock();
      const { driver, told, ended } = drive([node({})], trust, undefined, clock, target);
      await until(clock, () => driver.status().sequencerHeight === 3);
      expect(told).toEqual([1, 1, 2, 2, 3, 3]);
      await driver.stop();
      expect(await ended).toBe("stopped");
    },
  );

  test("behavior: of an executor that another driver fed on meanwhile is told, and its labels stay", async () => {
    const fed = executor(undefined, true);
    let finalized = 0;
    let isLost = false;
    const target: TestExecutor = {
      ...fed,
      executeBlock: async (request) => {
        const answer = await fed.executeBlock(request);
        if (isLost) return { ...answer, hash: new Uint8Array(32).fill(request.sequencerHeight) };
        isLost = true;
        await fed.executeBlock({ ...request, sequencerHeight: Height(2) });
        finalized = 2;
        throw new Error("the answer was lost");
      },
      setFinality: (request) => {
        const [height = 0] = request.finalizedHash;
        if (height < finalized) {
          return Promise.reject(
            new WeftError({ code: "EXECUTION_FINALITY_REGRESSION" }, "labels never move back"),
          );
        }
        finalized = height;
        return fed.setFinality(request);
      },
    };
    const clock = createManualClock();
    const { driver, told, ended } = drive([node({})], trust, undefined, clock, target);
    await until(clock, () => driver.status().sequencerHeight === 3);
    expect(told).toEqual([1, 1, 3, 3]);
    expect(target.labelled).toEqual(["3 3"]);
    await driver.stop();
    expect(await ended).toBe("stopped");
  });

  test("behavior: is given up after so many attempts, and the stream goes on", async () => {
    const fed = executor(undefined, true);
    let asked = 0;
    const target: TestExecutor = {
      ...fed,
      executeBlock: async (request) => {
        const answer = await fed.executeBlock(request);
        if (request.sequencerHeight !== 1) return answer;
        asked += 1;
        throw new Error("an answer that is lost each time");
      },
    };
    const clock = createManualClock();
    const { driver, told, ended } = drive([node({})], trust, undefined, clock, target);
    await until(clock, () => driver.status().sequencerHeight === 3, 1_000);
    expect(told).toEqual([2, 2, 3, 3]);
    expect(asked).toBe(1 + RETELLS_MAX);
    await driver.stop();
    expect(await ended).toBe("stopped");
  });

  test("behavior: is given up when the executor has forgotten it", async () => {
    const target = executor(undefined, true);
    target.losing = "executeBlock";
    target.isForgetful = true;
    const clock = createManualClock();
    const { driver, told, ended } = drive([node({})], trust, undefined, clock, target);
    await until(clock, () => driver.status().sequencerHeight === 3);
    expect(told).toEqual([2, 2, 3, 3]);
    await driver.stop();
    expect(await ended).toBe("stopped");
  });
});

describe("a driver", () => {
  test("follows once a block has verified, and says since when the sequencer is silent", async () => {
    const { driver, clock, ended } = drive([node({})]);
    expect(readiness(driver.status(), 20_000)).toMatchObject({ status: "syncing" });
    await driver.following;
    await until(clock, () => driver.status().sequencerHeight === 3);
    expect(readiness(driver.status(), 20_000)).toEqual({ status: "ready" });
    await clock.advance(25_000);
    expect(readiness(driver.status(), 20_000)).toMatchObject({
      status: "stalled",
      reason: expect.stringMatching(
        /^no block to execute has come since 2023-.*Z \(25 s\): the sequencer is silent/,
      ),
    });
    expect(readiness(driver.status(), 0)).toEqual({ status: "ready" });
    await driver.stop();
    expect(await ended).toBe("stopped");
  });

  test("is not ready while a node tells of more than it has executed, and not for ever", async () => {
    const later = createManualClock();
    await later.advance(3_600_000); // the chain's blocks are old
    const { driver, clock, ended } = drive([node({ head: 5_000 })], trust, undefined, later);
    await until(clock, () => driver.status().sequencerHeight === 3);
    expect(readiness(driver.status(), 20_000)).toEqual({
      status: "syncing",
      reason: "catching up: block 3 of 5000",
    });
    await clock.advance(25_000);
    expect(readiness(driver.status(), 20_000)).toMatchObject({ status: "stalled" });
    expect(readiness(driver.status(), 0)).toMatchObject({ status: "syncing" });
    await clock.advance(10_000);
    expect(readiness(driver.status(), 0)).toEqual({ status: "ready" });
    await driver.stop();
    expect(await ended).toBe("stopped");
  });

  test("labels what a crash left unlabelled, once the chain is known to be the one that was executed", async () => {
    const [, second] = blocks;
    const blockHash =
      second === undefined ? new Uint8Array(32) : headerHash(second.signedHeader.header);
    const same = drive([node({})], trust, { height: 2, blockHash });
    await until(same.clock, () => same.driver.status().sequencerHeight === 3);
    expect(same.target.labelled).toEqual(["1 1"]);
    await same.driver.stop();

    const other = drive([node({})], trust, { height: 2, blockHash: new Uint8Array(32) });
    expect(await other.ended).toMatchObject({ code: "DRIVER_FORK" });
    expect(other.target.labelled).toEqual([]);
  });

  test("says that the executor is ahead of the network, and waits", async () => {
    const before = { height: 9, blockHash: new Uint8Array(32) };
    const { driver, clock, target, ended } = drive([node({})], trust, before);
    await until(clock, () => driver.status().lastError !== undefined);
    expect(driver.status().lastError).toMatch(/has taken sequencer height 9, .* is at 3: waiting/);
    await driver.following;
    expect([driver.status().sequencerHeight, target.labelled]).toEqual([0, []]);
    await driver.stop();
    expect(await ended).toBe("stopped");
  });

  test("error: ends when every node serves another chain, and has bound the executor to none", async () => {
    const { clock, target, ended } = drive([node({ chainId: "x" }), node({ chainId: "y" })]);
    let end: unknown;
    void ended.then((value) => (end = value));
    await until(clock, () => end !== undefined);
    expect(end).toMatchObject({ code: "DRIVER_OTHER_CHAIN" });
    expect(String(end)).toMatch(/serves chain "y".*sequencer\.chain_id/);
    expect(target.boundTo).toBeUndefined();
  });

  test("error: ends when nothing verifies from the configured trust", async () => {
    const { clock, ended } = drive([node({})], {
      ...trust,
      nextValidatorsHash: new Uint8Array(32).fill(7),
    });
    let end: unknown;
    void ended.then((value) => (end = value));
    await until(clock, () => end !== undefined);
    expect(end).toMatchObject({ code: "DRIVER_UNVERIFIABLE" });
    expect(String(end)).toMatch(/sequencer\.trust/);
  });

  test("goes on trying while a node is only away, and takes the other one", async () => {
    const { driver, clock, ended } = drive([node({ isDown: true }), node({ chainId: "x" })]);
    let end: unknown;
    void ended.then((value) => (end = value));
    for (let i = 0; i < 50; i++) await clock.advance(1_000);
    expect(end).toBeUndefined();
    await driver.stop();
    const away = drive([node({ isDown: true })]);
    await until(away.clock, () => away.driver.status().lastError !== undefined);
    expect(readiness(away.driver.status(), 0)).toEqual({
      status: "syncing",
      reason: expect.stringMatching(
        /^no node answers gRPC at h:1 .*\(the key sequencer\.nodes of rollup\.json /,
      ),
    });
    await away.driver.stop();
    const both = drive([node({ chainId: "x" }), node({ sent: 2 })]);
    await until(both.clock, () => both.driver.status().sequencerHeight === 2);
    await both.driver.stop();
    expect(await both.ended).toBe("stopped");
  });
});

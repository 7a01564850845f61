import { expect, test } from "vitest";
import { Height, RollupId } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { RevertMode } from "../../proto/codec/mev-tx.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { ALPHA, buildBundleBlock, withLegAlone } from "../../test/support/bundle-block.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import type { RollupBlock } from "../client/rollup-block.ts";
import type { SequencerClient } from "../client/sequencer-client.ts";
import type { ExecuteBlockRequest, Executor } from "../execution.ts";
import { createDriver } from "./driver.ts";
import { NULL_DRIVER_METRICS } from "./metrics.ts";

/** A node that sends one block, then nothing, until the stream is aborted. */
function node(chainId: string, message: RollupBlock): SequencerClient {
  const unused = () => Promise.reject(new Error("not asked for here"));
  return {
    chainInfo: () =>
      Promise.resolve({
        chainId,
        height: Height(1),
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
    async *blocks({ signal }) {
      yield message;
      await new Promise((resolve) => {
        signal.addEventListener("abort", resolve);
      });
    },
    close: () => {},
  };
}

test("behavior: counts a leg that comes alone, takes the block from another node, and hands its legs over", async () => {
  const { message, trust } = await buildBundleBlock();
  const requests: ExecuteBlockRequest[] = [];
  const counted = { legs: 0, violations: 0, refused: [] as (string | undefined)[] };
  const executor: Executor = {
    init: () =>
      Promise.resolve({ nextSequencerHeight: Height(1) } as Awaited<ReturnType<Executor["init"]>>),
    executeBlock(request) {
      requests.push(request);
      return Promise.resolve({ outcome: "none", number: 0 } as Awaited<
        ReturnType<Executor["executeBlock"]>
      >);
    },
    setFinality: () => Promise.reject(new Error("no block, no finality")),
    getStatus: () =>
      Promise.resolve({ sequencer: undefined } as Awaited<ReturnType<Executor["getStatus"]>>),
  };
  const clock = createManualClock();
  const driver = createDriver(
    { rollupId: RollupId(toHex(ALPHA)), startHeight: Height(1), trust },
    {
      clients: [node(trust.chainId, withLegAlone(message)), node(trust.chainId, message)],
      executor,
      trustStore: { load: () => Promise.resolve(undefined), save: () => Promise.resolve() },
      signatures: createEd25519Verifier(),
      clock,
      logger: NULL_LOGGER,
      metrics: {
        ...NULL_DRIVER_METRICS,
        bundleLegs: { inc: (_, count = 1) => (counted.legs += count) },
        bundleViolations: { inc: (_, count = 1) => (counted.violations += count) },
        refused: { inc: (labels) => counted.refused.push(labels?.code) },
      },
      onExecuted: () => {},
    },
  );
  const ended = driver.run();
  for (let i = 0; i < 500 && requests.length === 0; i++) {
    await clock.advance(20);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await driver.stop();
  await ended;
  expect(requests).toHaveLength(1);
  expect(requests[0]?.payloads).toEqual(["one", "two", "zero"].map(utf8ToBytes));
  expect(requests[0]?.legs).toMatchObject([
    { legs: 2, revertMode: RevertMode.FAIL, first: 0, count: 2 },
  ]);
  expect(counted).toEqual({ legs: 1, violations: 1, refused: ["VERIFY_BUNDLE"] });
});

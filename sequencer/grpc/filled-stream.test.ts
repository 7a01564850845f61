/** Streams at level FILLED over a real listener, on a chain that grows. */
import { afterEach, expect, it, vi } from "vitest";
import { Height, RollupId } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { Level } from "../../proto/grpc/rollup-block.ts";
import { ROLLUP_SERVICE } from "../../proto/grpc/rollup-service.ts";
import { validatorSetHash } from "../../proto/validator-set.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { createBlockVerifier } from "../../rollup-adapter/client/block-verifier.ts";
import {
  createGrpcCaller,
  createGrpcSequencerClient,
} from "../../rollup-adapter/client/grpc-sequencer-client.ts";
import { TEST_CHAIN_ID } from "../../test/support/chain-builder.ts";
import {
  BETA,
  buildSealedChain,
  EXECUTED,
  SEALED_CHAIN_HEIGHT,
} from "../../test/support/sealed-chain.ts";
import { startStreamNode } from "../../test/support/stream-node.ts";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A node whose chain has `height` blocks at first. */
async function startNode(height: number) {
  const chain = buildSealedChain();
  const { node, counted, address, stop } = await startStreamNode(chain, { height });
  cleanups.push(stop);
  const [first] = chain;
  if (first === undefined) throw new Error("no chain");
  const trust = {
    chainId: TEST_CHAIN_ID,
    height: Height(0),
    blockHash: undefined,
    time: undefined,
    nextValidatorsHash: validatorSetHash(first.stateBefore.validators),
  };
  return { node, counted, address, trust };
}

it("behavior: a stream waits for openings, and goes on where the chain does", async () => {
  const { node, counted, address, trust } = await startNode(2);
  const client = createGrpcSequencerClient(address);
  cleanups.push(() => client.close());
  const abort = new AbortController();
  const rollupId = RollupId(toHex(BETA));
  const verifier = createBlockVerifier(rollupId, trust, createEd25519Verifier());
  const executed: string[][] = [];
  const reading = (async () => {
    const request = { rollupId, fromHeight: Height(1), signal: abort.signal };
    for await (const block of client.blocks({ ...request, level: "filled" })) {
      const { payloads } = await verifier.verifyFilled(block);
      executed.push(payloads.map((payload) => Buffer.from(payload).toString()));
    }
  })();
  await vi.waitFor(() => expect([executed.length, counted.waiting]).toEqual([1, 1]));
  // Block 4 opens one of beta's two entries of block 2, block 5 the other.
  node.grow(4);
  await vi.waitFor(() => expect(node.reads.get(4)).toBe(1));
  expect(counted.waiting).toBe(1);
  expect(executed).toHaveLength(1);
  node.grow(5);
  await vi.waitFor(() => expect(executed).toHaveLength(5));
  expect(counted.waiting).toBe(0);
  node.grow(SEALED_CHAIN_HEIGHT);
  await vi.waitFor(() => expect(executed).toHaveLength(SEALED_CHAIN_HEIGHT));
  expect(executed).toEqual(EXECUTED.beta);
  abort.abort();
  await reading;
});

it("behavior: one block is there at level COMMITTED at once, at level FILLED when it is", async () => {
  const { node, address } = await startNode(4);
  const caller = createGrpcCaller(address);
  cleanups.push(() => caller.close());
  const get = (level: Level) =>
    caller.call(ROLLUP_SERVICE.getBlock, { rollupId: BETA, height: Height(2), level });
  expect((await get(Level.COMMITTED)).filling).toBeUndefined();
  expect((await get(Level.UNSPECIFIED)).level).toBe(Level.COMMITTED);
  await expect(get(Level.FILLED)).rejects.toThrow(/UNAVAILABLE: .*block 2 are not opened yet/);
  await expect(get(Level.PROPOSED)).rejects.toThrow(/UNIMPLEMENTED/);
  node.grow(5);
  const filled = await get(Level.FILLED);
  expect(filled.level).toBe(Level.FILLED);
  expect(filled.filling?.blocks.map(({ height }) => height)).toEqual([4, 5]);
});

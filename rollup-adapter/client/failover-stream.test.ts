/** One stream out of several nodes' over real listeners: no gap, no double, whatever the nodes do. */
import { afterEach, beforeAll, expect, it, vi } from "vitest";
import { Height, RollupId } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { validatorSetHash } from "../../proto/validator-set.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { type BuiltBlock, TEST_CHAIN_ID } from "../../test/support/chain-builder.ts";
import {
  BETA,
  buildSealedChain,
  EXECUTED,
  SEALED_CHAIN_HEIGHT,
} from "../../test/support/sealed-chain.ts";
import { type StreamNodeOptions, startStreamNode } from "../../test/support/stream-node.ts";
import { createBlockVerifier } from "./block-verifier.ts";
import { failoverBlocks } from "./failover-stream.ts";
import { createGrpcSequencerClient } from "./grpc-sequencer-client.ts";
import type { BlocksRequest, SequencerClient } from "./sequencer-client.ts";

let chain: readonly BuiltBlock[] = [];
beforeAll(() => {
  chain = buildSealedChain();
});
const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function startNode(options: StreamNodeOptions = {}) {
  const { node, server, address, stop } = await startStreamNode(chain, options);
  const client = createGrpcSequencerClient(address);
  cleanups.push(stop, () => client.close());
  return { node, server, client };
}

const request = (change: Partial<BlocksRequest> = {}): BlocksRequest => ({
  rollupId: RollupId(toHex(BETA)),
  fromHeight: Height(1),
  level: "filled",
  untilHeight: Height(SEALED_CHAIN_HEIGHT),
  signal: AbortSignal.timeout(20_000),
  ...change,
});

function verifierOf() {
  const [first] = chain;
  if (first === undefined) throw new Error("no chain");
  return createBlockVerifier(
    RollupId(toHex(BETA)),
    {
      chainId: TEST_CHAIN_ID,
      height: Height(0),
      blockHash: undefined,
      time: undefined,
      nextValidatorsHash: validatorSetHash(first.stateBefore.validators),
    },
    createEd25519Verifier(),
  );
}

const noPause = { pause: () => Promise.resolve() };

it("behavior: one verifier follows through the end of a node, filled blocks included", async () => {
  // The first one stops while the reader waits for its next block; headers ahead have come already.
  const first = await startNode({ height: 5 });
  const second = await startNode();
  const verifier = verifierOf();
  const executed: string[][] = [];
  const left: number[] = [];
  const clients = [first.client, second.client];
  const options = { ...noPause, onLeft: (_: unknown, next: Height) => left.push(next) };
  for await (const { block } of failoverBlocks(clients, request(), options)) {
    const { payloads } = await verifier.verifyFilled(block);
    executed.push(payloads.map((payload) => Buffer.from(payload).toString()));
    if (block.height === 2) void first.server.stop();
  }
  expect(executed).toEqual(EXECUTED.beta);
  expect(left).toHaveLength(1);
});

it("behavior: a block that is refused comes from another node, and nothing twice", async () => {
  const { client } = await startNode();
  const lies: Pick<SequencerClient, "blocks"> = {
    async *blocks(asked) {
      for await (const block of client.blocks(asked)) {
        yield block.height === 4 ? { ...block, validatorSet: undefined } : block;
      }
    },
  };
  const verifier = verifierOf();
  const heights: number[] = [];
  for await (const { block, refused } of failoverBlocks([lies, client], request(), noPause)) {
    await verifier.verifyFilled(block).then(() => heights.push(block.height), refused);
  }
  expect(heights).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

it("behavior: a node that leaves a height out, or repeats one, is left", async () => {
  const { client } = await startNode();
  const skipping = (skip: number, repeat: number): Pick<SequencerClient, "blocks"> => ({
    async *blocks(asked) {
      for await (const block of client.blocks(asked)) {
        if (block.height === skip) continue;
        yield block;
        if (block.height === repeat) yield block;
      }
    },
  });
  const clients = [skipping(3, 0), skipping(0, 5), client];
  const heights: number[] = [];
  for await (const { block } of failoverBlocks(clients, request(), noPause)) {
    heights.push(block.height);
  }
  expect(heights).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

it("behavior: a node that has pruned the height is left; when all have, they say where they begin", async () => {
  const pruned = await startNode({ base: 6 });
  const archive = await startNode();
  const heights: number[] = [];
  const both = [pruned.client, archive.client];
  for await (const { block } of failoverBlocks(both, request(), noPause))
    heights.push(block.height);
  expect(heights).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const other = await startNode({ base: 4 });
  const none = failoverBlocks([pruned.client, other.client], request(), noPause);
  await expect(none.next()).rejects.toMatchObject({
    info: { code: "STREAM_PRUNED", earliest: 4 },
  });
});

it("behavior: an aborted stream ends, also while all nodes are away", async () => {
  const { client, server } = await startNode();
  await server.stop();
  const abort = new AbortController();
  const pause = vi.fn(() => {
    if (pause.mock.calls.length === 3) abort.abort();
    return Promise.resolve();
  });
  const stream = failoverBlocks([client], request({ signal: abort.signal }), { pause });
  expect(await stream.next()).toMatchObject({ done: true });
  expect(pause).toHaveBeenCalledTimes(3);
});

it("behavior: compressed streams read the same", async () => {
  const { client } = await startNode();
  const read = async (isCompressed: boolean) => {
    const blocks = [];
    for await (const block of client.blocks(request({ isCompressed }))) blocks.push(block);
    return blocks;
  };
  expect(await read(true)).toEqual(await read(false));
});

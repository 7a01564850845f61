/** Streams that leave out what is empty, bring several rollups, or headers alone: over a real listener, verified. */
import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Height, RollupId } from "../../proto/brands.ts";
import { compareBytes, toHex } from "../../proto/bytes.ts";
import { Level } from "../../proto/grpc/rollup-block.ts";
import type { StreamBlocksRequest } from "../../proto/grpc/rollup-service.ts";
import { headerHash } from "../../proto/hashes.ts";
import { validatorSetHash } from "../../proto/validator-set.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { createBlocksVerifier } from "../../rollup-adapter/client/block-verifier.ts";
import { createGrpcSequencerClient } from "../../rollup-adapter/client/grpc-sequencer-client.ts";
import type { TrustedState } from "../../rollup-adapter/client/header-chain.ts";
import { createHeaderFollower } from "../../rollup-adapter/client/header-follower.ts";
import { type BuiltBlock, TEST_CHAIN_ID } from "../../test/support/chain-builder.ts";
import {
  buildQuietChain,
  QUIET_CHAIN_HEIGHT,
  QUIET_HEIGHTS,
  QUIET_SET_CHANGE,
} from "../../test/support/quiet-chain.ts";
import { ALPHA, BETA, buildSealedChain, GAMMA } from "../../test/support/sealed-chain.ts";
import {
  readStream,
  startStreamNode,
  STREAM_BLOCKS,
  STREAM_HEADERS,
  type StreamNodeOptions,
} from "../../test/support/stream-node.ts";

const quiet = buildQuietChain();
const sealed = buildSealedChain();
const UNTIL = Height(QUIET_CHAIN_HEIGHT);
/** Where a message is due that no data calls for: every 32nd height, the last one of a set, the last one wanted. */
const DUE = [32, QUIET_SET_CHANGE - 1, 64, QUIET_CHAIN_HEIGHT];
const signatures = createEd25519Verifier();

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function startNode(chain: readonly BuiltBlock[], options: StreamNodeOptions = {}) {
  const started = await startStreamNode(chain, options);
  cleanups.push(() => started.stop());
  return started;
}

function trustBelow(chain: readonly BuiltBlock[], height: number): TrustedState {
  const below = chain[height - 2]?.block.header;
  const block = chain[height - 1];
  if (block === undefined) throw new Error(`no block ${height}`);
  return {
    chainId: TEST_CHAIN_ID,
    height: Height(height - 1),
    blockHash: below && headerHash(below),
    time: below?.time,
    nextValidatorsHash: validatorSetHash(block.stateBefore.validators),
  };
}

const request = (change: Partial<StreamBlocksRequest> = {}): StreamBlocksRequest => ({
  rollupId: BETA,
  fromHeight: Height(1),
  untilHeight: UNTIL,
  level: Level.COMMITTED,
  omitEmpty: true,
  ...change,
});

/** What a client reads and verifies of a stream that leaves empty heights out. */
async function follow(
  address: string,
  ids: readonly Uint8Array[],
  from: number,
  chain = quiet,
  until = UNTIL,
) {
  const [rollupId, ...moreRollupIds] = ids.map((id) => RollupId(toHex(id)));
  if (rollupId === undefined) throw new Error("no rollup");
  const client = createGrpcSequencerClient(address);
  cleanups.push(() => client.close());
  const trust = trustBelow(chain, from);
  const options = { omitsEmpty: true };
  const verifier = createBlocksVerifier([rollupId, ...moreRollupIds], trust, signatures, options);
  const read: { height: number; omitted: number[]; payloads: string[][] }[] = [];
  for await (const block of client.blocks({
    rollupId,
    moreRollupIds,
    fromHeight: Height(from),
    untilHeight: until,
    level: "filled",
    omitsEmpty: true,
    signal: new AbortController().signal,
  })) {
    const { header, omitted, parts } = await verifier.verifyFilled(block);
    read.push({
      height: header.height,
      omitted: omitted.map((one) => one.header.height),
      payloads: parts.map(({ payloads }) => payloads.map((one) => Buffer.from(one).toString())),
    });
  }
  return read;
}

describe("a stream that leaves out what is empty", () => {
  it("behavior: has a message for each block with something, and proves all other heights", async () => {
    const { address } = await startNode(quiet);
    const read = await follow(address, [BETA], 1);
    expect(read.map(({ height }) => height)).toEqual(
      [...QUIET_HEIGHTS.beta, ...DUE].sort((a, b) => a - b),
    );
    expect(read.flatMap(({ height, omitted }) => [...omitted, height])).toEqual(
      quiet.map((_, i) => i + 1),
    );
    const found = read.filter(({ payloads }) => payloads.flat().length > 0);
    expect(found.map(({ payloads }) => payloads)).toEqual(
      QUIET_HEIGHTS.beta.map((height) => [[`b${height}`]]),
    );
  });

  it("behavior: readers that begin elsewhere share what is ahead of both", async () => {
    const { client, counted } = await startNode(quiet);
    const first = await readStream(client, STREAM_BLOCKS, request());
    const encoded = counted.encoded;
    expect(encoded).toBe(first.blocks.length);
    const second = await readStream(client, STREAM_BLOCKS, request({ fromHeight: Height(7) }));
    // The first message is another one, the second brings no set any more.
    expect(second.blocks.slice(1)).toEqual(first.blocks.slice(1));
    expect(counted.encoded).toBe(encoded + 1);
  });

  it("behavior: waits at the head, says so of no filling, and goes on with the block that ends it", async () => {
    const { address, node, counted } = await startNode(quiet, { height: 10 });
    const reading = follow(address, [BETA], 3, quiet, Height(20));
    await vi.waitFor(() => expect(node.reads.get(10)).toBe(1));
    expect(counted.waiting).toBe(0);
    for (let height = 11; height <= 20; height++) node.grow(height);
    expect((await reading).map(({ height }) => height)).toEqual([20]);
    expect(Math.max(...node.reads.values())).toBe(1);
  });

  it("behavior: says where to go on of what it has not sent, when the node stops", async () => {
    const { client, server } = await startNode(quiet, { height: 30 });
    let heard = (): void => {};
    const came = new Promise<void>((resolve) => (heard = resolve));
    const reading = readStream(client, STREAM_BLOCKS, request(), heard);
    await came;
    await server.stop();
    const end = await reading;
    expect(end.blocks.map(({ height }) => height)).toEqual([20]);
    expect([end.code, end.trailers]).toMatchObject([status.UNAVAILABLE, { "weft-resume": "21" }]);
  });
});

describe("a stream of several rollups", () => {
  const IDS = [ALPHA, BETA, GAMMA].sort(compareBytes);

  it("behavior: brings what each rollup's own stream brings, filled when all are", async () => {
    const { address } = await startNode(sealed);
    const until = Height(sealed.length);
    const together = await follow(address, IDS, 1, sealed, until);
    for (const [index, id] of IDS.entries()) {
      const alone = await follow(address, [id], 1, sealed, until);
      const own = (read: typeof alone, at: number) =>
        read.flatMap(({ height, payloads }) =>
          (payloads[at] ?? []).map((payload) => `${height}: ${payload}`),
        );
      expect(own(together, index)).toEqual(own(alone, 0));
    }
    expect(together.flatMap(({ payloads }) => payloads.flat()).length).toBeGreaterThan(6);
  });

  it("behavior: takes up to 32 ids in ascending order, each once", async () => {
    const { client } = await startNode(sealed);
    const many = Array.from({ length: 33 }, (_, i) => new Uint8Array(32).fill(i));
    const [first = ALPHA, ...others] = many;
    const codeOf = async (rollupId: Uint8Array, moreRollupIds: readonly Uint8Array[]) => {
      const asked = request({ rollupId, moreRollupIds, untilHeight: Height(1) });
      return (await readStream(client, STREAM_BLOCKS, asked)).code;
    };
    expect(await codeOf(first, others.slice(0, 31))).toBe(status.OK);
    expect(await codeOf(first, others)).toBe(status.INVALID_ARGUMENT);
    expect(await codeOf(first, [first])).toBe(status.INVALID_ARGUMENT);
    expect(await codeOf(many[2] ?? first, [first])).toBe(status.INVALID_ARGUMENT);
    expect(await codeOf(first, [first.subarray(1)])).toBe(status.INVALID_ARGUMENT);
  });
});

describe("a stream of headers", () => {
  it.each([
    [false, quiet.map((_, i) => i + 1)],
    [true, DUE],
  ])("behavior: sparse commits %s: every header is verified", async (hasSparseCommits, signed) => {
    const { address } = await startNode(quiet);
    for (const from of [1, 9]) {
      const client = createGrpcSequencerClient(address);
      cleanups.push(() => client.close());
      const follower = createHeaderFollower(trustBelow(quiet, from), signatures);
      const came: number[] = [];
      const all: Uint8Array[] = [];
      for await (const update of client.headers({
        fromHeight: Height(from),
        untilHeight: UNTIL,
        hasSparseCommits,
        signal: new AbortController().signal,
      })) {
        const { header, hash, before, validators } = await follower.verify(update);
        came.push(header.height);
        all.push(...before.map((one) => one.hash), hash);
        expect(validators.validators).toHaveLength(header.height < QUIET_SET_CHANGE ? 4 : 5);
      }
      expect(came).toEqual(signed.filter((height) => height >= from));
      expect(all).toEqual(quiet.slice(from - 1).map(({ block }) => headerHash(block.header)));
    }
  });

  it("behavior: begins with the next block at 0, and says what is pruned", async () => {
    const { client, node } = await startNode(quiet, { height: 12, base: 5 });
    const pruned = await readStream(client, STREAM_HEADERS, { fromHeight: Height(4) });
    expect([pruned.code, pruned.trailers]).toMatchObject([
      status.OUT_OF_RANGE,
      { "weft-earliest": "5" },
    ]);
    const ends: number[][] = [];
    void readStream(client, STREAM_HEADERS, {
      fromHeight: Height(0),
      untilHeight: Height(30),
    }).then(({ blocks }) => ends.push(blocks.map(({ height }) => height)));
    let head = 12;
    await vi.waitFor(
      () => {
        // The node may hear of the request after any of them.
        head = Math.min(head + 1, 30);
        node.grow(head);
        expect(ends).toHaveLength(1);
      },
      { timeout: 10_000 },
    );
    const [heights = []] = ends;
    const [first = 0] = heights;
    expect(first).toBeGreaterThan(12);
    expect(heights).toEqual(quiet.map((_, i) => i + 1).slice(first - 1, 30));
    expect(node.reads.size, "no block was read for its header").toBe(0);
  });
});

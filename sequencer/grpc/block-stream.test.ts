/** StreamBlocks over a real listener: what its readers share, and how each one's stream ends. */
import { connect } from "node:http2";
import { type Client, status } from "@grpc/grpc-js";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Height } from "../../proto/brands.ts";
import { Level, type RollupBlock } from "../../proto/grpc/rollup-block.ts";
import { Compression } from "../../proto/grpc/compression.ts";
import { ROLLUP_SERVICE, type StreamBlocksRequest } from "../../proto/grpc/rollup-service.ts";
import {
  ALPHA,
  BETA,
  buildSealedChain,
  SEALED_CHAIN_HEIGHT,
} from "../../test/support/sealed-chain.ts";
import {
  readStream,
  startStreamNode,
  STREAM_BLOCKS,
  type StreamEnd,
  type StreamNodeOptions,
} from "../../test/support/stream-node.ts";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const chain = buildSealedChain();
const READERS = 40;

async function startNode(options: StreamNodeOptions = {}) {
  const started = await startStreamNode(chain, options);
  cleanups.push(() => started.stop());
  return started;
}

const request = (change: Partial<StreamBlocksRequest> = {}): StreamBlocksRequest => ({
  rollupId: ALPHA,
  fromHeight: Height(1),
  level: Level.COMMITTED,
  ...change,
});

type End = StreamEnd<RollupBlock>;

const readAll = (
  client: Client,
  asked: StreamBlocksRequest,
  onBlock?: (block: RollupBlock) => void,
) => readStream(client, STREAM_BLOCKS, asked, onBlock);

describe("readers of one node", () => {
  it("behavior: share one encoding of each message, and all get every height once", async () => {
    const { client, counted } = await startNode();
    const until = request({ untilHeight: Height(SEALED_CHAIN_HEIGHT) });
    const ends = await Promise.all(Array.from({ length: 20 }, () => readAll(client, until)));
    const [first] = ends;
    expect(first?.blocks.map(({ height }) => height)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (const end of ends) {
      expect(end.code).toBe(status.OK);
      expect(end.blocks).toEqual(first?.blocks);
    }
    expect(counted.encoded).toBe(SEALED_CHAIN_HEIGHT);
    await vi.waitFor(() => expect(counted.open).toBe(0));
  });

  it("behavior: have messages of their own made one after the other, not all in one turn of the loop", async () => {
    const { node, client, counted } = await startNode({ height: 1 });
    let sinceYield = 0;
    let most = 0;
    const blockSlices = node.application.blockSlices.bind(node.application);
    vi.spyOn(node.application, "blockSlices").mockImplementation(async (txs, outcome) => {
      const slices = await blockSlices(txs, outcome);
      const slice: typeof slices.slice = (rollupId) => {
        most = Math.max(most, (sinceYield += 1));
        setImmediate(() => (sinceYield = 0));
        return slices.slice(rollupId);
      };
      return { ...slices, slice };
    });
    const until = { fromHeight: Height(2), untilHeight: Height(2) };
    const ends = Array.from({ length: READERS }, (_, i) =>
      readAll(client, request({ rollupId: new Uint8Array(32).fill(i), ...until })),
    );
    await vi.waitFor(() => expect(counted.open).toBe(READERS));
    node.grow(2);
    for (const { code, blocks } of await Promise.all(ends)) {
      expect([code, blocks.length]).toEqual([status.OK, 1]);
    }
    expect(most).toBeLessThan(READERS / 4);
  });

  it("behavior: get the validator set first and where it changes, wherever they begin", async () => {
    const { client } = await startNode();
    for (const [from, sets] of [
      [1, [1, 4]],
      [3, [3, 4]],
      [4, [4]],
      [6, [6]],
    ] as const) {
      const { blocks } = await readAll(
        client,
        request({ fromHeight: Height(from), untilHeight: Height(9) }),
      );
      const withSet = blocks.filter(({ validatorSet }) => validatorSet.length > 0);
      expect(withSet.map(({ height }) => height)).toEqual(sets);
    }
  });

  it("behavior: share what is filled, and wait for it once", async () => {
    const { client, node, counted } = await startNode({ height: 4 });
    const filled = request({ rollupId: BETA, level: Level.FILLED, untilHeight: Height(7) });
    const reading = Array.from({ length: 10 }, () => readAll(client, filled));
    await vi.waitFor(() => expect(node.reads.get(4)).toBe(1));
    node.grow(SEALED_CHAIN_HEIGHT);
    const ends = await Promise.all(reading);
    for (const { blocks, code } of ends) {
      expect(code).toBe(status.OK);
      expect(blocks).toEqual(ends[0]?.blocks);
    }
    expect(ends[0]?.blocks).toHaveLength(7);
    expect(counted.encoded).toBe(7);
    expect(Math.max(...node.reads.values())).toBe(1);
  });

  it("behavior: get compressed bytes that are compressed once, and read the same", async () => {
    const { client, counted, address } = await startNode();
    const until = request({ rollupId: ALPHA, untilHeight: Height(SEALED_CHAIN_HEIGHT) });
    const plain = await readAll(client, until);
    const plainBytes = counted.bytes;
    const asked = { ...until, compression: Compression.GZIP };
    const compressed = await Promise.all([readAll(client, asked), readAll(client, asked)]);
    for (const end of compressed) expect(end).toEqual(plain);
    expect((counted.bytes - plainBytes) / 2).toBeLessThan(plainBytes);
    expect(counted.encoded).toBe(2 * SEALED_CHAIN_HEIGHT);
    // As any client sees it: the encoding in the headers, the flag of each message, gzip's first bytes.
    const { headers, body } = await rawStream(address, asked);
    expect(headers["grpc-encoding"]).toBe("gzip");
    expect([...body.subarray(0, 1), ...body.subarray(5, 7)]).toEqual([1, 0x1f, 0x8b]);
  });
});

describe("a stream that ends", () => {
  it("behavior: at until_height with OK, a height that is to come included", async () => {
    const { client, node } = await startNode({ height: 3 });
    const reading = readAll(client, request({ fromHeight: Height(2), untilHeight: Height(5) }));
    node.grow(4);
    node.grow(SEALED_CHAIN_HEIGHT);
    const end = await reading;
    expect(end.blocks.map(({ height }) => height)).toEqual([2, 3, 4, 5]);
    expect(end.code).toBe(status.OK);
  });

  it("behavior: with the first height that is there, where its own is pruned", async () => {
    const { client } = await startNode({ base: 5 });
    const end = await readAll(client, request({ fromHeight: Height(2) }));
    expect([end.code, end.trailers]).toMatchObject([status.OUT_OF_RANGE, { "weft-earliest": "5" }]);
    expect(end.details).toContain("archive node");
  });

  it("behavior: with the height to go on from, when the node stops", async () => {
    const { client, server } = await startNode();
    const last = new Promise<void>((resolve) => {
      void readAll(client, request(), ({ height }) => {
        if (height === SEALED_CHAIN_HEIGHT) resolve();
      }).then((end) => ends.push(end));
    });
    const ends: End[] = [];
    await last;
    await server.stop();
    await vi.waitFor(() => expect(ends).toHaveLength(1));
    expect([ends[0]?.code, ends[0]?.trailers]).toMatchObject([
      status.UNAVAILABLE,
      { "weft-resume": String(SEALED_CHAIN_HEIGHT + 1) },
    ]);
  });

  it("behavior: with the height to go on from, when a block cannot be read for now", async () => {
    const node = await startStreamNode(chain.slice(0, 3), { height: 4 });
    cleanups.push(() => node.stop());
    const fromEnd = await readAll(node.client, request({ fromHeight: Height(4) }));
    expect([fromEnd.code, fromEnd.trailers]).toMatchObject([
      status.UNAVAILABLE,
      { "weft-resume": "4" },
    ]);
    const end = await readAll(node.client, request());
    expect(end.blocks.map(({ height }) => height)).toEqual([1, 2, 3]);
    expect(end.code).toBe(status.UNAVAILABLE);
    // What it has had before may not have left for sure.
    expect(["1", "2", "3", "4"]).toContain(end.trailers["weft-resume"]);
  });

  it("attack: one address cannot take all streams", async () => {
    const { client, counted } = await startNode({ ofPeerMax: 2 });
    const open = [1, 2].map(() => readAll(client, request()));
    await vi.waitFor(() => expect(counted.open).toBe(2));
    const refused = await readAll(client, request());
    expect(refused.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(refused.details).toContain("at most 2 streams of one address");
    expect(counted.refused).toEqual(["peer"]);
    expect(open).toHaveLength(2);
  });
});

/** The stream as it is on the wire, to its end. */
async function rawStream(address: string, asked: StreamBlocksRequest) {
  const session = connect(`http://${address}`);
  const { path, requestSerialize } = ROLLUP_SERVICE.streamBlocks;
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  const message = requestSerialize(asked);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([head, message]));
  let headers: Readonly<Record<string, unknown>> = {};
  stream.on("response", (came) => (headers = came));
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  session.close();
  return { headers, body: Buffer.concat(chunks) };
}

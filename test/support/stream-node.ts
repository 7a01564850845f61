/** The gRPC listener of a node over a chain of blocks, and readers of its streams. */
import { Client, credentials, type Metadata, type status } from "@grpc/grpc-js";
import { Height } from "../../proto/brands.ts";
import { ROLLUP_SERVICE } from "../../proto/grpc/rollup-service.ts";
import type { Method } from "../../proto/grpc/wire.ts";
import { type GrpcMetrics, NULL_GRPC_METRICS } from "../../sequencer/grpc/metrics.ts";
import { createGrpcServer } from "../../sequencer/grpc/server.ts";
import type { Clock } from "../../sequencer/ports/clock.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { type Logger, NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createChainBlocks } from "./chain-blocks.ts";
import { type BuiltBlock, TEST_CHAIN_ID } from "./chain-builder.ts";

export interface StreamNodeOptions {
  /** Of the last block that is there at first. */
  readonly height?: number;
  /** Of the first one that is held. */
  readonly base?: number;
  readonly ofPeerMax?: number;
  /** The server's; the system's when left out. */
  readonly clock?: Clock;
  /** As the server's option. */
  readonly unreadBytesMax?: number;
  readonly allUnreadBytesMax?: number;
  readonly connectionsMax?: number;
  readonly connectionsOfPeerMax?: number;
  readonly logger?: Logger;
}

export async function startStreamNode(
  chain: readonly BuiltBlock[],
  {
    height = chain.length,
    base = 1,
    ofPeerMax = 100,
    clock = createSystemClock(),
    logger = NULL_LOGGER,
    ...limits
  }: StreamNodeOptions = {},
) {
  const node = createChainBlocks(chain, height);
  const counted = {
    encoded: 0,
    connections: 0,
    connectionsRefused: [] as string[],
    open: 0,
    refused: [] as string[],
    bytes: 0,
    waiting: 0,
    slow: 0,
    unreadCalls: 0,
    unreadBytes: 0,
    calls: [] as unknown[],
  };
  const metrics: GrpcMetrics = {
    ...NULL_GRPC_METRICS,
    calls: { inc: (of) => counted.calls.push(of) },
    encodeSeconds: { observe: () => (counted.encoded += 1) },
    connections: { ...NULL_GRPC_METRICS.streams, set: (open) => (counted.connections = open) },
    connectionsRefused: { inc: (by) => counted.connectionsRefused.push(reasonOf(by)) },
    streams: { ...NULL_GRPC_METRICS.streams, set: (open) => (counted.open = open) },
    waitingStreams: { ...NULL_GRPC_METRICS.streams, set: (count) => (counted.waiting = count) },
    slowReaders: { inc: () => (counted.slow += 1) },
    unreadBytes: { ...NULL_GRPC_METRICS.streams, set: (bytes) => (counted.unreadBytes = bytes) },
    unreadCalls: { inc: () => (counted.unreadCalls += 1) },
    streamBytes: { inc: (_, by = 1) => (counted.bytes += by) },
    streamsRefused: { inc: (by) => counted.refused.push(reasonOf(by)) },
  };
  const server = createGrpcServer(
    {
      host: "127.0.0.1",
      port: 0,
      streamsMax: 100,
      streamsOfPeerMax: ofPeerMax,
      ...limits,
    },
    {
      node: {
        chainId: TEST_CHAIN_ID,
        initialHeight: Height(1),
        version: "test",
        isCatchingUp: () => false,
      },
      blocks: { ...node.blocks, base: () => Height(base) },
      application: node.application,
      clock,
      logger,
      metrics,
    },
  );
  const address = `127.0.0.1:${await server.start()}`;
  const client = new Client(address, credentials.createInsecure());
  return {
    node,
    server,
    address,
    client,
    counted,
    stop: async (): Promise<void> => {
      client.close();
      await server.stop();
    },
  };
}

function reasonOf(labels: { readonly reason: string } | undefined): string {
  return labels?.reason ?? "";
}

export interface StreamEnd<Message> {
  readonly blocks: readonly Message[];
  readonly code: status;
  readonly details: string;
  readonly trailers: ReturnType<Metadata["getMap"]>;
}

/** Reads until the node ends the stream. */
export function readStream<Request, Message>(
  client: Client,
  { path, requestSerialize, responseDeserialize }: Method<Request, Message>,
  asked: Request,
  onMessage?: (message: Message) => void,
): Promise<StreamEnd<Message>> {
  const stream = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, asked);
  const blocks: Message[] = [];
  stream.on("data", (message: Message) => {
    blocks.push(message);
    onMessage?.(message);
  });
  stream.on("error", () => {});
  return new Promise((resolve) => {
    stream.on("status", ({ code, details, metadata }) =>
      resolve({ blocks, code, details, trailers: metadata.getMap() }),
    );
  });
}

export const STREAM_BLOCKS = ROLLUP_SERVICE.streamBlocks;
export const STREAM_HEADERS = ROLLUP_SERVICE.streamHeaders;

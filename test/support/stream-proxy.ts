/** A man in the middle: passes on a real node's facts, and its block streams, altered when the test says so. */
import {
  Client,
  credentials,
  Metadata,
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  status,
} from "@grpc/grpc-js";
import type { RollupBlock } from "../../proto/grpc/rollup-block.ts";
import { ROLLUP_SERVICE, type StreamBlocksRequest } from "../../proto/grpc/rollup-service.ts";

type ChainInfo = ReturnType<typeof ROLLUP_SERVICE.getChainInfo.responseDeserialize>;

/** What to send in place of a block; undefined: the block as it came. */
export type Alter = (
  block: RollupBlock,
) => readonly RollupBlock[] | undefined | Promise<readonly RollupBlock[] | undefined>;

export interface StreamProxy {
  /** host:port */
  readonly address: string;
  /** Applies to every block that is passed on from now on; undefined passes all. */
  setAlter(alter: Alter | undefined): void;
  stop(): Promise<void>;
}

/** @param node host:port of the real node */
export async function startStreamProxy(node: string): Promise<StreamProxy> {
  const upstream = new Client(node, credentials.createInsecure());
  const server = new Server();
  let alter: Alter | undefined;
  const { streamBlocks, getChainInfo } = ROLLUP_SERVICE;

  async function pass(call: ServerWritableStream<StreamBlocksRequest, RollupBlock>): Promise<void> {
    const stream = upstream.makeServerStreamRequest(
      streamBlocks.path,
      streamBlocks.requestSerialize,
      streamBlocks.responseDeserialize,
      call.request,
    );
    call.on("cancelled", () => stream.cancel());
    try {
      for await (const block of stream as AsyncIterable<RollupBlock>) {
        for (const sent of (await alter?.(block)) ?? [block]) call.write(sent);
      }
      call.end();
    } catch {
      // The node or the reader is gone; the reader opens another stream.
      call.emit("error", {
        code: status.UNAVAILABLE,
        details: "upstream ended",
        metadata: new Metadata(),
      });
    }
  }

  server.addService(
    { streamBlocks, getChainInfo },
    {
      streamBlocks: (call: ServerWritableStream<StreamBlocksRequest, RollupBlock>) =>
        void pass(call),
      getChainInfo: (
        _call: ServerUnaryCall<unknown, ChainInfo>,
        callback: sendUnaryData<ChainInfo>,
      ) => {
        const { path, requestSerialize, responseDeserialize } = getChainInfo;
        upstream.makeUnaryRequest(path, requestSerialize, responseDeserialize, {}, callback);
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return {
    address: `127.0.0.1:${port}`,
    setAlter(wanted) {
      alter = wanted;
    },
    stop() {
      upstream.close();
      server.forceShutdown();
      return Promise.resolve();
    },
  };
}

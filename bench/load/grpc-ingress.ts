/** One validator as the load sees it, over gRPC: a stream of submissions in, streams of committed blocks out. */
import {
  type ClientDuplexStream,
  type ClientReadableStream,
  Client,
  credentials,
} from "@grpc/grpc-js";
import { Height } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { decodeSignedHeader } from "../../proto/codec/block.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { Level, type RollupBlock } from "../../proto/grpc/rollup-block.ts";
import {
  ROLLUP_SERVICE,
  type SubmitRequest,
  type SubmitResponse,
} from "../../proto/grpc/rollup-service.ts";
import { FillStatus } from "../../proto/verify/manifest.ts";
import { codeName } from "../../sequencer/app/codes.ts";
import { createGrpcSequencerClient } from "../../rollup-adapter/client/grpc-sequencer-client.ts";
import type { Ingress, IngressListener, ObservedBlock } from "./ingress.ts";
import { ROLLUP_NAMES } from "./shape.ts";

/** Ids of answered submissions that are kept before the list is cut. */
const ANSWERED_KEPT_MAX = 4_096;

export async function openGrpcIngress(
  address: string,
  listener: IngressListener,
): Promise<Ingress> {
  const info = createGrpcSequencerClient(address);
  const { height: startHeight } = await info.chainInfo();
  info.close();
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.max_receive_message_length": 64 << 20,
    "grpc.max_send_message_length": 8 << 20,
  });
  let isClosed = false;
  let height: number = startHeight;
  const fail = (error: Error): void => {
    if (!isClosed) listener.failed(error);
  };

  const { submitStream } = ROLLUP_SERVICE;
  const submissions: ClientDuplexStream<SubmitRequest, SubmitResponse> =
    client.makeBidiStreamRequest(
      submitStream.path,
      submitStream.requestSerialize,
      submitStream.responseDeserialize,
    );
  // Answers come in the order of the requests.
  const unanswered: string[] = [];
  let answered = 0;
  submissions.on("data", (answer: SubmitResponse) => {
    const id = unanswered[answered] ?? "";
    answered += 1;
    if (answered > ANSWERED_KEPT_MAX) {
      unanswered.splice(0, answered);
      answered = 0;
    }
    if (answer.code !== 0 && !answer.duplicate) {
      listener.refused(id, codeName(answer.code) ?? `code ${answer.code}`);
    }
    listener.ready();
  });
  submissions.on("drain", () => listener.ready());
  submissions.on("error", fail);

  const gather = createGatherer(ROLLUP_NAMES.length, (block, atMs) => {
    height = block.height;
    listener.block(block, atMs);
  });
  const { streamBlocks } = ROLLUP_SERVICE;
  const streams = ROLLUP_NAMES.map((name) => {
    const stream: ClientReadableStream<RollupBlock> = client.makeServerStreamRequest(
      streamBlocks.path,
      streamBlocks.requestSerialize,
      streamBlocks.responseDeserialize,
      {
        rollupId: rollupIdOfName(name),
        fromHeight: Height(startHeight + 1),
        level: Level.COMMITTED,
      },
    );
    stream.on("data", gather);
    stream.on("error", fail);
    return stream;
  });

  return {
    submit({ id, item }) {
      unanswered.push(id);
      return submissions.write({ item });
    },
    get height() {
      return height;
    },
    close() {
      isClosed = true;
      for (const stream of streams) stream.cancel();
      submissions.end();
      submissions.cancel();
      client.close();
    },
  };
}

/** Puts the parts of a height together: each stream carries one rollup's. */
function createGatherer(
  rollups: number,
  complete: (block: ObservedBlock, atMs: number) => void,
): (part: RollupBlock) => void {
  interface Gathered {
    parts: number;
    readonly itemIds: string[];
    readonly openedHeights: number[];
    readonly lostHeights: number[];
  }
  const open = new Map<number, Gathered>();
  return ({ height, slice, signedHeader }) => {
    const block = open.get(height) ?? {
      parts: 0,
      itemIds: [],
      openedHeights: [],
      lostHeights: [],
    };
    open.set(height, block);
    block.parts += 1;
    if (slice.kind === "presence") {
      for (const { itemId } of slice.entries) block.itemIds.push(toHex(itemId));
      for (const { height: of, status } of slice.fills) {
        (status === FillStatus.OPENED ? block.openedHeights : block.lostHeights).push(of);
      }
    }
    if (block.parts < rollups) return;
    open.delete(height);
    const { round } = decodeSignedHeader(signedHeader).commit;
    const { itemIds, openedHeights, lostHeights } = block;
    complete({ height, round, itemIds, openedHeights, lostHeights }, performance.now());
  };
}

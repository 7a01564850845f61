/** Readers of bundles' states who take what they are sent, and who do not. */
import { EventEmitter } from "node:events";
import { type ServerWritableStream, status } from "@grpc/grpc-js";
import { expect, it } from "vitest";
import { Height } from "../../proto/brands.ts";
import {
  type BundleStatus,
  STATUS_IDS_MAX,
  type StreamBundleStatusRequest,
} from "../../proto/grpc/mev-service.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { statusOf } from "./grpc-error.ts";
import { SLOW_READER_MS, STREAM_UNREAD_MESSAGES_MAX } from "./limits.ts";
import { NULL_GRPC_METRICS } from "./metrics.ts";
import { streamBundleStatus } from "./mev-streams.ts";
import type { GrpcBlocks } from "./ports.ts";

type Call = ServerWritableStream<StreamBundleStatusRequest, BundleStatus>;

/** A stream whose reader takes a message when it is told to; every block changes the one bundle's state. */
function openStream() {
  const clock = createManualClock();
  const taken: (() => void)[] = [];
  const call = Object.assign(new EventEmitter(), {
    cancelled: false,
    request: { ids: [new Uint8Array(32)] },
    write: (_message: BundleStatus, done: () => void) => taken.push(done),
  });
  let height = 0;
  let onBlock = (): void => {};
  const blocks = {
    height: () => Height(height),
    onBlock: (listener: () => void) => {
      onBlock = listener;
      return () => {};
    },
  };
  const counted = { slow: 0 };
  const ended = streamBundleStatus(call as unknown as Call, {
    blocks: blocks as unknown as GrpcBlocks,
    metrics: {
      slowReaders: { ...NULL_GRPC_METRICS.slowReaders, inc: () => (counted.slow += 1) },
    },
    clock,
    stopped: new AbortController().signal,
    status: async () => ({ height: Height(height) }) as unknown as BundleStatus,
  });
  const why = ended.then(
    () => undefined,
    (error: unknown) => statusOf(error),
  );
  return {
    clock,
    counted,
    why,
    sent: () => taken.length,
    take: () => taken.splice(0, 1)[0]?.(),
    block: () => {
      height += 1;
      onBlock();
    },
    leave: () => {
      call.cancelled = true;
      call.emit("cancelled");
    },
  };
}

it("behavior: what a reader has not taken is bounded, and one that takes nothing for too long is ended", async () => {
  const { clock, counted, why, sent, block } = openStream();
  for (let n = 1; n < STREAM_UNREAD_MESSAGES_MAX; n++) {
    await clock.advance(0);
    expect(sent()).toBe(n);
    block();
  }
  await clock.advance(0);
  block();
  await clock.advance(SLOW_READER_MS - 1);
  expect([sent(), counted.slow]).toEqual([STREAM_UNREAD_MESSAGES_MAX, 0]);
  await clock.advance(1);
  expect(await why).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  expect(counted.slow).toBe(1);
});

it("behavior: one that takes what it was sent goes on, and one that leaves is told nothing", async () => {
  const { clock, why, sent, take, block, leave } = openStream();
  for (let n = 0; n < 3 * STREAM_UNREAD_MESSAGES_MAX; n++) {
    await clock.advance(0);
    expect(sent()).toBe(1);
    take();
    block();
  }
  leave();
  expect(await why).toBeUndefined();
});

it("error: no id, too many, and one that is none", async () => {
  const asking = (ids: readonly Uint8Array[]) =>
    streamBundleStatus({ request: { ids } } as unknown as Call, {} as never).then(
      () => undefined,
      (error: unknown) => statusOf(error).code,
    );
  const id = new Uint8Array(32);
  expect(await asking([])).toBe(status.INVALID_ARGUMENT);
  expect(await asking(Array.from({ length: STATUS_IDS_MAX + 1 }, () => id))).toBe(
    status.INVALID_ARGUMENT,
  );
  expect(await asking([id.subarray(1)])).toBe(status.INVALID_ARGUMENT);
});

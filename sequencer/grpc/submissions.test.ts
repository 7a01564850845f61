import { EventEmitter } from "node:events";
import { type ClientHttp2Stream, connect } from "node:http2";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { ROLLUP_SERVICE } from "../../proto/grpc/rollup-service.ts";
import { streamOfCall } from "../../test/support/deaf-caller.ts";
import { eventually } from "../../test/support/loopback.ts";
import { SUBMISSIONS_IN_FLIGHT_MAX } from "./limits.ts";
import { NULL_GRPC_METRICS } from "./metrics.ts";
import { createSubmit, submitStream } from "./submissions.ts";

type Call = Parameters<typeof submitStream>[0];

const REFUSED = {
  code: 1,
  data: new Uint8Array(0),
  // Long, so that answers are what would pile up.
  log: "x".repeat(4_096),
  info: "",
  gasWanted: 0n,
  gasUsed: 0n,
  events: [],
  codespace: "",
};

describe("SubmitStream", () => {
  it("behavior: a client that reads no answers is not read without bound", async () => {
    const total = 4_000;
    let submitted = 0;
    const checkTx = () => {
      submitted += 1;
      return Promise.resolve(REFUSED);
    };
    const submit = createSubmit({ checkTx }, NULL_GRPC_METRICS);
    await withStream(
      (call) => submitStream(call, submit, () => {}),
      async (stream) => {
        for (let i = 0; i < total; i++) stream.write(frame(new Uint8Array([1])));
        stream.end();
        await eventually(() => submitted >= SUBMISSIONS_IN_FLIGHT_MAX, "submissions");
        let last = -1;
        let still = 0;
        await eventually(() => {
          still = submitted === last ? still + 1 : 0;
          last = submitted;
          return still > 10;
        }, "the server to stop reading");
        expect(submitted).toBeLessThan(total / 2);
        // It goes on as soon as somebody reads.
        stream.resume();
        await eventually(() => submitted === total, "the rest");
      },
    );
  });

  it("error: a submission that fails ends the stream once; what follows is not submitted", async () => {
    const call = new FakeCall();
    const errors: unknown[] = [];
    let submitted = 0;
    submitStream(
      // Only events, pause, resume, write and end are used.
      call as unknown as Call,
      () => {
        submitted += 1;
        return Promise.reject(new Error("no"));
      },
      (error) => errors.push(error),
    );
    call.emit("data", { item: new Uint8Array(1) });
    call.emit("data", { item: new Uint8Array(1) });
    await eventually(() => errors.length > 0, "the error");
    call.emit("data", { item: new Uint8Array(1) });
    call.emit("end");
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    const seen = { submitted, errors: errors.length, ends: call.ends };
    expect(seen).toEqual({ submitted: 2, errors: 1, ends: 0 });
  });
});

class FakeCall extends EventEmitter {
  ends = 0;
  pause(): void {}
  resume(): void {}
  write(): boolean {
    return true;
  }
  end(): void {
    this.ends += 1;
  }
}

/** One request as gRPC frames it: not compressed, its length, its bytes. */
function frame(item: Uint8Array): Buffer {
  const message = ROLLUP_SERVICE.submitStream.requestSerialize({ item });
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

async function withStream(
  serve: (call: Call) => void,
  use: (stream: ClientHttp2Stream) => Promise<void>,
): Promise<void> {
  const { submitStream: method } = ROLLUP_SERVICE;
  const server = new Server();
  server.addService({ submitStream: method }, { submitStream: serve });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  const session = connect(`http://127.0.0.1:${port}`);
  const stream = streamOfCall(session, method.path);
  try {
    await use(stream);
  } finally {
    session.destroy();
    server.forceShutdown();
  }
}

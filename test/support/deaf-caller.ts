/** A client that calls methods over a real connection and takes nothing of the answers until it is told to. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from "node:http2";
import type { Method } from "../../proto/grpc/wire.ts";

/** Bytes that may be on their way to all calls of a connection: what one does not read holds up no other. */
const CONNECTION_WINDOW_BYTES = 1 << 20;

type Called<Request> = Pick<Method<Request, unknown>, "path" | "requestSerialize">;

/** One call on a connection of its own, which ends with it. */
export function openDeafCall<Request>(address: string, method: Called<Request>, request: Request) {
  const session = connect(`http://${address}`);
  const call = callOn(session, method, request);
  void call.closed.then(() => session.close());
  return call;
}

/** A connection for several calls. */
export function openDeafConnection(address: string) {
  const session = connect(`http://${address}`);
  session.once("connect", () => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES));
  return {
    call: <Request>(method: Called<Request>, request: Request) => callOn(session, method, request),
    close: () => session.close(),
  };
}

/** The stream of a call, as plain HTTP/2: a gRPC client reads ahead whatever its owner does. */
export function streamOfCall(session: ClientHttp2Session, path: string): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  // A stream that is reset ends with an error.
  stream.on("error", () => {});
  return stream;
}

function callOn<Request>(session: ClientHttp2Session, method: Called<Request>, request: Request) {
  const stream = streamOfCall(session, method.path);
  const body = method.requestSerialize(request);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  stream.end(Buffer.concat([head, body]));
  let trailers: IncomingHttpHeaders = {};
  // Without a message they come first.
  stream.once("response", (headers: IncomingHttpHeaders) => (trailers = headers));
  stream.on("trailers", (headers: IncomingHttpHeaders) => (trailers = headers));
  return {
    /** Resolves when the answer begins. */
    answered: new Promise<void>((resolve) => void stream.once("response", () => resolve())),
    /** The code that the node has ended the HTTP/2 stream with. */
    closed: new Promise<number>((resolve) => {
      stream.once("close", () => resolve(stream.rstCode ?? 0));
    }),
    /** Takes all that was sent, and how it ended. */
    async readAll() {
      const chunks: Buffer[] = [];
      for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
      const all = Buffer.concat(chunks);
      const messages: Buffer[] = [];
      for (let at = 0; at + 5 <= all.length; ) {
        const end = at + 5 + all.readUInt32BE(at + 1);
        messages.push(all.subarray(at + 5, end));
        at = end;
      }
      return { messages, trailers };
    },
  };
}

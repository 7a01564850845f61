/** A client that calls a method over a real connection and takes nothing of the answer until it is told to. */
import { connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import type { Method } from "../../proto/grpc/wire.ts";

export function openDeafCall<Request>(
  address: string,
  method: Pick<Method<Request, unknown>, "path" | "requestSerialize">,
  request: Request,
  headers: OutgoingHttpHeaders = {},
) {
  const session = connect(`http://${address}`);
  const stream = session.request({
    ":method": "POST",
    ":path": method.path,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  // A stream that is reset ends with an error.
  stream.on("error", () => {});
  const body = method.requestSerialize(request);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  stream.end(Buffer.concat([head, body]));
  let trailers: IncomingHttpHeaders = {};
  stream.on("trailers", (headers: IncomingHttpHeaders) => (trailers = headers));
  return {
    /** Resolves when the answer begins. */
    answered: new Promise<void>((resolve) => void stream.once("response", () => resolve())),
    /** The code that the node has ended the HTTP/2 stream with. */
    closed: new Promise<number>((resolve) => {
      stream.once("close", () => {
        resolve(stream.rstCode);
        session.close();
      });
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

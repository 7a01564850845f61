/** A client that announces the largest windows of HTTP/2, calls, and reads nothing from its socket until it is told to. */
import { connect, type Socket } from "node:net";
import type { Method } from "../../proto/grpc/wire.ts";

const DATA = 0;
const HEADERS = 1;
const SETTINGS = 4;
const WINDOW_UPDATE = 8;
const END_STREAM = 1;
const END_HEADERS = 4;
const INITIAL_WINDOW_SIZE = 4;
const WINDOW_MAX = 2 ** 31 - 1;
/** That a connection begins with. */
const WINDOW_FIRST = 65_535;

export function openStuckCalls<Request>(
  address: string,
  { path, requestSerialize }: Pick<Method<Request, unknown>, "path" | "requestSerialize">,
  request: Request,
  count: number,
): Socket {
  const [host, port] = address.split(":");
  const socket = connect({ host, port: Number(port) });
  socket.pause();
  socket.on("error", () => {});
  const window = Buffer.alloc(6);
  window.writeUInt16BE(INITIAL_WINDOW_SIZE, 0);
  window.writeUInt32BE(WINDOW_MAX, 2);
  const more = Buffer.alloc(4);
  more.writeUInt32BE(WINDOW_MAX - WINDOW_FIRST);
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  socket.write(frame(SETTINGS, 0, 0, window));
  socket.write(frame(WINDOW_UPDATE, 0, 0, more));
  const headers = Buffer.concat([
    header(":method", "POST"),
    header(":scheme", "http"),
    header(":path", path),
    header(":authority", "node"),
    header("content-type", "application/grpc"),
    header("te", "trailers"),
  ]);
  const body = requestSerialize(request);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  for (let i = 0; i < count; i++) {
    const stream = 1 + 2 * i;
    socket.write(frame(HEADERS, END_HEADERS, stream, headers));
    socket.write(frame(DATA, END_STREAM, stream, Buffer.concat([head, body])));
  }
  return socket;
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Not indexed, not compressed. */
function header(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);
}

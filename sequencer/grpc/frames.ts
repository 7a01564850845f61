/**
 * Messages that are ready to be sent, with the heads of their frames. grpc-js compresses nothing that a server sends, and
 * writes each message by itself: a frame's head with the flag 0 and the length, and then it has the message copy itself
 * behind that (`server-interceptors.js`, serializeMessage). What is written here sets the head right as it copies itself,
 * so that messages are compressed once and not for every reader, and several of them leave in one write. The test of
 * streams fails when a release of grpc-js goes about it another way.
 */

/** What stands before each message: the flag, and its length. */
const HEAD_BYTES = 5;

export interface Frame {
  readonly bytes: Buffer;
  /** As the stream's `grpc-encoding` says. */
  readonly isCompressed: boolean;
}

/** @param frames at least one; what comes out is to be written as one message */
export function toWrite(frames: readonly Frame[]): Buffer {
  const [first, ...others] = frames;
  if (first === undefined) throw new RangeError("expected a message");
  if (others.length === 0 && !first.isCompressed) return first.bytes;
  const parts = [first.bytes];
  for (const frame of others) {
    const head = Buffer.alloc(HEAD_BYTES);
    writeHead(head, frame);
    parts.push(head, frame.bytes);
  }
  // A copy, for one alone too: other readers' messages are not marked.
  const all = Buffer.concat(parts);
  Object.defineProperty(all, "copy", {
    value: (target: Buffer, at = 0, ...range: [start?: number, end?: number]): number => {
      if (at === HEAD_BYTES) writeHead(target, first);
      return Buffer.prototype.copy.call(all, target, at, ...range);
    },
  });
  return all;
}

function writeHead(head: Buffer, { bytes, isCompressed }: Frame): void {
  head[0] = isCompressed ? 1 : 0;
  head.writeUInt32BE(bytes.length, 1);
}

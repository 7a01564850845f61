/**
 * Messages that were compressed before they are sent. grpc-js compresses nothing that a server sends: it writes a frame's
 * head with the flag 0 and has the message copy itself behind that (`server-interceptors.js`, serializeMessage). Such
 * a message sets the flag there, so that its bytes are compressed once and not for every reader. The test beside this
 * file fails when a release of grpc-js goes about it another way.
 */

/** What stands before each message: the flag, and its length. */
const HEAD_BYTES = 5;

/** @param bytes compressed as the stream's `grpc-encoding` says; marked in place */
export function asCompressed(bytes: Buffer): Buffer {
  Object.defineProperty(bytes, "copy", {
    value: (target: Uint8Array, at = 0, ...range: [start?: number, end?: number]): number => {
      if (at === HEAD_BYTES) target[0] = 1;
      return Buffer.prototype.copy.call(bytes, target, at, ...range);
    },
  });
  return bytes;
}

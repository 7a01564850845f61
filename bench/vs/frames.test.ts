import { describe, expect, it } from "vitest";
import { createFrameReader, OPCODE } from "./frames.ts";

/** A frame as a server sends it: not masked. */
function serverFrame(first: number, payload: string, lengthBytes: 0 | 2 | 8): Buffer {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(2 + lengthBytes);
  head[0] = first;
  head[1] = lengthBytes === 0 ? body.length : lengthBytes === 2 ? 126 : 127;
  if (lengthBytes === 2) head.writeUInt16BE(body.length, 2);
  if (lengthBytes === 8) head.writeBigUInt64BE(BigInt(body.length), 2);
  return Buffer.concat([head, body]);
}

function reader() {
  const seen: [number, string][] = [];
  const read = createFrameReader((opcode, payload) => seen.push([opcode, payload.toString()]));
  return { seen, read };
}

describe("createFrameReader", () => {
  const bytes = Buffer.concat([
    serverFrame(0x81, "short", 0),
    serverFrame(0x89, "ping", 0),
    serverFrame(0x81, "m".repeat(300), 2),
    serverFrame(0x81, "l".repeat(70_000), 8),
    serverFrame(0x01, "two ", 0),
    serverFrame(0x89, "between", 0),
    serverFrame(0x80, "parts", 0),
  ]);
  const expected = [
    [OPCODE.text, "short"],
    [OPCODE.ping, "ping"],
    [OPCODE.text, "m".repeat(300)],
    [OPCODE.text, "l".repeat(70_000)],
    [OPCODE.ping, "between"],
    [OPCODE.text, "two parts"],
  ];

  it.each([1, 2, 3, 7, 1_000, 65_536, 1 << 20])(
    "finds every message in pieces of %i bytes",
    (size) => {
      const { seen, read } = reader();
      for (let at = 0; at < bytes.length; at += size) read(bytes.subarray(at, at + size));
      expect(seen).toEqual(expected);
    },
  );

  it("waits for the rest of a frame", () => {
    const { seen, read } = reader();
    const frame = serverFrame(0x81, "late", 0);
    read(frame.subarray(0, frame.length - 1));
    expect(seen).toEqual([]);
    read(frame.subarray(-1));
    expect(seen).toEqual([[OPCODE.text, "late"]]);
  });
});

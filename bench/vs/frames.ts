/** WebSocket frames (RFC 6455 §5) for the load: made once before the window, read without a copy. Pure. */

const FIN_TEXT = 0x81;
const FIN = 0x80;
const MASKED = 0x80;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
/** A client's frames are masked; a key of zeros leaves the payload as it is. */
const MASK_BYTES = 4;

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** One text message of a client as the bytes that go on the wire. */
export function textFrame(text: string): Buffer {
  return frame(FIN_TEXT, Buffer.from(text));
}

export function pongFrame(payload: Buffer): Buffer {
  return frame(FIN | OPCODE.pong, payload);
}

function frame(start: number, payload: Buffer): Buffer {
  const { length } = payload;
  const lengthBytes = length < LENGTH_16 ? 0 : length < 65_536 ? 2 : 8;
  const out = Buffer.alloc(2 + lengthBytes + MASK_BYTES + length);
  out[0] = start;
  if (lengthBytes === 0) out[1] = MASKED | length;
  else if (lengthBytes === 2) {
    out[1] = MASKED | LENGTH_16;
    out.writeUInt16BE(length, 2);
  } else {
    out[1] = MASKED | LENGTH_64;
    out.writeBigUInt64BE(BigInt(length), 2);
  }
  payload.copy(out, 2 + lengthBytes + MASK_BYTES);
  return out;
}

/** Calls `onMessage` for every whole message in the bytes of a server; parts of one are put together. */
export function createFrameReader(
  onMessage: (opcode: number, payload: Buffer) => void,
): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let held = 0;
  /** Bytes of the frame at the front, as far as they are known. */
  let needed = 2;
  let parts: Buffer[] = [];
  let partsOpcode = 0;

  function take(first: number, payload: Buffer): void {
    const opcode = first & 0x0f;
    if (opcode >= OPCODE.close) {
      onMessage(opcode, payload);
      return;
    }
    if (opcode !== OPCODE.continuation) partsOpcode = opcode;
    const isLast = (first & FIN) !== 0;
    if (isLast && parts.length === 0) {
      onMessage(partsOpcode, payload);
      return;
    }
    parts.push(payload);
    if (!isLast) return;
    const whole = Buffer.concat(parts);
    parts = [];
    onMessage(partsOpcode, whole);
  }

  return (chunk) => {
    chunks.push(chunk);
    held += chunk.length;
    if (held < needed) return;
    const bytes = chunks.length === 1 ? chunk : Buffer.concat(chunks);
    let at = 0;
    for (;;) {
      const { headerBytes, length } = headerAt(bytes, at);
      needed = headerBytes + length;
      if (bytes.length - at < needed) break;
      take(bytes[at] ?? 0, bytes.subarray(at + headerBytes, at + needed));
      at += needed;
    }
    const rest = bytes.subarray(at);
    chunks = rest.length === 0 ? [] : [rest];
    held = rest.length;
  };
}

/** Sizes of the frame that starts at `at`; of an incomplete header, what it has at least. */
function headerAt(bytes: Buffer, at: number): { headerBytes: number; length: number } {
  const left = bytes.length - at;
  if (left < 2) return { headerBytes: 2, length: 0 };
  const short = (bytes[at + 1] ?? 0) & 0x7f;
  if (short < LENGTH_16) return { headerBytes: 2, length: short };
  if (short === LENGTH_16) {
    return { headerBytes: 4, length: left < 4 ? 0 : bytes.readUInt16BE(at + 2) };
  }
  return { headerBytes: 10, length: left < 10 ? 0 : Number(bytes.readBigUInt64BE(at + 2)) };
}

/** Frames between peers: CometBFT's of 1 KiB, and the larger ones that Weft nodes agree on. */
import { randomBytes } from "node:crypto";
import { createFrameReader } from "../../sequencer/p2p/conn/frame-reader.ts";
import { createFrameWriter } from "../../sequencer/p2p/conn/frame-writer.ts";
import type { MicroCase } from "./case.ts";

const BYTES = 1 << 20;
/** `FrameWriter.write` takes so much at once. */
const PIECE_BYTES = 4_096;

export function transportCases(): readonly MicroCase[] {
  const key = new Uint8Array(randomBytes(32));
  const data = new Uint8Array(randomBytes(BYTES));
  return [false, true].flatMap((isLarge): MicroCase[] => {
    const size = isLarge ? "64 KiB" : "1 KiB";
    return [
      {
        name: `seal 1 MiB in frames of ${size}`,
        work: () => seal(key, data, isLarge),
        bytes: BYTES,
      },
      {
        name: `seal and open 1 MiB in frames of ${size}`,
        work: () => open(key, seal(key, data, isLarge), isLarge),
        bytes: BYTES,
      },
    ];
  });
}

function seal(key: Uint8Array, data: Uint8Array, isLarge: boolean): readonly Uint8Array[] {
  const sealed: Uint8Array[] = [];
  const writer = createFrameWriter(
    { key },
    {
      sink(bytes, onWritten) {
        // As a socket that takes everything at once: the slab may be used again.
        sealed.push(bytes.slice());
        onWritten();
      },
      onRoom: () => {},
    },
  );
  if (isLarge) writer.useLargeFrames();
  for (let at = 0; at < data.length; at += PIECE_BYTES) writer.write(data, at, at + PIECE_BYTES);
  writer.flush();
  return sealed;
}

function open(key: Uint8Array, sealed: readonly Uint8Array[], isLarge: boolean): number {
  let opened = 0;
  const reader = createFrameReader(
    { key },
    {
      sink(_bytes, start, end) {
        opened += end - start;
        return true;
      },
    },
  );
  if (isLarge) reader.useLargeFrames();
  for (const chunk of sealed) reader.push(chunk, 0);
  if (opened !== BYTES) throw new Error(`expected ${BYTES} bytes, opened ${opened}`);
  return opened;
}

/**
 * Cuts a byte stream into sealed frames (spec §16.1) inside preallocated slabs: plaintext is copied
 * once, straight to where its frame will be, and sealed in place; one socket write carries all
 * frames of a flush. A slab is reused when the kernel has taken it, so slabs in flight are the
 * back-pressure.
 *
 * CometBFT frame: seal(LE32 length ‖ data ‖ zeros to 1024), 1044 bytes, no associated data.
 * Weft frame (between peers that both announce it): LE32 length ‖ seal(data, AD = those 4 bytes),
 * data of 1 to 65,536 bytes, no padding. Keys and nonce counters are shared by both kinds.
 */
import sodium from "sodium-native";
import { assert } from "../../../proto/errors.ts";
import {
  FRAME_DATA_BYTES_MAX,
  LARGE_FRAME_DATA_BYTES_MAX,
  SEND_SLABS_MAX,
  SLAB_FRAMES,
} from "../limits.ts";

export const FRAME_TAG_BYTES = 16;
export const FRAME_LENGTH_BYTES = 4;
export const FRAME_PLAIN_BYTES: number = FRAME_LENGTH_BYTES + FRAME_DATA_BYTES_MAX;
export const FRAME_SEALED_BYTES: number = FRAME_PLAIN_BYTES + FRAME_TAG_BYTES;
/** Holds 64 CometBFT frames, or one Weft frame of full size. */
export const SLAB_BYTES: number = SLAB_FRAMES * FRAME_SEALED_BYTES;
/** A Weft frame is not begun in less room than this. */
const LARGE_FRAME_ROOM_MIN = 2_048;

/** Where sealed bytes go; `onWritten` is called once the kernel has taken `bytes`. */
export type SealedSink = (bytes: Uint8Array, onWritten: () => void) => void;

export interface FrameWriter {
  /** Whether `length` plaintext bytes (at most half a slab) can be written now. If not, wait for `onRoom`. */
  hasRoom(length: number): boolean;
  /** Appends `bytes[start, end)`. The caller has checked `hasRoom`. */
  write(bytes: Uint8Array, start: number, end: number): void;
  /** Seals the open frame and hands everything unsent to the sink. */
  flush(): void;
  /** Sealed bytes handed to the sink and not yet taken by the kernel. */
  readonly bytesInFlight: number;
  /** Later frames are Weft frames. The open frame must be flushed. */
  useLargeFrames(): void;
}

interface Slab {
  readonly bytes: Uint8Array;
  readonly frames: readonly { readonly plain: Uint8Array; readonly sealed: Uint8Array }[];
  readonly onWritten: () => void;
  /** Start of the open frame. */
  frameStart: number;
  /** Data bytes in the open frame. */
  frameUsed: number;
  /** Sealed bytes not yet handed to the sink begin here. */
  sentEnd: number;
  writesInFlight: number;
  bytesInFlight: number;
}

export function createFrameWriter(
  options: { readonly key: Uint8Array },
  dependencies: { readonly sink: SealedSink; readonly onRoom: () => void },
): FrameWriter {
  const { key } = options;
  const nonce = createNonce();
  const freeSlabs: Slab[] = [];
  let slabCount = 0;
  let isLarge = false;
  let bytesInFlight = 0;
  let wantsRoom = false;

  const release = (slab: Slab): void => {
    slab.frameStart = 0;
    slab.frameUsed = 0;
    slab.sentEnd = 0;
    if (slab !== open) freeSlabs.push(slab);
  };
  const createSlab = (): Slab => {
    slabCount += 1;
    const bytes = new Uint8Array(SLAB_BYTES);
    const frames = Array.from({ length: SLAB_FRAMES }, (_, i) => {
      const start = i * FRAME_SEALED_BYTES;
      return {
        plain: bytes.subarray(start, start + FRAME_PLAIN_BYTES),
        sealed: bytes.subarray(start, start + FRAME_SEALED_BYTES),
      };
    });
    const slab: Slab = {
      bytes,
      frames,
      frameStart: 0,
      frameUsed: 0,
      sentEnd: 0,
      writesInFlight: 0,
      bytesInFlight: 0,
      onWritten: () => {
        slab.writesInFlight -= 1;
        if (slab.writesInFlight > 0) return;
        bytesInFlight -= slab.bytesInFlight;
        slab.bytesInFlight = 0;
        const isIdle = slab.frameUsed === 0 && slab.sentEnd === slab.frameStart;
        if (slab !== open || isIdle) release(slab);
        if (wantsRoom) {
          wantsRoom = false;
          dependencies.onRoom();
        }
      },
    };
    return slab;
  };
  let open: Slab = createSlab();

  /** Data bytes the open frame can hold; 0 when the slab is full. */
  const frameCapacity = (slab: Slab): number => {
    const room = SLAB_BYTES - slab.frameStart;
    if (!isLarge) return room >= FRAME_SEALED_BYTES ? FRAME_DATA_BYTES_MAX : 0;
    if (room < LARGE_FRAME_ROOM_MIN) return 0;
    return Math.min(LARGE_FRAME_DATA_BYTES_MAX, room - FRAME_LENGTH_BYTES - FRAME_TAG_BYTES);
  };
  const sealOpenFrame = (slab: Slab): void => {
    const { bytes, frameStart: start, frameUsed: used } = slab;
    writeLe32(bytes, start, used);
    if (isLarge) {
      const dataStart = start + FRAME_LENGTH_BYTES;
      const data = bytes.subarray(dataStart, dataStart + used);
      const sealed = bytes.subarray(dataStart, dataStart + used + FRAME_TAG_BYTES);
      const header = bytes.subarray(start, dataStart);
      sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
        sealed,
        data,
        header,
        null,
        nonce.bytes,
        key,
      );
      slab.frameStart = dataStart + used + FRAME_TAG_BYTES;
    } else {
      const frame = slab.frames[start / FRAME_SEALED_BYTES];
      assert(frame !== undefined, "a frame starts at a multiple of the sealed frame size");
      if (used < FRAME_DATA_BYTES_MAX) frame.plain.fill(0, FRAME_LENGTH_BYTES + used);
      sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
        frame.sealed,
        frame.plain,
        null,
        null,
        nonce.bytes,
        key,
      );
      slab.frameStart = start + FRAME_SEALED_BYTES;
    }
    slab.frameUsed = 0;
    nonce.increment();
  };
  const send = (slab: Slab): void => {
    if (slab.sentEnd === slab.frameStart) return;
    const sealed = slab.bytes.subarray(slab.sentEnd, slab.frameStart);
    slab.sentEnd = slab.frameStart;
    slab.writesInFlight += 1;
    slab.bytesInFlight += sealed.length;
    bytesInFlight += sealed.length;
    dependencies.sink(sealed, slab.onWritten);
  };
  const nextSlab = (): void => {
    const full = open;
    const next = freeSlabs.pop() ?? (slabCount < SEND_SLABS_MAX ? createSlab() : undefined);
    assert(next !== undefined, "hasRoom was checked before write");
    open = next;
    if (full.sentEnd === full.frameStart && full.writesInFlight === 0) release(full);
    else send(full);
  };

  return {
    hasRoom(length) {
      if (freeSlabs.length > 0 || slabCount < SEND_SLABS_MAX) return true;
      const isRoomLeft = isLarge
        ? frameCapacity(open) - open.frameUsed >= length
        : roomInSmallFrames(open) >= length;
      if (!isRoomLeft) wantsRoom = true;
      return isRoomLeft;
    },
    write(bytes, start, end) {
      let from = start;
      while (from < end) {
        const capacity = frameCapacity(open);
        if (capacity === 0) {
          nextSlab();
          continue;
        }
        const slab = open;
        const count = Math.min(end - from, capacity - slab.frameUsed);
        copyInto(
          slab.bytes,
          slab.frameStart + FRAME_LENGTH_BYTES + slab.frameUsed,
          bytes,
          from,
          count,
        );
        slab.frameUsed += count;
        from += count;
        if (slab.frameUsed === capacity) sealOpenFrame(slab);
      }
    },
    flush() {
      if (open.frameUsed > 0) sealOpenFrame(open);
      send(open);
    },
    get bytesInFlight() {
      return bytesInFlight;
    },
    useLargeFrames() {
      assert(open.frameUsed === 0, "the last small frame is flushed before large ones begin");
      isLarge = true;
    },
  };
}

/** The 96-bit nonce of one direction: four zero bytes and a 64-bit little-endian counter. */
export interface Nonce {
  readonly bytes: Uint8Array;
  increment(): void;
}

export function createNonce(): Nonce {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  let low = 0;
  let high = 0;
  return {
    bytes,
    increment() {
      low += 1;
      if (low === 0x1_0000_0000) {
        low = 0;
        high += 1;
        assert(high < 0x1_0000_0000, "a nonce counter does not wrap");
        view.setUint32(8, high, true);
      }
      view.setUint32(4, low, true);
    },
  };
}

function roomInSmallFrames(slab: Slab): number {
  const frames = Math.floor((SLAB_BYTES - slab.frameStart) / FRAME_SEALED_BYTES);
  return frames * FRAME_DATA_BYTES_MAX - slab.frameUsed;
}

function writeLe32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value & 0xff;
  bytes[at + 1] = (value >>> 8) & 0xff;
  bytes[at + 2] = (value >>> 16) & 0xff;
  bytes[at + 3] = value >>> 24;
}

/** Short copies by hand: a view costs more than the bytes. */
function copyInto(
  target: Uint8Array,
  at: number,
  source: Uint8Array,
  from: number,
  count: number,
): void {
  if (count <= 24) {
    for (let i = 0; i < count; i++) target[at + i] = source[from + i] ?? 0;
  } else if (from === 0 && count === source.length) {
    target.set(source, at);
  } else {
    target.set(source.subarray(from, from + count), at);
  }
}

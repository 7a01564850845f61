/**
 * Turns received bytes into plaintext: frames are opened in place in one preallocated slab and
 * handed over as spans of it, valid only during the call (frame formats: `frame-writer.ts`).
 */
import sodium from "sodium-native";
import { assert } from "../../../proto/errors.ts";
import { P2pError } from "../errors.ts";
import {
  createNonce,
  FRAME_LENGTH_BYTES,
  FRAME_PLAIN_BYTES,
  FRAME_SEALED_BYTES,
  FRAME_TAG_BYTES,
  SLAB_BYTES,
} from "./frame-writer.ts";
import { FRAME_DATA_BYTES_MAX, LARGE_FRAME_DATA_BYTES_MAX, SLAB_FRAMES } from "../limits.ts";

/** Receives one frame's data. Returns false to be given no further frame until `resume`. */
export type PlainSink = (bytes: Uint8Array, start: number, end: number) => boolean;

export interface FrameReader {
  /**
   * Takes received bytes. Returns how many were taken: fewer than given only after the sink has
   * said stop. Throws `P2P_FRAME_TAMPERED` or `P2P_FRAME_TOO_LARGE`; the reader is then dead.
   */
  push(chunk: Uint8Array, start: number): number;
  /** The sink wants frames again; already received ones are opened at the next `push`. */
  resume(): void;
  /** Later frames are Weft frames. */
  useLargeFrames(): void;
}

export function createFrameReader(
  options: { readonly key: Uint8Array },
  dependencies: { readonly sink: PlainSink },
): FrameReader {
  const { key } = options;
  const { sink } = dependencies;
  const nonce = createNonce();
  const slab = new Uint8Array(SLAB_BYTES);
  const frames = Array.from({ length: SLAB_FRAMES }, (_, i) => {
    const start = i * FRAME_SEALED_BYTES;
    return {
      plain: slab.subarray(start, start + FRAME_PLAIN_BYTES),
      sealed: slab.subarray(start, start + FRAME_SEALED_BYTES),
    };
  });
  let isLarge = false;
  let isStopped = false;
  let start = 0;
  let fill = 0;

  const openBytes = (
    plain: Uint8Array,
    sealed: Uint8Array,
    associated: Uint8Array | null,
  ): void => {
    try {
      sodium.crypto_aead_chacha20poly1305_ietf_decrypt(
        plain,
        null,
        sealed,
        associated,
        nonce.bytes,
        key,
      );
    } catch (error) {
      throw new P2pError(
        "P2P_FRAME_TAMPERED",
        "expected a frame sealed with this connection's key and counter, got one that does not authenticate",
        { cause: error },
      );
    }
    nonce.increment();
  };
  /** Opens the frame at `start` if it is complete. */
  const openNext = (): boolean => {
    const available = fill - start;
    if (!isLarge) {
      if (available < FRAME_SEALED_BYTES) return false;
      const frame = frames[start / FRAME_SEALED_BYTES];
      assert(frame !== undefined, "small frames lie at multiples of their size");
      openBytes(frame.plain, frame.sealed, null);
      const length = readLe32(slab, start);
      if (length > FRAME_DATA_BYTES_MAX) throw tooLarge(length, FRAME_DATA_BYTES_MAX);
      const dataStart = start + FRAME_LENGTH_BYTES;
      start += FRAME_SEALED_BYTES;
      isStopped = !sink(slab, dataStart, dataStart + length);
      return true;
    }
    if (available < FRAME_LENGTH_BYTES) return false;
    const length = readLe32(slab, start);
    if (length > LARGE_FRAME_DATA_BYTES_MAX) throw tooLarge(length, LARGE_FRAME_DATA_BYTES_MAX);
    if (available < FRAME_LENGTH_BYTES + length + FRAME_TAG_BYTES) return false;
    const dataStart = start + FRAME_LENGTH_BYTES;
    const end = dataStart + length;
    openBytes(
      slab.subarray(dataStart, end),
      slab.subarray(dataStart, end + FRAME_TAG_BYTES),
      slab.subarray(start, dataStart),
    );
    start = end + FRAME_TAG_BYTES;
    isStopped = !sink(slab, dataStart, end);
    return true;
  };

  const openAll = (): void => {
    for (;;) {
      if (isStopped || !openNext()) return;
    }
  };

  return {
    push(chunk, from) {
      let taken = from;
      for (;;) {
        openAll();
        if (isStopped || taken === chunk.length) return taken - from;
        if (start === fill) {
          start = 0;
          fill = 0;
        } else if (start > 0) {
          slab.copyWithin(0, start, fill);
          fill -= start;
          start = 0;
        }
        const count = Math.min(chunk.length - taken, SLAB_BYTES - fill);
        slab.set(
          taken === 0 && count === chunk.length ? chunk : chunk.subarray(taken, taken + count),
          fill,
        );
        fill += count;
        taken += count;
      }
    },
    resume() {
      isStopped = false;
    },
    useLargeFrames() {
      isLarge = true;
    },
  };
}

function readLe32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) |
      ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24)) >>>
    0
  );
}

function tooLarge(length: number, max: number): P2pError {
  return new P2pError(
    "P2P_FRAME_TOO_LARGE",
    `expected a frame of at most ${max} data bytes, got one that claims ${length}`,
  );
}

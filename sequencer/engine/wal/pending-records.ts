/** Records that wait to be written, back to back in one buffer that is used again and again. */
import { RECORD_HEADER_BYTES, writeRecordHeader } from "./record-frames.ts";

const BYTES_FIRST = 64 << 10;
/** A buffer larger than this is let go after its bytes were written. */
const BYTES_KEPT_MAX = 8 << 20;

export class PendingRecords {
  #buffer: Uint8Array = new Uint8Array(BYTES_FIRST);
  #used = 0;
  /** The other buffer, while nobody writes from it. */
  #spare: Uint8Array | undefined = new Uint8Array(BYTES_FIRST);

  get isEmpty(): boolean {
    return this.#used === 0;
  }

  /** Frames a record and copies it: `payload` may be overwritten afterwards. */
  append(payload: Uint8Array): void {
    const end = this.#used + RECORD_HEADER_BYTES + payload.length;
    if (end > this.#buffer.length) this.#grow(end);
    writeRecordHeader(this.#buffer, this.#used, payload);
    this.#buffer.set(payload, this.#used + RECORD_HEADER_BYTES);
    this.#used = end;
  }

  /** Everything that waits; valid until it is given back. Only one may be out at a time. */
  take(): Uint8Array {
    const bytes = this.#buffer.subarray(0, this.#used);
    this.#buffer = this.#spare ?? new Uint8Array(BYTES_FIRST);
    this.#spare = undefined;
    this.#used = 0;
    return bytes;
  }

  giveBack(bytes: Uint8Array): void {
    const { buffer } = bytes;
    if (buffer.byteLength <= BYTES_KEPT_MAX) this.#spare = new Uint8Array(buffer);
  }

  #grow(needed: number): void {
    const grown = new Uint8Array(Math.max(needed, 2 * this.#buffer.length));
    grown.set(this.#buffer.subarray(0, this.#used));
    this.#buffer = grown;
  }
}

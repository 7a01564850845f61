/** Cuts a stream into messages with their length in front (uvarint, spec/cometbft-v0.38.md §12.1). */
import { delimitedRange } from "../../proto/codec/reader.ts";
import { FRAME_BUFFER_BYTES } from "./limits.ts";

/**
 * Takes chunks as they come and gives whole messages, pulled one by one so that a reader can stop
 * between two. Memory follows what has arrived, never what a length announces.
 */
export class FrameReader {
  readonly #bytesMax: number;
  /** What has arrived and was not handed out lies in [#start, #end). */
  #buffer: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;
  /** The buffer is one that was made here, so that more can be appended in place. */
  #isOwn = false;
  /** Bytes of the message at `#start` with its length; undefined while the length is not there. */
  #wanted: number | undefined;

  /** @param options.bytesMax a longer message is refused */
  constructor(options: { readonly bytesMax: number }) {
    this.#bytesMax = options.bytesMax;
  }

  /** Bytes that wait for the rest of their message, or to be pulled. */
  get pendingBytes(): number {
    return this.#end - this.#start;
  }

  /** The chunk becomes the reader's: messages that lie in it whole are handed out as views. */
  push(chunk: Uint8Array): void {
    if (this.#start === this.#end) {
      this.#buffer = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      this.#isOwn = false;
      return;
    }
    this.#makeRoom(chunk.length);
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /**
   * The next whole message without its length, or undefined until more has come.
   * @throws CodecError when a length is above the limit or none; nothing can be read afterwards
   */
  next(): Uint8Array | undefined {
    if (this.#end - this.#start < (this.#wanted ?? 1)) return undefined;
    const arrived = this.#buffer.subarray(this.#start, this.#end);
    const range = delimitedRange(arrived, 0, this.#bytesMax);
    this.#wanted = range?.end;
    if (range === undefined || arrived.length < range.end) return undefined;
    this.#start += range.end;
    this.#wanted = undefined;
    // What was handed out is not written to again: a rest in an own buffer moves with the next chunk.
    this.#isOwn = false;
    return arrived.subarray(range.start, range.end);
  }

  /** Grows by doubling, up to the message that is read; what lies before `#start` is given up. */
  #makeRoom(count: number): void {
    const pending = this.#end - this.#start;
    const needed = pending + count;
    if (this.#isOwn && this.#end + count <= this.#buffer.length) return;
    const wanted = Math.min(this.#wanted ?? 0, 2 * needed);
    const grown = new Uint8Array(Math.max(needed, wanted, FRAME_BUFFER_BYTES));
    grown.set(this.#buffer.subarray(this.#start, this.#end));
    this.#buffer = grown;
    this.#start = 0;
    this.#end = pending;
    this.#isOwn = true;
  }
}

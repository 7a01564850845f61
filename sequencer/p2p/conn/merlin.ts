/**
 * The subset of Merlin transcripts that SecretConnection needs (spec §16.1): STROBE-128 over
 * Keccak-f[1600] with append and extract. Not a general STROBE.
 */
import { keccakP } from "@noble/hashes/sha3.js";
import { concatBytes, utf8ToBytes } from "../../../proto/bytes.ts";

const RATE_BYTES = 166;
const FLAG_C = 4;
const FLAG_K = 32;
/** A */
const OP_AD = 2;
/** M | A */
const OP_META_AD = 18;
/** I | A | C */
const OP_PRF = 7;

export interface Transcript {
  /** Binds `message` under `label` (ASCII). */
  append(label: string, message: Uint8Array): void;
  /** `length` bytes that depend on everything appended so far. */
  extract(label: string, length: number): Uint8Array;
}

/**
 * A transcript of the protocol named `label`.
 *
 * @example
 * const transcript = createTranscript("test protocol");
 * transcript.append("some label", utf8ToBytes("some data"));
 * const challenge = transcript.extract("challenge", 32);
 */
export function createTranscript(label: string): Transcript {
  const strobe = createStrobe("Merlin v1.0");
  const append = (messageLabel: string, message: Uint8Array): void => {
    strobe.begin(OP_META_AD);
    strobe.absorb(utf8ToBytes(messageLabel));
    strobe.absorb(lengthLe32(message.length));
    strobe.begin(OP_AD);
    strobe.absorb(message);
  };
  append("dom-sep", utf8ToBytes(label));
  return {
    append,
    extract(messageLabel, length) {
      strobe.begin(OP_META_AD);
      strobe.absorb(utf8ToBytes(messageLabel));
      strobe.absorb(lengthLe32(length));
      strobe.begin(OP_PRF);
      return strobe.squeeze(length);
    },
  };
}

interface Strobe {
  begin(flags: number): void;
  absorb(bytes: Uint8Array): void;
  squeeze(length: number): Uint8Array;
}

function createStrobe(protocol: string): Strobe {
  const words = new Uint32Array(50);
  const state = new Uint8Array(words.buffer);
  state.set(concatBytes(new Uint8Array([1, 168, 1, 0, 1, 96]), utf8ToBytes("STROBEv1.0.2")));
  keccakP(words);
  let position = 0;
  let beginPosition = 0;

  const xorAt = (at: number, value: number): void => {
    state[at] = (state[at] ?? 0) ^ value;
  };
  const permute = (): void => {
    xorAt(position, beginPosition);
    xorAt(position + 1, 4);
    xorAt(RATE_BYTES + 1, 0x80);
    keccakP(words);
    position = 0;
    beginPosition = 0;
  };
  const absorb = (bytes: Uint8Array): void => {
    for (const byte of bytes) {
      xorAt(position, byte);
      position += 1;
      if (position === RATE_BYTES) permute();
    }
  };
  const begin = (flags: number): void => {
    const previous = beginPosition;
    beginPosition = position + 1;
    absorb(new Uint8Array([previous, flags]));
    if ((flags & (FLAG_C | FLAG_K)) !== 0 && position !== 0) permute();
  };
  const squeeze = (length: number): Uint8Array => {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      out[i] = state[position] ?? 0;
      state[position] = 0;
      position += 1;
      if (position === RATE_BYTES) permute();
    }
    return out;
  };
  begin(OP_META_AD);
  absorb(utf8ToBytes(protocol));
  return { begin, absorb, squeeze };
}

function lengthLe32(length: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, length, true);
  return bytes;
}

/** BLAKE2F (0x09, EIP-152) that gives way to others: one call may ask for a round for each unit of a block's gas. */
import type { PrecompileFunc } from "@ethereumjs/evm";
import type { Pacer } from "../pacer.ts";

/** Rounds, h, m, t and whether the block is the last one. */
const INPUT_BYTES = 213;
const H_AT = 4;
const M_AT = 68;
const T_AT = 196;
const LAST_AT = 212;
const WORD_BYTES = 8;
/** Rounds between two looks at the clock: a few hundred microseconds. */
const ROUNDS_PER_CHECK = 1_024;

/** Halves of the initial vector's words (RFC 7693, 2.6), the lower one first. */
// biome-ignore format: four words a line
const IV = Int32Array.of(
  0xf3bcc908, 0x6a09e667, 0x84caa73b, 0xbb67ae85, 0xfe94f82b, 0x3c6ef372, 0x5f1d36f1, 0xa54ff53a,
  0xade682d1, 0x510e527f, 0x2b3e6c1f, 0x9b05688c, 0xfb41bd6b, 0x1f83d9ab, 0x137e2179, 0x5be0cd19,
);

/** Order of the message's words in each of ten rounds (RFC 7693, 2.7). */
const SIGMA = [
  "0123456789abcdef",
  "ea489fd61c02b753",
  "b8c052fdae367194",
  "7931dcbe265a40f8",
  "905724afe1bc683d",
  "2c6a0b834d75fe19",
  "c51fed4a0763928b",
  "db7ec13950f4862a",
  "6fe9b308c2d714a5",
  "a2847615fb9e3cd0",
].map((row) => Uint8Array.from(row, (digit) => Number.parseInt(digit, 16)));

/** Words of 64 bits, as halves. */
interface Words {
  readonly low: Int32Array;
  readonly high: Int32Array;
}

/** @param library takes what is short, and what fails */
export function pacedBlake2f(library: PrecompileFunc, pacer: Pacer): PrecompileFunc {
  return async (input) => {
    const { data } = input;
    if (data.length !== INPUT_BYTES || (data[LAST_AT] ?? 0) > 1) return library(input);
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const rounds = view.getUint32(0);
    const gas = input.common.param("blake2RoundGas") * BigInt(rounds);
    if (rounds <= ROUNDS_PER_CHECK || input.gasLimit < gas) return library(input);

    const message = words(view, M_AT, 16);
    const state = initialState(view);
    for (let round = 0; round < rounds; round++) {
      if (round % ROUNDS_PER_CHECK === 0 && pacer.isDue()) await pacer.rest();
      mixRound(state, message, SIGMA[round % SIGMA.length] ?? new Uint8Array(16));
    }
    return { executionGasUsed: gas, returnValue: finished(view, state) };
  };
}

function words(view: DataView, at: number, count: number): Words {
  const half = (offset: number): Int32Array =>
    Int32Array.from({ length: count }, (_, i) => view.getInt32(at + i * WORD_BYTES + offset, true));
  return { low: half(0), high: half(4) };
}

function initialState(view: DataView): Words {
  const h = words(view, H_AT, 8);
  const t = words(view, T_AT, 2);
  const last = view.getUint8(LAST_AT) === 1 ? -1 : 0;
  const half = (start: Int32Array, counter: Int32Array, offset: number): Int32Array => {
    const state = new Int32Array(16);
    state.set(start);
    for (let i = 0; i < 8; i++) state[8 + i] = IV[2 * i + offset] ?? 0;
    state[12] = (state[12] ?? 0) ^ (counter[0] ?? 0);
    state[13] = (state[13] ?? 0) ^ (counter[1] ?? 0);
    state[14] = (state[14] ?? 0) ^ last;
    return state;
  };
  return { low: half(h.low, t.low, 0), high: half(h.high, t.high, 1) };
}

function mixRound(v: Words, m: Words, s: Uint8Array): void {
  mix(v, 0, 4, 8, 12, m, s[0], s[1]);
  mix(v, 1, 5, 9, 13, m, s[2], s[3]);
  mix(v, 2, 6, 10, 14, m, s[4], s[5]);
  mix(v, 3, 7, 11, 15, m, s[6], s[7]);
  mix(v, 0, 5, 10, 15, m, s[8], s[9]);
  mix(v, 1, 6, 11, 12, m, s[10], s[11]);
  mix(v, 2, 7, 8, 13, m, s[12], s[13]);
  mix(v, 3, 4, 9, 14, m, s[14], s[15]);
}

/** The function G (RFC 7693, 3.1) on four words of `v` and two of the message. */
function mix(
  { low, high }: Words,
  a: number,
  b: number,
  c: number,
  d: number,
  m: Words,
  x = 0,
  y = 0,
): void {
  let aLow = low[a] ?? 0;
  let aHigh = high[a] ?? 0;
  let bLow = low[b] ?? 0;
  let bHigh = high[b] ?? 0;
  let cLow = low[c] ?? 0;
  let cHigh = high[c] ?? 0;
  let dLow = low[d] ?? 0;
  let dHigh = high[d] ?? 0;

  // a = a + b + x; d = (d ^ a) rotated by 32
  let sum = (aLow >>> 0) + (bLow >>> 0) + ((m.low[x] ?? 0) >>> 0);
  aHigh = (aHigh + bHigh + (m.high[x] ?? 0) + carry(sum)) | 0;
  aLow = sum | 0;
  let left = dLow ^ aLow;
  dLow = dHigh ^ aHigh;
  dHigh = left;
  // c = c + d; b = (b ^ c) rotated by 24
  sum = (cLow >>> 0) + (dLow >>> 0);
  cHigh = (cHigh + dHigh + carry(sum)) | 0;
  cLow = sum | 0;
  left = bLow ^ cLow;
  let right = bHigh ^ cHigh;
  bLow = (left >>> 24) | (right << 8);
  bHigh = (right >>> 24) | (left << 8);
  // a = a + b + y; d = (d ^ a) rotated by 16
  sum = (aLow >>> 0) + (bLow >>> 0) + ((m.low[y] ?? 0) >>> 0);
  aHigh = (aHigh + bHigh + (m.high[y] ?? 0) + carry(sum)) | 0;
  aLow = sum | 0;
  left = dLow ^ aLow;
  right = dHigh ^ aHigh;
  dLow = (left >>> 16) | (right << 16);
  dHigh = (right >>> 16) | (left << 16);
  // c = c + d; b = (b ^ c) rotated by 63
  sum = (cLow >>> 0) + (dLow >>> 0);
  cHigh = (cHigh + dHigh + carry(sum)) | 0;
  cLow = sum | 0;
  left = bLow ^ cLow;
  right = bHigh ^ cHigh;
  bLow = (right >>> 31) | (left << 1);
  bHigh = (left >>> 31) | (right << 1);

  low[a] = aLow;
  high[a] = aHigh;
  low[b] = bLow;
  high[b] = bHigh;
  low[c] = cLow;
  high[c] = cHigh;
  low[d] = dLow;
  high[d] = dHigh;
}

/** What a sum of lower halves has above 32 bits. */
function carry(sum: number): number {
  return (sum / 0x1_0000_0000) | 0;
}

/** h ^ the first half of the state ^ its second one. */
function finished(view: DataView, { low, high }: Words): Uint8Array {
  const output = new Uint8Array(8 * WORD_BYTES);
  const out = new DataView(output.buffer);
  for (const [offset, half] of [low, high].entries()) {
    for (let i = 0; i < 8; i++) {
      const at = i * WORD_BYTES + offset * 4;
      const mixed = (half[i] ?? 0) ^ (half[i + 8] ?? 0);
      out.setInt32(at, view.getInt32(H_AT + at, true) ^ mixed, true);
    }
  }
  return output;
}

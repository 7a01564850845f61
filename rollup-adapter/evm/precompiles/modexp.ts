/**
 * MODEXP (0x05) in time linear in the exponent, giving way to others. The library's shifts all of the exponent for each
 * of its bits, which is quadratic, where the gas is linear.
 */
import type { PrecompileFunc } from "@ethereumjs/evm";
import { bigIntToBytes, bytesToBigInt, setLengthLeft, setLengthRight } from "@ethereumjs/util";
import type { Pacer } from "../pacer.ts";

/** The lengths of base, exponent and modulus, 32 bytes each (EIP-198). */
const LENGTH_BYTES = 32;
const BASE_AT = 3 * LENGTH_BYTES;
/** What the gas depends on of the exponent itself. */
const EXPONENT_HEAD_BYTES = 32;
/** Bits of the exponent taken at a time: more need more powers of the base first, which only long ones repay. */
const WINDOW_BITS = 4;

/** @param library says the gas, and what fails */
export function pacedModexp(library: PrecompileFunc, pacer: Pacer): PrecompileFunc {
  return async (input) => {
    const { data } = input;
    const lengthAt = (index: number): number =>
      Number(bytesToBigInt(padded(data, index * LENGTH_BYTES, LENGTH_BYTES)));
    const [baseBytes, exponentBytes, modulusBytes] = [lengthAt(0), lengthAt(1), lengthAt(2)];
    const exponentAt = BASE_AT + baseBytes;
    // What is cut off reads as zeros, and to a modulus of zero there is nothing to work out.
    const headEnd = exponentAt + Math.min(exponentBytes, EXPONENT_HEAD_BYTES);
    const priced = await library({ ...input, data: data.subarray(0, headEnd) });
    if (priced.exceptionError !== undefined || priced.returnValue.length === 0) return priced;

    const modulusAt = exponentAt + exponentBytes;
    const modulus = bytesToBigInt(padded(data, modulusAt, modulusBytes));
    if (modulus === 0n) return priced;
    const base = bytesToBigInt(padded(data, BASE_AT, baseBytes));
    const exponent = { bytes: data.subarray(exponentAt, modulusAt), length: exponentBytes };
    const power = await raised(base, exponent, modulus, pacer);
    return { ...priced, returnValue: setLengthLeft(bigIntToBytes(power), modulusBytes) };
  };
}

/** @param exponent `length` bytes, of which those that are not there are zero */
async function raised(
  base: bigint,
  exponent: { readonly bytes: Uint8Array; readonly length: number },
  modulus: bigint,
  pacer: Pacer,
): Promise<bigint> {
  const width = exponent.length > EXPONENT_HEAD_BYTES ? WINDOW_BITS : 1;
  const powers = [1n % modulus];
  for (let last = 1n; powers.length < 1 << width; powers.push(last)) last = (last * base) % modulus;
  let result = 1n % modulus;
  for (let i = 0; i < exponent.length; i++) {
    if (pacer.isDue()) await pacer.rest();
    const byte = exponent.bytes[i] ?? 0;
    for (let shift = 8 - width; shift >= 0; shift -= width) {
      for (let bit = 0; bit < width; bit++) result = (result * result) % modulus;
      const digit = (byte >> shift) & ((1 << width) - 1);
      if (digit > 0) result = (result * (powers[digit] ?? 0n)) % modulus;
    }
  }
  return result;
}

/** `length` bytes from `at` on; those that are not there are zero. */
function padded(data: Uint8Array, at: number, length: number): Uint8Array {
  return setLengthRight(data.subarray(at, at + length), length);
}

/** Account addresses as people see them: bech32 with the prefix `weft` (docs/formats.md, "Encoding"). */
import { bech32 } from "@scure/base";
import { utf8ToBytes } from "./bytes.ts";

const PREFIX = "weft";
const ADDRESS_BYTES = 20;

const SYMBOLS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/** BIP-173's generator, as what a step adds for each value of the five bits that leave. */
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
const STEPS = Array.from({ length: 32 }, (_, leaving) =>
  GENERATOR.reduce((sum, value, bit) => ((leaving >> bit) & 1 ? sum ^ value : sum), 0),
);
const PREFIX_BYTES = Array.from(utf8ToBytes(PREFIX));
const PREFIX_CHECK = [
  ...PREFIX_BYTES.map((byte) => byte >> 5),
  0,
  ...PREFIX_BYTES.map((byte) => byte & 31),
].reduce(checkStep, 1);

/**
 * `weft1...` of a 20-byte address. Written out here because every transaction's events hold one or two,
 * and a general encoder costs more than executing the transaction.
 */
export function formatAddress(address: Uint8Array): string {
  if (address.length !== ADDRESS_BYTES) {
    throw new RangeError(`an address has ${ADDRESS_BYTES} bytes, got ${address.length}`);
  }
  let text = `${PREFIX}1`;
  let check = PREFIX_CHECK;
  let bits = 0;
  let bitCount = 0;
  // 20 bytes are 32 symbols exactly: no padding.
  for (let i = 0; i < ADDRESS_BYTES; i++) {
    bits = ((bits << 8) | (address[i] ?? 0)) & 0xfff;
    for (bitCount += 8; bitCount >= 5; bitCount -= 5) {
      const symbol = (bits >> (bitCount - 5)) & 31;
      check = checkStep(check, symbol);
      text += SYMBOLS.charAt(symbol);
    }
  }
  for (let i = 0; i < 6; i++) check = checkStep(check, 0);
  check ^= 1;
  for (let shift = 25; shift >= 0; shift -= 5) text += SYMBOLS.charAt((check >> shift) & 31);
  return text;
}

function checkStep(check: number, symbol: number): number {
  return ((check & 0x1ffffff) << 5) ^ symbol ^ (STEPS[check >> 25] ?? 0);
}

/** The 20 bytes of `weft1...`. Throws a RangeError that says what is wrong. */
export function parseAddress(text: string): Uint8Array {
  let decoded: { readonly prefix: string; readonly bytes: Uint8Array };
  try {
    decoded = bech32.decodeToBytes(text);
  } catch (cause) {
    const why = text.startsWith(`${PREFIX}1`) ? ", which is mistyped or cut off" : "";
    throw new RangeError(`expected an address like weft1..., got ${JSON.stringify(text)}${why}`, {
      cause,
    });
  }
  if (decoded.prefix !== PREFIX || decoded.bytes.length !== ADDRESS_BYTES) {
    throw new RangeError(
      `expected prefix ${PREFIX} and ${ADDRESS_BYTES} bytes, got ${decoded.prefix} and ${decoded.bytes.length}`,
    );
  }
  return decoded.bytes;
}

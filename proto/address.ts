/** Account addresses as people see them: bech32 with the prefix `weft` (docs/formats.md, "Encoding"). */
import { bech32 } from "@scure/base";

const PREFIX = "weft";
const ADDRESS_BYTES = 20;

/** `weft1...` of a 20-byte address. */
export function formatAddress(address: Uint8Array): string {
  if (address.length !== ADDRESS_BYTES) {
    throw new RangeError(`an address has ${ADDRESS_BYTES} bytes, got ${address.length}`);
  }
  return bech32.encodeFromBytes(PREFIX, address);
}

/** The 20 bytes of `weft1...`. Throws a RangeError that says what is wrong. */
export function parseAddress(text: string): Uint8Array {
  let decoded: { readonly prefix: string; readonly bytes: Uint8Array };
  try {
    decoded = bech32.decodeToBytes(text);
  } catch (cause) {
    throw new RangeError(`expected an address like weft1..., got ${JSON.stringify(text)}`, {
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
